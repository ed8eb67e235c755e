#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Who may do what: modes, groups, set-id bits, access control lists."""
import ctypes
import errno
import mmap
import os
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402
import people as P  # noqa: E402
import shared  # noqa: E402
from people import ACCESS, ANN, BOB, CLUB, DEFAULT, EVE, STAFF  # noqa: E402
from people import GROUP, GROUP_OBJ, MASK, OTHER, USER, USER_OBJ  # noqa: E402
from people import acl, as_user, refused, write  # noqa: E402

# Others may enter: the kernel checks.
MODES = (("allow_other",), ("allow_other", "profile=fast"),
         ("allow_other", "profile=safe"))


def make(path, mode, uid=ANN, gid=STAFF, data=b"contents", directory=False):
    if directory:
        os.mkdir(path)
    else:
        write(path, data)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    return path


# ------------------------------------------------------------------ opening

PEOPLE = ((ANN, ANN, ()), (BOB, STAFF, ()), (BOB, BOB, (STAFF, CLUB)),
          (EVE, EVE, (CLUB,)))


def granted(mode, uid, gid, groups):
    if uid == ANN:
        return mode >> 6 & 7
    return mode >> 3 & 7 if STAFF in (gid, *groups) else mode & 7


def try_open(path, flags):
    os.close(os.open(path, flags))


def try_all(cases):
    """Runs as somebody: whatever is not as it should be."""
    wrong = []
    for name, call, ok in cases:
        try:
            call()
            result = 0
        except OSError as e:
            result = e.errno
        if result != (0 if ok else errno.EACCES):
            wrong.append("%s: %s" % (name, errno.errorcode.get(result, 0)))
    return wrong


def test_open_follows_the_mode(_base):
    modes = [0o400, 0o040, 0o004, 0o200, 0o020, 0o002, 0o640, 0o604, 0o462,
             0o077, 0o750, 0o606, 0o660, 0]

    def body(top):
        for m in modes:
            make("%s/f%o" % (top, m), m)
        for uid, gid, groups in PEOPLE:
            cases = []
            for m in modes:
                p, g = "%s/f%o" % (top, m), granted(m, uid, gid, groups)
                for flags, want in ((os.O_RDONLY, 4), (os.O_WRONLY, 2),
                                    (os.O_RDWR, 6), (os.O_APPEND |
                                                     os.O_WRONLY, 2)):
                    cases.append(("%s of %d: %x" % (p, uid, flags),
                                  lambda p=p, f=flags: try_open(p, f),
                                  g & want == want))
                cases.append(("truncate " + p,
                              lambda p=p: os.truncate(p, 8), g & 2))
                cases.append(("getxattr " + p, lambda p=p: os.listxattr(p),
                              True))
                cases.append(("setxattr " + p,
                              lambda p=p: os.setxattr(p, "user.a", b"1"),
                              g & 2))
            wrong = as_user(uid, try_all, cases, gid=gid, groups=groups)
            assert not wrong, wrong[:5]
        # Root is not asked, and executes only what somebody may.
        assert P.read("%s/f0" % top) == b"contents"
        refused(errno.EACCES, os.execv, "%s/f660" % top, ["x"])
        assert not os.access("%s/f660" % top, os.X_OK)
        assert os.access("%s/f750" % top, os.X_OK)
    ALL.each(MODES, body)


