#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Wrong usage ends with 2 and one line; help and manual pages agree on what
there is."""
import re

from cli_case import COMMANDS, main, options, page, words

# The page that describes all options of a command.
PAGES = {"init": "coffer-init.1", "mount": "coffer-mount.1",
         "check": "coffer-check.1", "stats": "coffer-stats.1"}

FAMILIES = {"key": "coffer-key.1", "device": "coffer-device.1"}


def flags(text):
    """The flags a page names, as they are typed without the first hyphen."""
    return set(re.findall(r"\bFl (-?[\w-]+)", text))


def test_help_lists_every_command(box):
    listed = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", box.run("help").out,
                        re.M)
    assert sorted(listed) == sorted(COMMANDS + ["help"]), listed
    assert box.run("--help").out == box.run("help").out
    assert box.run("-h").out == box.run("help").out


def test_help_of_a_command_is_what_its_option_help_prints(box):
    for command in COMMANDS:
        text = box.run("help", *words(command)).out
        assert text.startswith("usage: coffer %s [OPTIONS]" % command), text
        assert box.run(*words(command), "--help").out == text
        assert box.run(*words(command), "-h").out == text
    assert "key add" in box.run("help", "key").out


def test_version(box):
    assert re.fullmatch(r"coffer \d+\.\d+\.\d+\n", box.run("--version").out)
    assert box.run("-V").out == box.run("--version").out


def test_every_option_stands_in_the_manual(box):
    for command in COMMANDS:
        name = PAGES.get(command, FAMILIES.get(words(command)[0], "coffer.1"))
        named = flags(page(name))
        for long, short in options(box, command).items():
            assert "-" + long in named, (name, command, long)
            if short:
                assert short in named, (name, command, short)


def test_the_manual_names_no_option_there_is_not(box):
    every = {}
    for command in COMMANDS:
        every.update(options(box, command))
    every["version"] = None
    shorts = {s for s in every.values() if s} | {"lR"}
    for name in sorted(set(PAGES.values()) | set(FAMILIES.values()) |
                       {"coffer.1"}):
        for flag in flags(page(name)):
            if flag.startswith("-") and len(flag) > 1:
                assert flag[1:] in every, (name, flag)
            elif re.fullmatch(r"\w+", flag) and flag.islower():
                assert flag in shorts, (name, flag)


def test_every_command_stands_in_the_manual(_):
    text = page("coffer.1")
    for command in COMMANDS:
        assert re.search(r"^\.It Cm (?:.*, )?%s\b" % command, text, re.M), \
            command


def test_every_exit_status_stands_in_the_manual(_):
    found = re.findall(r"^\.It (\d+)$", page("coffer.1"), re.M)
    assert [int(n) for n in found] == [0, 1, 2] + list(range(10, 18))


def test_wrong_usage_ends_with_2_and_one_line(box):
    for args, says in [
            ((), "which command"),
            (("frobnicate",), "there is no command `frobnicate'"),
            (("key",), "one more word"),
            (("key", "frob"), "there is no command `key frob'"),
            (("help", "frob"), "there is no command"),
            (("mount",), "too few"),
            (("mount", "v"), "too few"),
            (("mount", "v", "m", "x"), "`x' is too much"),
            (("ls", "--nonsense", "v"), "`--nonsense'"),
            (("ls", "-x", "v"), "`-x'"),
            (("ls", "--long=yes", "v"), "`--long=yes'"),
            (("ls", "--passfile"), "needs a value"),
            (("ls", "--pass", "v"), "`--pass'"),
            (("ls", ""), "empty"),
            (("ls", "--pass-fd", "x", "v"), "`x'"),
            (("ls", "--pass-fd", "-1", "v"), "`-1'"),
            (("ls", "--passfile", "a", "--passcmd", "b", "v"), "give one"),
            (("ls", "--no-passphrase", "v"), "needs --keyfile"),
            (("ls", "--recovery", "--keyfile", "k", "v"), "give one"),
            (("init", "--kdf-passes", "2", "v"), "3 to 64"),
            (("init", "--kdf-memory", "1M", "v"), "64M to 4G"),
            (("init", "--kdf-passes", "64", "--kdf-memory", "4G", "v"), "32G"),
            (("init", "--json", "v"), "--recovery-file"),
            (("init", "--no-recovery", "--recovery-file", "f", "v"),
             "give one"),
            (("key", "add", "--new-recovery", "--new-passfile", "f", "v"),
             "takes none"),
            (("key", "remove", "v", "abc"), "4 digits"),
            (("mount", "-o", "profile=slow", "v", "m"), "balanced"),
            (("mount", "-o", "idle=soon", "v", "m"), "a time"),
            (("mount", "-o", "cache=1", "v", "m"), "a size"),
            (("mount", "-o", "cache", "v", "m"), "needs a value"),
            (("mount", "-o", "umask=9", "v", "m"), "octal"),
            (("mount", "-o", "uid=me", "v", "m"), "a number"),
            (("mount", "-o", "suid", "v", "m"), "nosuid"),
            (("mount", "-o", "strictatime", "v", "m"), "relatime"),
            (("mount", "-o", "remount,ro", "v", "m"), "mount -i"),
            (("mount", "-o", "attr_timeout=1", "v", "m"), "profile="),
            (("mount", "-o", "nodiratimes", "v", "m"), "no such word"),
            (("mount", "-o", "ro,frobnicate", "v", "m"), "frobnicate"),
            (("mount", "-o", "allow_other,allow_root", "v", "m"), "give one"),
            (("mount", "-o", "allow_other,permissions=daemon", "v", "m"),
             "permissions=daemon"),
            (("mount", "-o", "profile=fast,permissions=daemon", "v", "m"),
             "permissions=daemon"),
            (("mount", "-o", "passfile=a,passcmd=b", "v", "m"), "give one"),
            (("stats",), "too few"),
            (("stats", "--interval", "0", "m"), "a second to a day"),
            (("stats", "--interval", "2d", "m"), "a second to a day")]:
        box.fails(2, *args, says=says)


def test_two_hyphens_end_the_options(box):
    box.fails(11, "info", "--", "--json", says="--json")
    box.fails(2, "info", "--", "--json", "-v", says="`-v' is too much")


def test_options_may_stand_anywhere(box):
    box.fails(11, "ls", "nowhere", "-l", "/", "--json", says="nowhere")


def test_a_report_that_cannot_be_written_fails(box):
    with open("/dev/full", "wb") as full:
        p = box.run("help", code=1, stdout=full)
    assert "standard output" in p.err


if __name__ == "__main__":
    main(dict(globals()))
