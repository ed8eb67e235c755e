#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A table of flaws: what is done to which file of a vault, and what `check`
and a mount on a machine that never saw it must then say - the files of the
vault by name, the paths in the folder that lose something, EIO for exactly
their damaged pages, every other byte right."""
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "vectors"))
import need_nacl  # noqa: F401,E402
from corrupt_case import (Copy, FILES, FIRST_WANT, H, LINKS, Original,  # noqa: E402
                          PACK_FOOTER, SUB, TAG, WANT, read_all, snapshot)

SEED = int(os.environ.get("COFFER_TEST_SEED", "1"))


# ---------------------------------------------------------------- changes

def flip(data, rng, at, n):
    """One bit of n bytes."""
    at += rng.randrange(n)
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + \
        data[at + 1:]


def zero(data, _, at, n):
    return data[:at] + bytes(n) + data[at + n:]


def garble(data, rng, at, n):
    return data[:at] + rng.randbytes(n) + data[at + n:]


def swap_with_next(data, _, at, n):
    return data[:at] + data[at + n:at + 2 * n] + data[at:at + n] + \
        data[at + 2 * n:]


def double_over_next(data, _, at, n):
    return data[:at + n] + data[at:at + n] + data[at + 2 * n:]


def double_inserted(data, _, at, n):
    return data[:at + n] + data[at:]


def delete(data, _, at, n):
    return data[:at] + data[at + n:]


def delete_and_fill(data, _, at, n):
    """What follows moves up; the length stays."""
    return data[:at] + data[at + n:] + bytes(n)


def cut(data, _, at, n):
    del n
    return data[:at]


def grow(data, _, at, n):
    del at
    return data + bytes(n)


def empty(*_):
    return b""


# Bytes hit, seen from `at` and with ranges of n: (from, to).
IN_PLACE = {flip: (0, 1), zero: (0, 1), garble: (0, 1),
            swap_with_next: (0, 2), double_over_next: (1, 2)}
LENGTHS = (double_inserted, delete, cut, grow, empty)


def swap_files(c, a, b):
    x, y = c.bytes(a), c.bytes(b)
    c.put(a, y)
    c.put(b, x)


# ---------------------------------------------------------------- verdicts

def expect(c, named, lost, absent=frozenset(), errors=()):
    """The whole verdict: `named` {file of the vault: kind} and nothing else;
    `lost` {path: ranges}; `absent` paths that are not there at all."""
    before = snapshot(c.v.dir)
    report = c.check("--read-data")
    assert report.named == named, (named, report)
    assert report.lost == set(lost), (set(lost), report)
    broken = bool(lost) or "damage" in named.values()
    assert report.code == (12 if broken else 0), report
    assert report.json["files_damaged"] == len(lost), report
    assert report.json["ok"] == (not broken), report
    for name, error in errors:
        assert report.errors[name] == error, report
    with c.mounted("ro") as m:
        read_all(m.path, lost, absent)
    # Neither checking nor reading changes anything of it.
    assert snapshot(c.v.dir) == before


def ranges_of(o, pack, lo, hi):
    return o.lost_ranges(pack, lo, hi)


# ---------------------------------------------------------------- packs

def test_a_range_of_a_pack_changed_in_place(base):
    """Just the sub-blocks it touches are lost."""
    o = Original.get()
    rng = random.Random(SEED)
    lo, hi = 64, o.ends[o.first_pack]
    for change, (a, b) in IN_PLACE.items():
        for n in (40, SUB + TAG):
            # From the start of a sub-block, so that whole ones move too.
            at = lo + (SUB + TAG) * rng.randrange((hi - lo) // (SUB + TAG) - 3)
            c = Copy(base)
            good = c.bytes(o.first_pack)
            bad = change(good, rng, at, n)
            assert len(bad) == len(good) and bad != good
            c.put(o.first_pack, bad)
            if change is flip:
                at = next(i for i in range(at, at + n) if good[i] != bad[i])
                a, b, n = 0, 1, 1
            expect(c, {o.first_pack: "damage"},
                   ranges_of(o, o.first_pack, at + a * n, at + b * n),
                   errors=[(o.first_pack, "BAD_SEAL")])
            c.end()


def test_what_follows_a_deleted_range_moves_up(base):
    """The records behind it are lost, those before it are not."""
    o = Original.get()
    rng = random.Random(SEED)
    at = o.ends[o.first_pack] // 2
    c = Copy(base)
    c.put(o.first_pack, delete_and_fill(c.bytes(o.first_pack), rng, at, 777))
    lost = ranges_of(o, o.first_pack, at, o.ends[o.first_pack])
    assert lost and set(lost) < set(WANT)
    expect(c, {o.first_pack: "damage"}, lost)


def test_a_pack_of_another_length_is_not_read(base):
    """Whatever was cut out, doubled or hung on: no record of it counts, every
    other pack reads."""
    o = Original.get()
    rng = random.Random(SEED)
    for change in LENGTHS:
        c = Copy(base)
        at = 64 + rng.randrange(o.ends[o.first_pack] - 5000)
        c.put(o.first_pack, change(c.bytes(o.first_pack), rng, at, 4096))
        expect(c, {o.first_pack: "damage"}, o.lost_ranges(o.first_pack, 0))
        c.end()


def test_padding_trailer_and_footer_of_a_pack(base):
    """Repeat what the log says: named, and nothing is lost."""
    o = Original.get()
    rng = random.Random(SEED)
    size = o.sizes[o.second_pack]
    for at, n, change in ((o.ends[o.second_pack], 64, flip),
                          (o.ends[o.second_pack] + 2000, 64, garble),
                          (size - PACK_FOOTER, 16, zero),
                          (size - 16, 16, flip)):
        c = Copy(base)
        c.put(o.second_pack, change(c.bytes(o.second_pack), rng, at, n))
        expect(c, {o.second_pack: "damage"}, {})
        c.end()


def test_whole_packs_swapped_doubled_over_and_deleted(base):
    o = Original.get()
    all_lost = o.lost_ranges(o.first_pack, 0)
    second_lost = o.lost_ranges(o.second_pack, 0)
    both = {p: all_lost.get(p, []) + second_lost.get(p, [])
            for p in set(all_lost) | set(second_lost)}
    c = Copy(base)
    swap_files(c, o.first_pack, o.second_pack)
    expect(c, {o.first_pack: "damage", o.second_pack: "damage"}, both)
    c.end()
    c = Copy(base)
    c.put(o.first_pack, c.bytes(o.second_pack))
    expect(c, {o.first_pack: "damage"}, all_lost)
    c.end()
    c = Copy(base)
    os.unlink(c.path(o.first_pack))
    expect(c, {o.first_pack: "pending"}, all_lost)
    c.end()
    c = Copy(base)
    shutil.rmtree(os.path.dirname(os.path.dirname(c.path(o.first_pack))))
    expect(c, {o.first_pack: "pending", o.second_pack: "pending"}, both)
    c.end()


def test_a_pack_doubled_under_other_names(base):
    """In its folder, in another, under the name of a pack: never missed,
    never in the way."""
    o = Original.get()
    c = Copy(base)
    other = os.path.join(os.path.dirname(o.first_pack),
                         os.path.basename(o.first_pack)[:2] + "f" * 30)
    shutil.copyfile(c.path(o.first_pack), c.path(other))
    copied = o.first_pack + " (conflicted copy 2026-11-21)"
    shutil.copyfile(c.path(o.first_pack), c.path(copied))
    top = o.first_pack.split("/")[-1] + ".sync-conflict-20261121"
    shutil.copyfile(c.path(o.first_pack), c.path(top))
    expect(c, {other: "pending", copied: "foreign", top: "foreign"}, {})


# ---------------------------------------------------------------- segments

def without(o, segment):
    """What is absent if this segment counts no more."""
    return set(WANT) - (FIRST_WANT if segment == o.segments[2] else set())


def named_without(o, segment):
    """What check says: the segment, what waits for it, packs only it names."""
    at = o.segments.index(segment)
    named = {segment: "damage"}
    named.update((s, "pending") for s in o.segments[at + 1:])
    named[o.second_pack] = "pending"
    if at < 2:
        named[o.first_pack] = "pending"
    if at == 0:
        named.update((s, "note") for s in o.slots.values())
    return named


def test_a_range_of_a_segment_changed(base):
    """In place or in length: none of it counts, nor of what builds on it."""
    o = Original.get()
    rng = random.Random(SEED)
    for i, change in enumerate((*IN_PLACE, delete_and_fill, *LENGTHS)):
        segment = o.segments[i % 3]
        c = Copy(base)
        good = c.bytes(segment)
        n = 64
        at = rng.randrange(len(good) - 2 * n)
        bad = change(good, rng, at, n)
        assert bad != good
        c.put(segment, bad)
        expect(c, named_without(o, segment), {}, without(o, segment))
        c.end()


def test_segments_swapped_and_doubled_over(base):
    o = Original.get()
    one, two, three = o.segments
    c = Copy(base)
    swap_files(c, one, two)
    expect(c, dict(named_without(o, one), **{two: "damage"}), {}, set(WANT))
    c.end()
    c = Copy(base)
    c.put(three, c.bytes(two))
    expect(c, {three: "damage", o.second_pack: "pending"}, {},
           without(o, three))
    c.end()


def test_deleted_segments(base):
    """Named by the number that follows; of the last one the pack tells, and
    nothing tells of one that nobody names: what nobody saw may be withheld."""
    o = Original.get()
    for i, segment in enumerate(o.segments):
        c = Copy(base)
        os.unlink(c.path(segment))
        named = dict(named_without(o, segment))
        del named[segment]
        if i < 2:
            named[segment[:-16] + "..."] = "damage"
        expect(c, named, {}, without(o, segment))
        c.end()


def test_a_deleted_log_is_no_empty_folder(base):
    """A vault without any segment was cut short or is still arriving: it is
    told, and nothing is written into it."""
    o = Original.get()
    for gone in ("w", os.path.dirname(o.segments[0])):
        c = Copy(base)
        shutil.rmtree(c.path(gone))
        report = c.check()
        assert report.code == 12, report
        assert any("w" == n or n.startswith("w/") for n in report.named), \
            report
        c.end()


# ---------------------------------------------------------------- slots

def test_a_range_of_a_slot_changed(base):
    """The recovery key's: named, and the passphrase opens all the same."""
    o = Original.get()
    rng = random.Random(SEED)
    slot = o.slots[4]
    for change in (*IN_PLACE, delete_and_fill, *LENGTHS):
        c = Copy(base)
        good = c.bytes(slot)
        # Where slots are not the same byte over and over.
        bad = change(good, rng, 8 + rng.randrange(80), 24)
        if bad == good:
            continue
        c.put(slot, bad)
        report = c.check()
        assert report.code == 12 and report.named == {slot: "damage"}, report
        c.end()


