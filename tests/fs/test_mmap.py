#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Mappings beside read and write; programs and packages living in a mount."""
import errno
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested

PAGE = mmap.PAGESIZE
PROFILES = ("balanced", "fast")


def mounts(v):
    for profile in PROFILES:
        with v.mounted(options=["profile=" + profile]) as m:
            yield m


def in_child(fn, *args):
    """Runs it in another process: its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            fn(*args)
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1]


def test_shared_mappings_and_calls_see_each_other(base):
    v = H.Vault(base, args=FAST)
    rng = random.Random(1)
    size = 40 * PAGE + 123
    data = bytearray(rng.randbytes(size))
    for m in mounts(v):
        path = m.path + "/f"
        with open(path, "wb") as f:
            f.write(data)
        a, b = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
        one = mmap.mmap(a, size)
        two = mmap.mmap(b, size, prot=mmap.PROT_READ)
        for i in range(400):
            at = rng.randrange(size - 1)
            n = min(rng.choice((1, 100, 2 * PAGE)), size - at)
            new = rng.randbytes(n)
            if i % 2:
                one[at:at + n] = new
            else:
                assert os.pwrite(b, new, at) == n
            data[at:at + n] = new
            assert two[at:at + n] == new
            assert os.pread(a, n, at) == new
            if i % 100 == 50:
                one.flush()     # msync(2)
                os.fsync(b)
            if i % 100 == 75:
                os.pwrite(b, data[:PAGE], 0)
        assert one[:] == data and two[:] == data
        assert os.pread(b, size + 1, 0) == data
        one.flush()
        one.close()
        two.close()
        os.close(a)
        os.close(b)
    with v.mounted() as m, open(m.path + "/f", "rb") as f:
        assert f.read() == data


def change_through_mapping(path, size):
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), size) as one:
        for at in range(0, size, PAGE):
            one[at:at + 5] = b"child"


def test_processes_share_a_mapping(base):
    v = H.Vault(base, args=FAST)
    size = 64 * PAGE
    for m in mounts(v):
        path = m.path + "/f"
        with open(path, "wb") as f:
            f.truncate(size)
        with open(path, "r+b") as f, mmap.mmap(f.fileno(), size) as one:
            assert in_child(change_through_mapping, path, size) == 0
            for at in range(0, size, PAGE):
                assert one[at:at + 6] == b"child\0"
            assert os.pread(f.fileno(), 5, size - PAGE) == b"child"
        os.unlink(path)


def test_private_mappings_stay_private(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        path = m.path + "/f"
        with open(path, "wb") as f:
            f.write(b"a" * 3 * PAGE)
        with open(path, "r+b") as f:
            own = mmap.mmap(f.fileno(), 3 * PAGE, access=mmap.ACCESS_COPY)
            own[PAGE:PAGE + 3] = b"own"
            own.flush()
            assert os.pread(f.fileno(), 3 * PAGE, 0) == b"a" * 3 * PAGE
            os.pwrite(f.fileno(), b"new", 2 * PAGE)
            assert own[PAGE:PAGE + 4] == b"owna"
            own.close()
        assert open(path, "rb").read(3) == b"aaa"


def test_mappings_of_holes_and_of_what_is_unlinked(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        path = m.path + "/f"
        with open(path, "w+b") as f:
            f.truncate(1 << 30)
            one = mmap.mmap(f.fileno(), 1 << 30)
            assert one[500 << 20:(500 << 20) + 10] == bytes(10)
            one[700 << 20:(700 << 20) + 4] = b"here"
            one.flush()
            assert os.lseek(f.fileno(), 0, os.SEEK_DATA) == 700 << 20
            assert os.fstat(f.fileno()).st_blocks * 512 <= 1 << 20
            os.unlink(path)
            one[0:5] = b"first"
            one.flush()
            assert os.pread(f.fileno(), 5, 0) == b"first"
            assert os.pread(f.fileno(), 4, 700 << 20) == b"here"
            one.close()
        assert os.listdir(m.path) == []


def touch_beyond(path):
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 4 * PAGE) as one:
        os.truncate(path, PAGE + 10)
        # The rest of the last page reads as zeros and is never stored.
        assert one[PAGE:PAGE + 20] == b"b" * 10 + bytes(10)
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        one[3 * PAGE]


def test_mappings_beyond_the_end(base):
    v = H.Vault(base, args=FAST)
    for m in mounts(v):
        path = m.path + "/f"
        with open(path, "wb") as f:
            f.write(b"b" * 4 * PAGE)
        status = in_child(touch_beyond, path)
        assert os.WIFSIGNALED(status) and \
            os.WTERMSIG(status) == signal.SIGBUS, status
        os.truncate(path, 2 * PAGE)
        with open(path, "rb") as f:
            assert f.read() == b"b" * (PAGE + 10) + bytes(PAGE - 10)
        os.unlink(path)


def test_running_programs(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        prog = m.path + "/sleep"
        shutil.copy("/bin/sleep", prog)
        p = subprocess.Popen([prog, "100"])
        try:
            try:
                os.close(os.open(prog, os.O_WRONLY))
                raise AssertionError("a running program was opened to write")
            except OSError as e:
                assert e.errno == errno.ETXTBSY, e
            # As an upgrade does: a new one in its place, the old one runs on.
            shutil.copy("/bin/true", prog + ".new")
            os.rename(prog + ".new", prog)
            assert H.run([prog]).returncode == 0
            assert p.poll() is None
        finally:
            p.kill()
            p.wait()
        script = m.path + "/script"
        with open(script, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\necho ran $1\n")
        os.chmod(script, 0o755)
        assert H.run([script, "here"]).stdout == b"ran here\n"
        os.chmod(script, 0o644)
        try:
            H.run([script])
            raise AssertionError("a script without x was run")
        except PermissionError:
            pass


def build_package(where, version):
    root = os.path.join(where, "build-%s" % version)
    os.makedirs(root + "/DEBIAN")
    os.makedirs(root + "/opt/thing/many")
    with open(root + "/DEBIAN/control", "w", encoding="ascii") as f:
        f.write("Package: thing\nVersion: %s\nArchitecture: all\n"
                "Maintainer: Nobody <nobody@example.org>\n"
                "Description: a thing\n" % version)
    for i in range(200):
        with open("%s/opt/thing/many/%d-%s" % (root, i, version), "wb") as f:
            f.write(b"%d of %s\n" % (i, version.encode()) * 50)
    with open(root + "/opt/thing/config", "w", encoding="ascii") as f:
        f.write(version)
    deb = os.path.join(where, "thing-%s.deb" % version)
    H.run(["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", root, deb])
    return deb


def test_a_package_manager(base):
    """dpkg installs, upgrades and removes in a root that is a mount: it syncs,
    renames, links backups and diverts as hard as any program."""
    if not shutil.which("dpkg-deb") or os.geteuid() != 0:
        H.skip("needs dpkg, as root")
    v = H.Vault(base, args=FAST)
    debs = [build_package(base, n) for n in ("1.0", "2.0")]

    def dpkg(m, *args):
        return H.run(["dpkg", "--root=" + m.path + "/root",
                      "--force-script-chrootless", *args],
                     env=dict(os.environ, LC_ALL="C")).stdout

    with v.mounted() as m:
        os.makedirs(m.path + "/root/var/lib/dpkg/updates")
        os.makedirs(m.path + "/root/var/lib/dpkg/info")
        for name in ("status", "available"):
            open(m.path + "/root/var/lib/dpkg/" + name, "wb").close()
        dpkg(m, "--install", debs[0])
        many = m.path + "/root/opt/thing/many"
        assert len(os.listdir(many)) == 200
    with v.mounted() as m:
        many = m.path + "/root/opt/thing/many"
        dpkg(m, "--install", debs[1])
        assert sorted(os.listdir(many)) == sorted("%d-2.0" % i
                                                  for i in range(200))
        with open(many + "/7-2.0", "rb") as f:
            assert f.read() == b"7 of 2.0\n" * 50
        assert b"thing" in dpkg(m, "--list")
        dpkg(m, "--verify", "thing")
        dpkg(m, "--purge", "thing")
        assert not os.path.exists(m.path + "/root/opt/thing")


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
