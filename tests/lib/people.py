# SPDX-License-Identifier: ISC
"""What other users may do, and other things Python has no call for."""
import contextlib
import ctypes
import errno
import os
import pickle
import shutil
import signal
import stat
import struct
import subprocess
import time
import traceback

import harness as H

LIBC = ctypes.CDLL(None, use_errno=True)
HANDLE_BYTES = 128      # MAX_HANDLE_SZ of name_to_handle_at(2)

ANN, BOB, EVE = 41001, 41002, 41003     # nobody's on a sane system
STAFF, CLUB = 42001, 42002

RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400


def is_root():
    return os.geteuid() == 0


class Elsewhere(AssertionError):
    """A child failed, and how."""


def in_child(fn):
    """What fn() returns or raises in a process of its own."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(r)
            try:
                out = (True, fn())
            except OSError as e:
                out = (False, OSError(e.errno, e.strerror, e.filename))
            except BaseException:       # handed to the parent
                out = (False, Elsewhere(traceback.format_exc()))
            with os.fdopen(w, "wb") as f:
                pickle.dump(out, f)
            code = 0
        finally:
            os._exit(code)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        data = f.read()
    os.waitpid(pid, 0)
    if not data:
        raise Elsewhere("the child said nothing")
    ok, value = pickle.loads(data)
    if not ok:
        raise value
    return value


def become(uid, gid=None, groups=(), umask=0o022):
    os.setgroups(groups)
    os.setresgid(*[uid if gid is None else gid] * 3)
    os.setresuid(uid, uid, uid)
    os.umask(umask)


def as_user(uid, fn, *args, gid=None, groups=(), umask=0o022):
    """fn(*args) done by somebody without privileges."""
    def go():
        become(uid, gid, groups, umask)
        return fn(*args)
    return in_child(go)


def refused(number, fn, *args, **kw):
    """fn fails with this error number."""
    try:
        out = fn(*args, **kw)
    except OSError as e:
        if e.errno != number:
            raise AssertionError("%s, expected %s" % (
                errno.errorcode.get(e.errno, e.errno),
                errno.errorcode[number])) from e
        return
    raise AssertionError("%r, expected %s" % (out, errno.errorcode[number]))


def check(r):
    if r < 0:
        n = ctypes.get_errno()
        raise OSError(n, os.strerror(n))
    return r


def renameat2(a, b, flags, from_fd=AT_FDCWD, to_fd=AT_FDCWD):
    check(LIBC.renameat2(from_fd, os.fsencode(a), to_fd, os.fsencode(b),
                         ctypes.c_uint(flags)))


def link_fd(fd, path):
    """linkat(2) of an open file: os.link would link the link in /proc."""
    check(LIBC.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD,
                      os.fsencode(path), AT_SYMLINK_FOLLOW))


def write(path, data=b"", flags=os.O_WRONLY | os.O_CREAT, mode=0o666):
    fd = os.open(path, flags, mode)
    try:
        n = os.write(fd, data) if data else 0
        assert n == len(data), "%d of %d bytes" % (n, len(data))
    finally:
        os.close(fd)


def read(path, flags=os.O_RDONLY):
    fd = os.open(path, flags)
    try:
        out = b""
        while data := os.read(fd, 1 << 20):
            out += data
        return out
    finally:
        os.close(fd)


def mode(path):
    return os.lstat(path).st_mode & 0o7777


# Access control lists: (tag, permissions, id).
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
NO_ID = 0xffffffff
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", e[0], e[1], e[2] if len(e) > 2 else NO_ID)
        for e in entries)


def parse_acl(value):
    assert struct.unpack_from("<I", value)[0] == 2, value
    return [e if e[2] != NO_ID else e[:2]
            for e in struct.iter_unpack("<HHI", value[4:])]


def capability(permitted=1 << 10):
    """security.capability, revision 2: the first word's effective bit."""
    return struct.pack("<IIIII", 0x02000001, permitted, 0, 0, 0)


def has_xattr(path, name):
    return name in os.listxattr(path)


CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
NAMES = {ANN: "coffer-ann", BOB: "coffer-bob", EVE: "coffer-eve"}


def mount(source, target, kind=None, flags=0, data=None):
    check(LIBC.mount(*[None if x is None else os.fsencode(x)
                       for x in (source, target, kind)],
                     ctypes.c_ulong(flags),
                     None if data is None else data.encode()))


