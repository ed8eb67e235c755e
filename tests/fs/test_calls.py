#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Calls on files and names do what a local disk's do."""
import ctypes
import errno
import mmap
import os
import socket
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402
import people as P  # noqa: E402
import shared  # noqa: E402
from people import read, refused, write  # noqa: E402

PROFILES = (("profile=balanced",), ("profile=safe",), ("profile=fast",))


def append_lines(path, who, n):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    for i in range(n):
        # No two lines of a writer are as long, none ends at a page's end.
        line = b"%d %d %s\n" % (who, i, b"x" * (i * 37 % 613))
        assert os.write(fd, line) == len(line)
    os.close(fd)


def test_appends_of_processes_do_not_mix(_base):
    def body(top):
        path = os.path.join(top, "log")
        write(path)
        pids = []
        for who in range(4):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    append_lines(path, who, 200)
                    code = 0
                finally:
                    os._exit(code)
            pids.append(pid)
        for pid in pids:
            assert os.waitpid(pid, 0)[1] == 0
        seen = {}
        for line in read(path).splitlines():
            who, i, rest = line.split(b" ") if line.count(b" ") == 2 else \
                (line, -1, b"")
            assert int(i) == seen.get(who, 0), line[:80]
            assert rest == b"x" * (int(i) * 37 % 613), line[:80]
            seen[who] = int(i) + 1
        assert seen == {b"%d" % w: 200 for w in range(4)}, seen
    ALL.each(PROFILES, body)


