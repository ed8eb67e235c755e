#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Locks between processes, leases, and what tells of changes."""
import errno
import fcntl
import os
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402
import shared  # noqa: E402
from people import LIBC, check, in_child, refused, write  # noqa: E402

MODES = (("profile=balanced",), ("profile=safe",), ("profile=fast",))
F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW = 36, 37, 38
EVENTS = {0x2: "modify", 0x4: "attrib", 0x40: "from", 0x80: "to",
          0x100: "create", 0x200: "delete", 0x8: "closed"}


def lock(kind, start=0, length=0, pid=0):
    return struct.pack("hhllixxxx", kind, os.SEEK_SET, start, length, pid)


class Other:
    """A process that does what it is told, one thing at a time."""

    def __init__(self):
        self.to, self.told = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.serve()
            finally:
                os._exit(1)

    def serve(self):
        signal.alarm(int(H.TIMEOUT))    # never left behind
        fds = {}
        while True:
            name, *args = eval(self.line(self.to[0]))
            try:
                out = getattr(self, name)(fds, *args)
            except OSError as e:
                out = errno.errorcode[e.errno]
            os.write(self.told[1], repr(out).encode() + b"\n")

    @staticmethod
    def line(fd):
        out = b""
        while not out.endswith(b"\n"):
            piece = os.read(fd, 1)
            if not piece:
                os._exit(0)
            out += piece
        return out.decode()

    # What it can be told.
    @staticmethod
    def open(fds, path, name="f", flags=os.O_RDWR):
        fds[name] = os.open(path, flags)

    @staticmethod
    def close(fds, name="f"):
        os.close(fds.pop(name))

    @staticmethod
    def flock(fds, how, name="f"):
        fcntl.flock(fds[name], how)

    @staticmethod
    def set(fds, kind, start=0, length=0, how=fcntl.F_SETLK, name="f"):
        fcntl.fcntl(fds[name], how, lock(kind, start, length))

    @staticmethod
    def ask(fds, kind, start=0, length=0, how=fcntl.F_GETLK, name="f"):
        got = fcntl.fcntl(fds[name], how, lock(kind, start, length))
        kind, _, start, length, pid = struct.unpack("hhllixxxx", got)
        return kind, start, length, pid

    def start(self, *command):
        os.write(self.to[1], repr(command).encode() + b"\n")

    def end(self):
        return eval(self.line(self.told[0]))

    def __call__(self, *command):
        self.start(*command)
        return self.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        for fd in self.to + self.told:
            os.close(fd)


def is_blocked(pid):
    """Waits until the process waits for a lock."""
    end = time.monotonic() + H.TIMEOUT * H.SLOWER
    while time.monotonic() < end:
        with open("/proc/locks", encoding="ascii") as f:
            for line in f:
                words = line.split()
                if words[1] == "->" and words[5] == str(pid):
                    return
        time.sleep(0.002)
    raise AssertionError("process %d does not wait" % pid)


EX, SH, UN, NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB
W, R, U = fcntl.F_WRLCK, fcntl.F_RDLCK, fcntl.F_UNLCK


def test_flock(_base):
    def body(top):
        f = top + "/f"
        write(f)
        with Other() as a, Other() as b:
            for p in (a, b):
                assert p("open", f) is None
            assert a("flock", SH) is None and b("flock", SH | NB) is None
            assert a("flock", EX | NB) == "EAGAIN"
            assert b("flock", UN) is None
            assert a("flock", EX | NB) is None
            assert b("flock", SH | NB) == "EAGAIN"
            b.start("flock", EX)
            is_blocked(b.pid)
            assert a("close") is None
            assert b.end() is None
            a("open", f)
            assert a("flock", SH | NB) == "EAGAIN"
    ALL.each(MODES, body)


def test_locks_of_ranges(_base):
    def body(top):
        f = top + "/f"
        write(f, bytes(100))
        with Other() as a, Other() as b:
            for p in (a, b):
                p("open", f)
            assert a("set", W, 10, 10) is None
            assert b("set", W, 0, 10) is None
            assert b("set", R, 15, 1) == "EAGAIN"
            assert b("ask", R, 0, 0) == (W, 10, 10, a.pid)
            assert b("set", W, 20, 0) is None
            assert a("ask", W, 25, 1) == (W, 20, 0, b.pid)
            # Parts of it.
            assert a("set", U, 12, 2) is None
            assert b("set", R, 12, 2) is None
            assert b("set", R, 11, 1) == "EAGAIN"
            assert a("set", R, 14, 6) is None and b("set", R, 14, 6) is None
            # Who waits for each other.
            assert a("set", W, 200, 1) == "EAGAIN"
            assert b("set", U, 100, 0) is None
            assert a("set", W, 200, 1) is None and b("set", W, 300, 1) is None
            b.start("set", W, 200, 1, fcntl.F_SETLKW)
            is_blocked(b.pid)
            assert a("set", W, 300, 1, fcntl.F_SETLKW) == \
                errno.errorcode[errno.EDEADLK]
            assert a("set", U, 200, 1) is None
            assert b.end() is None
            # Any close(2) of the file ends all that a process has.
            assert a("open", f, "again") is None
            assert a("close", "again") is None
            assert b("set", W, 10, 10) is None
    ALL.each(MODES, body)


