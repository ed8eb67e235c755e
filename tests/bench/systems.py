# SPDX-License-Identifier: ISC
"""What is compared: each system mounts a folder over a store of its own."""
import json
import os
import shutil
import subprocess
import time

PASSPHRASE = "correct horse battery staple"
PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A system did not do what it was asked to."""


def run(args, timeout=300, **how):
    done = subprocess.run(args, stdin=how.pop("stdin", subprocess.DEVNULL),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=timeout, check=False, **how)
    if done.returncode != 0:
        raise Failed("%s: exit %d: %s" % (
            " ".join(args), done.returncode,
            done.stdout.decode(errors="replace").strip()[-300:]))
    return done.stdout


def is_mounted(path):
    with open("/proc/self/mounts", encoding="utf-8") as f:
        return any(line.split()[1] == path for line in f)


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
        f.write("3")


def daemons(path):
    """The processes that were started with `path` or something below it."""
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if int(pid) != os.getpid() and any(
                w.startswith(os.fsencode(path)) for w in words):
            out.append(int(pid))
    return out


def usage(pid):
    """CPU seconds, and peak resident bytes."""
    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / TICK
    with open("/proc/%d/status" % pid, encoding="ascii",
              errors="replace") as f:
        peak = [int(x.split()[1]) * 1024 for x in f if x.startswith("VmHWM:")]
    return cpu, peak[0] if peak else 0


class System:
    """One of those compared; `top` is a folder for it alone."""
    name = program = package = ""
    is_reference = False

    def __init__(self, top):
        self.top = top
        self.store = os.path.join(top, "store")
        self.mnt = os.path.join(top, "mnt")
        self.passfile = os.path.join(top, "pass")
        self.cpu = 0.0
        self.peak = 0
        self.requests = {}      # of the kernel, by kind; {}: not known

    @classmethod
    def is_there(cls):
        return not cls.program or shutil.which(cls.program) is not None

    def start(self):
        os.makedirs(self.store)
        os.makedirs(self.mnt)
        with open(self.passfile, "w", encoding="ascii") as f:
            f.write(PASSPHRASE + "\n")
        self.init()
        self.mount()

    def init(self):
        """Makes an empty store."""

    def mount_command(self):
        raise NotImplementedError

    def feed(self, args, times=1, env=None):
        """Runs a program that reads the passphrase from its input."""
        text = (PASSPHRASE + "\n") * times
        done = subprocess.run(args, input=text.encode(), timeout=120,
                              stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT,
                              env={**os.environ, **(env or {})})
        if done.returncode != 0:
            raise Failed("%s: exit %d: %s" % (
                args[0], done.returncode,
                done.stdout.decode(errors="replace").strip()[-300:]))

    def mount(self):
        run(self.mount_command(), timeout=120)
        self.wait_mounted()

    def wait_mounted(self):
        end = time.monotonic() + 60
        while not is_mounted(self.mnt):
            if time.monotonic() > end:
                raise Failed("%s was not mounted" % self.name)
            time.sleep(0.01)
        self.forget_peaks()

    def forget_peaks(self):
        """What deriving the key took is no part of the work (proc(5))."""
        for pid in daemons(self.top):
            self.cpu -= usage(pid)[0]
            with open("/proc/%d/clear_refs" % pid, "w",
                      encoding="ascii") as f:
                f.write("5")

    def account(self):
        for pid in daemons(self.top):
            try:
                cpu, peak = usage(pid)
            except OSError:
                continue
            self.cpu += cpu
            self.peak = max(self.peak, peak)

    def umount(self):
        """Until the daemon has ended: only then is everything stored."""
        self.account()
        pids = daemons(self.top)
        run(["fusermount3", "-u", self.mnt])
        self.wait_ended(pids)

    def wait_ended(self, pids):
        end = time.monotonic() + 120
        while any(os.path.exists("/proc/%d" % p) for p in pids):
            if time.monotonic() > end:
                raise Failed("%s does not end" % self.name)
            time.sleep(0.005)

    def cold(self):
        """Nothing cached: neither by the daemon nor by the kernel."""
        self.umount()
        drop_caches()
        self.mount()

    def stored(self):
        """Bytes and files that the store occupies."""
        total = n = 0
        for folder, _, files in os.walk(self.store):
            for name in files:
                st = os.lstat(os.path.join(folder, name))
                total += st.st_blocks * 512
                n += 1
        return total, n

    def stop(self):
        if is_mounted(self.mnt):
            try:
                self.umount()
            except (Failed, subprocess.TimeoutExpired, OSError):
                subprocess.run(["umount", "-l", self.mnt], check=False)
        for pid in daemons(self.top):
            os.kill(pid, 9)
        shutil.rmtree(self.top, ignore_errors=True)


class Ext4(System):
    """The folder itself, on whatever filesystem the store is."""
    name = "bare"
    is_reference = True

    def start(self):
        os.makedirs(self.mnt)
        self.store = self.mnt

    def umount(self):
        os.sync()

    def mount(self):
        pass

    def stop(self):
        shutil.rmtree(self.top, ignore_errors=True)


class Passthrough(System):
    """libfuse's example passthrough_ll: the floor of FUSE."""
    name = "passthrough_ll"
    source = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"
    package = "libfuse3-dev"
    is_reference = True
    built = None

    @classmethod
    def is_there(cls):
        return os.path.exists(cls.source)

    @classmethod
    def build(cls, folder):
        flags = run(["pkg-config", "--cflags", "--libs", "fuse3"]).decode()
        cls.built = os.path.join(folder, "passthrough_ll")
        run([os.environ.get("CC", "cc"), "-O2", cls.source, "-o", cls.built,
             *flags.split()])

    def mount_command(self):
        return [self.built, "-o", "source=" + self.store, self.mnt]


