# SPDX-License-Identifier: ISC
"""A small writer of valid vaults, for testing the reader by itself."""
import os
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                   "vault-format")
sys.path[:0] = [TOP, os.path.join(TOP, "vectors")]

import encode as E  # noqa: E402

PASS = b"correct horse"


def ms(clock_ms, counter=0):
    return clock_ms << 16 | counter


class Writer:
    """One writer's log; batches become segments."""

    def __init__(self, vault, number):
        self.vault, self.number, self.seq = vault, number, 0
        self.previous, self.head = bytes(32), None
        self.vector, self.ops, self.packs = {}, [], []
        self.clock, self.required, self.epoch = 0, [], None
        self.segments = []

    def knows(self, *others):
        """Takes over all that other writers have sealed, and what they
        knew."""
        for w in others:
            for n, v in list(w.vector.items()) + [
                    (w.number, (w.seq, w.seq, w.previous))]:
                if n != self.number and v[0] > self.vector.get(n, (0,))[0]:
                    self.vector[n] = v
            self.clock = max(self.clock, w.clock)

    def add(self, op, clock=None, more=False, skip=False):
        """Appends an operation; its dot."""
        kind, payload = op
        self.clock = clock or self.clock + 1
        self.ops.append(E.operation(kind, payload, self.clock,
                                    (1 if more else 0) | (2 if skip else 0)))
        return (self.number, self.seq + 1, len(self.ops) - 1)

    def next_dot(self, ahead=0):
        return (self.number, self.seq + 1, len(self.ops) + ahead)

    def inode(self):
        self.vault.serial += 1
        return (self.clock + 1, (self.number & 0xffffffff) << 32 |
                self.vault.serial)

    def pack(self, *chunks):
        p = E.Pack(self.vault.keys, self.number, chunks, epoch=self.epoch)
        self.packs.append(p)
        return [self.vault.keys.content_id(c) for c in chunks]

    def seal(self, write=True, body=None):
        """The segment of what was added; written into the vault."""
        self.seq += 1
        body = body or E.segment_body(
            self.ops, self.previous,
            [(n,) + v for n, v in self.vector.items()], self.packs,
            self.required, self.clock)
        data = E.segment(self.vault.keys, self.number, self.seq, body,
                         self.epoch)
        self.previous = E.hashed(32, data)
        path = E.segment_path(self.number, self.seq, data)
        if write:
            for p in self.packs:
                self.vault.put(p.path, p.data)
            self.vault.put(path, data)
        self.segments.append((path, data, self.packs))
        self.ops, self.packs, self.required = [], [], []
        return path

    # -- a few whole calls

    def create(self, parent, name, kind=E.FILE, mode=0o644, **more):
        ino = self.inode()
        self.add(E.mknod(ino, kind, mode, **more), more=True)
        dot = self.next_dot()
        self.add(E.place(ino, dot, parent, name))
        return ino, dot

    def write(self, parent, name, extents, size, mtime=0, **more):
        ino, dot = self.create(parent, name, **more)
        version = self.add(E.content(
            ino, extents, size, mtime, mtime,
            replaces=[(dot[0], dot[1], dot[2] - 1)]))
        return ino, dot, version


class Vault:
    """An empty vault below `path`, opened by PASS."""

    def __init__(self, path, seed="vault"):
        self.path, self.serial = path, 0
        self.keys = E.Keys(E.Stream(seed))
        self.header = E.header(self.keys)
        os.makedirs(path)
        self.put("VAULT", self.header)
        self.slot = self.add_slot(1, PASS)

    def add_slot(self, kind, secret):
        name, data = E.slot(self.keys, kind, secret, self.header[96:])
        self.put("k/" + name, data)
        return "k/" + name

    def writer(self, number):
        return Writer(self, number)

    def put(self, name, data):
        full = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(data)
