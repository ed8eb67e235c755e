#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Holds the vault's merging against its model.

Random schedules of one to four devices (segments late, twice, out of order,
devices that lose their state) are played through tests/lib/merge_model.py and
through the C code (tests/merge/device.c) at once; after every step the trees
of all devices are compared.  Between steps a device is given an index made of
its own snapshot, which must be the same in every byte, and goes on with it.  A difference is cut down to the shortest schedule
that still shows it.

    test_merge_oracle.py [--schedules N] [--seed N] [--steps N] DEVICE_PROGRAM
"""
import argparse
import os
import random
import subprocess
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import merge_model as M  # noqa: E402
import simulate as sim  # noqa: E402

M.TICKS_PER_MS = 65536


class Differs(Exception):
    """The C code shows something else than the model."""


class Program:
    """The C devices."""

    def __init__(self, path):
        self.path = path
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, bufsize=0)
        self.out = os.fdopen(os.dup(self.p.stdout.fileno()), "rb")

    def ask(self, *fields):
        line = "\t".join(str(f) for f in fields) + "\n"
        self.p.stdin.write(line.encode())
        got = []
        while True:
            answer = self.out.readline().decode()
            if not answer:
                raise Differs("the program ended (%s) at %s" %
                              (self.p.wait(), line.strip()))
            word = answer.rstrip("\n").split(" ")
            if word[0] in ("ok", "error") and "\t" not in answer:
                return got, word
            got.append(answer.rstrip("\n").split("\t"))

    def close(self):
        self.p.stdin.close()
        self.out.close()
        if self.p.wait() != 0:
            raise Differs("the program ended with %s" % self.p.returncode)


class Both(sim.World):
    """A world whose every step is done by model and program."""

    def __init__(self, n, skews, program):
        self.c = program
        self.modes = {}        # value of a register -> the mode that stands
        self.inos = {}         # device -> {model inode: C number}
        self.clock = {}        # device name -> its clock
        self.numbers = {}      # device name -> writer number
        self.sealed = {}       # device name -> segments the program sealed
        self.n_steps = 0
        program.ask("reset")
        super().__init__(n, skews)

    def start(self, i):
        super().start(i)
        name = self.slots[i].name
        # Writers sort as the model's names do.
        self.numbers[name] = ord(name[0]) * 1000 + int(name[1:])
        self.c.ask("start", name, self.numbers[name])

    def mode(self, value):
        return self.modes.setdefault(value, len(self.modes) + 1)

    def sync_seals(self, d):
        """Whenever the model sealed, so does the program."""
        if d.seq > self.sealed.get(d.name, 0):
            _, word = self.c.ask("seal", d.name)
            if int(word[1]) != d.seq:
                raise Differs("%s sealed %s, the model %d" %
                              (d.name, word[1], d.seq))
            self.sealed[d.name] = d.seq

    def step(self, s):
        super().step(s)
        for d in self.slots:
            self.sync_seals(d)
        # Now and then a device goes on with an index made of its snapshot.
        self.n_steps += 1
        if zlib.crc32(b"%d" % self.n_steps) % 5 == 0:
            k = zlib.crc32(b"x%d" % self.n_steps) % len(self.slots)
            self.c.ask("snap", self.slots[k].name)
        for d in self.slots:
            self.compare(d)

    def do_pub(self, i):
        super().do_pub(i)
        self.sync_seals(self.slots[i])

    def receive(self, d, seg):
        for other in self.slots:
            self.sync_seals(other)
        d.receive(seg)
        self.sync_seals(d)
        self.c.ask("recv", d.name, seg.writer, seg.seq)

    def do_recv(self, i, writer, k):
        segs = self.folder.get(writer, [])
        if k < len(segs) and writer != self.slots[i].name:
            self.receive(self.slots[i], segs[k])

    def do_pull(self, i, salt):
        segs = [s for ss in self.folder.values() for s in ss]
        random.Random(salt).shuffle(segs)
        for s in segs:
            if s.writer != self.slots[i].name:
                self.receive(self.slots[i], s)

    def do_op(self, i, name, *args):
        d = self.slots[i]
        fields = list(args)
        if name == "setattr" and args[1] == "ATTR":
            fields[3] = self.mode(args[3])
        try:
            getattr(d, name)(*args)
            failed = None
        except M.FsError as e:
            failed = str(e)
        _, word = self.c.ask("op", d.name, d.clock(), name, *fields)
        if (word[0] == "error") != (failed is not None):
            raise Differs("%s %s: the program says %s, the model %s" %
                          (name, args, " ".join(word), failed or "ok"))

    def expected(self, d):
        out = {}
        for path, (kind, ino, data, regs) in d.view.tree().items():
            mode = {"d": 0o755, "f": 0o644, "l": 0o777}[kind]
            xattrs = set()
            for (reg, name), value in regs:
                if reg == "ATTR":
                    mode = self.mode(value)
                else:
                    xattrs.add("user.%s=%s" % (name, value))
            out[path] = (kind, ino, mode, data or "", xattrs)
        return out

    def compare(self, d):
        lines, _ = self.c.ask("tree", d.name)
        got = {}
        for f in lines:
            if f[0] in got:
                raise Differs("%s lists %s twice" % (d.name, f[0]))
            got[f[0]] = f[1:]
        want = self.expected(d)
        if set(got) != set(want):
            raise Differs("%s shows %s, the model %s" %
                          (d.name, sorted(got), sorted(want)))
        inos = self.inos.setdefault(d.name, {})
        names = {}
        for path, (kind, ino, mode, data, xattrs) in want.items():
            g = got[path]
            have = (g[0], int(g[3]), g[4], set(g[5:]))
            if have != (kind, mode, data, xattrs):
                raise Differs("%s %s is %s, the model's %s" %
                              (d.name, path, have,
                               (kind, mode, data, xattrs)))
            if inos.setdefault(ino, g[1]) != g[1]:
                raise Differs("%s %s has number %s, had %s" %
                              (d.name, path, g[1], inos[ino]))
            if names.setdefault(g[1], ino) != ino:
                raise Differs("%s %s: two inodes with number %s" %
                              (d.name, path, g[1]))


def play(program, n, skews, steps):
    w = Both(n, skews, program)
    for s in steps:
        w.step(s)
    finish(w)


def finish(w):
    """Everything to everybody, and to a newcomer, in the end."""
    for i in range(len(w.slots)):
        w.step(("pub", i))
    for i in range(len(w.slots)):
        w.step(("pull", i, i))
    w.slots.append(None)
    w.lives.append(0)
    w.skews.append(0)
    w.start(len(w.slots) - 1) if len(w.slots) <= 4 else w.slots.pop()
    w.step(("pull", len(w.slots) - 1, 7))
    # Who knows the same has the same state, whatever way it came.
    for d in w.slots[1:]:
        w.c.ask("same", w.slots[0].name, d.name)


def random_schedule(rng, steps, program):
    """One schedule, made while it is played: (n, skews, steps, what broke)."""
    n = rng.choice([1, 2, 2, 2, 3, 3, 4])
    skews = [rng.choice([0, 0, 0, 40, -40, 5000]) for _ in range(n)]
    w, made = Both(n, list(skews), program), []
    chatty = rng.random() * 0.5

    def do(s):
        made.append(s)
        w.step(s)
    try:
        if rng.random() < 0.5:
            for s in [("op", 0, "mkdir", "a"), ("op", 0, "create", "b", "X"),
                      ("op", 0, "create", "a/b", "Y"),
                      ("op", 0, "mkdir", "c.t"), ("pub", 0)] + \
                     [("pull", i, 0) for i in range(n)]:
                do(s)
        for _ in range(rng.randrange(3, steps)):
            i = rng.randrange(n)
            r = rng.random()
            if r > chatty:
                w.serial += 1
                for o in sim.random_op(rng, w.slots[i], w.serial):
                    do(("op", i) + o)
            elif r < 0.01 and sum(w.lives) < 12:
                do(("lose", i))
            elif r < chatty * 0.4:
                do(("pub", i))
            elif r < chatty * 0.7:
                writer = rng.choice(sorted(w.folder))
                do(("recv", i, writer,
                    rng.randrange(1 + len(w.folder[writer]))))
            else:
                for j in range(n):
                    if rng.random() < 0.7:
                        do(("pub", j))
                do(("pull", i, rng.randrange(100)))
        finish(w)
    except Differs as e:
        return n, skews, made, e
    return n, skews, made, None


def minimise(path, n, skews, made, e):
    """Drops steps while a difference remains."""
    again = True
    while again:
        again = False
        for i in range(len(made) - 1, -1, -1):
            less = made[:i] + made[i + 1:]
            program = Program(path)
            try:
                play(program, n, list(skews), less)
            except Differs as e2:
                made, e, again = less, e2, True
            except Exception:
                pass
            finally:
                program.p.kill()
                program.p.wait()
    return made, e


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--schedules", type=int, default=2000)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--steps", type=int, default=40)
    a.add_argument("program", nargs="?", default=os.path.join(
        os.environ.get("top_builddir", "."), "tests/merge/device"))
    a = a.parse_args()
    program, steps = Program(a.program), 0
    for seed in range(a.seed, a.seed + a.schedules):
        n, skews, made, e = random_schedule(random.Random(seed), a.steps,
                                            program)
        steps += len(made)
        if e is not None:
            program.p.kill()
            made, e = minimise(a.program, n, skews, made, e)
            print("seed %d, %d devices, skews %s" % (seed, n, skews))
            for s in made:
                print("   ", s)
            print("  ", e)
            return 1
    program.close()
    print("%d schedules, %d steps, from seed %d: the same trees" %
          (a.schedules, steps, a.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
