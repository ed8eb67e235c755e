#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Times: which call sets which, and which there are."""
import errno
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402
import people as P  # noqa: E402
import shared  # noqa: E402
from people import read, refused, write  # noqa: E402

MODES = (("profile=balanced",), ("profile=safe",), ("profile=fast",))
LIVING = ("relatime",)
DAY_NS = 24 * 3600 * 10 ** 9

# The kernel's own clock is so far behind at most: a tick.
TICK_NS = 20_000_000
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


def times(path):
    st = os.lstat(path)
    return {"a": st.st_atime_ns, "m": st.st_mtime_ns, "c": st.st_ctime_ns}


def later(path):
    """Time passes: what is set next differs from what was."""
    was = times(path)
    while time.time_ns() <= max(was["m"], was["c"]) + TICK_NS:
        time.sleep(0.005)
    return was


def changed(path, call, which, *args):
    """The call changes the times of `which` to the present, and no others."""
    was = later(path)
    before = time.time_ns()
    call(*args)
    got = times(path)
    for t in "amc":
        if t in which:
            assert before - TICK_NS <= got[t] <= time.time_ns(), \
                (path, t, before, got)
        else:
            assert got[t] == was[t], (path, t, was, got)


def test_calls_set_the_times_they_should(_base):
    def body(top):
        f, d = top + "/f", top + "/d"
        os.mkdir(d)
        before = time.time_ns()
        write(f, b"0123456789")
        got = times(f)
        assert before - TICK_NS <= min(got.values()) and \
            max(got.values()) <= time.time_ns(), (before, got)
        for p in (f, d):
            assert times(p)["c"] >= max(times(p).values()), times(p)
        fd = os.open(f, os.O_RDWR)
        changed(f, os.write, "mc", fd, b"x")
        changed(f, os.ftruncate, "mc", fd, 3)
        changed(f, os.truncate, "mc", f, 2)
        changed(f, os.truncate, "mc", f, 20)
        changed(f, write, "mc", f, b"", os.O_WRONLY | os.O_TRUNC)
        changed(f, os.posix_fallocate, "mc", fd, 0, 100)
        changed(f, os.fchmod, "c", fd, 0o600)
        changed(f, os.chown, "c", f, os.geteuid(), -1)
        changed(f, os.setxattr, "c", f, "user.a", b"1")
        changed(f, os.removexattr, "c", f, "user.a")
        changed(f, os.link, "c", f, f + "2")
        changed(f, os.unlink, "c", f + "2")
        for call in (lambda: read(f), lambda: os.listxattr(f),
                     lambda: os.fsync(fd), lambda: os.access(f, os.R_OK)):
            changed(f, call, "")
        os.close(fd)
        # Directories: what is given and taken in them.
        changed(d, write, "mc", d + "/x")
        changed(d, os.mkdir, "mc", d + "/sub")
        changed(d, os.symlink, "mc", "x", d + "/s")
        changed(d, os.mkfifo, "mc", d + "/p")
        changed(d, os.link, "mc", f, d + "/l")
        changed(d, os.rename, "mc", d + "/x", d + "/y")
        changed(d, os.rename, "mc", d + "/y", top + "/y")
        changed(d, os.rename, "mc", top + "/y", d + "/y")
        changed(d, os.unlink, "mc", d + "/l")
        changed(d, os.rmdir, "mc", d + "/sub")
        changed(d, os.listdir, "", d)
        changed(d, write, "", d + "/y", b"contents")
        changed(d, os.chmod, "", d + "/y", 0o600)
        # What is renamed changes too, as on ext4.
        for name in ("y", "s", "p"):
            p = d + "/" + name
            was = later(p)
            os.rename(p, p + "2")
            now = times(p + "2")
            assert now["c"] > was["c"] and now["m"] == was["m"], (name, now)
    ALL.each(MODES, body)


def utimensat(path, atime, mtime, flags=0):
    """(seconds, nanoseconds) each: os.utime knows no OMIT."""
    import ctypes
    ts = (ctypes.c_long * 4)(*atime, *mtime)
    P.check(P.LIBC.utimensat(P.AT_FDCWD, os.fsencode(path), ts, flags))


def test_times_that_are_set(_base):
    def body(top):
        f = top + "/f"
        write(f)
        os.utime(f, ns=(11, 22))
        changed(f, utimensat, "mc", f, (0, UTIME_OMIT), (0, UTIME_NOW))
        assert times(f)["a"] == 11
        changed(f, utimensat, "ac", f, (0, UTIME_NOW), (0, UTIME_OMIT))
        utimensat(f, (5, 6), (0, UTIME_OMIT))
        assert times(f)["a"] == 5 * 10 ** 9 + 6
        changed(f, utimensat, "", f, (0, UTIME_OMIT), (0, UTIME_OMIT))
        changed(f, utimensat, "amc", f, (0, UTIME_NOW), (0, UTIME_NOW))
        refused(errno.EINVAL, utimensat, f, (0, 10 ** 9), (0, 0))
        refused(errno.EINVAL, utimensat, f, (0, -1), (0, 0))
        os.symlink("f", top + "/s")
        was = times(f)
        os.utime(top + "/s", ns=(1, 2), follow_symlinks=False)
        assert times(f) == was
        assert times(top + "/s")["m"] == 2
        # Held open, unlinked.
        fd = os.open(f, os.O_RDWR)
        os.unlink(f)
        os.utime(fd, ns=(-7, 8))
        assert os.fstat(fd).st_atime_ns == -7
        os.close(fd)
    ALL.each(MODES, body)


