#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The reader's merging against the model: random schedules of the model's
devices become real segments, and both must give the same tree.

    test_merge.py [--seconds N] [--seed N] [--steps N]
"""
import argparse
import os
import random
import shutil
import sys
import tempfile
import time
import zlib
from types import SimpleNamespace

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

import need_nacl  # noqa: E402,F401
import mini_writer as W  # noqa: E402
import merge_model as M  # noqa: E402
import simulate as S  # noqa: E402
from readerlib.merge import State, View  # noqa: E402
from readerlib.ops import decode_all  # noqa: E402
from readerlib.vault import Vault  # noqa: E402
from readerlib.extract import pieces  # noqa: E402
from readerlib.wire import Problem  # noqa: E402

E = W.E
KIND = {"f": E.FILE, "d": E.DIRECTORY, "l": E.SYMLINK}


def number(name):
    """Writers sort as the model's names do, in all 64 bits and the low 32."""
    low = int.from_bytes(name.encode().ljust(4, b"\0"), "big")
    return low << 32 | low


def body(data):
    """The bytes a version's `data` stands for."""
    return (data.encode() * (20 + zlib.crc32(data.encode()) % 200))


def in_chunks(data):
    """Equal data must be stored alike to be the same for R5."""
    return zlib.crc32(data.encode()) % 2 == 1


class Translator:
    """Operations of the model as operations of the format."""

    def __init__(self, rng):
        self.rng, self.dots, self.ops, self.chunks = rng, {}, {}, {}
        self.cid = lambda data: E.hashed(32, data)

    def dot(self, d):
        return self.dots[d[1:] if d[0] == "~" else d]

    def ino(self, i):
        if i == M.ROOT:
            return E.ROOT
        if i[0] == "~":
            return E.split_inode(self.dots[i[1:]])
        return i[1] << 16, (number(i[2]) & 0xffffffff) << 32 | i[3]

    def segment(self, seg):
        """[(operation, clock)], the device's name in front of the first."""
        out = []
        if seg.seq == 1:
            out.append((E.device(16, number(seg.writer), 0,
                                 seg.writer.encode()), seg.ops[0].hlc << 16))
        for op in seg.ops:
            self.dots[op.dot] = (number(seg.writer), seg.seq, len(out))
            self.ops[op.dot] = op
            out.append((getattr(self, op.kind.lower())(op), op.hlc << 16))
        return out

    def mknod(self, op):
        return E.mknod(self.ino(op.ino), KIND[op.mode],
                       target=op.data.encode())

    def place(self, op):
        origin = op.frm and (self.ino(op.frm[0]), op.frm[1].encode())
        return E.place(self.ino(op.ino), self.dot(op.link),
                       self.ino(op.parent), op.name.encode(), origin,
                       [self.dot(d) for d in op.kills])

    def unlink(self, op):
        claim = b"" if op.last or op.parent is None else op.name.encode()
        return E.unlink(self.ino(op.ino), self.dot(op.link),
                        self.ino(op.parent or M.ROOT), op.last, claim,
                        [self.dot(d) for d in op.kills],
                        [self.dot(d) for d in op.deletes])

    def content(self, op):
        data, replaces = body(op.data), [self.dot(d) for d in op.replaces]
        base, extents = None, None
        if op.replaces and self.rng.random() < 0.5:
            d = self.rng.choice(op.replaces)
            base = self.dot(d)
            if self.ops[d].data == op.data and self.ops[d].kind == "CONTENT":
                extents = []            # nothing changed
        if extents is None:
            extents = self.extents(data, in_chunks(op.data))
        return E.content(self.ino(op.ino), extents, len(data), op.hlc, op.hlc,
                         base, replaces)

    def extents(self, data, chunked):
        """In random pieces."""
        out, at = [], 0
        if chunked:
            whole = b"@" + data + b"@"
            cid = self.cid(whole)
            self.chunks[cid] = whole
        while at < len(data):
            n = min(len(data) - at, self.rng.choice([7, 100, 1024]))
            out.append(E.chunk(at, n, cid, at + 1, len(whole)) if chunked
                       else E.inline(at, data[at:at + n]))
            at += n
        return out

    def pin(self, op):
        return E.pin(self.ino(op.ino), self.dot(op.target),
                     self.ino(op.parent), op.name.encode())

    def split(self, op):
        return E.split(self.ino(op.ino), self.dot(op.target),
                       self.ops[op.target].hlc << 16)

    def attr(self, op):
        return E.attr(self.ino(op.ino), mode=mode(op.data))

    def xattr(self, op):
        return E.xattr(self.ino(op.ino), b"user." + op.name.encode(),
                       op.data.encode(), op.hlc)


