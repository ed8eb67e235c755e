#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Programs people use, on a mount."""
import os
import sqlite3
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

FAST = ("--kdf-memory", "64M")    # unlocking is not what is tested

# For a lock, or a program.
PATIENCE = int(300 * H.SLOWER)

GIT = dict(os.environ, GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@example",
           GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@example",
           GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1")


def git(where, *args):
    return H.run(["git", "-C", where] + list(args), env=GIT).stdout.decode()


def make_repository(path, commits=30):
    os.makedirs(path)
    git(path, "init", "-q", "-b", "main")
    for i in range(commits):
        os.makedirs(os.path.join(path, "d%d" % (i % 5)), exist_ok=True)
        for k in range(8):
            with open(os.path.join(path, "d%d" % (i % 5), "f%d" % k), "a",
                      encoding="utf-8") as f:
                f.write("line %d of %d\n" % (i, k) * 40)
        git(path, "add", "-A")
        git(path, "commit", "-q", "-m", "commit %d" % i)


def test_git(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        origin = os.path.join(m.path, "origin")
        make_repository(origin)
        clone = os.path.join(m.path, "clone")
        H.run(["git", "clone", "-q", "--no-local", origin, clone], env=GIT)
        git(clone, "gc", "-q", "--aggressive", "--prune=now")
        out = git(clone, "fsck", "--full", "--strict")
        assert "missing" not in out and "corrupt" not in out, out
        assert git(clone, "status", "--porcelain") == ""
        head = git(clone, "rev-parse", "HEAD")
    with v.mounted() as m:
        clone = os.path.join(m.path, "clone")
        git(clone, "fsck", "--full", "--strict")
        assert git(clone, "rev-parse", "HEAD") == head
        assert git(clone, "status", "--porcelain") == ""
        git(clone, "checkout", "-q", "HEAD~10")
        git(clone, "checkout", "-q", "main")


def write_rows(path, who, rows, errors):
    try:
        db = sqlite3.connect(path, timeout=PATIENCE)
        for i in range(rows):
            with db:
                db.execute("insert into t values (?, ?)", (who, i))
        db.close()
    except Exception as e:      # handed to the test
        errors.append(e)


def sqlite_with(path, journal):
    db = sqlite3.connect(path, timeout=PATIENCE)
    mode = db.execute("pragma journal_mode=%s" % journal).fetchone()[0]
    assert mode == journal, mode
    db.execute("create table t (who int, i int)")
    db.commit()
    db.close()
    # Threads with a connection each, and another process: locks between both.
    errors = []
    threads = [threading.Thread(target=write_rows,
                                args=(path, w, 60, errors)) for w in range(3)]
    other = subprocess.Popen(
        ["sqlite3", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    script = ".timeout %d000\n" % PATIENCE + "".join(
        "insert into t values (9, %d);\n" % i for i in range(60))
    for t in threads:
        t.start()
    out, _ = other.communicate(script.encode(), timeout=PATIENCE)
    for t in threads:
        t.join(PATIENCE)
    assert not errors and other.returncode == 0 and not out, (errors, out)
    return check_db(path)


def check_db(path):
    db = sqlite3.connect(path, timeout=PATIENCE)
    assert db.execute("pragma integrity_check").fetchone()[0] == "ok"
    n = db.execute("select count(*) from t").fetchone()[0]
    db.close()
    assert n == 240, n


def test_sqlite_rollback_journal(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        sqlite_with(os.path.join(m.path, "db"), "delete")
    with v.mounted() as m:
        check_db(os.path.join(m.path, "db"))


def test_sqlite_wal(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        sqlite_with(os.path.join(m.path, "db"), "wal")
    with v.mounted() as m:
        check_db(os.path.join(m.path, "db"))


def test_make_a_c_project(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        for i in range(12):
            with open("%s/part%d.c" % (m.path, i), "w", encoding="ascii") as f:
                f.write("int part%d(void) { return %d; }\n" % (i, i))
        with open(m.path + "/main.c", "w", encoding="ascii") as f:
            f.write("#include <stdio.h>\n")
            f.write("".join("int part%d(void);\n" % i for i in range(12)))
            f.write("int main(void) { printf(\"%d\\n\", 0" +
                    "".join(" + part%d()" % i for i in range(12)) +
                    "); return 0; }\n")
        with open(m.path + "/Makefile", "w", encoding="ascii") as f:
            f.write("OBJS = main.o %s\nprog: $(OBJS)\n\t$(CC) -o $@ $(OBJS)\n"
                    % " ".join("part%d.o" % i for i in range(12)))
        H.run(["make", "-C", m.path, "-j4"])
        # Executing from the mount maps the binary.
        assert H.run([m.path + "/prog"]).stdout == b"66\n"
        again = H.run(["make", "-C", m.path]).stdout.decode()
        assert "up to date" in again, again
    with v.mounted() as m:
        assert H.run([m.path + "/prog"]).stdout == b"66\n"


def save_by_rename(path, data, sync):
    temp = path + ".swp~"
    with open(temp, "wb") as f:
        f.write(data)
        if sync:
            f.flush()
            os.fsync(f.fileno())
    os.rename(temp, path)


def test_editors_save(base):
    v = H.Vault(base, args=FAST)
    with v.mounted() as m:
        path = m.path + "/letter"
        for i in range(50):
            save_by_rename(path, b"version %d\n" % i, i % 2)
            with open(path, "rb") as f:
                assert f.read() == b"version %d\n" % i
        # A backup beside it, then written in place, as others do.
        os.link(path, path + "~")
        with open(path, "r+b") as f:
            f.write(b"in place")
            f.truncate()
        with open(path + "~", "rb") as f:
            assert f.read() == b"in place"
        assert sorted(os.listdir(m.path)) == ["letter", "letter~"]
    with v.mounted() as m:
        with open(m.path + "/letter", "rb") as f:
            assert f.read() == b"in place"


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