def test_directories_need_search_and_write(_base):
    modes = [0o755, 0o711, 0o744, 0o733, 0o722, 0o700, 0o770, 0o070, 0o077]

    def body(top):
        for m in modes:
            d = make("%s/d%o" % (top, m), 0o777, directory=True)
            write(d + "/in")
            os.chmod(d + "/in", 0o666)
            for i in range(len(PEOPLE)):
                os.mkdir("%s/dir%d" % (d, i))
                write("%s/file%d" % (d, i))
            os.chmod(d, m)
        for i, (uid, gid, groups) in enumerate(PEOPLE):
            cases = []
            for m in modes:
                d, g = "%s/d%o" % (top, m), granted(m, uid, gid, groups)
                new = "%s/new%d" % (d, i)
                f, sub = "%s/file%d" % (d, i), "%s/dir%d" % (d, i)
                both = g & 3 == 3
                cases += [
                    ("list " + d, lambda d=d: os.listdir(d), g & 4),
                    ("stat in " + d, lambda d=d: os.stat(d + "/in"), g & 1),
                    ("open in " + d,
                     lambda d=d: try_open(d + "/in", os.O_RDWR), g & 1),
                    ("absent in " + d,
                     lambda d=d: os.path.lexists(d + "/no") or
                     os.stat(d + "/in"), g & 1),
                    ("create in " + d, lambda n=new: write(n), both),
                    ("link in " + d,
                     lambda d=d, n=new: os.link(d + "/in", n + "l"), both),
                    ("rename in " + d,
                     lambda f=f: os.rename(f, f + "r"), both),
                    ("mkdir in " + d, lambda n=new: os.mkdir(n + "d"), both),
                    ("symlink in " + d,
                     lambda n=new: os.symlink("x", n + "s"), both),
                    ("mkfifo in " + d,
                     lambda n=new: os.mkfifo(n + "f"), both),
                    ("rmdir in " + d, lambda s=sub: os.rmdir(s), both),
                    ("unlink in " + d,
                     lambda f=f, b=both: os.unlink(f + "r" if b else f),
                     both),
                    ("unnamed in " + d,
                     lambda d=d: try_open(d, os.O_TMPFILE | os.O_RDWR), both),
                    ("chdir " + d, lambda d=d: os.chdir(d), g & 1),
                ]
            wrong = as_user(uid, try_all, cases, gid=gid, groups=groups)
            assert not wrong, wrong[:5]
    ALL.each(MODES, body)


def test_rights_taken_away_are_gone_at_once(_base):
    def body(top):
        d = make(top + "/d", 0o755, directory=True)
        f = make(d + "/f", 0o644)
        assert as_user(BOB, P.read, f) == b"contents"
        os.chmod(f, 0o600)
        refused(errno.EACCES, as_user, BOB, P.read, f)
        os.chown(f, BOB, BOB)
        assert as_user(BOB, P.read, f) == b"contents"
        refused(errno.EACCES, as_user, ANN, P.read, f)
        os.chmod(d, 0o700)
        refused(errno.EACCES, as_user, BOB, P.read, f)
        refused(errno.EACCES, as_user, BOB, os.stat, f)
    ALL.each(MODES, body)


def test_sticky_directories(_base):
    def body(top):
        d = make(top + "/d", 0o1777, ANN, ANN, directory=True)
        o = make(top + "/o", 0o777, EVE, EVE, directory=True)
        for name in "abcde":
            make(d + "/" + name, 0o666, BOB, BOB)
        make(d + "/eve", 0o666, EVE, EVE)
        refused(errno.EPERM, as_user, EVE, os.unlink, d + "/a")
        refused(errno.EPERM, as_user, EVE, os.rename, d + "/a", d + "/z")
        refused(errno.EPERM, as_user, EVE, os.rename, d + "/a", o + "/z")
        refused(errno.EPERM, as_user, EVE, os.rename, d + "/eve", d + "/a")
        refused(errno.EPERM, as_user, EVE, P.renameat2, d + "/eve", d + "/a",
                P.RENAME_EXCHANGE)
        as_user(BOB, os.unlink, d + "/a")
        as_user(ANN, os.unlink, d + "/b")
        as_user(BOB, os.rename, d + "/c", d + "/z")
        os.unlink(d + "/d")
        as_user(EVE, write, d + "/new")

        def holds(at):
            assert sorted(os.listdir(at + "/d")) == ["e", "eve", "new", "z"]
            assert P.mode(at + "/d") == 0o1777
        return holds
    ALL.each(MODES, body)


def test_changing_what_belongs_to_somebody(_base):
    def body(top):
        f = make(top + "/f", 0o666)
        for who in (BOB, EVE):
            refused(errno.EPERM, as_user, who, os.chmod, f, 0o777)
            refused(errno.EPERM, as_user, who, os.chown, f, who, -1)
            refused(errno.EPERM, as_user, who, os.utime, f, (1, 1))
            refused(errno.EPERM, as_user, who, os.setxattr, f, ACCESS,
                    acl((USER_OBJ, 6), (GROUP_OBJ, 6), (OTHER, 7)))
            as_user(who, os.utime, f)
        os.chmod(f, 0o644)
        refused(errno.EACCES, as_user, BOB, os.utime, f)
        refused(errno.EPERM, as_user, ANN, os.chown, f, BOB, -1)
        refused(errno.EPERM, as_user, ANN, os.chown, f, -1, CLUB)
        as_user(ANN, os.chown, f, -1, CLUB, groups=(CLUB,))
        as_user(ANN, os.chmod, f, 0o604)
        # Who is not of the group does not give its rights away.
        as_user(ANN, os.chmod, f, 0o2755)
        assert P.mode(f) == 0o755
        as_user(ANN, os.chmod, f, 0o6755, groups=(CLUB,))
        assert P.mode(f) == 0o6755
        refused(errno.EPERM, as_user, ANN, os.mknod, top + "/dev",
                stat.S_IFCHR | 0o666, os.makedev(1, 3))

        def holds(at):
            st = os.stat(at + "/f")
            assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == \
                (ANN, CLUB, 0o6755)
        return holds
    ALL.each(MODES, body)


