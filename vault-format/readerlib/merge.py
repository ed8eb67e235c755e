# SPDX-License-Identifier: ISC
"""State and view (chapter 9): the folder as a function of the operations.

A key is (clock, writer, seq, index): the clock of an operation and its dot.
An inode id is (time, tail); a dot is (writer, seq, index).
"""
import time
from bisect import bisect_left, bisect_right
from collections import namedtuple

from .keys import blake2b
from .ops import DIRECTORY, DOT, FILE, INLINE, INODE, ROOT
from .wire import require

NAME_MAX = 255
# what a place dot or a claim records; a split inode's first place has no
# parent and name: its pin has
Place = namedtuple("Place", "inode link parent name origin")


def split_inode(version):
    """The inode every device derives for a version split from its file."""
    return INODE.unpack(blake2b(16, b"cofr-spl", DOT.pack(*version)))


class Inode:
    def __init__(self, kind, target=b"", rdev=(0, 0), version=None):
        self.kind, self.target, self.rdev = kind, target, rdev
        self.split = version            # of a split inode: its version
        self.links, self.claims = {}, set()     # links: {link: set of dots}
        self.versions, self.registers = set(), {}


class State:
    """What merging remembers.  It depends on the set of operations only."""

    def __init__(self):
        root = Inode(DIRECTORY)
        root.registers = {name: ((0, 0, 0, 0), value) for name, value in (
            ("mode", 0o755), ("owner", (0, 0)), ("atime", 0), ("mtime", 0),
            ("ctime", 0))}
        self.inodes = {ROOT: root}
        self.clock = {}         # dot -> clock of its operation
        self.place = {}         # place or claim dot -> Place
        self.killed = set()     # places and claims replaced or unlinked
        self.moved = set()      # ... of which replaced by a PLACE
        self.version = {}       # version dot -> (inode it was made on, Op)
        self.replaced = set()   # versions replaced by a write
        self.deleted = {}       # version -> key of its newest deletion
        self.splits = set()     # versions that have their own inode
        self.pins = {}          # place dot -> (key, parent, name)
        self.devices = {}       # writer -> (key, first name)
        self.open_splits = set()
        self.contents = {}      # version -> its extents, once asked for

    def begin(self, segment):
        """The segment that the operations to come are from."""
        self.writer, self.seq = segment.writer, segment.seq
        self.context = segment.context
        self.open_splits.clear()

    def apply(self, op):
        """Adds one operation; its segment's context is already in."""
        if 2 <= op.type <= 8:
            require(op.inode in self.inodes, "an inode never made")
        if op.type in self.APPLY:
            self.APPLY[op.type](self, op)
        if not op.flags & 1:
            require(not self.open_splits, "a split version without a name")

    # -- checks

    def past(self, op, dots, known, what):
        """Dots must name what `known` holds, in the operation's past."""
        for d in dots:
            done = op.dot[1:] > d[1:] if d[0] == self.writer else \
                d[1] <= self.context.get(d[0], 0)
            require(done and d in known, "no such %s in its past" % what)

    def directory(self, ino):
        node = self.inodes.get(ino)
        require(node is not None and node.kind == DIRECTORY and
                (node.links or ino == ROOT), "a parent that is no directory")

    def own(self, op, dots):
        self.past(op, dots, self.place, "place")
        for d in dots:
            require(self.place[d].inode == op.inode, "another inode's place")

    # -- operations

    def set(self, ino, op, **values):
        registers = self.inodes[ino].registers
        for name, value in values.items():
            self.register(registers, name, op.key, value)

    @staticmethod
    def register(registers, name, key, value):
        if name not in registers or registers[name][0] <= key:
            registers[name] = (key, value)

    def mknod(self, op):
        require(op.inode not in self.inodes, "an inode made twice")
        node = self.inodes[op.inode] = Inode(op.kind, op.target, op.rdev)
        self.set(op.inode, op, mode=op.mode, owner=(op.uid, op.gid),
                 atime=op.atime, mtime=op.mtime, ctime=op.ctime)
        if op.kind != DIRECTORY:
            node.versions.add(op.dot)
            self.version[op.dot] = (op.inode, op)
            self.clock[op.dot] = op.clock

    def place_(self, op):
        node = self.inodes[op.inode]
        if op.link == op.dot:
            require(node.kind != DIRECTORY or not node.links,
                    "a second name of a directory")
        else:
            require(op.link in node.links, "no such link")
            self.past(op, [op.link], self.place, "link")
        self.directory(op.parent)
        self.own(op, op.kills)
        if op.origin:
            self.directory(op.origin[0])
        node.links.setdefault(op.link, set()).add(op.dot)
        self.place[op.dot] = Place(op.inode, op.link, op.parent, op.name,
                                   op.origin)
        self.clock[op.dot] = op.clock
        self.killed.update(op.kills)
        self.moved.update(op.kills)
        now = (op.clock >> 16) * 10**6
        self.set(op.inode, op, ctime=now)
        self.set(op.parent, op, mtime=now, ctime=now)
        if op.origin:
            self.set(op.origin[0], op, mtime=now, ctime=now)

    def unlink(self, op):
        node = self.inodes[op.inode]
        require(op.link in node.links, "no such link")
        self.past(op, [op.link], self.place, "link")
        self.directory(op.parent)
        self.own(op, op.kills)
        self.past(op, op.deletes, node.versions, "version")
        self.killed.update(op.kills)
        for v in op.deletes:
            self.deleted[v] = max(op.key, self.deleted.get(v, op.key))
        if op.claim:
            node.claims.add(op.dot)
            self.place[op.dot] = Place(op.inode, op.link, op.parent, op.name,
                                       None)
            self.clock[op.dot] = op.clock
        now = (op.clock >> 16) * 10**6
        if node.kind != DIRECTORY:
            self.set(op.inode, op, ctime=now)
        self.set(op.parent, op, mtime=now, ctime=now)

    def content(self, op):
        node = self.inodes[op.inode]
        require(node.kind == FILE, "contents of something not a file")
        self.past(op, op.replaces, node.versions, "version")
        if not op.whole:
            self.past(op, [op.base], node.versions, "version")
        node.versions.add(op.dot)
        self.version[op.dot] = (op.inode, op)
        self.clock[op.dot] = op.clock
        self.replaced.update(op.replaces)
        self.set(op.inode, op, mtime=op.mtime, ctime=op.ctime)

    def pin(self, op):
        self.past(op, [op.target], self.place, "place")
        self.directory(op.parent)
        pin = (op.key, op.parent, op.name)
        self.pins[op.target] = max(pin, self.pins.get(op.target, pin))
        self.open_splits.discard(op.target)

    def split(self, op):
        v, node = op.version, self.inodes[op.inode]
        self.past(op, [v], node.versions, "version")
        require(self.clock[v] == op.version_clock, "another clock")
        self.splits.add(v)
        if v not in self.pins:
            self.open_splits.add(v)
        ino = split_inode(v)
        if ino not in self.inodes:
            new = self.inodes[ino] = Inode(node.kind, node.target, node.rdev,
                                           v)
            new.versions.add(v)
            new.links[v] = {v}
            self.place[v] = Place(ino, v, None, None, None)
        require(self.inodes[ino].split == v, "an inode made twice")

    def attr(self, op):
        self.set(op.inode, op, **op.set)

    def xattr(self, op):
        self.register(self.inodes[op.inode].registers, op.name, op.key,
                      None if op.remove else op.value)
        self.set(op.inode, op, ctime=op.ctime)

    def device(self, op):
        mine = (op.key, op.name)
        self.devices[op.writer] = min(mine, self.devices.get(op.writer, mine))

    APPLY = {1: mknod, 2: place_, 3: unlink, 4: content, 5: pin, 6: split,
             7: attr, 8: xattr, 16: device}

    # -- readings

    def key(self, dot):
        return (self.clock[dot],) + dot

    def where(self, dot):
        """(parent, name) of a place dot: its pin, else what it recorded."""
        if dot in self.pins:
            return self.pins[dot][1:]
        return self.place[dot].parent, self.place[dot].name

    def own_versions(self, ino):
        """Versions that no write replaced and no split took."""
        node = self.inodes[ino]
        return {v for v in node.versions if v not in self.replaced and
                (v not in self.splits or v == node.split)}

    def undeleted(self, ino):
        return {v for v in self.own_versions(ino) if v not in self.deleted}

    def alive(self, ino, link):
        """Surviving place dots; a split's first lives as its version does."""
        split = self.inodes[ino].split
        return {d for d in self.inodes[ino].links[link]
                if d not in self.killed and
                (d != split or d not in self.deleted and
                 d not in self.replaced)}

    def last_place(self, ino):
        """The newest place dot that no PLACE replaced."""
        return max((d for dots in self.inodes[ino].links.values()
                    for d in dots if d not in self.moved), key=self.key)

    def registers(self, ino):
        """{name: value}; a split inode has its origin's until it has own."""
        out, todo = {}, ino
        while todo is not None:
            node = self.inodes.get(todo)
            for name, (_, value) in node.registers.items() if node else ():
                out.setdefault(name, value)
            todo = self.version[node.split][0] if node and node.split else None
        return out

    def extents(self, v):
        """The normal form of a file's contents: (offset, length, source),
        source being bytes or (content id, offset in the chunk)."""
        if v not in self.contents:
            chain, at = [], v
            while at is not None and at not in self.contents:
                chain.append(at)
                op = self.version[at][1]
                at = op.base if op.type == 4 and not op.whole else None
            done = list(self.contents[at]) if at is not None else []
            for at in reversed(chain):
                op = self.version[at][1]
                if op.type == 4:
                    change(done, op)
            self.contents[v] = normal(done)
        return self.contents[v]

    def size(self, v):
        op = self.version[v][1]
        return op.size if op.type == 4 else 0

    def data(self, ino, v):
        """What R5 and R6 compare."""
        node = self.inodes[ino]
        if node.kind != FILE:
            return node.kind, node.target, node.rdev
        return node.kind, self.size(v), tuple(self.extents(v))