def test_locks_of_open_files(_base):
    def body(top):
        f = top + "/f"
        write(f, bytes(100))
        with Other() as a, Other() as b:
            a("open", f)
            a("open", f, "again")
            b("open", f)
            assert a("set", W, 0, 10, F_OFD_SETLK) is None
            # Of the same process, by another open(2).
            assert a("set", R, 5, 1, F_OFD_SETLK, "again") == "EAGAIN"
            assert a("ask", R, 5, 1, F_OFD_GETLK, "again") == (W, 0, 10, -1)
            # Both kinds know each other.
            assert b("set", R, 5, 1) == "EAGAIN"
            assert b("ask", W, 0, 0)[3] == -1
            assert b("set", W, 50, 1) is None
            assert a("set", W, 50, 1, F_OFD_SETLK) == "EAGAIN"
            # Another close(2) does not end it.
            assert a("close", "again") is None
            assert b("set", R, 5, 1) == "EAGAIN"
            b.start("set", W, 0, 10, fcntl.F_SETLKW)
            is_blocked(b.pid)
            assert a("close") is None
            assert b.end() is None
    ALL.each(MODES, body)


def test_locks_outlive_names(_base):
    def body(top):
        f = top + "/f"
        write(f)
        with Other() as a, Other() as b:
            a("open", f)
            b("open", f)
            assert a("set", W) is None and a("flock", EX) is None
            os.rename(f, f + "2")
            os.unlink(f + "2")
            assert b("set", R) == "EAGAIN" and b("flock", SH | NB) == "EAGAIN"
            # A new file of that name is another.
            write(f)
            b("open", f, "new")
            assert b("set", W, 0, 0, fcntl.F_SETLK, "new") is None
            os.kill(a.pid, signal.SIGKILL)
            b.start("set", W, 0, 0, fcntl.F_SETLKW)
            assert b.end() is None
    ALL.each(MODES, body)


def test_leases(_base):
    def body(top):
        f = top + "/f"
        write(f)
        told = []
        old = signal.signal(signal.SIGIO, lambda *_: told.append(1))
        fd = os.open(f, os.O_RDONLY)
        try:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, R)
        except OSError as e:
            # Newer kernels: only of file systems that ask for them.
            assert e.errno in (errno.EINVAL, errno.EAGAIN), e
        else:
            assert fcntl.fcntl(fd, fcntl.F_GETLEASE) == R
            refused(errno.EAGAIN, in_child,
                    lambda: os.open(f, os.O_WRONLY | os.O_NONBLOCK))
            while not told:
                signal.sigtimedwait([], 0.01)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, U)
        os.close(fd)
        signal.signal(signal.SIGIO, old)
        in_child(lambda: os.close(os.open(f, os.O_WRONLY)))
    ALL.each(MODES, body)


def read_events(fd):
    out, data = [], os.read(fd, 1 << 16)
    while data:
        _, mask, _, n = struct.unpack_from("iIII", data)
        name = data[16:16 + n].rstrip(b"\0").decode()
        out += [(EVENTS[bit], name) for bit in EVENTS if mask & bit]
        data = data[16 + n:]
    return out


def test_inotify_tells_what_is_done_here(_base):
    def body(top):
        def work():
            write(top + "/f", b"x")
            os.chmod(top + "/f", 0o600)
            os.mkdir(top + "/d")
            os.rename(top + "/f", top + "/g")
            os.unlink(top + "/g")
        fd = check(LIBC.inotify_init1(os.O_NONBLOCK))
        check(LIBC.inotify_add_watch(fd, os.fsencode(top), sum(EVENTS)))
        in_child(work)
        got = read_events(fd)
        os.close(fd)
        assert got == [("create", "f"), ("modify", "f"), ("closed", "f"),
                       ("attrib", "f"), ("create", "d"), ("from", "f"),
                       ("to", "g"), ("delete", "g")], got
    ALL.each(MODES, body)


if __name__ == "__main__":
    H.need_fuse()
    with shared.shared() as ALL:
        H.main(globals())
