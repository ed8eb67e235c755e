# SPDX-License-Identifier: ISC
"""Bounds-checked decoding and the one exception (chapter 1)."""
import struct

FAILED, WRONG_KEY, NOT_VAULT, DAMAGED, NEWER = 1, 10, 11, 12, 16


class Problem(Exception):
    """What is wrong, where, and the exit status it leads to."""

    def __init__(self, reason, where=None, code=DAMAGED):
        super().__init__(reason)
        self.reason, self.where, self.code = reason, where, code

    def __str__(self):
        return "%s: %s" % (self.where, self.reason) if self.where \
            else self.reason


def newer(what):
    return Problem(what + ": newer than this program", code=NEWER)


class Cursor:
    """Reads fields in order; nothing beyond the end, nothing left over."""

    def __init__(self, data, at=0, end=None):
        self.data, self.at = data, at
        self.end = len(data) if end is None else end

    def take(self, n):
        at = self.at
        if n > self.end - at:
            raise Problem("the data ends too early")
        self.at = at + n
        return self.data[at:at + n]

    def unpack(self, layout):
        """Fields of a struct layout made by struct.Struct('<...')."""
        at = self.at
        if layout.size > self.end - at:
            raise Problem("the data ends too early")
        self.at = at + layout.size
        return layout.unpack_from(self.data, at)

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return int.from_bytes(self.take(2), "little")

    def u32(self):
        return int.from_bytes(self.take(4), "little")

    def u64(self):
        return int.from_bytes(self.take(8), "little")

    def zeros(self, n):
        if any(self.take(n)):
            raise Problem("reserved bytes are not zero")

    def left(self):
        return self.end - self.at

    def finish(self):
        if self.left():
            raise Problem("bytes are left over")


def require(ok, reason):
    if not ok:
        raise Problem(reason)


def padded(length, least):
    """pad(L, min) of chapter 1."""
    step = least
    if length > 1:
        e = length.bit_length() - 1
        s = e.bit_length()              # floor(log2 e) + 1
        step = max(least, 1 << (e - s))
    return -(-length // step) * step


def le64(x):
    return struct.pack("<Q", x)