def mode(value):
    return zlib.crc32(value.encode()) & 0o777


def expected(tr, st, view):
    """The model's tree in the reader's terms."""
    out = {}
    for path, (kind, ino, data, regs) in M.View.tree(view).items():
        r = {k: v for k, v in regs}
        out[path.encode()] = (
            KIND[kind], tr.ino(ino),
            data and (data.encode() if kind == "l" else body(data)),
            mode(r["ATTR", "k"]) if ("ATTR", "k") in r else 0o644,
            r.get(("XATTR", "k"), "").encode())
    return out


def found(view, content):
    out = {}
    for path, e in view.walk():
        r = view.registers(e)
        data = None
        if e.kind == E.FILE:
            data = content(e.version)
        elif e.kind == E.SYMLINK:
            data = view.st.inodes[e.members[0].ino].target
        out[b"/".join(path)] = (e.kind, e.ino, data or None, r["mode"],
                                r.get(b"user.k", b""))
    return out


def compare(want, got, what):
    want = {p: v[:2] + (v[2] or None,) + v[3:] for p, v in want.items()}
    if want != got:
        for p in sorted(set(want) | set(got)):
            if want.get(p) != got.get(p):
                print(p, "\n  model ", want.get(p), "\n  reader", got.get(p))
        raise AssertionError(what)


# ---------------------------------------------------------------- schedules

def segments_of(rng, steps):
    """All segments of a random schedule, each writer's in order."""
    n, skews, made, e = S.random_schedule(rng, steps)
    assert e is None, e
    w = S.World(n, skews)
    for s in made:
        w.step(s)
    for i in range(n):
        w.do_pub(i)
    return [s for segs in w.folder.values() for s in segs]


def model_of(segs):
    d = M.Device("Z1", lambda: 0)
    for s in segs:
        d.receive(s)
    return d


def causal(segs):
    """Segments whose causes are there, in an order that respects them."""
    done, out, again = {}, [], True
    while again:
        again = False
        for s in segs:
            if s.seq == done.get(s.writer, 0) + 1 and all(
                    done.get(w, 0) >= n for w, n in s.vv.items()):
                done[s.writer] = s.seq
                out.append(s)
                again = True
    return out


def encode_all(tr, segs):
    """{(writer, seq): what State and decode_all want of a segment}"""
    out = {}
    for s in causal(segs):
        ops = tr.segment(s)
        raw = [E.operation(*op, clock, op[0] == 6) for op, clock in ops]
        out[s.writer, s.seq] = SimpleNamespace(
            writer=number(s.writer), seq=s.seq, n_ops=len(raw),
            context={number(w): n for w, n in s.vv.items()},
            ops=b"".join(raw), first=ops[0][1], last=ops[-1][1])
    return out