def edge_times():
    """Seconds and nanoseconds; and what is kept of them."""
    yield from ((0, 0), (0, 1), (0, 999_999_999), (-1, 999_999_999),
                (-1, 0), (-2 ** 31, 1), (-2 ** 31 - 1, 5), (2 ** 31, 7),
                (2 ** 32, 8), (2 ** 32 + 5, 123_456_789),
                (-9_000_000_000, 3),        # 1684
                (9_000_000_000, 4))         # 2255


def test_times_before_1970_and_after_2106(_base):
    def body(top):
        for i, (s, ns) in enumerate(edge_times()):
            f = "%s/%d" % (top, i)
            write(f)
            os.mkdir(f + "d")
            for p in (f, f + "d"):
                utimensat(p, (s, ns), (-s, ns))
        # What nanoseconds of 64 bits cannot tell is as far as they go; with
        # the writeback cache the kernel tells what it was told while it
        # remembers.
        far = {"early": -60_000_000_000, "late": 60_000_000_000}
        for name, s in far.items():
            write(top + "/" + name)
            utimensat(top + "/" + name, (s, 0), (s, 0))

        def holds(at):
            for i, (s, ns) in enumerate(edge_times()):
                for p in ("%s/%d" % (at, i), "%s/%dd" % (at, i)):
                    got = times(p)
                    assert got["a"] == s * 10 ** 9 + ns, (p, s, ns, got)
                    assert got["m"] == -s * 10 ** 9 + ns, (p, s, ns, got)
            for name, last in (("early", -2 ** 63), ("late", 2 ** 63 - 1)):
                got = times(at + "/" + name)["m"]
                assert got == last or (
                    "profile=fast" in at and at == top and
                    got == far[name] * 10 ** 9), (name, got)
        return holds
    ALL.each(MODES, body)


def test_reading_sets_no_time(_base):
    def body(top):
        f = top + "/f"
        write(f, b"contents")
        os.symlink("f", top + "/s")
        os.mkdir(top + "/d")
        for p in (f, top + "/d"):
            os.utime(p, ns=(1, 2))
        changed(f, read, "", f)
        changed(top + "/d", os.listdir, "", top + "/d")
        changed(top + "/s", os.readlink, "", top + "/s")
    ALL.each(MODES, body)


def accessed(path, call, *args):
    changed(path, call, "a", path, *args)


def test_reading_sets_times_with_relatime(_base):
    def body(top):
        f, d, s = top + "/f", top + "/d", top + "/s"
        write(f, b"contents" * 10000)
        os.mkdir(d)
        write(d + "/x")
        os.symlink("f", s)
        for p, call in ((f, read), (d, os.listdir), (s, os.readlink)):
            os.utime(p, ns=(1, 2), follow_symlinks=False)
            accessed(p, call)
            # It is later than the last change, and not a day old.
            changed(p, call, "", p)
        write(f, b"more", os.O_WRONLY | os.O_APPEND)
        accessed(f, read)
        changed(f, read, "", f)
        os.chmod(f, 0o600)
        accessed(f, read)
        now = time.time_ns()
        os.utime(f, ns=(now - DAY_NS - 10 ** 9, now - 3 * DAY_NS))
        # ctime is the present: still due, and what it was otherwise.
        accessed(f, read)
        # Mapped memory is read too.
        write(f, b"even more", os.O_WRONLY | os.O_APPEND)

        def through_memory(path):
            import mmap
            with open(path, "rb") as o, \
                    mmap.mmap(o.fileno(), 0, prot=mmap.PROT_READ) as m:
                assert m[:8] == b"contents"
        accessed(f, through_memory)
        # Writing reads nothing.
        os.utime(f, ns=(1, 2))
        fd = os.open(f, os.O_WRONLY)
        changed(f, os.write, "mc", fd, b"x")
        os.close(fd)
        accessed(f, read)
        was = times(f)

        def holds(at):
            # Looking at it here was reading as well, at most.
            assert times(at + "/f")["m"] == was["m"]
            assert times(at + "/f")["a"] >= was["a"] > was["m"]
        return holds
    ALL.each((LIVING, LIVING + ("profile=safe",)), body)


def test_nodiratime_leaves_those_of_folders(_base):
    def body(top):
        f, d = top + "/f", top + "/d"
        write(f, b"contents")
        os.mkdir(d)
        write(d + "/x")
        for p in (f, d):
            os.utime(p, ns=(1, 2))
        changed(d, os.listdir, "", d)
        accessed(f, read)
    ALL.each((LIVING + ("nodiratime",),), body)


def test_mounts_say_what_they_do(_base):
    def words(options):
        point = os.path.realpath(ALL.mount(options).path)
        with open("/proc/self/mounts", encoding="utf-8") as f:
            return [line.split()[3].split(",") for line in f
                    if line.split()[1] == point][0]
    assert "noatime" in words(MODES[0])
    assert "relatime" in words(LIVING)


def test_zz_all_of_it_survives(_base):
    ALL.survive()


if __name__ == "__main__":
    H.need_fuse()
    with shared.shared() as ALL:
        H.main(globals())
