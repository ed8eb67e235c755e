#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Coffer beside its peers, in one run: every workload on every system, turn by
turn, each time in a fresh store.

    bench.py [--install] [--rounds N] [--scale F] [--systems A,B] [--work A,B]
             [--store FOLDER] [--out FOLDER]

Root is needed, to drop the kernel's caches.  COFFER names the program to
measure.  Writes results.json, results.md and results.svg.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import report
import systems
from workloads import WORKLOADS

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 900


class Bench:
    """One workload on one system; workloads.py writes to it."""

    def __init__(self, system, ops, work, scale, seed):
        self.system = system
        self.mnt = system.mnt
        self.ops_program = ops
        self.work = work
        self.scale = scale
        self.seed = seed
        self.figures = {}

    def n(self, full):
        return max(1, int(full * self.scale))

    def at(self, name):
        return os.path.join(self.mnt, name)

    def note(self, label, value, unit):
        self.figures[label] = (value, unit)

    def cold(self):
        self.system.cold()

    def start_ops(self, name, n, folder):
        self.seed += 1
        return subprocess.Popen(
            [self.ops_program, name, os.path.join(self.mnt, folder), str(n),
             str(self.seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def fill(self, name, n, folder="."):
        self.finish_ops(self.start_ops(name, n, folder))

    @staticmethod
    def finish_ops(child):
        out, err = child.communicate(timeout=LIMIT)
        if child.returncode != 0:
            raise systems.Failed(err.decode(errors="replace").strip())
        return json.loads(out)

    def ops(self, name, n, label, bytes_each=0, folders=(".",)):
        """Microseconds an operation, or MB/s; p50 and p99 of single ones."""
        start = time.perf_counter()
        children = [self.start_ops(name, n, f) for f in folders]
        each = [self.finish_ops(c) for c in children]
        wall = time.perf_counter() - start
        if label is None:
            return
        if len(each) == 1:
            wall = each[0]["total_ns"] / 1e9
        if bytes_each:
            self.note(label, n * len(each) * bytes_each / 1e6 / wall, "MB/s")
            return
        self.note(label, wall * 1e6 / (n * len(each)), "us")
        if n > 1:
            self.note(label + ", p99", max(e["p99_ns"] for e in each) / 1e3,
                      "us")

    def command(self, label, args, ok=(0,), cwd=None):
        start = time.perf_counter()
        done = subprocess.run(args, cwd=cwd, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, check=False,
                              timeout=LIMIT)
        if done.returncode not in ok:
            raise systems.Failed("%s: %s" % (
                label, done.stderr.decode(errors="replace").strip()[-200:]))
        self.note(label, time.perf_counter() - start, "s")

    def timed_umount(self, label):
        start = time.perf_counter()
        self.system.umount()
        self.note(label, time.perf_counter() - start, "s")

    def timed_mount(self, label):
        systems.drop_caches()
        start = time.perf_counter()
        self.system.mount()
        self.note(label, time.perf_counter() - start, "s")


def measure(cls, name, ops, store, work, scale, seed):
    """The figures of one workload on one system in a fresh store."""
    top = tempfile.mkdtemp(prefix="bench-", dir=store)
    system = cls(os.path.join(top, "s"))
    b = Bench(system, ops, work, scale, seed)
    try:
        system.start()
        WORKLOADS[name](b)
        system.umount()
        if not system.is_reference:
            b.note("daemon, CPU seconds", system.cpu, "CPU s")
            b.note("daemon, peak memory", system.peak / 1e6, "MB")
    except (systems.Failed, OSError, subprocess.SubprocessError,
            ValueError) as e:
        print("  %s on %s: %s" % (name, cls.name, e), file=sys.stderr)
        b.note("failed", 1, "times")
    finally:
        system.stop()
        os.rmdir(top)
    return b.figures


def build_ops(work):
    out = os.path.join(work, "bench_ops")
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-std=c17",
                    "-D_GNU_SOURCE", "-o", out,
                    os.path.join(HERE, "bench_ops.c")], check=True)
    return out


def chosen(text, all_of, what):
    if not text:
        return list(all_of)
    out = text.split(",")
    for name in out:
        if name not in all_of:
            sys.exit("bench.py: there is no %s %s; there are %s" %
                     (what, name, ", ".join(all_of)))
    return out


def parse():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--install", action="store_true",
                   help="install the peers that are missing, by apt-get")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--scale", type=float, default=1.0,
                   help="of the full sizes; less for a quick look")
    p.add_argument("--systems")
    p.add_argument("--work")
    p.add_argument("--store", default=tempfile.gettempdir(),
                   help="where stores are made: a disk, or a tmpfs")
    p.add_argument("--out", default="bench-results")
    return p.parse_args()


def main():
    args = parse()
    if os.geteuid() != 0:
        sys.exit("bench.py: root is needed, to drop the kernel's caches")
    if args.install:
        packages = sorted({c.package for c in systems.ALL if c.package})
        subprocess.run(["apt-get", "update", "-q"], check=True)
        subprocess.run(["apt-get", "install", "-q", "-y", *packages],
                       check=True)
    by_name = {c.name: c for c in systems.ALL}
    names = [n for n in chosen(args.systems, by_name, "system")
             if by_name[n].is_there()]
    work = chosen(args.work, WORKLOADS, "workload")
    results = {w: {n: [] for n in names} for w in work}
    with tempfile.TemporaryDirectory(dir=args.store) as scratch:
        ops = build_ops(scratch)
        for i in range(args.rounds):
            for w in work:
                for n in names:
                    print("round %d: %s on %s" % (i + 1, w, n), flush=True)
                    results[w][n].append(measure(
                        by_name[n], w, ops, args.store, scratch, args.scale,
                        (i * len(work) + work.index(w)) * 100))
                report.write(args.out, results, vars(args))
    with open(os.path.join(args.out, "results.md"), encoding="utf-8") as f:
        print(f.read())


if __name__ == "__main__":
    main()
