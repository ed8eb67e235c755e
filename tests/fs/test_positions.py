#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Positions in directories: telldir(3), seekdir(3), listings across changes.

COFFER_TEST_POSITIONS sets the number of names, for a long run with a million.
"""
import contextlib
import ctypes
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested

NAMES = int(os.environ.get("COFFER_TEST_POSITIONS", "50000"))
PEAK_MIB = 768


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64),
                ("reclen", ctypes.c_uint16), ("type", ctypes.c_uint8),
                ("name", ctypes.c_char * 256)]


libc = ctypes.CDLL(None, use_errno=True)
libc.opendir.restype = ctypes.c_void_p
libc.opendir.argtypes = [ctypes.c_char_p]
libc.readdir.restype = ctypes.POINTER(Dirent)
libc.readdir.argtypes = [ctypes.c_void_p]
libc.telldir.restype = ctypes.c_long
libc.telldir.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
libc.rewinddir.argtypes = [ctypes.c_void_p]
libc.closedir.argtypes = [ctypes.c_void_p]


class Stream:
    """A directory stream of the C library."""

    def __init__(self, path):
        self.d = libc.opendir(os.fsencode(path))
        assert self.d, os.strerror(ctypes.get_errno())

    def read(self):
        """The next name, without the dots; None at the end."""
        while True:
            ctypes.set_errno(0)
            e = libc.readdir(self.d)
            if not e:
                assert ctypes.get_errno() == 0, ctypes.get_errno()
                return None
            if e.contents.name not in (b".", b".."):
                return e.contents.name

    def all(self):
        while (name := self.read()) is not None:
            yield name

    def tell(self):
        return libc.telldir(self.d)

    def seek(self, at):
        libc.seekdir(self.d, at)

    def rewind(self):
        libc.rewinddir(self.d)

    def close(self):
        libc.closedir(self.d)


def stream(path):
    return contextlib.closing(Stream(path))


def peak_mib(m):
    with open("/proc/%d/status" % m.pid, encoding="ascii") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) >> 10
    raise AssertionError("no VmHWM")


def create(d, names):
    for n in names:
        os.close(os.open(os.path.join(d, n), os.O_CREAT | os.O_WRONLY))


def list_with_positions(d):
    """Names in their order, and where each is read from."""
    names, positions = [], []
    with stream(d) as s:
        while True:
            at = s.tell()
            name = s.read()
            if name is None:
                return names, positions
            names.append(name)
            positions.append(at)


def check_from(d, position, want):
    """What is read from there on begins with these names."""
    with stream(d) as s:
        s.seek(position)
        for w in want:
            got = s.read()
            assert got == w, (got, w)


def test_positions(base):
    v = H.Vault(base, args=FAST)
    rng = random.Random(1)
    names = [b"name-%07d" % i for i in range(NAMES)]
    with v.mounted() as m:
        d = os.fsencode(m.path) + b"/d"
        os.mkdir(d)
        started = time.monotonic()
        create(d, names)
        created = time.monotonic()
        order, positions = list_with_positions(d)
        listed = time.monotonic()
        print("        %d names: created in %.1f s, listed in %.1f s, peak of "
              "the daemon %d MiB" % (NAMES, created - started,
                                     listed - created, peak_mib(m)))
        assert sorted(order) == names
        assert len(set(positions)) == NAMES
        # Seeking there and back, in one stream and in others.
        with stream(d) as s:
            for _ in range(300):
                i = rng.randrange(NAMES)
                s.seek(positions[i])
                assert s.tell() == positions[i]
                assert s.read() == order[i]
            s.rewind()
            assert s.read() == order[0]
        for _ in range(30):
            i = rng.randrange(NAMES)
            check_from(d, positions[i], order[i:i + 50])
        peak = peak_mib(m)
        assert peak < PEAK_MIB, peak
    # Where a name stands stays so in the next mount.
    with v.mounted() as m:
        d = os.fsencode(m.path) + b"/d"
        i = rng.randrange(NAMES)
        check_from(d, positions[i], order[i:i + 200])
        started = time.monotonic()
        assert sum(1 for _ in os.scandir(d)) == NAMES
        print("        after a mount: listed in %.1f s, peak %d MiB" % (
            time.monotonic() - started, peak_mib(m)))
        started = time.monotonic()
        H.run(["rm", "-r", d], timeout=1200)
        print("        removed in %.1f s, peak %d MiB" % (
            time.monotonic() - started, peak_mib(m)))
        assert os.listdir(m.path) == []
        assert peak_mib(m) < PEAK_MIB


def test_positions_across_changes(base):
    """Whatever comes, goes and is renamed: what stays is met once, also from
    a position taken before."""
    v = H.Vault(base, args=FAST)
    rng = random.Random(2)
    n = min(NAMES, 6000)
    names = [b"stay-%05d" % i for i in range(n)] + \
        [b"go-%05d" % i for i in range(n)]
    with v.mounted() as m:
        d = os.fsencode(m.path) + b"/d"
        os.mkdir(d)
        create(d, names)
        order, positions = list_with_positions(d)
        with stream(d) as s:
            first = [s.read() for _ in range(n // 2)]
            middle = s.tell()
            for i in range(n):
                go = b"%s/go-%05d" % (d, i)
                if i % 3:
                    os.unlink(go)
                else:
                    os.rename(go, b"%s/came-%05d" % (d, i))
            create(d, [b"new-%05d" % i for i in range(n // 4)])
            rest = list(s.all())
        # Begun before, ended after.
        seen = [x for x in first + rest if x.startswith(b"stay-")]
        assert sorted(seen) == names[:n], (len(seen), n)
        stay = [x for x in order if x.startswith(b"stay-")]
        assert seen == stay
        # From positions of before, also those of names that are gone.
        now = set(os.listdir(d))
        for i in [rng.randrange(len(order)) for _ in range(50)]:
            with stream(d) as s:
                s.seek(positions[i])
                got = [x for x in s.all() if x in now]
            want = [x for x in order[i:] if x in now]
            assert [x for x in got if x.startswith(b"stay-")] == \
                [x for x in want if x.startswith(b"stay-")], i
        with stream(d) as s:
            s.seek(middle)
            assert [x for x in s.all() if x.startswith(b"stay-")] == \
                [x for x in rest if x.startswith(b"stay-")]
        # Removing what was just read, as rm -r does, skips nothing.
        with stream(d) as s:
            for name in s.all():
                os.unlink(d + b"/" + name)
        assert os.listdir(d) == []


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
