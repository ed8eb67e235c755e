#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""No name, content, passphrase or key on disk, at any moment; none in a core
image; in memory, keys and contents only where no dump looks."""
import base64
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested

NAMES = [b"Wolkenkuckucksheim-%02d" % i for i in range(40)]
TEXT = b"Vom Eise befreit sind Strom und Baeche %06d\n"
# Of at most 1 KiB: it travels in its operation, and in the journal.
SMALL = b"Habe nun, ach! Philosophie"
TARGET = b"../Zauberlehrling-target"
XATTR = b"Kaninchenloch-value"
# Enough for the index to write its pages while it goes on.
MANY = H.scaled(1200, 600)
WORDS = [b"Wolkenkuckucksheim", b"Vom Eise befreit", b"Habe nun, ach",
         b"Donaudampf", b"Zauberlehrling", b"Kaninchenloch", b"Schnabeltier",
         b"Siebenschlaefer"]


def fill(mnt):
    top = os.path.join(os.fsencode(mnt), b"Donaudampfschiffahrt-dir")
    os.mkdir(top)
    for i, n in enumerate(NAMES):
        with open(os.path.join(top, n), "wb") as f:
            f.write((TEXT % i) * (30 + i * 40))
        os.setxattr(os.path.join(top, n), b"user.Schnabeltier", XATTR)
    with open(os.path.join(top, b"small"), "wb") as f:
        f.write(SMALL)
    os.symlink(TARGET, os.path.join(top, b"Siebenschlaefer-link"))
    return top


def fill_much(mnt):
    top = os.path.join(os.fsencode(mnt), b"Donaudampfschiffahrt-many")
    os.mkdir(top)
    for i in range(MANY):
        path = os.path.join(top, b"Wolkenkuckucksheim-%06d" % i)
        with open(path, "wb") as f:
            f.write(SMALL)
    for i in range(0, MANY, 3):
        path = os.path.join(top, b"Wolkenkuckucksheim-%06d" % i)
        os.rename(path, path + b"-renamed")
    for i in range(1, MANY, 3):
        os.unlink(os.path.join(top, b"Wolkenkuckucksheim-%06d" % i))


def keys_of(v):
    """{name: bytes}, as the independent reader derives them."""
    H.need_nacl()
    out = H.run([H.PYTHON, os.path.join(H.SOURCE, "tests/lib/vault_keys.py"),
                 os.path.join(H.SOURCE, "vault-format"), v.dir,
                 v.passfile]).stdout.decode()
    keys = {n: bytes.fromhex(h) for n, h in map(str.split, out.splitlines())}
    assert len(keys) >= 11 and all(len(k) == 32 for k in keys.values())
    return keys


def needles(v):
    """All that must not be found, also in other writings."""
    words = WORDS + [H.PASSPHRASE.encode()]
    words += [w.decode().encode("utf-16-le") for w in words]
    for key in keys_of(v).values():
        words += [key, key.hex().encode(), base64.b64encode(key)[:40]]
    return words


def first_in(data, words):
    """The first of the words that stands in the bytes; None."""
    return next((w for w in words if w in data), None)


def search(where, words):
    """Fails if one stands in a file's bytes or in a name; tells how much was
    looked at.  Files may go meanwhile."""
    looked = 0
    for d, dirs, files in os.walk(os.fsencode(where)):
        for n in dirs + files:
            assert not first_in(n, words), "in the name %r" % n
        for n in files:
            path = os.path.join(d, n)
            try:
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    continue
                with open(path, "rb") as f:
                    data = f.read()
            except FileNotFoundError:
                continue
            looked += len(data)
            found = first_in(data, words)
            assert not found, "%r stands in %s" % (found, path)
    return looked


def search_open_files(pid, base, words):
    """What the daemon has open is below `base`, or unlinked there; nowhere is
    a temporary file of another kind.  Only root may look."""
    for fd in os.listdir("/proc/%d/fd" % pid):
        path = "/proc/%d/fd/%s" % (pid, fd)
        try:
            target = os.readlink(path)
            if not stat.S_ISREG(os.stat(path).st_mode):
                continue
            assert target.startswith(base + "/"), target
            with open(path, "rb") as f:
                found = first_in(f.read(), words)
        except FileNotFoundError:
            continue
        assert not found, "%r stands in open %s" % (found, target)


class Watcher(threading.Thread):
    """Looks again and again while the test goes on."""

    def __init__(self, v, m, words):
        super().__init__()
        self.v, self.m, self.words = v, m, words
        self.over = threading.Event()
        self.rounds, self.failure = 0, None

    def run(self):
        try:
            while not self.over.is_set():
                self.look()
                self.rounds += 1
                time.sleep(0.1)
        except Exception as e:      # handed to the test
            self.failure = e

    def look(self):
        for where in (self.v.state(), self.v.dir, self.v.runtime()):
            search(where, self.words)
        if os.geteuid() == 0:
            search_open_files(self.m.pid, os.path.realpath(self.v.base),
                              self.words)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
        if self.failure:
            raise self.failure
        assert self.rounds > 0


def test_nothing_in_clear_on_disk(base):
    v = H.Vault(base, args=FAST)
    words = needles(v)
    with v.mounted(options=["cache=16M"]) as m:
        with Watcher(v, m, words):
            fill(m.path)
            fill_much(m.path)
            os.sync()
            v.coffer("sync", m.path)
            with open(m.path + "/Donaudampfschiffahrt-dir/late", "wb") as f:
                f.write(TEXT % 1)
                os.fsync(f.fileno())
        # While mounted: journal, stage and index as they stand.
        assert search(v.state(), words) > 10000
    assert search(v.state(), words) > 100000
    assert search(v.dir, words) > 10000
    # A crash leaves no more.
    with v.mounted(check=False) as m:
        os.rename(m.path + "/Donaudampfschiffahrt-dir/late",
                  m.path + "/Wolkenkuckucksheim-late")
        m.kill()
    search(v.state(), words)
    # Nor does making the index anew, which begins with what a crash left.
    v.coffer("rebuild", "--passfile", v.passfile, v.dir)
    assert search(v.state(), words) > 100000
    search(v.dir, words)


def test_the_search_finds_what_is_there(base):
    """The same needles in a file in clear: the search is no blind one."""
    v = H.Vault(base, args=FAST)
    words = needles(v)
    for i, text in enumerate(WORDS + [H.PASSPHRASE.encode()] +
                             list(keys_of(v).values())):
        where = os.path.join(base, "plain-%d" % i)
        os.mkdir(where)
        with open(where + "/file", "wb") as f:
            f.write(b"\x00" * 5000 + text + b"\xff")
        try:
            search(where, words)
        except AssertionError:
            continue
        raise AssertionError("%r was not found" % text)


# ---------------------------------------------------------------- core images

def in_foreground(v, mnt):
    """A daemon that is this program's own child."""
    os.mkdir(mnt)
    p = subprocess.Popen(
        [H.COFFER, "mount", "--foreground", "--state-dir", v.state(),
         "--passfile", v.passfile, v.dir, mnt], stdin=subprocess.DEVNULL,
        cwd=v.base, env=dict(os.environ, XDG_RUNTIME_DIR=v.runtime()))
    end = time.monotonic() + 60 * H.SLOWER
    while not H.is_mounted(mnt):
        assert p.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    return p


