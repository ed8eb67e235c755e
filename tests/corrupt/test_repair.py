#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""`coffer check --repair`: a table of flaws, with what a repair makes of each,
alone and with another copy of the vault.  It never takes a file away; after it
a check of every byte is clean, the independent reader extracts the right bytes,
zeros for what was lost, and a second repair finds nothing to do."""
import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "vectors"))
import need_nacl  # noqa: F401,E402
from corrupt_case import (Copy, H, Original, PACK_FOOTER, Report, SUB, TAG,  # noqa: E402
                          WANT, snapshot, vault_files)

CONFLICTS = (" (conflicted copy 2026-11-21)", ".sync-conflict-20261121-101010",
             " (Ann's conflicted copy 2026-11-21)", ".conflict1")


def hashes(top):
    """Every file's bytes, by its path: to see that none of them is gone."""
    out = {}
    for path in vault_files(top):
        with open(path, "rb") as f:
            out[os.path.relpath(path, top)] = hashlib.sha256(
                f.read()).hexdigest()
    return out


def repair(c, *args):
    p = c.v.coffer("check", "--repair", "--json", "--passfile", c.v.passfile,
                   *args, c.v.dir, device=c.device, ok=False, timeout=300)
    assert p.stdout, p
    return Report(p)


def of_kind(report, kind):
    return {f["what"] for f in report.json["findings"] if f["kind"] == kind}


def holed(o, pack, lo, hi=None):
    """{path: bytes} with zeros for what these bytes of a pack carry."""
    out = {}
    for path, ranges in o.lost_ranges(pack, lo, hi).items():
        data = bytearray(WANT[path])
        for a, b in ranges:
            data[a:b] = bytes(b - a)
        out[path] = bytes(data)
    return out


def extracts(c, base, changed):
    """The reader has every file: as `changed` says, else as it was."""
    out = os.path.join(base, "out-" + c.device)
    c.v.reader("extract", out)
    for name, want in WANT.items():
        with open(os.path.join(out, name), "rb") as f:
            assert f.read() == changed.get(name, want), name
    shutil.rmtree(out)


def all_of(c):
    """What neither a check nor a dry run may change."""
    state = c.v.state(c.device)
    return snapshot(c.v.dir), snapshot(state) if os.path.exists(state) else 0


def foretold(c, args):
    before = all_of(c)
    told = repair(c, "--dry-run", *args)
    assert before == all_of(c), told
    return told


def mend(c, base, args, code, changed=None, kinds=(), brief=False):
    """Repairs: nothing taken away, clean and right afterwards.  Unless `brief`,
    foretold by a dry run that changes nothing, and then there is nothing left
    to do."""
    told = None if brief else foretold(c, args)
    before = hashes(c.v.dir)
    done = repair(c, *args)
    assert done.code == code, done
    for kind in ("repaired", "lost") if told else ():
        assert of_kind(done, kind) == of_kind(told, kind), (kind, told, done)
        assert told.code == code, told
    for kind in kinds:
        assert of_kind(done, kind), (kind, done)
    assert done.json["ok"] == (code == 0), done
    assert done.json["files_lost"] == len(changed or ()), done
    after = hashes(c.v.dir)
    assert set(before.values()) <= set(after.values()), "a file is gone"
    assert set(before) <= set(after), "a name is gone"
    clean = c.check("--read-data")
    assert clean.code == 0 and not clean.lost, clean
    extracts(c, base, changed or {})
    if not brief:
        after = hashes(c.v.dir)
        again = repair(c, *args)
        assert again.code == 0 and not of_kind(again, "repaired"), again
        assert hashes(c.v.dir) == after
    return done


# ---------------------------------------------------------------- flaws

def flip(at):
    def change(c, name):
        data = bytearray(c.bytes(name))
        data[at] ^= 1
        c.put(name, bytes(data))
    return change


def footer(c, name):
    flip(len(c.bytes(name)) - PACK_FOOTER + 20)(c, name)


def padding(c, name):
    flip(Original.get().ends[name] + 3000)(c, name)


