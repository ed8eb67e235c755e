#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What bash completes is what there is."""
import os
import re
import shutil

from cli_case import COMMANDS, H, TOP, main, options, page, words


def complete(box, *typed):
    """What bash completes the last word to."""
    script = "source %s; COMP_WORDS=(%s); COMP_CWORD=%d; _coffer; " \
        "printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
            os.path.join(TOP, "contrib/completion/coffer.bash"),
            " ".join("'%s'" % w for w in ("coffer",) + typed), len(typed))
    env = dict(box.env, PATH=os.path.dirname(os.path.abspath(H.COFFER)) + ":" +
               os.environ["PATH"])
    return set(H.run(["bash", "-c", script], env=env).stdout.decode()
               .split())


def test_bash_completes_commands_and_options(box):
    firsts = {words(c)[0] for c in COMMANDS} | {"help"}
    assert complete(box, "") == firsts | {"--help", "--version"}
    assert complete(box, "key", "") == {"list", "add", "remove", "change",
                                        "test"}
    for command in COMMANDS:
        want = {"--" + o for o in options(box, command)}
        assert complete(box, *words(command), "--") == want, command
    assert "ro,profile=safe" in complete(box, "mount", "-o", "ro,prof")


def test_bash_knows_the_words_of_mount(box):
    text = page("coffer-mount.1")
    text = text[text.index(".Ss Words of -o"):text.index(".Cm exec ,")]
    named = set(re.findall(r"(?:^\.It |[,|] )?\bCm ([a-z_]+)", text))
    offered = {w.split("=")[0]
               for w in complete(box, "mount", "-o", "")}
    assert offered <= named, offered - named
    values = {"balanced", "safe", "fast", "kernel"}
    assert named - values <= offered, named - values - offered


if __name__ == "__main__":
    if not shutil.which("bash"):
        H.skip("there is no bash")
    main(dict(globals()))
