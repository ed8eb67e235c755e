#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Whatever a mount is given, its daemon's memory stays within what was
configured, and its descriptors within a few.

COFFER_TEST_LIMITS=full takes a million files, ten thousand of them open at once,
and a directory of a million names; else a hundredth of that has to do."""
import os
import random
import resource
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested

FULL = os.environ.get("COFFER_TEST_LIMITS") == "full"
MILLION = 1000000 if FULL else H.scaled(10000, 2000)
OPEN = 10000 if FULL else H.scaled(2000, 400)
GIB = 1 << 30
SPARSE = 100 * GIB
OPTIONS = ["cache=32M", "dirty=16M", "index=16M"]
CONFIGURED_MIB = 32 + 16 + 16
# The program, its libraries, stacks, packs being filled and sent.
BESIDE_MIB = 64
# What an inode the kernel knows may take.
INODE_BYTES = 160
# Packs and stage files kept open, the device, sockets, the state directory.
DESCRIPTORS = 160


class Watch(threading.Thread):
    """The most memory and descriptors the daemon had."""

    def __init__(self, m):
        super().__init__(daemon=True)
        self.m, self.over = m, threading.Event()
        self.descriptors = 0

    def run(self):
        while not self.over.wait(0.05):
            self.look()

    def look(self):
        try:
            n = len(os.listdir("/proc/%d/fd" % self.m.pid))
        except PermissionError:     # only root may look
            return
        self.descriptors = max(self.descriptors, n)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def peak_mib(self):
        with open("/proc/%d/status" % self.m.pid, encoding="ascii") as f:
            words = dict(line.split(":", 1) for line in f)
        return int(words["VmHWM"].split()[0]) >> 10

    def judge(self, what, n_inodes=0):
        self.look()
        peak = self.peak_mib()
        bound = CONFIGURED_MIB + BESIDE_MIB + (n_inodes * INODE_BYTES >> 20)
        print("        %s: %d MiB at most (%d allowed), %d descriptors" %
              (what, peak, bound, self.descriptors))
        assert self.descriptors <= DESCRIPTORS, self.descriptors
        # A sanitizer's own memory says nothing.
        assert H.SANITIZER or peak <= bound, (peak, bound)


def test_a_sparse_file_of_100_gib(base):
    v = H.Vault(base, args=FAST)
    rng = random.Random(1)
    places = sorted({rng.randrange(SPARSE >> 13) << 13 for _ in range(400)})
    with v.mounted(options=OPTIONS) as m, Watch(m) as w:
        fd = os.open(m.path + "/sparse", os.O_RDWR | os.O_CREAT)
        os.ftruncate(fd, SPARSE)
        for at in places:
            assert os.pwrite(fd, at.to_bytes(8, "little") * 1024, at) == 8192
        os.fsync(fd)
        for at in rng.sample(places, 200):
            assert os.pread(fd, 8, at + 4096) == at.to_bytes(8, "little")
            hole = rng.randrange(SPARSE - 65536)
            os.pread(fd, 65536, hole)
        at, met = 0, 0
        while True:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break
            met += 1
            at = os.lseek(fd, at, os.SEEK_HOLE)
        assert len(places) / 2 < met <= len(places), met
        os.close(fd)
        st = os.stat(m.path + "/sparse")
        assert st.st_size == SPARSE and st.st_blocks * 512 < 64 << 20, st
        w.judge("a sparse file")
    with v.mounted(options=OPTIONS) as m:
        with open(m.path + "/sparse", "rb") as f:
            for at in rng.sample(places, 50):
                f.seek(at)
                assert f.read(8) == at.to_bytes(8, "little")


def test_files_opened_over_time(base):
    v = H.Vault(base, args=FAST)
    rng = random.Random(2)
    with v.mounted(options=OPTIONS) as m, Watch(m) as w:
        for i in range(MILLION):
            folder = "%s/%04d" % (m.path, i // 1000)
            if i % 1000 == 0:
                os.mkdir(folder)
            fd = os.open("%s/%d" % (folder, i), os.O_RDWR | os.O_CREAT)
            os.pwrite(fd, b"%08d" % i, 0)
            os.close(fd)
            if i % 10 == 0:
                k = rng.randrange(i + 1)
                fd = os.open("%s/%04d/%d" % (m.path, k // 1000, k),
                             os.O_RDONLY)
                assert os.pread(fd, 8, 0) == b"%08d" % k
                os.close(fd)
        w.judge("%d files, one after the other" % MILLION, MILLION)


def test_files_open_at_once(base):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < OPEN + 100:
        H.skip("only %d files may be open here" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, OPEN + 100), hard))
    v = H.Vault(base, args=FAST)
    with v.mounted(options=OPTIONS) as m, Watch(m) as w:
        fds = []
        for i in range(OPEN):
            fds.append(os.open("%s/%d" % (m.path, i), os.O_RDWR | os.O_CREAT))
            os.pwrite(fds[-1], b"%08d" % i * 1000, 0)
        for i in range(0, OPEN, 100):
            os.fsync(fds[i])
        for i, fd in enumerate(fds):
            os.pwrite(fd, b"again", 4000)
        # Nameless, and used all the same.
        for i in range(0, OPEN, 2):
            os.unlink("%s/%d" % (m.path, i))
        for i, fd in enumerate(fds):
            assert os.pread(fd, 8, 0) == b"%08d" % i
            assert os.pread(fd, 5, 4000) == b"again"
        w.judge("%d files open at once" % OPEN, OPEN)
        for fd in fds:
            os.close(fd)
    with v.mounted(options=OPTIONS) as m:
        assert len(os.listdir(m.path)) == OPEN // 2


def test_a_directory_of_many_names(base):
    v = H.Vault(base, args=FAST)
    rng = random.Random(3)
    with v.mounted(options=OPTIONS) as m, Watch(m) as w:
        top = m.path + "/many"
        os.mkdir(top)
        for i in range(MILLION):
            os.mknod("%s/a name of many, and its number is %d" % (top, i))
        assert sum(1 for _ in os.scandir(top)) == MILLION
        w.judge("%d names made and listed" % MILLION, MILLION)
    # Not known to the kernel, nor to the daemon.
    with v.mounted(options=OPTIONS) as m, Watch(m) as w:
        top = m.path + "/many"
        with os.scandir(top) as entries:
            assert sum(1 for _ in entries) == MILLION
        for _ in range(1000):
            k = rng.randrange(MILLION)
            os.stat("%s/a name of many, and its number is %d" % (top, k))
        w.judge("%d names listed" % MILLION, MILLION)


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
