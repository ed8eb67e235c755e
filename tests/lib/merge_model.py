# SPDX-License-Identifier: ISC
"""Executable model of the merge rules (vault-format/09-merging.md), the oracle
of the tests.

The merged folder is view(State), and State depends only on the *set* of
operations applied.  Nothing in a merge writes: only a local call makes
operations.  Each correction of the first draft of the rules has a switch in
FIXES, so that simulate.py can show the schedule that breaks without it.

Terms.  dot: (writer, n), the name of an operation.  key: (clock, writer), a
total order that extends causality.  link: the dot that created a name of an
inode; a directory has one link.  version: one content dot of a file.

An inode's id is ("i", clock, writer, n) of the operation that made it, so that
ids sort as those of the format do (time first); the id of a split inode is
("~",) + its version's dot.
"""
import time
from dataclasses import dataclass

ROOT = ("", 0)
NAME_MAX = 255
TICKS_PER_MS = 1     # clock values within a millisecond: 65536 in the format
FIXES = dict(
    reserve=True,    # R2: unlinking a name that is not the last deletes nothing
    undeleted=True,  # R2: a version once deleted shows only for want of others
    settle=True,     # S1: a local call first records what it was shown
    absorb=True,     # S2: ... and unlinks hidden twins of what it changes
    free=True,       # N1: a generated name is free, numbered, bounded
    pin=True,        # S1: settling pins a dot; False: it makes a new place
    split=True,      # R6: a sibling is one derived inode; False: a new inode
    shown=True,      # R6: a write replaces what was shown only
)


class FsError(Exception):
    """An errno that a local call answers."""


@dataclass(frozen=True)
class Op:
    """One operation.  Unused fields keep their defaults.

    MKNOD   ino, mode=kind; the version `dot` holds `data`: nothing for a
            file ("f"), the target for a symbolic link ("l")
    PLACE   link, parent, name, frm; kills=place and claim dots replaced
    UNLINK  link, kills=place and claim dots seen; last: deletes=versions seen;
            not last: leaves a claim (parent, name)
    CONTENT data, replaces=versions
    PIN     target=place dot, parent, name: says where that dot is shown
    SPLIT   target=version dot: gives it the derived inode split_ino(target)
    ATTR, XATTR   name=group or key, data=value
    """
    kind: str
    dot: tuple
    hlc: int
    ino: tuple = None
    link: tuple = None
    parent: tuple = None
    name: str = None
    frm: tuple = None
    kills: tuple = ()
    deletes: tuple = ()
    replaces: tuple = ()
    last: bool = False
    target: tuple = None
    mode: str = "f"
    data: str = ""
    explicit: bool = True   # for the simulator: asked for, not by settling
    consumed: tuple = ()    # for the simulator: versions the caller gave up


@dataclass(frozen=True)
class Segment:
    """Operations of one writer, made in the context vv of the others."""
    writer: str
    seq: int
    vv: dict
    ops: tuple


def split_ino(version):
    """The one inode every device derives for a version split from its file."""
    return ("~",) + version


# ---------------------------------------------------------------- state

class Inode:
    """Kind, links {link: set of dots}, claims, versions, registers."""

    def __init__(self, kind):
        self.kind, self.links, self.claims = kind, {}, set()
        self.versions, self.regs = set(), {}


