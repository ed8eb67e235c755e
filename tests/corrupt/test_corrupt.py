#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Flip, cut, swap, remove or double any file of the vault: it is detected and
named, exactly what is affected gives EIO, the rest reads, and no wrong byte is
ever served.  And what does not open at all says why, in a line and a number,
and leaves the vault as it is."""
import atexit
import errno
import hashlib
import json
import os
import random
import shutil
import stat
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

SEED = int(os.environ.get("COFFER_TEST_SEED", "1"))
FLIPS = int(os.environ.get("COFFER_TEST_FLIPS", H.scaled(6, 2)))
PACK_HEADER = 64
PACK_FOOTER = 80
SUB_BLOCK = 16 << 10
PAGE = 4096


def contents():
    """What the vault holds: small files, and some over several chunks."""
    rng = random.Random(5)
    files = {"small%d" % i: rng.randbytes(rng.randrange(2000, 60000))
             for i in range(30)}
    files.update(("tiny%d" % i, b"tiny %d" % i) for i in range(10))
    files.update(("big%d" % i, rng.randbytes(6 << 20)) for i in range(4))
    return files


FILES = contents()
FIRST = set(sorted(FILES)[::2])      # written by the first mount


def make(base):
    """A vault of three segments (init and two mounts) and two packs."""
    v = H.Vault(base, args=("--kdf-memory", "64M"))
    for names in (FIRST, set(FILES) - FIRST):
        with v.mounted() as m:
            for n in sorted(names):
                with open(os.path.join(m.path, n), "wb") as f:
                    f.write(FILES[n])
    assert len(segments(v)) == 3 and len(packs(v)) == 2, vault_files(v)
    return v


ORIGINAL = []


def original():
    """The vault the copies are made of: made once, never written to."""
    if not ORIGINAL:
        base = tempfile.mkdtemp(prefix="coffer-test.")
        atexit.register(shutil.rmtree, base, ignore_errors=True)
        ORIGINAL.append(make(base))
    return ORIGINAL[0]


def vault_files(v, below=""):
    top = os.path.join(v.dir, below)
    return sorted(os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs)


def packs(v):
    return [p for p in vault_files(v, "w") if "/d/" in p]


def segments(v):
    return [p for p in vault_files(v, "w") if "/l/" in p]


def slots(v):
    """{type: path}: 1 the passphrase's, 4 the recovery key's."""
    out = {}
    for p in vault_files(v, "k"):
        with open(p, "rb") as f:
            out[f.read(9)[8]] = p
    return out


class Report:
    """What `coffer check` found."""

    def __init__(self, p):
        self.code = p.returncode
        self.text = (p.stdout + p.stderr).decode(errors="replace")
        self.json = json.loads(p.stdout)
        found = self.json["findings"]
        self.named = {f["what"]: f["kind"] for f in found
                      if not f["what"].startswith("/")}
        self.lost = {f["what"][1:] for f in found
                     if f["what"].startswith("/")}

    def __repr__(self):
        return "exit %d: %s" % (self.code, self.text)


class Copy:
    """A damaged copy of a vault, read by a machine that never saw it."""
    number = 0

    def __init__(self, base):
        Copy.number += 1
        self.device = "copy%d" % Copy.number
        self.v = H.Vault(base, self.device, init=False)
        shutil.copytree(original().dir, self.v.dir)

    def path(self, of_original):
        return os.path.join(self.v.dir, self.name(of_original))

    @staticmethod
    def name(of_original):
        return os.path.relpath(of_original, original().dir)

    def mounted(self):
        return self.v.mounted(device=self.device, options=["ro"])

    def read_all(self, absent=False):
        """The names of the files that give EIO (with `absent`: that are not
        there); fails on a wrong byte."""
        lost = set()
        with self.mounted() as m:
            for name, want in FILES.items():
                try:
                    with open(os.path.join(m.path, name), "rb") as f:
                        got = f.read()
                except OSError as e:
                    assert e.errno == (errno.ENOENT if absent else errno.EIO), \
                        e
                    lost.add(name)
                    continue
                assert got == want, "%s: wrong bytes served" % name
        return lost

    def check(self, *args):
        return Report(self.v.coffer(
            "check", "--json", "--passfile", self.v.passfile, *args,
            self.v.dir, device=self.device, ok=False, timeout=300))

    def end(self):
        shutil.rmtree(self.v.dir)
        shutil.rmtree(self.v.state(self.device), ignore_errors=True)


def flip(path, at, bit=0):
    """One bit; `at` below zero counts from the end."""
    with open(path, "r+b") as f:
        f.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        b = f.read(1)[0]
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([b ^ (1 << bit)]))


def flip_anywhere(path, rng):
    flip(path, rng.randrange(os.path.getsize(path)), rng.randrange(8))


def expect_pack_damage(c, original_pack, *args):
    """The pack is named and nothing else of the vault is; the files the check
    calls lost are those that give EIO.  Returns them."""
    report = c.check("--read-data", *args)
    assert report.code == 12, report
    assert set(report.named) == {c.name(original_pack)}, report
    lost = c.read_all()
    assert lost == report.lost, (lost, report)
    return lost


# ---------------------------------------------------------------- packs

def test_the_undamaged_vault_has_nothing_to_tell(base):
    c = Copy(base)
    report = c.check("--read-data")
    assert report.code == 0 and not report.named and not report.lost, report
    assert report.json["packs"] == 2 and report.json["segments"] == 3, report
    assert not c.read_all()


def test_one_flipped_bit_in_a_pack(base):
    rng = random.Random(SEED)
    hit = 0
    for _ in range(FLIPS):
        c = Copy(base)
        pack = rng.choice(packs(original()))
        flip_anywhere(c.path(pack), rng)
        lost = expect_pack_damage(c, pack)
        # A sub-block belongs to one chunk, and a chunk here to one file; most
        # of a pack is sub-blocks.
        assert len(lost) <= 1, lost
        hit += len(lost)
        c.end()
    assert hit > FLIPS // 3, "%d of %d flips hit data" % (hit, FLIPS)


def test_one_flipped_bit_takes_one_sub_block(base):
    """Of a file over several chunks all but one sub-block still reads."""
    c = Copy(base)
    pack = packs(original())[0]
    flip(c.path(pack), os.path.getsize(pack) // 2)
    (name,) = c.check("--read-data").lost
    bad = []
    with c.mounted() as m:
        fd = os.open(os.path.join(m.path, name), os.O_RDONLY)
        for at in range(0, len(FILES[name]), PAGE):
            try:
                got = os.pread(fd, PAGE, at)
            except OSError as e:
                assert e.errno == errno.EIO, e
                bad.append(at)
                continue
            assert got == FILES[name][at:at + PAGE], at
        os.close(fd)
    # A chunk begins anywhere in a file, so a sub-block touches a page more.
    assert bad and bad[-1] - bad[0] <= SUB_BLOCK, bad


def test_a_pack_whose_end_is_damaged_reads_all_the_same(base):
    """Trailer and footer repeat what the segment says: check names them."""
    pack = packs(original())[0]
    for at in (-1, -10, -PACK_FOOTER, -PACK_FOOTER - 1):
        c = Copy(base)
        flip(c.path(pack), at)
        assert not expect_pack_damage(c, pack)
        c.end()


def test_a_pack_whose_header_is_damaged_is_not_read(base):
    pack = packs(original())[0]
    everything = None
    # Magic, version, reserved, key id.
    for at in (0, 8, 40, PACK_HEADER - 1):
        c = Copy(base)
        flip(c.path(pack), at)
        lost = expect_pack_damage(c, pack)
        assert lost and lost < set(FILES), lost
        assert everything in (None, lost), (everything, lost)
        everything = lost
        c.end()


def test_a_pack_cut_or_grown(base):
    rng = random.Random(SEED)
    for pack, change in ((packs(original())[0], -1), (packs(original())[1], 1),
                         (packs(original())[1], None)):
        c = Copy(base)
        target = c.path(pack)
        size = os.path.getsize(target)
        os.truncate(target, size + change if change else rng.randrange(size))
        lost = expect_pack_damage(c, pack)
        assert lost and lost < set(FILES), lost
        c.end()


def test_two_packs_swapped(base):
    c = Copy(base)
    two = packs(original())
    a, b = (c.path(p) for p in two)
    os.rename(a, a + ".x")
    os.rename(b, a)
    os.rename(a + ".x", b)
    report = c.check("--read-data")
    assert report.code == 12, report
    assert set(report.named) == {c.name(p) for p in two}, report
    lost = c.read_all()
    # What is small travels in the segment, and is in no pack.
    assert lost == {n for n in FILES if not n.startswith("tiny")}, lost
    assert lost == report.lost, report


def test_a_pack_from_another_vault(base):
    os.mkdir(os.path.join(base, "other"))
    other = make(os.path.join(base, "other"))
    c = Copy(base)
    pack = packs(original())[0]
    shutil.copyfile(packs(other)[0], c.path(pack))
    lost = expect_pack_damage(c, pack)
    assert lost and lost < set(FILES), lost


def test_a_missing_pack(base):
    """Told without reading the data; it may also be on its way."""
    for pack in packs(original()):
        c = Copy(base)
        os.unlink(c.path(pack))
        report = c.check()
        assert report.code == 12, report
        assert report.named == {c.name(pack): "pending"}, report
        lost = c.read_all()
        assert lost and lost < set(FILES) and lost == report.lost, report
        c.end()


def test_a_symlink_or_fifo_in_place_of_a_pack(base):
    pack = packs(original())[0]
    real = os.path.join(base, "elsewhere")
    shutil.copyfile(pack, real)
    for plant in (lambda p: os.symlink(real, p), os.mkfifo, os.mkdir):
        c = Copy(base)
        target = c.path(pack)
        os.unlink(target)
        plant(target)
        report = c.check("--read-data")
        assert report.code == 12 and c.name(pack) in report.named, report
        lost = c.read_all()
        assert lost and lost < set(FILES) and lost == report.lost, report
        c.end()


# ---------------------------------------------------------------- segments

def readable_without(segment):
    """What the segments before it hold."""
    return FIRST if segment == segments(original())[2] else set()


def test_one_flipped_bit_in_a_segment(base):
    rng = random.Random(SEED)
    for segment in segments(original()):
        c = Copy(base)
        flip_anywhere(c.path(segment), rng)
        report = c.check()
        assert report.code == 12, report
        assert report.named.get(c.name(segment)) == "damage", report
        lost = c.read_all(absent=True)
        assert lost == set(FILES) - readable_without(segment), lost
        c.end()


def test_a_segment_cut(base):
    rng = random.Random(SEED)
    for segment in segments(original()):
        c = Copy(base)
        target = c.path(segment)
        os.truncate(target, rng.randrange(os.path.getsize(target)))
        report = c.check()
        assert report.code == 12, report
        assert report.named.get(c.name(segment)) == "damage", report
        lost = c.read_all(absent=True)
        assert lost == set(FILES) - readable_without(segment), lost
        c.end()


def test_two_segments_swapped(base):
    c = Copy(base)
    a, b = (c.path(s) for s in segments(original())[1:])
    os.rename(a, a + ".x")
    os.rename(b, a)
    os.rename(a + ".x", b)
    report = c.check()
    assert report.code == 12, report
    for s in segments(original())[1:]:
        assert report.named.get(c.name(s)) == "damage", report
    assert c.read_all(absent=True) == set(FILES)


def test_a_missing_segment(base):
    """By number, from the one that follows it."""
    for segment in segments(original())[:2]:
        c = Copy(base)
        os.unlink(c.path(segment))
        report = c.check()
        gone = c.name(segment)[:-16] + "..."
        assert report.code == 12, report
        assert report.named.get(gone) == "damage", (gone, report)
        assert c.read_all(absent=True) == set(FILES)
        c.end()


def test_a_missing_last_segment_cannot_be_missed(base):
    """Nothing tells a machine that never saw it, but the pack it announced."""
    c = Copy(base)
    os.unlink(c.path(segments(original())[2]))
    report = c.check()
    assert report.code == 0, report
    (what,) = report.named
    assert what in map(c.name, packs(original())), report
    assert report.named[what] == "pending", report
    assert c.read_all(absent=True) == set(FILES) - FIRST


def test_missing_files_are_missed_where_they_were_seen(base):
    """The same machine notices also the last segment's going, does not take
    its absence for a deletion, and changes nothing any more."""
    v = make(base)
    last = segments(v)[-1]
    os.unlink(last)
    report = Report(v.coffer("check", "--json", "--passfile", v.passfile,
                             v.dir, ok=False))
    assert report.code == 12, report
    gone = os.path.relpath(last, v.dir)[:-16] + "..."
    assert report.named.get(gone) == "damage", (gone, report)
    before = snapshot(v.dir)
    with v.mounted() as m:
        assert set(os.listdir(m.path)) == set(FILES)
        try:
            with open(os.path.join(m.path, "new"), "wb"):
                raise AssertionError("a vault behind its marks is written to")
        except OSError as e:
            assert e.errno == errno.EROFS, e
    assert snapshot(v.dir) == before


def test_a_missing_own_pack_is_damage(base):
    v = make(base)
    pack = packs(v)[0]
    os.unlink(pack)
    report = Report(v.coffer("check", "--json", "--passfile", v.passfile,
                             v.dir, ok=False))
    assert report.code == 12, report
    assert report.named == {os.path.relpath(pack, v.dir): "damage"}, report
    assert report.lost and report.lost < set(FILES), report


# ---------------------------------------------------------------- strangers

def test_doubled_and_foreign_files_do_no_harm(base):
    c = Copy(base)
    foreign = {".stfolder"}
    for of_original in packs(original())[:1] + segments(original())[:1]:
        target = c.path(of_original)
        d, n = os.path.split(target)
        for double in (n + " (conflicted copy)", "~syncthing~" + n + ".tmp"):
            shutil.copyfile(target, os.path.join(d, double))
            if "/d/" in of_original:
                foreign.add(os.path.join(
                    os.path.dirname(c.name(of_original)), double))
            else:
                foreign.add(os.path.dirname(c.name(of_original)))
    os.makedirs(os.path.join(c.v.dir, ".stfolder"))
    os.mkfifo(os.path.join(c.v.dir, "w", "fifo"))
    foreign.add("w")
    shutil.copyfile("/bin/true", os.path.join(c.v.dir, "k", "slot.bak"))
    foreign.add("k")
    report = c.check("--read-data")
    assert report.code == 0, report
    assert report.named == dict.fromkeys(foreign, "foreign"), report
    assert not report.lost and not c.read_all()


def test_a_segment_doubled_under_another_name_hides_nothing(base):
    """Neither before nor behind the true one."""
    for end in ("0" * 16, "f" * 16):
        c = Copy(base)
        segment = segments(original())[1]
        planted = c.name(segment)[:-16] + end
        shutil.copyfile(segment, os.path.join(c.v.dir, planted))
        report = c.check()
        assert report.code == 12, report
        assert report.named == {planted: "damage"}, report
        assert report.json["packs"] == 2, report
        assert not c.read_all()
        c.end()


def test_strange_things_among_the_slots(base):
    """Named as damaged slots; the true ones open the vault."""
    c = Copy(base)
    k = os.path.join(c.v.dir, "k")
    os.symlink("/etc/passwd", os.path.join(k, "0" * 32))
    os.mkfifo(os.path.join(k, "1" * 32))
    os.mkdir(os.path.join(k, "2" * 32))
    shutil.copyfile(slots(original())[1], os.path.join(k, "3" * 32))
    report = c.check()
    assert report.code == 12, report
    assert report.named == {"k/" + n * 32: "damage" for n in "0123"}, report
    assert not c.read_all()


# ---------------------------------------------------------------- opening

def snapshot(top):
    """Names, kinds, times and contents of all that is below a folder."""
    out = {}
    for d, dirs, names in os.walk(top):
        for n in dirs + names + [""]:
            path = os.path.join(d, n)
            st = os.lstat(path)
            what = None
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    what = hashlib.sha256(f.read()).hexdigest()
            out[path] = (st.st_mode, st.st_mtime_ns, what)
    return out


class Door:
    """Tries to open a vault, and holds every failure to the same rules."""

    def __init__(self, c):
        self.c = c
        self.lines = {}

    def fails(self, code, *says, path=None, command="ls", more=(),
              passfile=None):
        v = self.c.v
        path = path or v.dir
        is_dir = os.path.isdir(path)
        before = snapshot(path) if is_dir else None
        p = v.coffer(command, "--passfile", passfile or v.passfile, path,
                     *more, device=self.c.device, ok=False)
        line = p.stderr.decode()
        assert p.returncode == code, (code, p)
        assert line.count("\n") == 1 and not p.stdout, p
        for word in says:
            assert word in line, (word, line)
        assert not is_dir or snapshot(path) == before, line
        line = line.replace(path, "VAULT")
        assert self.lines.setdefault(line, code) == code
        return line


def test_each_failure_of_opening_has_its_line_and_number(base):
    """And none changes anything."""
    c = Copy(base)
    door = Door(c)
    header = os.path.join(c.v.dir, "VAULT")
    with open(header, "rb") as f:
        good = f.read()

    def head(data):
        with open(header, "wb") as f:
            f.write(data)

    wrong = os.path.join(base, "wrong")
    with open(wrong, "w", encoding="ascii") as f:
        f.write("wrong\n")
    empty, a_file = os.path.join(base, "empty"), os.path.join(base, "a-file")
    os.mkdir(empty)
    open(a_file, "wb").close()
    lines = [door.fails(10, "wrong passphrase", passfile=wrong)]
    lines.append(door.fails(11, "no such folder",
                            path=os.path.join(base, "absent")))
    lines.append(door.fails(11, "not a vault", "no file VAULT", path=empty))
    lines.append(door.fails(11, "no folder", path=a_file))
    head(good[:8] + b"\x02\x00" + good[10:])
    lines.append(door.fails(16, "newer"))
    head(b"MZ" + good[2:])
    lines.append(door.fails(11, "not a vault", "does not begin"))
    head(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    lines.append(door.fails(12, "the header is damaged"))
    head(good)
    slot = slots(c.v)[1]
    flip(slot, 1500)
    lines.append(door.fails(12, os.path.relpath(slot, c.v.dir), "damaged"))
    flip(slot, 1500)
    for path, word in ((os.path.join(base, "absent"), "absent"),
                       (a_file, "a-file")):
        lines.append(door.fails(14, word, command="mount", more=(path,)))
    with c.v.mounted(device=c.device):
        lines.append(door.fails(13, "mounted on", command="check"))
        door.fails(13, "mounted on", command="mount", more=(empty,))
    assert len(set(lines)) == len(lines), lines
    os.unlink(header)
    assert door.fails(11, "no file VAULT") in lines
    head(good)
    assert not c.read_all()


def test_no_bit_of_the_header_can_change(base):
    """None opens, and none is taken for a wrong passphrase."""
    c = Copy(base)
    door = Door(c)
    rng = random.Random(SEED)
    header = os.path.join(c.v.dir, "VAULT")
    for at in range(128):
        # Where only the MAC tells, the key has to be made: every eighth.
        if (at in (10, 11) or at >= 40) and not 56 <= at < 64 and at % 8:
            continue
        bit = rng.randrange(8)
        flip(header, at, bit)
        if at < 8:
            door.fails(11, "not a vault")
        elif at < 10 or 32 <= at < 40 or 56 <= at < 64:
            # Version, features, algorithms.
            door.fails(16, "newer")
        else:
            door.fails(12, "header", "damaged")
        flip(header, at, bit)
    assert not c.read_all()


def test_a_header_cut_grown_or_not_a_file(base):
    c = Copy(base)
    door = Door(c)
    header = os.path.join(c.v.dir, "VAULT")
    with open(header, "rb") as f:
        good = f.read()
    aside = os.path.join(base, "aside")
    for data in (good[:127], good[:40], good + b"\0"):
        with open(header, "wb") as f:
            f.write(data)
        door.fails(12, "header", "damaged")
    with open(aside, "wb") as f:
        f.write(good)
    for plant in (lambda p: os.symlink(aside, p), os.mkfifo):
        os.unlink(header)
        plant(header)
        door.fails(12, "header", "damaged")
    os.unlink(header)
    os.mkdir(header)
    door.fails(12, "header", "damaged")


def test_a_damaged_slot(base):
    """Every part of it; the credential of another slot opens the vault."""
    c = Copy(base)
    door = Door(c)
    slot = slots(c.v)[1]
    name = os.path.relpath(slot, c.v.dir)
    # The type is one of the parts: then no slot is of the passphrase's.
    for at in (0, 8, 9, 12, 24, 40, 64, 96, 120, 1024, 4095):
        flip(slot, at)
        door.fails(12, name, "damaged")
        flip(slot, at)
    os.truncate(slot, 4000)
    door.fails(12, name, "damaged")
    shutil.copyfile(slots(original())[1], slot)
    other = slots(c.v)[4]
    flip(other, 2000)
    report = c.check()
    assert report.code == 12, report
    assert report.named == {os.path.relpath(other, c.v.dir): "damage"}, report
    assert not c.read_all()
    flip(slot, 2000)
    door.fails(12, "damaged")


def test_a_slot_forged_under_its_right_name(base):
    """Whoever changes a slot can also name it right: what is sealed still
    tells; what makes the key is a wrong passphrase."""
    c = Copy(base)
    door = Door(c)
    slot = slots(c.v)[1]
    for at, code, word in ((2000, 12, "damaged"), (96, 12, "damaged"),
                           (24, 10, "wrong"), (64, 10, "wrong")):
        flip(slot, at)
        with open(slot, "rb") as f:
            name = hashlib.blake2b(f.read(), digest_size=16).hexdigest()
        forged = os.path.join(c.v.dir, "k", name)
        os.rename(slot, forged)
        door.fails(code, word)
        os.rename(forged, slot)
        flip(slot, at)
    assert not c.read_all()


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
