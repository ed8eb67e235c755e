#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""kill -9 of the daemon at a random moment: while programs write, and while it
publishes for `coffer sync` or `coffer umount`.

After each kill the vault is mounted again: everything fsync confirmed must be
there, and a file saved by rename must be one of its versions, never a mixture.
COFFER_TEST_KILLS says how often (100), COFFER_TEST_SEED which random moments.
"""
import contextlib
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

KILLS = int(os.environ.get("COFFER_TEST_KILLS", H.scaled(100, 8)))
SEED = int(os.environ.get("COFFER_TEST_SEED", "1"))


def payload(name, i):
    """What file `name` holds in version i: tiny, or up to several chunks."""
    rng = random.Random("%s %d" % (name, i))
    return b"%s %d\n" % (name.encode(), i) + \
        rng.randbytes(rng.choice([10, 900, 5000, 70000, 700000]))


def tell(log, *words):
    """What is confirmed, outside the mount; one write, so never half a line."""
    os.write(log, (" ".join(map(str, words)) + "\n").encode())


def saver(mnt, log, who, start):
    """Saves by rename: with fsync told as confirmed, without as tried."""
    i = start
    while True:
        name = "save-%d-%d" % (who, i % 3)
        temp = os.path.join(mnt, name + ".tmp")
        tell(log, "try", name, i)
        fd = os.open(temp, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
        data = payload(name, i)
        at = 0
        while at < len(data):
            at += os.write(fd, data[at:at + 60000])
        sync = i % 2 == 0
        if sync:
            os.fsync(fd)
        os.close(fd)
        os.rename(temp, os.path.join(mnt, name))
        if sync:
            d = os.open(mnt, os.O_RDONLY)
            os.fsync(d)
            os.close(d)
            tell(log, "done", name, i)
        i += 1


def appender(mnt, log, who, start):
    """Appends records, an fsync each."""
    fd = os.open(os.path.join(mnt, "log-%d" % who),
                 os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    i = start
    while True:
        os.write(fd, b"%08d\n" % i)
        os.fsync(fd)
        tell(log, "done", "log-%d" % who, i)
        i += 1


def database(mnt, log, who, start):
    db = sqlite3.connect(os.path.join(mnt, "db-%d" % who), timeout=30)
    # FULL would not sync the directory after the journal's removal, which is
    # what commits.
    db.execute("pragma synchronous=extra")
    db.execute("create table if not exists t (i int)")
    i = start
    while True:
        with db:
            db.execute("insert into t values (?)", (i,))
        tell(log, "done", "db-%d" % who, i)
        i += 1


def churner(mnt, log, who, start):
    """A tree that comes and goes: directories, links, renames, unlinks."""
    rng = random.Random(who * 1000 + start)
    top = os.path.join(mnt, "churn-%d" % who)
    os.makedirs(top, exist_ok=True)
    while True:
        a = os.path.join(top, "n%d" % rng.randrange(40))
        b = os.path.join(top, "n%d" % rng.randrange(40))
        try:
            what = rng.randrange(7)
            if what < 2:
                with open(a, "wb") as f:
                    f.write(rng.randbytes(rng.randrange(20000)))
            elif what == 2:
                os.mkdir(a)
            elif what == 3:
                os.rename(a, b)
            elif what == 4:
                os.link(a, b)
            elif what == 5:
                os.unlink(a)
            else:
                os.rmdir(a)
        except OSError as e:
            if e.errno in (5, 107, 103):    # the daemon is gone
                return


def quiet(fn, *args):
    """A worker ends without a word when the daemon goes."""
    try:
        fn(*args)
    except (OSError, sqlite3.Error):
        pass


def confirmed(path):
    """{name: last confirmed i}, {name: last tried i}"""
    done, tried = {}, {}
    with open(path, encoding="ascii") as f:
        for line in f:
            word, name, i = line.split()
            (done if word == "done" else tried)[name] = int(i)
    return done, tried


def check_content(mnt, done, tried):
    for name, last in done.items():
        path = os.path.join(mnt, name)
        if name.startswith("log-"):
            with open(path, "rb") as f:
                lines = f.read().split(b"\n")
            got = [int(x) for x in lines[:-1]]
            assert got == list(range(len(got))), (name, got[-5:])
            assert len(got) > last, (name, len(got), last)
        elif name.startswith("db-"):
            db = sqlite3.connect(path, timeout=30)
            assert db.execute("pragma integrity_check").fetchone()[0] == "ok"
            rows = [r[0] for r in db.execute("select i from t order by i")]
            db.close()
            assert rows == list(range(len(rows))) and len(rows) > last, name
        else:
            with open(path, "rb") as f:
                data = f.read()
            i = int(data.split(b"\n", 1)[0].split()[1])
            assert last <= i <= tried[name], (name, i, last, tried[name])
            assert data == payload(name, i), "%s %d is a mixture" % (name, i)


def next_start(mnt, name):
    """Where a worker goes on: after what is there."""
    path = os.path.join(mnt, name)
    if not os.path.exists(path):
        return 0
    if name.startswith("log-"):
        return os.path.getsize(path) // 9
    db = sqlite3.connect(path, timeout=30)
    db.execute("create table if not exists t (i int)")
    n = db.execute("select count(*) from t").fetchone()[0]
    db.close()
    return n


class Bench:
    """A vault that is mounted, written to and killed, round after round."""

    def __init__(self, base):
        self.vault = H.Vault(base, args=("--kdf-memory", "64M"))
        self.logfile = os.path.join(base, "confirmed")
        self.log = os.open(self.logfile,
                           os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        self.rng = random.Random(SEED)
        self.round = 0

    def start(self, mnt):
        first = 1000 * self.round
        jobs = [(saver, 0, first), (saver, 1, first),
                (appender, 0, next_start(mnt, "log-0")),
                (database, 0, next_start(mnt, "db-0")),
                (churner, 0, self.round)]
        workers = [multiprocessing.Process(
            target=quiet, args=(fn, mnt, self.log, who, start), daemon=True)
            for fn, who, start in jobs]
        for w in workers:
            w.start()
        return workers

    def once(self, how):
        """Mounts, looks, writes, kills; `how` sees to the kill."""
        self.round += 1
        with self.vault.mounted(check=False) as m:
            check_content(m.path, *confirmed(self.logfile))
            workers = self.start(m.path)
            try:
                how(self, m, workers)
            finally:
                stop(workers)
        if self.round % 25 == 0:
            self.check()

    def check(self):
        report = self.vault.check("--read-data")
        assert report["ok"] and report["damaged"] == 0, report
        assert report["files_damaged"] == 0, report

    def end(self):
        """Everything once more: here, on a second device, by the reader."""
        os.close(self.log)
        known = confirmed(self.logfile)
        with self.vault.mounted() as m:
            check_content(m.path, *known)
        self.check()
        assert len(known[0]) >= 5, known[0]
        with self.vault.mounted(device="second", options=["ro"]) as m:
            check_content(m.path, *known)
        if has_nacl():
            self.vault.reader("check")
        else:
            print("        python3-nacl is missing: no independent reading")
        print("        %d kills; confirmed last: %s" % (self.round, known[0]))


def stop(workers):
    """A daemon that is gone ends them; else they are ended."""
    for w in workers:
        w.kill()
        w.join(10)
        assert not w.is_alive(), "a program hangs in a dead mount"


def has_nacl():
    return H.run([H.PYTHON, "-c", "import nacl"], ok=False).returncode == 0


def kill(m, workers):
    """It may have ended by itself.  The programs end before the dead mount is
    taken away: they would go on in the folder below it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(m.pid, signal.SIGKILL)
    m.wait_gone()
    m.pid = None
    stop(workers)
    if H.is_mounted(m.path):
        m.detach()