class State:
    """All that merging remembers; grows only by apply()."""

    def __init__(self):
        self.inodes = {ROOT: Inode("d")}
        self.place = {}        # place or claim dot -> Op that made it
        self.killed = set()    # place and claim dots replaced or unlinked
        self.moved = set()     # ... of which replaced by a PLACE
        self.version = {}      # version dot -> Op that made it
        self.replaced = set()  # versions replaced by a write
        self.deleted = {}      # version seen by the unlink of a last name ->
                               # key of the newest such unlink
        self.splits = set()    # versions that have their own inode
        self.pins = {}         # place dot -> (key, parent, name)
        self.applied = {}      # writer -> seq of the last segment applied
        self.hlc = 0

    def apply(self, op):
        """Adds one operation.  Its causes are already in."""
        self.hlc = max(self.hlc, op.hlc)
        getattr(self, "_" + op.kind.lower())(op)

    def _mknod(self, op):
        node = self.inodes[op.ino] = Inode(op.mode)
        if op.mode != "d":
            node.versions.add(op.dot)
            self.version[op.dot] = op

    def _place(self, op):
        self.inodes[op.ino].links.setdefault(op.link, set()).add(op.dot)
        self.place[op.dot] = op
        self.killed.update(op.kills)
        self.moved.update(op.kills)

    def _unlink(self, op):
        self.killed.update(op.kills)
        for v in op.deletes:
            key = (op.hlc, op.dot[0])
            self.deleted[v] = max(key, self.deleted.get(v, key))
        if not op.last and op.parent is not None:
            self.inodes[op.ino].claims.add(op.dot)
            self.place[op.dot] = op

    def _content(self, op):
        self.inodes[op.ino].versions.add(op.dot)
        self.version[op.dot] = op
        self.replaced.update(op.replaces)

    def _pin(self, op):
        pin = ((op.hlc, op.dot[0]), op.parent, op.name)
        self.pins[op.target] = max(pin, self.pins.get(op.target, pin))

    def _split(self, op):
        v = op.target
        self.splits.add(v)
        ino = split_ino(v)
        if ino not in self.inodes:
            node = self.inodes[ino] = Inode(self.inodes[op.ino].kind)
            node.versions.add(v)
            node.links[ino] = {ino}
            self.place[ino] = self.version[v]

    def _attr(self, op):
        reg = ((op.hlc, op.dot[0]), op.data)
        regs = self.inodes[op.ino].regs
        regs[op.kind, op.name] = max(reg, regs.get((op.kind, op.name), reg))

    _xattr = _attr

    # -- readings of the state

    def key(self, dot):
        """(clock, writer) of the operation that made a place or version."""
        op = self.place.get(dot) or self.version[dot]
        return (op.hlc, op.dot[0], op.dot[1])

    def where(self, dot):
        """(parent, name) of a place dot: its pin, else what it recorded."""
        if dot in self.pins:
            return self.pins[dot][1:]
        return self.place[dot].parent, self.place[dot].name

    def registers(self, ino):
        """The registers; a split inode has its origin's until it has own."""
        regs = {}
        if ino[0] == "~":
            regs.update(dict(self.registers(self.version[ino[1:]].ino)))
        if ino in self.inodes:
            regs.update({k: v[1] for k, v in self.inodes[ino].regs.items()})
        return tuple(sorted(regs.items()))

    def own_versions(self, ino):
        """Versions of an inode that no write replaced and no split took."""
        return {v for v in self.inodes[ino].versions if v not in self.replaced
                and (v not in self.splits or split_ino(v) == ino)}

    def dots_alive(self, ino, link):
        """Surviving place dots of a link.  The first place of a split inode
        lives as long as its version does: splitting never saves anything."""
        return {d for d in self.inodes[ino].links[link]
                if d not in self.killed and
                (d != ino or d[1:] not in self.deleted and
                 d[1:] not in self.replaced)}

    def claims_alive(self, ino):
        return {d for d in self.inodes[ino].claims if d not in self.killed}

    def last_place(self, ino):
        """Where an inode without a place was: the newest dot unlinked, not
        moved away from."""
        dots = [d for ds in self.inodes[ino].links.values() for d in ds
                if d not in self.moved]
        return max(dots, key=self.key)


# ---------------------------------------------------------------- view

@dataclass
class Member:
    """One (inode, link) behind an entry, or a version not yet split."""
    ino: tuple
    link: tuple
    dot: tuple          # the place dot, or the version dot when virtual
    parent: tuple       # where it is shown
    name: str
    virtual: bool = False
    ghost: bool = False  # no place survives
    versions: tuple = ()


@dataclass
class Entry:
    """What a name shows.  members[0] is the inode shown; the others are
    united directories or hidden twins."""
    name: str
    kind: str
    members: list
    generated: bool = False
    data: str = None
    children: dict = None

    @property
    def ino(self):
        m = self.members[0]
        return split_ino(m.dot) if m.virtual else m.ino

    @property
    def versions(self):
        return [v for m in self.members for v in m.versions]