def detach(mnt):
    tool = ["umount", "-l"] if os.geteuid() == 0 else \
        ["fusermount3", "-u", "-z"]
    subprocess.run(tool + [mnt], check=False)


def test_the_kernel_writes_no_core_image(base):
    """Not even where the limit allows one."""
    v = H.Vault(base, args=FAST)
    mnt = os.path.join(base, "mnt")
    p = in_foreground(v, mnt)
    try:
        fill(mnt)
        with open("/proc/%d/limits" % p.pid, encoding="ascii") as f:
            limit = [x for x in f if x.startswith("Max core file size")][0]
        assert limit.split()[4:6] == ["0", "0"], limit
        # Only who may raise any limit can.
        H.run(["prlimit", "--core=unlimited:unlimited", "--pid", str(p.pid)],
              ok=False)
        os.kill(p.pid, signal.SIGABRT)
        _, status = os.waitpid(p.pid, 0)
        p.returncode = status
        # A sanitizer has a word to say about it, and ends by itself.
        assert H.SANITIZER or (os.WIFSIGNALED(status) and
                               os.WTERMSIG(status) == signal.SIGABRT), status
        assert not (os.WIFSIGNALED(status) and os.WCOREDUMP(status))
    finally:
        p.kill()
        detach(mnt)
    left = [n for n in os.listdir(base) if n.startswith("core")]
    assert not left, left


def test_its_own_user_may_not_look_into_it(base):
    """Nor may root's programs see a secret in its environment or arguments."""
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        proc = "/proc/%d/" % m.pid
        with open(proc + "cmdline", "rb") as f:
            assert H.PASSPHRASE.encode() not in f.read()
        assert os.stat(proc + "mem").st_uid == 0
        if os.geteuid() == 0:
            with open(proc + "environ", "rb") as f:
                assert H.PASSPHRASE.encode() not in f.read()
            return
        for name in ("mem", "maps", "environ", "fd", "auxv"):
            try:
                if name == "fd":
                    os.listdir(proc + name)
                else:
                    with open(proc + name, "rb") as f:
                        f.read(1)
            except PermissionError:
                continue
            raise AssertionError("%s could be read" % name)


# ---------------------------------------------------------------- memory

def regions(pid):
    """(start, end, name, flags) of what can be read."""
    out = []
    with open("/proc/%d/smaps" % pid, encoding="utf-8",
              errors="surrogateescape") as f:
        for line in f:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)",
                         line)
            if m:
                head = (int(m[1], 16), int(m[2], 16), m[4])
                readable = "r" in m[3] and not m[4].startswith("[v")
            elif line.startswith("VmFlags:") and readable:
                out.append(head + (line.split()[1:],))
    return out