def test_groups_and_masks_of_what_is_new(_base):
    def body(top):
        plain = make(top + "/plain", 0o777, ANN, STAFF, directory=True)
        sgid = make(top + "/sgid", 0o2777, ANN, STAFF, directory=True)

        def fill(d):
            write(d + "/f", mode=0o666)
            os.mkdir(d + "/d", 0o777)
            os.mkfifo(d + "/p", 0o666)
            os.symlink("x", d + "/s")
            write(d + "/x", mode=0o2777)
        as_user(BOB, fill, plain, umask=0o027)
        as_user(BOB, fill, sgid, umask=0o002)
        os.umask(0o022)

        def holds(at):
            got = {}
            for d in ("plain", "sgid"):
                for n in "fdpsx":
                    st = os.lstat("%s/%s/%s" % (at, d, n))
                    assert st.st_uid == BOB
                    got[d, n] = (st.st_gid, stat.S_IMODE(st.st_mode))
            assert got == {
                ("plain", "f"): (BOB, 0o640), ("plain", "d"): (BOB, 0o750),
                ("plain", "p"): (BOB, 0o640), ("plain", "s"): (BOB, 0o777),
                ("plain", "x"): (BOB, 0o2750),
                ("sgid", "f"): (STAFF, 0o664),
                ("sgid", "d"): (STAFF, 0o2775),
                ("sgid", "p"): (STAFF, 0o664), ("sgid", "s"): (STAFF, 0o777),
                # A group that is not the maker's: no set-group-ID.
                ("sgid", "x"): (STAFF, 0o775)}, got
        return holds
    ALL.each(MODES, body)


# ------------------------------------------------------------- set-id bits

def copy_range(src, dst):
    a, b = os.open(src, os.O_RDONLY), os.open(dst, os.O_WRONLY)
    assert os.copy_file_range(a, b, 4) == 4
    os.close(a)
    os.close(b)


def fallocate(path, how):
    fd = os.open(path, os.O_WRONLY)
    P.check(P.LIBC.fallocate(fd, how, ctypes.c_long(0), ctypes.c_long(4096)))
    os.close(fd)


def ftruncate(path):
    fd = os.open(path, os.O_WRONLY)
    os.ftruncate(fd, 3)
    os.close(fd)


def direct_write(path):
    page = mmap.mmap(-1, 4096)
    fd = os.open(path, os.O_WRONLY | os.O_DIRECT)
    assert os.pwritev(fd, [page], 0) == 4096
    os.close(fd)


def changes(top):
    """What takes set-id bits away when somebody ordinary does it."""
    return {
        "write": lambda p: write(p, b"x"),
        "append": lambda p: write(p, b"x", os.O_WRONLY | os.O_APPEND),
        "truncate": lambda p: os.truncate(p, 3),
        "longer": lambda p: os.truncate(p, 3000),
        "ftruncate": ftruncate,
        "O_TRUNC": lambda p: write(p, b"", os.O_WRONLY | os.O_TRUNC),
        "punch": lambda p: fallocate(p, 3),
        "copy": lambda p: copy_range(top + "/source", p),
        "direct": direct_write,
    }


