# SPDX-License-Identifier: ISC
"""Random schedules against merge_model.py.

    python3 simulate.py [--seconds N] [--seed N] [--off FIX[,FIX]] [--steps N]

Each schedule is a list of steps, so that a failing one is replayed and
minimised.  --off takes one correction of the rules away to show what breaks.
"""
import argparse
import collections
import random
import time

import merge_model as M

NAMES = ["a", "b", "c.t"]
DATA = ["X", "Y"]


class Broken(Exception):
    """A property does not hold."""


class World:
    """Devices, the sync folder, and the checks made on the way."""

    def __init__(self, n, skews):
        self.now, self.skews = 1000, skews
        self.slots = [None] * n
        self.lives = [0] * n
        self.folder = {}          # writer -> list of published segments
        self.serial = 0
        for i in range(n):
            self.start(i)

    def start(self, i):
        self.lives[i] += 1
        name = "ABCD"[i] + str(self.lives[i])
        skew = self.skews[i]
        self.slots[i] = M.Device(name, lambda: self.now + skew)
        self.folder[name] = []

    # -- steps

    def step(self, s):
        self.now += 7
        getattr(self, "do_" + s[0])(*s[1:])

    def do_lose(self, i):
        """State lost: what was not published is gone; a new writer joins."""
        self.start(i)

    def do_pub(self, i):
        d = self.slots[i]
        d.seal()
        self.folder[d.name] += d.sealed
        d.sealed = []

    def do_recv(self, i, writer, k):
        """One segment of a writer, perhaps early, perhaps again."""
        segs = self.folder.get(writer, [])
        if k < len(segs) and writer != self.slots[i].name:
            self.slots[i].receive(segs[k])

    def do_pull(self, i, salt):
        """All published so far, in a random order."""
        segs = [s for ss in self.folder.values() for s in ss]
        random.Random(salt).shuffle(segs)
        for s in segs:
            if s.writer != self.slots[i].name:
                self.slots[i].receive(s)

    def do_op(self, i, name, *args):
        d = self.slots[i]
        before = d.view.tree()
        try:
            getattr(d, name)(*args)
        except M.FsError:
            if d.view.tree() != before:
                same(before, d.view.tree(), (name,) + args)
            return
        same(expected(before, name, args), d.view.tree(), (name,) + args)


def moved(tree, old, new):
    out = {}
    for p, v in tree.items():
        if p == old or p.startswith(old + "/"):
            out[new + p[len(old):]] = v
        else:
            out[p] = v
    return out


def expected(tree, name, args):
    """What POSIX says a call does to a tree {path: (kind, ino, data, regs)}."""
    t, p = dict(tree), args[0]
    if name == "create":
        t[p] = ("f", None, args[1], ())
    elif name == "symlink":
        t[p] = ("l", None, args[1], ())
    elif name == "mkdir":
        t[p] = ("d", None, None, ())
    elif name == "write":
        ino = t[p][1]
        t = {q: v[:2] + (args[1],) + v[3:] if v[1] == ino else v
             for q, v in t.items()}
    elif name in ("unlink", "rmdir"):
        del t[p]
    elif name == "link":
        t[args[1]] = t[p]
    elif name == "rename":
        new = args[1]
        if p != new and not (new in t and t[new][1] == t[p][1]):
            t.pop(new, None)
            t = moved(t, p, new)
    elif name == "exchange":
        t = moved(moved(moved(t, p, "\0"), args[1], p), "\0", args[1])
        if tree[p][1] == tree[args[1]][1]:
            return tree
    elif name == "setattr":
        ino = t[p][1]
        for q, v in t.items():
            if v[1] == ino:
                regs = dict(v[3])
                regs[args[1], args[2]] = args[3]
                t[q] = v[:3] + (tuple(sorted(regs.items())),)
    return t


