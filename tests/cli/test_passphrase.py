#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Where credentials come from, and what becomes of key slots."""
import json
import os
import signal

from cli_case import CHEAP, H, Terminal, main


# ---------------------------------------------------------------- terminal

def test_the_terminal_is_asked_twice_for_a_new_one(box):
    t = Terminal(box, "init", "--no-recovery", *CHEAP, "v")
    t.expect("New passphrase for v: ")
    assert not t.is_echoing()
    t.type("on the terminal\n")
    t.expect("Once more")
    t.type("on the terminal\n")
    code, text = t.end()
    assert code == 0 and "on the terminal" not in text, (code, text)
    box.run("key", "test", "v", stdin="on the terminal\n")


def test_two_that_differ_make_nothing(box):
    t = Terminal(box, "init", "--no-recovery", *CHEAP, "v")
    t.expect("New passphrase for v: ")
    t.type("one\n")
    t.expect("Once more")
    t.type("two\n")
    code, text = t.end()
    assert code == 1 and "differ" in text, (code, text)
    assert not os.path.exists(box.path("v"))


def test_the_terminal_is_asked_once_for_an_old_one(box):
    box.vault()
    t = Terminal(box, "key", "test", "vault")
    t.expect("Passphrase for vault: ")
    t.type(H.PASSPHRASE + "\n")
    code, text = t.end()
    assert code == 0 and H.PASSPHRASE not in text, (code, text)


def test_the_terminal_is_restored_when_interrupted(box):
    box.vault()
    for press in ("\x03", "\x1c"):
        t = Terminal(box, "key", "test", "vault")
        t.expect("Passphrase for vault: ")
        t.type("half" + press)
        t.expect("nothing lost")
        assert t.is_echoing()
        assert t.end()[0] == 17
    t = Terminal(box, "key", "test", "vault")
    t.expect("Passphrase for vault: ")
    os.kill(t.pid, signal.SIGTERM)
    t.expect("nothing lost")
    assert t.is_echoing()
    assert t.end()[0] == 17


def test_without_input_it_says_what_to_do(box):
    box.vault()
    box.fails(1, "key", "test", "vault", says=["empty", "--passfile"])


# ---------------------------------------------------------------- sources

def test_each_source_and_their_order(box):
    box.vault()
    box.write("wrong", "wrong\n")
    box.write("long", H.PASSPHRASE + "\nand more lines\n")
    box.write("bare", H.PASSPHRASE)
    os.mkdir(box.path("creds"))
    box.write("creds/coffer.passphrase", H.PASSPHRASE)
    creds = {"CREDENTIALS_DIRECTORY": box.path("creds")}
    test = ("key", "test")
    for name in ("pass", "long", "bare"):
        box.run(*test, "--passfile", name, "vault", stdin="wrong\n")
    box.run(*test, "--passcmd", "cat pass", "vault", stdin="wrong\n")
    box.run(*test, "--passcmd", "cat long; seq 100000", "vault")
    box.run(*test, "vault", stdin=H.PASSPHRASE + "\nmore")
    box.run(*test, "vault", env=creds, stdin="wrong\n")
    box.fails(10, *test, "--passfile", "wrong", "vault", env=creds,
              says="wrong")
    r, w = os.pipe()
    os.write(w, H.PASSPHRASE.encode() + b"\nleft for others")
    os.close(w)
    box.run(*test, "--pass-fd", str(r), "vault", pass_fds=[r])
    assert os.read(r, 100) == b"left for others"
    os.close(r)
    box.fails(1, *test, "--pass-fd", "99", "vault", says="descriptor 99")


def test_passphrases_are_bytes(box):
    phrase = b"\xff\x80 \xc3\xa4\r\t\x00end"
    box.run("init", "--no-recovery", *CHEAP, "v", stdin=phrase + b"\nrest")
    box.run("key", "test", "v", stdin=phrase)
    box.fails(10, "key", "test", "v", stdin=phrase.rstrip(b"end"), says="v")
    box.run("init", "--no-recovery", *CHEAP, "w", stdin=b"x" * 1024)
    box.run("key", "test", "w", stdin=b"x" * 1024)


def test_no_secret_is_visible_to_other_processes(box):
    """Nor to the user's own: the process is not dumpable."""
    box.vault()
    t = Terminal(box, "key", "test", "vault")
    t.expect("Passphrase for vault: ")
    with open("/proc/%d/cmdline" % t.pid, "rb") as f:
        assert H.PASSPHRASE.encode() not in f.read()
    assert os.stat("/proc/%d/mem" % t.pid).st_uid == 0
    t.type(H.PASSPHRASE + "\n")
    assert t.end()[0] == 0