def during(bench, m, workers, command, longest):
    """Kills the daemon somewhere in a `coffer COMMAND` of its mount."""
    p = subprocess.Popen(
        [H.COFFER, command, m.path], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, XDG_RUNTIME_DIR=bench.vault.runtime()))
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            p.wait(longest * bench.rng.random())
            said = p.communicate()[0].decode(errors="replace")
            assert p.returncode == 0, "%s: %s" % (command, said)
        kill(m, workers)
        p.wait(60)
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


def in_writing(bench, m, workers):
    time.sleep(bench.rng.choice([0.05, 0.2, 0.5, 1.0]) * bench.rng.random())
    kill(m, workers)


def in_sync(bench, m, workers):
    time.sleep(0.3 * bench.rng.random())
    during(bench, m, workers, "sync", bench.rng.choice([0.05, 0.2, 1.0]))


def in_umount(bench, m, workers):
    """Nothing may be open: the programs end first."""
    time.sleep(0.3 * bench.rng.random())
    stop(workers)
    during(bench, m, workers, "umount",
           bench.rng.choice([0.05, 0.2, 1.0, 5.0]))


def test_kill_while_programs_write(base):
    bench = Bench(base)
    for _ in range(max(1, KILLS * 3 // 4)):
        bench.once(in_writing)
    bench.end()


def test_kill_while_publishing(base):
    bench = Bench(base)
    for i in range(max(2, KILLS // 4)):
        bench.once(in_sync if i % 2 else in_umount)
    bench.end()


if __name__ == "__main__":
    H.need_fuse()
    multiprocessing.set_start_method("fork")
    H.main(globals())
