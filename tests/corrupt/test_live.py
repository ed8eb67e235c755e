#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What becomes of a vault under a mount: EIO for exactly what is hit, the rest
reads, `status` and `check --no-state` tell, and putting the file back mends it
without mounting again."""
import json
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "vectors"))
import need_nacl  # noqa: F401,E402
from corrupt_case import (Copy, H, Original, SUB, TAG, WANT, check, read_all,  # noqa: E402
                          read_pages)

SEED = int(os.environ.get("COFFER_TEST_SEED", "1"))


def status(c, m):
    p = c.v.coffer("status", "--json", m.path, device=c.device)
    (one,) = json.loads(p.stdout)["vaults"]
    return one


def published(c):
    """What `check` says of the vault under the mount."""
    return check(c.v, "--no-state", "--read-data", device=c.device)


def as_a_tool(c, name, data):
    """A file put in place of another, as sync tools do."""
    c.put(name + ".part", data)
    os.rename(c.path(name + ".part"), c.path(name))


# ---------------------------------------------------------------- packs

def test_packs_damaged_under_a_mount_and_put_back(base):
    """Each kind of damage in turn, to a pack that was not read before; put
    back, it reads again under the same mount."""
    o = Original.get()
    rng = random.Random(SEED)
    c = Copy(base, state=True)
    first, second = o.first_pack, o.second_pack
    good = c.bytes(first)
    at = 64 + (SUB + TAG) * 5
    all_lost = o.lost_ranges(first, 0)
    damage = [
        ("flipped", lambda: as_a_tool(
            c, first, good[:at] + bytes([good[at] ^ 4]) + good[at + 1:]),
         o.lost_ranges(first, at, at + 1)),
        ("cut", lambda: as_a_tool(c, first, good[:at]), all_lost),
        ("deleted", lambda: os.unlink(c.path(first)), all_lost),
        ("another pack", lambda: as_a_tool(c, first, c.bytes(second)),
         all_lost),
        ("garbled in place", lambda: c.put(
            first, good[:at] + rng.randbytes(40000) + good[at + 40000:]),
         o.lost_ranges(first, at, at + 40000)),
        ("cut in place", lambda: os.truncate(c.path(first), 5000), all_lost),
    ]
    for what, do, lost in damage:
        with c.mounted("ro") as m:
            do()
            read_all(m.path, lost)
            assert status(c, m)["damaged"] == 1, status(c, m)
            report = published(c)
            assert report.code == 12 and report.lost == set(lost), \
                (what, report)
            assert set(report.named) == {first}, (what, report)
            as_a_tool(c, first, good)
            read_all(m.path, {})
    assert c.check("--read-data").code == 0


def write_again(c, m, name):
    """As from a backup: opened, read in vain, written, confirmed."""
    path = os.path.join(m.path, name)
    with open(path, "r+b") as f:
        try:
            f.read()
            raise AssertionError("damage was read")
        except OSError as e:
            assert e.errno == 5, e              # EIO
        f.seek(0)
        f.write(WANT[name])
        f.flush()
        os.fsync(f.fileno())


def test_what_is_lost_can_be_written_again(base):
    """The same bytes are stored again: a chunk of theirs that cannot be read
    is not referred to.  Through a kill, a publish, and with the index made
    anew."""
    o = Original.get()
    for killed in (False, True):
        c = Copy(base, state=True)
        good = c.bytes(o.second_pack)
        at = 64 + SUB // 2
        lost = o.lost_ranges(o.second_pack, at, at + 1)
        (name,) = lost
        as_a_tool(c, o.second_pack, good[:at] + bytes([good[at] ^ 1]) +
                  good[at + 1:])
        with c.v.mounted(device=c.device, check=not killed) as m:
            write_again(c, m, name)
            read_all(m.path, {})
            if killed:
                m.kill()
        with c.mounted() as m:
            read_all(m.path, {})
        for how in ("as it is", "rebuilt"):
            report = c.check("--read-data")
            assert report.named == {o.second_pack: "damage"}, (how, report)
            assert not report.lost, (how, report)
            with c.mounted("ro") as m:
                read_all(m.path, {})
            c.v.coffer("rebuild", "--passfile", c.v.passfile, c.v.dir,
                       device=c.device)
        # Another device finds it too; so does the other program.
        Copy.number += 1
        c.device = "other%d" % Copy.number
        with c.mounted("ro") as m:
            read_all(m.path, {})
        out = os.path.join(base, "out%d" % killed)
        c.v.reader("extract", out)
        read_all(out, {})
        c.end()


def test_a_damaged_file_can_be_deleted(base):
    o = Original.get()
    c = Copy(base, state=True)
    good = c.bytes(o.second_pack)
    as_a_tool(c, o.second_pack, good[:5000] + bytes([good[5000] ^ 1]) +
              good[5001:])
    lost = o.lost_ranges(o.second_pack, 5000, 5001)
    with c.mounted() as m:
        read_all(m.path, lost)
        for name in lost:
            os.unlink(os.path.join(m.path, name))
    report = c.check("--read-data")
    assert set(report.named) == {o.second_pack} and not report.lost, report


def test_an_own_pack_gone_is_told_at_the_mount(base):
    """It is behind what this device published: read-only, with the reason."""
    o = Original.get()
    c = Copy(base, state=True)
    os.unlink(c.path(o.second_pack))
    with c.mounted() as m:
        read_all(m.path, o.lost_ranges(o.second_pack, 0))
        j = status(c, m)
        assert j["read_only"] and "vanished" in j["read_only_reason"], j


# ---------------------------------------------------------------- the others

def test_segments_and_slots_damaged_under_a_mount(base):
    """The mount goes on: it has applied them.  `check` names them, then and
    after; nothing else is lost where they were seen."""
    o = Original.get()
    c = Copy(base, state=True)
    segment, slot = o.segments[1], o.slots[4]
    with c.mounted() as m:
        for name in (segment, slot):
            data = c.bytes(name)
            as_a_tool(c, name, data[:70] + bytes([data[70] ^ 1]) + data[71:])
        read_all(m.path, {})
        with open(os.path.join(m.path, "written after"), "wb") as f:
            f.write(b"still writable")
            f.flush()
            os.fsync(f.fileno())
        report = published(c)
        assert report.code == 12, report
        assert report.named[segment] == report.named[slot] == "damage"
    report = c.check("--read-data")
    assert report.code == 12, report
    assert report.named == {segment: "damage", slot: "damage"}, report
    with c.mounted("ro") as m:
        read_all(m.path, {})
        with open(os.path.join(m.path, "written after"), "rb") as f:
            assert f.read() == b"still writable"


def test_a_header_changed_under_a_mount_makes_it_read_only(base):
    """It is not that vault any more: reading goes on, nothing is written into
    it, and the reason is told."""
    c = Copy(base, state=True)
    good = c.bytes("VAULT")
    for do in (lambda: os.unlink(c.path("VAULT")),
               lambda: as_a_tool(c, "VAULT", good[:70] + b"\xff" + good[71:])):
        with c.mounted() as m:
            do()
            before = sorted(os.walk(c.path("w")))
            p = c.v.coffer("sync", m.path, device=c.device, ok=False)
            assert p.returncode in (11, 12), p
            j = status(c, m)
            assert j["read_only"] and "VAULT" in j["read_only_reason"], j
            try:
                with open(os.path.join(m.path, "new"), "wb"):
                    raise AssertionError("written to")
            except OSError as e:
                assert e.errno == 30, e         # EROFS
            read_all(m.path, {})
            assert sorted(os.walk(c.path("w"))) == before
        as_a_tool(c, "VAULT", good)
        assert c.check().code == 0


def test_the_vault_gone_from_under_a_mount(base):
    """Every file of it deleted, then put back: EIO meanwhile, and nothing is
    taken for a deletion."""
    o = Original.get()
    c = Copy(base, state=True)
    with c.mounted() as m:
        # The folder it has open is the one moved away.
        shutil.move(c.v.dir, c.v.dir + ".away")
        os.mkdir(c.v.dir)
        read_pages(os.path.join(m.path, "big0"), WANT["big0"], ())
        os.rmdir(c.v.dir)
        shutil.move(c.v.dir + ".away", c.v.dir)
        # Everything in it is away for a while.
        for name in ("VAULT", "k", "w"):
            shutil.move(c.path(name), os.path.join(base, "kept-" + name))
        lost = dict(o.lost_ranges(o.second_pack, 0))
        for name in lost:
            read_pages(os.path.join(m.path, name), WANT[name], lost[name])
        assert set(os.listdir(m.path)) >= {"big0", "dir"}
        p = c.v.coffer("sync", m.path, device=c.device, ok=False)
        assert p.returncode == 11, p
        j = status(c, m)
        assert j["read_only"] and "VAULT" in j["read_only_reason"], j
        for name in ("VAULT", "k", "w"):
            shutil.move(os.path.join(base, "kept-" + name), c.path(name))
        read_all(m.path, {})
    assert c.check("--read-data").code == 0


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
