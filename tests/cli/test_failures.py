#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Every way a vault can fail to mount: a line of its own, its exit status, and
nothing changed - in the vault, in the local state, in the mount point, among
the sockets."""
import hashlib
import os
import shutil
import stat
import subprocess

from cli_case import CHEAP, H, main

UNLOCK = ("--passfile", "pass")


def tree(top):
    """Names, kinds, modes, owners, times and contents of all below a path."""
    out = {}
    paths = [top]
    for at, dirs, names in os.walk(top):
        paths += [os.path.join(at, n) for n in dirs + names]
    for path in paths:
        try:
            st = os.lstat(path)
        except FileNotFoundError:
            out[path] = None
            continue
        what = None
        if stat.S_ISREG(st.st_mode):
            with open(path, "rb") as f:
                what = hashlib.sha256(f.read()).hexdigest()
        elif stat.S_ISLNK(st.st_mode):
            what = os.readlink(path)
        out[path] = (st.st_mode, st.st_uid, st.st_gid, st.st_ino,
                     st.st_mtime_ns, st.st_size, what)
    return out


class Table:
    """Mounts that fail: each held to the same rules."""

    def __init__(self, box):
        self.box = box
        self.lines = {}
        os.mkdir(box.path("mnt"))

    def all(self):
        box = self.box
        return {name: tree(box.path(name))
                for name in ("vault", "state", "mnt", "run/coffer")}

    def fails(self, what, code, *says, vault="vault", point="mnt",
              unlock=UNLOCK, around=None, **kw):
        """Twice: with the local state as it is, and on a machine that never
        saw the vault."""
        box = self.box
        for state in ("state", "no-state"):
            env = {"XDG_STATE_HOME": box.path(state)}
            before, beside = self.all(), tree(box.path("no-state"))
            args = ("mount", *unlock, vault, point)
            if around:
                p = around(env, *args)
            else:
                p = box.run(*args, code=code, env=env, **kw)
            assert p.code == code, (what, p.code, p.err)
            (line,) = p.err.splitlines()
            assert line.startswith("coffer: ") and not p.out, (what, p.err)
            for word in says:
                assert word in line, (what, word, line)
            assert self.all() == before, what
            assert tree(box.path("no-state")) == beside, what
            assert not box.daemons() and not box.is_mounted(point), what
        # No other failure says the same.
        line = line.replace(box.path(vault), "VAULT").replace(vault, "VAULT")
        line = line.replace(box.path(point), "POINT").replace(point, "POINT")
        assert self.lines.setdefault(line, what) == what, (what, line)


def used_vault(box):
    """One that has been mounted: with local state, two segments, a pack."""
    vault = box.vault()
    box.write("file", os.urandom(300000))
    box.run("put", *UNLOCK, "vault", "file", "/")
    return vault


def passphrase_slot(vault):
    for name in os.listdir(vault + "/k"):
        with open(vault + "/k/" + name, "rb") as f:
            if f.read(9)[8] == 1:
                return "k/" + name
    raise AssertionError("no slot of a passphrase")


class Damaged:
    """A file with other bytes, and the times it had, for a while."""

    def __init__(self, path, data):
        self.path, self.data = path, data

    def __enter__(self):
        self.st = os.stat(self.path)
        with open(self.path, "rb") as f:
            self.good = f.read()
        self.write(self.data(self.good))

    def write(self, data):
        with open(self.path, "wb") as f:
            f.write(data)
        os.utime(self.path, ns=(self.st.st_atime_ns, self.st.st_mtime_ns))

    def __exit__(self, *_):
        self.write(self.good)


def flipped(at):
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def without_fuse(box, prepare):
    """Runs a command where /dev/fuse is something else."""
    def run(env, *args):
        p = subprocess.run(
            ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c",
             prepare + '; exec "$@"', "sh", H.COFFER, *args],
            cwd=box.base, env=dict(box.env, **env), check=False, timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        out = type("Result", (), {})()
        out.code, out.out = p.returncode, p.stdout.decode()
        out.err = p.stderr.decode()
        return out
    return run


# ---------------------------------------------------------------- the table

def test_each_failure_has_its_line_and_changes_nothing(box):
    vault = used_vault(box)
    t = Table(box)
    header = box.path("vault/VAULT")
    slot = passphrase_slot(vault)

    t.fails("wrong passphrase", 10, "wrong passphrase", unlock=(),
            stdin="wrong\n")
    with Damaged(box.path("vault", slot), flipped(2000)):
        t.fails("damaged slot", 12, slot, "damaged")
    with Damaged(header, flipped(100)):
        t.fails("damaged header", 12, "header", "damaged")
    with Damaged(header, lambda d: d[:90]):
        t.fails("cut header", 12, "header", "damaged")
    with Damaged(header, lambda d: d[:8] + b"\x02\x00" + d[10:]):
        t.fails("newer format", 16, "newer")
    with Damaged(header, lambda d: b"MZ" + d[2:]):
        t.fails("another file", 11, "not a vault", "does not begin")
    t.fails("missing vault", 11, "no such folder", vault="absent")
    os.mkdir(box.path("empty"))
    t.fails("no vault in it", 11, "not a vault", "no file VAULT",
            vault="empty")
    t.fails("a file as the vault", 11, "no folder", vault="file")
    t.fails("mount point absent", 14, "does not exist", point="absent")
    t.fails("mount point a file", 14, "not a directory", point="file")
    os.mkdir(box.path("full"))
    box.write("full/file", "x")
    t.fails("mount point not empty", 14, "not empty", point="full")
    os.mkdir(box.path("vault/inside"))
    t.fails("mount point inside", 14, "inside the vault",
            point="vault/inside")
    os.rmdir(box.path("vault/inside"))
    t.fails("mount point the vault", 14, "the vault itself", point="vault")
    # After all of that it mounts, and nothing is missing.
    box.mount()
    with open(box.path("mnt/file"), "rb") as a, \
            open(box.path("file"), "rb") as b:
        assert a.read() == b.read()
    box.run("umount", "vault")
    box.run("check", "-d", *UNLOCK, "vault")


def test_without_fuse_nothing_is_changed(box):
    if os.geteuid() != 0 or H.run(["unshare", "-m", "true"],
                                  ok=False).returncode:
        H.skip("only root can put something else in the place of /dev/fuse")
    used_vault(box)
    t = Table(box)
    box.write("no-device", "")
    t.fails("no /dev/fuse", 14, "/dev/fuse",
            around=without_fuse(box, "mount -t tmpfs none /dev"))
    t.fails("something else as /dev/fuse", 14, "/dev/fuse",
            around=without_fuse(box, "mount --bind '%s' /dev/fuse" %
                                box.path("no-device")))


def test_a_read_only_vault_is_mounted_read_only_and_not_changed(box):
    """With local state and without; the reason stands in `status`."""
    if os.geteuid() != 0:
        H.skip("only root can mount a folder read-only")
    import json
    vault = used_vault(box)
    os.mkdir(box.path("mnt"))
    H.run(["mount", "--bind", vault, vault])
    try:
        H.run(["mount", "-o", "remount,ro,bind", vault])
        for state in ("state", "no-state"):
            env = {"XDG_STATE_HOME": box.path(state)}
            before = tree(vault)
            p = box.run("mount", *UNLOCK, "vault", "mnt", env=env)
            (line,) = p.err.splitlines()
            assert "warning" in line and "read-only" in line, p.err
            (j,) = json.loads(box.run("status", "--json").out)["vaults"]
            assert j["read_only"] and "written" in j["read_only_reason"], j
            for change in (lambda: box.write("mnt/new", "x"),
                           lambda: os.unlink(box.path("mnt/file")),
                           lambda: os.mkdir(box.path("mnt/dir"))):
                try:
                    change()
                    raise AssertionError("a read-only mount was changed")
                except OSError as e:
                    assert e.errno == 30, e         # EROFS
            with open(box.path("mnt/file"), "rb") as a, \
                    open(box.path("file"), "rb") as b:
                assert a.read() == b.read()
            box.run("umount", "vault")
            assert tree(vault) == before
    finally:
        H.run(["umount", "-l", vault])


# ---------------------------------------------------------------- the others

def test_init_that_fails_leaves_nothing(box):
    """And touches nothing that stands there."""
    box.write("file", "x")
    os.mkdir(box.path("full"))
    box.write("full/file", "x")
    box.vault()
    for where, code, says in (("full", 1, "not empty"),
                              ("vault", 1, "already"),
                              ("file", 1, "file"),
                              ("no/such/place", 1, "does not exist")):
        before = tree(box.base)
        box.fails(code, "init", *UNLOCK, *CHEAP, where, says=says)
        after = tree(box.base)
        before.pop(box.base), after.pop(box.base)
        assert after == before, where
    shutil.rmtree(box.path("vault"))


if __name__ == "__main__":
    H.need_fuse()
    main(dict(globals()))
