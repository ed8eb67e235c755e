#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What only root can set up: full and read-only file systems."""
import json
import os

from cli_case import H, main

UNLOCK = ("--passfile", "pass")


def test_a_full_disk_ends_it_and_harms_nothing(box):
    small = box.path("small")
    os.mkdir(small)
    H.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", small])
    try:
        box.write("pass", H.PASSPHRASE + "\n")
        unlock = ("--passfile", "pass", "small/vault")
        box.run("init", "--no-recovery", "--passfile", "pass", "--kdf-memory",
                "64M", "small/vault")
        box.write("a", "before")
        box.run("put", *unlock, "a", "/")
        box.write("big", os.urandom(40 << 20))
        p = box.run("put", *unlock, "big", "/", code=15)
        assert "no space left" in p.err, p.err
        assert box.run("cat", *unlock, "a").out == "before"
        assert box.run("check", "-d", *unlock).code == 0
        box.run("put", *UNLOCK, "--state-dir", "small/state", "small/vault",
                "big", "/", code=15)
        assert box.run("cat", *unlock, "a").out == "before"
    finally:
        H.run(["umount", "-l", small])


def test_umount_tells_what_could_not_be_published(box):
    small = box.path("small")
    os.mkdir(small)
    H.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", small])
    try:
        box.write("pass", H.PASSPHRASE + "\n")
        box.run("init", "--no-recovery", *UNLOCK, "--kdf-memory", "64M",
                "small/vault")
        mnt = box.mount("small/vault")
        with open(mnt + "/file", "wb") as f:
            f.write(os.urandom(3 << 20))
            f.flush()
            os.fsync(f.fileno())
        # Somebody else takes the rest.
        fd = os.open(small + "/filler", os.O_WRONLY | os.O_CREAT)
        try:
            while os.write(fd, b"x" * 4096):
                pass
        except OSError:
            pass
        os.close(fd)
        p = box.run("umount", "mnt", code=15)
        assert "kept in the local state" in p.err and \
            len(p.err.splitlines()) == 1, p.err
        assert box.daemons() == [] and not box.is_mounted("mnt")
        os.unlink(small + "/filler")
        box.run("sync", *UNLOCK, "small/vault")
        got = box.run("cat", *UNLOCK, "--no-state", "small/vault", "file").raw
        assert len(got) == 3 << 20
    finally:
        box.clear()
        H.run(["umount", "-l", small], ok=False)


def test_a_vault_that_cannot_be_written_is_mounted_read_only(box):
    vault = box.vault()
    box.write("file", "x")
    box.run("put", *UNLOCK, "vault", "file", "/")
    H.run(["mount", "--bind", vault, vault])
    try:
        H.run(["mount", "-o", "remount,ro,bind", vault])
        os.makedirs(box.path("mnt"))
        p = box.run("mount", *UNLOCK, "vault", "mnt")
        assert "warning" in p.err and "read-only" in p.err, p.err
        (j,) = json.loads(box.run("status", "--json").out)["vaults"]
        assert j["read_only"] and j["read_only_reason"]
        assert os.listdir(box.path("mnt")) == ["file"]
        try:
            box.write("mnt/new", "x")
            raise AssertionError("written to a read-only mount")
        except OSError:
            pass
        box.run("umount", "mnt")
    finally:
        H.run(["umount", "-l", vault])


if __name__ == "__main__":
    if os.geteuid() != 0:
        H.skip("only root can mount what these tests need")
    H.need_fuse()
    main(dict(globals()))
