#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""vault-format/reader.py by itself: small vaults made by mini_writer.py."""
import os
import random
import shutil
import stat
import struct
import unittest

from reader_case import A, B, C, Case, DAY, E, W, ms, read, reader


class Content(Case):
    def test_every_kind_is_listed_and_extracted(self):
        v, w = self.vault()
        big = random.Random(1).randbytes(300000)
        cid, = w.pack(big)
        w.add(E.attr(E.ROOT, mode=0o750, mtime=5))
        d, _ = w.create(E.ROOT, b"dir", E.DIRECTORY, 0o700)
        w.write(d, b"sparse", [E.chunk(5000, 200000, cid, 10, len(big)),
                               E.inline(1 << 20, b"tail")], (1 << 20) + 9,
                mtime=1600000000123456789, mode=0o640)
        f, _, _ = w.write(E.ROOT, b"f\xff\n", [E.inline(0, b"hi")], 2)
        w.add(E.place(f, w.next_dot(), d, b"hard"))
        w.add(E.xattr(f, b"user.a", b"1"))
        w.add(E.xattr(f, b"user.b", b"2"))
        w.add(E.xattr(f, b"user.a", None))
        w.create(E.ROOT, b"link", E.SYMLINK, 0o777, target=b"../../x")
        w.create(E.ROOT, b"fifo", E.FIFO)
        w.create(E.ROOT, b"empty")
        if os.geteuid() == 0:
            w.create(E.ROOT, b"socket", E.SOCKET)
            w.create(E.ROOT, b"null", E.CHAR, rdev=(1, 3))
            w.create(E.ROOT, b"disk", E.BLOCK, rdev=(7, 300), uid=7, gid=8)
        w.seal()
        listed = self.json()
        out = os.path.join(self.folder, "out")
        status, _, err = self.run_reader("extract", out)
        self.assertEqual(status, 0, err)
        sparse = read(out + "/dir/sparse")
        self.assertEqual(sparse[5000:205000], big[10:200010])
        self.assertEqual(sparse[205000:], bytes((1 << 20) - 205000) +
                         b"tail" + bytes(5))
        self.assertLess(os.stat(out + "/dir/sparse").st_blocks, 900)
        self.assertEqual(os.listxattr(os.fsencode(out) + b"/f\xff\n"),
                         ["user.b"])
        seen = {".": out}
        for folder, dirs, files in os.walk(out):
            for name in dirs + files:
                full = os.path.join(folder, name)
                seen[os.path.relpath(full, out)] = full
        self.assertEqual(set(seen), set(listed))
        for path, full in seen.items():
            st, d = os.lstat(full), listed[path]
            self.assertEqual(stat.S_IFMT(st.st_mode), reader.PREFIX[
                {k: n for n, k in reader.KINDS.items()}[d["kind"]]])
            if d["kind"] != "symlink":
                self.assertEqual(stat.S_IMODE(st.st_mode), d["mode"], path)
            else:
                self.assertEqual(os.readlink(full), d["target"])
            if d["kind"] == "file":
                self.assertEqual(st.st_size, d["size"])
                h = reader.hashlib.sha256(read(full))
                self.assertEqual(h.hexdigest(), d["sha256"])
            if d["rdev"]:
                self.assertEqual([os.major(st.st_rdev), os.minor(st.st_rdev)],
                                 d["rdev"])
            if d["kind"] != "directory":
                self.assertEqual(st.st_nlink, d["nlink"])
            self.assertEqual(st.st_mtime_ns, d["mtime_ns"], path)
            if os.geteuid() == 0:
                self.assertEqual((st.st_uid, st.st_gid), (d["uid"], d["gid"]))
        self.assertEqual(self.run_reader("check")[0], 0)

    def test_extraction_refuses_a_directory_in_use(self):
        self.vault()[1].seal()
        out = os.path.join(self.folder, "out")
        os.mkdir(out)
        os.symlink("/", out + "/x")
        self.assertEqual(self.run_reader("extract", out)[0], 1)
        os.symlink(self.folder, os.path.join(self.folder, "ln"))
        self.assertEqual(self.run_reader("extract", os.path.join(
            self.folder, "ln"))[0], 1)

    def test_a_change_keeps_what_it_does_not_name(self):
        v, w = self.vault()
        f, _, v1 = w.write(E.ROOT, b"f", [E.inline(0, b"abcdefghij")], 10)
        v2 = w.add(E.content(f, [E.inline(2, b"XY"), E.hole(5, 2),
                                 E.inline(10, b"!")], 12, base=v1,
                             replaces=[v1]))
        w.add(E.content(f, [E.inline(8, b"Z")], 9, base=v2, replaces=[v2]))
        w.seal()
        out = os.path.join(self.folder, "out")
        self.assertEqual(self.run_reader("extract", out)[0], 0)
        self.assertEqual(read(out + "/f"), b"abXYe\0\0hZ")

    def test_many_levels_need_no_recursion(self):
        v, w = self.vault()
        at = E.ROOT
        for _ in range(1500):
            at, _ = w.create(at, b"d", E.DIRECTORY, 0o755)
        w.write(at, b"f", [E.inline(0, b"deep")], 4)
        w.seal()
        self.assertEqual(len(self.names()), 1501)
        status, _, err = self.run_reader("extract", self.folder + "/out")
        self.assertEqual(status, 0, err)

    def test_times_follow_the_operations(self):
        v, w = self.vault()
        d, _ = w.create(E.ROOT, b"d", E.DIRECTORY, 0o755)
        e, _ = w.create(E.ROOT, b"e", E.DIRECTORY, 0o755)
        f, dot, ver = w.write(d, b"f", [], 0, mtime=77)
        w.clock = ms(DAY + 5000)
        w.add(E.place(f, dot, e, b"g", (d, b"f"), [dot]))
        w.clock = ms(DAY + 9000)
        w.add(E.attr(f, mtime=88, ctime=99))
        w.seal()
        s = self.json()
        moved = (DAY + 5000) * 10**6
        self.assertEqual((s["d"]["mtime_ns"], s["d"]["ctime_ns"]),
                         (moved, moved))
        self.assertEqual(s["e"]["mtime_ns"], moved)
        self.assertEqual((s["e/g"]["mtime_ns"], s["e/g"]["ctime_ns"]),
                         (88, 99))
        self.assertEqual(s["."]["mtime_ns"], DAY * 10**6)


