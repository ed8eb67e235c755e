#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""vault-format/reader.py on vaults that are damaged, forked or malformed."""
import os
import random
import shutil
import struct
import unittest

from reader_case import A, B, C, Case, DAY, E, W, ms, read, write


class Tampering(Case):
    """Every file, many flips, cuts, swaps: each is noticed."""

    def make(self):
        v, a, b = self.vault(A, B)
        rng = random.Random(2)
        for w in (a, b):
            parts = [rng.randbytes(n) for n in (40000, 40000, 20000)]
            cids = w.pack(*parts)
            w.write(E.ROOT, b"f%x" % w.number, [
                E.chunk(0, 40000, cids[0], 0, 40000),
                E.chunk(40000, 40000, cids[1], 0, 40000),
                E.chunk(80000, 20000, cids[2], 0, 20000)], 100000)
        a.seal()
        b.knows(a)
        b.seal()
        a.knows(b)
        a.create(E.ROOT, b"later")
        a.seal()
        self.assertEqual(self.run_reader("check")[0], 0)
        return v, a, b

    def files(self):
        return sorted(os.path.join(d, f) for d, _, fs in os.walk(self.path)
                      for f in fs)

    def test_a_flipped_bit_is_noticed_wherever_it_is(self):
        self.make()
        rng = random.Random(3)
        for path in self.files():
            data = read(path)
            places = {0, 8, len(data) - 1, len(data) - 9, len(data) - 79,
                      min(60, len(data) - 1)}
            places |= {rng.randrange(len(data)) for _ in range(6)}
            for at in places:
                bad = bytearray(data)
                bad[at] ^= 1 << rng.randrange(8)
                write(path, bad)
                self.assertIn(self.run_reader("check")[0], (11, 12, 16)
                              if path.endswith("VAULT") else (12,),
                              (path, at))
            write(path, data)
        self.assertEqual(self.run_reader("check")[0], 0)

    def test_a_cut_or_longer_file_is_noticed(self):
        self.make()
        for path in self.files():
            data = read(path)
            for n in (0, 1, 64, len(data) // 2, len(data) - 1, len(data) + 1,
                      len(data) + 4096):
                write(path, data[:n].ljust(n, b"\0"))
                self.assertIn(self.run_reader("check")[0], (11, 12),
                              (path, n))
            write(path, data)

    def test_a_file_under_another_name_is_noticed(self):
        self.make()
        kinds = {}
        for path in self.files():
            kinds.setdefault(path[len(self.path) + 1:][:1] + (
                "d" if "/d/" in path else ""), []).append(path)
        for paths in (kinds["w"], kinds["wd"]):
            x, y = paths[:2]
            a, b = read(x), read(y)
            write(x, b)
            write(y, a)
            self.assertEqual(self.run_reader("check")[0], 12, paths)
            write(x, a)
            write(y, b)
        self.assertEqual(self.run_reader("check")[0], 0)

    def test_a_missing_file_is_named(self):
        v, a, b = self.make()
        for path in (a.segments[0][0], b.segments[0][0],
                     a.segments[0][2][0].path):
            full = os.path.join(self.path, path)
            data = read(full)
            os.unlink(full)
            self.refused(12)
            write(full, data)
        os.unlink(os.path.join(self.path, v.slot))
        self.refused(10)

    def test_records_and_sub_blocks_do_not_change_places(self):
        v, a, b = self.make()
        pack = a.segments[0][2][0]
        full = os.path.join(self.path, pack.path)
        data, one = pack.data, 40000 + 3 * 16
        sub = 16384 + 16
        for i, j, n in ((64, 64 + one, one), (64, 64 + sub, sub)):
            bad = bytearray(data)
            bad[i:i + n], bad[j:j + n] = bad[j:j + n], bad[i:i + n]
            write(full, bad)
            self.refused(12, "not authentic")

    def test_only_regular_files_count(self):
        v, a, b = self.make()
        for path in (a.segments[0][0], a.segments[0][2][0].path, "VAULT",
                     v.slot):
            full = os.path.join(self.path, path)
            aside = os.path.join(self.folder, "aside")
            os.rename(full, aside)
            os.symlink(aside, full)
            self.refused(12, "a link")
            os.unlink(full)
            os.mkfifo(full)
            self.refused(12, "not a regular file")
            os.unlink(full)
            os.rename(aside, full)
        d = os.path.dirname(os.path.join(self.path, a.segments[0][0]))
        os.rename(d, self.folder + "/aside")
        os.symlink(self.folder + "/aside", d)
        self.refused(12)

    def test_foreign_names_are_ignored(self):
        v, a, b = self.make()
        path = a.segments[0][0]
        for name in (".stfolder", "k/" + "0" * 31, "w/.tmp",
                     path + ".sync-conflict-20240101-000000-AAAAAAA",
                     os.path.dirname(path) + "/~0123"):
            v.put(name, b"x")
        status, _, err = self.run_reader("check")
        self.assertEqual(status, 0, err)
        self.assertIn("5 foreign names ignored", err)

    def test_another_vaults_files_are_refused(self):
        v, a, b = self.make()
        first, self.path = self.path, self.path + "2"
        other = W.Vault(self.path, "other")
        w = other.writer(A)
        w.pack(b"x" * 100)
        w.seal()
        for path in [other.slot, w.segments[0][0]]:
            shutil.copy(os.path.join(self.path, path),
                        os.path.join(first, path))
        self.path = first
        err = self.refused(12, "another vault")
        self.assertIn("vault, writer or number", err)