def test_writing_takes_set_id_bits_away(_base):
    def body(top):
        make(top + "/source", 0o644)
        for name, change in changes(top).items():
            # Where the group may not execute, only who is of the group may
            # keep set-group-ID (xfstests' generic/683, Linux 6.2).
            for mode, groups, after in (
                    (0o6777, (), 0o777), (0o4766, (), 0o766),
                    (0o2767, (), 0o767), (0o6666, (), 0o666),
                    (0o2766, (CLUB, STAFF), 0o2766),
                    (0o6776, (STAFF,), 0o776)):
                p = make("%s/%s%o" % (top, name, mode), mode)
                # In the kernel's cache as well, and open.
                fd = os.open(p, os.O_RDONLY)
                as_user(BOB, change, p, groups=groups)
                # Of the mode alone the kernel knows by itself; it is what
                # execve(2) goes by.
                shown = H.run(["stat", "-c", "%a", p]).stdout
                assert int(shown, 8) == after, (name, oct(mode), shown)
                assert P.mode(p) == after, (name, oct(mode), oct(P.mode(p)))
                assert stat.S_IMODE(os.fstat(fd).st_mode) == after
                os.close(fd)
                # Root may.
                p = make("%s/%s%o-root" % (top, name, mode), mode)
                change(p)
                assert P.mode(p) == mode, (name, oct(mode), oct(P.mode(p)))

        def holds(at):
            for name in changes(at):
                assert P.mode("%s/%s6777" % (at, name)) == 0o777
                assert P.mode("%s/%s6777-root" % (at, name)) == 0o6777
        return holds
    ALL.each(MODES, body)


def test_a_new_owner_takes_set_id_bits_away(_base):
    def body(top):
        for mode, after in ((0o6755, 0o755), (0o2745, 0o2745),
                            (0o4644, 0o644)):
            p = make("%s/%o" % (top, mode), mode, ANN, ANN)
            as_user(ANN, os.chown, p, -1, CLUB, groups=(CLUB,))
            assert P.mode(p) == after, oct(P.mode(p))
            # It is the group there was that counts.
            p = make("%s/%o-stranger" % (top, mode), mode, ANN, STAFF)
            as_user(ANN, os.chown, p, -1, CLUB, groups=(CLUB,))
            assert P.mode(p) == after & 0o777, oct(P.mode(p))
            p = make("%s/%o-root" % (top, mode), mode)
            os.chown(p, BOB, BOB)
            assert P.mode(p) == after, oct(P.mode(p))
        d = make(top + "/d", 0o6755, directory=True)
        os.chown(d, BOB, BOB)
        assert P.mode(d) == 0o6755
    ALL.each(MODES, body)


def test_changes_take_capabilities_away(_base):
    def body(top):
        make(top + "/source", 0o644)
        every = dict(changes(top), chown=lambda p: os.chown(p, BOB, -1))
        for name, change in every.items():
            for who in (0, ANN):
                p = make("%s/%s-%d" % (top, name, who), 0o777)
                os.setxattr(p, "security.capability", P.capability())
                assert P.has_xattr(p, "security.capability")
                if who == 0 or name == "chown":
                    change(p)
                else:
                    as_user(who, change, p)
                assert not P.has_xattr(p, "security.capability"), (name, who)
        p = make(top + "/read", 0o755)
        os.setxattr(p, "security.capability", P.capability())
        os.chmod(p, 0o700)
        P.read(p)
        os.utime(p, (1, 1))
        refused(errno.EPERM, as_user, ANN, os.setxattr, p,
                "security.capability", P.capability())

        def holds(at):
            assert os.getxattr(at + "/read", "security.capability") == \
                P.capability()
            assert not P.has_xattr("%s/write-%d" % (at, ANN),
                                   "security.capability")
        return holds
    ALL.each(MODES, body)


# ---------------------------------------------------------------- lists

BASE = ((USER_OBJ, 6), (USER, 4, BOB), (GROUP_OBJ, 0), (GROUP, 6, CLUB),
        (MASK, 6), (OTHER, 0))


