# SPDX-License-Identifier: ISC
"""Operations (chapter 8)."""
import struct
from collections import namedtuple

from .wire import Cursor, Problem, newer, require

ROOT = (0, 0)
KINDS = {1: "file", 2: "directory", 3: "symlink", 4: "fifo", 5: "socket",
         6: "char", 7: "block"}
FILE, DIRECTORY, SYMLINK, CHAR, BLOCK = 1, 2, 3, 6, 7
MORE, SKIP = 1, 2
NAMES = {1: "MKNOD", 2: "PLACE", 3: "UNLINK", 4: "CONTENT", 5: "PIN",
         6: "SPLIT", 7: "ATTR", 8: "XATTR", 9: "NOP", 16: "DEVICE ADD",
         17: "DEVICE NAME", 18: "DEVICE RETIRE", 19: "DEVICE ADOPT",
         24: "SLOT ADD", 25: "SLOT REMOVE", 32: "EPOCH", 33: "FEATURE",
         34: "PACK DROP"}
HOLE, CHUNK, INLINE = 0, 1, 2

HEAD = struct.Struct("<IBBHQ")
INODE = struct.Struct("<QQ")
DOT = struct.Struct("<QQI")
MKNOD = struct.Struct("<BBHIIIIIqqq")
COUNTS = struct.Struct("<BBBBI")
UNLINK = struct.Struct("<BBHII")
CONTENT = struct.Struct("<B3sIIIQqq")
EXTENT = struct.Struct("<QQB3s")
ATTR = struct.Struct("<IIIIIqqq")
XATTR = struct.Struct("<BBHIq")
DEVICE = struct.Struct("<QQB7s")
SLOT = struct.Struct("<16sBB6s")

# kind HOLE: data None; CHUNK: (content id, offset in it, its plain length);
# INLINE: the bytes
Extent = namedtuple("Extent", "offset length kind data")


class Op:
    """One operation: type, clock, dot, and its payload's fields."""

    def __init__(self, kind, flags, clock, dot):
        self.type, self.flags, self.clock, self.dot = kind, flags, clock, dot

    @property
    def key(self):
        return (self.clock,) + self.dot


def file_name(raw):
    require(raw not in (b"", b".", b"..") and b"/" not in raw
            and b"\0" not in raw, "an impossible name")
    return raw


def text(raw, least):
    """UTF-8 of `least` to 64 bytes without control characters."""
    try:
        t = raw.decode()
    except UnicodeDecodeError:
        raise Problem("a name that is not UTF-8") from None
    require(least <= len(raw) <= 64 and not any(
        ord(x) < 32 or 127 <= ord(x) < 160 for x in t), "an impossible name")
    return raw