class Machine:
    """This one with other users, and an /etc/fuse.conf of its own, as a name
    space of mounts shows it to one process and its children.  Root only."""

    def __init__(self, base):
        self.base = base
        self.etc = os.path.join(base, "etc")
        os.mkdir(self.etc)
        # The program may stand where only root gets.
        self.program = os.path.join(base, "coffer")
        shutil.copy(H.COFFER, self.program)
        os.chmod(self.program, 0o755)

    def __enter__(self):
        check(LIBC.unshare(CLONE_NEWNS))
        mount(None, "/", flags=MS_REC | MS_PRIVATE)
        # Of others' mounts this is a copy that would keep them alive.
        for p in self.mounted_here():
            subprocess.run(["umount", "-l", p], check=False)
        mount("none", self.etc, "tmpfs", data="mode=755")
        with open("/etc/passwd", encoding="utf-8") as f:
            passwd = f.read()
        for uid, name in NAMES.items():
            passwd += "%s:x:%d:%d::/:/bin/sh\n" % (name, uid, uid)
            os.makedirs(self.home(uid))
            os.chown(self.home(uid), uid, uid)
        self.replace("passwd", passwd, "/etc/passwd")
        self.replace("fuse.conf", "# nothing\n", "/etc/fuse.conf")
        os.mknod(self.etc + "/fuse", stat.S_IFCHR | 0o666,
                 os.makedev(10, 229))
        os.chmod(self.etc + "/fuse", 0o666)
        mount(self.etc + "/fuse", "/dev/fuse", flags=MS_BIND)
        return self

    def __exit__(self, *_):
        for p in self.mounted_here():
            subprocess.run(["umount", "-l", p], check=False)
        end = time.monotonic() + 30
        while self.daemons() and time.monotonic() < end:
            time.sleep(0.02)
        for pid in self.daemons():
            os.kill(pid, signal.SIGKILL)

    @staticmethod
    def mounted_here():
        with open("/proc/self/mounts", encoding="utf-8") as f:
            return [line.split()[1] for line in f
                    if line.split()[2].startswith("fuse.")]

    def replace(self, name, text, path):
        here = os.path.join(self.etc, name)
        with open(here, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(here, 0o644)
        if not os.path.exists(path):
            H.skip("no %s here" % path)
        mount(here, path, flags=MS_BIND)

    def let_others_in(self):
        with open(self.etc + "/fuse.conf", "a", encoding="utf-8") as f:
            f.write("user_allow_other\n")

    def home(self, uid):
        return os.path.join(self.base, "home%d" % uid)

    def daemons(self):
        out = []
        for p in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if p.isdigit() and os.readlink("/proc/%s/exe" % p) == \
                        os.path.realpath(self.program):
                    out.append(int(p))
        return out

    def coffer(self, uid, command, *args, ok=True, groups=(), **kw):
        """`coffer COMMAND` by this user, whose vault is ~/vault."""
        home = self.home(uid)
        passfile = os.path.join(home, "passphrase")
        if uid != 0 and not os.path.exists(passfile):
            as_user(uid, write, passfile, b"passphrase\n")
        words = [self.program, command]
        if command in ("init", "mount"):
            words += ["--passfile", passfile, "--state-dir",
                      os.path.join(home, "state")]
        env = {"HOME": home, "PATH": os.environ["PATH"],
               "XDG_RUNTIME_DIR": home}
        return H.run([*words, *args], ok=ok, env=env, user=uid, group=uid,
                     extra_groups=list(groups), cwd="/", **kw)

    def make_vault(self, uid):
        self.coffer(uid, "init", "--kdf-memory", "64M",
                    os.path.join(self.home(uid), "vault"))

    @contextlib.contextmanager
    def mounted(self, uid, *options, groups=()):
        """Where ~/vault of this user is mounted, by that user."""
        where = os.path.join(self.home(uid), "mnt")
        with contextlib.suppress(FileExistsError):
            as_user(uid, os.mkdir, where)
        words = [w for o in options for w in ("-o", o)]
        self.coffer(uid, "mount", *words,
                    os.path.join(self.home(uid), "vault"), where,
                    groups=groups)
        yield where
        self.coffer(uid, "umount", where)

    def hand_over(self, giver, taker):
        """The vault is copied, as by a sync tool, to somebody else."""
        to = self.home(taker)
        shutil.rmtree(to + "/vault", ignore_errors=True)
        shutil.rmtree(to + "/state", ignore_errors=True)
        shutil.copytree(self.home(giver) + "/vault", to + "/vault")
        for top, dirs, files in os.walk(to + "/vault"):
            for name in [".", *dirs, *files]:
                os.chown(os.path.join(top, name), taker, taker)


def on_a_machine(base, scenario):
    """scenario(machine) in a process and a name space of its own."""
    def go():
        with Machine(base) as machine:
            scenario(machine)
    if not is_root():
        H.skip("only root can be other users")
    try:
        in_child(lambda: check(LIBC.unshare(CLONE_NEWNS)))
    except OSError as e:
        H.skip("no name space of mounts here: %s" % e)
    if not as_user(ANN, os.access, base, os.X_OK):
        H.skip("%s is out of other users' reach" % base)
    in_child(go)