def same(want, got, what):
    """(9) A local call does on the own view what POSIX says, and no more."""
    if want.keys() != got.keys():
        raise Broken("9 local %s: expected %s, got %s" %
                     (what, sorted(want), sorted(got)))
    for p in want:
        w, g = want[p], got[p]
        if w[0] != g[0] or w[2] != g[2] or (w[1] and w[1] != g[1]) or \
                (w[1] and w[1][0] != "~" and w[3] != g[3]):
            raise Broken("9 local %s: %s was to be %s, is %s" %
                         (what, p, w, g))


# ---------------------------------------------------------------- the end

def finish(w):
    """Full delivery, then properties 1 to 8."""
    for i in range(len(w.slots)):
        w.do_pub(i)
    segs = [s for ss in w.folder.values() for s in ss]
    for i, d in enumerate(w.slots):
        w.do_pull(i, i)
    trees = [d.view.tree() for d in w.slots]
    for t in trees[1:]:
        if t != trees[0]:
            raise Broken("1 convergence: %s / %s" % (trees[0], t))
    fresh = M.Device("Z1", lambda: 0)
    for s in reversed(segs):
        fresh.receive(s)
    if fresh.view.tree() != trees[0]:
        raise Broken("2 batch differs from incremental")
    for i, d in enumerate(w.slots):
        w.do_pull(i, i + 10)
        if d.unsealed or d.sealed or d.waiting:
            raise Broken("7 operations without a local call, or segments stuck")
        if d.view.tree() != trees[0]:
            raise Broken("7 not quiet")
    check_view(w.slots[0].view, len(w.folder) == 1)
    check_history(w.slots[0].view, segs)


def check_view(v, lone):
    """(3) a tree in which everything placed is reached; (8)."""
    seen, reached = collections.Counter(), 0

    def walk(d):
        nonlocal reached
        for e in d.children.values():
            reached += len(e.members)
            for m in e.members:
                if not m.virtual:
                    seen[m.ino, m.link] += 1
            if lone and (e.generated or len(e.members) > 1):
                raise Broken("8 a lone device sees %s" % e.name)
            if len(e.name.encode()) > M.NAME_MAX:
                raise Broken("3 name too long")
            if e.kind == "d":
                walk(e)
    walk(v.root)
    if reached != sum(len(x) for x in v.under.values()):
        raise Broken("3 something placed is not reached")
    if any(n > 1 for n in seen.values()):
        raise Broken("8 one link shown twice")


def check_history(v, segs):
    """(4) no loss, (5) no zombie, from what callers were shown."""
    shown, data = set(), set()

    def walk(d):
        for e in d.children.values():
            if e.kind == "d":
                walk(e)
            else:
                shown.update(e.versions)
                data.add(e.data)
    walk(v.root)
    home = {op.dot: s for s in segs for op in s.ops}
    ops = {op.dot: op for s in segs for op in s.ops}
    gone = {}
    for op in ops.values():
        for c in op.consumed:
            gone.setdefault(c, []).append(op)

    def past(a, b):
        """Did the maker of b know a?"""
        if a.dot[0] == b.dot[0]:
            return a.dot[1] < b.dot[1]
        return home[a.dot].seq <= home[b.dot].vv.get(a.dot[0], 0)

    for c, op in v.st.version.items():
        if c not in gone and c not in shown and op.data not in data:
            raise Broken("4 lost: %s = %s" % (c, op.data))
        if c in gone and c in shown:
            for u in gone[c]:
                if u.kind == "CONTENT":
                    raise Broken("5 zombie: %s replaced by %s" % (c, u.dot))
                if not any(p.ino == u.ino and p.explicit and
                           p.kind in ("PLACE", "UNLINK") and p.dot != u.dot and
                           (p.kind == "PLACE" or not p.last) and
                           not past(p, u) for p in ops.values()):
                    raise Broken("5 zombie: %s unlinked by %s" % (c, u.dot))


# ---------------------------------------------------------------- schedules

