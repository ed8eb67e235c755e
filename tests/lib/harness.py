# SPDX-License-Identifier: ISC
"""Private vaults and mounts for tests.

Everything lives below one temporary directory; every command has a timeout; a
mount is taken down and its daemon killed, by the pid it told, whatever the test
did.  Without /dev/fuse or fusermount3 a test that needs a mount is skipped
(exit 77), loudly.
"""
import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from findings import SANITIZER, Findings

# What a make around this test says to itself is not for the makes in it.
for _name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
    os.environ.pop(_name, None)

COFFER = os.environ.get("COFFER", "coffer")
SOURCE = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__),
                                                   "..", ".."))
READER = os.path.join(SOURCE, "vault-format", "reader.py")
# The reader wants the system's Python, which has Debian's python3-nacl.
PYTHON = next((p for p in ("/usr/bin/python3", sys.executable)
               if os.path.exists(p)))
PASSPHRASE = "correct horse battery staple"
# With sanitizers or valgrind everything is slower: patience times the first;
# and a part of what long tests do, one in the second, has to be enough.
SLOWER = float(os.environ.get("COFFER_TEST_SLOWER", "1"))
SCALE = int(os.environ.get("COFFER_TEST_SCALE", "1"))
TIMEOUT = float(os.environ.get("COFFER_TEST_TIMEOUT", "120"))


