#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The vectors are what make_vectors.py makes, and the reader, which shares no
code with it, reads them.  vectors_check.c does the same for the C codecs."""
import json
import os
import re
import struct
import subprocess
import sys
import unittest
from types import SimpleNamespace

HERE = os.path.dirname(os.path.abspath(__file__))
FORMAT = os.path.join(HERE, "..", "..", "vault-format")
VECTORS = os.path.join(FORMAT, "vectors")
sys.path[:0] = [HERE, FORMAT]

import need_nacl  # noqa: E402,F401

from readerlib import keys, merge, packs, segments, slots  # noqa: E402
from readerlib.ops import DOT, decode_all  # noqa: E402
from readerlib.wire import Problem, padded  # noqa: E402

V = {}
for part in ("keys", "slots", "packs", "segments", "local", "names"):
    with open(os.path.join(VECTORS, part + ".json")) as f:
        V.update((k, bytes.fromhex(v)) for k, v in json.load(f).items())

WRITER = 0x1122334455667788


def pattern(n):
    return bytes((7 * i + 3) % 251 for i in range(n))


def numbered(prefix, *more):
    i = 0
    while prefix + str(i) in V:
        yield [V[p + str(i)] for p in (prefix,) + more]
        i += 1


class Vectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ring = keys.Keyring(V["vrk"], V["header_mac"])
        cls.ring.add(1, V["ek"])
        cls.epoch = cls.ring.find(1, V["key_id"][:8])

    def test_the_files_are_those_the_program_makes(self):
        subprocess.run([sys.executable, "-B", os.path.join(
            VECTORS, "make_vectors.py"), "--check"], check=True)
        with open(os.path.join(VECTORS, "vectors.txt")) as f:
            lines = dict(line.split(" ") for line in f.read().splitlines())
        self.assertEqual(lines, {k: v.hex() for k, v in V.items()})

    def test_derivation_is_libsodiums(self):
        for name, master, context, number in (
                ("k_hdr", "vrk", b"cofr-hdr", 1),
                ("k_cid_meta", "vrk", b"cofr-cid", 2),
                ("key_id", "ek", b"cofr-kid", 1),
                ("k_chk", "ek", b"cofr-chk", 1),
                ("k_snp", "ek", b"cofr-snp", 1),
                ("k_loc", "ek", b"cofr-loc", 1),
                ("k_hdg", "ek", b"cofr-hdg", 1),
                ("k_jnl", "dk", b"cofr-jnl", 1),
                ("k_stg_trailer", "dk", b"cofr-stg", 2),
                ("k_idx", "dk", b"cofr-idx", 0x0123456789abcdef)):
            self.assertEqual(keys.derive(V[master], context, number),
                             V[name], name)
        gear = b"".join(keys.derive(V["vrk"], b"cofr-cdc", i, 64)
                        for i in range(32))
        self.assertEqual(len(gear), 2048)
        self.assertEqual(keys.blake2b(32, gear), V["gear_hash"])
        self.assertEqual((gear[:8], gear[-8:]),
                         (V["gear_first"], V["gear_last"]))

    def test_header_and_slots_open(self):
        header = slots.Header(V["header"])
        header.verify(self.ring)
        self.assertEqual(header.uuid, V["uuid"])
        for name, kind in (("passphrase", 1), ("key_file", 2), ("both", 3),
                           ("recovery", 4)):
            slot = slots.Slot(V["slot_%s_name" % name].hex(),
                              V["slot_" + name], V["uuid"])
            self.assertEqual(slot.type, kind)
            ring = slot.open(V["slot_%s_secret" % name])
            self.assertEqual(ring.vault.vrk, V["vrk"])
            self.assertEqual(ring.header_mac, V["header_mac"])
            self.assertEqual(list(ring.epochs), [(1, V["key_id"][:8])])
            self.assertIsNone(slot.open(V["slot_%s_secret" % name] + b"x"))

    def test_credentials(self):
        self.assertEqual(slots.key_file_bytes(V["key_file"]), V["key_file_f"])
        words = V["recovery_words"].decode()
        self.assertEqual(slots.recovery_bytes(words), V["recovery_p"])
        parts = words.split()
        for i in range(24):             # any wrong word is found
            wrong = parts[:i] + ["abandon"] + parts[i + 1:]
            if wrong != parts:
                self.assertRaises(Problem, slots.recovery_bytes,
                                  " ".join(wrong))
        for i in range(23):             # and any two swapped
            wrong = parts[:i] + [parts[i + 1], parts[i]] + parts[i + 2:]
            self.assertRaises(Problem, slots.recovery_bytes, " ".join(wrong))

    def test_padding(self):
        for (row,) in numbered("pad_"):
            length, least, result = struct.unpack("<QQQ", row)
            self.assertEqual(padded(length, least), result)
            self.assertTrue(length <= result <= length * 1.12 + least)

    def test_records_and_content_ids(self):
        for kind in (1, 2):
            for n in (1, 16384, 100000):
                self.assertEqual(
                    self.ring.vault.content_id(kind, pattern(n)),
                    V["content_id_%d_%d" % (kind, n)])
        sealed = V["record_1_sealed"]
        entry = packs.Entry(V["record_1_content_id"], V["record_1_r16"], 64,
                            17, 1, 0, 0, 0)
        self.assertEqual(packs.open_record(
            self.epoch, self.ring.vault, V["uuid"], 1, entry, sealed),
            pattern(1))
        self.assertRaises(Problem, packs.open_record, self.epoch,
                          self.ring.vault, V["uuid"], 2, entry, sealed)

    def test_the_pack(self):
        a = V["pack_announcement"]
        name, size, epoch, id8, kind, reserved, n = \
            segments.ANNOUNCED.unpack_from(a)
        pack = packs.Pack(WRITER, name, size, epoch, id8, kind,
                          a[segments.ANNOUNCED.size:], 2 << 20)
        self.assertEqual((name, n), (V["pack_name"], 3))
        self.assertEqual(pack.header(V["uuid"]), V["pack_header"])
        data = b"".join(V["pack_" + k] for k in (
            "header", "body", "trailer_sealed", "footer"))
        self.assertEqual(struct.pack("<Q", len(data)), V["pack_total"])
        self.assertEqual(keys.blake2b(32, data), V["pack_hash"])
        pack.trailer(self.epoch, V["uuid"], data[pack.end:])
        self.assertEqual([packs.open_record(
            self.epoch, self.ring.vault, V["uuid"], 1, e,
            data[e.offset:e.offset + e.stored]) for e in pack.entries],
            [pattern(17000), b"second", pattern(40)])

    def segment(self, name, seq):
        data = V[name + "_file"]
        number, prefix = segments.parse_name(V[name + "_name"].decode())
        self.assertEqual(number, seq)
        return segments.Segment(data, name, V["uuid"], WRITER, seq, prefix,
                                self.ring, 2 << 20)

    def test_segments_and_every_operation(self):
        s, empty = self.segment("segment", 1), self.segment("segment_empty",
                                                            2)
        s.follows(None)
        empty.follows(s)
        self.assertEqual((empty.n_ops, empty.first), (0, empty.last))
        self.assertEqual(s.hash, V["segment_hash"])
        raw = [V[k] for k in V if k.startswith("op_")]
        self.assertEqual(b"".join(raw), s.ops)
        self.assertEqual(s.n_ops, len(raw))
        ops = list(decode_all(s))
        self.assertIsNone(ops.pop())            # the unknown one
        self.assertEqual({op.type for op in ops}, {
            1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 18, 19, 24, 25, 32, 33, 34})
        state = merge.State()
        state.begin(s)
        for op in ops:
            state.apply(op)
        view = merge.View(state)
        self.assertEqual(sorted(b"/".join(p) for p, _ in view.walk()), [
            b"dir", b"dir/moved (conflict x 2)"])

    def test_split_inodes(self):
        for (row,) in numbered("split_"):
            self.assertEqual(
                merge.split_inode(DOT.unpack(row[:20])),
                struct.unpack("<QQ", row[20:]))

    def test_local_files_open(self):
        w = V["writer_file"]
        self.assertEqual(keys.unseal(
            keys.derive(V["ek"], b"cofr-loc", 1), w[48:72], w[:72], w[72:]),
            V["dk"])
        for name in ("marks", "cut", "sealed"):
            f, body = V["frame_" + name], V["body_" + name]
            self.assertEqual(len(f) % 4096, 0)
            n = struct.unpack_from("<I", f, 32)[0]
            self.assertEqual(keys.unseal(
                V["k_jnl"], f[48:64] + struct.pack("<Q", 1 << 63), f[:64],
                f[64:64 + n + 16]), body)
            self.assertFalse(any(f[80 + n:]))
        page, number = V["index_page"], struct.pack("<Q", 1)
        self.assertEqual(keys.unseal(
            V["k_idx"], page[4056:4080], b"cofr-idx" + V["idx_generation"] +
            number, page[:4056] + page[4080:]), pattern(4056))
        stage, entry = V["stage_file"], packs.Entry(
            *packs.ENTRY_LAYOUT.unpack(V["stage_entry"]))
        self.assertEqual(packs.open_record(
            SimpleNamespace(chk=V["k_stg"]), self.ring.vault, V["uuid"], 1,
            entry, stage[64:64 + entry.stored]), pattern(3000))

    def test_generated_names(self):
        clock, = struct.unpack("<Q", V["conflict_clock"])
        for name, shown in numbered("conflict_name_", "conflict_shown_"):
            state = merge.State()
            state.devices[1] = (None, V["conflict_device"])
            state.clock[1, 1, 0] = clock
            view = merge.View(state)
            entry = merge.Entry(name, 1, [merge.Member(
                (5, 5), (1, 1, 0), (0, 0), name)])
            self.assertEqual(view._conflict_name(entry, {}), shown)
        for name, shown in numbered("recovered_name_", "recovered_shown_"):
            self.assertEqual(merge.shorten(
                b"recovered-" + name, 255, merge.whole_text(name)), shown)


class Registry(unittest.TestCase):
    """Chapter 14 names every magic and label; headers name real chapters."""

    def sources(self):
        top = os.path.join(HERE, "..", "..")
        for folder in ("src", os.path.join("vault-format", "readerlib")):
            for where, _, names in os.walk(os.path.join(top, folder)):
                for name in names:
                    if name.endswith((".c", ".h", ".py")):
                        with open(os.path.join(where, name)) as f:
                            yield name, f.read()

    def test_every_magic_and_label_is_registered(self):
        with open(os.path.join(FORMAT, "14-registry.md")) as f:
            known = set(re.findall(r"`(\w{8}|cofr-\w{3})`", f.read()))
        used = set()
        for _, text in self.sources():
            used |= set(re.findall(r'"(cofr-[a-z]{3}|COFFER[A-Z]\d)', text))
        self.assertGreater(len(used), 20)
        self.assertLessEqual(used, known)

    def test_chapters_named_in_sources_exist(self):
        named = set()
        for _, text in self.sources():
            named |= set(re.findall(r"vault-format/(\d\d[\w-]*\.md)", text))
        self.assertGreater(len(named), 5)
        self.assertLessEqual(named, set(os.listdir(FORMAT)))


if __name__ == "__main__":
    unittest.main()