def test_access_control_lists_are_obeyed(_base):
    def body(top):
        f = make(top + "/f", 0o600)
        os.setxattr(f, ACCESS, acl(*BASE))
        assert P.mode(f) == 0o660
        assert P.parse_acl(os.getxattr(f, ACCESS)) == list(BASE)
        assert as_user(BOB, P.read, f) == b"contents"
        refused(errno.EACCES, as_user, BOB, write, f, b"x")
        as_user(EVE, write, f, b"C", groups=(CLUB,))
        refused(errno.EACCES, as_user, EVE, P.read, f)
        # The owning group is of the class, and the list gives it nothing.
        refused(errno.EACCES, as_user, EVE, P.read, f, gid=STAFF)
        assert not as_user(EVE, os.access, f, os.R_OK)
        assert as_user(BOB, os.access, f, os.R_OK)
        # chmod's group bits are the mask.
        os.chmod(f, 0o644)
        assert P.parse_acl(os.getxattr(f, ACCESS)) == [
            (USER_OBJ, 6), (USER, 4, BOB), (GROUP_OBJ, 0), (GROUP, 6, CLUB),
            (MASK, 4), (OTHER, 4)]
        refused(errno.EACCES, as_user, EVE, write, f, b"C", groups=(CLUB,))
        assert as_user(EVE, P.read, f, groups=(CLUB,)) == b"Contents"
        refused(errno.EACCES, as_user, EVE, P.read, f, gid=STAFF)
        as_user(ANN, os.chmod, f, 0o600)
        refused(errno.EACCES, as_user, BOB, P.read, f)
        as_user(ANN, os.chmod, f, 0o660)
        assert as_user(BOB, P.read, f) == b"Contents"
        # A list that says what a mode says is none.
        g = make(top + "/g", 0o600)
        os.setxattr(g, ACCESS, acl((USER_OBJ, 7), (GROUP_OBJ, 4), (OTHER, 1)))
        assert P.mode(g) == 0o741 and not P.has_xattr(g, ACCESS)
        refused(errno.ENODATA, os.getxattr, g, ACCESS)
        os.setxattr(g, ACCESS, acl(*BASE))
        os.removexattr(g, ACCESS)
        assert not P.has_xattr(g, ACCESS) and P.mode(g) == 0o660
        refused(errno.EACCES, as_user, BOB, P.read, g)
        # Directories: searching and making.
        d = make(top + "/d", 0o700, directory=True)
        make(d + "/in", 0o644)
        os.setxattr(d, ACCESS, acl((USER_OBJ, 7), (USER, 1, BOB),
                                   (USER, 7, EVE), (GROUP_OBJ, 0), (MASK, 7),
                                   (OTHER, 0)))
        assert as_user(BOB, P.read, d + "/in") == b"contents"
        refused(errno.EACCES, as_user, BOB, os.listdir, d)
        refused(errno.EACCES, as_user, BOB, write, d + "/new")
        as_user(EVE, write, d + "/new")
        as_user(EVE, os.rename, d + "/new", d + "/newer")

        def holds(at):
            assert P.parse_acl(os.getxattr(at + "/f", ACCESS)) == list(BASE)
            assert as_user(BOB, P.read, at + "/f") == b"Contents"
            refused(errno.EACCES, as_user, EVE, P.read, at + "/f")
            assert sorted(os.listdir(at + "/d")) == ["in", "newer"]
            refused(errno.EACCES, as_user, BOB, os.listdir, at + "/d")
        return holds
    ALL.each(MODES, body)


def test_lists_that_are_none_are_refused(_base):
    def body(top):
        f = make(top + "/f", 0o600)
        for bad in (acl(*BASE[:-1]), acl(*BASE[:4], BASE[5]), acl(*BASE) +
                    b"\0", acl((USER_OBJ, 8), *BASE[1:]), b"abc",
                    acl(*reversed(BASE))):
            refused(errno.EINVAL, os.setxattr, f, ACCESS, bad)
        refused(errno.EACCES, os.setxattr, f, DEFAULT, acl(*BASE))
        refused(errno.EOPNOTSUPP, os.setxattr, f, "system.other", b"x")
        os.symlink("f", top + "/l")
        refused(errno.EOPNOTSUPP, os.setxattr, top + "/l", ACCESS,
                acl(*BASE), follow_symlinks=False)
        assert P.mode(f) == 0o600 and os.listxattr(f) == []
    ALL.each(MODES, body)


def test_setting_a_list_may_take_set_group_id_away(_base):
    def body(top):
        f = make(top + "/f", 0o2750)
        g = make(top + "/g", 0o2750)
        as_user(ANN, os.setxattr, f, ACCESS, acl(*BASE))
        as_user(ANN, os.setxattr, g, ACCESS, acl(*BASE), groups=(STAFF,))
        assert (P.mode(f), P.mode(g)) == (0o660, 0o2660)
    ALL.each(MODES, body)


