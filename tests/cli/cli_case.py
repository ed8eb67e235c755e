# SPDX-License-Identifier: ISC
"""What the tests of the command line share, on top of the harness."""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))

import harness as H  # noqa: E402  (found by the line above)

TOP = os.path.realpath(H.SOURCE)
# The least a slot may cost: these tests do not guess passphrases.
CHEAP = ("--kdf-memory", "64M")


COMMANDS = ["init", "mount", "umount", "status", "stats", "info", "key list",
            "key add", "key remove", "key change", "key test", "device list",
            "device name", "device retire", "device accept", "ls", "cat",
            "stat", "put", "get", "sync", "check", "gc", "snapshot",
            "rebuild", "bench"]


def words(command):
    """A command of one word or two, as arguments."""
    return command.split(" ")


def options(box, command):
    """What --help tells: {long option: its short one or None}."""
    text = box.run(*words(command), "--help").out
    found = re.findall(r"^  (?:-(\w), |    )--([a-z-]+)", text, re.M)
    assert found, text
    return {long: short or None for short, long in found}


def page(name):
    """The source of a manual page."""
    with open(os.path.join(TOP, "man", name), encoding="utf-8") as f:
        return f.read()


def thread_states(pid):
    """One letter for each thread; none if the process is gone."""
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/stat" % (pid, task), "rb") as f:
                found.append(f.read().rsplit(b")", 1)[1].split()[0])
    except OSError:
        pass
    return found


class Box:
    """A private state directory and runtime directory; commands as typed."""

    def __init__(self, base):
        self.base = base
        self.env = dict(os.environ,
                        XDG_STATE_HOME=os.path.join(base, "state"),
                        XDG_RUNTIME_DIR=os.path.join(base, "run"),
                        HOME=base, LC_ALL="C", TZ="UTC")
        self.env.pop("CREDENTIALS_DIRECTORY", None)
        self.env.pop("NOTIFY_SOCKET", None)
        os.makedirs(self.env["XDG_RUNTIME_DIR"], 0o700, exist_ok=True)

    def path(self, *parts):
        return os.path.join(self.base, *parts)

    def write(self, name, data):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def run(self, *args, code=0, stdin=None, env=None, **kw):
        """`coffer ARGS`, which must end with the code; gives the result with
        text output."""
        if stdin is not None:
            kw["input"] = stdin if isinstance(stdin, bytes) \
                else stdin.encode()
        p = H.run([H.COFFER, *args], ok=False, env=dict(self.env, **(env or
                                                                     {})),
                  cwd=self.base, **kw)
        out = type("Result", (), {})()
        out.code = p.returncode
        out.raw = p.stdout or b""
        out.out = out.raw.decode(errors="surrogateescape")
        out.err = (p.stderr or b"").decode(errors="surrogateescape")
        assert out.code == code, "coffer %s: exit %d, not %d:\n%s%s" % (
            " ".join(map(str, args)), out.code, code, out.out, out.err)
        return out

    def fails(self, code, *args, says=(), **kw):
        """It ends with the code and exactly one line, which has the words."""
        p = self.run(*args, code=code, **kw)
        lines = p.err.splitlines()
        assert len(lines) == 1, p.err
        assert lines[0].startswith("coffer: "), p.err
        for word in ([says] if isinstance(says, str) else says):
            assert word in lines[0], (word, lines[0])
        return p

    def vault(self, name="vault", *args):
        """A vault whose passphrase stands in the file `pass`."""
        self.write("pass", H.PASSPHRASE + "\n")
        self.run("init", "--passfile", "pass", "--recovery-file",
                 name + ".words", *CHEAP, *args, name)
        return self.path(name)

    def is_mounted(self, name):
        return H.is_mounted(self.path(name))

    def mount(self, vault="vault", point="mnt", *args):
        """Mounts; whoever asks takes it away with `clear` at the end."""
        H.need_fuse()
        os.makedirs(self.path(point), exist_ok=True)
        self.run("mount", "--passfile", "pass", *args, self.path(vault),
                 self.path(point))
        return self.path(point)

    def daemons(self):
        """Pids of the daemons of this box, by the paths they were given."""
        base, found = os.fsencode(self.base) + b"/", []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if words[1:2] == [b"mount"] and \
                    any(w.startswith(base) for w in words):
                found.append(int(pid))
        return found

    def kill_daemon(self):
        """As a crash would; returns when nothing of it is left."""
        (pid,) = self.daemons()
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 60 * H.SLOWER
        # Threads end one by one, in any order.
        while any(state != b"Z" for state in thread_states(pid)):
            assert time.monotonic() < end, "daemon %d does not die" % pid
            time.sleep(0.005)

    def clear(self):
        """Takes away what a failed test left."""
        for pid in self.daemons():
            subprocess.run(["kill", "-9", str(pid)], check=False)
        with open("/proc/self/mounts", encoding="utf-8",
                  errors="surrogateescape") as f:
            points = [line.split(" ")[1] for line in f]
        for point in points:
            if point.startswith(os.path.realpath(self.base) + "/"):
                tool = ["umount", "-l"] if os.geteuid() == 0 else \
                    ["fusermount3", "-u", "-z"]
                subprocess.run(tool + [point], check=False,
                               stderr=subprocess.DEVNULL)


class Terminal:
    """A command with a terminal of its own."""

    def __init__(self, box, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(box.base)
            os.execve(H.COFFER, [H.COFFER, *args], box.env)
        self.text = ""
        self.code = None

    def expect(self, words, seconds=60):
        """Reads until the words have come; gives all that came."""
        end = time.monotonic() + seconds * H.SLOWER
        while words not in self.text:
            left = end - time.monotonic()
            assert left > 0, (words, self.text)
            if select.select([self.fd], [], [], left)[0]:
                try:
                    data = os.read(self.fd, 1000)
                except OSError:
                    data = b""
                assert data, ("ended", words, self.text)
                self.text += data.decode()
        text, self.text = self.text, ""
        return text

    def type(self, text):
        os.write(self.fd, text.encode())

    def is_echoing(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self, seconds=60):
        """The exit code, and the rest of what it said."""
        end = time.monotonic() + seconds * H.SLOWER
        while True:
            assert time.monotonic() < end, self.text
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 1000).decode()
                    continue
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status), self.text


def main(tests):
    """Runs the functions test_*, each with a box of its own."""
    def boxed(fn):
        def run(base):
            box = Box(base)
            try:
                fn(box)
            finally:
                box.clear()
        return run
    H.main({name: boxed(fn) if name.startswith("test_") else fn
            for name, fn in tests.items()})
