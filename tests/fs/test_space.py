#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Space: holes, allocating, copies that share, quota, what statfs says."""
import contextlib
import ctypes
import errno
import hashlib
import json
import mmap
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

KEEP_SIZE, PUNCH, COLLAPSE, ZERO, INSERT, UNSHARE = 1, 2, 8, 16, 32, 64

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64,
                           ctypes.c_int64]


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, offset, length) < 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def refused(code, fn, *args):
    try:
        got = fn(*args)
    except OSError as e:
        assert e.errno == code, e
        return
    raise AssertionError("%s%r gave %r" % (fn, args, got))


def open_new(m, name):
    return os.open(os.path.join(m.path, name), os.O_RDWR | os.O_CREAT)


@contextlib.contextmanager
def opened(m, *names):
    """Descriptors of files, made if need be, closed afterwards."""
    fds = [open_new(m, n) for n in names]
    try:
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def vault_bytes(v):
    return sum(os.lstat(os.path.join(d, f)).st_size
               for d, _, files in os.walk(v.dir) for f in files)


def free_bytes(path):
    st = os.statvfs(path)
    return st.f_bavail * st.f_frsize


def seek(fd, at, whence):
    try:
        return os.lseek(fd, at, whence)
    except OSError as e:
        assert e.errno == errno.ENXIO, e
        return None


# ------------------------------------------------------------------ a model

class Model:
    """A file as a plain array, and which of its bytes are data."""

    def __init__(self, fd):
        self.fd = fd
        self.bytes = bytearray()
        self.data = bytearray()

    def grow(self, size):
        more = max(0, size - len(self.bytes))
        self.bytes += bytes(more)
        self.data += bytes(more)

    def write(self, at, what):
        assert os.pwrite(self.fd, what, at) == len(what)
        self.grow(at + len(what))
        self.bytes[at:at + len(what)] = what
        self.data[at:at + len(what)] = b"\1" * len(what)

    def truncate(self, size):
        os.ftruncate(self.fd, size)
        self.grow(size)
        del self.bytes[size:]
        del self.data[size:]

    def allocate(self, mode, at, n):
        fallocate(self.fd, mode, at, n)
        if not mode & KEEP_SIZE:
            self.grow(at + n)
        end = min(at + n, len(self.bytes))
        if mode & (PUNCH | ZERO) and at < end:
            self.bytes[at:end] = bytes(end - at)
            self.data[at:end] = bytes(end - at)

    def copy(self, other, at, to, n):
        want = max(0, min(n, len(other.bytes) - at))
        if other is self and at < to + want and to < at + want:
            refused(errno.EINVAL, os.copy_file_range, self.fd, self.fd, n,
                    at, to)
            return
        done = 0
        while done < want:
            k = os.copy_file_range(other.fd, self.fd, n - done, at + done,
                                   to + done)
            assert k > 0
            done += k
        assert done == want
        if want:
            self.grow(to + want)
            self.bytes[to:to + want] = other.bytes[at:at + want]
            self.data[to:to + want] = other.data[at:at + want]

    def check_seek(self, at):
        where = self.data.find(1, at)
        assert seek(self.fd, at, os.SEEK_DATA) == \
            (None if where < 0 else where), (at, where)
        where = self.data.find(0, at)
        if at >= len(self.data):
            where = None
        elif where < 0:
            where = len(self.data)
        assert seek(self.fd, at, os.SEEK_HOLE) == where, (at, where)

    def check(self):
        st = os.fstat(self.fd)
        assert st.st_size == len(self.bytes), (st.st_size, len(self.bytes))
        assert st.st_blocks == (sum(self.data) + 511) // 512, \
            (st.st_blocks, sum(self.data))
        got = os.pread(self.fd, len(self.bytes) + 1, 0)
        assert got == self.bytes, next(
            (i for i, (a, b) in enumerate(zip(got, self.bytes)) if a != b),
            "length")


