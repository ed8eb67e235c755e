# SPDX-License-Identifier: ISC
"""What users do, as functions of a Bench: each takes figures by name.

Sizes are those of a full run; Bench.n() scales them.
"""
import os
import shutil
import sqlite3
import subprocess
import tarfile
import time

WORKLOADS = {}


def workload(fn):
    WORKLOADS[fn.__name__.replace("_", "-")] = fn
    return fn


# ------------------------------------------------------------- small files

@workload
def small_files(b):
    n = b.n(10000)
    b.ops("create", n, label="create 4 KiB")
    b.cold()
    b.ops("stat", n, label="walk cold")
    b.ops("stat", n, label="stat warm")
    b.cold()
    b.ops("read", n, label="read cold")
    b.ops("read", n, label="read warm")
    b.ops("rename", n, label="rename")
    b.ops("unlink-renamed", n, label="unlink")


@workload
def small_files_8(b):
    n = b.n(10000) // 8
    tops = ["p%d" % i for i in range(8)]
    for t in tops:
        os.mkdir(b.at(t))
    b.ops("create", n, label="create 4 KiB, 8 processes", folders=tops)
    b.cold()
    b.ops("read", n, label="read cold, 8 processes", folders=tops)
    b.ops("unlink", n, label="unlink, 8 processes", folders=tops)


# --------------------------------------------------------------- streaming

@workload
def streaming(b):
    n = b.n(1024)
    b.ops("stream-write", n, label="write, fsync", bytes_each=1 << 20)
    b.cold()
    b.ops("stream-read", n, label="read cold", bytes_each=1 << 20)
    b.ops("stream-read", n, label="read warm", bytes_each=1 << 20)
    b.cold()
    b.ops("media", max(1, n // 8), label="4 readers that seek", bytes_each=1 << 20,
          folders=["."] * 4)


@workload
def random_access(b):
    b.fill("stream-write", b.n(512))
    b.cold()
    b.ops("random-read", b.n(10000), label="4 KiB reads cold")
    b.ops("random-write", b.n(20000), label="4 KiB writes, fsync")
    b.cold()
    b.ops("stream-read", b.n(512), label="reading it afterwards",
          bytes_each=1 << 20)


@workload
def sequential_small_writes(b):
    b.ops("append", b.n(50000), label="4 KiB writes in a row")


# ----------------------------------------------------------------- durable

@workload
def durable(b):
    b.ops("append-sync", b.n(1000), label="append 4 KiB, fsync")
    for mode in ("delete", "wal"):
        db = sqlite3.connect(b.at(mode + ".db"), isolation_level=None)
        db.execute("PRAGMA journal_mode=%s" % mode)
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")
        n = b.n(500)
        start = time.perf_counter()
        for i in range(n):
            db.execute("INSERT INTO t(b) VALUES (?)", ("x" * 100,))
        b.note("SQLite rows, " + ("rollback" if mode == "delete" else "WAL"),
               (time.perf_counter() - start) / n * 1e6, "us")
        db.close()


# ------------------------------------------------------------------- trees

def source_tree(b):
    """A tar of what every system with a compiler has."""
    path = os.path.join(b.work, "tree.tar")
    if not os.path.exists(path):
        with tarfile.open(path + ".part", "w") as tar:
            for top in ("/usr/include", "/usr/share/perl", "/etc"):
                if os.path.isdir(top):
                    tar.add(top)
        os.rename(path + ".part", path)
    return path


@workload
def trees(b):
    tar = source_tree(b)
    os.mkdir(b.at("t"))
    b.command("untar", ["tar", "-C", b.at("t"), "-xf", tar])
    b.cold()
    b.command("grep cold", ["grep", "-rlI", "no such words anywhere",
                            b.at("t")], ok=(0, 1, 2))
    b.cold()
    b.command("find cold", ["find", b.at("t"), "-newer", "/"])
    b.command("find warm", ["find", b.at("t"), "-newer", "/"])
    out = os.path.join(b.work, "out")
    b.command("cp -a out", ["cp", "-a", b.at("t"), out])
    shutil.rmtree(out)
    b.command("rm -rf", ["rm", "-rf", b.at("t")])


@workload
def git(b):
    tar = source_tree(b)
    repo, who = b.at("repo"), ["-c", "user.name=b", "-c", "user.email=b@b"]
    os.mkdir(repo)
    subprocess.run(["tar", "-C", repo, "-xf", tar, "usr/include"], check=True)
    subprocess.run(["git", "init", "-q", repo], check=True)
    b.command("git add, commit", ["sh", "-c",
              "git add . && git -c user.name=b -c user.email=b@b commit -qm x"],
              cwd=repo)
    b.command("git status", ["git", *who, "status", "--short"], cwd=repo)
    b.command("git clone", ["git", "clone", "-q", "--no-local", repo,
                            b.at("clone")])


@workload
def rsync(b):
    n = b.n(50000)
    src = os.path.join(b.work, "rsync-src-%d" % n)
    if not os.path.isdir(src):
        for i in range(n):
            folder = os.path.join(src, "d%03d" % (i % 500))
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "f%d" % i), "wb") as f:
                f.write(b"%d\n" % i * 100)
    copy = ["rsync", "-a", src + "/", b.at("copy")]
    b.command("rsync, first", copy)
    b.cold()
    b.command("rsync, unchanged", copy)
    for i in range(0, n, 100):
        path = os.path.join(src, "d%03d" % (i % 500), "f%d" % i)
        with open(path, "ab") as f:
            f.write(b"x")
    b.command("rsync, 1 % changed", copy)