def file_places(st, ino):
    """R1, R2: the (link, dot, ghost) where a file is shown."""
    node = st.inodes[ino]
    out = []
    for link in node.links:
        alive = st.dots_alive(ino, link)
        if alive:
            out.append((link, max(alive, key=st.key), False))   # R1
    if out:
        return out
    claims = st.claims_alive(ino)
    if claims:                                                  # R2 reserve
        dot = max(claims, key=st.key)
        return [(st.place[dot].link, dot, True)]
    if ino[0] != "~" and st.own_versions(ino) - set(st.deleted):  # R2 comes back
        dot = st.last_place(ino)
        return [(st.place[dot].link, dot, True)]
    if ino[0] == "~" and \
            st.own_versions(ino) - set(st.deleted) - {ino[1:]}:
        dot = st.last_place(ino)
        link = ino if dot == ino else st.place[dot].link
        return [(link, dot, True)]
    return []


def file_versions(st, ino):
    """R2, R6: the versions a file shows, newest first: those nobody deleted;
    if all were deleted and a place survives, the one deleted last."""
    own = sorted(st.own_versions(ino), key=st.key, reverse=True)
    if not FIXES["undeleted"] and file_places(st, ino)[0][2] is False:
        return own
    return [v for v in own if v not in st.deleted] or \
        [max(own, key=lambda v: st.deleted[v])]


def dir_places(st):
    """R1, R3, R4: {dir: (dot, ghost, parent, name)}, R4-moved directories."""
    at, todo = {}, {}
    for ino, node in st.inodes.items():
        if node.kind != "d" or not node.links:
            continue
        (link,) = node.links
        alive = st.dots_alive(ino, link)
        dot = max(alive, key=st.key) if alive else st.last_place(ino)
        at[ino] = (dot, not alive) + st.where(dot)
        frm = st.place[dot].frm
        root = (ROOT, "recovered-" + st.where(dot)[1])
        todo[ino] = [frm, root] if frm else [root]
    moved = set()
    while True:
        cycles = find_cycles({i: p[2] for i, p in at.items()})
        if not cycles:
            return at, moved
        for cycle in cycles:
            ino = max((i for i in cycle if todo[i]),
                      key=lambda i: st.key(at[i][0]))
            at[ino] = at[ino][:2] + todo[ino].pop(0)
            moved.add(ino)


def find_cycles(parent):
    """Cycles of a function {node: parent}."""
    seen, cycles = {ROOT: 0}, []
    for start in parent:
        path, i = [], start
        while i not in seen:
            seen[i] = start
            path.append(i)
            i = parent.get(i, ROOT)
        if i in path:
            cycles.append(path[path.index(i):])
    return cycles


