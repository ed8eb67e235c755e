#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""bench: a table or an object of what was measured, and nothing left behind."""
import json
import os
import signal
import subprocess

from cli_case import H, main


def left(box):
    return [n for n in os.listdir(box.base) if n.startswith("coffer-bench")]


def test_it_measures_and_leaves_nothing_behind(box):
    j = json.loads(box.run("bench", "--json", ".").out)
    assert j["folder"] == "." and j["encryption_library"]
    groups = {r["group"] for r in j["rows"]}
    assert {"key derivation", "libsodium", "chunker", "cache",
            "scratch vault"} <= groups, groups
    # The library that is used is one that was measured.
    assert j["hash_library"].split()[0] in groups
    names = [r["what"] for r in j["rows"] if r["group"] == "scratch vault"]
    for what in ("create a file of 4 KiB", "append 4 KiB, fsync",
                 "write in order, fsync", "read 4 KiB anywhere", "unlink"):
        assert what in names, names
    for r in j["rows"]:
        value = r["ns"] if "ns" in r else r["bytes_per_second"]
        assert value > 0, r
        assert ("ns" in r) != ("bytes_per_second" in r), r
    assert left(box) == []


def start(box):
    p = subprocess.Popen([H.COFFER, "bench", box.base], cwd=box.base,
                         env=box.env, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, start_new_session=True)
    for line in p.stdout:
        if line.startswith(b"scratch vault"):
            break
    folder = box.path(left(box)[0])
    assert os.path.exists(folder + "/vault/VAULT")
    return p


def test_a_signal_ends_it_and_nothing_is_left_behind(box):
    # To all, as a terminal sends it; to the one that was started; one that
    # nothing can catch to the one that measures.
    p = start(box)
    os.killpg(p.pid, signal.SIGINT)
    assert p.wait(timeout=60 * H.SLOWER) == 17
    assert left(box) == []
    p = start(box)
    p.send_signal(signal.SIGTERM)
    assert p.wait(timeout=60 * H.SLOWER) == 17
    assert left(box) == []
    p = start(box)
    with open("/proc/%d/task/%d/children" % (p.pid, p.pid),
              encoding="ascii") as f:
        os.kill(int(f.read()), signal.SIGKILL)
    assert p.wait(timeout=60 * H.SLOWER) == 1
    assert b"signal 9" in p.stderr.read()
    assert left(box) == []


def test_a_folder_that_cannot_be_used_is_told(box):
    box.fails(1, "bench", "nowhere", says="nowhere")
    box.write("file", "x")
    box.fails(1, "bench", "file", says="file")


if __name__ == "__main__":
    main(globals())