def delete(c, name):
    os.unlink(c.path(name))


def cut_with_conflict(c, name):
    """Cut short, and whole beside it as sync tools do it."""
    good = c.bytes(name)
    c.put(name, good[:100000])
    c.put(name + CONFLICTS[0], good)


def two_halves(c, name):
    """Damaged in two places, each of which another damaged copy has."""
    good = c.bytes(name)
    at = 64 + 3 * (SUB + TAG)
    bad = bytearray(good)
    bad[at + 5] ^= 1
    bad[len(good) - 300000] ^= 1
    c.put(name, bytes(bad))
    for i, hole in enumerate((at - 2, len(good) - 300001)):
        bad = bytearray(good)
        bad[hole + 1:hole + 40000] = bytes(39999)
        at_other = len(good) - 300000 if i == 0 else at
        assert bad[at_other] == good[at_other]
        c.put(os.path.join("w", "stray%d" % i), bytes(bad))


def renamed(c, name):
    os.rename(c.path(name), c.path(name + CONFLICTS[1]))


def moved(c, name):
    """To the top, under a name that says nothing."""
    os.rename(c.path(name), c.path("upload-7f3a.bin"))


def swapped(c, _):
    o = Original.get()
    a, b = c.bytes(o.first_pack), c.bytes(o.second_pack)
    c.put(o.first_pack, b)
    c.put(o.second_pack, a)


# What is done to the first pack, and what a repair without help makes of it:
# None if all is mended, else the range of the pack that is lost.
AT = 64 + 2 * (SUB + TAG) + 17
PACK_FLAWS = {
    "a bit": (flip(AT), (AT, AT + 1)),
    "padding": (padding, None),
    "footer": (footer, None),
    "deleted": (delete, (0, None)),
    "cut, with a conflict copy": (cut_with_conflict, None),
    "two damaged copies": (two_halves, None),
    "renamed": (renamed, None),
    "moved": (moved, None),
    "swapped with another": (swapped, None),
}


def test_flaws_of_packs_alone(base):
    """By the device whose packs they are: mended from what the vault itself
    has, else holes, and a report by path."""
    o = Original.get()
    for flaw, (change, lost) in PACK_FLAWS.items():
        print("   ", flaw, flush=True)
        c = Copy(base, state=True)
        change(c, o.first_pack)
        if lost is None:
            mend(c, base, (), 0, kinds=("repaired",),
                 brief=flaw != "cut, with a conflict copy")
            assert c.bytes(o.first_pack) == good(o.first_pack), flaw
        else:
            done = mend(c, base, (), 12, holed(o, o.first_pack, *lost),
                        ("lost",))
            assert {n[1:] for n in of_kind(done, "lost")} == \
                set(holed(o, o.first_pack, *lost)), done
        c.end()


def good(name):
    with open(os.path.join(Original.get().dir, name), "rb") as f:
        return f.read()


def test_what_nobody_knows_any_more_is_made_alike_by_all(base):
    """The end of a pack is sealed under random bytes; without them two devices
    still make one file."""
    o = Original.get()
    made = []
    for state in (True, False):
        c = Copy(base, state=state)
        flip(o.sizes[o.first_pack] - PACK_FOOTER + 3)(c, o.first_pack)
        report = repair(c)
        assert report.code == 0, report
        assert c.check("--read-data").code == 0
        extracts(c, base, {})
        made.append(c.bytes(o.first_pack))
    assert made[0] == made[1] != good(o.first_pack)


def test_flaws_of_packs_with_another_copy(base):
    """On another device than made them: the bytes there were."""
    o = Original.get()
    for flaw in ("a bit", "deleted"):
        c = Copy(base)
        PACK_FLAWS[flaw][0](c, o.first_pack)
        done = mend(c, base, ("--from", o.dir), 0, kinds=("repaired",))
        assert c.bytes(o.first_pack) == good(o.first_pack)
        assert any(o.dir in f["why"] for f in done.json["findings"]
                   if f["what"] == o.first_pack and f["kind"] == "repaired")
        c.end()


