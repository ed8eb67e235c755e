#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Coffer beside its peers, in one run: every workload on every system, turn by
turn, each time in a fresh store.

    bench.py [--install] [--rounds N] [--scale F] [--systems A,B] [--only A,B]
             [--minutes M] [--store FOLDER] [--out FOLDER]
    bench.py --merge A/results.json,B/results.json [--out FOLDER]

Root is needed, to drop the kernel's caches.  COFFER names the program to
measure.  Writes results.json, results.md and results.svg.
"""
import argparse
import json
import os
import signal
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
        self.requests = {}

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
        if system.requests:
            b.note("requests of the kernel", sum(system.requests.values()),
                   "requests")
            b.requests = system.requests
    except (systems.Failed, OSError, subprocess.SubprocessError,
            ValueError) as e:
        print("  %s on %s: %s" % (name, cls.name, e), file=sys.stderr)
        b.note("failed", 1, "times")
    finally:
        system.stop()
        os.rmdir(top)
    return b


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
    p.add_argument("--only", "--work", dest="work", metavar="WORK,...",
                   help="some workloads; the parts of a long run are put "
                   "together with --merge")
    p.add_argument("--minutes", type=float, default=0,
                   help="begin nothing more after so long")
    p.add_argument("--merge", metavar="FILE,...",
                   help="measure nothing: one table of several results.json")
    p.add_argument("--store", default=tempfile.gettempdir(),
                   help="where stores are made: a disk, or a tmpfs")
    p.add_argument("--out", default="bench-results")
    return p.parse_args()


class Clock:
    """How long the workloads take on the systems, and when to end."""

    def __init__(self, minutes):
        self.start = time.monotonic()
        self.end = self.start + minutes * 60 if minutes else float("inf")
        self.seconds = {}

    def is_over(self):
        return time.monotonic() >= self.end

    def took(self, work, system, seconds):
        self.seconds.setdefault(work, {}).setdefault(system, []).append(
            round(seconds, 1))


def run_all(args, classes, work):
    """Turn by turn; what is written after each workload is whole."""
    clock = Clock(args.minutes)
    results = {w: {c.name: [] for c in classes} for w in work}
    told = {"how": vars(args), "results": results, "seconds": clock.seconds,
            "requests": {}}
    with tempfile.TemporaryDirectory(dir=args.store) as scratch:
        ops = build_ops(scratch)
        if systems.Passthrough in classes:
            systems.Passthrough.build(scratch)
        for i, w in ((i, w) for i in range(args.rounds) for w in work):
            if clock.is_over():
                print("%g minutes are over: round %d ends before %s" % (
                    args.minutes, i + 1, w), flush=True)
                break
            for c in classes:
                print("round %d: %s on %s" % (i + 1, w, c.name), flush=True)
                start = time.monotonic()
                b = measure(c, w, ops, args.store, scratch, args.scale,
                            (i * len(work) + work.index(w)) * 100)
                clock.took(w, c.name, time.monotonic() - start)
                results[w][c.name].append(b.figures)
                if b.requests:
                    told["requests"].setdefault(w, {})[c.name] = b.requests
            report.write(args.out, told)
    print("A round took %.0f minutes." % (
        sum(sum(v) / len(v) for by in clock.seconds.values()
            for v in by.values()) / 60))
    return told


def main():
    args = parse()
    if args.merge:
        report.show(args.out, report.merge(args.merge.split(",")))
        return
    if os.geteuid() != 0:
        sys.exit("bench.py: root is needed, to drop the kernel's caches")
    # Leaves no mount behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench.py: ended"))
    if args.install:
        packages = sorted({c.package for c in systems.ALL if c.package})
        subprocess.run(["apt-get", "update", "-q"], check=True)
        subprocess.run(["apt-get", "install", "-q", "-y", *packages],
                       check=True)
    by_name = {c.name: c for c in systems.ALL}
    names = [n for n in chosen(args.systems, by_name, "system")
             if by_name[n].is_there()]
    work = chosen(args.work, WORKLOADS, "workload")
    report.show(args.out, run_all(args, [by_name[n] for n in names], work))


if __name__ == "__main__":
    main()