def cut(e, start, end):
    """The part of an extent within [start, end)."""
    at, length, source = e
    first, last = max(at, start), min(at + length, end)
    if isinstance(source, bytes):
        return first, last - first, source[first - at:last - at]
    return first, last - first, (source[0], source[1] + first - at)


def punch(extents, start, end, new):
    """Replaces what ascending extents hold in [start, end) by `new`."""
    def begin(e):
        return e[0]
    i = bisect_right(extents, start, key=begin)
    if i and sum(extents[i - 1][:2]) > start:
        i -= 1
    j = bisect_left(extents, end, lo=i, key=begin)
    middle = extents[i:j]
    if middle and middle[0][0] < start:
        new = [cut(middle[0], 0, start)] + new
    if middle and sum(middle[-1][:2]) > end:
        new = new + [cut(middle[-1], end, 1 << 63)]
    extents[i:j] = new


def change(extents, op):
    """Applies a CONTENT to the extents of its base, in place."""
    punch(extents, op.size, 1 << 63, [])
    for e in op.extents:
        source = e.data if e.kind == INLINE else e.data and e.data[:2]
        punch(extents, e.offset, e.offset + e.length,
              [(e.offset, e.length, source)] if source else [])


def normal(extents):
    """Extents that continue each other become one."""
    runs = []
    for e in extents:
        if runs and continues(runs[-1][-1], e):
            runs[-1].append(e)
        else:
            runs.append([e])
    return [(run[0][0], sum(e[1] for e in run),
             b"".join(e[2] for e in run) if isinstance(run[0][2], bytes)
             else run[0][2]) for run in runs]