def test_what_may_arrive_is_not_given_up_unasked(base):
    """A pack another device announced: missing, it waits; with --give-up it is
    lost."""
    o = Original.get()
    c = Copy(base)
    delete(c, o.first_pack)
    before = hashes(c.v.dir)
    report = repair(c)
    assert report.code == 12 and not of_kind(report, "lost"), report
    assert report.json["files_waiting"] == \
        len(o.lost_ranges(o.first_pack, 0)), report
    after = hashes(c.v.dir)
    assert {n: after[n] for n in before} == before
    mend(c, base, ("--give-up",), 12, holed(o, o.first_pack, 0), ("lost",))


def test_everything_that_is_not_a_pack(base):
    """Header, slots and segments, missing or damaged, at once: from copies
    beside them, and from another copy of the vault."""
    o = Original.get()
    names = ["VAULT", o.slots[1], o.slots[4], o.segments[0], o.segments[2]]
    for number, state in enumerate((False, True)):
        c = Copy(base, state=state)
        for i, name in enumerate(names):        # a copy beside each
            c.put(name + CONFLICTS[i % len(CONFLICTS)], good(name))
            if i % 2 == number:
                c.put(name, os.urandom(len(good(name))))
            else:
                os.unlink(c.path(name))
        mend(c, base, (), 0, kinds=("repaired",))
        assert all(c.bytes(n) == good(n) for n in names)
        c.end()
    c = Copy(base)
    for name in names:
        os.unlink(c.path(name))
    os.unlink(c.path(o.first_pack))
    mend(c, base, ("--from", o.dir), 0, kinds=("repaired",))
    assert all(c.bytes(n) == good(n) for n in names + [o.first_pack])
    with c.mounted() as m:                      # and it can be written to
        with open(os.path.join(m.path, "new"), "wb") as f:
            f.write(b"x" * 5000)


def test_lost_segments_stay_damage(base):
    """Without a copy nothing can be done, and nothing is."""
    o = Original.get()
    c = Copy(base, state=True)
    delete(c, o.segments[1])
    before = hashes(c.v.dir)
    report = repair(c)
    assert report.code == 12 and not of_kind(report, "repaired"), report
    assert hashes(c.v.dir) == before


def test_what_cannot_be_repaired_says_so(base):
    """Another vault's copy; a mounted vault; no copy of the header."""
    o = Original.get()
    c = Copy(base, state=True)
    other = H.Vault(base, "other", args=("--kdf-memory", "64M"))

    def run(*args):
        return c.v.coffer("check", "--repair", "--passfile", c.v.passfile,
                          *args, c.v.dir, device=c.device, ok=False)

    p = run("--from", other.dir)
    assert p.returncode == 1 and b"is another vault" in p.stderr, p
    p = run("--from", os.path.join(base, "nowhere"))
    assert p.returncode == 1 and b"--from" in p.stderr, p
    with c.mounted():
        p = run()
        assert p.returncode == 13 and b"mounted" in p.stderr, p
    c.put("VAULT", bytes(128))
    p = run()
    assert p.returncode == 12 and b"header" in p.stderr, p
    p = c.v.coffer("check", "--from", o.dir, c.v.dir, device=c.device,
                   ok=False)
    assert p.returncode == 2, p


# ---------------------------------------------------------------- other packs

def published_packs(v):
    return {os.path.relpath(p, v.dir): p for p in vault_files(v.dir, "w")
            if "/d/" in p}


