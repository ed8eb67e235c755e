#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A vault's ordinary life, in short: what is run under valgrind."""
import mmap
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def work(mnt):
    """Something of everything; gives what must be there afterwards."""
    big = os.urandom(3 << 20)
    os.mkdir(mnt + "/folder")
    write(mnt + "/folder/small", b"small")
    write(mnt + "/folder/big", big)
    with open(mnt + "/folder/big", "r+b") as f:
        f.seek(100000)
        f.write(b"changed")
        f.flush()
        os.fsync(f.fileno())
        with mmap.mmap(f.fileno(), 0) as m:
            m[2000000:2000006] = b"mapped"
        f.truncate((3 << 20) - 5)
    big = big[:100000] + b"changed" + big[100007:2000000] + b"mapped" + \
        big[2000006:-5]
    os.setxattr(mnt + "/folder/small", b"user.note", b"value")
    os.link(mnt + "/folder/small", mnt + "/link")
    os.symlink("folder/big", mnt + "/symlink")
    os.chmod(mnt + "/link", 0o640)
    os.utime(mnt + "/link", ns=(1, 2))
    write(mnt + "/temporary", b"saved by rename")
    os.rename(mnt + "/temporary", mnt + "/folder/saved")
    write(mnt + "/folder/gone", b"x" * 70000)
    with open(mnt + "/folder/gone", "r+b") as f:
        os.unlink(mnt + "/folder/gone")
        assert len(f.read()) == 70000
    fd = os.open(mnt + "/sparse", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(fd, 0, 10000)
    os.truncate(fd, 1 << 20)
    assert os.pread(fd, 100, 50000) == bytes(100)
    os.close(fd)
    return big


def look(mnt, big):
    assert sorted(os.listdir(mnt)) == ["folder", "link", "sparse", "symlink"]
    assert sorted(os.listdir(mnt + "/folder")) == ["big", "saved", "small"]
    assert read(mnt + "/symlink") == big
    assert read(mnt + "/link") == b"small"
    assert read(mnt + "/folder/saved") == b"saved by rename"
    assert os.getxattr(mnt + "/link", b"user.note") == b"value"
    st = os.stat(mnt + "/folder/small")
    assert (st.st_nlink, st.st_mode & 0o7777, st.st_mtime_ns) == (2, 0o640, 2)
    assert os.stat(mnt + "/sparse").st_size == 1 << 20


def test_a_vault_is_made_used_and_used_again(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        big = work(m.path)
        look(m.path, big)
        v.coffer("sync", m.path)
        write(m.path + "/late", b"late")
        v.coffer("status", m.path)
        os.unlink(m.path + "/late")
    with v.mounted() as m:
        look(m.path, big)
    with v.mounted(device="second", options=["ro"]) as m:
        look(m.path, big)
    report = v.check("--read-data")
    assert report["ok"] and report["damaged"] == 0, report


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
