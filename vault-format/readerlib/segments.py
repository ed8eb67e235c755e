# SPDX-License-Identifier: ISC
"""Log segments (chapter 7)."""
import re
import struct

from .keys import SEGMENT_SUB, blake2b, chain_length, unseal_chain
from .packs import ENTRY, MAX_ENTRIES, Pack
from .wire import Cursor, Problem, newer, padded, require

HEADER = 96
BODY_MAX = 64 << 20
FILE_MAX = HEADER + BODY_MAX + BODY_MAX // SEGMENT_SUB * 16
FILE_MIN = HEADER + 4096 + 16
NAME = re.compile(r"([0-9]{10})-([0-9a-f]{16})")
SEQ_MAX = 9999999999

HEAD = struct.Struct("<HHI16sQQ16s8sQ16s")
BODY = struct.Struct("<Q32sQQIIIIHHI")
VECTOR = struct.Struct("<QQQ32s")
ANNOUNCED = struct.Struct("<16sQI8sB3sI")
REQUIRED = struct.Struct("<Q16s")


class Segment:
    """One authentic segment; its operations are decoded when applied."""

    def __init__(self, data, path, uuid, writer, seq, prefix, keyring,
                 chunk_max):
        self.path, self.writer, self.seq = path, writer, seq
        self.hash = blake2b(32, data)
        require(self.hash[:8] == prefix, "its name is not its hash")
        require(data[:8] == b"COFFERL1", "no log segment")
        version, flags, self.epoch, its_uuid, w, s, r16, self.id8, length, \
            reserved = HEAD.unpack_from(data, 8)
        if version != 1 or flags:
            raise newer("version %d, flags %#x" % (version, flags))
        require(not any(reserved), "reserved bytes are not zero")
        require((its_uuid, w, s) == (uuid, writer, seq),
                "vault, writer or number are not those of its path")
        require(self.epoch >= 1, "epoch 0")
        require(1 <= length <= BODY_MAX and len(data) == HEADER +
                chain_length(length, SEGMENT_SUB), "not of its body's length")
        keys = keyring.find(self.epoch, self.id8)
        body = unseal_chain(keys.log, r16, data[:HEADER], data[HEADER:],
                            SEGMENT_SUB)
        self._body(body, chunk_max)

    def _body(self, body, chunk_max):
        c = Cursor(body)
        used, self.previous, self.first, self.last, n_vv, n_packs, \
            n_required, self.n_ops, algorithm, signature, reserved = \
            c.unpack(BODY)
        if algorithm or signature or reserved:
            raise newer("a signature")
        require(BODY.size <= used <= len(body) == padded(used, 4096),
                "used length and body length disagree")
        require(not any(body[used:]), "the padding is not zero")
        require(n_vv <= 1024 and n_packs <= 1024 and n_required <= 65536
                and self.n_ops <= 1 << 20, "a list above its limit")
        c.end = used
        self._vector(c, n_vv)
        self.packs = [self._pack(c, chunk_max) for _ in range(n_packs)]
        self.required = [c.unpack(REQUIRED) for _ in range(n_required)]
        require(self.n_ops <= c.left() // 16, "the data ends too early")
        require(self.n_ops or not c.left(), "bytes are left over")
        self.ops = body[c.at:used]
        require(self.first <= self.last, "time goes back")

    def _vector(self, c, n):
        self.context, self.ack, self.heads = {}, {}, {}
        before = 0
        for _ in range(n):
            writer, context, ack, head = c.unpack(VECTOR)
            require(before < writer != self.writer, "a version vector with "
                    "itself or not ascending")
            require(1 <= context <= SEQ_MAX and ack <= context,
                    "an impossible version vector")
            self.context[writer], self.ack[writer] = context, ack
            self.heads[writer] = head
            before = writer

    def _pack(self, c, chunk_max):
        name, size, epoch, id8, kind, reserved, n = c.unpack(ANNOUNCED)
        require(not any(reserved), "reserved bytes are not zero")
        require(1 <= n <= MAX_ENTRIES, "impossible number of entries")
        require(epoch <= self.epoch, "a pack of a later epoch")
        return Pack(self.writer, name, size, epoch, id8, kind,
                    c.take(n * ENTRY), chunk_max)

    def follows(self, before):
        """Checks this segment against the one before it (None: the first)."""
        if before is None:
            require(not any(self.previous), "`previous` of the first segment "
                    "is not zero")
            return
        require(self.previous == before.hash,
                "`previous` is not the segment before it: a fork")
        require(self.epoch >= before.epoch, "the epoch falls")
        require(self.first >= before.last, "time goes back")
        for w, n in before.context.items():
            require(self.context.get(w, 0) >= n and
                    self.ack[w] >= before.ack[w],
                    "a version vector less than the one before")


def parse_name(name):
    """(seq, first bytes of the hash), or None: a foreign name."""
    m = NAME.fullmatch(name)
    if m is None or int(m[1]) == 0:
        return None
    return int(m[1]), bytes.fromhex(m[2])


def wrap(where, make, *args):
    """Calls make(*args), naming the file in what it raises."""
    try:
        return make(*args)
    except Problem as p:
        p.where = p.where or where
        raise
