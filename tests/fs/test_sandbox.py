#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The daemon's seccomp filter: it is in force for every thread, by default, and
a mount ends behind it in every way it can.  (Every other test of a mount runs
behind it too; tests/cli/check_sandbox.c tells what it refuses.)"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested


def states(pid):
    """What /proc tells of the filter, of each thread."""
    found = []
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, thread),
                  encoding="utf-8") as f:
            words = dict(line.split(":", 1) for line in f)
        found.append((words["Seccomp"].strip(), words["NoNewPrivs"].strip()))
    return found


def wait_until(what, fn, seconds=60):
    end = time.monotonic() + seconds * H.SLOWER
    while not fn():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def use(mnt):
    with open(mnt + "/file", "wb") as f:
        f.write(os.urandom(300000))
        os.fsync(f.fileno())
    with open(mnt + "/file", "rb") as f:
        f.read()


def test_every_thread_is_behind_it(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        use(m.path)
        v.coffer("status", m.path)
        v.coffer("sync", m.path)
        found = states(m.pid)
        assert len(found) >= 3, found
        assert set(found) == {("2", "1")}, found


def test_it_can_be_left_out(base):
    v = H.Vault(base, args=FAST)
    with v.mounted(options=["noseccomp"]) as m:
        use(m.path)
        assert {s for s, _ in states(m.pid)} == {"0"}


def ended(m, v):
    """The daemon ended in order, and the mount with it."""
    m.wait_gone()
    m.pid = None
    assert not H.is_mounted(m.path)
    with v.mounted(device=m.device) as again:
        assert os.path.getsize(again.path + "/file") == 300000


def test_a_signal_unmounts(base):
    v = H.Vault(base, args=FAST)
    with v.mounted(check=False) as m:
        use(m.path)
        os.kill(m.pid, signal.SIGTERM)
        ended(m, v)


def test_what_is_busy_is_detached(base):
    v = H.Vault(base, args=FAST)
    with v.mounted(check=False) as m:
        use(m.path)
        fd = os.open(m.path + "/file", os.O_RDONLY)
        os.kill(m.pid, signal.SIGTERM)
        wait_until("it is not detached", lambda: not H.is_mounted(m.path))
        assert len(os.pread(fd, 1000, 1000)) == 1000
        os.close(fd)
        ended(m, v)


def test_an_idle_mount_ends(base):
    v = H.Vault(base, args=FAST)
    with v.mounted(options=["idle=1s"], check=False) as m:
        use(m.path)
        ended(m, v)


def helpers():
    """Processes that unmount for a daemon of this user."""
    found = set()
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/comm" % p, encoding="utf-8") as f:
                if f.read().strip() == "coffer-umount" and \
                        os.stat("/proc/" + p).st_uid == os.geteuid():
                    found.add(int(p))
        except OSError:
            pass
    return found


def test_no_process_is_left_behind(base):
    """Not even by a daemon that is killed."""
    v = H.Vault(base, args=FAST)
    before = helpers()
    with v.mounted(check=False) as m:
        use(m.path)
        mine = helpers() - before
        assert bool(mine) == (os.geteuid() != 0), mine
        m.kill()
        wait_until("a process is left", lambda: not mine & helpers())


if __name__ == "__main__":
    H.need_fuse()
    if H.SANITIZER:
        H.skip("there is no filter under sanitizers and valgrind")
    H.main(globals())