def continues(a, b):
    if a[0] + a[1] != b[0] or type(a[2]) is not type(b[2]):
        return False
    return isinstance(a[2], bytes) or b[2] == (a[2][0], a[2][1] + a[1])


# ---------------------------------------------------------------- the view

class Member:
    """An inode's name behind an entry, or a version not yet split."""

    def __init__(self, ino, dot, parent, name, virtual=False, versions=()):
        self.ino, self.dot, self.parent, self.name = ino, dot, parent, name
        self.virtual, self.versions = virtual, versions


class Entry:
    """What a name shows: members[0]; the others are united directories or
    hidden twins."""

    def __init__(self, name, kind, members):
        self.name, self.kind, self.members = name, kind, members
        self.generated, self.children = False, {}

    @property
    def ino(self):
        m = self.members[0]
        return split_inode(m.dot) if m.virtual else m.ino

    @property
    def version(self):
        return self.members[0].versions[0]


def whole_text(name):
    try:
        name.decode()
        return True
    except UnicodeDecodeError:
        return False


def shorten(name, most, is_text):
    """At most `most` bytes of a name; no character is cut in two."""
    if len(name) > most and is_text:
        while most and name[most] & 0xc0 == 0x80:
            most -= 1
    return name[:most]


class View:
    """The visible tree below `root`."""

    def __init__(self, state):
        self.st = state
        self._directories()
        self.under = {}                 # directory -> members shown in it
        self.needed = {ROOT}
        self._collect()
        self.root = Entry(b"", DIRECTORY, [Member(ROOT, None, None, b"")])
        self.n_names = {}               # inode -> entries that show it
        todo = [self.root]
        while todo:
            d = todo.pop()
            d.children = self._fill([m.ino for m in d.members])
            for e in d.children.values():
                self.n_names[e.ino] = self.n_names.get(e.ino, 0) + 1
                if e.kind == DIRECTORY:
                    todo.append(e)

    # -- R1, R3, R4: where each directory is

    def _directories(self):
        st, self.dirs, fallback = self.st, {}, {}
        for ino, node in st.inodes.items():
            if node.kind != DIRECTORY or not node.links:
                continue
            (link,) = node.links
            alive = st.alive(ino, link)
            dot = max(alive, key=st.key) if alive else st.last_place(ino)
            parent, name = st.where(dot)
            self.dirs[ino] = (dot, bool(alive), parent, name)
            origin = st.place[dot].origin
            root = (ROOT, shorten(b"recovered-" + name, NAME_MAX,
                                  whole_text(name)))
            fallback[ino] = [root, origin] if origin else [root]
        while True:
            cycles = self._cycles()
            if not cycles:
                return
            for cycle in cycles:
                ino = max((i for i in cycle if fallback[i]),
                          key=lambda i: st.key(self.dirs[i][0]))
                self.dirs[ino] = self.dirs[ino][:2] + fallback[ino].pop()

    def _cycles(self):
        seen, cycles = {ROOT}, []
        for start in self.dirs:
            path, at = {}, start
            while at not in seen:
                seen.add(at)
                path[at] = len(path)
                at = self.dirs[at][2]
            if at in path:
                cycles.append(list(path)[path[at]:])
        return cycles

    # -- R1, R2, R6: what is shown, and where

    def _places(self, ino):
        """The (link, dot) where something that is no directory is shown."""
        st, node, out = self.st, self.st.inodes[ino], []
        for link in node.links:
            alive = st.alive(ino, link)
            if alive:
                out.append((link, max(alive, key=st.key)))
        if out:
            return out
        claims = [d for d in node.claims if d not in st.killed]
        if claims:
            dot = max(claims, key=st.key)
        elif st.undeleted(ino) - {node.split} and node.links:
            dot = st.last_place(ino)
        else:
            return []
        return [(st.place[dot].link, dot)]

    def _versions(self, ino):
        """The versions shown, newest first."""
        st = self.st
        own = sorted(st.own_versions(ino), key=st.key, reverse=True)
        return [v for v in own if v not in st.deleted] or \
            [max(own, key=lambda v: (st.deleted[v], st.key(v)))]

    def _collect(self):
        st = self.st
        for ino, node in st.inodes.items():
            if node.kind == DIRECTORY:
                if ino in self.dirs and self.dirs[ino][1]:
                    self._need(ino)
                continue
            places = self._places(ino) if st.own_versions(ino) else []
            if places:
                self._show(ino, places, self._versions(ino))
        for ino in self.needed - {ROOT}:
            dot, _, parent, name = self.dirs[ino]
            self.under.setdefault(parent, []).append(
                Member(ino, dot, parent, name))

    def _show(self, ino, places, versions):
        st, main, others = self.st, versions, []
        if len(versions) > 1:
            newest = st.data(ino, versions[0])
            main = [v for v in versions if st.data(ino, v) == newest]
            others = [v for v in versions if v not in main]
        for link, dot in places:
            self._add(Member(ino, dot, *st.where(dot), False, main))
        _, dot = min(places, key=lambda p: st.key(p[0]))
        for v in others:                                        # R6
            self._add(Member(ino, v, *st.where(dot), True, [v]))

    def _add(self, member):
        self.under.setdefault(member.parent, []).append(member)
        self._need(member.parent)

    def _need(self, ino):
        """R3: what is shown keeps its directories."""
        while ino not in self.needed:
            self.needed.add(ino)
            ino = self.dirs[ino][2]

    # -- R5, N1: names

    def _fill(self, inos):
        """The entries of the directories `inos` taken as one."""
        by_name, out, losers = {}, {}, []
        for ino in inos:
            for m in self.under.get(ino, ()):
                by_name.setdefault(m.name, []).append(m)
        for name, members in by_name.items():
            out[name], *rest = self._contest(name, members)
            losers += rest
        losers.sort(key=lambda e: (e.name, self.st.key(e.members[0].dot)))
        for e in losers:
            e.name, e.generated = self._conflict_name(e, out), True
            out[e.name] = e
        return out

    def _rank(self, m):
        """A sibling yields to a file, also once it is split."""
        sibling = m.virtual or m.dot == self.st.inodes[m.ino].split
        return not sibling, self.st.key(m.dot)

    def _contest(self, name, members):
        """The entries of one name; the first keeps it."""
        st, dirs, groups = self.st, [], {}
        for m in members:
            kind = st.inodes[m.ino].kind
            if kind == DIRECTORY:
                dirs.append(m)
            else:
                data = st.data(m.ino, m.versions[0]) \
                    if len(members) > 1 else None
                groups.setdefault((kind, data), []).append(m)
        entries = []
        for (kind, _), ms in groups.items():
            ms.sort(key=self._rank, reverse=True)
            entries.append(Entry(name, kind, ms))
        entries.sort(key=lambda e: self._rank(e.members[0]), reverse=True)
        if dirs:
            dirs.sort(key=lambda m: m.ino)
            entries.insert(0, Entry(name, DIRECTORY, dirs))
        return entries

    def _conflict_name(self, entry, taken):
        """N1."""
        clock, writer = self.st.key(entry.members[0].dot)[:2]
        device = self.st.devices.get(writer, (None, b"%016x" % writer))[1]
        stamp = time.strftime("%Y-%m-%d %H%M%S",
                              time.gmtime((clock >> 16) // 1000)).encode()
        name, is_text = entry.name, whole_text(entry.name)
        at = name.rfind(b".")
        base, ext = (name[:at], name[at:]) if at > 0 else (name, b"")
        n = 1
        while True:
            number = b" %d" % n if n > 1 else b""
            tail = b" (conflict %s %s%s)" % (device, stamp, number)
            if len(tail + ext) > NAME_MAX // 2:
                base, ext = base + ext, b""
            new = shorten(base, NAME_MAX - len(tail + ext), is_text) + \
                tail + ext
            if new not in taken:
                return new
            n += 1

    # -- readings

    def walk(self):
        """(path, entry) of everything below the root, parents first."""
        todo = [((), self.root)]
        while todo:
            path, d = todo.pop()
            for name in sorted(d.children):
                e = d.children[name]
                yield path + (name,), e
                if e.kind == DIRECTORY:
                    todo.append((path + (name,), e))

    def registers(self, entry):
        m = entry.members[0]
        return self.st.registers(m.ino)

    def links(self, entry):
        if entry.kind != DIRECTORY:
            return self.n_names[entry.ino]
        return 2 + sum(e.kind == DIRECTORY for e in entry.children.values())