def dots(c, n):
    require(n <= c.left() // DOT.size, "the data ends too early")
    return [c.unpack(DOT) for _ in range(n)]


def mknod(c, op):
    op.inode = c.unpack(INODE)
    op.kind, reserved, length, op.mode, op.uid, op.gid, major, minor, \
        op.atime, op.mtime, op.ctime = c.unpack(MKNOD)
    op.rdev, op.target = (major, minor), c.take(length)
    if op.kind not in KINDS:
        raise newer("kind %d" % op.kind)
    require(op.inode != ROOT, "the root made anew")
    require(not reserved and op.mode <= 0o7777, "an impossible mode")
    if op.kind == SYMLINK:
        require(1 <= length <= 4095 and b"\0" not in op.target,
                "an impossible link target")
    else:
        require(not length, "a link target without a link")
    require(op.kind in (CHAR, BLOCK) or op.rdev == (0, 0),
            "device numbers without a device")


def place(c, op):
    op.inode, op.link, op.parent = \
        c.unpack(INODE), c.unpack(DOT), c.unpack(INODE)
    flags, n_name, n_from, reserved, n_kills = c.unpack(COUNTS)
    require(flags <= 1 and not reserved, "unknown flags")
    require(flags or not n_from, "a former name without the flag")
    op.origin = c.unpack(INODE) if flags else None
    op.name = file_name(c.take(n_name))
    if flags:
        op.origin = (op.origin, file_name(c.take(n_from)))
    op.kills = dots(c, n_kills)
    require(op.inode != ROOT, "the root placed")


def unlink(c, op):
    op.inode, op.link, op.parent = \
        c.unpack(INODE), c.unpack(DOT), c.unpack(INODE)
    flags, n_name, reserved, n_kills, n_deletes = c.unpack(UNLINK)
    require(flags <= 2 and not reserved, "unknown flags")
    op.last, op.claim = flags == 1, flags == 2
    require(op.claim == (n_name > 0), "a name without a claim, or none")
    require(op.last or not n_deletes, "versions deleted by a name not last")
    op.name = file_name(c.take(n_name)) if op.claim else None
    op.kills, op.deletes = dots(c, n_kills), dots(c, n_deletes)
    require(op.inode != ROOT, "the root unlinked")


def content(c, op):
    op.inode = c.unpack(INODE)
    flags, reserved, n_replaces, n, n_bytes, op.size, op.mtime, op.ctime = \
        c.unpack(CONTENT)
    base = c.unpack(DOT)
    require(flags <= 1 and not any(reserved), "unknown flags")
    op.whole, op.base = flags == 1, base
    require(op.whole == (base == (0, 0, 0)), "a base, or none")
    require(op.size < 1 << 63, "an impossible size")
    require(n <= 16384, "too many extents")
    op.replaces = dots(c, n_replaces)
    require(c.left() == n_bytes, "extents of the wrong length")
    op.extents, at = [], 0
    for _ in range(n):
        e = extent(c)
        require(e.offset >= at and e.offset + e.length <= op.size,
                "extents overlap, go back or pass the size")
        require(e.kind != HOLE or not op.whole, "a hole in a whole content")
        at = e.offset + e.length
        op.extents.append(e)


def extent(c):
    offset, length, kind, reserved = c.unpack(EXTENT)
    require(not any(reserved) and length, "an impossible extent")
    if kind == HOLE:
        return Extent(offset, length, kind, None)
    if kind == CHUNK:
        at, plain, cid = c.u32(), c.u32(), c.take(32)
        require(1 <= plain <= 4 << 20 and at + length <= plain,
                "an extent beyond its chunk")
        return Extent(offset, length, kind, (cid, at, plain))
    if kind != INLINE:
        raise newer("extent kind %d" % kind)
    require(length <= 1024, "too many bytes in an extent")
    return Extent(offset, length, kind, c.take(length))


def pin(c, op):
    op.inode, op.target, op.parent = \
        c.unpack(INODE), c.unpack(DOT), c.unpack(INODE)
    length = c.u8()
    c.zeros(3)
    op.name = file_name(c.take(length))


def split(c, op):
    op.inode, op.version = c.unpack(INODE), c.unpack(DOT)
    c.zeros(4)
    op.version_clock = c.u64()


def attr(c, op):
    op.inode = c.unpack(INODE)
    mask, mode, uid, gid, reserved, atime, mtime, ctime = c.unpack(ATTR)
    require(1 <= mask <= 31 and not reserved, "unknown attributes")
    require(mode <= 0o7777, "an impossible mode")
    op.set = {}
    for bit, name, value in ((1, "mode", mode), (2, "owner", (uid, gid)),
                             (4, "atime", atime), (8, "mtime", mtime),
                             (16, "ctime", ctime)):
        if mask & bit:
            op.set[name] = value
        else:
            require(value in (0, (0, 0)), "a field not in the mask")


def xattr(c, op):
    op.inode = c.unpack(INODE)
    flags, n_name, reserved, n_value, op.ctime = c.unpack(XATTR)
    require(flags <= 1 and not reserved, "unknown flags")
    op.remove = flags == 1
    require(n_value <= (0 if op.remove else 65536), "an impossible length")
    op.name, op.value = c.take(n_name), c.take(n_value)
    require(op.name and b"\0" not in op.name, "an impossible name")


def device(c, op):
    op.writer, op.other, length, reserved = c.unpack(DEVICE)
    named = op.type in (16, 17)
    require(not any(reserved), "reserved bytes are not zero")
    require(op.writer, "writer 0")
    require(op.type == 16 or (op.type == 19) == (op.other != 0),
            "another writer, or none")
    op.name = c.take(length)
    require(b"/" not in op.name, "an impossible name")
    text(op.name, 1 if named else 0)
    require(named or not length, "a name, where none belongs")


def slot(c, op):
    op.slot, op.slot_type, length, reserved = c.unpack(SLOT)
    require(not any(reserved), "reserved bytes are not zero")
    op.label = text(c.take(length), 0)
    require(op.type == 24 or not length, "a label, where none belongs")


def epoch(c, op):
    op.number = c.u32()
    c.zeros(4)
    op.key_id = c.take(32)
    require(op.number >= 2, "an impossible epoch")


def feature(c, op):
    op.incompatible, op.read_only, op.compatible = c.u64(), c.u64(), c.u64()


def pack_drop(c, op):
    op.pack = c.take(16)


DECODE = {1: mknod, 2: place, 3: unlink, 4: content, 5: pin, 6: split,
          7: attr, 8: xattr, 9: lambda c, op: None, 16: device, 17: device,
          18: device, 19: device, 24: slot, 25: slot, 32: epoch, 33: feature,
          34: pack_drop}


def decode_all(segment):
    """The operations of a segment in order; None where one is skipped."""
    c, before, flags = Cursor(segment.ops), segment.first, 0
    for i in range(segment.n_ops):
        length, kind, flags, reserved, clock = c.unpack(HEAD)
        require(16 <= length <= 1 << 20, "an impossible length")
        body = Cursor(c.take(length - 16))
        require(not reserved and flags <= 3, "unknown flags")
        require(clock >= before, "time goes back")
        require(i or clock == segment.first, "not the first time announced")
        before = clock
        if kind in DECODE:
            op = Op(kind, flags, clock, (segment.writer, segment.seq, i))
            DECODE[kind](body, op)
            body.finish()
            yield op
        elif not flags & SKIP:
            raise newer("operation type %d" % kind)
        else:
            yield None
    c.finish()
    require(not segment.n_ops or before == segment.last,
            "not the last time announced")
    require(not flags & MORE, "a transaction open at the end")