def random_op(rng, d, serial):
    tree = d.view.tree()
    dirs = [""] + [p for p, v in tree.items() if v[0] == "d"]
    files = [p for p, v in tree.items() if v[0] != "d"]

    def some(paths):
        return rng.choice(paths) if paths else "a"

    def fresh():
        up = some(dirs)
        name = rng.choice(NAMES)
        if rng.random() < 0.05 and tree:
            name = some(list(tree)).rpartition("/")[2]
            if rng.random() < 0.3:
                name = "%s (conflict %s1 1970-01-01 000001)" % (
                    rng.choice(NAMES[:2]), rng.choice("ABC"))
        return (up + "/" + name).lstrip("/")
    content = rng.choice(DATA) if rng.random() < 0.4 else "v%d" % serial
    kind = rng.choices(
        ["create", "mkdir", "write", "unlink", "rmdir", "link", "rename",
         "exchange", "setattr", "save", "symlink"],
        [6, 4, 5, 5, 2, 2, 9, 1, 1, 2, 1])[0]
    if kind in ("create", "symlink"):
        return [(kind, fresh(), content)]
    if kind == "mkdir":
        return [(kind, fresh())]
    if kind == "write":
        return [(kind, some(files), content)]
    if kind == "unlink":
        return [(kind, some(files))]
    if kind == "rmdir":
        return [(kind, some(dirs[1:]))]
    if kind == "link":
        return [(kind, some(files), fresh())]
    if kind == "rename":
        new = fresh() if rng.random() < 0.7 else some(list(tree))
        return [(kind, some(list(tree)), new)]
    if kind == "exchange":
        return [(kind, some(list(tree)), some(list(tree)))]
    if kind == "setattr":
        return [(kind, some(list(tree)), rng.choice(["ATTR", "XATTR"]), "k",
                 content)]
    target = some(files)
    return [("create", target + "~", content), ("rename", target + "~", target)]


def random_schedule(rng, steps, n=None):
    """Runs one schedule while making it; the steps, and what broke."""
    n = n or rng.choice([1, 2, 2, 2, 3, 3, 3, 4])
    skews = [rng.choice([0, 0, 0, 40, -40, 5000]) for _ in range(n)]
    w, made = World(n, skews), []
    chatty = rng.random() * 0.5
    if rng.random() < 0.5:          # a common start
        first = [("op", 0, "mkdir", "a"), ("op", 0, "create", "b", "X"),
                 ("op", 0, "create", "a/b", "Y"), ("op", 0, "mkdir", "c.t")]
        first += [("pub", 0)] + [("pull", i, 0) for i in range(n)]
    else:
        first = []
    try:
        for s in first:
            made.append(s)
            w.step(s)
        for _ in range(rng.randrange(3, steps)):
            i = rng.randrange(n)
            r = rng.random()
            if r > chatty:
                w.serial += 1
                todo = [("op", i) + o
                        for o in random_op(rng, w.slots[i], w.serial)]
            elif r < 0.01:
                todo = [("lose", i)]
            elif r < chatty * 0.4:
                todo = [("pub", i)]
            elif r < chatty * 0.7:
                writer = rng.choice(sorted(w.folder))
                todo = [("recv", i, writer,
                         rng.randrange(1 + len(w.folder[writer])))]
            else:
                todo = [("pub", j) for j in range(n) if rng.random() < 0.7]
                todo += [("pull", i, rng.randrange(100))]
            for s in todo:
                made.append(s)
                w.step(s)
        finish(w)
    except Exception as e:              # (6) no schedule raises
        return n, skews, made, e
    return n, skews, made, None


def replay(n, skews, made):
    w = World(n, skews)
    try:
        for s in made:
            w.step(s)
        finish(w)
    except Exception as e:
        return e
    return None


def verdict(e):
    return str(e)[:2] if isinstance(e, Broken) else repr(e)[:60]


