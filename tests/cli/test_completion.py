#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What bash, zsh and fish complete is what there is."""
import os
import re
import shutil

from cli_case import COMMANDS, H, TOP, main, options, page, words


def environment(box):
    return dict(box.env, PATH=os.path.dirname(os.path.abspath(H.COFFER)) +
                ":" + os.environ["PATH"])


def complete(box, *typed):
    """What bash completes the last word to."""
    script = "source %s; COMP_WORDS=(%s); COMP_CWORD=%d; _coffer; " \
        "printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
            os.path.join(TOP, "contrib/completion/coffer.bash"),
            " ".join("'%s'" % w for w in ("coffer",) + typed), len(typed))
    return set(H.run(["bash", "-c", script], env=environment(box))
               .stdout.decode().split())


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


# What zsh's own functions are given is printed, a line each.
ZSH = r"""
_describe() { local a=$2; print -rl -- ${(P)a%%:*} }
_arguments() {
	local s
	for s in $@; do
		[[ $s == --* ]] && print -r -- ${s%%\[*}
	done
	return 0
}
script=$1
shift
words=("$@")
CURRENT=$#words
source $script
"""


def complete_zsh(box, *typed):
    out = H.run(["zsh", "-f", "-c", ZSH, "zsh",
                 os.path.join(TOP, "contrib/completion/_coffer"),
                 "coffer", *typed], env=environment(box)).stdout
    return set(out.decode().split())


def complete_fish(box, *typed):
    line = " ".join(("coffer",) + typed)
    out = H.run(["fish", "--no-config", "-c", "source $argv[1]; "
                 "complete -C $argv[2]",
                 os.path.join(TOP, "contrib/completion/coffer.fish"), line],
                env=environment(box)).stdout
    return {row.split("\t")[0] for row in out.decode().splitlines()}


def check_shell(box, shell, ask):
    if not shutil.which(shell):
        H.skip("there is no " + shell)
    firsts = {words(c)[0] for c in COMMANDS} | {"help"}
    assert ask(box, "") == firsts, ask(box, "")
    assert ask(box, "help", "") == firsts, ask(box, "help", "")
    assert ask(box, "key", "") == {"list", "add", "remove", "change", "test"}
    for command in COMMANDS:
        want = {"--" + o for o in options(box, command)}
        got = ask(box, *words(command), "--")
        assert got == want, (command, got ^ want)


def test_zsh_completes_commands_and_options(box):
    check_shell(box, "zsh", complete_zsh)


def test_fish_completes_commands_and_options(box):
    check_shell(box, "fish", complete_fish)


if __name__ == "__main__":
    if not shutil.which("bash"):
        H.skip("there is no bash")
    main(dict(globals()))
