#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A small file system that runs full below the vault, below the local state or
below both, in every phase: the program that caused it is told ENOSPC, nothing
confirmed is lost, the daemon goes on, `status` says why, and with room again it
works without mounting again.  And vault directories that turn read-only, or
are taken away, under a mount."""
import contextlib
import errno
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

MIB = 1 << 20
CHEAP = ("--kdf-memory", "64M")


@contextlib.contextmanager
def small(path, mib):
    """A tmpfs of that size, detached at the end."""
    os.makedirs(path, exist_ok=True)
    H.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % mib, "none", path])
    try:
        yield path
    finally:
        H.run(["umount", "-l", path], ok=False)


def fill(top, leave=0):
    """Takes what room there is, to the last byte but `leave`."""
    path = os.path.join(top, "filler")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for n in (MIB, 4096):
            with contextlib.suppress(OSError):
                while True:
                    os.write(fd, bytes(n))
        size = os.fstat(fd).st_size
        os.ftruncate(fd, max(size - leave, 0))
    finally:
        os.close(fd)


def free(top):
    os.unlink(os.path.join(top, "filler"))


def data(n, seed=1):
    return random.Random(seed).randbytes(n)


def write(path, content, sync=True):
    """Written, and confirmed: or the error of whichever call told."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        for at in range(0, len(content), 128 << 10):
            os.write(fd, content[at:at + (128 << 10)])
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)


def fails(number, fn, *args):
    try:
        fn(*args)
    except OSError as e:
        assert e.errno == number, e
    else:
        raise AssertionError("it did not fail")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def status(v, m):
    (one,) = json.loads(v.coffer("status", "--json", m.path).stdout)["vaults"]
    return one


def alive(m):
    assert os.path.exists("/proc/%d" % m.pid), "the daemon has ended"


def code_of(v, *args):
    p = v.coffer(*args, ok=False)
    line = p.stderr.decode()
    assert p.returncode == 0 or line.count("\n") == 1, line
    return p.returncode, line


def vault_files(top):
    return [f for _, _, files in os.walk(top) for f in files]


class Where:
    """A vault whose directory, state or both lie on the small disk."""

    def __init__(self, base, disk, what):
        self.v = H.Vault(base, init=False)
        self.disk = disk
        self.v.state = lambda device="here": os.path.join(
            disk if what != "vault" else base, "state-" + device)
        if what != "state":
            self.v.dir = os.path.join(disk, "vault")
        self.v.coffer("init", "--passfile", self.v.passfile, *CHEAP,
                      self.v.dir)


# ---------------------------------------------------------------- writing

def filled_beside(base, what):
    """Somebody else takes all the room while the vault is mounted."""
    with small(os.path.join(base, "disk"), 32) as disk:
        w = Where(base, disk, what)
        v = w.v
        with v.mounted() as m:
            old = os.path.join(m.path, "old")
            write(old, data(300000))
            v.coffer("sync", m.path)
            assert status(v, m)["trouble"] is None
            fill(disk)
            new = os.path.join(m.path, "new")
            fails(errno.ENOSPC, write, new, data(20 * MIB, 2))
            os.unlink(new)
            with open(os.path.join(m.path, "empty"), "wb"):
                pass
            code, line = code_of(v, "sync", m.path)
            assert code == 15 and "space" in line, (code, line)
            alive(m)
            j = status(v, m)
            assert not j["read_only"], j
            assert j["trouble"] and "space" in j["trouble"], j
            assert read(old) == data(300000)
            os.mkdir(os.path.join(m.path, "made on a full disk"))
            os.unlink(old)
            # With room again all goes on, without mounting again.
            free(disk)
            write(new, data(3 * MIB, 2))
            v.coffer("sync", m.path)
            j = status(v, m)
            assert j["trouble"] is None and j["unpublished_ops"] == 0, j
        assert v.check("--read-data")["ok"]
        with v.mounted(device="other", options=["ro"]) as m:
            assert sorted(os.listdir(m.path)) == \
                ["empty", "made on a full disk", "new"]
            assert read(os.path.join(m.path, "new")) == data(3 * MIB, 2)


def test_state_filled_beside(base):
    filled_beside(base, "state")


def test_vault_filled_beside(base):
    filled_beside(base, "vault")


def test_both_filled_beside(base):
    filled_beside(base, "both")


