#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Extended attributes: name spaces, limits, who sees which."""
import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402
import people as P  # noqa: E402
import shared  # noqa: E402
from people import ANN, as_user, refused, write  # noqa: E402

MODES = (("allow_other",), ("allow_other", "profile=fast"), ()) \
    if P.is_root() else ((), ("profile=fast",))


def test_values_and_names_of_any_bytes(_base):
    want = {b"user." + bytes([c]): bytes([c]) * c
            for c in range(1, 256) if c not in b"\0"}
    want[b"user." + b"n" * 250] = b""
    want[b"user.big"] = os.urandom(65536)

    def body(top):
        f = os.fsencode(top) + b"/f"
        write(f)
        for name, value in want.items():
            os.setxattr(f, name, value)
        refused(errno.E2BIG, os.setxattr, f, "user.big", bytes(65537))
        refused(errno.ERANGE, os.setxattr, f, b"user." + b"n" * 251, b"")
        refused(errno.ERANGE, os.getxattr, f, b"user." + b"n" * 251)
        refused(errno.ENODATA, os.getxattr, f, "user.none")
        refused(errno.ENODATA, os.removexattr, f, "user.none")
        refused(errno.EINVAL, os.setxattr, f, "user.", b"1")
        refused(errno.EOPNOTSUPP, os.setxattr, f, "nospace.name", b"1")
        refused(errno.EOPNOTSUPP, os.setxattr, f, "user", b"1")

        def holds(at):
            f = os.fsencode(at) + b"/f"
            got = {os.fsencode(n) for n in os.listxattr(f)}
            assert {n for n in got if n.startswith(b"user.")} == set(want), \
                got ^ set(want)
            for name, value in want.items():
                assert os.getxattr(f, name) == value, name
        return holds
    ALL.each(MODES, body)


def test_flags_and_replacing(_base):
    def body(top):
        os.mkdir(top + "/d")
        os.mkfifo(top + "/p")
        write(top + "/f")
        for p in (top + "/f", top + "/d"):
            refused(errno.ENODATA, os.setxattr, p, "user.a", b"1",
                    os.XATTR_REPLACE)
            os.setxattr(p, "user.a", b"1", os.XATTR_CREATE)
            refused(errno.EEXIST, os.setxattr, p, "user.a", b"2",
                    os.XATTR_CREATE)
            os.setxattr(p, "user.a", b"longer than before",
                        os.XATTR_REPLACE)
            os.setxattr(p, "user.b", b"2")
            os.removexattr(p, "user.b")
            os.setxattr(p, "user.c", b"")
        os.symlink("f", top + "/s")
        # xattr(7): of the contents, which these do not have.
        refused(errno.EPERM, os.setxattr, top + "/p", "user.a", b"1")
        refused(errno.EPERM, os.setxattr, top + "/s", "user.a", b"1",
                follow_symlinks=False)
        os.rename(top + "/f", top + "/g")
        os.link(top + "/g", top + "/h")
        os.setxattr(top + "/h", "user.d", b"by the other name")

        def holds(at):
            for p in ("g", "h", "d"):
                assert os.getxattr(at + "/" + p, "user.a") == \
                    b"longer than before"
                assert os.getxattr(at + "/" + p, "user.c") == b""
                refused(errno.ENODATA, os.getxattr, at + "/" + p, "user.b")
            assert os.getxattr(at + "/g", "user.d") == b"by the other name"
        return holds
    ALL.each(MODES, body)


def test_many_and_large_ones(_base):
    n_large, n_small = 24, 1500

    def body(top):
        f = top + "/f"
        write(f, b"contents")
        for i in range(n_large):
            os.setxattr(f, "user.large%d" % i, bytes([i]) * 65536)
        for i in range(n_small):
            os.setxattr(f, "user.small%d" % i, b"%d" % i)
        # More names than listxattr(2) can tell, as on ext4.
        g = top + "/g"
        write(g)
        for i in range(300):
            os.setxattr(g, "user.%0249d" % i, b"%d" % i)
        refused(errno.E2BIG, os.listxattr, g)

        def holds(at):
            f = at + "/f"
            names = [n for n in os.listxattr(f) if n.startswith("user.")]
            assert len(names) == n_large + n_small
            for i in range(n_large):
                assert os.getxattr(f, "user.large%d" % i) == \
                    bytes([i]) * 65536
            for i in range(n_small):
                assert os.getxattr(f, "user.small%d" % i) == b"%d" % i
            assert os.getxattr(at + "/g", "user.%0249d" % 299) == b"299"
        return holds
    ALL.each(MODES[:1], body)