def random_step(rng, files):
    f = rng.choice(files)
    at, n = rng.randrange(400 * KIB), rng.choice((9, 900, 30000, 150000))
    n = rng.randrange(1, n)
    what = rng.randrange(12)
    if what < 4:
        f.write(at, rng.randbytes(n))
    elif what == 4:
        f.truncate(at)
    elif what == 5:
        f.allocate(PUNCH | KEEP_SIZE, at, n)
    elif what == 6:
        f.allocate(rng.choice((ZERO, ZERO | KEEP_SIZE)), at, n)
    elif what == 7:
        f.allocate(rng.choice((0, KEEP_SIZE)), at, n)
    elif what < 10:
        f.copy(rng.choice(files), rng.randrange(400 * KIB), at, n)
    elif what == 10:
        f.check_seek(rng.randrange(len(f.data) + 1))
    else:
        os.fsync(f.fd)


def test_holes_against_a_model(base):
    v = H.Vault(base, args=FAST)
    rng = random.Random(7)
    with v.mounted() as m:
        files = [Model(open_new(m, "f%d" % i)) for i in range(3)]
        for i in range(900):
            random_step(rng, files)
            if i % 30 == 0:
                files[i // 30 % 3].check()
        for f in files:
            f.check()
            os.close(f.fd)
    with v.mounted() as m:
        for i, f in enumerate(files):
            f.fd = open_new(m, "f%d" % i)
            f.check()
            at = 0
            while at < len(f.data):
                f.check_seek(at)
                at += rng.randrange(1, 20000)
            os.close(f.fd)
    report = v.check("--read-data")
    assert report["ok"] and report["damaged"] == 0, report


def test_fallocate(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        fd = open_new(m, "f")
        fallocate(fd, 0, 0, MIB)
        assert os.fstat(fd).st_size == MIB and os.fstat(fd).st_blocks == 0
        fallocate(fd, KEEP_SIZE, MIB, MIB)
        assert os.fstat(fd).st_size == MIB
        assert os.pread(fd, 2 * MIB, 0) == bytes(MIB)
        os.posix_fallocate(fd, 5, 2 * MIB)
        assert os.fstat(fd).st_size == 2 * MIB + 5
        for mode in (COLLAPSE, INSERT, UNSHARE, PUNCH):
            refused(errno.EOPNOTSUPP, fallocate, fd, mode, 0, 4096)
        refused(errno.EINVAL, fallocate, fd, 0, 0, 0)
        refused(errno.EINVAL, fallocate, fd, 0, -1, 4096)
        refused(errno.EFBIG, fallocate, fd, 0, (1 << 63) - 4096, 8192)
        # More than any disk here has.
        size = os.fstat(fd).st_size
        for mode in (0, KEEP_SIZE, ZERO):
            refused(errno.ENOSPC, fallocate, fd, mode, 0, 1 << 60)
        assert os.fstat(fd).st_size == size
        os.close(fd)
        fd = os.open(m.path + "/f", os.O_RDONLY)
        refused(errno.EBADF, fallocate, fd, 0, 0, 4096)
        os.close(fd)


def test_sizes_to_16_tib(base):
    v = H.Vault(base, args=FAST)
    marks = {0: b"first", 4 * GIB - 2: b"over", TIB + 777: b"middle",
             16 * TIB - 4: b"last"}
    with v.mounted() as m:
        fd = open_new(m, "huge")
        for at, what in marks.items():
            os.pwrite(fd, what, at)
        os.ftruncate(fd, 16 * TIB)
        os.close(fd)
    with v.mounted() as m:
        fd = open_new(m, "huge")
        assert os.fstat(fd).st_size == 16 * TIB
        assert os.fstat(fd).st_blocks == 1
        at, found = 0, {}
        while (start := seek(fd, at, os.SEEK_DATA)) is not None:
            at = os.lseek(fd, start, os.SEEK_HOLE)
            found[start] = os.pread(fd, at - start, start)
        assert found == marks, found
        assert os.pread(fd, 64 * KIB, 8 * TIB) == bytes(64 * KIB)
        # Down into the middle of an extent, up again: zeros from there on.
        os.ftruncate(fd, TIB + 780)
        os.ftruncate(fd, 2 * TIB)
        assert os.pread(fd, 10, TIB + 777) == b"mid" + bytes(7)
        assert seek(fd, TIB + 780, os.SEEK_DATA) is None
        os.close(fd)
    with v.mounted() as m:
        fd = os.open(m.path + "/huge", os.O_RDONLY)
        assert os.pread(fd, 10, TIB + 777) == b"mid" + bytes(7)
        assert os.fstat(fd).st_size == 2 * TIB
        os.close(fd)


# ------------------------------------------------------------------ copies

def copy_all(source, target, n, at=0, to=0):
    calls = done = 0
    while done < n:
        k = os.copy_file_range(source, target, n - done, at + done, to + done)
        assert k > 0
        done += k
        calls += 1
    return calls


def digest(path):
    h = hashlib.blake2b()
    with open(path, "rb", buffering=0) as f:
        while data := f.read(MIB):
            h.update(data)
    return h.digest()


def bytes_read(m):
    """By the daemon, which only root may ask."""
    if os.geteuid() != 0:
        return 0
    with open("/proc/%d/io" % m.pid, encoding="ascii") as f:
        return int(f.readline().split()[1])     # rchar


def test_a_copy_takes_no_space(base):
    v = H.Vault(base, args=FAST)
    size = 96 * MIB
    with v.mounted() as m:
        with open(m.path + "/one", "wb", buffering=0) as f:
            for _ in range(size // MIB):
                f.write(os.urandom(MIB))
        # What is not stored yet is shared too.
        with opened(m, "one", "dirty") as (source, dirty):
            assert copy_all(source, dirty, size) == 1
    before = vault_bytes(v)
    assert before < size * 5 // 4, before
    with v.mounted() as m:
        before_io = bytes_read(m)
        with opened(m, "one", "clean", "odd") as (source, clean, odd):
            assert copy_all(source, clean, size) == 1
            assert os.fstat(clean).st_blocks * 512 == size
            os.pwrite(odd, b"head", 0)
            copy_all(source, odd, size - 12345, at=1234, to=4)
            os.fsync(odd)
        # None of the contents was read for it.
        assert bytes_read(m) - before_io < size // 4
        H.run(["cp", m.path + "/one", m.path + "/cp"])
    assert vault_bytes(v) - before < 4 * MIB
    with v.mounted(device="second", options=["ro"]) as m:
        want = digest(m.path + "/one")
        for name in ("dirty", "clean", "cp"):
            assert digest(m.path + "/" + name) == want, name
        with open(m.path + "/one", "rb") as f, \
                open(m.path + "/odd", "rb") as g:
            f.seek(1234)
            assert g.read(4) == b"head"
            while data := g.read(MIB):
                assert f.read(MIB)[:len(data)] == data


def test_copy_ranges(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        with opened(m, "a", "b") as (a, b):
            data = os.urandom(300000)
            os.pwrite(a, data, 0)
            # Past the end, partly and wholly.
            assert os.copy_file_range(a, b, 1000, 300000, 0) == 0
            assert os.copy_file_range(a, b, 1000, 299990, 7) == 10
            assert os.pread(b, 100, 0) == bytes(7) + data[-10:]
            # One file: apart, adjoining, overlapping.
            assert os.copy_file_range(a, a, 1000, 0, 500000) == 1000
            assert os.copy_file_range(a, a, 1000, 0, 1000) == 1000
            refused(errno.EINVAL, os.copy_file_range, a, a, 1000, 0, 999)
            refused(errno.EINVAL, os.copy_file_range, a, a, 1000, 999, 0)
            want = data[:1000] * 2 + data[2000:] + bytes(200000) + \
                data[:1000]
            assert os.pread(a, 600000, 0) == want
            # The copy is a copy: changing one leaves the other.
            copy_all(a, b, len(want))
            os.pwrite(a, b"changed", 100)
            assert os.pread(b, 600000, 0) == want
            os.fsync(b)
            os.pwrite(b, b"as well", 200)
            assert os.pread(a, 7, 200) == want[200:207]
            # Holes stay holes.
            assert os.lseek(b, 300000, os.SEEK_DATA) == 500000
            end = os.fstat(b).st_size
            assert os.copy_file_range(a, b, 300000, 250000, end) == 251000
            assert os.lseek(b, end + 50000, os.SEEK_DATA) == end + 250000
            # A write in the middle of a copied range, then cut off.
            os.pwrite(b, b"x", end + 100)
            os.ftruncate(b, end + 200)
            assert os.pread(b, 1000, end) == \
                want[250000:250100] + b"x" + want[250101:250200]


# ------------------------------------------------------------------ room

def test_statfs(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        st, host = os.statvfs(m.path), os.statvfs(v.dir)
        assert st.f_namemax == 255
        assert st.f_blocks * st.f_frsize == host.f_blocks * host.f_frsize
        # Others use that disk too.
        here, there = free_bytes(m.path), free_bytes(v.dir)
        assert abs(here - there) < max(here, there) // 10 + GIB
        assert st.f_ffree > 1000000


def fill(path, seed):
    """Writes until it is told to stop; returns the bytes that were taken."""
    rng = random.Random(seed)
    with open(path, "wb", buffering=0) as f:
        while True:
            try:
                n = f.write(rng.randbytes(256 * KIB))
            except OSError as e:
                assert e.errno == errno.EDQUOT, e
                os.fsync(f.fileno())
                return f.tell()
            assert n == 256 * KIB


def check_filled(path, seed, size):
    rng = random.Random(seed)
    with open(path, "rb") as f:
        for _ in range(size // (256 * KIB)):
            assert f.read(256 * KIB) == rng.randbytes(256 * KIB)
        assert f.read() == b""


def status(m):
    p = m.vault.coffer("status", "--json", m.path)
    return json.loads(p.stdout)["vaults"][0]


def test_quota(base):
    v = H.Vault(base, args=FAST)
    quota = 24 * MIB
    with v.mounted(options=["quota=24M"]) as m:
        st = os.statvfs(m.path)
        assert st.f_blocks * st.f_frsize == quota
        assert st.f_bfree == st.f_blocks, st
        size = fill(m.path + "/a", 1)
        assert quota - MIB < size <= quota, size
        assert free_bytes(m.path) < MIB
        with opened(m, "room") as (fd,):
            refused(errno.EDQUOT, os.posix_fallocate, fd, 0, 4 * MIB)
        s = status(m)
        assert s["quota_bytes"] == quota
        # Tags of what is encrypted come on top.
        assert size < s["used_bytes"] < quota * 257 // 256, s
        # Names need none, nor do copies; deleting works.
        os.mkdir(m.path + "/d")
        H.run(["cp", m.path + "/a", m.path + "/d/copy"])
        check_filled(m.path + "/d/copy", 1, size)
        # What the copy shares is still in use.
        os.unlink(m.path + "/a")
        with opened(m, "no") as (fd,):
            refused(errno.EDQUOT, os.pwrite, fd, b"x" * 2 * MIB, 0)
        assert free_bytes(m.path) < MIB
        os.unlink(m.path + "/d/copy")
        assert fill(m.path + "/b", 2) > quota - MIB
        os.truncate(m.path + "/b", 5 * MIB)
        size = fill(m.path + "/c", 3)
        assert quota - 7 * MIB < size <= quota - 5 * MIB, size
        check_filled(m.path + "/b", 2, 5 * MIB)
    # What was confirmed is there, full or not; the next mount may have more.
    with v.mounted() as m:
        check_filled(m.path + "/b", 2, 5 * MIB)
        check_filled(m.path + "/c", 3, size)
        assert status(m)["quota_bytes"] == 0
        assert free_bytes(m.path) > quota
        with open(m.path + "/d/more", "wb") as f:
            f.write(os.urandom(MIB))
    with v.mounted(options=["quota=1M"]) as m:     # less than there is
        assert free_bytes(m.path) == 0
        with opened(m, "no") as (fd,):
            refused(errno.EDQUOT, os.pwrite, fd, b"x" * KIB, 0)
        check_filled(m.path + "/c", 3, size)
        os.unlink(m.path + "/c")
    p = v.coffer("mount", "--quota", "12K", "--passfile", v.passfile, v.dir,
                 base, ok=False)
    assert p.returncode == 2 and b"quota" in p.stderr, p
    report = v.check("--read-data")
    assert report["ok"] and report["damaged"] == 0, report


def test_what_is_used_is_known_at_once(base):
    """The same figure in every mount, read from the index or made anew."""
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        for i in range(300):
            with open("%s/short%d" % (m.path, i), "wb") as f:
                f.write(os.urandom(1 + i * 3))
        with open(m.path + "/long", "wb") as f:
            f.write(os.urandom(5 * MIB))
        H.run(["cp", m.path + "/long", m.path + "/copy"])
        for i in range(0, 300, 3):
            os.unlink("%s/short%d" % (m.path, i))
        os.truncate(m.path + "/long", 3 * MIB + 7)
        v.coffer("sync", m.path)
        used = status(m)["used_bytes"]
        short = sum(1 + i * 3 for i in range(300) if i % 3)
        # Where it was cut off a chunk may end that the copy has whole.
        assert 5 * MIB + short <= used < 6 * MIB + 100 * KIB + short, used
    with v.mounted() as m:
        assert status(m)["used_bytes"] == used
    v.coffer("rebuild", "--passfile", v.passfile, v.dir)
    with v.mounted() as m:
        assert status(m)["used_bytes"] == used
    with v.mounted(device="second") as m:
        assert status(m)["used_bytes"] == used


def test_collected_writes_beyond_the_quota(base):
    """Where the kernel collects writes, fsync tells."""
    v = H.Vault(base, args=FAST)
    with v.mounted(options=["quota=4M,profile=fast"]) as m:
        with opened(m, "f") as (fd,):
            def write_and_sync():
                for _ in range(12):
                    os.write(fd, os.urandom(MIB))
                os.fsync(fd)
            refused(errno.EDQUOT, write_and_sync)
        os.unlink(m.path + "/f")
        # close(2) returns before the kernel has told that nobody uses it.
        end = time.monotonic() + 120 * H.SLOWER
        while status(m)["unlinked_inodes"]:
            assert time.monotonic() < end, status(m)
            time.sleep(0.01)
        with opened(m, "g") as (fd,):
            os.write(fd, b"there is room again")
            os.fsync(fd)
    with v.mounted() as m:
        with open(m.path + "/g", "rb") as f:
            assert f.read() == b"there is room again"


def test_a_mapping_beyond_the_quota(base):
    """msync and fsync tell; what had room is there."""
    v = H.Vault(base, args=FAST)
    size = 12 * MIB
    with v.mounted(options=["quota=4M"]) as m:
        with open(m.path + "/kept", "wb") as f:
            f.write(b"kept" * KIB)
            os.fsync(f.fileno())
        with opened(m, "f") as (fd,):
            os.ftruncate(fd, size)
            told = []
            area = mmap.mmap(fd, size)
            for at in range(0, size, MIB):
                area[at:at + MIB] = os.urandom(MIB)
            for call in (area.flush, lambda: os.fsync(fd)):
                try:
                    call()
                except OSError as e:
                    told.append(e.errno)
            assert told and set(told) <= {errno.EDQUOT, errno.EIO,
                                          errno.ENOSPC}, told
            area.close()
        os.unlink(m.path + "/f")
        # And there is room again.
        with open(m.path + "/more", "wb") as f:
            f.write(os.urandom(MIB))
    with v.mounted() as m:
        with open(m.path + "/kept", "rb") as f:
            assert f.read() == b"kept" * KIB
        assert os.stat(m.path + "/more").st_size == MIB


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
