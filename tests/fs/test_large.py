#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Large files, large directories, and what they cost."""
import hashlib
import json
import os
import random
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested

GIB = 1 << 30
LARGE = int(os.environ.get("COFFER_TEST_LARGE",
                           H.scaled(4 * GIB >> 20) << 20))
NAMES = int(os.environ.get("COFFER_TEST_NAMES", H.scaled(200000)))
PEAK_MIB = 768
CHUNK = 2 << 20         # at most
# What the same data may take once more: its last chunk, and what says so.  What
# was published while it was written on may hold a chunk that has gone since.
MARGIN = 3 * CHUNK


def vault_bytes(v):
    return sum(os.lstat(os.path.join(d, f)).st_size
               for d, _, files in os.walk(v.dir) for f in files)


def peak_mib(m):
    """The most memory the daemon had at once."""
    with open("/proc/%d/status" % m.pid, encoding="ascii") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) >> 10
    raise AssertionError("no VmHWM")


def need_room(where, n_bytes):
    st = os.statvfs(where)
    if st.f_bavail * st.f_frsize < n_bytes:
        H.skip("%s has %d MiB free, %d are needed" % (
            where, st.f_bavail * st.f_frsize >> 20, n_bytes >> 20))


def test_large_file(base):
    """No MiB is like another; read back after a remount."""
    # Once in the vault, once more while it is staged, and something over.
    need_room(base, LARGE * 9 // 4 + GIB)
    v = H.Vault(base, args=FAST)
    rng = random.Random(1)
    n = LARGE >> 20
    h = hashlib.blake2b()
    starts = []
    with v.mounted() as m:
        with open(m.path + "/large", "wb", buffering=0) as f:
            for _ in range(n):
                block = rng.randbytes(1 << 20)
                starts.append(block[:64])
                assert f.write(block) == len(block)
                h.update(block)
            os.fsync(f.fileno())
        peak = peak_mib(m)
    assert vault_bytes(v) > LARGE
    with v.mounted() as m:
        got = hashlib.blake2b()
        with open(m.path + "/large", "rb", buffering=0) as f:
            while data := f.read(1 << 20):
                got.update(data)
        assert got.digest() == h.digest()
        assert os.stat(m.path + "/large").st_size == LARGE
        rng = random.Random(2)
        with open(m.path + "/large", "rb") as f:
            for _ in range(50):
                i = rng.randrange(n)
                f.seek(i << 20)
                assert f.read(64) == starts[i]
        read_peak = peak_mib(m)
    print("        peak of the daemon: %d MiB writing, %d MiB reading %d MiB"
          % (peak, read_peak, n))
    # Budgets, not the file, decide: cache, dirty data and index by default.
    assert peak < PEAK_MIB and read_peak < PEAK_MIB, (peak, read_peak)


def test_sparse_files_stay_sparse(base):
    v = H.Vault(base, args=FAST)
    size = 64 * GIB
    before = vault_bytes(v)
    with v.mounted() as m:
        path = m.path + "/sparse"
        with open(path, "wb") as f:
            f.truncate(size)
            for at in (0, 10 * GIB, size - 4096):
                f.seek(at)
                f.write(b"x" * 4096)
    with v.mounted() as m:
        path = m.path + "/sparse"
        st = os.stat(path)
        assert st.st_size == size
        assert st.st_blocks * 512 < 1 << 20, st.st_blocks
        with open(path, "rb") as f:
            fd = f.fileno()
            assert os.lseek(fd, 0, os.SEEK_HOLE) >= 4096
            assert os.lseek(fd, 1 << 20, os.SEEK_DATA) == 10 * GIB
            assert os.lseek(fd, 10 * GIB, os.SEEK_HOLE) == 10 * GIB + 4096
            assert os.lseek(fd, 20 * GIB, os.SEEK_DATA) == size - 4096
            f.seek(5 * GIB)
            assert f.read(65536) == bytes(65536)
        # Copies made with care stay so.
        H.run(["cp", "--sparse=auto", path, m.path + "/copy"])
        assert os.stat(m.path + "/copy").st_blocks * 512 < 1 << 20
    assert vault_bytes(v) - before < 4 << 20


def test_directory_changed_while_listed(base):
    """Names that stay are listed once each, whatever comes and goes."""
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        d = m.path + "/big"
        os.mkdir(d)
        for i in range(NAMES):
            os.close(os.open("%s/stay%06d" % (d, i),
                             os.O_CREAT | os.O_WRONLY))
        stop = threading.Event()

        def churn():
            k = 0
            while not stop.is_set():
                path = "%s/churn%d" % (d, k % 500)
                try:
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    os.unlink(path)
                k += 1
        t = threading.Thread(target=churn)
        t.start()
        try:
            for _ in range(3):
                seen = {}
                with os.scandir(d) as it:
                    for e in it:
                        seen[e.name] = seen.get(e.name, 0) + 1
                stay = {n: c for n, c in seen.items() if n[:4] == "stay"}
                assert len(stay) == NAMES, len(stay)
                twice = [n for n, c in stay.items() if c != 1]
                assert not twice, twice[:5]
        finally:
            stop.set()
            t.join()
        peak = peak_mib(m)
        print("        peak of the daemon: %d MiB, %d names" % (peak, NAMES))
        assert peak < PEAK_MIB, peak
    with v.mounted() as m:
        names = os.listdir(m.path + "/big")
        assert sum(n[:4] == "stay" for n in names) == NAMES
        # Removing while listing empties it, as rm -r does.
        H.run(["rm", "-r", m.path + "/big"], timeout=300)
        assert os.listdir(m.path) == []


def test_the_same_data_takes_space_once(base):
    v = H.Vault(base, args=FAST)
    data = random.Random(3).randbytes(24 << 20)
    with v.mounted() as m:
        with open(m.path + "/one", "wb") as f:
            f.write(data)
    once = vault_bytes(v)
    with v.mounted() as m:
        with open(m.path + "/two", "wb") as f:
            f.write(data)
    twice = vault_bytes(v)
    assert once > len(data)
    # However flushes fell into either stream, only their last chunks may
    # differ.
    assert twice - once < MARGIN, (once, twice)
    # Bytes put in near the start: what follows is found again.
    with v.mounted() as m:
        with open(m.path + "/three", "wb") as f:
            f.write(data[:1000] + b"something new" + data[1000:])
    shifted = vault_bytes(v)
    assert shifted - twice < MARGIN + 2 * CHUNK, (twice, shifted)
    # Written slowly: now and then it was made durable, wherever it stood.
    rng = random.Random(5)
    with v.mounted() as m:
        with open(m.path + "/slow", "wb", buffering=0) as f:
            at = 0
            while at < len(data):
                n = rng.choice([100, 5000, 70000, 300000, 1500000])
                assert f.write(data[at:at + n]) == len(data[at:at + n])
                at += n
                os.fsync(f.fileno())
    slow = vault_bytes(v)
    assert slow - shifted < MARGIN, (shifted, slow)
    with v.mounted(device="second", options=["ro"]) as m:
        with open(m.path + "/three", "rb") as f:
            assert f.read() == data[:1000] + b"something new" + data[1000:]
        with open(m.path + "/two", "rb") as f:
            assert f.read() == data


def collect(v):
    p = v.coffer("gc", "--json", "--passfile", v.passfile, v.dir)
    return json.loads(p.stdout)


def test_space_comes_back(base):
    """With one device dead packs go, some in each run, and no others."""
    v = H.Vault(base, args=FAST)
    rng = random.Random(4)
    kept = rng.randbytes(20 << 20)
    with v.mounted() as m:
        for i in range(6):
            with open("%s/f%d" % (m.path, i), "wb") as f:
                f.write(rng.randbytes(17 << 20))
        with open(m.path + "/kept", "wb") as f:
            f.write(kept)
    full = vault_bytes(v)
    assert full > 120 << 20
    with v.mounted() as m:
        for i in range(6):
            os.unlink("%s/f%d" % (m.path, i))
    for _ in range(12):
        before = vault_bytes(v)
        said = collect(v)
        if said["dead_packs"] == 0:
            break
        assert said["removed_packs"] >= 1, said
        assert vault_bytes(v) < before - (1 << 20), (before, said)
    assert said["dead_packs"] == 0, said
    # What is left beside it shares a pack with it.
    assert vault_bytes(v) < len(kept) + (48 << 20), (full, vault_bytes(v))
    report = v.check("--read-data")
    assert report["ok"] and report["damaged"] == 0, report
    with v.mounted(device="second", options=["ro"]) as m:
        with open(m.path + "/kept", "rb") as f:
            assert f.read() == kept


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
