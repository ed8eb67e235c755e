#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Vaults of ordinary users: mounting, letting others in, owners."""
import errno
import os
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402
import people as P  # noqa: E402
from people import ACCESS, ANN, BOB, CLUB, EVE, STAFF  # noqa: E402
from people import acl, as_user, read, refused, write  # noqa: E402

MOUNTPOINT_FAILED = 14


def test_an_ordinary_user_mounts(base):
    def scenario(machine):
        machine.make_vault(ANN)
        for how in ("kernel", "daemon"):
            with machine.mounted(ANN, "permissions=" + how) as top:
                def use():
                    write(top + "/f", b"mine")
                    assert read(top + "/f") == b"mine"
                    os.mkdir(top + "/d")
                    os.rename(top + "/f", top + "/d/f")
                    st = os.stat(top + "/d/f")
                    assert (st.st_uid, st.st_gid) == (ANN, ANN)
                    assert not st.st_mode & 0o022
                    # What one's own modes forbid is forbidden.
                    os.chmod(top + "/d/f", 0o400)
                    refused(errno.EACCES, os.open, top + "/d/f", os.O_RDWR)
                    refused(errno.EACCES, os.truncate, top + "/d/f", 0)
                    os.chmod(top + "/d/f", 0)
                    refused(errno.EACCES, os.open, top + "/d/f", os.O_RDONLY)
                    os.chmod(top + "/d", 0o500)
                    refused(errno.EACCES, write, top + "/d/g")
                    refused(errno.EACCES, os.unlink, top + "/d/f")
                    os.chmod(top + "/d", 0o600)
                    refused(errno.EACCES, os.stat, top + "/d/f")
                    os.chmod(top + "/d", 0o300)
                    refused(errno.EACCES, os.listdir, top + "/d")
                    refused(errno.EPERM, os.chown, top + "/d", BOB, -1)
                    refused(errno.EPERM, os.mknod, top + "/dev",
                            stat.S_IFCHR | 0o600, os.makedev(1, 3))
                    os.chmod(top + "/d", 0o700)
                    os.unlink(top + "/d/f")
                    os.rmdir(top + "/d")
                as_user(ANN, use)
                # Nobody else gets in, not even root.
                refused(errno.EACCES, os.listdir, top)
                refused(errno.EACCES, as_user, BOB, os.listdir, top)
    P.on_a_machine(base, scenario)


def fail_to_mount(machine, option):
    """The line; without a passphrase having been asked for."""
    home = machine.home(ANN)
    if not os.path.exists(home + "/mnt"):
        as_user(ANN, os.mkdir, home + "/mnt")
    p = machine.coffer(ANN, "mount", "-o", option, "--passfile",
                       "/nonexistent", home + "/vault", home + "/mnt",
                       ok=False)
    assert p.returncode == MOUNTPOINT_FAILED, p
    assert not H.is_mounted(home + "/mnt")
    return p.stderr.decode()


def test_others_are_let_in_where_the_system_says_so(base):
    def scenario(machine):
        machine.make_vault(ANN)
        for option in ("allow_other", "allow_root"):
            said = fail_to_mount(machine, option)
            assert option in said and "/etc/fuse.conf" in said and \
                "user_allow_other" in said and said.count("\n") == 1, said
        machine.let_others_in()
        with machine.mounted(ANN, "allow_other") as top:
            def fill():
                write(top + "/open", b"for all")
                write(top + "/closed", b"for me", mode=0o600)
                os.mkdir(top + "/shared")
                os.chmod(top + "/shared", 0o1777)
            as_user(ANN, fill)
            assert as_user(BOB, read, top + "/open") == b"for all"
            refused(errno.EACCES, as_user, BOB, read, top + "/closed")
            as_user(BOB, write, top + "/shared/his", b"x")
            refused(errno.EPERM, as_user, ANN, os.chown, top + "/shared/his",
                    ANN, -1)
            st = os.stat(top + "/shared/his")
            assert (st.st_uid, st.st_gid) == (BOB, BOB)
            assert read(top + "/closed") == b"for me"
    P.on_a_machine(base, scenario)