class View:
    """The visible tree.  root is an Entry; tree() flattens it."""

    def __init__(self, st):
        self.st = st
        self.dirs, self.moved_by_cycle = dir_places(st)
        self.under = {}      # directory -> members shown in it
        self.needed = {ROOT}
        self._collect()
        top = Member(ROOT, None, None, None, "")
        self.root = Entry("", "d", [top], children=self._fill([ROOT]))
        self.shown = {}      # inode -> [(directory entry, entry)]
        self._index(self.root)

    def _collect(self):
        st = self.st
        for ino, node in st.inodes.items():
            if node.kind == "d":
                if ino != ROOT and node.links and not self.dirs[ino][1]:
                    self._need(ino)
                continue
            places = file_places(st, ino) if st.own_versions(ino) else []
            if not places:
                continue
            versions = file_versions(st, ino)
            first = min(places, key=lambda p: st.key(p[0]))
            newest = st.version[versions[0]].data
            main = tuple(v for v in versions if st.version[v].data == newest)
            for link, dot, ghost in places:
                parent, name = st.where(dot)
                self._add(Member(ino, link, dot, parent, name, False, ghost,
                                 main))
                if dot == first[1]:                             # R6
                    for v in versions:
                        if v not in main:
                            self._add(Member(ino, None, v, parent, name, True,
                                             False, (v,)))
        for ino in self.needed - {ROOT}:
            dot, ghost, parent, name = self.dirs[ino]
            link = next(iter(st.inodes[ino].links))
            self.under.setdefault(parent, []).append(
                Member(ino, link, dot, parent, name, False, ghost))

    def _add(self, member):
        self.under.setdefault(member.parent, []).append(member)
        self._need(member.parent)

    def _need(self, ino):
        """R3: what is shown keeps its directories."""
        while ino not in self.needed:
            self.needed.add(ino)
            ino = self.dirs[ino][2]

    def _fill(self, inos):
        """R5: the entries of the directories `inos` taken as one."""
        by_name = {}
        for ino in inos:
            for m in self.under.get(ino, ()):
                by_name.setdefault(m.name, []).append(m)
        out, losers = {}, []
        for name, members in by_name.items():
            winner, rest = self._contest(name, members)
            out[name] = winner
            losers += rest
        losers.sort(key=lambda e: (e.name, self.st.key(e.members[0].dot)))
        for e in losers:
            e.name = conflict_name(self.st, e, out)
            e.generated = True
            out[e.name] = e
        return out

    def _contest(self, name, members):
        """R5 for one name: the entry that keeps it, and the others."""
        st = self.st
        dirs = [m for m in members if st.inodes[m.ino].kind == "d"]
        groups = {}

        def rank(m):    # a sibling yields to a file, also once it is split
            return (not m.virtual and m.dot != m.ino, st.key(m.dot))
        for m in members:
            if m not in dirs:
                kind = st.inodes[m.ino].kind
                data = st.version[m.versions[0]].data
                groups.setdefault((kind, data), []).append(m)
        entries = []
        for (kind, data), ms in groups.items():
            ms.sort(key=rank, reverse=True)
            entries.append(Entry(name, kind, ms, data=data))
        entries.sort(key=lambda e: rank(e.members[0]), reverse=True)
        if dirs:
            dirs.sort(key=lambda m: m.ino)
            kids = self._fill([m.ino for m in dirs])
            entries.insert(0, Entry(name, "d", dirs, children=kids))
        return entries[0], entries[1:]

    def _index(self, d):
        for e in d.children.values():
            for ino in {m.ino for m in e.members if not m.virtual}:
                self.shown.setdefault(ino, []).append((d, e))
            if e.kind == "d":
                self._index(e)

    def lookup(self, path):
        """The Entry at a path such as "a/b"; "" is the root."""
        e = self.root
        for name in [n for n in path.split("/") if n]:
            if e.kind != "d" or name not in e.children:
                raise FsError("ENOENT")
            e = e.children[name]
        return e

    def tree(self):
        """{path: (kind, inode, data, registers)}: what is compared."""
        out = {}

        def walk(prefix, d):
            for e in d.children.values():
                path = prefix + e.name
                out[path] = (e.kind, e.ino, e.data, self.st.registers(e.ino))
                if e.kind == "d":
                    walk(path + "/", e)
        walk("", self.root)
        return out