# ---------------------------------------------------------------- metadata

@workload
def metadata(b):
    n = b.n(100000)
    b.ops("create-flat", n, label="create in one directory")
    b.cold()
    b.ops("list", 1, label="readdir of %d names, cold" % n)
    b.ops("list", 1, label="readdir of %d names, warm" % n)
    b.ops("create", b.n(2000), label=None)
    b.ops("setxattr", b.n(2000), label="setxattr")
    b.ops("getxattr", b.n(2000), label="getxattr")


@workload
def concurrent(b):
    b.ops("mixed", b.n(1000), label="8 processes mixed", folders=["."] * 8)


# ------------------------------------------------------------------- space

def stored_after(b, label, plain):
    b.cold()
    total, files = b.system.stored()
    b.note(label, total / plain, "of its size")
    b.note(label + ", files", files, "files")


def write_random(path, n_bytes):
    with open(path, "wb") as f:
        for at in range(0, n_bytes, 1 << 20):
            f.write(os.urandom(min(n_bytes - at, 1 << 20)))


@workload
def space(b):
    tar = source_tree(b)
    plain = 0
    for name in ("one", "two"):
        os.mkdir(b.at(name))
        subprocess.run(["tar", "-C", b.at(name), "-xf", tar], check=True)
    for folder, _, files in os.walk(b.mnt):
        plain += sum(os.lstat(os.path.join(folder, f)).st_size for f in files)
    stored_after(b, "a tree twice", plain)


@workload
def space_inserted(b):
    n = b.n(64) << 20
    write_random(b.at("a"), n)
    with open(b.at("a"), "rb") as src, open(b.at("b"), "wb") as to:
        to.write(src.read(1000) + b"inserted")
        shutil.copyfileobj(src, to)
    stored_after(b, "a file, and with bytes inserted", 2 * n)


@workload
def space_tiny(b):
    n = b.n(10000)
    for i in range(n):
        if i % 500 == 0:
            os.mkdir(b.at("d%d" % (i // 500)))
        with open(b.at("d%d/f%d" % (i // 500, i)), "wb") as f:
            f.write(os.urandom(100))
    stored_after(b, "%d files of 100 bytes" % n, n * 100)


# -------------------------------------------------------------------- life

@workload
def life(b):
    for n in (b.n(10000), b.n(100000)):
        done = len([x for x in os.listdir(b.mnt) if x[0] == "m"])
        for i in range(done * 1000, n, 1000):
            os.mkdir(b.at("m%d" % i))
            b.fill("create-flat", 1000, folder="m%d" % i)
        b.timed_umount("unmount with %d files" % n)
        b.timed_mount("mount cold with %d files" % n)