class Forks(Case):
    def test_two_segments_of_one_number_stop_their_writer(self):
        v, a, b = self.vault(A, B)
        a.create(E.ROOT, b"one")
        a.seal()
        b.create(E.ROOT, b"b")
        b.seal()
        twin = v.writer(A)
        twin.clock = ms(DAY)
        twin.create(E.ROOT, b"two")
        twin.seal()
        self.assertEqual(self.names(12), ["b"])
        self.refused(12, "fork")

    def test_a_broken_chain_stops_its_writer(self):
        v, a = self.vault(A)
        a.create(E.ROOT, b"one")
        a.seal()
        a.previous = bytes(32)
        a.create(E.ROOT, b"two")
        a.seal()
        self.assertEqual(self.names(12), ["one"])

    def test_a_head_that_differs_is_a_fork(self):
        v, a, b = self.vault(A, B)
        a.seal()
        b.vector[A] = (1, 1, bytes(32))
        b.create(E.ROOT, b"b")
        b.seal()
        self.refused(12, "knows another segment 1 of writer a0")


class Malformed(Case):
    """Authentic but against the rules: that writer stops, others do not."""

    def broken(self, build, code=12, names=("before",)):
        v, a, b = self.vault(A, B)
        a.create(E.ROOT, b"before")
        a.seal()
        b.add(E.nop())
        b.knows(a)
        body = build(v, b)
        b.seal(body=body)
        status, lines, err = self.run_reader("ls")
        self.assertEqual(status, code, err)
        self.assertEqual(tuple(lines), names, err)
        shutil.rmtree(self.path)
        return err

    def operations(self, *ops, code=12):
        """Each alone must be refused."""
        for op in ops:
            def build(v, w, op=op):
                w.add(op(w) if callable(op) else op)
            self.broken(build, code)

    def test_operations_that_break_a_rule(self):
        new = (5, 5)

        def raw(kind, payload):
            return lambda w: (kind, payload)

        def patched(op, at, value):
            kind, p = op
            return raw(kind, p[:at] + value + p[at + len(value):])
        f = E.mknod(new, E.FILE)
        self.operations(
            E.mknod(E.ROOT, E.DIRECTORY),
            E.mknod(new, E.FILE, mode=0o10000),
            E.mknod(new, E.FILE, rdev=(1, 0)),
            E.mknod(new, E.FILE, target=b"x"),
            E.mknod(new, E.SYMLINK),
            E.mknod(new, E.SYMLINK, target=b"x\0"),
            E.mknod(new, E.SYMLINK, target=b"x" * 4096),
            patched(f, 17, b"\1"),
            raw(1, f[1] + b"\0"), raw(1, f[1][:-1]))
        self.operations(patched(f, 16, b"\x08"), code=16)   # kind
        for name in (b"", b".", b"..", b"a/b", b"a\0"):
            self.operations(lambda w, n=name: self.with_file(
                w, lambda ino, w: E.place(ino, w.next_dot(), E.ROOT, n)))
        self.operations(
            E.xattr(E.ROOT, b"", b""), E.xattr(E.ROOT, b"a\0", b""),
            patched(E.xattr(E.ROOT, b"a", b"v"), 16, b"\1"),
            E.attr(E.ROOT), patched(E.attr(E.ROOT, mode=1), 16, b"\x21"),
            patched(E.attr(E.ROOT, mode=1), 24, b"\1"),
            E.attr(E.ROOT, mode=0o10000), E.attr((9, 9), mode=1),
            E.device(16, 0, 0, b"x"), E.device(16, 1, 0, b""),
            E.device(16, 1, 0, b"a/b"), E.device(16, 1, 0, b"\xff"),
            E.device(16, 1, 0, b"a\x1b"), E.device(16, 1, 0, b"x" * 65),
            E.device(16, 1, 0, "\u0085".encode()),
            E.device(18, 1, 0, b"x"), E.device(19, 1, 0),
            E.slot_op(25, bytes(16), 1, b"x"), E.epoch_op(1, bytes(32)),
            E.pin(E.ROOT, (A, 1, 9), E.ROOT, b"x"), raw(9, b"x"),
            raw(34, bytes(15)))
        self.operations(raw(35, b""), raw(200, b""), code=16)

    def with_file(self, w, make):
        ino = w.inode()
        w.add(E.mknod(ino, E.FILE))
        return make(ino, w)

    def test_contents_that_break_a_rule(self):
        def c(*args, **more):
            return lambda w: self.with_file(
                w, lambda ino, w: E.content(ino, *args, **more))
        self.operations(
            c([E.inline(0, b"xx")], 1), c([E.inline(0, b"")], 1),
            c([E.inline(0, b"x" * 1025)], 2000),
            c([E.inline(0, b"xx"), E.inline(1, b"x")], 9),
            c([E.inline(3, b"x"), E.inline(1, b"x")], 9),
            c([E.hole(0, 1)], 1), c([], 1 << 63),
            c([E.inline((1 << 64) - 1, b"x")], 9),
            c([E.chunk(0, 1, bytes(32), 0, 1)], 1),         # not announced
            c([E.chunk(0, 2, bytes(32), 1, 2)], 2),         # beyond it
            c([], 0, base=(A, 1, 0)), c([], 0, base=(C, 1, 0)),
            c([], 0, replaces=[(B, 1, 99)]), c([], 0, replaces=[(C, 1, 0)]),
            lambda w: E.content(E.ROOT, [], 0))
        self.operations(c([struct.pack("<QQB3x", 0, 1, 3)], 1), code=16)

    def test_places_that_break_a_rule(self):
        def in_dir(make):
            def build(v, w):
                ino, dot = w.create(E.ROOT, b"x", E.DIRECTORY, 0o755)
                w.add(make(ino, dot, w))
            return build
        for make in (
                lambda i, d, w: E.place(i, w.next_dot(), E.ROOT, b"y"),
                lambda i, d, w: E.place(i, (B, 9, 9), E.ROOT, b"y"),
                lambda i, d, w: E.place(i, d, (8, 8), b"y"),
                lambda i, d, w: E.place(i, d, E.ROOT, b"y", ((8, 8), b"x")),
                lambda i, d, w: E.place(i, d, E.ROOT, b"y", None,
                                        [(A, 1, 2)]),       # another's place
                lambda i, d, w: E.place(i, d, E.ROOT, b"y", None,
                                        [w.next_dot()]),    # itself
                lambda i, d, w: E.unlink(i, (B, 1, 77), E.ROOT, True),
                lambda i, d, w: E.unlink(i, d, E.ROOT, True, kills=[
                    (B, 2, 0)]),
                lambda i, d, w: E.unlink(i, d, E.ROOT, True, deletes=[d]),
                lambda i, d, w: E.unlink(i, d, E.ROOT, False, b"..",),
                lambda i, d, w: E.split(i, d, w.clock),
                lambda i, d, w: E.mknod(i, E.DIRECTORY)):
            self.broken(in_dir(make))

    def test_a_split_needs_a_name_and_the_right_clock(self):
        def build(right, pinned):
            def make(v, w):
                ino, dot, ver = w.write(E.ROOT, b"x", [], 0)
                w.add(E.split(ino, ver, w.clock + (not right)), more=pinned)
                if pinned:
                    w.add(E.pin(ino, ver, E.ROOT, b"y"))
            return make
        self.broken(build(True, False))
        self.broken(build(False, True))
        self.broken(build(True, True), 0, ("before", "y"))

    def test_what_another_did_counts_only_if_it_is_in_the_context(self):
        def build(v, w):
            w.vector = {}
            w.add(E.pin(E.ROOT, (A, 1, 2), E.ROOT, b"y"))
        self.broken(build)

    def test_segments_that_break_a_rule(self):
        def field(at, value):
            def build(v, w):
                body = bytearray(E.segment_body(
                    w.ops, vector=[(A,) + w.vector[A]]))
                body[at:at + len(value)] = value
                return bytes(body)
            return build
        q = struct.pack
        self.broken(field(0, b""), 0)
        self.broken(field(8, b"\1"))                # previous
        self.broken(field(40, q("<Q", 1)))          # first time
        self.broken(field(48, q("<Q", 1)))          # last time
        self.broken(field(56, q("<I", 2)))          # counts
        self.broken(field(56, q("<I", 0)))
        self.broken(field(60, q("<I", 1)))
        self.broken(field(64, q("<I", 70000)))
        self.broken(field(68, q("<I", 3)))
        self.broken(field(68, q("<I", 1)))
        self.broken(field(72, b"\1"), 16)           # signature
        self.broken(field(4000, b"\1"))             # padding
        self.broken(field(0, q("<Q", 4097)))
        self.broken(field(0, q("<Q", 79)))
        self.broken(field(80, q("<Q", B)))          # vector: itself
        self.broken(field(80, q("<Q", 0)))
        self.broken(field(88, q("<Q", 0)))
        self.broken(field(96, q("<Q", 2)))          # ack beyond context
        self.broken(lambda v, w: E.segment_body(w.ops, vector=[
            (A,) + w.vector[A]]) + bytes(4096))     # padded too far

    def test_a_transaction_open_at_the_end_and_time_going_back(self):
        self.broken(lambda v, w: w.add(E.nop(), more=True) and None)
        self.broken(lambda v, w: w.add(E.nop(), clock=5) and None)

    def test_unknown_operations_may_be_skipped_if_they_say_so(self):
        self.broken(lambda v, w: w.add((200, b"zzz"), skip=True) and None, 0)

    def test_nothing_of_a_malformed_segment_counts(self):
        def build(v, w):
            w.create(E.ROOT, b"partly")
            w.add(E.mknod(E.ROOT, E.FILE))
        self.broken(build)

    def test_a_vector_never_falls(self):
        v, a, b = self.vault(A, B)
        a.seal()
        b.knows(a)
        b.seal()
        b.vector = {}
        b.create(E.ROOT, b"x")
        b.seal()
        self.refused(12, "less than the one before")


    def test_an_acknowledgement_is_never_taken_back(self):
        v, a, b = self.vault(A, B)
        a.seal()
        b.knows(a)
        b.seal()
        n, ack, head = b.vector[A]
        b.vector[A] = (n, ack - 1, head)
        b.create(E.ROOT, b"x")
        b.seal()
        self.refused(12, "less than the one before")