def test_recovery_words_open_the_vault(box):
    box.vault()
    with open(box.path("vault.words"), encoding="ascii") as f:
        words = f.read().split()
    test = ("key", "test", "--recovery", "vault")
    box.run(*test, stdin=" ".join(words))
    box.run(*test, stdin="\n".join(words) + "\n")
    box.run(*test, stdin="-".join(words).upper())
    box.run(*test[:3], "--passfile", "vault.words", "vault")
    box.run("ls", "--recovery", "--passfile", "vault.words", "vault")
    box.fails(10, *test, stdin=" ".join(words[:-1]), says="24 words")
    box.fails(10, *test, stdin=" ".join(words[1:] + words[:1]),
              says="24 words")
    bad = words[:6] + ["coffer"] + words[7:]
    box.fails(10, *test, stdin=" ".join(bad), says="word 7")
    box.vault("second")
    box.fails(10, "key", "test", "--recovery", "--passfile", "second.words",
              "vault", says="wrong")


# ---------------------------------------------------------------- slots

def slots(box, *args):
    return json.loads(box.run("key", "list", "--json", *args,
                              "vault").out)["slots"]


def test_key_files_alone_and_with_a_passphrase(box):
    box.write("key", os.urandom(64))
    box.write("other", os.urandom(64))
    box.run("init", "--no-recovery", "--keyfile", "key", "--no-passphrase",
            *CHEAP, "a")
    box.run("key", "test", "--keyfile", "key", "a")
    box.fails(10, "key", "test", "--keyfile", "other", "a", says="a")
    box.fails(10, "key", "test", "a", stdin="x\n", says="no key slot")
    box.run("init", "--no-recovery", "--keyfile", "key", *CHEAP, "b",
            stdin="and this\n")
    box.run("key", "test", "--keyfile", "key", "b", stdin="and this\n")
    box.fails(10, "key", "test", "--keyfile", "key", "b", stdin="or that\n",
              says="b")
    box.fails(10, "key", "test", "--keyfile", "key", "--no-passphrase", "b",
              says="no key slot")


def test_slots_are_added_listed_and_removed(box):
    box.vault()
    box.write("new", "another one\n")
    p = box.run("key", "add", "--passfile", "pass", "--new-passfile", "new",
                "--label", "spare", *CHEAP, "vault")
    name = p.out.split()[-1]
    assert len(name) == 32
    box.run("key", "test", "--passfile", "new", "vault")
    listed = slots(box)
    assert len(listed) == 3 and name in [s["name"] for s in listed]
    assert "label" not in listed[0]
    labelled = {s["name"]: s for s in slots(box, "--labels", "--passfile",
                                            "pass")}
    assert labelled[name]["label"] == "spare"
    assert labelled[name]["is_known"] and not labelled[name]["is_current"]
    assert sum(s["is_current"] for s in labelled.values()) == 1
    box.fails(1, "key", "remove", "--passfile", "pass", "vault", "ffff" * 8,
              says="none")
    box.run("key", "remove", "--passfile", "pass", "vault", name[:8])
    box.fails(10, "key", "test", "--passfile", "new", "vault", says="wrong")
    assert len(slots(box)) == 2


def test_the_last_slot_stays(box):
    box.write("pass", H.PASSPHRASE + "\n")
    box.run("init", "--no-recovery", "--passfile", "pass", *CHEAP, "vault")
    (slot,) = slots(box)
    box.fails(1, "key", "remove", "--passfile", "pass", "vault",
              slot["name"][:4], says="last")
    box.run("key", "test", "--passfile", "pass", "vault")


def test_a_passphrase_is_changed(box):
    box.vault()
    box.run("key", "change", "vault",
            stdin=H.PASSPHRASE + "\nthe new one\n")
    box.run("key", "test", "vault", stdin="the new one\n")
    box.fails(10, "key", "test", "--passfile", "pass", "vault", says="wrong")
    assert len(slots(box)) == 2
    box.fails(1, "key", "change", "vault", stdin="the new one\n",
              says="empty")
    box.run("key", "test", "vault", stdin="the new one\n")


def test_a_recovery_key_is_added_and_saves_the_forgetful(box):
    box.vault()
    box.run("key", "add", "--passfile", "pass", "--new-recovery",
            "--recovery-file", "more.words", *CHEAP, "vault")
    box.run("key", "test", "--recovery", "--passfile", "more.words", "vault")
    box.write("new", "remembered\n")
    box.run("key", "add", "--recovery", "--passfile", "vault.words",
            "--new-passfile", "new", *CHEAP, "vault")
    box.run("ls", "--passfile", "new", "vault")
    shown = box.run("key", "add", "--passfile", "pass", "--new-recovery",
                    *CHEAP, "vault").out
    assert "24. " in shown and "added slot" in shown


def test_what_was_put_is_there_under_every_key(box):
    box.vault()
    box.write("file", "kept")
    box.run("put", "--passfile", "pass", "vault", "file", "/")
    box.run("key", "change", "vault", stdin=H.PASSPHRASE + "\nnew\n")
    box.write("key", os.urandom(32))
    box.run("key", "add", "--new-keyfile", "key", "--new-no-passphrase",
            *CHEAP, "vault", stdin="new\n")
    for args, stdin in (((), "new\n"), (("--keyfile", "key"), None),
                        (("--recovery", "--passfile", "vault.words"), None)):
        assert box.run("cat", *args, "vault", "file",
                       stdin=stdin).out == "kept"


if __name__ == "__main__":
    main(dict(globals()))
