#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Many processes at once: nothing is lost, nobody waits for ever, and the
kernel's look-ups are let go.

Each part runs for a bounded time and under a watchdog: who has not ended long
after that is told as stuck, with what its processes wait in.
"""
import errno
import json
import mmap
import os
import random
import signal
import struct
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested

PROCESSES = 6
SECONDS = float(os.environ.get("COFFER_TEST_TOGETHER", "2"))
# A step takes milliseconds; a loaded machine takes longer.
STUCK = 90 * H.SLOWER


def where(pid):
    try:
        with open("/proc/%d/wchan" % pid, encoding="ascii") as f:
            return f.read()
    except OSError:
        return "?"


def together(fn, *args):
    """Runs fn(i, until, *args) in PROCESSES processes; their statuses must be
    0.  Whoever does not end is a deadlock."""
    until = time.monotonic() + SECONDS
    pids = {}
    sys.stdout.flush()
    for i in range(PROCESSES):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setpgid(0, 0)
                fn(i, until, *args)
                status = 0
            except BaseException:       # told, and by the exit status
                traceback.print_exc()
            finally:
                os._exit(status)
        pids[pid] = i
    failed = []
    while pids and time.monotonic() < until + STUCK:
        for pid in list(pids):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                i = pids.pop(pid)
                if status:
                    failed.append((i, status))
        time.sleep(0.02)
    stuck = {i: where(pid) for pid, i in pids.items()}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert not stuck, "stuck: %s" % stuck
    assert not failed, failed


def steps(until):
    n = 0
    while time.monotonic() < until or n == 0:
        yield n
        n += 1


# ------------------------------------------------------------------ appending

def append(i, until, path):
    rng = random.Random(i)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for n in steps(until):
        body = bytes([65 + i]) * rng.choice((1, 30, 900, 9000))
        record = struct.pack("<III", i, n, len(body)) + body
        assert os.write(fd, record) == len(record)
        if n % 100 == 0:
            os.fsync(fd)
    os.close(fd)
    with open("%s.%d" % (path, i), "w", encoding="ascii") as f:
        f.write(str(n + 1))


def check_appended(path):
    """Every record whole, each process's in order, none missing."""
    with open(path, "rb") as f:
        data = f.read()
    at, counts = 0, [0] * PROCESSES
    while at < len(data):
        i, n, length = struct.unpack_from("<III", data, at)
        assert n == counts[i], (i, n, counts[i])
        assert data[at + 12:at + 12 + length] == bytes([65 + i]) * length
        counts[i] += 1
        at += 12 + length
    for i in range(PROCESSES):
        with open("%s.%d" % (path, i), encoding="ascii") as f:
            assert counts[i] == int(f.read())
    return sum(counts)


def test_appending(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        together(append, m.path + "/log")
        n = check_appended(m.path + "/log")
        print("        %d records" % n)
    with v.mounted() as m:
        assert check_appended(m.path + "/log") == n


# ------------------------------------------------------------------ names

def try_call(fn, *args):
    """True; False for what others doing the same may cause."""
    try:
        fn(*args)
        return True
    except OSError as e:
        if e.errno not in (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY,
                           errno.EMLINK):
            raise
        return False


def juggle(i, until, root):
    """A token, a link of one shared file and a folder of its own are moved
    about in shared folders; others' names are in the way."""
    rng = random.Random(i)
    folders = ["%s/d%d" % (root, k) for k in range(4)]
    mine = "%s/token%d" % (folders[i % 4], i)
    os.close(os.open(mine, os.O_CREAT | os.O_EXCL))
    tree = "%s/tree%d" % (folders[i % 4], i)
    os.mkdir(tree)
    links = set()
    for n in steps(until):
        there = "%s/token%d" % (rng.choice(folders), i)
        os.rename(mine, there)
        mine = there
        there = "%s/tree%d" % (rng.choice(folders), i)
        if there != tree:
            os.rename(tree, there)
            tree = there
        name = "%s/link%d.%d" % (rng.choice(folders), i, rng.randrange(20))
        if name in links:
            os.unlink(name)
            links.remove(name)
        else:
            os.link(root + "/shared", name)
            links.add(name)
        # Names that all fight for.
        name = "%s/fight%d" % (rng.choice(folders), rng.randrange(5))
        other = "%s/fight%d" % (rng.choice(folders), rng.randrange(5))
        what = rng.randrange(4)
        if what == 0:
            try_call(make, name)
        elif what == 1:
            try_call(os.unlink, name)
        elif what == 2:
            try_call(os.rename, name, other)
        else:
            try_call(os.link, name, other)
    with open("%s/links%d" % (root, i), "w", encoding="ascii") as f:
        f.write(str(len(links)))


def make(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL))


