#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""`coffer check --read-data` that is interrupted, by a signal or a kill, goes on
with --resume: what was read is not read again, unless its file changed, and
what is damaged is told again."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "vectors"))
import need_nacl  # noqa: F401,E402
from corrupt_case import Copy, H, Original  # noqa: E402


def state_file(c):
    (uuid,) = os.listdir(c.v.state(c.device))
    return os.path.join(c.v.state(c.device), uuid, "verified")


def start(c, *args):
    return subprocess.Popen(
        [H.COFFER, "check", "-d", "--json", "--state-dir",
         c.v.state(c.device), "--passfile", c.v.passfile, *args, c.v.dir],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(os.environ, XDG_RUNTIME_DIR=c.v.runtime()))


def wait_for(what):
    """A state, however long the machine takes."""
    end = time.monotonic() + 120 * H.SLOWER
    while not what():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def has_read(p, n):
    """The process has read so many bytes: a pack, and waits for the next."""
    with open("/proc/%d/io" % p.pid, encoding="ascii") as f:
        return int(f.readline().split()[1]) >= n


def interrupted(c):
    """One that has read the first pack, and may read no other for hours."""
    o = Original.get()
    p = start(c, "--limit", "300")
    wait_for(lambda: p.poll() is not None or
             has_read(p, o.sizes[o.first_pack]))
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=120 * H.SLOWER)
    assert p.returncode == 17, (p.returncode, err)
    assert b"--resume" in err, err
    assert json.loads(out)["bytes_known"] == 0
    return json.loads(out)["bytes_read"]


def test_an_interrupted_check_goes_on(base):
    o = Original.get()
    total = sum(o.sizes.values())
    c = Copy(base, state=True)
    done = interrupted(c)
    assert 0 < done < total, (done, total)
    with open(state_file(c), "rb") as f:
        raw = f.read()
    assert raw.startswith(b"COFFERC1")
    report = c.check("-d", "--resume")
    assert report.code == 0, report
    assert report.json["bytes_known"] == done, report
    assert report.json["bytes_read"] == total - done, report
    # It is over: nothing is left to go on with.
    assert not os.path.exists(state_file(c))
    report = c.check("-d", "--resume")
    assert report.json["bytes_read"] == total, report


def test_what_changed_since_is_read_again(base):
    """A pack that was read whole and is damaged then; a state that is not
    authentic; and one that begins anew."""
    o = Original.get()
    total = sum(o.sizes.values())
    c = Copy(base, state=True)
    interrupted(c)
    with open(state_file(c), "rb") as f:
        kept = f.read()
    for pack in o.packs:
        data = bytearray(c.bytes(pack))
        data[100] ^= 1
        c.put(pack, bytes(data))
    report = c.check("-d", "--resume")
    assert report.code == 12 and report.json["bytes_known"] == 0, report
    assert set(report.named) == set(o.packs), report
    for pack in o.packs:
        with open(os.path.join(o.dir, pack), "rb") as f:
            c.put(pack, f.read())
    with open(state_file(c), "wb") as f:
        f.write(kept[:-1] + bytes([kept[-1] ^ 1]))
    report = c.check("-d", "--resume")
    assert report.code == 0 and report.json["bytes_read"] == total, report
    with open(state_file(c), "wb") as f:
        f.write(kept)
    report = c.check("-d")
    assert report.json["bytes_read"] == total, report
    assert not os.path.exists(state_file(c))


def test_a_killed_one_loses_little(base):
    """Without a word it still knows what it wrote."""
    o = Original.get()
    c = Copy(base, state=True)
    p = start(c, "--limit", "300")
    wait_for(lambda: p.poll() is not None or os.path.exists(state_file(c)))
    p.kill()
    p.communicate()
    report = c.check("-d", "--resume")
    assert report.code == 0, report
    assert report.json["bytes_known"] == o.sizes[o.first_pack], report


def test_wrong_usage(base):
    c = Copy(base, state=True)
    for args in (("--resume",), ("--resume", "-d", "--no-state"),
                 ("--resume", "-d", "--repair")):
        p = c.v.coffer("check", *args, c.v.dir, device=c.device, ok=False)
        assert p.returncode == 2, p


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
