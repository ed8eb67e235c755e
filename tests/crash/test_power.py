#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The power fails while a vault is made, used, published, received, collected,
rebuilt, closed, and while its keys are changed: tests/crash/power builds the
disks that could be left and opens them; some of them the independent reader
reads, too.

COFFER_TEST_POWER says how many seeds each script is played with (2), with
COFFER_TEST_POWER_STRIDE=1 every sync of it is a crash (else every second);
COFFER_TEST_SEED is the first.
"""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

SEEDS = int(os.environ.get("COFFER_TEST_POWER", H.scaled(2)))
STRIDE = int(os.environ.get("COFFER_TEST_POWER_STRIDE", 2 * H.SCALE))
FIRST = int(os.environ.get("COFFER_TEST_SEED", "1"))
POWER = os.environ.get("COFFER_POWER", os.path.join(
    os.environ.get("top_builddir", "."), "tests/crash/power"))
# What nobody syncs need not wait for a disk.
MEMORY = "/dev/shm"
MEMORY_NEEDED = 1 << 30


def fnv(data):
    """FNV-1a, 64 bits."""
    h = 0xcbf29ce484222325
    for b in data:
        h = (h ^ b) * 0x100000001b3 & 0xffffffffffffffff
    return h


def listing(top):
    """What power_model.c says of a folder."""
    lines = []
    for folder, folders, files in os.walk(top):
        above = os.path.relpath(folder, top)
        for name in folders:
            lines.append(os.path.normpath(os.path.join(above, name)) + "/\n")
        for name in files:
            with open(os.path.join(folder, name), "rb") as f:
                data = f.read()
            lines.append("%s %d %016x\n" % (
                os.path.normpath(os.path.join(above, name)), len(data),
                fnv(data)))
    return "".join(sorted(lines))


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def check_with_reader(image):
    """The reader shows what the vault's own program showed, and complains of
    nothing."""
    reader = [H.PYTHON, H.READER, "--passfile", os.path.join(image, "pass"),
              os.path.join(image, "vault")]
    out = os.path.join(image, "out")
    H.run([*reader, "check"])
    H.run([*reader, "extract", out])
    expected, got = read(os.path.join(image, "expected")), listing(out)
    assert got == expected, "%s: the reader shows\n%sand not\n%s" % (
        image, got, expected)


def folder_for(base):
    """Below the test's folder, or in memory where there is enough."""
    with contextlib.suppress(OSError):
        st = os.statvfs(MEMORY)
        if st.f_bavail * st.f_frsize > MEMORY_NEEDED:
            return tempfile.mkdtemp(prefix="coffer-power.", dir=MEMORY)
    return tempfile.mkdtemp(dir=base)


def play(script, seed, base):
    folder = folder_for(base)
    try:
        p = H.run([POWER, script, str(seed), str(STRIDE), folder], timeout=900,
                  ok=False)
        said = p.stdout.decode() + p.stderr.decode()
        assert p.returncode == 0, said
        kept = sorted(os.listdir(os.path.join(folder, "keep")))
        if subprocess.run([H.PYTHON, "-c", "import nacl"], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0:
            for name in kept:
                check_with_reader(os.path.join(folder, "keep", name))
            said = said.rstrip() + " and read\n"
        return said
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def play_all(script, base):
    with ThreadPoolExecutor(2) as pool:
        for said in pool.map(lambda seed: play(script, seed, base),
                             range(FIRST, FIRST + SEEDS)):
            print(said, end="", flush=True)


def test_one_device_alone(base):
    play_all("alone", base)


def test_with_another_device(base):
    play_all("two", base)


if __name__ == "__main__":
    H.main(globals())