def test_default_lists_are_inherited(_base):
    default = ((USER_OBJ, 7), (USER, 7, BOB), (GROUP_OBJ, 5), (MASK, 7),
               (OTHER, 0))

    def body(top):
        d = make(top + "/d", 0o777, directory=True)
        os.setxattr(d, DEFAULT, acl(*default))
        assert P.mode(d) == 0o777

        def fill():
            write(d + "/f", mode=0o666)
            write(d + "/private", mode=0o600)
            os.mkdir(d + "/d", 0o777)
            os.mkfifo(d + "/p", 0o666)
            os.symlink("x", d + "/s")
            fd = os.open(d, os.O_TMPFILE | os.O_RDWR, 0o640)
            P.link_fd(fd, d + "/t")
            os.close(fd)
            write(d + "/d/below", mode=0o666)
        # The umask counts for nothing here.
        as_user(ANN, fill, umask=0o077)
        minimal = make(top + "/minimal", 0o777, directory=True)
        os.setxattr(minimal, DEFAULT, acl((USER_OBJ, 7), (GROUP_OBJ, 5),
                                          (OTHER, 4)))
        as_user(ANN, write, minimal + "/f", umask=0o077)

        def holds(at):
            def has(name, mode, access, inherited=False):
                p = "%s/d/%s" % (at, name)
                assert P.mode(p) == mode, (name, oct(P.mode(p)))
                assert P.parse_acl(os.getxattr(p, ACCESS)) == access, name
                assert P.has_xattr(p, DEFAULT) == inherited, name
            low = [(USER_OBJ, 6), (USER, 7, BOB), (GROUP_OBJ, 5), (MASK, 6),
                   (OTHER, 0)]
            has("f", 0o660, low)
            has("p", 0o660, low)
            has("d/below", 0o660, low)
            has("private", 0o600, low[:3] + [(MASK, 0), (OTHER, 0)])
            has("t", 0o640, low[:3] + [(MASK, 4), (OTHER, 0)])
            has("d", 0o770, list(default), True)
            assert P.parse_acl(os.getxattr(at + "/d/d", DEFAULT)) == \
                list(default)
            assert P.mode(at + "/d/s") == 0o777
            assert P.mode(at + "/minimal/f") == 0o644
            assert not P.has_xattr(at + "/minimal/f", ACCESS)
            assert "below" in as_user(BOB, os.listdir, at + "/d/d")
            refused(errno.EACCES, as_user, EVE, os.listdir, at + "/d/d")
            refused(errno.EACCES, as_user, BOB, P.read, at + "/d/private")
        holds(top)
        os.removexattr(d + "/d", DEFAULT)
        as_user(ANN, write, d + "/d/later", umask=0o077)
        assert P.mode(d + "/d/later") == 0o600
        os.setxattr(d + "/d", DEFAULT, acl(*default))
        return holds
    ALL.each(MODES, body)


def test_zz_all_of_it_survives(_base):
    ALL.survive()


def lists_below(top):
    return {os.path.relpath(os.path.join(d, n), top): {
        name: os.getxattr(os.path.join(d, n), name)
        for name in (ACCESS, DEFAULT)
        if P.has_xattr(os.path.join(d, n), name)}
        for d, dirs, files in os.walk(top) for n in dirs + files
        if not os.path.islink(os.path.join(d, n))}


def test_zz_lists_come_out_of_the_reader(base):
    H.need_nacl()
    out = os.path.join(base, "out")
    try:
        os.setxattr(base, ACCESS, acl(*BASE))
    except OSError:
        H.skip("no access control lists below %s" % base)
    top = ALL.folder(MODES[0])
    for mode in (0o600, 0o640, 0o677):
        f = make("%s/f%o" % (top, mode), 0o600)
        os.setxattr(f, ACCESS, acl(*BASE))
        # After the list: its entries have to follow.
        os.chmod(f, mode)
    os.mkdir(top + "/d")
    os.setxattr(top + "/d", DEFAULT, acl(*BASE))
    want = lists_below(top)
    assert len([x for x in want.values() if x]) == 4, want
    v = ALL.vaults[MODES[0]]
    v.coffer("sync", ALL.mount(MODES[0]).path)
    v.reader("extract", out)
    assert lists_below(os.path.join(out, os.path.basename(top))) == want


if __name__ == "__main__":
    H.need_fuse()
    if not P.is_root():
        H.skip("only root can be other users")
    with shared.shared() as ALL:
        H.main(globals())