class Credentials(Case):
    def test_each_kind_opens_its_slot(self):
        v, w = self.vault()
        w.seal()
        words = reader.slots.word_list()
        entropy = struct.pack("<22H", *[n % 2048 for n in
                                        range(100, 2300, 100)])
        key = b"k" * 32
        f = E.hashed(64, b"cofr-kfl" + key)
        v.add_slot(2, f)
        v.add_slot(3, f + b"both")
        v.add_slot(4, entropy)
        text = E.recovery_key(words, entropy)
        recovery = self.file("recovery", text.encode())
        keyfile, both = self.file("key", key), self.file("both", b"both")
        short = self.file("short", " - ".join(
            w[:4].upper() for w in text.split()).encode() + b"\n")
        for how in (["--key-file", keyfile], ["--recovery-file", recovery],
                    ["--key-file", keyfile, "--passfile", both],
                    ["--recovery-file", short]):
            self.assertEqual(self.run_reader("ls", credential=how)[0], 0, how)
        swapped = text.split()
        swapped[3], swapped[4] = swapped[4], swapped[3]
        wrong = self.file("wrong", " ".join(swapped).encode())
        for how in (["--passfile", both], ["--key-file", both],
                    ["--passfile", self.file("empty", b"\n")],
                    ["--recovery-file", wrong]):
            self.assertEqual(self.run_reader("ls", credential=how)[0], 10, how)

    def test_what_is_no_vault_is_told(self):
        os.mkdir(self.path)
        self.assertEqual(self.run_reader("ls")[0], 11)
        self.file("vault/VAULT", b"something else")
        self.assertEqual(self.run_reader("ls")[0], 11)
        self.path += "x"
        self.assertEqual(self.run_reader("ls")[0], 11)