def check_names(root):
    """Each token and tree once; link counts are what the names say."""
    names = [(os.path.join(d, n)) for d, subs, files in os.walk(root)
             for n in subs + files]
    tokens = [n for n in names if os.path.basename(n).startswith("token")]
    trees = [n for n in names if os.path.basename(n).startswith("tree")]
    assert len(tokens) == len(trees) == PROCESSES, (tokens, trees)
    links = 0
    for i in range(PROCESSES):
        with open("%s/links%d" % (root, i), encoding="ascii") as f:
            links += int(f.read())
    assert os.stat(root + "/shared").st_nlink == 1 + links
    by_ino = {}
    for n in names:
        st = os.lstat(n)
        if os.path.isdir(n):
            assert st.st_nlink == 2 + sum(
                os.path.isdir(os.path.join(n, x)) for x in os.listdir(n))
        else:
            by_ino.setdefault(st.st_ino, []).append((n, st.st_nlink))
    for group in by_ino.values():
        assert all(k == len(group) for _, k in group), group


def unlinked_inodes(m):
    """What is deleted and not let go by the kernel."""
    p = m.vault.coffer("status", "--json", m.path)
    return json.loads(p.stdout)["vaults"][0]["unlinked_inodes"]


def test_names_links_and_look_ups(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        root = m.path + "/r"
        for k in range(4):
            os.makedirs("%s/d%d" % (root, k))
        make(root + "/shared")
        together(juggle, root)
        check_names(root)
    with v.mounted() as m:
        root = m.path + "/r"
        check_names(root)
        with open(root + "/shared", "rb"):
            H.run(["rm", "-r", root])
            assert unlinked_inodes(m) >= 1
        # What is deleted the kernel forgets, soon: a look-up counted once too
        # often would hold it for ever.
        end = time.monotonic() + 300 * H.SLOWER
        while unlinked_inodes(m) > 0:
            assert time.monotonic() < end, unlinked_inodes(m)
            time.sleep(0.1)
    report = v.check("--read-data")
    assert report["ok"] and report["damaged"] == 0, report


# ------------------------------------------------------------------ contents

SLOT = 4096 * 3 + 100


def write_slots(i, until, path):
    """Each its own slots of one file, by write, mapping, punching; reads back
    what it wrote, cut after cut."""
    rng = random.Random(i)
    fd = os.open(path, os.O_RDWR)
    size = os.fstat(fd).st_size
    area = mmap.mmap(fd, size)
    want = {}
    for n in steps(until):
        slot = rng.randrange(size // SLOT // PROCESSES) * PROCESSES + i
        at = slot * SLOT
        new = rng.randbytes(SLOT) if n % 3 else bytes([n % 256]) * SLOT
        if rng.randrange(3) == 0:
            area[at:at + SLOT] = new
        else:
            assert os.pwrite(fd, new, at) == SLOT
        want[at] = new
        if n % 50 == 0:
            os.fsync(fd)
        at = rng.choice(list(want))
        assert os.pread(fd, SLOT, at) == want[at], at
    for at, data in want.items():
        assert area[at:at + SLOT] == data
    area.close()
    os.close(fd)
    with open("%s.%d" % (path, i), "wb") as f:
        for at, data in want.items():
            f.write(struct.pack("<Q", at) + data)


def check_slots(path):
    with open(path, "rb") as f:
        for i in range(PROCESSES):
            with open("%s.%d" % (path, i), "rb") as g:
                while head := g.read(8):
                    f.seek(struct.unpack("<Q", head)[0])
                    assert f.read(SLOT) == g.read(SLOT)


def grow_and_cut(i, until, root):
    """Files that all write, truncate, copy and replace: never other bytes than
    somebody wrote, never a size nobody made."""
    rng = random.Random(i)
    for n in steps(until):
        path = "%s/f%d" % (root, rng.randrange(4))
        what = rng.randrange(5)
        if what == 0:
            temp = "%s/temp%d" % (root, i)
            with open(temp, "wb") as f:
                f.write(bytes([1 + i]) * rng.randrange(200000))
                if n % 10 == 0:
                    os.fsync(f.fileno())
            os.rename(temp, path)
        elif what == 1:
            os.truncate(path, rng.randrange(200000))
        elif what == 2:
            with open(path, "r+b") as f:
                os.pwrite(f.fileno(), bytes([1 + i]) * 5000,
                          rng.randrange(150000))
        elif what == 3:
            with open("%s/f%d" % (root, rng.randrange(4)), "rb") as f, \
                    open(path, "r+b") as g:
                try:
                    os.copy_file_range(f.fileno(), g.fileno(), 60000, 0,
                                       100000)
                except OSError as e:        # one file, overlapping
                    assert e.errno == errno.EINVAL, e
        else:
            with open(path, "rb") as f:
                data = f.read()
            assert len(data) <= 200000 and max(data, default=0) <= PROCESSES


def test_contents(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        with open(m.path + "/slots", "wb") as f:
            f.truncate(SLOT * PROCESSES * 40)
        together(write_slots, m.path + "/slots")
        check_slots(m.path + "/slots")
        os.mkdir(m.path + "/r")
        for k in range(4):
            make("%s/r/f%d" % (m.path, k))
        together(grow_and_cut, m.path + "/r")
    with v.mounted() as m:
        check_slots(m.path + "/slots")
        for k in range(4):
            with open("%s/r/f%d" % (m.path, k), "rb") as f:
                assert max(f.read(), default=0) <= PROCESSES
    report = v.check("--read-data")
    assert report["ok"] and report["damaged"] == 0, report


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