def find_in_memory(pid, word):
    """The flags of each region that has it."""
    found = []
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as f:
        for start, end, name, flags in regions(pid):
            f.seek(start)
            before = b""
            while start < end:
                try:
                    data = f.read(min(end - start, 16 << 20))
                except OSError:
                    break
                if not data:
                    break
                if word in before + data:
                    found.append((name, flags))
                    break
                before = data[-len(word):]
                start += len(data)
    return found


def memory_of_image(path):
    """What an ELF core file has of memory, without its notes: registers hold
    what a thread has copied last."""
    with open(path, "rb") as f:
        data = f.read()
    at, = struct.unpack_from("<Q", data, 32)
    size, n = struct.unpack_from("<HH", data, 54)
    parts = []
    for i in range(n):
        kind, _, offset, _, _, length = struct.unpack_from(
            "<IIQQQQ", data, at + i * size)
        if kind == 1:
            parts.append(data[offset:offset + length])
    return b"\0".join(parts)


def test_memory_is_kept_out_of_dumps(base):
    """Root's eyes: the passphrase is nowhere any more; keys and contents are
    only where no core image would have them, and a debugger's has none."""
    if os.geteuid() != 0 or H.SANITIZER:
        print("        (only root may look, and only into a plain build)")
        return
    v = H.Vault(base, args=FAST)
    keys = keys_of(v)
    with v.mounted(options=["cache=64M"]) as m:
        top = fill(m.path)
        v.coffer("sync", m.path)
        H.run(["cat", os.path.join(top, NAMES[30])])
        assert not find_in_memory(m.pid, H.PASSPHRASE.encode())
        seen = 0
        for name, key in keys.items():
            for where in find_in_memory(m.pid, key):
                seen += 1
                assert "dd" in where[1] and "lo" in where[1], (name, where)
        assert seen > 0, "no key was found: the search is blind"
        where = find_in_memory(m.pid, TEXT[:30])
        assert where and all("dd" in flags for _, flags in where), where
        core = os.path.join(base, "image")
        H.run(["gcore", "-o", core, str(m.pid)])
        image = memory_of_image("%s.%d" % (core, m.pid))
        assert len(image) > 1 << 20
        for name, key in keys.items():
            assert key not in image, name
        assert H.PASSPHRASE.encode() not in image
        assert TEXT[:30] not in image


def whole_images_at_the_end(m, v, core):
    """All memory of the daemon, also what is kept out of dumps: before the vault
    is closed, and afterwards, when the process has not ended yet."""
    ready, log = core + ".ready", core + ".log"
    commands = ["set pagination off", "set confirm off",
                "handle all nostop noprint pass", "break control_quiesce",
                "break control_end", "set use-coredump-filter off",
                "set dump-excluded-mappings on",
                "shell touch " + ready, "continue",
                "generate-core-file " + core + ".1", "continue",
                "generate-core-file " + core + ".2", "kill"]
    words = [w for c in commands for w in ("-ex", c)]
    with open(log, "wb") as f:
        gdb = subprocess.Popen(["gdb", "-q", "-batch", "-p", str(m.pid),
                                *words], stdin=subprocess.DEVNULL, stdout=f,
                               stderr=f)
    end = time.monotonic() + 120 * H.SLOWER
    while not os.path.exists(ready):
        assert gdb.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    # Ends in an error, for the daemon is killed there.
    v.coffer("umount", m.path, ok=False, timeout=300)
    gdb.wait(120 * H.SLOWER)
    with open(log, encoding="utf-8", errors="replace") as f:
        told = f.read()
    assert "Breakpoint 1, control_quiesce" in told, told
    assert "Breakpoint 2, control_end" in told, told
    m.wait_gone()
    m.pid = None
    return [memory_of_image(core + n) for n in (".1", ".2")]


def test_nothing_is_in_memory_after_unmounting(base):
    """Root's eyes on the whole of it, locked and excluded pages too."""
    if os.geteuid() != 0 or H.SANITIZER:
        print("        (only root may look, and only into a plain build)")
        return
    if not shutil.which("gdb"):
        H.skip("gdb is not installed")
    v = H.Vault(base, args=FAST)
    keys = keys_of(v)
    with v.mounted(options=["cache=8M", "dirty=8M"], check=False) as m:
        top = fill(m.path)
        v.coffer("sync", m.path)
        H.run(["cat", os.path.join(top, NAMES[30])])
        with open(os.path.join(top, b"late"), "wb") as f:
            f.write(TEXT % 7)
        before, after = whole_images_at_the_end(m, v,
                                                os.path.join(base, "image"))

    def found_in(image):
        return {n for n, key in keys.items() if key in image} | \
            {w for w in WORDS + [H.PASSPHRASE.encode()] if w in image}
    # The search is no blind one.
    assert len(found_in(before)) > 5, found_in(before)
    assert os.fsencode(v.dir) in after
    assert not found_in(after), found_in(after)


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
