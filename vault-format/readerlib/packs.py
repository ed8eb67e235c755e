# SPDX-License-Identifier: ISC
"""Packs (chapter 6)."""
import struct
from collections import namedtuple

from .keys import LAST, RECORD_SUB, TAG, chain_length, unseal, unseal_chain
from .wire import Problem, le64, newer, padded, require

HEADER, ENTRY, FOOTER = 64, 64, 80
PACK_MIN, PACK_MAX = 64 << 10, 64 << 20
MAX_ENTRIES, CHUNK_MAX = 65536, 4 << 20

Entry = namedtuple("Entry", "id r16 offset stored plain codec flags reserved")
ENTRY_LAYOUT = struct.Struct("<32s16sIIIBBH")


def entries(raw, chunk_max):
    """The entries of a trailer or an announcement, checked."""
    out, at = [], HEADER
    for fields in ENTRY_LAYOUT.iter_unpack(raw):
        e = Entry(*fields)
        if e.codec:
            raise newer("codec %d" % e.codec)
        require(not e.flags and not e.reserved, "reserved bytes are not zero")
        require(1 <= e.plain <= chunk_max, "impossible chunk length")
        require(e.stored == chain_length(e.plain, RECORD_SUB),
                "stored length and plain length disagree")
        require(e.offset == at, "records are not in order without gap")
        at += e.stored
        out.append(e)
    return out


class Pack:
    """A pack as a segment announces it."""

    def __init__(self, writer, name, size, epoch, id8, kind, raw, chunk_max):
        self.writer, self.name, self.size = writer, name, size
        self.epoch, self.id8, self.kind, self.raw = epoch, id8, kind, raw
        self.dropped = False
        if kind not in (1, 2):
            raise newer("pack type %d" % kind)
        self.entries = entries(raw, chunk_max if kind == 1 else CHUNK_MAX)
        self.end = HEADER + sum(e.stored for e in self.entries)
        require(epoch >= 1, "epoch 0")
        require(PACK_MIN <= size <= PACK_MAX and size == padded(
            self.end + len(raw) + TAG + FOOTER, PACK_MIN),
            "a pack's size is not that of its entries")

    @property
    def path(self):
        name = self.name.hex()
        return "w/%016x/d/%s/%s" % (self.writer, name[:2], name)

    def header(self, uuid):
        """The one header this pack can have."""
        return b"COFFERP1" + struct.pack(
            "<HBBI16sQ16s8s", 1, self.kind, 14, self.epoch, uuid, self.writer,
            bytes(16), self.id8)

    def trailer(self, keys, uuid, tail):
        """Opens footer and trailer and compares them with the announcement;
        `tail`: the file from the body's end on."""
        header, footer = self.header(uuid), tail[-FOOTER:]
        require(footer[72:] == b"COFFERE1", "no pack footer")
        require(footer[64:72] == le64(self.size), "the footer's total length")
        r16 = footer[:16]
        plain = unseal(keys.pak, r16 + le64(LAST + 1),
                       header + footer[64:80], footer[16:64])
        body, count = struct.unpack_from("<QI", plain)
        require(not any(plain[12:]), "reserved bytes are not zero")
        require(body == self.end - HEADER and count == len(self.entries),
                "footer and announcement differ")
        raw = unseal(keys.pak, r16 + le64(LAST), header + struct.pack(
            "<QII", body, count, 0), tail[:-FOOTER])
        n = len(self.raw)
        require(raw[:n] == self.raw, "trailer and announcement differ")
        require(not any(raw[n:]), "the padding is not zero")


def open_record(keys, vault_keys, uuid, kind, entry, sealed):
    """The chunk of one record; its content id is recomputed."""
    ad = struct.pack("<8s16s32sIBBH", b"cofr-chk", uuid, entry.id,
                     entry.plain, entry.codec, kind, 0)
    plain = unseal_chain(keys.chk, entry.r16, ad, sealed, RECORD_SUB)
    require(len(plain) == entry.plain, "a record of the wrong length")
    if vault_keys.content_id(kind, plain) != entry.id:
        raise Problem("a chunk does not have its content id")
    return plain
