#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""stats: what a mount tells of itself, as text, JSON and for Prometheus."""
import json
import os
import re
import signal
import stat
import subprocess
import time

from cli_case import H, main

PIECE = 1 << 20


def stats(box, *args):
    return json.loads(box.run("stats", "--json", *args).out)


def ops(found):
    return {r["op"]: r for r in found["requests"]}


def test_numbers_are_of_what_was_done(box):
    box.vault()
    mnt = box.mount()
    before = stats(box, "mnt")
    data = os.urandom(3 * PIECE)
    for name in ("one", "two"):
        with open(mnt + "/" + name, "wb") as f:
            f.write(data)
            os.fsync(f.fileno())
    for i in range(20):
        os.mkdir(mnt + "/d%d" % i)
    with open(mnt + "/one", "rb") as f:
        assert f.read() == data
    box.run("sync", "mnt")
    after = stats(box, "mnt")
    assert after["vault"] == box.path("vault") and after["mountpoint"] == mnt

    def grew(key):
        return after[key] - before[key]
    assert grew("written_bytes") == 2 * len(data)
    # All of the second file but what lies on the edges of a flush was there.
    assert grew("chunk_bytes") + grew("duplicate_bytes") >= 2 * len(data)
    assert grew("duplicate_bytes") > 0 and grew("duplicates") > 0
    assert grew("chunk_bytes") < 2 * len(data)
    assert grew("cuts") >= 2 and grew("cut_ns") > 0
    assert grew("staged_bytes") + grew("pack_bytes") > len(data)
    assert grew("packs") >= 1 and grew("segments") >= 1
    assert grew("read_bytes") <= len(data)
    assert after["cache_total_bytes"] > 0 and after["workers"] > 0
    assert after["kernel_inodes"] >= 22
    had, has = ops(before), ops(after)
    assert has["MKDIR"]["count"] - had.get("MKDIR", {"count": 0})["count"] \
        == 20
    assert has["FSYNC"]["count"] == 2
    for r in after["requests"]:
        assert 0 < r["count"] and r["p50_ns"] <= r["p99_ns"] <= r["max_ns"], r
        assert r["total_ns"] <= r["count"] * r["max_ns"], r
    box.run("umount", "mnt")


def test_text_names_what_happened(box):
    box.vault()
    mnt = box.mount()
    os.mkdir(mnt + "/folder")
    text = box.run("stats", "vault").out      # by the vault, too
    assert text.startswith(mnt + ", of " + box.path("vault"))
    assert re.search(r"^  MKDIR +1 +[0-9.]+ [num]s", text, re.M), text
    assert "p99" in text and "in use" in text
    (j,) = json.loads(box.run("status", "--json").out)["vaults"]
    assert "writeback cache no" in j["features"]
    assert "writeback cache no" in box.run("status", "mnt").out
    box.run("umount", "mnt")


def metrics(text):
    """{name with labels: number}, each line of the format it must have."""
    found, typed = {}, set()
    for line in text.splitlines():
        if line.startswith("#"):
            m = re.fullmatch(r"# (HELP|TYPE) (coffer_[a-z0-9_]+) .+", line)
            assert m, line
            if m[1] == "TYPE":
                assert m[2] not in typed, line
                typed.add(m[2])
            continue
        m = re.fullmatch(
            r'(coffer_[a-z0-9_]+)(\{[a-z]+="(?:[^"\\]|\\["\\n])*"'
            r'(?:,[a-z]+="(?:[^"\\]|\\["\\n])*")*\}) ([0-9.e+-]+)', line)
        assert m, line
        assert re.sub("_(bucket|sum|count)$", "", m[1]) in typed or \
            m[1] in typed, line
        assert m[1] + m[2] not in found, line
        found[m[1] + m[2]] = float(m[3])
    return found


def test_prometheus_gets_a_whole_file_it_may_read(box):
    box.vault('va"u\nlt')
    mnt = box.mount('va"u\nlt')
    for i in range(7):
        os.mkdir(mnt + "/d%d" % i)
    box.write("c.prom", "old")
    assert box.run("stats", "--prometheus", "c.prom", "mnt").out == ""
    assert sorted(n for n in os.listdir(box.base) if "prom" in n) == ["c.prom"]
    assert stat.S_IMODE(os.stat(box.path("c.prom")).st_mode) == 0o644
    with open(box.path("c.prom"), encoding="utf-8") as f:
        found = metrics(f.read())
    labels = '{vault="%s",mountpoint="%s"' % (
        box.path('va\\"u\\nlt'), mnt)
    assert found["coffer_workers" + labels + "}"] > 0
    assert found["coffer_cut_seconds_total" + labels + "}"] >= 0
    name = "coffer_request_seconds_%s" + labels + ',op="MKDIR"'
    assert found[name % "count" + "}"] == 7
    assert 0 < found[name % "sum" + "}"]
    buckets = [(k.split('le="')[1][:-2], v) for k, v in found.items()
               if k.startswith(name % "bucket")]
    assert buckets[-1] == ("+Inf", 7.0)
    assert [v for _, v in buckets] == sorted(v for _, v in buckets)
    bounds = [float(k) for k, _ in buckets[:-1]]
    assert bounds == sorted(bounds) and bounds[0] < 1e-5 < 1 < bounds[-1]
    box.fails(1, "stats", "--prometheus", "nowhere/c.prom", "mnt",
              says="nowhere/c.prom")
    box.run("umount", "mnt")


def test_watching_goes_on_until_it_is_ended(box):
    box.vault()
    box.mount()
    p = subprocess.Popen(
        [H.COFFER, "stats", "--interval", "1", "--json", "--prometheus",
         "w.prom", "mnt"], cwd=box.base, env=box.env, stdout=subprocess.PIPE)
    first = json.loads(p.stdout.readline())
    os.mkdir(box.path("mnt/new"))
    end = time.monotonic() + 60 * H.SLOWER
    while "MKDIR" not in ops(json.loads(p.stdout.readline())):
        assert time.monotonic() < end
    assert first["mountpoint"] == box.path("mnt")
    assert os.path.exists(box.path("w.prom"))
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=60 * H.SLOWER)
    assert p.returncode == 0
    # A mount that ends is told.
    p = subprocess.Popen([H.COFFER, "stats", "--interval", "1", "mnt"],
                         cwd=box.base, env=box.env, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    assert b"requests/s" in p.stdout.readline()
    box.run("umount", "mnt")
    _, err = p.communicate(timeout=60 * H.SLOWER)
    assert p.returncode in (1, 13) and err.count(b"\n") == 1, err


def test_what_is_not_mounted_has_no_numbers(box):
    box.vault()
    box.fails(1, "stats", "vault", says="not mounted")
    box.fails(1, "stats", "nowhere", says="not mounted")


if __name__ == "__main__":
    main(globals())