def filled_by_writing(base, what):
    with small(os.path.join(base, "disk"), 24) as disk:
        v = Where(base, disk, what).v
        kept = {}
        m = None
        with v.mounted(check=False) as m:
            for i in range(60):
                path = os.path.join(m.path, "file%d" % i)
                try:
                    write(path, data(MIB, i))
                    kept["file%d" % i] = i
                except OSError as e:
                    assert e.errno == errno.ENOSPC, e
                    break
            else:
                raise AssertionError("60 MiB went into 24")
            assert len(kept) > 3, kept
            alive(m)
            for name, i in kept.items():
                assert read(os.path.join(m.path, name)) == data(MIB, i), name
            for name in set(os.listdir(m.path)) - set(kept):
                os.unlink(os.path.join(m.path, name))
            for name in sorted(kept)[:2]:
                os.unlink(os.path.join(m.path, name))
                kept.pop(name)
            # A kill now loses nothing confirmed.
            m.kill()
        with v.mounted(check=False) as m:
            # What was confirmed, and of the deletions all or none.
            names = set(os.listdir(m.path))
            assert names >= set(kept), names
            for name, i in kept.items():
                assert read(os.path.join(m.path, name)) == data(MIB, i), name
            H.run(["mount", "-o", "remount,size=96m", disk])
            write(os.path.join(m.path, "more"), data(8 * MIB, 99))
            v.coffer("sync", m.path)
            m.umount()
        assert v.check("--read-data")["ok"]
        with v.mounted(device="other", options=["ro"]) as m:
            assert read(os.path.join(m.path, "more")) == data(8 * MIB, 99)
            for name, i in kept.items():
                assert read(os.path.join(m.path, name)) == data(MIB, i), name


def test_state_filled_by_writing(base):
    filled_by_writing(base, "state")


def test_both_filled_by_writing(base):
    filled_by_writing(base, "both")


def test_deleting_makes_room_in_a_full_vault(base):
    """A disk that holds nothing but the vault: whoever fills it can go on after
    deleting something, for what tells of that always has room."""
    with small(os.path.join(base, "disk"), 24) as disk:
        v = Where(base, disk, "vault").v
        with v.mounted() as m:
            for turn in range(2):
                told = None
                for i in range(60):
                    path = os.path.join(m.path, "%d-%d" % (turn, i))
                    try:
                        write(path, data(MIB, 100 * turn + i))
                    except OSError as e:
                        told = e.errno
                        break
                assert told == errno.ENOSPC and i > 10, (told, i)
                v.coffer("sync", m.path)
                assert status(v, m)["trouble"] is None
                for name in os.listdir(m.path):
                    os.unlink(os.path.join(m.path, name))
                v.coffer("sync", m.path)
                # One run removes a quarter of the files at most.
                for _ in range(30):
                    v.coffer("gc", m.path)
                    st = os.statvfs(disk)
                    if st.f_bavail * st.f_frsize > 16 * MIB:
                        break
                else:
                    raise AssertionError("no room is made: %s" % (st,))
        assert v.check("--read-data")["ok"]


# ---------------------------------------------------------------- commands

def test_init_without_room(base):
    """For the vault, or for the local state: nothing is left."""
    v = H.Vault(base, init=False)
    with small(os.path.join(base, "disk"), 1) as disk:
        fill(disk)
        for args in (("--state-dir", os.path.join(base, "s"),
                      os.path.join(disk, "vault")),
                     ("--state-dir", os.path.join(disk, "s"),
                      os.path.join(base, "vault"))):
            p = H.run([H.COFFER, "init", "--passfile", v.passfile, *CHEAP,
                       *args], ok=False)
            assert p.returncode == 15, p
            assert p.stderr.count(b"\n") == 1 and b"space" in p.stderr, p
            assert not os.path.exists(args[-1]), os.listdir(args[-1])
            assert vault_files(disk) == ["filler"], vault_files(disk)
        free(disk)