def test_a_chunk_that_another_pack_has(base):
    """Two devices stored the same: the one's pack mends the other's, and what
    only a loose pack has is stored again in one that is announced."""
    data = random.Random(7).randbytes(300000)
    v = H.Vault(base, args=("--kdf-memory", "64M"))
    apart = os.path.join(base, "apart")
    shutil.copytree(v.dir, apart)
    with v.mounted() as m:
        put(m, "one", data)
    (first,) = published_packs(v)
    away = H.Vault(base, "apart", init=False)
    with away.mounted(device="there") as m:
        put(m, "two", data)
    shutil.copytree(apart, v.dir, dirs_exist_ok=True)
    assert len(published_packs(v)) == 2
    with v.mounted() as m:              # both are received
        assert sorted(os.listdir(m.path)) == ["one", "two"]
    path = os.path.join(v.dir, first)
    with open(path, "rb") as f:
        whole = f.read()
    with open(path, "wb") as f:
        f.write(whole[:64] + bytes(200000) + whole[200064:])
    for args in (("--dry-run",), ()):
        p = v.coffer("check", "--repair", "--passfile", v.passfile, *args,
                     v.dir)
        assert first.encode() in p.stdout, p
    with open(path, "rb") as f:
        assert f.read() == whole
    assert v.check("--read-data")["ok"]


def put(m, name, data):
    with open(os.path.join(m.path, name), "wb") as f:
        f.write(data)


def test_what_only_a_strange_pack_has_is_stored_again(base):
    """One record of a pack is nowhere, another only in a pack that no log
    names: the file gets that one back, and a hole for the other; a second
    device sees both."""
    rng = random.Random(3)
    v = H.Vault(base, args=("--kdf-memory", "64M"))
    shutil.copytree(v.dir, os.path.join(base, "other"))
    keep, gone = rng.randbytes(50000), rng.randbytes(50000)
    with v.mounted() as m:
        put(m, "keep", keep)
        put(m, "gone", gone)
    (name,) = published_packs(v)
    # A copy of the vault that went its own way and has the one of them.
    other = H.Vault(base, "other", init=False)
    with other.mounted(device="there") as m:
        put(m, "copy", keep)
    shutil.rmtree(os.path.join(other.dir, "k"))
    for path in vault_files(other.dir, "w"):
        if "/l/" in path:
            os.unlink(path)
    path = os.path.join(v.dir, name)
    with open(path, "r+b") as f:
        f.write(b"COFFERP1" + bytes(150000))
    before = set(published_packs(v))
    p = v.coffer("check", "--repair", "--json", "--passfile", v.passfile,
                 "--from", other.dir, v.dir, ok=False)
    report = Report(p)
    assert report.code == 12, report
    assert of_kind(report, "lost") == {"/gone"}, report
    assert "/keep" in of_kind(report, "repaired"), report
    added = set(published_packs(v)) - before
    assert len([n for n in added if "damaged-" not in n]) == 1, added
    assert v.check("--read-data")["ok"]
    with v.mounted(device="second", options=("ro",)) as m:
        for n, want in (("keep", keep), ("gone", bytes(len(gone)))):
            with open(os.path.join(m.path, n), "rb") as f:
                assert f.read() == want, n


# ---------------------------------------------------------------- killed

def test_a_repair_that_is_killed_can_be_begun_again(base):
    """At any moment: no name is ever without a file, and the next one ends
    it."""
    o = Original.get()
    rng = random.Random(5)
    for delay in (0.05, 0.2, 0.4, 0.6):
        c = Copy(base, state=True)
        for name in (o.first_pack, o.second_pack):
            flip(AT)(c, name)
        c.put(o.segments[1], rng.randbytes(5000))
        names = set(hashes(c.v.dir))
        p = subprocess.Popen(
            [H.COFFER, "check", "--repair", "--state-dir",
             c.v.state(c.device), "--passfile", c.v.passfile, "--from", o.dir,
             c.v.dir], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=dict(os.environ, XDG_RUNTIME_DIR=c.v.runtime()))
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            os.kill(p.pid, signal.SIGKILL)
        p.wait()
        assert names <= set(hashes(c.v.dir))
        report = repair(c, "--from", o.dir)
        assert report.code == 0, report
        for name in (o.first_pack, o.second_pack, o.segments[1]):
            assert c.bytes(name) == good(name)
            kept = [n for n in hashes(c.v.dir)
                    if n.startswith(name + ".damaged-")]
            assert len(kept) == 1, kept
        assert c.check("--read-data").code == 0
        c.end()


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