def test_name_spaces_have_their_users(_base):
    if not P.is_root():
        H.skip("only root may set attributes of trusted and security")

    def body(top):
        f = top + "/f"
        write(f)
        os.chmod(f, 0o666)
        os.chown(f, ANN, ANN)
        os.symlink("f", top + "/s")
        for p in (f, top + "/s"):
            os.setxattr(p, "trusted.t", b"1", follow_symlinks=False)
            os.setxattr(p, "security.s", b"2", follow_symlinks=False)
        os.setxattr(f, "user.u", b"3")
        for name in ("system.other", "system.posix_acl"):
            refused(errno.EOPNOTSUPP, os.setxattr, f, name, b"1")
        names = os.listxattr(f)
        assert {"trusted.t", "security.s", "user.u"} <= set(names), names

        def holds(at):
            for p in ("f", "s"):
                p = at + "/" + p
                assert os.getxattr(p, "trusted.t",
                                   follow_symlinks=False) == b"1"
                assert os.getxattr(p, "security.s",
                                   follow_symlinks=False) == b"2"
        return holds
    ALL.each(MODES, body)


def test_trusted_attributes_are_not_shown_to_others(_base):
    if not P.is_root():
        H.skip("only root can be other users")

    def body(top):
        f = top + "/f"
        write(f)
        os.chown(f, ANN, ANN)
        os.setxattr(f, "trusted.t", b"1")
        os.setxattr(f, "security.s", b"2")
        os.setxattr(f, "user.u", b"3")
        names = as_user(ANN, os.listxattr, f)
        assert "trusted.t" not in names, names
        assert {"security.s", "user.u"} <= set(names), names
        refused(errno.ENODATA, as_user, ANN, os.getxattr, f, "trusted.t")
        assert as_user(ANN, os.getxattr, f, "security.s") == b"2"
        refused(errno.EPERM, as_user, ANN, os.setxattr, f, "trusted.t", b"1")
        refused(errno.EPERM, as_user, ANN, os.setxattr, f, "security.s", b"1")
        refused(errno.EPERM, as_user, ANN, os.removexattr, f, "security.s")
        # user: as the contents may be.
        os.chmod(f, 0o400)
        refused(errno.EACCES, as_user, ANN, os.setxattr, f, "user.u", b"4")
        assert as_user(ANN, os.getxattr, f, "user.u") == b"3"
        os.chmod(f, 0o200)
        refused(errno.EACCES, as_user, ANN, os.getxattr, f, "user.u")
        as_user(ANN, os.setxattr, f, "user.u", b"4")
        # In a sticky directory they are the owner's alone.
        os.mkdir(top + "/d")
        os.chmod(top + "/d", 0o1777)
        refused(errno.EPERM, as_user, ANN, os.setxattr, top + "/d", "user.u",
                b"1")
    ALL.each(MODES[:2], body)


def test_without_attributes_there_are_none(_base):
    m = ALL.mount(("noxattr",))
    f = os.path.join(m.path, "f")
    write(f)
    refused(errno.EOPNOTSUPP, os.setxattr, f, "user.a", b"1")
    refused(errno.EOPNOTSUPP, os.setxattr, f, P.ACCESS,
            P.acl((P.USER_OBJ, 6), (P.GROUP_OBJ, 6), (P.OTHER, 6)))
    os.umask(0o027)
    write(f + "2", mode=0o666)
    os.umask(0o022)
    assert P.mode(f + "2") == 0o640


def test_zz_all_of_it_survives(_base):
    ALL.survive()


if __name__ == "__main__":
    H.need_fuse()
    with shared.shared() as ALL:
        H.main(globals())
