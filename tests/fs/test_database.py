#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""PostgreSQL in a vault: filled, killed in the middle of it, recovered.

Root mounts for others and gives a folder away, as the server does not run as
root; an ordinary user mounts, and is who it runs as.
"""
import glob
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402
import people as P  # noqa: E402

BIN = max(glob.glob("/usr/lib/postgresql/*/bin"), default="",
          key=lambda path: float(path.split("/")[4]))
# The server wants a user with a name.
NOBODY = 65534
# The sums of a transaction's three sides agree, whichever of them survived.
SAME = """select (select sum(abalance) from pgbench_accounts) =
                 (select sum(tbalance) from pgbench_tellers)
             and (select sum(abalance) from pgbench_accounts) =
                 (select sum(bbalance) from pgbench_branches)"""


class Server:
    """One that runs in the foreground, so that it can be waited for."""

    def __init__(self, data, run):
        self.data, self.run_dir = data, run
        self.process = None

    def command(self, tool, *args):
        who = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY,
               "--clear-groups"] if P.is_root() else []
        return [*who, os.path.join(BIN, tool), *args]

    def run(self, tool, *args):
        env = dict(os.environ, PGHOST=self.run_dir, LC_ALL="C")
        return H.run(self.command(tool, *args), env=env, cwd=self.run_dir,
                     timeout=300).stdout.decode()

    def sql(self, text, database="postgres"):
        return self.run("psql", "-qAtX", "-c", text, database).strip()

    def start(self):
        self.process = subprocess.Popen(
            self.command("postgres", "-D", self.data, "-k", self.run_dir,
                         "-c", "listen_addresses="),
            cwd=self.run_dir, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        wait_for(self.answers)

    def answers(self):
        assert self.process.poll() is None, "the server has ended"
        return subprocess.run(
            self.command("pg_isready", "-q", "-h", self.run_dir),
            check=False, timeout=60 * H.SLOWER).returncode == 0

    def children(self):
        with open("/proc/%d/task/%d/children" % ((self.process.pid,) * 2),
                  encoding="ascii") as f:
            return [int(n) for n in f.read().split()]

    def crash(self):
        """All of its processes at once, as in a crash."""
        victims = self.children()
        self.process.kill()
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(60)
        # Who has been killed may still be on the way out.
        wait_for(lambda: not any(is_alive(pid) for pid in victims))

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(120 * H.SLOWER)


def wait_for(condition):
    end = time.monotonic() + 300 * H.SLOWER
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.1)


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def own_folder(path):
    os.mkdir(path, 0o700)
    if P.is_root():
        os.chown(path, NOBODY, NOBODY)
    return path


def killed_while_busy(server):
    """How many transactions were confirmed before."""
    bench = subprocess.Popen(
        server.command("pgbench", "-n", "-c", "4", "-T", "600", "bank"),
        env=dict(os.environ, PGHOST=server.run_dir), cwd=server.run_dir,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    count = "select count(*) from pgbench_history"
    try:
        before = int(server.sql(count, "bank"))
        wait_for(lambda: int(server.sql(count, "bank")) > before + 100)
        confirmed = int(server.sql(count, "bank"))
        server.crash()
    finally:
        bench.kill()
        bench.wait()
    return confirmed


def test_postgresql_recovers(base):
    if not BIN:
        H.skip("PostgreSQL is not installed")
    if H.SANITIZER:
        H.skip("a server's work takes too long with a sanitizer")
    v = H.Vault(base, args=("--kdf-memory", "64M"))
    options = ["allow_other"] if P.is_root() else []
    run = own_folder(os.path.join(base, "server"))
    with v.mounted(options=options) as m:
        server = Server(own_folder(m.path + "/data"), run)
        server.run("initdb", "-D", server.data, "-A", "trust", "-k",
                   "-U", "postgres")
        os.environ["PGUSER"] = "postgres"
        try:
            server.start()
            server.run("createdb", "bank")
            server.run("pgbench", "-i", "-q", "bank")
            for _ in range(2):
                confirmed = killed_while_busy(server)
                server.start()
                assert server.sql(SAME, "bank") == "t"
                have = int(server.sql("select count(*) from pgbench_history",
                                      "bank"))
                assert have >= confirmed, (have, confirmed)
            want = server.sql("select sum(abalance) from pgbench_accounts",
                              "bank")
        finally:
            server.stop()
        server.run("pg_checksums", "-D", server.data, "--check")
    with v.mounted(options=options) as m:
        server.run("pg_checksums", "-D", server.data, "--check")
        try:
            server.start()
            assert server.sql("select sum(abalance) from pgbench_accounts",
                              "bank") == want
        finally:
            server.stop()
    report = v.check("--read-data")
    assert report["ok"] and report["damaged"] == 0, report
    shutil.rmtree(run)


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