def test_slots_swapped_doubled_and_deleted(base):
    o = Original.get()
    mine, other = o.slots[1], o.slots[4]
    c = Copy(base)
    swap_files(c, mine, other)
    p = c.v.coffer("ls", "--passfile", c.v.passfile, c.v.dir,
                   device=c.device, ok=False)
    line = p.stderr.decode()
    assert p.returncode == 12 and line.count("\n") == 1, p
    assert mine in line or other in line, line
    c.end()
    c = Copy(base)
    c.put(other, c.bytes(mine))
    expect(c, {other: "damage"}, {})
    c.end()
    # Deleted: the log knows it.
    c = Copy(base)
    os.unlink(c.path(other))
    expect(c, {other: "pending"}, {})
    c.end()
    c = Copy(base)
    doubled = mine + " (conflicted copy)"
    shutil.copyfile(c.path(mine), c.path(doubled))
    expect(c, {"k": "foreign"}, {})


# ---------------------------------------------------------------- header

def test_the_header_of_another_vault_and_doubled_headers(base):
    c = Copy(base)
    for name in ("VAULT (conflicted copy)", "VAULT.sync-conflict-1"):
        shutil.copyfile(c.path("VAULT"), c.path(name))
    expect(c, {"VAULT (conflicted copy)": "foreign",
               "VAULT.sync-conflict-1": "foreign"}, {})
    other = H.Vault(base, "other", args=("--kdf-memory", "64M"))
    shutil.copyfile(os.path.join(other.dir, "VAULT"), c.path("VAULT"))
    p = c.v.coffer("ls", "--passfile", c.v.passfile, c.v.dir,
                   device=c.device, ok=False)
    line = p.stderr.decode()
    assert p.returncode == 12 and line.count("\n") == 1, p
    assert "header" in line and "another vault" in line, line


def test_the_oracle_knows_every_byte(_):
    """The map the table rests on covers every file but what travels in the
    log, once, and equal files share their bytes."""
    o = Original.get()
    for name, want in WANT.items():
        ranges = sorted((a, b) for p in o.packs
                        for _, _, path, a, b in o.of_pack[p] if path == name)
        if name.startswith("tiny"):
            assert not ranges, ranges
            continue
        at = 0
        for a, b in ranges:
            assert a == at, (name, ranges)
            at = b
        assert at == len(want), (name, at)
    assert FILES["dir/equal"] == FILES["small3"]
    at = next(lo for lo, _, path, _, _ in o.of_pack[o.first_pack]
              if path == "dir/equal")
    assert o.lost(o.first_pack, at, at + 1) == {"dir/equal", "small3"}
    at = next(lo for lo, _, path, _, _ in o.of_pack[o.first_pack]
              if path == "big0")
    assert o.lost(o.first_pack, at, at + 1) == {"big0", *LINKS}


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
