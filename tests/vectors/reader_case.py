# SPDX-License-Identifier: ISC
"""What the tests of vault-format/reader.py share."""
import contextlib
import functools
import importlib.util
import io
import json
import os
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
