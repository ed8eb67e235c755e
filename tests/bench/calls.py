#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Which calls do what a local disk's do: Coffer and its peers, one table.

    calls.py [--systems A,B]

Root is needed, to be other users.  COFFER names the program to look at.  Each
line of the table is one probe below; "yes" is written where all of it held,
before and after a new mount, else what did not.
"""
import argparse
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import signal
import socket
import stat
import struct
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import people as P  # noqa: E402
import systems  # noqa: E402

LIMIT_S = 60


# Others may enter, and the kernel checks as far as it is asked to.
class Coffer(systems.Coffer):
    options = "allow_other"


class Gocryptfs(systems.Gocryptfs):
    def mount_command(self):
        words = super().mount_command()
        return [words[0], "-allow_other", *words[1:]]


class Cryfs(systems.Cryfs):
    def mount(self):
        self.feed(["cryfs", self.store, self.mnt, "-o",
                   "allow_other,default_permissions"], times=2, env=self.env)
        self.wait_mounted()


class Encfs(systems.Encfs):
    def mount(self):
        self.feed(["encfs", "--standard", "--stdinpass", self.store, self.mnt,
                   "--", "-o", "allow_other,default_permissions"], times=2)
        self.wait_mounted()


ALL = [systems.Ext4, Coffer, Gocryptfs, Cryfs, Encfs]


def must(yes, what):
    if not yes:
        raise AssertionError(what)


# ------------------------------------------------------------------ probes
# Each is done once in an empty folder; what it returns, if anything, has to
# hold after a new mount.

def hard_links(top):
    os.mkdir(top + "/d")
    P.write(top + "/f", b"1")
    os.link(top + "/f", top + "/d/g")
    os.link(top + "/d/g", top + "/h")
    os.unlink(top + "/f")

    def later(top):
        must(os.stat(top + "/h").st_nlink == 2, "wrong counts")
        must(os.stat(top + "/h").st_ino == os.stat(top + "/d/g").st_ino,
             "two inodes")
    return later


def names(top):
    P.write(top + "/" + "n" * 255, b"1")
    P.write(os.fsencode(top) + b"/" + b"\xff" * 255, b"1")
    return lambda top: must(len(os.listdir(top)) == 2, "names lost")


def symbolic_links(top):
    os.symlink("t" * 4095, top + "/s")
    return lambda top: must(os.readlink(top + "/s") == "t" * 4095, "another")


def special_files(top):
    os.mkfifo(top + "/p")
    os.mknod(top + "/c", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.chdir(top)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("s")
    os.chdir("/")

    def later(top):
        must(stat.S_ISFIFO(os.lstat(top + "/p").st_mode), "no FIFO")
        must(os.lstat(top + "/c").st_rdev == os.makedev(1, 3), "no device")
        must(stat.S_ISSOCK(os.lstat(top + "/s").st_mode), "no socket")
    return later


def attributes(top):
    P.write(top + "/f")
    os.setxattr(top + "/f", "user.a", b"1")
    os.setxattr(top + "/f", "trusted.a", b"1")
    return lambda top: must(os.getxattr(top + "/f", "user.a") == b"1", "lost")


def large_attributes(top):
    P.write(top + "/f")
    for i in range(4):
        os.setxattr(top + "/f", "user.%d" % i, bytes([i]) * 65536)
    return lambda top: must(os.getxattr(top + "/f", "user.3") ==
                            b"\3" * 65536, "another value")


LIST = P.acl((P.USER_OBJ, 6), (P.USER, 4, P.BOB), (P.GROUP_OBJ, 0),
             (P.MASK, 4), (P.OTHER, 0))


def lists(top):
    P.write(top + "/f", b"1")
    os.chmod(top + "/f", 0o600)
    os.mkdir(top + "/d")
    os.setxattr(top + "/f", P.ACCESS, LIST)
    os.setxattr(top + "/d", P.DEFAULT, LIST)
    P.write(top + "/d/f", b"1", mode=0o666)

    def later(top):
        for name in ("/f", "/d/f"):
            must(P.as_user(P.BOB, P.read, top + name) == b"1", "not obeyed")
            try:
                P.as_user(P.EVE, P.read, top + name)
                must(False, "not obeyed")
            except PermissionError:
                pass
    return later


def set_id_bits(top):
    P.write(top + "/f", b"1")
    os.chmod(top + "/f", 0o6777)
    P.as_user(P.BOB, P.write, top + "/f", b"2")
    return lambda top: must(P.mode(top + "/f") == 0o777, "they stay")


def set_group_id(top):
    """Where the group may not execute: fallocate(2) is writing too."""
    for name in ("/f", "/g"):
        P.write(top + name, b"1")
        os.chmod(top + name, 0o2666)
    P.as_user(P.BOB, P.write, top + "/f", b"2")

    def allocate():
        fd = os.open(top + "/g", os.O_RDWR)
        os.posix_fallocate(fd, 0, 1)
        os.close(fd)
    P.as_user(P.BOB, allocate)
    return lambda top: must(P.mode(top + "/f") == P.mode(top + "/g") == 0o666,
                            "it stays")


def copying(top):
    size = 64 << 20
    before = os.statvfs(top)
    with open(top + "/f", "wb") as f:
        f.write(os.urandom(size))
        f.flush()
        os.fsync(f.fileno())
    with open(top + "/f", "rb") as f, open(top + "/g", "wb") as g:
        middle = os.statvfs(top)
        left = size
        while left:
            n = os.copy_file_range(f.fileno(), g.fileno(), left)
            must(n > 0, "short")
            left -= n
        os.fsync(g.fileno())
        after = os.statvfs(top)
    first = before.f_bfree - middle.f_bfree
    must(2 * (middle.f_bfree - after.f_bfree) < first, "it takes as much")


def capabilities(top):
    P.write(top + "/f", b"1")
    os.chmod(top + "/f", 0o777)
    os.setxattr(top + "/f", "security.capability", P.capability())
    P.as_user(P.BOB, P.write, top + "/f", b"2")
    return lambda top: must("security.capability" not in
                            os.listxattr(top + "/f"), "they stay")


def unnamed(top):
    fd = os.open(top, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"1")
    P.link_fd(fd, top + "/f")
    os.close(fd)
    return lambda top: must(P.read(top + "/f") == b"1", "lost")


def direct(top):
    page = mmap.mmap(-1, 4096)
    fd = os.open(top + "/f", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    must(os.pwritev(fd, [page], 4096) == 4096, "short")
    os.close(fd)


def noreplace(top):
    P.write(top + "/a")
    P.write(top + "/b")
    P.refused(errno.EEXIST, P.renameat2, top + "/a", top + "/b", 1)
    P.renameat2(top + "/a", top + "/c", 1)


def exchange(top):
    P.write(top + "/a", b"1")
    os.mkdir(top + "/b")
    P.renameat2(top + "/a", top + "/b", 2)
    must(P.read(top + "/b") == b"1", "not exchanged")


def fallocate(mode, offset, length):
    def probe(top):
        data = b"x" * (1 << 20)
        P.write(top + "/f", data)
        fd = os.open(top + "/f", os.O_RDWR)
        P.check(P.LIBC.fallocate(fd, mode, ctypes.c_long(offset),
                                 ctypes.c_long(length)))
        os.close(fd)
        want = bytearray(data)
        if mode & 0x12:
            want[offset:offset + length] = bytes(length)
        elif mode & 0x8:
            del want[offset:offset + length]
        elif not mode:
            want += bytes(offset + length - len(want))
        return lambda top: must(P.read(top + "/f") == want, "wrong bytes")
    return probe


def holes(top):
    fd = os.open(top + "/f", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"x" * 65536, 1 << 20)
    os.ftruncate(fd, 4 << 20)
    os.close(fd)

    def later(top):
        fd = os.open(top + "/f", os.O_RDONLY)
        must(os.lseek(fd, 0, os.SEEK_DATA) == 1 << 20, "holes are not told")
        must(os.lseek(fd, 1 << 20, os.SEEK_HOLE) == (1 << 20) + 65536,
             "holes are not told")
        os.close(fd)
    return later


def sparse(top):
    fd = os.open(top + "/f", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 2 << 30)
    os.pwrite(fd, b"end", (2 << 30) - 3)
    os.close(fd)

    def later(top):
        st = os.stat(top + "/f")
        must(st.st_size == 2 << 30 and st.st_blocks < 1 << 20, "it fills up")
    return later


def some_times(*ns):
    def probe(top):
        for i, t in enumerate(ns):
            P.write("%s/%d" % (top, i))
            os.utime("%s/%d" % (top, i), ns=(t, t))

        def later(top):
            for i, t in enumerate(ns):
                got = os.stat("%s/%d" % (top, i))
                must((got.st_atime_ns, got.st_mtime_ns) == (t, t),
                     "another time")
        return later
    return probe


def unlinked(top):
    P.write(top + "/f", b"1")
    fd = os.open(top + "/f", os.O_RDWR)
    os.unlink(top + "/f")
    os.pwrite(fd, b"23", 0)
    os.ftruncate(fd, 1)
    os.fchmod(fd, 0o600)
    must(os.pread(fd, 9, 0) == b"2" and os.fstat(fd).st_nlink == 0, "lost")
    must(os.listdir(top) == [], "a name is left")
    os.close(fd)


def removed_directory(top):
    os.mkdir(top + "/d")
    fd = os.open(top + "/d", os.O_RDONLY)
    os.rmdir(top + "/d")
    must(os.listdir(fd) == [] and os.fstat(fd).st_nlink == 0, "not empty")
    P.refused(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_RDWR, dir_fd=fd)
    os.close(fd)


def appends(top):
    P.write(top + "/f")
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            fd = os.open(top + "/f", os.O_WRONLY | os.O_APPEND)
            for _ in range(200):
                os.write(fd, b"0123456\n")
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    return lambda top: must(P.read(top + "/f") == b"0123456\n" * 800, "mixed")


def locks(top):
    P.write(top + "/f")
    a = os.open(top + "/f", os.O_RDWR)
    fcntl.flock(a, fcntl.LOCK_EX)
    fcntl.lockf(a, fcntl.LOCK_EX, 1, 0)
    fcntl.fcntl(a, 37, struct.pack("hhllixxxx", fcntl.F_WRLCK, 0, 8, 1, 0))

    def other():
        b = os.open(top + "/f", os.O_RDWR)
        P.refused(errno.EAGAIN, fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
        P.refused(errno.EAGAIN, fcntl.lockf, b, fcntl.LOCK_EX | fcntl.LOCK_NB,
                  1, 0)
        P.refused(errno.EAGAIN, fcntl.lockf, b, fcntl.LOCK_EX | fcntl.LOCK_NB,
                  1, 8)
    P.in_child(other)
    os.close(a)


def shared_memory(top):
    P.write(top + "/f", bytes(8192))
    fd = os.open(top + "/f", os.O_RDWR)
    m = mmap.mmap(fd, 8192)
    m[5000:5005] = b"hello"
    m.flush()
    must(os.pread(fd, 5, 5000) == b"hello", "not coherent")
    os.pwrite(fd, b"J", 5000)
    must(m[5000:5005] == b"Jello", "not coherent")
    m.close()
    os.close(fd)
    return lambda top: must(P.read(top + "/f")[5000:5005] == b"Jello", "lost")


PROBES = (
    ("hard links across folders, counted", hard_links),
    ("names of 255 bytes, any byte", names),
    ("symbolic links of 4,095 bytes", symbolic_links),
    ("FIFOs, sockets, device nodes", special_files),
    ("extended attributes (`user`, `trusted`)", attributes),
    ("extended attributes of 64 KiB, several", large_attributes),
    ("access control lists, obeyed and inherited", lists),
    ("set-user-ID goes when others write", set_id_bits),
    ("set-group-ID of what is no program goes when strangers write",
     set_group_id),
    ("file capabilities go when others write", capabilities),
    ("`O_TMPFILE`, and `linkat` of it", unnamed),
    ("`O_DIRECT`", direct),
    ("`RENAME_NOREPLACE`", noreplace),
    ("`RENAME_EXCHANGE`", exchange),
    ("`fallocate`", fallocate(0, 1 << 20, 1 << 20)),
    ("`fallocate`, punch a hole", fallocate(3, 4096, 65536)),
    ("`fallocate`, zero a range", fallocate(0x10, 4096, 65536)),
    ("`fallocate`, collapse a range", fallocate(8, 4096, 65536)),
    ("`copy_file_range` takes no room", copying),
    ("`SEEK_DATA`, `SEEK_HOLE`", holes),
    ("a sparse file of 2 GiB takes no room", sparse),
    ("times to the nanosecond", some_times(1, 1600000000123456789)),
    ("times before 1970", some_times(-1, -10 ** 18)),
    ("times after 2106", some_times(5 * 10 ** 18, 9 * 10 ** 18)),
    ("unlinked files, used on", unlinked),
    ("removed folders, open", removed_directory),
    ("`O_APPEND` from several processes", appends),
    ("`flock`, `fcntl` and OFD locks", locks),
    ("shared mappings", shared_memory),
)


def numbered(n):
    return errno.errorcode.get(n, str(n)).replace("ENOTSUP", "EOPNOTSUPP")


def held(probe, top):
    """In a process with a limit; "yes" or what not, and what is to hold."""
    def limited():
        signal.alarm(LIMIT_S)
        os.umask(0o022)
        probe(top)
    try:
        P.in_child(limited)
    except OSError as e:
        return numbered(e.errno)
    except P.Elsewhere as e:
        text = str(e).strip().splitlines()[-1]
        return "no: " + text.rsplit(": ", 1)[-1]
    return "yes"


def look_at(kind, top):
    """{name of a probe: result}"""
    system, out, after = kind(top), {}, {}
    try:
        system.start()
        os.chmod(system.top, 0o755)
        os.chmod(system.mnt, 0o755)
        for i, (name, probe) in enumerate(PROBES):
            folder = "%s/p%d" % (system.mnt, i)
            os.mkdir(folder)
            os.chmod(folder, 0o755)

            def both(top, probe=probe, i=i):
                later = probe(top)
                if later:
                    later(top)
            out[name] = held(both, folder)
            after[name] = (probe, folder)
            print("%-14s %-46s %s" % (system.name, name, out[name]),
                  file=sys.stderr, flush=True)
        system.cold()
        for name, (probe, folder) in after.items():
            if out[name] == "yes":
                again = held(lambda top, p=probe: hold_again(p, top), folder)
                out[name] = again if again == "yes" else again + " later"
    finally:
        with contextlib.suppress(Exception):
            system.stop()
    return out


def hold_again(probe, folder):
    """What the probe said has to hold: it is made in a folder beside, which
    shows that it can be done again, and asked about the first."""
    beside = folder + "-again"
    os.mkdir(beside)
    later = probe(beside)
    if later:
        later(folder)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--systems", default="")
    wanted = [w for w in p.parse_args().systems.split(",") if w]
    kinds = [k for k in ALL if k.is_there() and
             (not wanted or k.name in wanted)]
    results = []
    for kind in kinds:
        base = tempfile.mkdtemp(prefix="coffer-calls.")
        os.chmod(base, 0o755)
        results.append(look_at(kind, os.path.join(base, "s")))
        os.rmdir(base)
    print("| call | " + " | ".join(k.name for k in kinds) + " |")
    print("|---|" + "---|" * len(kinds))
    for name, _ in PROBES:
        print("| %s | %s |" % (name, " | ".join(r.get(name, "") for r in
                                                results)))


if __name__ == "__main__":
    main()
