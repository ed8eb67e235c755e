# SPDX-License-Identifier: ISC
"""Tables and a picture of what was measured."""
import json
import os
import platform
import statistics

OURS = "coffer"
REFERENCES = ("bare", "passthrough_ll", "coffer fast", "coffer safe")
# Their fsync(2) does not wait for the disk: no peers where that is measured.
NOT_DURABLE = ("cryfs",)
MORE_IS_BETTER = ("MB/s",)


def medians(results):
    """{(workload, label): (unit, {system: (median, min, max)})}, in order."""
    out = {}
    for work, by_system in results.items():
        for system, rounds in by_system.items():
            for figures in rounds:
                for label, (value, unit) in figures.items():
                    row = out.setdefault((work, label), (unit, {}))
                    row[1].setdefault(system, []).append(value)
    return {key: (unit, {s: (statistics.median(v), min(v), max(v))
                         for s, v in by.items()})
            for key, (unit, by) in out.items()}


def times_better(unit, a, b):
    """How many times a is as good as b."""
    if unit in MORE_IS_BETTER:
        return a / b if b else 0
    return b / a if a else 0


def is_durable(work, label):
    return work == "durable" or "fsync" in label


def best_peer(work, label, unit, row):
    out = NOT_DURABLE if is_durable(work, label) else ()
    peers = {s: v[0] for s, v in row.items()
             if s != OURS and s not in REFERENCES and s not in out}
    if not peers:
        return None
    pick = max if unit in MORE_IS_BETTER else min
    return pick(peers, key=peers.get)


def number(x):
    return "%.3g" % x if x < 1000 else "%.0f" % x


def cell(v):
    return "%s (%s-%s)" % tuple(map(number, v))


def markdown(results, how):
    names = list(dict.fromkeys(n for by in results.values() for n in by))
    rounds = [len(r) for by in results.values() for r in by.values() if r]
    lines = ["# Measured", "",
             "%s, kernel %s, %d processors; %s rounds, scale %g, store on %s."
             % (platform.machine(), platform.release(), os.cpu_count(),
                "-".join(map(str, sorted({min(rounds), max(rounds)}))),
                how["scale"], how["store"]),
             "Medians, least and most in brackets. The ratios say how many "
             "times as good coffer is; where fsync counts, %s, whose fsync "
             "does not wait for the disk, is no peer." %
             " and ".join(NOT_DURABLE), "",
             "| work | what | unit | " + " | ".join(names) +
             " | to the best peer | to bare |",
             "|---|---|---|" + "---|" * (len(names) + 2)]
    for (work, label), (unit, row) in medians(results).items():
        peer, ratio, bare = best_peer(work, label, unit, row), "", ""
        if OURS in row and peer:
            ratio = "%.2f (%s)" % (
                times_better(unit, row[OURS][0], row[peer][0]), peer)
        if OURS in row and "bare" in row:
            bare = "%.2f" % times_better(unit, row[OURS][0], row["bare"][0])
        lines.append("| %s | %s | %s | %s | %s | %s |" % (
            work, label, unit,
            " | ".join(cell(row[n]) if n in row else "-" for n in names),
            ratio, bare))
    return "\n".join(lines) + "\n"


def svg(results):
    """A bar a row: how many times as good as the best peer, to 10 times."""
    bars = []
    for (work, label), (unit, row) in medians(results).items():
        peer = best_peer(work, label, unit, row)
        if OURS in row and peer and row[OURS][0]:
            bars.append(("%s: %s" % (work, label), times_better(
                unit, row[OURS][0], row[peer][0])))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="900" height="%d" '
           'font-family="sans-serif" font-size="12">' % (40 + 18 * len(bars)),
           '<text x="10" y="18">Times as good as the best peer '
           '(line: equal)</text>']
    for i, (name, ratio) in enumerate(bars):
        y = 30 + 18 * i
        width = min(ratio, 10) * 45
        name = name.replace("&", "&amp;").replace("<", "&lt;")
        out.append('<text x="10" y="%d">%s</text><rect x="380" y="%d" '
                   'width="%.1f" height="12" fill="%s"/><text x="%.1f" '
                   'y="%d">%.2f</text>' % (
                       y + 10, name, y, width,
                       "#3a7" if ratio >= 1 else "#c53", 386 + width, y + 10,
                       ratio))
    out.append('<line x1="425" x2="425" y1="26" y2="%d" stroke="#000"/></svg>'
               % (34 + 18 * len(bars)))
    return "\n".join(out) + "\n"


def write(folder, told):
    """All of what one run, or several, found."""
    os.makedirs(folder, exist_ok=True)
    done = {w: by for w, by in told["results"].items() if any(by.values())}
    texts = {
        "results.json": json.dumps({**told, "results": done}, indent=1),
        "results.md": markdown(done, told["how"]),
        "results.svg": svg(done),
    }
    for name, text in texts.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)


def show(folder, told):
    write(folder, told)
    with open(os.path.join(folder, "results.md"), encoding="utf-8") as f:
        print(f.read())


def merge(paths):
    """Runs of one machine put together: other workloads, other systems, more
    rounds of the same."""
    out = {"how": None, "results": {}, "seconds": {}, "requests": {}}
    for path in paths:
        with open(path, encoding="utf-8") as f:
            told = json.load(f)
        if out["how"] is None:
            out["how"] = told["how"]
        for key in ("scale", "store"):
            if out["how"][key] != told["how"][key]:
                raise SystemExit("%s: another %s" % (path, key))
        for part in ("results", "seconds"):
            for work, by in told[part].items():
                for system, rounds in by.items():
                    out[part].setdefault(work, {}).setdefault(
                        system, []).extend(rounds)
        for work, by in told["requests"].items():
            out["requests"].setdefault(work, {}).update(by)
    return out
