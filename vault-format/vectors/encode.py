# SPDX-License-Identifier: ISC
"""Writes the records of a vault, for vectors and tests only.

Randomness comes from a seeded stream: the same calls give the same bytes.
That is what makes vectors possible and what a real writer must never do.
"""
import hashlib
import struct

from nacl.bindings import (crypto_aead_xchacha20poly1305_ietf_encrypt,
                           crypto_pwhash_ALG_ARGON2ID13, crypto_pwhash_alg)

LAST = 1 << 63
ZERO_DOT, ROOT = (0, 0, 0), (0, 0)
FILE, DIRECTORY, SYMLINK, FIFO, SOCKET, CHAR, BLOCK = range(1, 8)


class Stream:
    """Bytes that only look random."""

    def __init__(self, seed):
        self.seed, self.n = seed.encode(), 0

    def __call__(self, size):
        self.n += 1
        return hashlib.shake_256(self.seed + b"/%d" % self.n).digest(size)


def hashed(size, data, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def derive(master, context, number, size=32):
    """hashlib's BLAKE2b; readerlib uses libsodium's."""
    return hashlib.blake2b(
        digest_size=size, key=master, salt=struct.pack("<QQ", number, 0),
        person=context.encode() + bytes(8)).digest()


def seal(key, nonce, ad, plain):
    return crypto_aead_xchacha20poly1305_ietf_encrypt(plain, ad, nonce, key)


def seal_chain(key, r16, ad, plain, sub):
    parts = [plain[i:i + sub] for i in range(0, len(plain), sub)]
    return b"".join(
        seal(key, r16 + struct.pack("<Q", i + (
            LAST if i == len(parts) - 1 else 0)), ad, p)
        for i, p in enumerate(parts))


def pad(length, least):
    """The definition, by floating-point-free logarithms."""
    e = 0
    while 2 << e <= length:
        e += 1
    s = 1
    while e and 2 << (s - 1) <= e:
        s += 1
    step = max(least, 2 ** max(e - s, 0))
    return (length + step - 1) // step * step


# ---------------------------------------------------------------- keys

class Epoch:
    def __init__(self, number, secret):
        self.number, self.secret = number, secret
        self.id = derive(secret, "cofr-kid", 1)
        for name in ("chk", "pak", "log", "snp", "loc", "hdg"):
            setattr(self, name, derive(secret, "cofr-" + name, 1))


class Keys:
    """VRK, the epochs, and one device's DK."""

    def __init__(self, random):
        self.random = random
        self.vrk, self.uuid = random(32), random(16)
        self.epochs = [Epoch(1, random(32))]
        self.dk = random(32)
        self.hdr = derive(self.vrk, "cofr-hdr", 1)
        self.cid = {n: derive(self.vrk, "cofr-cid", n) for n in (1, 2)}

    @property
    def epoch(self):
        return self.epochs[-1]

    def content_id(self, data, kind=1):
        return hashed(32, data, self.cid[kind])


def header(keys, features=(0, 0, 0), chunk=(128 << 10, 512 << 10, 2 << 20)):
    h = struct.pack("<8sHHI16sQQQBBBBBBHIII20x", b"COFFERV1", 1, 0, 128,
                    keys.uuid, *features, 1, 1, 1, 14, 16, 2, 0, *chunk)
    return h + hashed(32, h, keys.hdr)


def slot(keys, kind, secret, mac, ops=1, memory_kib=8192):
    """(name, bytes)"""
    salt, nonce = keys.random(16), keys.random(24)
    out = crypto_pwhash_alg(64, secret, salt, ops, memory_kib * 1024,
                            crypto_pwhash_ALG_ARGON2ID13)
    clear = struct.pack("<8sBBHIII16s16sII32s24s904x", b"COFFERK1", kind, 1,
                        0, ops, memory_kib, 0, salt, keys.uuid,
                        keys.epoch.number, 0, out[32:], nonce)
    ring = struct.pack("<32s32sII", keys.vrk, mac, len(keys.epochs), 0)
    for e in keys.epochs:
        ring += struct.pack("<II32s", e.number, 0, e.secret)
    data = clear + seal(out[:32], nonce, clear, ring.ljust(3056, b"\0"))
    return hashed(16, data).hex(), data


def recovery_key(words, entropy):
    """The 24 words of 22 numbers (44 bytes)."""
    digest = hashed(32, b"cofr-rec" + entropy)
    bits = "".join("{:08b}".format(b) for b in digest)
    numbers = list(struct.unpack("<22H", entropy))
    numbers += [int(bits[:11], 2), int(bits[11:22], 2)]
    return " ".join(words[n] for n in numbers)


# ---------------------------------------------------------------- packs

def record(keys, data, kind=1, epoch=None, secret=None):
    """(entry without its offset, sealed bytes)"""
    epoch = epoch or keys.epoch
    cid, r16 = keys.content_id(data, kind), keys.random(16)
    ad = struct.pack("<8s16s32sIBBH", b"cofr-chk", keys.uuid, cid, len(data),
                     0, kind, 0)
    return (cid, r16, len(data)), seal_chain(secret or epoch.chk, r16, ad,
                                             data, 16384)


def pack_header(keys, writer, kind=1, epoch=None):
    number, id8 = (epoch.number, epoch.id[:8]) if epoch else (0, bytes(8))
    return struct.pack("<8sHBBI16sQ16s8s", b"COFFERP1", 1, kind, 14, number,
                       keys.uuid, writer, bytes(16), id8)


def pack_tail(keys, head, entries, body, key, padding=True, fill=b"\0"):
    """Trailer (entries and padding, sealed together) and footer."""
    r16 = keys.random(16)
    used = len(head) + len(body) + len(entries) + 16 + 80
    total = pad(used, 65536) if padding else used
    trailer = seal(key, r16 + struct.pack("<Q", LAST), head + struct.pack(
        "<QII", len(body), len(entries) // 64, 0),
        entries + fill * (total - used))
    end = struct.pack("<Q8s", total, b"COFFERE1")
    footer = seal(key, r16 + struct.pack("<Q", LAST + 1), head + end,
                  struct.pack("<QI20x", len(body), len(entries) // 64))
    return trailer + r16 + footer + end


class Pack:
    """A finished pack: name, bytes, announcement."""

    def __init__(self, keys, writer, chunks, kind=1, epoch=None):
        epoch = epoch or keys.epoch
        self.name, self.writer = keys.random(16), writer
        body, self.entries = b"", b""
        for data in chunks:
            (cid, r16, plain), sealed = record(keys, data, kind, epoch)
            self.entries += struct.pack(
                "<32s16sIIIBBH", cid, r16, 64 + len(body), len(sealed), plain,
                0, 0, 0)
            body += sealed
        head = pack_header(keys, writer, kind, epoch)
        self.data = head + body + pack_tail(keys, head, self.entries, body,
                                            epoch.pak)
        self.announcement = struct.pack(
            "<16sQI8sB3xI", self.name, len(self.data), epoch.number,
            epoch.id[:8], kind, len(chunks)) + self.entries
        name = self.name.hex()
        self.path = "w/%016x/d/%s/%s" % (writer, name[:2], name)


# ---------------------------------------------------------------- operations

def inode(i):
    return struct.pack("<QQ", *i)


def dot(d):
    return struct.pack("<QQI", *d)


def dots(ds):
    return b"".join(dot(d) for d in ds)


def operation(kind, payload, clock, flags=0):
    return struct.pack("<IBBHQ", 16 + len(payload), kind, flags, 0,
                       clock) + payload


def mknod(ino, kind, mode=0o644, uid=0, gid=0, rdev=(0, 0), times=(0, 0, 0),
          target=b""):
    return 1, inode(ino) + struct.pack(
        "<BBHIIIIIqqq", kind, 0, len(target), mode, uid, gid, *rdev,
        *times) + target


def place(ino, link, parent, name, origin=None, kills=()):
    p = inode(ino) + dot(link) + inode(parent) + struct.pack(
        "<BBBBI", 1 if origin else 0, len(name),
        len(origin[1]) if origin else 0, 0, len(kills))
    if origin:
        p += inode(origin[0])
    p += name
    if origin:
        p += origin[1]
    return 2, p + dots(kills)


def unlink(ino, link, parent, last, claim=b"", kills=(), deletes=()):
    return 3, inode(ino) + dot(link) + inode(parent) + struct.pack(
        "<BBHII", 1 if last else 2 if claim else 0, len(claim), 0,
        len(kills), len(deletes)) + claim + dots(kills) + dots(deletes)


def hole(offset, length):
    return struct.pack("<QQB3x", offset, length, 0)


def chunk(offset, length, cid, at, plain):
    return struct.pack("<QQB3xII32s", offset, length, 1, at, plain, cid)


def inline(offset, data):
    return struct.pack("<QQB3x", offset, len(data), 2) + data


def content(ino, extents, size, mtime=0, ctime=0, base=None, replaces=()):
    raw = b"".join(extents)
    return 4, inode(ino) + struct.pack(
        "<B3xIIIQqq", 0 if base else 1, len(replaces), len(extents), len(raw),
        size, mtime, ctime) + dot(base or ZERO_DOT) + dots(replaces) + raw


def pin(ino, target, parent, name):
    return 5, inode(ino) + dot(target) + inode(parent) + struct.pack(
        "<B3x", len(name)) + name


def split(ino, version, version_clock):
    return 6, inode(ino) + dot(version) + struct.pack("<4xQ", version_clock)


def attr(ino, mode=None, owner=None, atime=None, mtime=None, ctime=None):
    given = (mode, owner, atime, mtime, ctime)
    mask = sum(1 << i for i, x in enumerate(given) if x is not None)
    return 7, inode(ino) + struct.pack(
        "<IIIIIqqq", mask, mode or 0, *(owner or (0, 0)), 0, atime or 0,
        mtime or 0, ctime or 0)


def xattr(ino, name, value, ctime=0):
    return 8, inode(ino) + struct.pack(
        "<BBHIq", 1 if value is None else 0, len(name), 0, len(value or b""),
        ctime) + name + (value or b"")


def nop():
    return 9, b""


def device(kind, writer, other=0, name=b""):
    return kind, struct.pack("<QQB7x", writer, other, len(name)) + name


def slot_op(kind, slot_name, slot_type, label=b""):
    return kind, struct.pack("<16sBB6x", slot_name, slot_type,
                             len(label)) + label


def epoch_op(number, key_id):
    return 32, struct.pack("<I4x32s", number, key_id)


def feature(incompatible=0, read_only=0, compatible=0):
    return 33, struct.pack("<QQQ", incompatible, read_only, compatible)


def pack_drop(name):
    return 34, name


def split_inode(version):
    return struct.unpack("<QQ", hashed(16, b"cofr-spl" + dot(version)))


# ---------------------------------------------------------------- segments

def segment_body(ops, previous=bytes(32), vector=(), packs=(), required=(),
                 clock=0):
    """`ops`: encoded; `vector`: (writer, context, ack, head)."""
    clocks = [struct.unpack_from("<Q", o, 8)[0] for o in ops] or [clock]
    lists = b"".join(struct.pack("<QQQ32s", *v) for v in sorted(vector))
    lists += b"".join(p.announcement for p in packs)
    lists += b"".join(struct.pack("<Q16s", *r) for r in sorted(required))
    lists += b"".join(ops)
    used = 80 + len(lists)
    return (struct.pack("<Q32sQQIIII8x", used, previous, clocks[0],
                        clocks[-1], len(vector), len(packs), len(required),
                        len(ops)) + lists).ljust(pad(used, 4096), b"\0")


def segment(keys, writer, seq, body, epoch=None):
    epoch = epoch or keys.epoch
    r16 = keys.random(16)
    head = struct.pack("<8sHHI16sQQ16s8sQ16x", b"COFFERL1", 1, 0,
                       epoch.number, keys.uuid, writer, seq, r16,
                       epoch.id[:8], len(body))
    return head + seal_chain(epoch.log, r16, head, body, 65536)


def segment_path(writer, seq, data):
    return "w/%016x/l/%010d-%s" % (writer, seq, hashed(32, data)[:8].hex())


# ---------------------------------------------------------------- local

def writer_file(keys, writer, epoch=None):
    epoch = epoch or keys.epoch
    clear = struct.pack("<8sHHI16sQ8s24s", b"COFFERW1", 1, 0, epoch.number,
                        keys.uuid, writer, epoch.id[:8], keys.random(24))
    return clear + seal(epoch.loc, clear[48:], clear, keys.dk)


def frame(keys, journal, number, kind, body):
    r16 = keys.random(16)
    head = struct.pack("<8s16sQIB11x16s", b"COFFERJ1", journal, number,
                       len(body), kind, r16)
    out = head + seal(derive(keys.dk, "cofr-jnl", 1),
                      r16 + struct.pack("<Q", LAST), head, body)
    return out.ljust(-(-len(out) // 4096) * 4096, b"\0")


def marks(mac, epoch, clean, generation, session, index_frame, heads):
    return struct.pack("<32sII32sQQQII", mac, epoch.number, clean, epoch.id,
                       generation, session, index_frame, len(heads), 0) + \
        b"".join(struct.pack("<QQ32s", *h) for h in sorted(heads))


def cut(runs=(), packs=(), stage=(), chunks=()):
    """runs: (seq, first, [ops]); stage: (file, entry); chunks: with bytes."""
    out = struct.pack("<IIII", len(runs), len(packs), len(stage), len(chunks))
    for seq, first, ops in runs:
        raw = b"".join(ops)
        out += struct.pack("<QIIII", seq, first, len(ops), len(raw), 0) + raw
    out += b"".join(p.announcement for p in packs)
    out += b"".join(struct.pack("<Q", n) + e for n, e in stage)
    return out + b"".join(struct.pack("<Q", n) + e + d for n, e, d in chunks)


def sealed_mark(seq, data):
    return struct.pack("<QQ32s", seq, len(data), hashed(32, data))


def index_page(keys, generation, number, plain, nonce):
    """plain: the page without its 40 reserved bytes."""
    ad = b"cofr-idx" + struct.pack("<QQ", generation, number)
    sealed = seal(derive(keys.dk, "cofr-idx", generation), nonce, ad, plain)
    return sealed[:-16] + nonce + sealed[-16:]
