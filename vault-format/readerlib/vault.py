# SPDX-License-Identifier: ISC
"""A vault: its files, the order of its segments, its chunks (chapters 3, 7,
9 and 10)."""
import os
import re
import struct
from collections import OrderedDict

from . import segments
from .files import Folder, read_at
from .keys import blake2b
from .merge import State, View
from .ops import CHUNK, decode_all
from .packs import HEADER, open_record
from .segments import Segment, parse_name, wrap
from .slots import HEADER_BYTES, Header, SLOT_BYTES, Slot, open_slots
from .wire import NOT_VAULT, Problem, newer, require

WRITER = re.compile(r"(?!0{16})[0-9a-f]{16}")
SLOT_NAME = re.compile(r"[0-9a-f]{32}")
OPEN_PACKS, KEPT_CHUNKS = 64, 32


class Vault:
    """Reads everything but the packs; `problems` collects what is wrong."""

    def __init__(self, path, slot_type, secret, accept_held=False):
        self.problems, self.foreign, self.held = [], [], []
        self.files, self.kept = OrderedDict(), OrderedDict()
        try:
            self.top = Folder.open(path)
        except OSError as e:
            raise Problem(e.strerror, path, NOT_VAULT) from None
        self._header()
        self._keyring(slot_type, secret)
        self.logs = self._segments()
        self._forks()
        covered = None if accept_held else self._covered()
        self.stopped = {}               # writer -> (seq, Problem)
        while not self._apply(covered):
            pass
        if self.features:
            raise newer("the vault's features %#x" % self.features)
        self.problems += [p for _, p in self.stopped.values()]
        self._list_held()
        self.view = View(self.state)

    # -- header, slots

    def _header(self):
        if "VAULT" not in self.top.names():
            raise Problem("not a vault: no file VAULT", self.top.path,
                          NOT_VAULT)
        where = self.top.where("VAULT")
        data = self.top.read("VAULT", 0, 1 << 20)
        if data[:8] == b"COFFERV1" and len(data) < HEADER_BYTES:
            raise Problem("not of the size of a header", where)
        self._strangers(self.top, ("VAULT", "k", "w"))
        # Another version's may be longer.
        self.header = wrap(where, Header, data[:HEADER_BYTES])
        if len(data) != HEADER_BYTES:
            raise Problem("not of the size of a header", where)
        self.uuid = self.header.uuid

    def _keyring(self, slot_type, secret):
        slots = []
        with self.top.folder("k") as k:
            for name in k.names():
                if not SLOT_NAME.fullmatch(name):
                    self.foreign.append(k.where(name))
                    continue
                try:
                    data = k.read(name, SLOT_BYTES, SLOT_BYTES)
                    slots.append((k.where(name), wrap(
                        k.where(name), Slot, name, data, self.uuid)))
                except Problem as p:
                    self.problems.append(p)
        try:
            self.keyring, problems = open_slots(slots, slot_type, secret)
        except Problem:
            if self.problems:           # perhaps the slot it was meant for
                raise self.problems[0] from None
            raise
        self.problems += problems
        wrap(self.top.where("VAULT"), self.header.verify, self.keyring)

    # -- segments: reading

    def _segments(self):
        """{writer: {seq: [Segment]}} of all that is authentic."""
        logs = {}
        with self.top.folder("w") as w:
            for name in w.names():
                if not WRITER.fullmatch(name):
                    self.foreign.append(w.where(name))
                    continue
                with w.folder(name) as folder, folder.folder("l") as log:
                    self._strangers(folder, ("d", "l", "m"))
                    self._log(log, int(name, 16), logs)
        return logs

    def _strangers(self, folder, known):
        self.foreign += [folder.where(n) for n in folder.names()
                         if n not in known]

    def _log(self, log, writer, logs):
        for name in log.names():
            parsed = parse_name(name)
            if parsed is None:
                self.foreign.append(log.where(name))
                continue
            seq, prefix = parsed
            try:
                data = log.read(name, segments.FILE_MIN, segments.FILE_MAX)
                one = wrap(log.where(name), Segment, data, log.where(name),
                           self.uuid, writer, seq, prefix, self.keyring,
                           self.header.chunk_max)
            except Problem as p:
                self.problems.append(p)
                continue
            logs.setdefault(writer, {}).setdefault(seq, []).append(one)

    def _forks(self):
        """Two authentic segments of one number: neither counts."""
        for writer, log in self.logs.items():
            for seq in [s for s, found in log.items() if len(found) > 1]:
                paths = " and ".join(s.path for s in log[seq])
                self.problems.append(Problem(
                    "two histories of one device: a fork", paths))
                del log[seq]
            self.logs[writer] = {seq: one for seq, (one,) in log.items()}

    def _covered(self):
        """Epoch rule 2: what those of the newest epoch lead to by
        hashes; None if every segment counts."""
        newest = self.keyring.newest
        if newest == 1:
            return None
        covered, todo = set(), [s for log in self.logs.values()
                                for s in log.values() if s.epoch == newest]
        while todo:
            s = todo.pop()
            causes = [(s.writer, s.seq - 1, s.previous)]
            causes += [(w, s.context[w], h) for w, h in s.heads.items()]
            for w, n, head in causes:
                cause = self.logs.get(w, {}).get(n)
                if cause and cause.hash == head and cause not in covered:
                    covered.add(cause)
                    todo.append(cause)
        return covered

    # -- segments: applying

    def _apply(self, covered):
        """One pass over all segments in causal order.  False if one turned
        out malformed: what it did so far must not stay, so begin again."""
        self.state, self.applied = State(), {}
        self.chunks, self.packs = {}, {}    # content id -> [(Pack, Entry)]
        self.epochs, self.dropped, self.features = set(), set(), 0
        again = True
        while again:
            again = False
            for writer, log in self.logs.items():
                while self._ready(writer, log, covered):
                    seq = self.applied.get(writer, 0) + 1
                    try:
                        self._apply_one(log[seq], log.get(seq - 1))
                    except Problem as p:
                        p.where = p.where or log[seq].path
                        self.stopped[writer] = (seq, p)
                        return False
                    self.applied[writer] = seq
                    again = True
        return True

    def _ready(self, writer, log, covered):
        seq = self.applied.get(writer, 0) + 1
        if seq not in log or self.stopped.get(writer, (1 << 63,))[0] <= seq:
            return False
        s = log[seq]
        if covered is not None and s.epoch < self.keyring.newest and \
                s not in covered:
            return False
        return all(self.applied.get(w, 0) >= n for w, n in s.context.items())

    def _apply_one(self, s, before):
        s.follows(before)
        for w, head in s.heads.items():
            require(self.logs[w][s.context[w]].hash == head, "knows another "
                    "segment %d of writer %016x: a fork" % (s.context[w], w))
        require(s.epoch == 1 or (s.epoch, self.keyring.find(
            s.epoch, s.id8).id) in self.epochs, "an epoch never announced")
        for pack in s.packs:
            self._announce(pack)
        self.state.begin(s)
        for op in decode_all(s):
            if op is not None:
                self._check(op)
                self.state.apply(op)

    def _announce(self, pack):
        known = self.packs.setdefault((pack.writer, pack.name), pack)
        require((known.size, known.raw) == (pack.size, pack.raw),
                "a pack announced twice, differing")
        if known is pack:
            for e in pack.entries:
                self.chunks.setdefault((pack.kind, e.id), []).append((pack, e))

    def _check(self, op):
        """What an operation says about chunks, epochs, features, packs."""
        if op.type == 4:
            for e in op.extents:
                if e.kind == CHUNK:
                    found = self.chunks.get((1, e.data[0]))
                    require(found, "a chunk never announced")
                    require(found[0][1].plain == e.data[2],
                            "a chunk of another length")
        elif op.type == 32:
            self.epochs.add((op.number, op.key_id))
        elif op.type == 33:
            self.features |= op.incompatible
        elif op.type == 34:
            self.dropped.add((op.dot[0], op.pack))

    def _list_held(self):
        for writer, log in sorted(self.logs.items()):
            n = self.applied.get(writer, 0)
            for seq in sorted(s for s in log if s > n):
                if writer not in self.stopped or \
                        self.stopped[writer][0] != seq:
                    self.held.append((log[seq], self._why(log[seq], n)))

    def _why(self, s, n):
        if s.writer in self.stopped:
            return "its writer's log stopped at %d" % self.stopped[s.writer][0]
        if s.seq != n + 1:
            return "waits for segment %d of its writer" % (s.seq - 1)
        for w, seq in s.context.items():
            if self.applied.get(w, 0) < seq:
                return "waits for segment %d of writer %016x" % (seq, w)
        return "of an old epoch, and no segment of the newest leads to it"

    # -- chunks

    def chunk(self, cid):
        """The bytes of a data chunk, from whichever pack has it whole."""
        if cid in self.kept:
            self.kept.move_to_end(cid)
            return self.kept[cid]
        failed = None
        for pack, entry in self.chunks[1, cid]:
            try:
                data = wrap(self.top.where(pack.path), self._record, pack,
                            entry)
            except Problem as p:
                failed = failed or p
                continue
            self.kept[cid] = data
            if len(self.kept) > KEPT_CHUNKS:
                self.kept.popitem(last=False)
            return data
        raise failed

    def _record(self, pack, entry):
        fd = self.pack_file(pack)
        return open_record(
            self.keyring.find(pack.epoch, pack.id8), self.keyring.vault,
            self.uuid, pack.kind, entry,
            read_at(fd, entry.offset, entry.stored))

    def pack_file(self, pack):
        """A descriptor of a pack whose size and header are as announced."""
        key = (pack.writer, pack.name)
        if key in self.files:
            self.files.move_to_end(key)
            return self.files[key]
        _, writer, d, first, name = pack.path.split("/")
        with self.top.folder("w") as w, w.folder(writer) as folder, \
                folder.folder(d) as packs, packs.folder(first) as inner:
            fd, size = inner.file(name)
        try:
            require(size == pack.size, "not of the size announced")
            require(read_at(fd, 0, HEADER) == pack.header(self.uuid),
                    "not the header announced")
        except Problem:
            os.close(fd)
            raise
        self.files[key] = fd
        if len(self.files) > OPEN_PACKS:
            os.close(self.files.popitem(last=False)[1])
        return fd

    def loose_packs(self):
        """Files among the packs that no segment applied announces: still to
        be announced, or foreign."""
        known = {self.top.where(p.path) for p in self.packs.values()}
        out = []
        with self.top.folder("w") as w:
            for name in filter(WRITER.fullmatch, w.names()):
                with w.folder(name) as folder, folder.folder("d") as d:
                    for first in d.names():
                        with d.folder(first) as packs:
                            out += [packs.where(n) for n in packs.names()]
        return [path for path in out if path not in known]

    def fingerprint(self):
        """Of the segments applied, to compare with another device's."""
        newest = max(self.keyring.epochs.values(), key=lambda k: k.epoch)
        heads = b"".join(struct.pack("<QQ32s", w, n, self.logs[w][n].hash)
                         for w, n in sorted(self.applied.items()))
        return blake2b(20, b"cofr-fpr", self.header.mac, newest.id, heads)
