#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Commands on a vault that is not mounted: what they report, and the exit
status and line of each failure."""
import json
import os
import shutil
import stat
import time

from cli_case import CHEAP, H, main

HEX32 = "[0-9a-f]{32}"


def report(box, *args, **kw):
    """The one object on the one line that --json prints."""
    text = box.run(*args, "--json", **kw).out
    assert text.endswith("\n") and text.count("\n") == 1, text
    return json.loads(text)


def packs(vault):
    return [os.path.join(at, name)
            for at, _, names in os.walk(os.path.join(vault, "w"))
            for name in names if "/d/" in at]


def fill(box, n_bytes=300000):
    """A file that is too large to travel in a log segment."""
    data = os.urandom(n_bytes)
    box.write("data", data)
    box.run("put", "--passfile", "pass", "vault", "data", "/")
    return data


# ---------------------------------------------------------------- init

def test_init_makes_a_private_vault(box):
    box.vault()
    assert sorted(os.listdir(box.path("vault"))) == ["VAULT", "k", "w"]
    for at, _, names in os.walk(box.path("vault")):
        assert stat.S_IMODE(os.stat(at).st_mode) == 0o700, at
        for name in names:
            mode = os.stat(os.path.join(at, name)).st_mode
            assert not stat.S_IMODE(mode) & 0o077, name
    assert stat.S_IMODE(os.stat(box.path("vault.words")).st_mode) == 0o600
    with open(box.path("vault.words"), encoding="ascii") as f:
        assert len(f.read().split()) == 24


def test_init_shows_the_recovery_words_once(box):
    p = box.run("init", *CHEAP, "v", stdin="a passphrase\n")
    lines = [line.split() for line in p.out.splitlines()
             if line[:4].strip().rstrip(".").isdigit()]
    words = [w for line in lines for w in line[1::2]]
    assert len(words) == 24 and all(w.isalpha() for w in words), p.out
    box.run("key", "test", "--recovery", "v", stdin=" ".join(words))
    quiet = box.run("init", "--quiet", "--no-recovery", *CHEAP, "w",
                    stdin="a passphrase\n")
    assert quiet.out == "" and quiet.err == ""


def test_init_takes_an_empty_folder_and_no_other(box):
    os.mkdir(box.path("empty"))
    box.run("init", "--no-recovery", *CHEAP, "empty", stdin="x\n")
    os.mkdir(box.path("full"))
    box.write("full/file", "x")
    box.fails(1, "init", "full", says="not empty", stdin="x\n")
    assert os.listdir(box.path("full")) == ["file"]
    box.fails(1, "init", "empty", says="already", stdin="x\n")
    box.fails(1, "init", "full/file", says="file", stdin="x\n")
    box.fails(1, "init", "no/such/place", says="does not exist", stdin="x\n")
    assert not os.path.exists(box.path("no"))


def test_init_without_a_passphrase_makes_nothing(box):
    box.fails(1, "init", "v", says=["empty", "--passfile"])
    box.fails(1, "init", "v", says="empty", stdin="\nsecond line\n")
    box.fails(1, "init", "v", says="1024", stdin="x" * 1025)
    box.fails(1, "init", "--passfile", "absent", "v", says="absent")
    box.fails(1, "init", "--passcmd", "exit 3", "v", says="status 3")
    box.fails(1, "init", "--keyfile", "absent", "v", says="absent")
    box.write("short", "x" * 31)
    box.fails(1, "init", "--keyfile", "short", "v", says="32")
    assert not os.path.exists(box.path("v"))


def test_init_reports_as_json(box):
    j = report(box, "init", "--recovery-file", "words", *CHEAP, "v",
               stdin="x\n")
    assert sorted(j) == ["recovery_file", "uuid", "vault"]
    assert j["vault"] == "v" and len(j["uuid"]) == 32
    assert os.path.exists(box.path("words"))
    box.fails(1, "init", "--recovery-file", "words", "w", says="words",
              stdin="x\n")
    assert not os.path.exists(box.path("w"))


# ---------------------------------------------------------------- failures

def test_each_failure_of_opening_has_its_status_and_line(box):
    box.vault()
    os.mkdir(box.path("folder"))
    box.write("file", "x")
    for args in (("ls",), ("status",), ("check",), ("sync",), ("gc",),
                 ("rebuild",), ("key", "list"), ("key", "test"), ("info",)):
        box.fails(11, *args, "absent", says=["absent", "no such folder"])
        box.fails(11, *args, "folder", says=["folder", "not a vault"])
        box.fails(11, *args, "file", says=["file", "no folder"])
    for args in (("ls",), ("check",), ("sync",), ("gc",), ("key", "test"),
                 ("mount",)):
        more = ("folder",) if args == ("mount",) else ()
        box.fails(10, *args, "vault", *more, stdin="wrong\n",
                  says=["vault", "wrong passphrase"])


def test_a_damaged_header_is_neither_absent_nor_a_wrong_passphrase(box):
    vault = box.vault()
    with open(vault + "/VAULT", "r+b") as f:
        f.seek(100)
        byte = f.read(1)[0]
        f.seek(100)
        f.write(bytes([byte ^ 1]))
    box.fails(12, "ls", "--passfile", "pass", "vault",
              says=["header", "damaged"])
    with open(vault + "/VAULT", "r+b") as f:
        f.truncate(100)
    box.fails(12, "ls", "--passfile", "pass", "vault",
              says=["header", "damaged"])
    os.unlink(vault + "/VAULT")
    box.fails(11, "ls", "--passfile", "pass", "vault", says="not a vault")


def test_a_newer_format_is_told(box):
    vault = box.vault()
    with open(vault + "/VAULT", "r+b") as f:
        f.seek(8)
        f.write(b"\xff\x00")
    box.fails(16, "ls", "--passfile", "pass", "vault", says="newer")
    box.fails(16, "info", "vault", says="newer")


def test_a_damaged_slot_is_told(box):
    vault = box.vault()
    kept = {}
    for name in os.listdir(vault + "/k"):
        with open(vault + "/k/" + name, "r+b") as f:
            kept[name] = f.read()
            f.seek(2000)
            f.write(b"damage")
    p = box.fails(12, "ls", "--passfile", "pass", "vault", says="damaged")
    assert any("k/" + name in p.err for name in kept), p.err
    j = report(box, "key", "list", "vault")
    assert len(j["slots"]) == 2 and all(s["error"] for s in j["slots"])
    for name in kept:
        os.unlink(vault + "/k/" + name)
    box.fails(10, "ls", "--passfile", "pass", "vault", says="no key slot")


# ---------------------------------------------------------------- reports

def test_info_needs_no_passphrase(box):
    box.vault()
    j = report(box, "info", "vault")
    assert sorted(j) == sorted([
        "vault", "uuid", "format", "chunk_min", "chunk_average", "chunk_max",
        "features_incompatible", "features_read_only_compatible",
        "features_compatible", "total_bytes", "packs", "segments", "devices",
        "key_slots", "encryption_library", "hash_library",
        "slots"]), j
    assert j["key_slots"] == len(j["slots"]) == 2
    assert sorted(s["type"] for s in j["slots"]) == ["passphrase",
                                                     "recovery key"]
    assert all(s["kdf_memory_kib"] == 64 << 10 for s in j["slots"])
    assert j["uuid"] in box.run("info", "vault").out


def test_status_of_a_vault_that_is_not_mounted(box):
    box.vault()
    fill(box)
    assert report(box, "status") == {"vaults": []}
    assert "No vault" in box.run("status").out
    (j,) = report(box, "status", "--passfile", "pass", "vault")["vaults"]
    assert j["vault"] == "vault" and j["mountpoint"] is None
    assert j["inodes"] == 2 and j["directories"] == 1
    assert j["logical_bytes"] == 300000
    assert j["unpublished_ops"] == 0 and j["packs"] == 1
    (device,) = j["devices"]
    assert device["is_self"] and device["writer"] == j["writer"]
    text = box.run("status", "--passfile", "pass", "vault").out
    assert "(not mounted)" in text and j["writer"] in text


def test_check_finds_a_clean_vault_clean(box):
    box.vault()
    fill(box)
    j = report(box, "check", "--read-data", "--passfile", "pass", "vault")
    assert sorted(j) == sorted([
        "vault", "findings", "read_data", "segments", "packs", "chunks",
        "bytes_read", "bytes_known", "damaged", "pending", "foreign",
        "files_damaged", "ok"])
    assert j["ok"] and j["damaged"] == 0 and j["packs"] == 1
    assert j["bytes_read"] >= 300000
    assert "no damage" in box.run("check", "--passfile", "pass", "vault").out
    assert box.run("check", "-q", "--passfile", "pass", "vault").out == ""


def test_check_names_what_is_damaged(box):
    box.vault()
    fill(box)
    (pack,) = packs(box.path("vault"))
    with open(pack, "r+b") as f:
        f.seek(5000)
        f.write(b"damage")
    p = box.run("check", "-d", "--json", "--passfile", "pass", "vault",
                code=12)
    j = json.loads(p.out)
    assert not j["ok"] and j["files_damaged"] == 1, j
    found = {f["what"]: f["kind"] for f in j["findings"]}
    assert any(os.path.basename(pack) in what for what in found), found
    assert any(what.lstrip("/") == "data" for what in found), found
    text = box.run("check", "-d", "--passfile", "pass", "vault", code=12)
    assert "damage: " in text.out and "damaged" in text.err
    p = box.run("cat", "--passfile", "pass", "vault", "data", code=12)
    assert "data" in p.err


def test_check_reads_no_faster_than_it_may(box):
    box.vault()
    fill(box)
    box.write("more", os.urandom(200000))   # the second waits its turn
    box.run("put", "--passfile", "pass", "vault", "more", "/")
    two = [os.path.getsize(p) for p in packs(box.path("vault"))]
    assert len(two) == 2, two
    started = time.monotonic()
    j = report(box, "check", "-d", "--limit", str(min(two)), "--passfile",
               "pass", "vault")
    assert time.monotonic() - started >= 1 and j["ok"], j
    assert j["bytes_read"] == sum(two)
    box.fails(2, "check", "--limit", "20M", "--passfile", "pass", "vault",
              says="--read-data")
    for rate in ("0", "fast", "-1"):
        box.fails(2, "check", "-d", "--limit", rate, "vault", says="--limit")


def test_check_works_without_local_state(box):
    box.vault()
    fill(box)
    shutil.rmtree(box.path("state"))
    j = report(box, "check", "-d", "--no-state", "--passfile", "pass", "vault")
    assert j["ok"], j
    assert not os.path.exists(box.path("state"))


def test_gc_tells_and_removes_what_nothing_uses(box):
    box.vault()
    fill(box)
    j = report(box, "gc", "--dry-run", "--passfile", "pass", "vault")
    assert j == {"vault": "vault", "dry_run": True, "several_devices": False,
                 "packs": 1, "dead_packs": 0, "removed_packs": 0,
                 "live_bytes": j["live_bytes"], "dead_bytes": 0,
                 "removed_bytes": 0, "waiting_bytes": 0,
                 "sparse_packs": 0, "sparse_bytes": 0, "copy_bytes": 0,
                 "copied_bytes": 0, "waits_for": []}
    assert j["live_bytes"] >= 300000
    box.write("data", "small now")
    box.run("put", "--force", "--passfile", "pass", "vault", "data", "/")
    box.run("gc", "--passfile", "pass", "vault")
    assert packs(box.path("vault")) == []
    assert report(box, "check", "-d", "--passfile", "pass", "vault")["ok"]
    assert box.run("cat", "--passfile", "pass", "vault",
                   "data").raw == b"small now"


def test_rebuild_makes_the_same_again(box):
    box.vault()
    data = fill(box)
    before = box.run("ls", "-lR", "--passfile", "pass", "vault").out
    box.run("rebuild", "--passfile", "pass", "vault")
    assert box.run("ls", "-lR", "--passfile", "pass", "vault").out == before
    assert box.run("cat", "--passfile", "pass", "vault", "data").raw == data


def test_sync_takes_in_what_another_device_published(box):
    box.vault()
    box.write("one", "1")
    box.write("two", "2")
    box.run("put", "--passfile", "pass", "vault", "one", "/")
    box.run("put", "--passfile", "pass", "--state-dir", "other", "vault", "two",
            "/")
    box.run("sync", "--passfile", "pass", "vault")
    assert box.run("ls", "--passfile", "pass", "vault").out == "one\ntwo\n"
    (j,) = report(box, "status", "--passfile", "pass", "vault")["vaults"]
    assert len(j["devices"]) == 2


# ---------------------------------------------------------------- looking

def test_ls_cat_and_stat(box):
    box.vault()
    os.makedirs(box.path("tree/inner"))
    box.write("tree/inner/file", b"content\0\xff")
    os.symlink("inner/file", box.path("tree/link"))
    os.mkfifo(box.path("tree/fifo"))
    os.setxattr(box.path("tree/inner/file"), "user.note", b"\x00\x01")
    os.utime(box.path("tree/inner/file"), ns=(1, 1234567890123456789))
    box.run("put", "--passfile", "pass", "vault", "tree", "/")
    unlock = ("--passfile", "pass", "vault")
    assert box.run("ls", *unlock).out == "tree\n"
    assert box.run("ls", *unlock, "tree").out == "fifo\ninner\nlink\n"
    assert box.run("ls", "-R", *unlock, "/tree").out == \
        "fifo\ninner\ninner/file\nlink\n"
    assert box.run("ls", *unlock, "tree/inner/file").out == \
        "tree/inner/file\n"
    long = box.run("ls", "-l", *unlock, "tree").out.splitlines()
    assert long[0].startswith("p") and long[1].startswith("d")
    assert long[2].startswith("l") and long[2].endswith("link -> inner/file")
    assert box.run("cat", *unlock, "tree/inner/file", "/tree//inner/./file") \
        .raw == 2 * b"content\0\xff"
    j = report(box, "stat", *unlock, "tree/inner/file")
    assert j["kind"] == "file" and j["size"] == 9
    assert j["mtime_ns"] == 1234567890123456789
    assert j["xattrs"] == [{"name": "user.note", "value_hex": "0001"}]
    entries = report(box, "ls", *unlock, "tree")["entries"]
    assert [e["name"] for e in entries] == ["fifo", "inner", "link"]
    assert entries[2]["target"] == "inner/file"
    text = box.run("stat", *unlock, "tree/inner/file").out
    assert "user.note" in text and "2009-02-13 23:31:30.123456789" in text


def test_paths_that_are_not_there_or_lead_out(box):
    box.vault()
    os.mkdir(box.path("tree"))
    os.symlink("..", box.path("tree/up"))
    box.run("put", "--passfile", "pass", "vault", "tree", "/")
    unlock = ("--passfile", "pass", "vault")
    for command in ("ls", "cat", "stat"):
        box.fails(1, command, *unlock, "absent", says="absent")
        box.fails(1, command, *unlock, "absent/file", says="absent/file")
        box.fails(1, command, *unlock, "tree/../tree", says="`..'")
        box.fails(1, command, *unlock, "tree/up/tree", says="tree/up")
    box.fails(1, "cat", *unlock, "tree", says="tree")
    box.fails(1, "cat", *unlock, "tree/up", says="no regular file")


def test_names_that_are_no_text(box):
    box.vault()
    odd = [b"\xff\xfe", b"new\nline", b'quote"\\', "\u00e4\U0001f600".encode(),
           b"\xed\xa0\x80", b"\xc0\xaf", b"\x1b[31m", b"x" * 255]
    os.mkdir(box.path("tree"))
    for name in odd:
        with open(os.path.join(os.fsencode(box.path("tree")), name), "wb"):
            pass
    box.run("put", "--passfile", "pass", "vault", "tree", "/")
    j = report(box, "ls", "--passfile", "pass", "vault", "tree")
    names = [e["name"].encode("utf-8", "surrogateescape")
             for e in j["entries"]]
    assert names == sorted(odd), names
    raw = box.run("ls", "--passfile", "pass", "vault", "tree").raw
    assert raw == b"".join(n + b"\n" for n in sorted(odd))
    box.run("get", "--passfile", "pass", "vault", "tree", "out")
    assert sorted(os.listdir(os.fsencode(box.path("out")))) == sorted(odd)


def test_a_vault_in_use_is_told(box):
    """By a process that is no mount: one that waits at a pipe."""
    box.vault()
    fill(box, 3000000)
    import subprocess
    p = subprocess.Popen([H.COFFER, "cat", "--passfile", "pass", "vault",
                          "data"], cwd=box.base, env=box.env,
                         stdout=subprocess.PIPE)
    try:
        assert p.stdout.read(1)
        box.fails(13, "ls", "--passfile", "pass", "vault",
                  says=["another process", "--no-state"])
        assert box.run("ls", "--no-state", "--passfile", "pass",
                       "vault").out == "data\n"
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


if __name__ == "__main__":
    main(dict(globals()))