def minimise(n, skews, made, e):
    """Drops steps while the same property breaks."""
    again = True
    while again:
        again = False
        for i in range(len(made) - 1, -1, -1):
            less = made[:i] + made[i + 1:]
            e2 = replay(n, skews, less)
            if e2 is not None and verdict(e2) == verdict(e):
                made, e, again = less, e2, True
    return made, e


START = [("op", 0, "create", "f", "X"), ("pub", 0), ("pull", 1, 0)]
BOTH = [("pub", 0), ("pub", 1), ("pull", 0, 0), ("pull", 1, 0)]
SIBLING = START + [("op", 0, "write", "f", "v1"),
                   ("op", 1, "write", "f", "v2")] + BOTH
OLD = "f (conflict A1 1970-01-01 000001)"
CASES = {   # correction taken away -> the shortest schedule that breaks
    "reserve": [("op", 0, "create", "f", "X"), ("op", 0, "link", "f", "g")] +
    BOTH + [("op", 0, "unlink", "f"), ("op", 1, "unlink", "g")],
    "undeleted": START + [
        ("op", 0, "write", "f", "v1"), ("op", 0, "unlink", "f"),
        ("op", 1, "write", "f", "v2")] + BOTH + [("op", 1, "rename", "f", "g")],
    "settle": [
        ("op", 0, "mkdir", "a"), ("op", 0, "mkdir", "b")] + BOTH + [
        ("op", 0, "rename", "a", "b/a"), ("op", 1, "rename", "b", "a/b")] +
    BOTH + [("op", 0, "rename", "b/a", "c")],
    "shown,settle": SIBLING + [("op", 0, "write", "f", "v3")],
    "absorb": [("op", 0, "create", "f", "X"), ("op", 1, "create", "f", "X")] +
    BOTH + [("op", 0, "write", "f", "v3")],
    "free": START + [
        ("op", 1, "write", "f", "v1"), ("op", 0, "create", "f~", "v2"),
        ("op", 0, "rename", "f~", "f"), ("op", 2, "create", "f", "v4")],
    "pin": [("op", 0, "create", "f", "v1"), ("op", 1, "create", "f", "v2")] +
    BOTH + [("op", 0, "unlink", OLD), ("op", 1, "rename", "f", "g")],
    "split": SIBLING + [("op", 0, "rename", OLD, "g"),
                        ("op", 1, "rename", OLD, "h")],
}


def directed():
    """Each case holds with every correction and breaks without its own."""
    for off, steps in CASES.items():
        e = replay(3, [0, 0, 0], steps)
        M.FIXES.update({f: False for f in off.split(",")})
        without = replay(3, [0, 0, 0], steps)
        M.FIXES.update({f: True for f in off.split(",")})
        print("case %-12s with: %s   without: %s" %
              (off, e or "clean", without))
        assert e is None and without is not None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--steps", type=int, default=40)
    p.add_argument("--devices", type=int, default=None)
    p.add_argument("--off", default="")
    a = p.parse_args()
    for f in filter(None, a.off.split(",")):
        assert f in M.FIXES, f
        M.FIXES[f] = False
    if not a.off:
        directed()
    end, count, seed, steps = time.time() + a.seconds, 0, a.seed, 0
    e = None
    while time.time() < end:
        rng = random.Random(seed)
        n, skews, made, e = random_schedule(rng, a.steps, a.devices)
        count, seed, steps = count + 1, seed + 1, steps + len(made)
        if e is not None:
            made, e = minimise(n, skews, made, e)
            print("seed %d, %d devices, skews %s" % (seed - 1, n, skews))
            for s in made:
                print("   ", s)
            print("  ", e if isinstance(e, Broken) else repr(e))
            break
    print("%d schedules, %d steps, from seed %d%s" %
          (count, steps, a.seed, ", off: " + a.off if a.off else ""))
    return e is not None


if __name__ == "__main__":
    raise SystemExit(main())