def in_memory(rng, steps):
    """Operations are encoded and decoded, but no files are made."""
    segs = segments_of(rng, steps)
    tr = Translator(rng)
    encoded = encode_all(tr, segs)
    some = [s for s in segs if rng.random() < rng.choice([0.8, 1])]
    rng.shuffle(some)
    st = State()
    for s in causal(some):
        one = encoded[s.writer, s.seq]
        st.begin(one)
        for op in decode_all(one):
            st.apply(op)

    def content(v):
        out = bytearray(st.size(v))
        for at, n, source in st.extents(v):
            out[at:at + n] = source if isinstance(source, bytes) else \
                tr.chunks[source[0]][source[1]:source[1] + n]
        return bytes(out)
    d = model_of(some)
    compare(expected(tr, d.st, d.view), found(View(st), content), "memory")
    hostile(rng, [encoded[s.writer, s.seq] for s in causal(segs)], tr)
    return len(segs)


def starts(ops):
    """Where each operation begins."""
    at = 0
    while at < len(ops):
        yield at
        at += int.from_bytes(ops[at:at + 4], "little")


def hostile(rng, segs, tr):
    """Bytes of operations changed at random: each segment is refused or has a
    view; nothing else happens."""
    dots = [E.dot(d) for d in tr.dots.values()]
    inodes = [E.inode(tr.ino(op.ino)) for op in tr.ops.values()]
    st, refused = State(), set()
    for s in segs:
        ops, n = bytearray(s.ops), rng.choice([0, 1, 1, 2, 5])
        for _ in range(n):
            start = rng.randrange(len(ops))
            at = max(x for x in starts(s.ops) if x <= start)
            part = rng.choice([dots, dots, inodes, None])
            new = rng.choice(part) if part else bytes([rng.randrange(256)])
            where = rng.choice([at + 16, at + 32, at + 52, start])
            if where + len(new) <= len(ops):
                ops[where:where + len(new)] = new
        try:
            if not refused & set(s.context) and s.writer not in refused:
                st.begin(s)
                for op in decode_all(SimpleNamespace(**dict(
                        vars(s), ops=bytes(ops)))):
                    st.apply(op)
        except Problem:
            refused.add(s.writer)
    for _, e in View(st).walk():
        View.registers(SimpleNamespace(st=st), e)
        if e.kind == E.FILE:
            st.extents(e.version)


def in_files(rng, steps, folder):
    """The same through real files, with packs; some files are missing."""
    segs = segments_of(rng, steps)
    path = os.path.join(folder, "v")
    vault = W.Vault(path)
    tr, writers = Translator(rng), {}
    tr.cid = vault.keys.content_id
    known, some = {}, []
    for s in causal(segs):
        w = writers.setdefault(s.writer, vault.writer(number(s.writer)))
        for other, n in s.vv.items():
            w.vector[number(other)] = (n, n, known[other, n])
        tr.chunks = {}
        for op, clock in tr.segment(s):
            w.add(op, clock, more=op[0] == 6)   # a SPLIT and its PIN
        if tr.chunks:
            w.pack(*tr.chunks.values())
        shown = rng.random() < 0.95
        w.seal(write=shown)
        known[s.writer, s.seq] = w.previous
        if shown:
            some.append(s)
    v = Vault(path, 1, W.PASS)
    assert not v.problems, v.problems
    assert len(v.held) == len(some) - len(causal(some))

    def content(version):
        out = bytearray(v.state.size(version))
        for at, data in pieces(v, version):
            out[at:at + len(data)] = data
        return bytes(out)
    d = model_of(some)
    compare(expected(tr, d.st, d.view), found(v.view, content), "files")
    shutil.rmtree(path)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=float, default=4)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--steps", type=int, default=40)
    a = p.parse_args()
    end, seed, n, files, segs = time.time() + a.seconds, a.seed, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.time() < end or n < 20:
            try:
                segs += in_memory(random.Random(seed), a.steps)
                if n % 10 == 0:
                    in_files(random.Random(seed), a.steps, folder)
                    files += 1
            except BaseException:
                print("seed %d, steps %d" % (seed, a.steps))
                raise
            seed, n = seed + 1, n + 1
    print("%d schedules, %d segments, %d of them through files: equal" %
          (n, segs, files))


if __name__ == "__main__":
    main()