def test_root_alone_is_let_in(base):
    def scenario(machine):
        machine.make_vault(ANN)
        machine.let_others_in()
        with machine.mounted(ANN, "allow_root") as top:
            def fill():
                os.mkdir(top + "/d")
                write(top + "/d/f", b"for root")
                os.symlink("d", top + "/s")
                os.chmod(top, 0o701)    # no list to ask for
                os.chmod(top + "/d", 0o755)
            as_user(ANN, fill)
            # All of it in the kernel's caches.
            for _ in range(2):
                for who in (0, ANN):
                    assert as_user(who, read, top + "/d/f") == b"for root"
                    assert as_user(who, os.listdir, top + "/s") == ["f"]
                    as_user(who, os.stat, top + "/d/f")
            write(top + "/d/by-root", b"x")
            assert os.stat(top + "/d/by-root").st_uid == 0
            for call in (os.listdir, os.stat, os.readlink):
                for p in ("/s", "/d", "/d/f", "/none"):
                    refused(errno.EACCES, as_user, BOB, call, top + p)
            refused(errno.EACCES, as_user, BOB, os.listdir, top)
            refused(errno.EACCES, as_user, BOB, read, top + "/d/f")
            refused(errno.EACCES, as_user, BOB, write, top + "/d/new")
            refused(errno.EACCES, as_user, BOB, os.open, top,
                    os.O_TMPFILE | os.O_RDWR)
            assert as_user(ANN, read, top + "/d/f") == b"for root"
    P.on_a_machine(base, scenario)


def owners(top):
    return {os.path.relpath(os.path.join(d, n), top): (
        os.lstat(os.path.join(d, n)).st_uid,
        os.lstat(os.path.join(d, n)).st_gid, P.mode(os.path.join(d, n)))
        for d, dirs, files in os.walk(top) for n in dirs + files}


def test_a_vault_of_somebody_else_shows_its_owners(base):
    def scenario(machine):
        machine.make_vault(BOB)
        with machine.mounted(BOB) as top:
            def fill():
                write(top + "/private", b"BOB", mode=0o600)
                write(top + "/public", b"BOB", mode=0o644)
                os.mkdir(top + "/d", 0o755)
                os.symlink("d", top + "/s")
            as_user(BOB, fill)
            want = as_user(BOB, owners, top)
        machine.hand_over(BOB, ANN)
        # As stored: Bob's, here too.
        with machine.mounted(ANN) as top:
            assert as_user(ANN, owners, top) == want
            assert as_user(ANN, read, top + "/public") == b"BOB"
            refused(errno.EACCES, as_user, ANN, read, top + "/private")
            refused(errno.EACCES, as_user, ANN, write, top + "/d/x")
            refused(errno.EPERM, as_user, ANN, os.chmod, top + "/d", 0o777)
        # As Ann's.
        for how in ("kernel", "daemon"):
            with machine.mounted(ANN, "uid=%d,gid=%d" % (ANN, CLUB),
                                 "permissions=" + how) as top:
                assert as_user(ANN, owners, top) == {
                    p: (ANN, CLUB, m) for p, (_, _, m) in want.items()}
                assert as_user(ANN, read, top + "/private") == b"BOB"
                as_user(ANN, write, top + "/d/x", b"ANN")
                as_user(ANN, os.chmod, top + "/d/x", 0o640)
                as_user(ANN, os.chown, top + "/d/x", ANN, CLUB,
                        groups=(CLUB,))
                refused(errno.EPERM, as_user, ANN, os.chown, top + "/d/x",
                        BOB, -1)
                assert P.in_child(lambda: (P.become(ANN), os.stat(
                    top + "/d/x").st_mode & 0o777)[1]) == 0o640
                as_user(ANN, os.unlink, top + "/d/x")
        # Modes made up too: all bits but those of the mask.
        with machine.mounted(ANN, "uid=%d,gid=%d,umask=027" % (ANN, ANN)) \
                as top:
            shown = as_user(ANN, owners, top)
            assert {m for p, (_, _, m) in shown.items()} == {0o750}, shown
            as_user(ANN, write, top + "/private", b"b")
            refused(errno.EOPNOTSUPP, as_user, ANN, os.setxattr,
                    top + "/private", ACCESS, acl((P.USER_OBJ, 7),
                                                  (P.GROUP_OBJ, 0),
                                                  (P.OTHER, 0)))
            as_user(ANN, write, top + "/new", b"ANN")
        # Shown only: what is stored is as it was.
        with machine.mounted(ANN) as top:
            got = as_user(ANN, owners, top)
            assert got.pop("new")[:2] == (ANN, ANN)
            assert got == want, got
    P.on_a_machine(base, scenario)


# ------------------------------------------------- the daemon as the kernel

LISTS = {
    "ann-reads": ((P.USER_OBJ, 6), (P.USER, 4, ANN), (P.GROUP_OBJ, 0),
                  (P.MASK, 4), (P.OTHER, 0)),
    "masked": ((P.USER_OBJ, 7), (P.USER, 7, ANN), (P.GROUP_OBJ, 7),
               (P.MASK, 5), (P.OTHER, 7)),
    "staff": ((P.USER_OBJ, 7), (P.GROUP_OBJ, 0), (P.GROUP, 7, STAFF),
              (P.MASK, 7), (P.OTHER, 0)),
    "group-out": ((P.USER_OBJ, 7), (P.USER, 7, EVE), (P.GROUP_OBJ, 0),
                  (P.MASK, 7), (P.OTHER, 7)),
}


