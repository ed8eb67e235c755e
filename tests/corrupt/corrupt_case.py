# SPDX-License-Identifier: ISC
"""What the tests of damaged vaults share: one good vault, copies of it to
damage, what `coffer check` reports, and - from the independent reader - which
bytes of which files every byte of a pack carries."""
import atexit
import errno
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import harness as H  # noqa: E402

sys.path.insert(0, os.path.join(H.SOURCE, "vault-format"))

PAGE = 4096
SUB, TAG = 16 << 10, 16
PACK_HEADER, PACK_FOOTER = 64, 80
CHUNK, DIRECTORY = 1, 2


def contents():
    """{path: bytes}: tiny ones that travel in the log, small ones, equal
    ones, some over several chunks, some in folders."""
    rng = random.Random(11)
    files = {"tiny%d" % i: b"tiny %d" % i for i in range(3)}
    files.update(("small%d" % i, rng.randbytes(rng.randrange(2000, 60000)))
                 for i in range(8))
    files["dir/deep/inner"] = rng.randbytes(90000)
    files["dir/equal"] = files["small3"]
    files["big0"] = rng.randbytes(1500000)
    files["dir/big1"] = rng.randbytes(1200000)
    return files


FILES = contents()
FIRST = {n for n in FILES if n.startswith("dir/") or n < "small3"}
LINKS = {"dir/second-name": "big0"}     # hard links
WANT = dict(FILES, **{n: FILES[to] for n, to in LINKS.items()})
FIRST_WANT = FIRST | (set(LINKS) if set(LINKS.values()) <= FIRST else set())


def vault_files(top, below=""):
    top = os.path.join(top, below)
    return sorted(os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs)


