#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Real trees go in, and come out of a second machine and of the independent
reader as they were."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402
import trees  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested

FEW = H.scaled(6000, 2000)    # files of the system's own to take


def system_tree(top):
    """Sources, manual pages, binaries and links as this system has them."""
    os.makedirs(top)
    n = 0
    for source in ("/usr/include", "/usr/share/man", "/usr/lib/python3",
                   "/usr/share/doc", "/usr/bin"):
        if not os.path.isdir(source) or n > FEW:
            continue
        to = os.path.join(top, source.strip("/").replace("/", "-"))
        for d, dirs, files in os.walk(source):
            dirs.sort()
            rel = os.path.relpath(d, source)
            here = os.path.join(to, rel)
            os.makedirs(here, exist_ok=True)
            for f in sorted(files):
                path = os.path.join(d, f)
                if os.path.islink(path):
                    os.symlink(os.readlink(path), os.path.join(here, f))
                elif os.path.isfile(path) and \
                        os.path.getsize(path) < 2 << 20:
                    shutil.copy2(path, os.path.join(here, f))
                n += 1
            if n > FEW or len(dirs) > 400:
                break
    return n


def show_elsewhere(v, want, what):
    """An empty state directory: a second machine."""
    with v.mounted(device="second", options=["ro"]) as m:
        trees.compare(want, trees.snapshot(m.path), what + ", second machine")


def extract_elsewhere(base, v, want, what):
    H.need_nacl()
    out = os.path.join(base, "out")
    v.reader("extract", out)
    how = {"owner": os.geteuid() == 0}
    if os.geteuid() != 0:
        for d in want[0].values():
            d.pop("owner", None)
    trees.compare(want, trees.snapshot(out, **how), what + ", reader")


def check_clean(v, device="here"):
    report = v.check("--read-data", device=device)
    assert report["ok"] and report["damaged"] == 0, report


def test_odd_tree_by_cp(base):
    src = os.path.join(base, "src")
    trees.make_odd(src)
    want = trees.snapshot(src)
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        H.run(["cp", "-a", src + "/.", m.path])
        trees.compare(want, trees.snapshot(m.path), "mounted")
    with v.mounted() as m:
        trees.compare(want, trees.snapshot(m.path), "mounted again")
    show_elsewhere(v, want, "odd tree")
    check_clean(v)
    extract_elsewhere(base, v, want, "odd tree")


def test_odd_tree_by_tar(base):
    src = os.path.join(base, "src")
    trees.make_odd(src)
    want = trees.snapshot(src)
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        tar = subprocess.Popen(["tar", "-C", src, "--xattrs", "-cf", "-", "."],
                               stdout=subprocess.PIPE)
        H.run(["tar", "-C", m.path, "--xattrs", "-xpf", "-"],
              stdin=tar.stdout)
        tar.stdout.close()
        assert tar.wait(60) == 0
        trees.compare(want, trees.snapshot(m.path), "mounted")
    show_elsewhere(v, want, "tar")


def test_thousands_of_files(base):
    src = os.path.join(base, "src")
    n = system_tree(src)
    assert n > 1000, "too little to copy on this system: %d files" % n
    want = trees.snapshot(src)
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        H.run(["cp", "-a", src + "/.", m.path], timeout=300)
    show_elsewhere(v, want, "%d files" % n)
    check_clean(v)
    extract_elsewhere(base, v, want, "%d files" % n)
    print("        %d files" % n)


def test_rsync_keeps_everything(base):
    src = os.path.join(base, "src")
    trees.make_odd(src)
    # rsync leaves a time alone that is right to the second, on any disk.
    trees.age(src)
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        H.run(["rsync", "-aHAX", src + "/", m.path + "/"])
        trees.compare(trees.snapshot(src), trees.snapshot(m.path), "rsync")
        again = H.run(["rsync", "-aHAXi", "--checksum", src + "/",
                       m.path + "/"])
        changed = [x for x in again.stdout.decode(errors="replace")
                   .splitlines() if not x.startswith(".d")]
        assert not changed, "a second run found %r" % changed[:5]


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
