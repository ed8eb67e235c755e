#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Eight programs at once on one mount, in folders of their own and in shared
ones.

COFFER_STRESS_SECONDS says for how long (10), COFFER_STRESS_PROGRAMS how many
(8), COFFER_TEST_SEED which of their courses they take.  Each knows what its own
files hold, and looks; in the shared folders anything may have gone meanwhile,
but nothing else may go wrong.  Then the tree must be the same on a second
machine, check must be clean, and once all is deleted the daemon must not believe
that the kernel still knows an inode.
"""
import ctypes
import errno
import mmap
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402
import trees  # noqa: E402

SECONDS = float(os.environ.get("COFFER_STRESS_SECONDS", "10"))
PROGRAMS = int(os.environ.get("COFFER_STRESS_PROGRAMS", "8"))
SEED = int(os.environ.get("COFFER_TEST_SEED", "1"))
# One request that takes longer than this is a deadlock.
PATIENCE = 90 * H.SLOWER

# What others in the same folder may bring about.
EXPECTED = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR,
            errno.EISDIR, errno.EINVAL, errno.EBUSY, errno.ESTALE,
            errno.ELOOP, errno.EPERM}
EXCHANGE = 2
AT_FDCWD = -100
LIBC = ctypes.CDLL(None, use_errno=True)


def exchange(a, b):
    if LIBC.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b),
                      EXCHANGE) < 0:
        n = ctypes.get_errno()
        raise OSError(n, os.strerror(n), a)


class Program:
    """One of them: what it does is a method that begins with do_."""

    def __init__(self, mnt, who):
        self.mnt = mnt
        self.rng = random.Random(SEED * 1000 + who)
        self.own = os.path.join(mnt, "own-%d" % who)
        self.files = {}         # name in own: what it holds
        self.actions = [getattr(self, n) for n in sorted(dir(self))
                        if n.startswith("do_")]
        self.shared = [n for n in self.actions if "shared" in n.__name__]

    def run(self, until, steps):
        """Counts its steps, for whoever watches."""
        os.makedirs(self.own, exist_ok=True)
        while time.monotonic() < until:
            action = self.rng.choice(self.actions)
            try:
                action()
            except OSError as e:
                if action not in self.shared or e.errno not in EXPECTED:
                    raise
            steps.value += 1
        for name in sorted(self.files):
            self.look(name)
        have = sorted(n for n in os.listdir(self.own))
        assert have == sorted(self.files), (have, sorted(self.files))

    # ---- of its own

    def path(self, name):
        return os.path.join(self.own, name)

    def some(self):
        return self.rng.choice(sorted(self.files)) if self.files else None

    def size(self):
        return self.rng.choice([0, 1, 700, 5000, 20000, 150000, 900000])

    def look(self, name):
        with open(self.path(name), "rb") as f:
            got = f.read()
        want = self.files[name]
        assert got == want, "%s: %d bytes, expected %d; first difference " \
            "at %s" % (name, len(got), len(want), next(
                (i for i, (a, b) in enumerate(zip(got, want)) if a != b),
                "the end"))

    def do_create(self):
        name = "f%d" % self.rng.randrange(25)
        data = self.rng.randbytes(self.size())
        with open(self.path(name), "wb") as f:
            f.write(data)
        self.files[name] = data

    def do_look(self):
        if self.files:
            self.look(self.some())

    def do_overwrite(self):
        name = self.some()
        if not name:
            return
        old = self.files[name]
        at = self.rng.randrange(len(old) + 5000)
        data = self.rng.randbytes(self.rng.choice([1, 512, 4096, 60000]))
        with open(self.path(name), "r+b", buffering=0) as f:
            f.seek(at)
            assert f.write(data) == len(data)
            if self.rng.randrange(20) == 0:
                os.fsync(f.fileno())
        old += bytes(max(0, at - len(old)))
        self.files[name] = old[:at] + data + old[at + len(data):]

    def do_truncate(self):
        name = self.some()
        if not name:
            return
        old = self.files[name]
        size = self.rng.randrange(len(old) + 20000)
        os.truncate(self.path(name), size)
        self.files[name] = old[:size] + bytes(max(0, size - len(old)))

    def do_map(self):
        """Written through a mapping, in the middle of two pages."""
        name = self.some()
        if not name or len(self.files[name]) < 10000:
            return
        old = self.files[name]
        at = self.rng.randrange(len(old) - 6000)
        data = self.rng.randbytes(5000)
        with open(self.path(name), "r+b") as f:
            with mmap.mmap(f.fileno(), 0) as m:
                assert m[at:at + 5000] == old[at:at + 5000]
                m[at:at + 5000] = data
                m.flush()
        self.files[name] = old[:at] + data + old[at + 5000:]

    def do_rename(self):
        name = self.some()
        to = "f%d" % self.rng.randrange(25)
        if name and name != to:
            os.rename(self.path(name), self.path(to))
            self.files[to] = self.files.pop(name)

    def do_exchange(self):
        if len(self.files) < 2:
            return
        a, b = self.rng.sample(sorted(self.files), 2)
        exchange(self.path(a), self.path(b))
        self.files[a], self.files[b] = self.files[b], self.files[a]

    def do_unlink(self):
        name = self.some()
        if name:
            os.unlink(self.path(name))
            del self.files[name]

    def do_unlink_open(self):
        """It works on for who has it open."""
        name = self.some()
        if not name:
            return
        with open(self.path(name), "r+b") as f:
            os.unlink(self.path(name))
            data = self.files.pop(name) + b"more"
            f.seek(0, os.SEEK_END)
            f.write(b"more")
            f.seek(0)
            assert f.read() == data
            assert os.fstat(f.fileno()).st_nlink == 0

    def do_attributes(self):
        name = self.some()
        if not name:
            return
        when = self.rng.randrange(1 << 60)
        os.chmod(self.path(name), 0o600 | self.rng.randrange(8))
        os.setxattr(self.path(name), "user.when", b"%d" % when)
        os.utime(self.path(name), ns=(when, when))
        assert os.stat(self.path(name)).st_mtime_ns == when
        assert os.getxattr(self.path(name), "user.when") == b"%d" % when

    # ---- shared by all

    def any(self):
        return os.path.join(self.mnt, "shared-%d" % self.rng.randrange(3),
                            "n%d" % self.rng.randrange(30))

    def do_shared_create(self):
        with open(self.any(), "ab") as f:
            f.write(self.rng.randbytes(self.rng.choice([10, 3000, 70000])))

    def do_shared_read(self):
        with open(self.any(), "rb") as f:
            while f.read(100000):
                pass

    def do_shared_truncate(self):
        os.truncate(self.any(), self.rng.choice([0, 100, 50000]))

    def do_shared_write(self):
        with open(self.any(), "r+b") as f:
            os.pwrite(f.fileno(), b"x" * 100,
                      os.fstat(f.fileno()).st_size // 2)

    def do_shared_link(self):
        os.link(self.any(), self.any())

    def do_shared_symlink(self):
        os.symlink("n1", self.any())

    def do_shared_rename(self):
        os.rename(self.any(), self.any())

    def do_shared_exchange(self):
        exchange(self.any(), self.any())

    def do_shared_unlink(self):
        os.unlink(self.any())

    def do_shared_directory(self):
        os.mkdir(self.any())

    def do_shared_directory_removed(self):
        os.rmdir(self.any())

    def do_shared_list(self):
        for e in os.scandir(os.path.dirname(self.any())):
            e.stat(follow_symlinks=False)

    def do_shared_stat(self):
        os.lstat(self.any())
        os.statvfs(self.mnt)

    def do_shared_append_and_sync(self):
        fd = os.open(self.any(), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(fd, self.rng.randbytes(500))
            if self.rng.randrange(10) == 0:
                os.fsync(fd)
        finally:
            os.close(fd)


def work(mnt, who, until, steps):
    try:
        Program(mnt, who).run(until, steps)
    except BaseException:       # its end is its exit code
        print("program %d:" % who, flush=True)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def where_it_stands(pid):
    """What the threads of the daemon wait for."""
    lines = []
    for task in sorted(os.listdir("/proc/%d/task" % pid)):
        words = []
        for what in ("comm", "wchan", "syscall"):
            try:
                with open("/proc/%d/task/%s/%s" % (pid, task, what),
                          encoding="ascii") as f:
                    words.append(f.read().strip())
            except OSError:
                pass
        lines.append("  %s: %s" % (task, ", ".join(words)))
    return "\n".join(lines)


def watch(m, workers, steps):
    """Until all have ended; whoever stands still for long is stuck."""
    seen = [(-1, 0.0)] * len(workers)
    while any(w.is_alive() for w in workers):
        now = time.monotonic()
        for i, w in enumerate(workers):
            n = steps[i].value
            if n != seen[i][0] or not w.is_alive():
                seen[i] = (n, now)
            if now - seen[i][1] > PATIENCE:
                print(where_it_stands(m.pid), flush=True)
                raise AssertionError("program %d is stuck after %d steps" %
                                     (i, n))
        time.sleep(0.2)


def play(m, seconds):
    for i in range(3):
        os.makedirs("%s/shared-%d" % (m.path, i), exist_ok=True)
    until = time.monotonic() + seconds
    steps = [multiprocessing.Value("Q", 0) for _ in range(PROGRAMS)]
    workers = [multiprocessing.Process(target=work,
                                       args=(m.path, i, until, steps[i]))
               for i in range(PROGRAMS)]
    for w in workers:
        w.start()
    try:
        watch(m, workers, steps)
    finally:
        for w in workers:
            w.kill()
            w.join(10)
    assert all(w.exitcode == 0 for w in workers), \
        [w.exitcode for w in workers]
    total = sum(s.value for s in steps)
    print("        %d steps of %d programs" % (total, PROGRAMS))
    assert min(s.value for s in steps) > 0, [s.value for s in steps]


class Foreground(H.Mount):
    """A daemon whose last words are read."""

    def __init__(self, vault, path, device="here", options=()):
        self.said = os.path.join(vault.base, "daemon.log")
        self.process = None
        super().__init__(vault, path, device, options)

    def start(self, args):
        words = ["--foreground", "--verbose", "--verbose", "--state-dir",
                 self.vault.state(self.device), "--passfile",
                 self.vault.passfile, *args, self.vault.dir, self.path]
        with open(self.said, "wb") as log:
            self.process = subprocess.Popen(
                [H.COFFER, "mount", *words], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
                env=dict(os.environ, XDG_RUNTIME_DIR=self.vault.runtime()))
        end = time.monotonic() + 60 * H.SLOWER
        while not H.is_mounted(self.path):
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < end, self.text()
            time.sleep(0.02)
        # Priming done: the first answer.
        os.listdir(self.path)

    def text(self):
        with open(self.said, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_gone(self, seconds=60):
        code = self.process.wait(seconds * H.SLOWER)
        assert code in (0, -signal.SIGKILL), (code, self.text()[-4000:])


def forget_all(m):
    """Deletes everything; requests carry the kernel's last forgets along."""
    for name in os.listdir(m.path):
        shutil.rmtree(os.path.join(m.path, name))
    for i in range(2000):
        assert not os.path.lexists("%s/absent-%d" % (m.path, i))
    time.sleep(1)


def elsewhere(v):
    """The same vault on a machine that knows nothing of this one."""
    base = os.path.join(v.base, "elsewhere")
    os.mkdir(base)
    other = H.Vault(base, init=False)
    other.dir = v.dir
    return other


def test_eight_programs_on_one_mount(base):
    v = H.Vault(base, args=("--kdf-memory", "64M"))
    m = Foreground(v, os.path.join(base, "mnt"), options=["cache=32M"])
    try:
        play(m, SECONDS)
        want = trees.snapshot(m.path)
        v.coffer("sync", m.path)
        other = elsewhere(v)
        with other.mounted(options=["ro"]) as second:
            trees.compare(want, trees.snapshot(second.path), "second machine")
        report = other.check("--read-data")
        assert report["ok"] and report["damaged"] == 0, report
        forget_all(m)
        m.umount()
        known = re.findall(r"the kernel knew (\d+) inodes at the end",
                           m.text())
        assert known == ["0"], (known, m.text()[-4000:])
    finally:
        m.end()
    with v.mounted() as again:
        assert os.listdir(again.path) == []


if __name__ == "__main__":
    H.need_fuse()
    multiprocessing.set_start_method("fork")
    H.main(globals())