class Original:
    """Three segments (init and two mounts), two packs, two slots; made once
    and never written to again."""
    one = None

    def __init__(self):
        base = tempfile.mkdtemp(prefix="coffer-test.")
        atexit.register(shutil.rmtree, base, ignore_errors=True)
        self.v = v = H.Vault(base, args=("--kdf-memory", "64M"))
        for names in (FIRST, set(FILES) - FIRST):
            with v.mounted() as m:
                for n in sorted(names):
                    path = os.path.join(m.path, n)
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    with open(path, "wb") as f:
                        f.write(FILES[n])
                for n, to in LINKS.items():
                    if to in names:
                        os.link(os.path.join(m.path, to),
                                os.path.join(m.path, n))
        self.dir = v.dir
        self.packs = self.named("w", "/d/")
        self.segments = self.named("w", "/l/")
        assert len(self.segments) == 3 and len(self.packs) == 2, \
            vault_files(v.dir)
        self.slots = {}         # by type: 1 the passphrase's, 4 recovery
        for p in self.named("k", "k/"):
            with open(os.path.join(self.dir, p), "rb") as f:
                self.slots[f.read(9)[8]] = p
        assert sorted(self.slots) == [1, 4], self.slots
        self.of_pack, self.sizes, self.ends = self.read_packs()
        self.first_pack = next(p for p in self.packs
                               if self.lost(p, 0) & FIRST)
        (self.second_pack,) = set(self.packs) - {self.first_pack}

    @classmethod
    def get(cls):
        if not cls.one:
            cls.one = Original()
        return cls.one

    def named(self, below, part):
        return [os.path.relpath(p, self.dir)
                for p in vault_files(self.dir, below) if part in p]

    def read_packs(self):
        """{pack: [(from, to of the pack, path, from, to of the file)]}, its
        size, and where its records end."""
        from readerlib import slots
        from readerlib.vault import Vault
        r = Vault(self.dir, slots.PASSPHRASE,
                  slots.passphrase_bytes(H.PASSPHRASE.encode()))
        assert not r.problems, r.problems
        out = {p: [] for p in self.packs}
        sizes = {p.path: p.size for p in r.packs.values()}
        ends = {p.path: p.end for p in r.packs.values()}
        todo = [("", r.view.root)]
        for at, entry in todo:          # grows while it is walked
            for name, e in entry.children.items():
                path = at + os.fsdecode(name)
                if e.kind == DIRECTORY:
                    todo.append((path + "/", e))
                else:
                    self.add_file(r, path, e.version, out)
        return out, sizes, ends

    @staticmethod
    def add_file(r, path, version, out):
        for at, length, source in r.state.extents(version):
            if isinstance(source, bytes):
                continue
            cid, start = source
            ((pack, entry),) = r.chunks[1, cid]
            for i in range(start // SUB, (start + length - 1) // SUB + 1):
                sealed = entry.offset + i * (SUB + TAG)
                lo = max(i * SUB, start) - start
                hi = min((i + 1) * SUB, start + length) - start
                out[pack.path].append((sealed, min(
                    sealed + SUB + TAG, entry.offset + entry.stored), path,
                    at + lo, at + hi))

    def lost(self, pack, start, end=None):
        """Paths that lose something if these bytes of a pack are not what
        they were; all of its records without `end`."""
        return set(self.lost_ranges(pack, start, end))

    def lost_ranges(self, pack, start, end=None):
        out = {}
        for lo, hi, path, a, b in self.of_pack[pack]:
            if end is None or (lo < end and start < hi):
                out.setdefault(path, []).append((a, b))
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
        self.why = {f["what"]: f["why"] for f in found}
        self.errors = {f["what"]: f["error"] for f in found}
        self.lost = {f["what"][1:] for f in found
                     if f["what"].startswith("/")}

    def __repr__(self):
        return "exit %d: %s" % (self.code, self.text)


def check(v, *args, device="here"):
    return Report(v.coffer("check", "--json", "--passfile", v.passfile, *args,
                           v.dir, device=device, ok=False, timeout=300))


class Copy:
    """A copy of the original to damage, read by a machine that never saw
    it - or, with `state`, by the one that made it."""
    number = 0

    def __init__(self, base, state=False):
        Copy.number += 1
        self.device = "copy%d" % Copy.number
        self.v = H.Vault(base, self.device, init=False)
        shutil.copytree(Original.get().dir, self.v.dir)
        if state:
            shutil.copytree(Original.get().v.state("here"),
                            self.v.state(self.device))

    def path(self, name):
        return os.path.join(self.v.dir, name)

    def bytes(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def put(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)

    def mounted(self, *options):
        return self.v.mounted(device=self.device, options=options)

    def check(self, *args):
        return check(self.v, *args, device=self.device)

    def end(self):
        shutil.rmtree(self.v.dir)
        shutil.rmtree(self.v.state(self.device), ignore_errors=True)


def overlaps(ranges, lo, hi):
    return any(a < hi and lo < b for a, b in ranges)


def read_pages(path, want, lost):
    """Every page of a file: EIO where it touches what is lost, else the right
    bytes."""
    fd = os.open(path, os.O_RDONLY)
    try:
        for at in range(0, len(want), PAGE):
            hit = overlaps(lost, at, min(at + PAGE, len(want)))
            try:
                got = os.pread(fd, PAGE, at)
            except OSError as e:
                assert e.errno == errno.EIO, e
                assert hit, "%s: EIO at %d, which is whole" % (path, at)
                continue
            assert got == want[at:at + PAGE], "wrong bytes served"
            assert not hit, "%s: read at %d, which is damaged" % (path, at)
    finally:
        os.close(fd)


def read_all(top, lost, absent=frozenset()):
    """Every file of the original: `lost` is {path: ranges} that give EIO,
    `absent` what is not there."""
    for name, want in WANT.items():
        path = os.path.join(top, name)
        if name in absent:
            assert not os.path.lexists(path), "%s is there" % name
            continue
        read_pages(path, want, lost.get(name, ()))


def snapshot(top):
    """Names, kinds, modes, times and contents of all that is below."""
    out = {}
    for d, dirs, names in os.walk(top):
        for n in dirs + names + [""]:
            path = os.path.join(d, n)
            st = os.lstat(path)
            what = None
            if n in names and os.path.isfile(path):
                with open(path, "rb") as f:
                    what = hashlib.sha256(f.read()).hexdigest()
            out[os.path.relpath(path, top)] = (st.st_mode, st.st_mtime_ns,
                                               what)
    return out