def scaled(n, least=1):
    """How much of n is enough here."""
    return max(least, n // SCALE)


def skip(why):
    print("SKIP: %s" % why)
    sys.exit(77)


def need_fuse():
    if not os.path.exists("/dev/fuse"):
        skip("no /dev/fuse here")
    if not shutil.which("fusermount3"):
        skip("no fusermount3 here")
    if os.geteuid() != 0 and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        skip("/dev/fuse is not open to this user")


def need_nacl():
    if subprocess.run([PYTHON, "-c", "import nacl"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        skip("python3-nacl is not installed")


def run(args, timeout=None, ok=True, **kw):
    """A command's result; fails the test if it does."""
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.PIPE)
    if "input" not in kw:
        kw.setdefault("stdin", subprocess.DEVNULL)
    p = subprocess.run(args, timeout=(timeout or TIMEOUT) * SLOWER,
                       check=False, **kw)
    if ok and p.returncode != 0:
        raise AssertionError("%s: exit %d: %s%s" % (
            " ".join(map(str, args)), p.returncode,
            (p.stdout or b"").decode(errors="replace")[-2000:],
            (p.stderr or b"").decode(errors="replace")[-2000:]))
    return p


def named_socket(use, path):
    """socket.bind or .connect with a path that may be longer than the 107
    bytes of sockaddr_un: by way of its folder."""
    folder = os.open(os.path.dirname(path), os.O_PATH)
    try:
        use("/proc/self/fd/%d/%s" % (folder, os.path.basename(path)))
    finally:
        os.close(folder)


def is_mounted(path):
    path = os.path.realpath(path)
    with open("/proc/self/mounts", encoding="utf-8",
              errors="surrogateescape") as f:
        return any(line.split(" ")[1].encode(errors="surrogateescape")
                   .decode("unicode_escape") == path for line in f)


class Vault:
    """One vault below a temporary directory, with one state directory per
    device name."""

    def __init__(self, base, name="vault", init=True, args=()):
        self.base = base
        self.dir = os.path.join(base, name)
        self.passfile = os.path.join(base, "passphrase")
        with open(self.passfile, "w", encoding="utf-8") as f:
            f.write(PASSPHRASE + "\n")
        if init:
            self.coffer("init", "--passfile", self.passfile, *args, self.dir)

    def state(self, device="here"):
        return os.path.join(self.base, "state-" + device)

    def coffer(self, command, *args, device="here", ok=True, timeout=None,
               **kw):
        """Runs `coffer COMMAND --state-dir ... ARGS`."""
        env = dict(os.environ, XDG_RUNTIME_DIR=self.runtime())
        state = [] if command in ("umount", "status", "sync") else \
            ["--state-dir", self.state(device)]
        return run([COFFER, command, *state, *args], ok=ok, timeout=timeout,
                   env=env, **kw)

    def runtime(self):
        path = os.path.join(self.base, "run")
        os.makedirs(path, mode=0o700, exist_ok=True)
        return path

    @contextlib.contextmanager
    def mounted(self, device="here", options=(), path=None, check=True):
        """The mount point of the vault, mounted."""
        mnt = path or os.path.join(self.base, "mnt-" + device)
        m = Mount(self, mnt, device, options)
        try:
            yield m
            if check:
                m.umount()
        finally:
            m.end()

    def check(self, *args, device="here"):
        """`coffer check`: the parsed report; fails on damage."""
        p = self.coffer("check", "--json", "--passfile", self.passfile, *args,
                        self.dir, device=device, timeout=600)
        return json.loads(p.stdout)

    def reader(self, *args, ok=True):
        """The independent reader."""
        return run([PYTHON, READER, "--passfile", self.passfile, self.dir,
                    *args], ok=ok, timeout=900)


class Mount:
    """A mounted vault; .path is where."""

    def __init__(self, vault, path, device, options):
        need_fuse()
        self.vault, self.path, self.device = vault, path, device
        self.pid = None
        os.makedirs(path, exist_ok=True)
        args = []
        for o in options:
            args += ["-o", o]
        atexit.register(self.end)
        mounts.append(self)
        self.start(args)
        if not is_mounted(path):
            raise AssertionError("coffer mount ended well, and %s is no mount "
                                 "point" % path)
        self.pid = self.find_daemon()

    def start(self, args):
        """Returns when it is mounted."""
        self.vault.coffer("mount", "--passfile", self.vault.passfile, *args,
                          self.vault.dir, self.path, device=self.device)

    def find_daemon(self):
        """The daemon: the process whose command line names the mount."""
        for p in os.listdir("/proc"):
            if not p.isdigit() or int(p) == os.getpid():
                continue
            try:
                with open("/proc/%s/cmdline" % p, "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if os.fsencode(self.path) in words and b"mount" in words:
                return int(p)
        raise AssertionError("no daemon for %s" % self.path)

    def umount(self):
        self.vault.coffer("umount", self.path, device=self.device,
                          timeout=300)
        if is_mounted(self.path):
            raise AssertionError("still mounted: %s" % self.path)
        self.wait_gone()
        self.pid = None

    def is_zombie(self):
        """Dead, nobody has waited for it: and no thread is left, for the first
        to end is a zombie while the others still hold the files."""
        try:
            with open("/proc/%d/stat" % self.pid, "rb") as f:
                state = f.read().rsplit(b")", 1)[1].split()[0]
            return state == b"Z" and \
                len(os.listdir("/proc/%d/task" % self.pid)) <= 1
        except (FileNotFoundError, ProcessLookupError):
            return True

    def wait_gone(self, seconds=60):
        end = time.monotonic() + seconds * SLOWER
        while self.pid and os.path.exists("/proc/%d" % self.pid):
            if self.is_zombie():
                return
            if time.monotonic() > end:
                raise AssertionError("daemon %d does not end" % self.pid)
            time.sleep(0.02)

    def kill(self):
        """As a crash would: SIGKILL, then the dead mount is taken away."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait_gone()
        self.pid = None
        self.detach()

    def detach(self):
        tool = ["umount", "-l"] if os.geteuid() == 0 else \
            ["fusermount3", "-u", "-z"]
        subprocess.run(tool + [self.path], check=False, timeout=30,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self):
        if self.pid:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(Exception):
                self.wait_gone(10)
            self.pid = None
        if is_mounted(self.path):
            self.detach()


@contextlib.contextmanager
def scratch():
    """A temporary directory, removed with all that is below it."""
    base = tempfile.mkdtemp(prefix="coffer-test.")
    os.chmod(base, 0o755)
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


# A mount that hangs would hang the test: its daemon is killed after this long,
# so that what waits for it fails.
WATCH = float(os.environ.get("COFFER_TEST_WATCHDOG", "900"))
mounts = []


def watchdog():
    print("WATCHDOG: %.0f s are over; the daemons are killed" %
          (WATCH * SLOWER), flush=True)
    for m in mounts:
        if m.pid:
            with contextlib.suppress(OSError):
                os.kill(m.pid, signal.SIGKILL)
        m.detach()


def main(tests):
    """Runs functions named test_*: each gets a fresh directory; the names of
    some may be given as arguments."""
    wanted = sys.argv[1:]
    failed = skipped = 0
    findings = Findings()
    timer = threading.Timer(WATCH * SLOWER, watchdog)
    timer.daemon = True
    timer.start()
    for name, fn in sorted(tests.items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        started = time.monotonic()
        try:
            try:
                with scratch() as base:
                    fn(base)
            finally:
                found = findings.take()
                print("".join(found), flush=True, end="")
            if found:
                raise AssertionError("%d findings" % len(found))
            print("ok      %-50s %6.1f s" % (name, time.monotonic() - started),
                  flush=True)
        except SystemExit as e:     # skip(): the others still run
            if e.code != 77:
                raise
            skipped += 1
            print("SKIPPED %s" % name, flush=True)
        except Exception:           # any failure of one test is just that
            failed += 1
            import traceback
            traceback.print_exc()
            print("FAILED  %s   (again: %s %s)" % (name, sys.argv[0], name),
                  flush=True)
    sys.exit(1 if failed else 77 if skipped else 0)