def fill_for_comparison(top):
    os.chmod(top, 0o777)
    kinds = [(m, uid, gid, None) for m in (0o777, 0o750, 0o705, 0o070,
                                           0o1777, 0o2775, 0o660, 0o606)
             for uid, gid in ((ANN, ANN), (BOB, STAFF), (BOB, BOB))]
    kinds += [(0o770, BOB, STAFF, name) for name in LISTS]
    for m, uid, gid, acl_name in kinds:
        p = "%s/%o-%d-%d%s" % (top, m, uid, gid, acl_name or "")
        os.mkdir(p + "d")
        for name in ("bobs", "other", "third"):
            write("%sd/%s" % (p, name), b"contents")
            os.chown("%sd/%s" % (p, name), BOB, BOB)
        write(p + "d/anns", b"contents")
        os.chown(p + "d/anns", ANN, ANN)
        write(p, b"contents")
        for q in (p, p + "d"):
            os.chown(q, uid, gid)
            os.chmod(q, m)
            if acl_name:
                os.setxattr(q, ACCESS, acl(*LISTS[acl_name]))


def attempt_all(top):
    """What each attempt comes to, for somebody: {attempt: error number}."""
    out = {}

    def attempt(name, call, *args):
        try:
            call(*args)
            out[name] = 0
        except OSError as e:
            out[name] = e.errno

    def open_as(path, flags):
        os.close(os.open(path, flags))
    for name in sorted(os.listdir(top)):
        p = top + "/" + name
        if name.endswith("d"):
            attempt("list " + name, os.listdir, p)
            attempt("stat in " + name, os.stat, p + "/bobs")
            attempt("absent in " + name, os.stat, p + "/none")
            attempt("create in " + name, write, p + "/new")
            attempt("mkdir in " + name, os.mkdir, p + "/sub")
            attempt("symlink in " + name, os.symlink, "x", p + "/link")
            attempt("unnamed in " + name, open_as, p,
                    os.O_TMPFILE | os.O_RDWR)
            attempt("rename in " + name, os.rename, p + "/bobs", p + "/bob")
            attempt("replace in " + name, os.rename, p + "/anns", p + "/other")
            attempt("unlink in " + name, os.unlink, p + "/third")
            attempt("link into " + name, os.link, top + "/777-%d-%d" %
                    (ANN, ANN), p + "/hard")
            attempt("rmdir in " + name, os.rmdir, p + "/sub")
            attempt("enter " + name, os.chdir, p)
            os.chdir("/")
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR,
                      os.O_WRONLY | os.O_APPEND):
            attempt("open %x %s" % (flags, name), open_as, p, flags)
        for want in (os.R_OK, os.W_OK, os.X_OK, os.R_OK | os.W_OK):
            out["access %d %s" % (want, name)] = os.access(p, want)
        attempt("touch " + name, os.utime, p)
        attempt("set times " + name, os.utime, p, (1, 1))
        attempt("truncate " + name, os.truncate, p, 3)
        attempt("chgrp " + name, os.chown, p, -1, STAFF)
        attempt("chown " + name, os.chown, p, BOB, -1)
        attempt("setxattr " + name, os.setxattr, p, "user.a", b"1")
        attempt("getxattr " + name, os.getxattr, p, "user.a")
        attempt("set list " + name, os.setxattr, p, ACCESS,
                acl((P.USER_OBJ, 7), (P.GROUP_OBJ, 7), (P.OTHER, 7)))
        attempt("chmod " + name, os.chmod, p, 0o2750)
        out["mode " + name] = P.mode(p)
    return out


def test_the_daemon_decides_as_the_kernel_does(base):
    def scenario(machine):
        machine.make_vault(BOB)
        machine.let_others_in()
        with machine.mounted(BOB, "allow_other") as top:
            fill_for_comparison(top)
        got = {}
        for how in ("kernel", "daemon"):
            machine.hand_over(BOB, ANN)
            with machine.mounted(ANN, "permissions=" + how,
                                 groups=(STAFF,)) as top:
                got[how] = as_user(ANN, attempt_all, top, groups=(STAFF,))
        kernel, daemon = got["kernel"], got["daemon"]
        differ = {k: (kernel[k], daemon[k]) for k in kernel
                  if kernel[k] != daemon[k]}
        assert set(kernel) == set(daemon) and not differ, differ
        results = list(kernel.values())
        for r in (0, errno.EACCES, errno.EPERM, True, False):
            assert results.count(r) > 20, (r, results.count(r))
    P.on_a_machine(base, scenario)


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