class Header(Case):
    def broken(self, at, value, code, mac=True):
        v, w = self.vault()
        data = bytearray(v.header)
        data[at:at + len(value)] = value
        if mac:
            data[96:] = E.hashed(32, bytes(data[:96]), v.keys.hdr)
            shutil.rmtree(self.path + "/k")
            v.header = bytes(data)
            v.add_slot(1, W.PASS)
        v.put("VAULT", bytes(data))
        self.assertEqual(self.run_reader("ls")[0], code, (at, value))
        shutil.rmtree(self.path)

    def test_each_field_is_checked(self):
        self.broken(0, b"X", 11)
        self.broken(8, b"\2", 16)                   # version
        self.broken(12, b"\x81", 12)                # length
        self.broken(32, b"\1", 16)                  # incompatible feature
        self.broken(48, b"\1", 0)                   # compatible feature
        for i in (0, 1, 2, 3, 4):
            self.broken(56 + i, b"\x63", 16)        # algorithms
        self.broken(62, b"\1", 16)
        self.broken(64, struct.pack("<I", 4095), 12)
        self.broken(72, struct.pack("<I", (4 << 20) + 1), 12)
        self.broken(68, struct.pack("<I", 1000), 12)
        self.broken(80, b"\1", 12)                  # reserved
        self.broken(100, b"\0\0", 12, mac=False)
        self.broken(68, struct.pack("<I", 256 << 10), 12, mac=False)

    def test_a_header_the_slots_do_not_know_is_refused(self):
        v, w = self.vault()
        v.put("VAULT", E.header(v.keys, (0, 0, 8)))     # MAC right
        self.refused(12, "not the header the key slot knows")


class Epochs(Case):
    def rotate(self, v, w):
        """A new epoch, as chapter 5 says; the old slot is gone."""
        new = E.Epoch(2, v.keys.random(32))
        w.epoch = v.keys.epoch
        w.add(E.epoch_op(2, new.id))
        w.seal()
        v.keys.epochs.append(new)
        os.unlink(os.path.join(self.path, v.slot))
        v.slot = v.add_slot(1, W.PASS)
        w.epoch = None
        w.add(E.nop())
        w.seal()

    def test_old_and_new_are_read(self):
        v, a = self.vault(A)
        cid, = a.pack(b"old" * 100)
        a.write(E.ROOT, b"old", [E.chunk(0, 300, cid, 0, 300)], 300)
        a.seal()
        self.rotate(v, a)
        a.pack(b"new" * 100)
        a.create(E.ROOT, b"new")
        a.seal()
        self.assertEqual(self.names(), ["new", "old"])
        self.assertEqual(self.run_reader("check")[0], 0)

    def test_an_old_segment_nobody_vouches_for_is_held(self):
        v, a, b = self.vault(A, B)
        a.seal()
        b.create(E.ROOT, b"known")
        b.epoch = v.keys.epoch
        b.seal()
        a.knows(b)
        self.rotate(v, a)
        b.create(E.ROOT, b"late")               # sealed under epoch 1
        b.seal()
        self.assertEqual(self.names(12), ["known"])
        self.refused(12, "held: of an old epoch")
        status, lines, _ = self.run_reader("ls", credential=[
            "--passfile", self.passfile, "--accept-held"])
        self.assertEqual(lines, ["known", "late"])
        b.knows(a)                              # back, and vouches itself
        b.epoch = None
        b.add(E.nop())
        b.seal()
        self.assertEqual(self.names(), ["known", "late"])

    def test_an_epoch_must_be_announced(self):
        v, a = self.vault(A)
        v.keys.epochs.append(E.Epoch(2, v.keys.random(32)))
        v.add_slot(1, W.PASS)
        a.create(E.ROOT, b"x")
        a.seal()
        self.refused(12, "never announced")

    def test_the_epoch_of_a_log_never_falls(self):
        v, a, b = self.vault(A, B)
        old = v.keys.epoch
        self.rotate(v, a)
        a.epoch = old
        a.seal()
        b.knows(a)
        b.seal()
        self.refused(12, "the epoch falls")

    def test_an_old_slot_reads_what_its_keys_open(self):
        v, a = self.vault(A)
        a.create(E.ROOT, b"x")
        a.seal()
        slot = read(os.path.join(self.path, v.slot))
        self.rotate(v, a)
        shutil.rmtree(self.path + "/k")
        v.put("k/" + E.hashed(16, slot).hex(), slot)
        self.assertEqual(self.names(1), ["x"])

    def test_a_feature_of_later_refuses_the_vault(self):
        v, a = self.vault(A)
        a.add(E.feature(1))
        a.seal()
        self.assertEqual(self.run_reader("ls")[0], 16)