class Packs(Case):
    def announced(self, change, code=12, reason=""):
        """A pack whose announcement (and file alike) has a flaw."""
        v, w = self.vault()
        w.pack(b"x" * 20000, b"y" * 100)
        p = w.packs[0]
        change(p)
        w.seal()
        status, _, err = self.run_reader("check")
        self.assertEqual(status, code, err)
        self.assertIn(reason, err)
        shutil.rmtree(self.path)

    def test_announcements_that_break_a_rule(self):
        def patch(at, value):
            def change(p):
                a = p.announcement
                p.announcement = a[:at] + value + a[at + len(value):]
            return change
        q, e = struct.pack, 44
        self.announced(patch(0, b""), 0)
        self.announced(patch(16, q("<Q", 65537)))
        self.announced(patch(16, q("<Q", 131072)))
        self.announced(patch(24, q("<I", 2)))               # later epoch
        self.announced(patch(36, b"\3"), 16)                # type
        self.announced(patch(37, b"\1"))
        self.announced(patch(e + 48, q("<I", 65)), reason="without gap")
        self.announced(patch(e + 52, q("<I", 1)))           # stored
        self.announced(patch(e + 56, q("<I", 0)))           # plain
        self.announced(patch(e + 60, b"\1"), 16)            # codec
        self.announced(patch(e + 61, b"\1"))
        self.announced(patch(e + 64 + 48, q("<I", 64)), reason="without gap")
        self.announced(patch(e, b"\0"))         # content id: trailer differs
        self.announced(patch(e + 32, b"\0"))    # R16

    def test_a_trailer_that_is_not_the_announcement(self):
        v, w = self.vault()
        w.pack(b"x" * 100)
        p = w.packs[0]
        other = p.entries[:32] + bytes(16) + p.entries[48:]
        p.data = p.data[:64 + 116] + E.pack_tail(
            v.keys, p.data[:64], other, bytes(116), v.keys.epoch.pak)
        w.seal()
        self.refused(12, "trailer and announcement differ")

    def test_padding_that_is_not_zero(self):
        v, w = self.vault()
        w.pack(b"x" * 100)
        p = w.packs[0]
        p.data = p.data[:64 + 116] + E.pack_tail(
            v.keys, p.data[:64], p.entries, bytes(116), v.keys.epoch.pak,
            fill=b"\1")
        w.seal()
        self.refused(12, "padding")

    def test_a_chunk_must_have_its_content_id(self):
        """An old keyring forges tags, not content ids."""
        v, w = self.vault()
        right = v.keys.content_id
        v.keys.content_id = lambda data, kind=1: right(b"other", kind)
        cid, = w.pack(b"z" * 50)
        v.keys.content_id = right
        w.write(E.ROOT, b"f", [E.chunk(0, 50, right(b"other"), 0, 50)], 50)
        w.seal()
        self.refused(12, "does not have its content id")

    def test_a_second_copy_serves_if_the_first_is_damaged(self):
        v, a, b = self.vault(A, B)
        cid, = a.pack(b"same" * 100)
        a.write(E.ROOT, b"f", [E.chunk(0, 400, cid, 0, 400)], 400)
        a.seal()
        b.pack(b"same" * 100)
        b.seal()
        os.unlink(os.path.join(self.path, a.segments[0][2][0].path))
        self.assertEqual(len(self.json()["f"]["sha256"]), 64)
        self.refused(12, "No such file")

    def test_a_dropped_pack_may_be_gone(self):
        v, a = self.vault(A)
        cid, = a.pack(b"old" * 100)
        f, dot, v1 = a.write(E.ROOT, b"f", [
            E.chunk(0, 300, cid, 0, 300)], 300)
        a.seal()
        a.add(E.content(f, [E.inline(0, b"new")], 3, replaces=[v1]))
        a.add(E.pack_drop(a.segments[0][2][0].name))
        a.seal()
        os.unlink(os.path.join(self.path, a.segments[0][2][0].path))
        self.assertEqual(self.run_reader("check")[0], 0)


if __name__ == "__main__":
    unittest.main()