class Coffer(System):
    name = "coffer"
    options = ""

    @classmethod
    def program_path(cls):
        return os.environ.get("COFFER") or shutil.which("coffer")

    @classmethod
    def is_there(cls):
        return cls.program_path() is not None

    def state(self):
        return ["--state-dir", os.path.join(self.top, "state")]

    def init(self):
        run([self.program_path(), "init", *self.state(), "--passfile",
             self.passfile, "--no-recovery", self.store])

    def mount_command(self):
        extra = ["-o", self.options] if self.options else []
        return [self.program_path(), "mount", *self.state(), "--passfile",
                self.passfile, *extra, self.store, self.mnt]

    def count_requests(self):
        """What the kernel asked since the mount, by kind."""
        told = json.loads(run([self.program_path(), "stats", "--json",
                               self.mnt]))
        for r in told["requests"]:
            self.requests[r["op"]] = \
                self.requests.get(r["op"], 0) + r["count"]

    def umount(self):
        self.account()
        self.count_requests()
        pids = daemons(self.top)
        run([self.program_path(), "umount", *self.state(), self.mnt])
        self.wait_ended(pids)


class CofferFast(Coffer):
    name = "coffer fast"
    options = "profile=fast"


class CofferSafe(Coffer):
    name = "coffer safe"
    options = "profile=safe"


class Gocryptfs(System):
    name = program = package = "gocryptfs"

    def init(self):
        run(["gocryptfs", "-init", "-q", "-passfile", self.passfile,
             self.store])

    def mount_command(self):
        return ["gocryptfs", "-q", "-passfile", self.passfile, self.store,
                self.mnt]


class Cryfs(System):
    name = program = package = "cryfs"
    env = {"CRYFS_FRONTEND": "noninteractive",
           "CRYFS_NO_UPDATE_CHECK": "true"}

    def start(self):
        os.makedirs(self.top)
        self.env = {**self.env, "HOME": self.top, "XDG_DATA_HOME": self.top}
        super().start()

    def mount(self):
        self.feed(["cryfs", self.store, self.mnt], times=2, env=self.env)
        self.wait_mounted()


class Encfs(System):
    name = program = package = "encfs"

    def mount(self):
        self.feed(["encfs", "--standard", "--stdinpass", self.store, self.mnt],
                  times=2)
        self.wait_mounted()


class SecurefsLite(System):
    name = "securefs lite"
    program = package = "securefs"
    format = "4"

    def init(self):
        self.feed(["securefs", "create", "--format", self.format, self.store],
                  times=2)

    def mount(self):
        self.feed(["securefs", "mount", "-b", self.store, self.mnt])
        self.wait_mounted()


class SecurefsFull(SecurefsLite):
    name = "securefs full"
    format = "2"


ALL = [Ext4, Passthrough, Coffer, CofferFast, CofferSafe, Gocryptfs, Cryfs,
       Encfs, SecurefsLite, SecurefsFull]