def test_commands_without_room_change_nothing(base):
    """key add, key change, rebuild, gc, put: status 15, the vault opens as
    before, and with room they work."""
    for what in ("vault", "state"):
        inner = os.path.join(base, what)
        os.mkdir(inner)
        with small(os.path.join(inner, "disk"), 24) as disk:
            v = Where(inner, disk, what).v
            with v.mounted() as m:
                write(os.path.join(m.path, "dead"), data(3 * MIB))
                v.coffer("sync", m.path)
                os.unlink(os.path.join(m.path, "dead"))
                write(os.path.join(m.path, "live"), data(MIB, 2))
            new = os.path.join(inner, "new")
            with open(new, "w", encoding="ascii") as f:
                f.write("another one\n")
            big = os.path.join(inner, "big")
            write(big, data(8 * MIB, 3), sync=False)
            fill(disk)
            slots = sorted(os.listdir(os.path.join(v.dir, "k")))
            unlock = ("--passfile", v.passfile)
            commands = (
                ("key", "add", *unlock, "--new-passfile", new, *CHEAP, v.dir),
                ("put", *unlock, v.dir, big, "/"),
            )
            for c in commands:
                p = command(v, *c)
                assert p.returncode == 15, (what, c, p)
                assert b"space" in p.stderr.splitlines()[-1], (what, c, p)
                assert sorted(os.listdir(os.path.join(v.dir, "k"))) == slots
            p = command(v, "gc", *unlock, v.dir)
            assert p.returncode in (0, 15), (what, p)
            p = H.run([H.COFFER, "cat", "--no-state", *unlock, v.dir, "live"],
                      ok=False)
            assert p.returncode == 0 and p.stdout == data(MIB, 2), \
                (what, p.stderr)
            free(disk)
            for c in commands[:1] + (("gc", *unlock, v.dir),
                                     ("rebuild", *unlock, v.dir)):
                p = command(v, *c)
                assert p.returncode == 0, (what, c, p)
            assert v.check("--read-data")["ok"]


def command(v, *args):
    """`key add` and the like: two words, then the state."""
    n = 2 if args[0] == "key" else 1
    return H.run([H.COFFER, *args[:n], "--state-dir", v.state(), *args[n:]],
                 ok=False)


def test_rebuild_and_opening_without_room_for_an_index(base):
    """A vault opens all the same, or says what it lacks; then it opens."""
    with small(os.path.join(base, "disk"), 16) as disk:
        v = Where(base, disk, "state").v
        with v.mounted() as m:
            for i in range(300):
                with open(os.path.join(m.path, "%d" % i), "wb") as f:
                    f.write(b"x" * i)
        v.coffer("rebuild", "--passfile", v.passfile, v.dir)
        fill(disk)
        p = command(v, "ls", "--passfile", v.passfile, v.dir)
        assert p.returncode in (0, 15), p
        if p.returncode == 0:
            assert len(p.stdout.split()) == 300
        free(disk)
        p = command(v, "ls", "--passfile", v.passfile, v.dir)
        assert p.returncode == 0 and len(p.stdout.split()) == 300, p
        assert v.check()["ok"]


# ---------------------------------------------------------------- going away

def test_a_vault_that_turns_read_only_under_a_mount(base):
    """What is written is kept in the local state; it is told, and published
    when the vault may be written again."""
    with small(os.path.join(base, "disk"), 48) as disk:
        v = Where(base, disk, "vault").v
        with v.mounted() as m:
            write(os.path.join(m.path, "old"), data(MIB))
            v.coffer("sync", m.path)
            H.run(["mount", "-o", "remount,ro", disk])
            write(os.path.join(m.path, "new"), data(MIB, 2))
            code, line = code_of(v, "sync", m.path)
            assert code == 1 and "ead-only" in line, (code, line)
            alive(m)
            j = status(v, m)
            assert j["trouble"] and "ead-only" in j["trouble"], j
            assert read(os.path.join(m.path, "old")) == data(MIB)
            assert read(os.path.join(m.path, "new")) == data(MIB, 2)
            H.run(["mount", "-o", "remount,rw", disk])
            v.coffer("sync", m.path)
            assert status(v, m)["trouble"] is None
        assert v.check("--read-data")["ok"]


def test_a_vault_unmounted_under_the_daemon(base):
    """Lazily: what the daemon has open goes on; then it is really gone."""
    with small(os.path.join(base, "disk"), 48) as disk:
        v = Where(base, disk, "vault").v
        with v.mounted() as m:
            write(os.path.join(m.path, "old"), data(MIB))
            v.coffer("sync", m.path)
            H.run(["umount", "-l", disk])
            alive(m)
            # The folder it has open is still that vault.
            write(os.path.join(m.path, "new"), data(MIB, 2))
            assert read(os.path.join(m.path, "old")) == data(MIB)
            v.coffer("sync", m.path)
            assert not status(v, m)["read_only"]


if __name__ == "__main__":
    if os.geteuid() != 0:
        H.skip("only root can mount small file systems")
    H.need_fuse()
    H.main(globals())
