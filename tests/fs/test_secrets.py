#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""No name, no content and no passphrase on disk or in a core image."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested

NAMES = [b"Wolkenkuckucksheim-%02d" % i for i in range(40)]
TEXT = b"Vom Eise befreit sind Strom und Baeche %06d\n"
TARGET = b"../Zauberlehrling-target"
XATTR = b"Kaninchenloch-value"


def fill(mnt):
    top = os.path.join(os.fsencode(mnt), b"Donaudampfschiffahrt-dir")
    os.mkdir(top)
    for i, n in enumerate(NAMES):
        with open(os.path.join(top, n), "wb") as f:
            f.write((TEXT % i) * (3 + i * 40))
        os.setxattr(os.path.join(top, n), b"user.Schnabeltier", XATTR)
    os.symlink(TARGET, os.path.join(top, b"Siebenschlaefer-link"))
    return top


def needles():
    words = [b"Wolkenkuckucksheim", b"Vom Eise befreit", b"Donaudampf",
             b"Zauberlehrling", b"Kaninchenloch", b"Schnabeltier",
             b"Siebenschlaefer", H.PASSPHRASE.encode()]
    return words + [w.decode().encode("utf-16-le") for w in words]


def search(where, words):
    """Fails if a word stands in a file's bytes or in a name."""
    looked = 0
    for d, dirs, files in os.walk(os.fsencode(where)):
        for n in dirs + files:
            for w in words:
                assert w not in n, "%r in the name %r" % (w, n)
        for n in files:
            path = os.path.join(d, n)
            if os.path.islink(path):
                continue
            with open(path, "rb") as f:
                data = f.read()
            looked += len(data)
            for w in words:
                assert w not in data, "%r stands in %s" % (w, path)
    return looked


def test_nothing_in_clear_on_disk(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        fill(m.path)
        os.sync()
        v.coffer("sync", m.path)
        with open(m.path + "/Donaudampfschiffahrt-dir/late", "wb") as f:
            f.write(TEXT % 1)
            os.fsync(f.fileno())
        # While mounted: journal, stage and index as they stand.
        assert search(v.state(), needles()) > 10000
        search(v.dir, needles())
    assert search(v.state(), needles()) > 10000
    assert search(v.dir, needles()) > 10000
    # A crash leaves no more.
    with v.mounted(check=False) as m:
        os.rename(m.path + "/Donaudampfschiffahrt-dir/late",
                  m.path + "/Wolkenkuckucksheim-late")
        m.kill()
    search(v.state(), needles())
    search(v.dir, needles())


def test_no_core_image(base):
    """A daemon that dies leaves no core, and nobody may read its memory."""
    v = H.Vault(base, args=FAST)
    with v.mounted(check=False) as m:
        fill(m.path)
        # Not dumpable: its files in /proc belong to root, it has no core limit.
        with open("/proc/%d/limits" % m.pid, encoding="ascii") as f:
            limit = [x for x in f if x.startswith("Max core file size")][0]
        assert limit.split()[4:6] == ["0", "0"], limit
        assert os.stat("/proc/%d/mem" % m.pid).st_uid == 0
        env = open("/proc/%d/environ" % m.pid, "rb").read() \
            if os.geteuid() == 0 else b""
        assert H.PASSPHRASE.encode() not in env
        cmdline = open("/proc/%d/cmdline" % m.pid, "rb").read()
        assert H.PASSPHRASE.encode() not in cmdline
        cwd = os.readlink("/proc/%d/cwd" % m.pid) if os.geteuid() == 0 else "/"
        os.kill(m.pid, signal.SIGABRT)
        m.wait_gone()
        m.pid = None
        m.detach()
        for where in (cwd, base, "."):
            assert not [n for n in os.listdir(where)
                        if n.startswith("core")], where


def test_caches_are_left_out_of_dumps(base):
    """What decrypted data lies in is marked "do not dump" (smaps: dd)."""
    if os.geteuid() != 0:
        print("        (only root may look)")
        return
    v = H.Vault(base, args=FAST)
    with v.mounted(options=["cache=64M"]) as m:
        fill(m.path)
        H.run(["cat", m.path + "/Donaudampfschiffahrt-dir/" +
               NAMES[30].decode()])
        big, marked = 0, 0
        with open("/proc/%d/smaps" % m.pid, encoding="ascii") as f:
            size = 0
            for line in f:
                if line.startswith("Size:"):
                    size = int(line.split()[1])
                if line.startswith("VmFlags:") and size >= 64 << 10:
                    big += 1
                    marked += " dd" in line
        assert big >= 1 and marked >= 1, (big, marked)


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
