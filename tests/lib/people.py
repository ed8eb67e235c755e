# SPDX-License-Identifier: ISC
"""What other users may do, and other things Python has no call for."""
import ctypes
import errno
import os
import pickle
import struct
import traceback

LIBC = ctypes.CDLL(None, use_errno=True)

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