def conflict_name(st, entry, taken):
    """N1: base (conflict DEVICE YYYY-MM-DD hhmmss).ext, in UTC; the first free
    of this, `... 2)`, `... 3)`; the base is cut to fit NAME_MAX."""
    hlc, device = st.key(entry.members[0].dot)[:2]
    stamp = time.strftime("%Y-%m-%d %H%M%S", time.gmtime(hlc // TICKS_PER_MS // 1000))
    dot = entry.name.rfind(".")
    base, ext = (entry.name[:dot], entry.name[dot:]) if dot > 0 else \
        (entry.name, "")
    n = 1
    while True:
        number = " %d" % n if n > 1 else ""
        tail = " (conflict %s %s%s)%s" % (device, stamp, number, ext)
        if len(tail) > NAME_MAX // 2:
            base, ext, tail = base + ext, "", tail[:len(tail) - len(ext)]
        name = base[:NAME_MAX - len(tail)] + tail
        if name not in taken or not FIXES["free"]:
            return name
        n += 1


# ---------------------------------------------------------------- a device

class Device:
    """One writer: its state, its unsealed operations, its local calls."""

    def __init__(self, name, clock):
        self.name, self.clock = name, clock
        self.st, self.n, self.seq = State(), 0, 0
        self.unsealed, self.sealed, self.waiting = [], [], {}
        self._view = None

    @property
    def view(self):
        if self._view is None:
            self._view = View(self.st)
        return self._view

    def emit(self, kind, **fields):
        """Makes one operation and applies it here."""
        self.n += 1
        hlc = max(self.clock() * TICKS_PER_MS, self.st.hlc + 1)
        dot = (self.name, self.n)
        if fields.get("ino") == "self":
            fields["ino"] = ("i", hlc) + dot
        if fields.get("link") == "self":
            fields["link"] = dot
        op = Op(kind, dot, hlc, **fields)
        self.st.apply(op)
        self.unsealed.append(op)
        self._view = None
        return op

    # -- segments

    def seal(self):
        """Closes the local batch; its vv is exact for all its operations."""
        if self.unsealed:
            self.seq += 1
            vv = {w: s for w, s in self.st.applied.items() if w != self.name}
            self.sealed.append(Segment(self.name, self.seq, vv,
                                       tuple(self.unsealed)))
            self.st.applied[self.name] = self.seq
            self.unsealed = []

    def receive(self, seg):
        """Applies a segment, and those that waited for it, in causal order.
        Seals first.  A segment seen before changes nothing."""
        self.seal()
        self.waiting[seg.writer, seg.seq] = seg
        again = True
        while again:
            again = False
            for k, s in list(self.waiting.items()):
                done = self.st.applied.get(s.writer, 0)
                if s.seq <= done:
                    del self.waiting[k]
                elif s.seq == done + 1 and all(
                        self.st.applied.get(w, 0) >= n
                        for w, n in s.vv.items()):
                    for op in s.ops:
                        self.st.apply(op)
                    self.st.applied[s.writer] = s.seq
                    del self.waiting[k]
                    again = True
        self._view = None

    # -- settling: S1, S2

    def settle(self, dirpath):
        """S1: before a local call changes a directory: every name in it that
        a rule generated is recorded, and a directory that stays only for its
        children is placed again."""
        d = self.view.lookup(dirpath)
        if d.kind != "d":
            raise FsError("ENOTDIR")
        if FIXES["settle"]:
            for e in sorted(d.children.values(), key=lambda e: e.name):
                if e.generated or any(m.virtual for m in e.members):
                    for m in e.members:
                        self._record(m, e)
            top = d.members[0]
            if top.ghost:
                self.settle_cycles()
                self.emit("PLACE", ino=top.ino, link=top.link, frm=None,
                          parent=top.parent, name=d.name, kills=(top.dot,),
                          explicit=False)
        return self.view.lookup(dirpath)

    def _record(self, m, e):
        target = m.dot
        if m.virtual and FIXES["split"]:
            self.emit("SPLIT", ino=m.ino, target=m.dot, explicit=False)
            target = split_ino(m.dot)
        elif m.virtual:
            return self._copy_out(m, m.parent, e.name)
        if m.virtual or e.generated:
            if FIXES["pin"]:
                self.emit("PIN", ino=m.ino, target=target, parent=m.parent,
                          name=e.name, explicit=False)
            else:
                self._move(m, m.parent, e.name, explicit=False)

    def _copy_out(self, m, parent, name):
        """Without `split`: a fresh inode for the sibling's bytes."""
        op = self.emit("MKNOD", ino="self", data=self.st.version[m.dot].data,
                       explicit=False)
        self.emit("PLACE", ino=op.ino, link="self", parent=parent, name=name,
                  explicit=False)
        top = file_versions(self.st, m.ino)[0]
        self.emit("CONTENT", ino=m.ino, data=self.st.version[top].data,
                  replaces=(m.dot, top), explicit=False)

    def settle_cycles(self):
        """S1 before a directory moves or goes: R4's places are recorded."""
        if FIXES["settle"]:
            view = self.view
            for ino in sorted(view.moved_by_cycle & view.needed):
                dot, ghost, parent, name = view.dirs[ino]
                self.emit("PIN", ino=ino, target=dot, parent=parent, name=name,
                          explicit=False)

    # -- pieces of local calls

    def _elsewhere(self, ino, entry):
        """Does another entry show the inode?"""
        mine = {m.dot for m in entry.members}
        return any(m.ino == ino and m.dot not in mine
                   for _, e in self.view.shown.get(ino, ())
                   for m in e.members)

    def _remove(self, entry, skip=None, only=None, absorb=False):
        """Unlinks the members of an entry: all, or all but inode `skip`, or
        inode `only`."""
        last = {m.ino: not self._elsewhere(m.ino, entry)
                for m in entry.members}
        for ino in dict.fromkeys(m.ino for m in entry.members):
            ms = [m for m in entry.members if m.ino == ino]
            if ino == skip or only not in (None, ino):
                continue
            node = self.st.inodes[ino]
            kills = set(self.st.claims_alive(ino))
            for m in ms:
                if not m.virtual:
                    kills |= self.st.dots_alive(ino, m.link)
            if node.kind == "d":
                self.emit("UNLINK", ino=ino, link=ms[0].link, last=True,
                          kills=tuple(sorted(kills)))
                continue
            shown = tuple(v for m in ms for v in m.versions)
            if last[ino] or not FIXES["reserve"]:
                seen = shown if FIXES["settle"] else \
                    tuple(file_versions(self.st, ino))
                self.emit("UNLINK", ino=ino, link=ms[0].link, last=True,
                          kills=tuple(sorted(kills)), deletes=seen,
                          explicit=not absorb,
                          consumed=shown if last[ino] else ())
            elif absorb:    # nobody asked: it leaves no claim
                kills -= self.st.claims_alive(ino)
                self.emit("UNLINK", ino=ino, link=ms[0].link, last=False,
                          kills=tuple(sorted(kills)), explicit=False)
            else:
                self.emit("UNLINK", ino=ino, link=ms[0].link, last=False,
                          kills=tuple(sorted(kills)),
                          parent=ms[0].parent, name=entry.name,
                          explicit=not absorb)

    def _move(self, m, parent, name, others=(), explicit=True):
        """Places one member elsewhere; `others`: more links of the inode in
        the same entry, which go with it."""
        if explicit:
            self._own(m)
        kills = set(self.st.claims_alive(m.ino)) | {m.dot}
        for x in (m,) + tuple(others):
            kills |= self.st.dots_alive(m.ino, x.link)
        self.emit("PLACE", ino=m.ino, link=m.link, parent=parent, name=name,
                  frm=(m.parent, m.name), kills=tuple(sorted(kills)),
                  explicit=explicit)

    def _own(self, m):
        """A split inode that the user names gets a version of its own, so
        that a write to the file it came from leaves it alone."""
        v = m.ino[1:]
        if m.ino[0] == "~" and v in m.versions:
            self.emit("CONTENT", ino=m.ino, data=self.st.version[v].data,
                      replaces=m.versions, consumed=m.versions)

    def _move_entry(self, entry, parent, name):
        if entry.kind == "d":
            for m in entry.members:
                self._move(m, parent, name)
            return
        top = entry.members[0]
        if FIXES["absorb"]:
            self._remove(entry, skip=top.ino, absorb=True)
        self._move(top, parent, name,
                   [m for m in entry.members[1:] if m.ino == top.ino])

    def _new(self, path, mode, data=""):
        up, name = split_path(path)
        d = self.view.lookup(up)
        if d.kind != "d":
            raise FsError("ENOTDIR")
        if name in d.children:
            raise FsError("EEXIST")
        d = self.settle(up)
        whole = data if mode == "l" else ""
        op = self.emit("MKNOD", ino="self", mode=mode, data=whole)
        self.emit("PLACE", ino=op.ino, link="self", parent=d.ino, name=name)
        if data != whole:
            self.emit("CONTENT", ino=op.ino, data=data, replaces=(op.dot,),
                      consumed=(op.dot,))

    def _find(self, path):
        """Settles the directory of a path; the entry."""
        self.view.lookup(path)
        self.settle(split_path(path)[0])
        return self.view.lookup(path)

    # -- local calls: each behaves on the own view as POSIX says

    def create(self, path, data):
        self._new(path, "f", data)

    def symlink(self, path, data):
        self._new(path, "l", data)

    def mkdir(self, path):
        self._new(path, "d")

    def write(self, path, data):
        """Replaces what the name showed and what was deleted; leaves conflict
        siblings alone."""
        e = self.view.lookup(path)
        if e.kind != "f":
            raise FsError("EISDIR" if e.kind == "d" else "ELOOP")
        for d, x in self._paths_of(e.ino):
            self.settle(d)
        e = self.view.lookup(path)
        ino = e.members[0].ino
        if FIXES["absorb"]:
            for _, x in sorted(self.view.shown.get(ino, ()),
                               key=lambda de: (de[0].ino, de[1].name)):
                if x.members[0].ino == ino:
                    self._remove(x, skip=ino, absorb=True)
                else:
                    self._remove(x, only=ino, absorb=True)
        shown = e.members[0].versions
        gone = self.st.own_versions(ino) & set(self.st.deleted)
        seen = set(shown) | gone if FIXES["shown"] else \
            self.st.own_versions(ino)
        self.emit("CONTENT", ino=ino, data=data, consumed=shown,
                  replaces=tuple(sorted(seen)))

    def _paths_of(self, ino):
        """The directories, as paths, of the entries that show an inode."""
        out = []

        def walk(path, d):
            for e in d.children.values():
                if any(m.ino == ino for m in e.members) or e.ino == ino:
                    out.append((path, e))
                if e.kind == "d":
                    walk(path + "/" + e.name, e)
        walk("", self.view.root)
        return sorted(out, key=lambda pe: self.view.lookup(pe[0]).ino)

    def unlink(self, path):
        if self.view.lookup(path).kind == "d":
            raise FsError("EISDIR")
        self._remove(self._find(path))

    def rmdir(self, path):
        e = self.view.lookup(path)
        if e.kind != "d":
            raise FsError("ENOTDIR")
        if e.children:
            raise FsError("ENOTEMPTY")
        self.settle_cycles()
        self._remove(self._find(path))

    def link(self, path, new):
        e = self.view.lookup(path)
        up, name = split_path(new)
        if e.kind == "d":
            raise FsError("EPERM")
        if name in self.view.lookup(up).children or \
                self.view.lookup(up).kind != "d":
            raise FsError("EEXIST")
        for p, _ in self._paths_of(e.ino):
            self.settle(p)
        d = self.settle(up)
        m = self.view.lookup(path).members[0]
        lost = [(x, y.name) for _, y in self.view.shown.get(m.ino, ())
                for x in y.members if x.ino == m.ino and not x.virtual and
                (x.ghost or x.dot == x.ino)]
        if lost and FIXES["settle"]:
            self._move(lost[0][0], lost[0][0].parent, lost[0][1])
        else:
            self._own(m)
        self.emit("PLACE", ino=m.ino, link="self", parent=d.ino, name=name)

    def rename(self, path, new):
        """rename(2): replaces an existing target."""
        e = self.view.lookup(path)
        up, name = split_path(new)
        d = self.view.lookup(up)
        if d.kind != "d":
            raise FsError("ENOTDIR")
        if (new + "/").startswith(path + "/") and path != new:
            raise FsError("EINVAL")
        old = d.children.get(name)
        if old is not None:
            if old.ino == e.ino:
                return
            if (old.kind == "d") != (e.kind == "d"):
                raise FsError("EISDIR" if old.kind == "d" else "ENOTDIR")
            if old.children:
                raise FsError("ENOTEMPTY")
        if e.kind == "d":
            self.settle_cycles()
        self._find(path)
        d = self.settle(up)
        e = self.view.lookup(path)
        if old is not None:
            self._remove(d.children[name])
        self._move_entry(e, d.ino, name)

    def exchange(self, a, b):
        """renameat2(RENAME_EXCHANGE)."""
        if self.view.lookup(a).ino == self.view.lookup(b).ino:
            return
        if (a + "/").startswith(b + "/") or (b + "/").startswith(a + "/"):
            raise FsError("EINVAL")
        self.settle_cycles()
        self._find(a), self._find(b)
        (da, na), (db, nb) = split_path(a), split_path(b)
        ea, eb = self.view.lookup(a), self.view.lookup(b)
        pa, pb = self.view.lookup(da).ino, self.view.lookup(db).ino
        self._move_entry(ea, pb, nb)
        self._move_entry(eb, pa, na)

    def setattr(self, path, kind, name, value):
        """kind ATTR (owner, mode, times) or XATTR."""
        e = self.view.lookup(path)
        if e.ino == ROOT:
            raise FsError("EPERM")
        for p, _ in self._paths_of(e.ino):
            self.settle(p)
        ino = self.view.lookup(path).members[0].ino
        self.emit(kind, ino=ino, name=name, data=value)


def split_path(path):
    up, _, name = path.rpartition("/")
    return up, name