def test_flags_of_open(_base):
    def body(top):
        f, d = os.path.join(top, "f"), os.path.join(top, "d")
        link = os.path.join(top, "link")
        refused(errno.ENOENT, os.open, f, os.O_RDWR)
        write(f, b"long contents", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        refused(errno.EEXIST, os.open, f, os.O_WRONLY | os.O_CREAT |
                os.O_EXCL)
        os.symlink("nowhere", link)
        refused(errno.EEXIST, os.open, link, os.O_WRONLY | os.O_CREAT |
                os.O_EXCL)
        refused(errno.ELOOP, os.open, link, os.O_RDONLY | os.O_NOFOLLOW)
        os.mkdir(d)
        refused(errno.EISDIR, os.open, d, os.O_WRONLY)
        refused(errno.EISDIR, os.open, d, os.O_RDWR | os.O_CREAT)
        refused(errno.ENOTDIR, os.open, f, os.O_RDONLY | os.O_DIRECTORY)
        refused(errno.ENOTDIR, os.open, f + "/x", os.O_RDONLY)
        # O_TRUNC, with O_CREAT of what is there and without; read through
        # a descriptor that was open before.
        old = os.open(f, os.O_RDONLY)
        assert os.read(old, 4) == b"long"
        write(f, b"", os.O_WRONLY | os.O_TRUNC)
        assert os.fstat(old).st_size == 0 and os.pread(old, 9, 0) == b""
        write(f, b"short", os.O_WRONLY | os.O_CREAT)
        assert os.pread(old, 9, 0) == b"short"
        write(f, b"s", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        assert os.pread(old, 9, 0) == b"s"
        os.close(old)
        fd = os.open(f, os.O_RDONLY)
        refused(errno.EBADF, os.write, fd, b"x")
        refused(errno.EINVAL, os.ftruncate, fd, 0)
        os.close(fd)
        fd = os.open(f, os.O_PATH)
        refused(errno.EBADF, os.read, fd, 1)
        assert os.fstat(fd).st_size == 1
        os.close(fd)
    ALL.each(PROFILES, body)


def test_appending_ignores_the_position(_base):
    def body(top):
        f = os.path.join(top, "f")
        write(f, b"0123456789")
        fd = os.open(f, os.O_RDWR | os.O_APPEND)
        os.lseek(fd, 2, os.SEEK_SET)
        assert os.write(fd, b"ab") == 2
        assert os.lseek(fd, 0, os.SEEK_CUR) == 12
        os.truncate(f, 3)
        assert os.write(fd, b"cd") == 2
        os.close(fd)
        assert read(f) == b"012cd"
    ALL.each(PROFILES, body)


def direct(path, flags):
    return os.open(path, flags | os.O_DIRECT, 0o644)


def test_direct_io(_base):
    def body(top):
        f = os.path.join(top, "f")
        page = mmap.mmap(-1, 1 << 20)
        page.write(b"".join(b"%07d\n" % i for i in range(1 << 17)))
        want = page[:]
        fd = direct(f, os.O_RDWR | os.O_CREAT)
        assert os.pwritev(fd, [page], 4096) == 1 << 20
        # Seen at once by who reads through the cache, and the other way.
        assert read(f) == bytes(4096) + want
        write(f, b"HEAD")
        got = mmap.mmap(-1, 8192)
        assert os.preadv(fd, [got], 0) == 8192
        assert got[:8] == b"HEAD\0\0\0\0" and got[4096:] == want[:4096]
        assert os.preadv(fd, [got], 1 << 20) == 4096
        assert os.preadv(fd, [got], 2 << 20) == 0
        os.close(fd)
    ALL.each(PROFILES, body)


def test_files_without_a_name(_base):
    def body(top):
        os.makedirs(os.path.join(top, "d/e"))
        fd = os.open(top, os.O_TMPFILE | os.O_RDWR, 0o640)
        os.write(fd, b"contents")
        os.setxattr(fd, "user.note", b"v")
        st = os.fstat(fd)
        assert st.st_nlink == 0 and st.st_size == 8
        assert sorted(os.listdir(top)) == ["d"]
        where = os.path.join(top, "d/e/linked")
        P.link_fd(fd, where)
        refused(errno.EEXIST, P.link_fd, fd, where)
        os.link(where, os.path.join(top, "again"))
        assert os.fstat(fd).st_nlink == 2
        os.write(fd, b" and more")
        os.fsync(fd)
        os.close(fd)
        # Never to be linked, and let go unlinked.
        fd = os.open(top, os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
        refused(errno.ENOENT, P.link_fd, fd, os.path.join(top, "no"))
        os.close(fd)
        fd = os.open(top, os.O_TMPFILE | os.O_RDWR, 0o600)
        os.write(fd, b"x" * 100000)
        os.close(fd)
        refused(errno.EINVAL, os.open, top, os.O_TMPFILE | os.O_RDONLY)

        def holds(at):
            path = os.path.join(at, "d/e/linked")
            st = os.stat(path)
            assert read(path) == b"contents and more"
            assert st.st_nlink == 2 and stat.S_IMODE(st.st_mode) == 0o640
            assert st.st_ino == os.stat(os.path.join(at, "again")).st_ino
            assert os.getxattr(path, "user.note") == b"v"
            assert sorted(os.listdir(at)) == ["again", "d"]
        return holds
    ALL.each(PROFILES, body)


def test_rename_without_replacing_and_exchange(_base):
    def body(top):
        def p(name):
            return os.path.join(top, name)
        os.makedirs(p("d/sub"))
        os.mkdir(p("e"))
        write(p("a"), b"A")
        write(p("b"), b"B")
        write(p("d/in"), b"in")
        refused(errno.EEXIST, P.renameat2, p("a"), p("b"), P.RENAME_NOREPLACE)
        refused(errno.EEXIST, P.renameat2, p("d"), p("e"), P.RENAME_NOREPLACE)
        P.renameat2(p("a"), p("new"), P.RENAME_NOREPLACE)
        P.renameat2(p("new"), p("b"), P.RENAME_EXCHANGE)
        assert (read(p("b")), read(p("new"))) == (b"A", b"B")
        # A file and a directory with something in it, of two parents.
        P.renameat2(p("d"), p("b"), P.RENAME_EXCHANGE)
        assert read(p("d")) == b"A" and read(p("b/in")) == b"in"
        P.renameat2(p("b/in"), p("e"), P.RENAME_EXCHANGE)
        assert read(p("e")) == b"in" and os.path.isdir(p("b/in"))
        refused(errno.ENOENT, P.renameat2, p("b"), p("none"),
                P.RENAME_EXCHANGE)
        refused(errno.EINVAL, P.renameat2, p("b"), p("b/sub/x"), 0)
        refused(errno.EINVAL, P.renameat2, p("b"), p("b/sub"),
                P.RENAME_EXCHANGE)
        refused(errno.EINVAL, P.renameat2, p("d"), p("e"),
                P.RENAME_EXCHANGE | P.RENAME_NOREPLACE)
        # Replacing.
        refused(errno.EISDIR, os.rename, p("d"), p("b"))
        refused(errno.ENOTDIR, os.rename, p("b"), p("d"))
        os.mkdir(p("full"))
        write(p("full/x"))
        refused(errno.ENOTEMPTY, os.rename, p("b"), p("full"))
        held = os.open(p("e"), os.O_RDONLY)
        os.rename(p("d"), p("e"))
        assert os.fstat(held).st_nlink == 0 and os.read(held, 9) == b"in"
        os.close(held)
        os.rename(p("full"), p("b/sub"))

        def holds(at):
            names = sorted(os.path.relpath(os.path.join(d, n), at)
                           for d, dirs, files in os.walk(at)
                           for n in dirs + files)
            assert names == ["b", "b/in", "b/sub", "b/sub/x", "e", "new"], \
                names
            assert read(os.path.join(at, "e")) == b"A"
            assert os.stat(at).st_nlink == 3
            assert os.stat(os.path.join(at, "b")).st_nlink == 4
        return holds
    ALL.each(PROFILES, body)


def test_what_is_unlinked_and_open(_base):
    def body(top):
        f = os.path.join(top, "f")
        write(f, b"0123456789")
        os.setxattr(f, "user.a", b"1")
        fd = os.open(f, os.O_RDWR)
        os.unlink(f)
        refused(errno.ENOENT, os.stat, f)
        st = os.fstat(fd)
        assert st.st_nlink == 0 and st.st_size == 10
        assert os.read(fd, 100) == b"0123456789"
        assert os.write(fd, b"abc") == 3
        os.ftruncate(fd, 5)
        assert os.pread(fd, 100, 0) == b"01234"
        os.ftruncate(fd, 100000)
        assert os.pwrite(fd, b"end", 99997) == 3
        assert os.pread(fd, 100, 99990) == bytes(7) + b"end"
        os.fsync(fd)
        os.fchmod(fd, 0o600)
        os.utime(fd, ns=(5, 6))
        st = os.fstat(fd)
        assert (st.st_mtime_ns, stat.S_IMODE(st.st_mode)) == (6, 0o600)
        os.setxattr(fd, "user.b", b"2")
        assert sorted(os.listxattr(fd)) == ["user.a", "user.b"]
        # A local disk does not link back what has lost its last name.
        refused(errno.ENOENT, P.link_fd, fd, f)
        # The name is free, for something else.
        write(f, b"other", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        again = os.open("/proc/self/fd/%d" % fd, os.O_RDONLY)
        assert os.pread(again, 5, 0) == b"01234"
        os.close(again)
        os.close(fd)
        assert read(f) == b"other"
    ALL.each(PROFILES, body)


def test_a_link_back_while_a_name_is_left(_base):
    def body(top):
        a, b = os.path.join(top, "a"), os.path.join(top, "b")
        write(a, b"one")
        fd = os.open(a, os.O_RDWR)
        os.link(a, b)
        os.unlink(a)
        assert os.fstat(fd).st_nlink == 1
        P.link_fd(fd, a)
        os.unlink(b)
        os.pwrite(fd, b"O", 0)
        os.close(fd)

        def holds(at):
            assert os.listdir(at) == ["a"]
            assert read(os.path.join(at, "a")) == b"One"
            assert os.stat(os.path.join(at, "a")).st_nlink == 1
        return holds
    ALL.each(PROFILES, body)


def test_directories_removed_and_renamed_while_open(_base):
    def body(top):
        d, e = os.path.join(top, "d"), os.path.join(top, "e")
        os.mkdir(d)
        fd = os.open(d, os.O_RDONLY | os.O_DIRECTORY)
        write(os.path.join(d, "x"), b"1")
        refused(errno.ENOTEMPTY, os.rmdir, d)
        os.rename(d, e)
        assert os.listdir(fd) == ["x"]
        assert os.stat("x", dir_fd=fd).st_size == 1
        inner = os.open("y", os.O_RDWR | os.O_CREAT, dir_fd=fd)
        os.write(inner, b"22")
        os.close(inner)
        assert read(os.path.join(e, "y")) == b"22"
        os.unlink("x", dir_fd=fd)
        os.unlink("y", dir_fd=fd)
        os.rmdir(e)
        assert os.fstat(fd).st_nlink == 0
        assert os.listdir(fd) == []
        refused(errno.ENOENT, os.open, "z", os.O_RDWR | os.O_CREAT, dir_fd=fd)
        refused(errno.ENOENT, os.mkdir, "z", dir_fd=fd)
        refused(errno.ENOENT, os.stat, "x", dir_fd=fd)
        os.fchmod(fd, 0o700)
        os.fsync(fd)
        os.close(fd)

        # The working directory, removed.
        def inside():
            os.mkdir(d)
            os.chdir(d)
            os.rmdir(d)
            refused(errno.ENOENT, os.getcwd)
            refused(errno.ENOENT, os.mkdir, "x")
            assert os.listdir(".") == []
            os.chdir("..")
            return os.getcwd()
        assert P.in_child(inside) == os.path.realpath(top)
    ALL.each(PROFILES, body)


def test_hard_links_across_directories(_base):
    def body(top):
        names = ["f"]
        write(os.path.join(top, "f"), b"1")
        for i in range(300):
            d = "d%d" % (i % 7)
            os.makedirs(os.path.join(top, d), exist_ok=True)
            names.append("%s/%d" % (d, i))
            os.link(os.path.join(top, names[i // 2]),
                    os.path.join(top, names[-1]))
        assert os.stat(os.path.join(top, "f")).st_nlink == 301
        write(os.path.join(top, names[200]), b"2")
        os.chmod(os.path.join(top, names[17]), 0o600)
        for n in names[:100]:
            os.unlink(os.path.join(top, n))
        refused(errno.EPERM, os.link, os.path.join(top, "d0"),
                os.path.join(top, "dir"))
        # Of one inode: nothing happens.
        os.rename(os.path.join(top, names[150]), os.path.join(top, names[151]))

        def holds(at):
            inos = set()
            for n in names[100:]:
                st = os.lstat(os.path.join(at, n))
                assert st.st_nlink == 201, (n, st.st_nlink)
                assert stat.S_IMODE(st.st_mode) == 0o600
                inos.add(st.st_ino)
            assert len(inos) == 1
            assert read(os.path.join(at, names[300])) == b"2"
            refused(errno.ENOENT, os.stat, os.path.join(at, "f"))
        return holds
    ALL.each(PROFILES, body)


def test_symbolic_links_of_any_length(_base):
    lengths = (1, 59, 60, 1023, 4094, 4095)

    def body(top):
        for n in lengths:
            os.symlink(b"t" * n, os.path.join(os.fsencode(top), b"l%d" % n))
        os.symlink(b"\xff\n/../", os.path.join(os.fsencode(top), b"odd"))
        refused(errno.ENAMETOOLONG, os.symlink, "t" * 4096,
                os.path.join(top, "longer"))
        refused(errno.ENOENT, os.symlink, "", os.path.join(top, "empty"))
        refused(errno.EINVAL, os.readlink, top)
        os.link(os.path.join(top, "l59"), os.path.join(top, "hard"),
                follow_symlinks=False)
        refused(errno.ENAMETOOLONG, os.stat, os.path.join(top, "l4095"))
        os.symlink("loop", os.path.join(top, "loop"))
        refused(errno.ELOOP, os.stat, os.path.join(top, "loop"))

        def holds(at):
            for n in lengths:
                path = os.path.join(os.fsencode(at), b"l%d" % n)
                assert os.readlink(path) == b"t" * n
                assert os.lstat(path).st_size == n
            assert os.readlink(os.path.join(os.fsencode(at), b"odd")) == \
                b"\xff\n/../"
            assert os.lstat(os.path.join(at, "hard")).st_nlink == 2
        return holds
    ALL.each(PROFILES, body)


def odd_names():
    for c in range(1, 256):
        if c != ord("/"):
            yield b"x" + bytes([c])
            yield bytes([c]) * 255
    yield from (b"..." , b".x", b"..x", b" ", b"-", b"\n")


def test_names_of_any_bytes(_base):
    wanted = set(odd_names())

    def body(top):
        top = os.fsencode(top)
        for i, n in enumerate(sorted(wanted)):
            if i % 3:
                write(os.path.join(top, n), n[:9])
            else:
                os.mkdir(os.path.join(top, n))
        for call in (os.mkdir, os.stat, os.unlink):
            refused(errno.ENAMETOOLONG, call, os.path.join(top, b"n" * 256))
        refused(errno.ENAMETOOLONG, os.rename, os.path.join(top, b"x\x01"),
                os.path.join(top, b"n" * 256))

        def holds(at):
            at = os.fsencode(at)
            assert set(os.listdir(at)) == wanted
            for i, n in enumerate(sorted(wanted)):
                if i % 3:
                    assert read(os.path.join(at, n)) == n[:9], n
                else:
                    assert os.listdir(os.path.join(at, n)) == [], n
        return holds
    ALL.each(PROFILES, body)


def descend(top, depth, make):
    """A descriptor of the directory at depth; the caller closes it."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        if make:
            os.mkdir("d" * 255, dir_fd=fd)
        inner = os.open("d" * 255, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = inner
    return fd


def test_paths_longer_than_any_call_takes(_base):
    depth = 40      # 10 KiB

    def body(top):
        fd = descend(top, depth, True)
        f = os.open("deep", os.O_RDWR | os.O_CREAT, dir_fd=fd)
        os.write(f, b"down here")
        os.close(f)
        os.symlink("deep", "link", dir_fd=fd)
        os.rename("deep", "moved", src_dir_fd=fd, dst_dir_fd=fd)
        os.close(fd)
        refused(errno.ENAMETOOLONG, os.stat,
                top + ("/" + "d" * 255) * depth)

        def holds(at):
            fd = descend(at, depth, False)
            assert sorted(os.listdir(fd)) == ["link", "moved"]
            f = os.open("moved", os.O_RDONLY, dir_fd=fd)
            assert os.read(f, 99) == b"down here"
            os.close(f)
            os.close(fd)
        return holds
    ALL.each(PROFILES, body)


def talk_through_fifo(path):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            write(path, b"through", os.O_WRONLY)
            code = 0
        finally:
            os._exit(code)
    assert read(path) == b"through"
    assert os.waitpid(pid, 0)[1] == 0


def talk_through_socket(path):
    with socket.socket(socket.AF_UNIX) as s, \
            socket.socket(socket.AF_UNIX) as c:
        s.bind(path)
        s.listen(1)
        c.connect(path)
        with s.accept()[0] as a:
            c.sendall(b"hello")
            assert a.recv(9) == b"hello"


DEVICES = ((stat.S_IFCHR, 1, 3), (stat.S_IFBLK, 7, 200),
           (stat.S_IFCHR, 4095, 1048575))


def test_fifos_sockets_and_devices(_base):
    def body(top):
        os.mkfifo(os.path.join(top, "fifo"), 0o640)
        talk_through_fifo(os.path.join(top, "fifo"))
        # A socket's name may be 107 bytes long.
        os.chdir(top)
        talk_through_socket("socket")
        os.chdir("/")
        if P.is_root():
            for i, (kind, major, minor) in enumerate(DEVICES):
                os.mknod(os.path.join(top, "dev%d" % i), kind | 0o600,
                         os.makedev(major, minor))
            # nodev: there, and opened by nobody.
            refused(errno.EACCES, os.open, os.path.join(top, "dev0"),
                    os.O_RDONLY)

        def holds(at):
            assert stat.S_ISFIFO(os.lstat(os.path.join(at, "fifo")).st_mode)
            assert P.mode(os.path.join(at, "fifo")) == 0o640
            assert stat.S_ISSOCK(os.lstat(os.path.join(at, "socket")).st_mode)
            for i, (kind, major, minor) in enumerate(DEVICES):
                if P.is_root():
                    st = os.lstat(os.path.join(at, "dev%d" % i))
                    assert stat.S_IFMT(st.st_mode) == kind
                    assert st.st_rdev == os.makedev(major, minor), i
        return holds
    ALL.each(PROFILES, body)


class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("type", ctypes.c_int),
                ("bytes", ctypes.c_ubyte * P.HANDLE_BYTES)]


def handle_of(path):
    h, mount = Handle(size=P.HANDLE_BYTES), ctypes.c_int()
    P.check(P.LIBC.name_to_handle_at(-100, os.fsencode(path), ctypes.byref(h),
                                     ctypes.byref(mount), 0))
    return h


def open_handle(top, h, flags):
    fd = os.open(top, os.O_RDONLY)
    try:
        return P.check(P.LIBC.open_by_handle_at(fd, ctypes.byref(h), flags))
    finally:
        os.close(fd)


def test_files_are_found_by_their_handles(_base):
    """As an NFS server finds them: long after the kernel forgot the name."""
    if not P.is_root():
        return      # CAP_DAC_READ_SEARCH is asked for

    def body(top):
        os.makedirs(top + "/a/b/c")
        write(top + "/a/b/c/f", b"found")
        write(top + "/gone")
        handles = [handle_of(top + p) for p in ("/a/b/c/f", "/a/b", "/gone")]
        os.unlink(top + "/gone")
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("2")
        fd = open_handle(top, handles[0], os.O_RDONLY)
        assert os.read(fd, 10) == b"found"
        os.close(fd)
        fd = open_handle(top, handles[1], os.O_RDONLY | os.O_DIRECTORY)
        assert os.listdir(fd) == ["c"]
        assert os.path.samestat(os.stat("..", dir_fd=fd),
                                os.stat(top + "/a"))
        os.close(fd)
        refused(errno.ESTALE, open_handle, top, handles[2], os.O_RDONLY)
    ALL.each(PROFILES, body)


def test_zz_all_of_it_survives(_base):
    ALL.survive()


if __name__ == "__main__":
    H.need_fuse()
    with shared.shared() as ALL:
        H.main(globals())
