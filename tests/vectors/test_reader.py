#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""vault-format/reader.py by itself: small vaults made by mini_writer.py."""
import contextlib
import functools
import importlib.util
import io
import json
import os
import random
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import need_nacl  # noqa: E402,F401
import mini_writer as W  # noqa: E402

E, ms = W.E, W.ms
READER = os.path.join(W.TOP, "reader.py")
spec = importlib.util.spec_from_file_location("reader", READER)
reader = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reader)

A, B, C = 0xa000000000000001, 0xb000000000000002, 0xc000000000000003
DAY = 1700000000000         # 2023-11-14 22:13:20 UTC


# the same few passphrases and salts over and over
for module in (E, reader.slots):
    module.crypto_pwhash_alg = functools.lru_cache(module.crypto_pwhash_alg)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(subprocess.run, ["rm", "-rf", self.folder],
                        check=True)
        self.path = os.path.join(self.folder, "vault")
        self.passfile = self.file("pass", W.PASS + b"\n")

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        write(path, data)
        return path

    def run_reader(self, *args, credential=None):
        """(status, lines on standard output, standard error)"""
        out, err = io.StringIO(), io.StringIO()
        argv, sys.argv = sys.argv, ["reader.py"] + (
            credential or ["--passfile", self.passfile]) + [
            self.path, *args]
        try:
            with contextlib.redirect_stdout(out), \
                    contextlib.redirect_stderr(err):
                status = reader.main()
        finally:
            sys.argv = argv
        return status, out.getvalue().splitlines(), err.getvalue()

    def names(self, status=0):
        got, lines, err = self.run_reader("ls")
        self.assertEqual(got, status, err)
        return lines

    def json(self):
        status, lines, err = self.run_reader("ls", "--json", "--hash")
        self.assertEqual(status, 0, err)
        return {d["path"]: d for d in map(json.loads, lines)}

    def refused(self, code=12, reason=""):
        status, _, err = self.run_reader("check")
        self.assertEqual(status, code, err)
        self.assertIn(reason, err)
        return err

    def vault(self, *numbers):
        """A vault and writers whose logs begin with their names."""
        v = W.Vault(self.path)
        writers = [v.writer(n) for n in numbers or (A,)]
        for i, w in enumerate(writers):
            w.clock = ms(DAY) + i
            w.add(E.device(16, w.number, 0, b"dev" + b"ABC"[i:i + 1]))
        return (v, *writers)


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