class Merging(Case):
    """Corners of chapter 9 that random schedules reach rarely."""

    def conflict(self, name):
        """What a file is shown as that lost `name`."""
        v, a, b = self.vault(A, B)
        for w, data in ((a, b"1"), (b, b"2")):
            w.write(E.ROOT, name, [E.inline(0, data)], 1)
            w.seal()
        paths = [os.fsencode(p) for p in self.json() if p != "."]
        shutil.rmtree(self.path)
        return sorted(paths, key=lambda p: p != name)[1]

    def test_conflict_names(self):
        tail = b" (conflict devA 2023-11-14 221320)"
        n = len(tail)
        for name, shown in (
                (b"f", b"f" + tail),
                (b"f.txt", b"f" + tail + b".txt"),
                (b"a.tar.gz", b"a.tar" + tail + b".gz"),
                (b".profile", b".profile" + tail),
                (b"f.", b"f" + tail + b"."),
                (b"x" * 255, b"x" * (255 - n) + tail),
                (b"x" * 250 + b".txt", b"x" * (251 - n) + tail + b".txt"),
                # an extension that makes the tail longer than 127 bytes
                (b"x." + b"y" * (127 - n - 1),
                 b"x" + tail + b"." + b"y" * (127 - n - 1)),
                (b"x." + b"y" * (127 - n), b"x." + b"y" * (127 - n) + tail),
                # no character is cut in two ...
                ("é".encode() * 127, "é".encode() * ((255 - n) // 2) + tail),
                ("€".encode() * 85, "€".encode() * ((255 - n) // 3) + tail),
                # ... but bytes that are no text are cut where they are
                (b"\xff" + "é".encode() * 127,
                 (b"\xff" + "é".encode() * 127)[:255 - n] + tail)):
            self.assertEqual(self.conflict(name), shown, name)

    def test_a_generated_name_is_free(self):
        v, a, b, c = self.vault(A, B, C)
        taken = b"f (conflict devA 2023-11-14 221320)"
        for w, data in ((a, b"1"), (b, b"2")):
            w.write(E.ROOT, b"f", [E.inline(0, data)], 1)
        c.write(E.ROOT, taken, [], 0)
        for w in (a, b, c):
            w.seal()
        self.assertEqual(self.names(), [
            "f", "f (conflict devA 2023-11-14 221320 2)", taken.decode()])

    def test_a_device_without_a_name_is_its_number(self):
        v, a, b = self.vault(A, B)
        a.ops.clear()
        for w, data in ((a, b"1"), (b, b"2")):
            w.write(E.ROOT, b"f", [E.inline(0, data)], 1)
            w.seal()
        self.assertIn("f (conflict a000000000000001 2023-11-14 221320)",
                      self.names())

    def test_a_device_keeps_its_first_name(self):
        v, a, b = self.vault(A, B)
        a.add(E.device(17, A, 0, b"renamed"))
        b.add(E.device(16, A, 0, b"later"))
        for w, data in ((a, b"1"), (b, b"2")):
            w.write(E.ROOT, b"f", [E.inline(0, data)], 1)
            w.seal()
        self.assertIn("f (conflict devA 2023-11-14 221320)", self.names())

    def test_the_greatest_edge_of_a_cycle_falls_back(self):
        """The older directory made the newer move: its edge yields."""
        v, a, b = self.vault(A, B)
        x, dx = a.create(E.ROOT, b"x", E.DIRECTORY, 0o755)
        y, dy = a.create(E.ROOT, b"y", E.DIRECTORY, 0o755)
        a.seal()
        b.knows(a)
        a.add(E.place(y, dy, x, b"y", (E.ROOT, b"y"), [dy]))
        b.clock = ms(DAY + 1000)
        b.add(E.place(x, dx, y, b"x", (E.ROOT, b"x"), [dx]))
        a.seal()
        b.seal()
        self.assertEqual(self.names(), ["x", "x/y"])

    def test_a_cycle_without_a_way_back_ends_below_the_root(self):
        v, a, b = self.vault(A, B)
        name = "ü".encode() * 127
        x, dx = a.create(E.ROOT, name, E.DIRECTORY, 0o755)
        y, dy = a.create(E.ROOT, b"y", E.DIRECTORY, 0o755)
        a.seal()
        b.knows(a)
        a.add(E.place(y, dy, x, b"y", None, [dy]))
        b.clock = ms(DAY + 1000)
        b.add(E.place(x, dx, y, name, None, [dx]))
        a.seal()
        b.seal()
        shown = "recovered-" + "ü" * 122
        self.assertEqual(self.names(), [shown, shown + "/y"])

    def test_a_file_comes_back_where_nobody_moved_it_away_from(self):
        """A renames, B (whose clock is ahead) renames, both unlink what they
        see; C's write survives and shows at a place no PLACE replaced."""
        v, a, b, c = self.vault(A, B, C)
        f, dot, v1 = a.write(E.ROOT, b"f", [E.inline(0, b"1")], 1)
        a.seal()
        b.knows(a)
        c.knows(a)
        b.clock = ms(DAY + 50000)
        late = b.add(E.place(f, dot, E.ROOT, b"late", (E.ROOT, b"f"), [dot]))
        b.seal()
        a.vector[B] = (1, 1, b.previous)        # its clock is behind
        here = a.add(E.place(f, dot, E.ROOT, b"here", (E.ROOT, b"late"),
                             [late]))
        a.add(E.unlink(f, dot, E.ROOT, True, kills=[here], deletes=[v1]))
        a.seal()
        c.add(E.content(f, [E.inline(0, b"2")], 1, base=v1, replaces=[v1]))
        c.seal()
        self.assertEqual(self.names(), ["here"])

    def test_a_split_file_unlinked_does_not_come_back_by_itself(self):
        """Its first version alone is no reason to: its first place is."""
        v, a = self.vault(A)
        f, dot, v1 = a.write(E.ROOT, b"f", [E.inline(0, b"1")], 1)
        clock = a.clock
        a.add(E.content(f, [E.inline(0, b"2")], 1))
        a.add(E.split(f, v1, clock), more=True)
        a.add(E.pin(f, v1, E.ROOT, b"s"))
        a.seal()
        self.assertEqual(self.names(), ["f", "s"])
        a.add(E.unlink(E.split_inode(v1), v1, E.ROOT, False, kills=[v1]))
        a.seal()
        self.assertEqual(self.names(), ["f"])

    def test_of_deleted_versions_the_one_deleted_last_shows(self):
        v, a, b, c = self.vault(A, B, C)
        f, dot, v1 = a.write(E.ROOT, b"f", [E.inline(0, b"one")], 3)
        a.seal()
        b.knows(a)
        c.knows(a)
        va = a.add(E.content(f, [E.inline(0, b"older")], 5, base=v1,
                             replaces=[v1]))
        a.seal()
        b.clock = ms(DAY + 1000)
        vb = b.add(E.content(f, [E.inline(0, b"newest!")], 7, base=v1,
                             replaces=[v1]))
        b.clock = ms(DAY + 2000)
        b.add(E.unlink(f, dot, E.ROOT, True, kills=[dot], deletes=[vb]))
        b.seal()
        a.clock = ms(DAY + 3000)
        a.add(E.unlink(f, dot, E.ROOT, True, kills=[dot], deletes=[va]))
        a.seal()
        c.add(E.place(f, dot, E.ROOT, b"kept", (E.ROOT, b"f"), [dot]))
        c.seal()
        self.assertEqual(self.json()["kept"]["size"], 5)

    def test_losers_of_one_name_are_served_in_order_of_their_keys(self):
        v, a, b, c = self.vault(A, B, C)
        # the greater writer has the lesser clock, the same second and name
        for w, clock, data in ((a, 7, b"a"), (b, 3, b"b"), (c, 9, b"c")):
            w.ops[0] = E.operation(*E.device(16, w.number, 0, b"same"),
                                   ms(DAY))
            w.clock = ms(DAY) + clock * 10
            w.write(E.ROOT, b"f", [E.inline(0, data)], 1)
            w.seal()
        sums = {d["sha256"][:8]: p for p, d in self.json().items()
                if p != "."}
        self.assertEqual(
            {p: d for d, p in sums.items()}, {
                "f": reader.hashlib.sha256(b"c").hexdigest()[:8],
                "f (conflict same 2023-11-14 221320)":
                    reader.hashlib.sha256(b"b").hexdigest()[:8],
                "f (conflict same 2023-11-14 221320 2)":
                    reader.hashlib.sha256(b"a").hexdigest()[:8]})


if __name__ == "__main__":
    unittest.main()
