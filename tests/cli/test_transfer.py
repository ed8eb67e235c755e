#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""put and get: what is kept, what is refused, what is left behind."""
import os
import signal
import socket
import stat
import subprocess
import time

from cli_case import H, main

UNLOCK = ("--passfile", "pass", "vault")
NS = 1234567890123456789


def describe(top):
    """{path: everything that a copy must keep}, links by the first path."""
    found, first = {}, {}
    top = os.fsencode(top)
    for at, dirs, names in os.walk(top):
        for name in [b"."] * (at == top) + dirs + names:
            path = os.path.join(at, name)
            st = os.lstat(path)
            key = os.path.relpath(path, top)
            kind = stat.S_IFMT(st.st_mode)
            what = [kind, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid,
                    st.st_mtime_ns]
            if stat.S_ISREG(kind):
                with open(path, "rb") as f:
                    what.append(f.read())
            if stat.S_ISLNK(kind):
                what.append(os.readlink(path))
            else:
                what.append(sorted(
                    (k, os.getxattr(path, k)) for k in os.listxattr(path)
                    if not k.startswith("security.")))
            if not stat.S_ISDIR(kind):
                what.append(first.setdefault(st.st_ino, key))
            found[key] = what
    return found


def make_tree(top):
    """One of everything."""
    os.makedirs(top + "/deep/" + "x" * 255)
    for name, data in (("empty", b""), ("small", b"hello\n"),
                       ("large", os.urandom(3 << 20)), ("none", b"secret")):
        with open(top + "/" + name, "wb") as f:
            f.write(data)
    os.link(top + "/small", top + "/deep/other-name")
    os.symlink("../../absolutely/nowhere", top + "/deep/link")
    os.mkfifo(top + "/fifo")
    with socket.socket(socket.AF_UNIX) as s:
        H.named_socket(s.bind, top + "/sock")
    with open(top + "/sparse", "wb") as f:
        f.seek(5 << 20)
        f.write(b"island")
        f.truncate(50 << 20)
    os.setxattr(top + "/small", "user.a", b"1")
    os.setxattr(top + "/deep", "user.b", b"")
    os.chmod(top + "/large", 0o640)
    if os.geteuid() == 0:
        os.chmod(top + "/none", 0o000)
        os.chown(top + "/small", 1234, 4321)
        os.chown(top + "/deep/link", 77, 78, follow_symlinks=False)
    os.chmod(top + "/deep", 0o750)
    for at, dirs, names in os.walk(top, topdown=False):
        for name in dirs + names:
            os.utime(os.path.join(at, name), ns=(NS, NS),
                     follow_symlinks=False)
    os.utime(top, ns=(NS, NS))


def test_a_tree_goes_in_and_out_unchanged(box):
    box.vault()
    make_tree(box.path("tree"))
    box.run("put", *UNLOCK, "tree", "/")
    box.run("get", *UNLOCK, "tree", "back")
    assert describe(box.path("back")) == describe(box.path("tree"))
    assert os.stat(box.path("back/sparse")).st_blocks * 512 < 1 << 20
    assert box.run("check", "--read-data", *UNLOCK).code == 0


def test_the_reader_sees_what_was_put(box):
    H.need_nacl()
    box.vault()
    make_tree(box.path("tree"))
    box.run("put", *UNLOCK, "tree", "/")
    H.run([H.PYTHON, H.READER, "--passfile", box.path("pass"),
           box.path("vault"), "extract", box.path("out")], timeout=300)
    assert describe(box.path("out/tree")) == describe(box.path("tree"))


def test_names_of_targets_are_as_with_cp(box):
    box.vault()
    box.write("a", "a")
    box.write("b", "b")
    os.mkdir(box.path("dir"))
    box.run("put", *UNLOCK, "dir", "/")
    box.run("put", *UNLOCK, "a", "b", "dir")
    box.run("put", *UNLOCK, "a", "/renamed")
    box.run("put", *UNLOCK, "a", "dir/renamed")
    box.run("put", *UNLOCK, "dir/", "dir/copy")
    assert box.run("ls", "-R", *UNLOCK).out.split() == [
        "dir", "dir/a", "dir/b", "dir/copy", "dir/renamed", "renamed"]
    box.run("get", *UNLOCK, "dir/a", "got")
    box.run("get", *UNLOCK, "/", "all")
    os.mkdir(box.path("into"))
    box.run("get", *UNLOCK, "dir/a", "dir/b", "into")
    box.run("get", *UNLOCK, "/", "into")
    assert sorted(os.listdir(box.path("into"))) == ["a", "b", "dir", "renamed"]
    assert sorted(os.listdir(box.path("all"))) == ["dir", "renamed"]
    assert open(box.path("got"), encoding="ascii").read() == "a"


def test_targets_that_cannot_be(box):
    box.vault()
    box.write("a", "a")
    box.write("b", "b")
    box.run("put", *UNLOCK, "a", "/")
    box.fails(1, "put", *UNLOCK, "a", "b", "/nodir", says="no folder")
    box.fails(1, "put", *UNLOCK, "b", "/a/b", says="/a/b")
    box.fails(1, "put", *UNLOCK, "b", "/nodir/b", says="/nodir/b")
    box.fails(1, "put", *UNLOCK, "b", "/nodir/", says="no folder")
    box.fails(1, "put", *UNLOCK, "b", "/../b", says="`..'")
    box.fails(1, "put", *UNLOCK, "absent", "/", says="absent")
    box.fails(1, "put", *UNLOCK, "/", "/x", says="no name")
    box.fails(1, "get", *UNLOCK, "a", "no/such/place", says="no/such")
    box.fails(1, "get", *UNLOCK, "absent", "x", says="absent")
    assert box.run("ls", *UNLOCK).out == "a\n"


def test_files_in_the_way_stay_unless_forced(box):
    box.vault()
    box.write("a", "old")
    box.run("put", *UNLOCK, "a", "/")
    box.write("a", "new")
    box.fails(1, "put", *UNLOCK, "a", "/", says=["a", "--force"])
    assert box.run("cat", *UNLOCK, "a").out == "old"
    box.run("put", "--force", *UNLOCK, "a", "/")
    assert box.run("cat", *UNLOCK, "a").out == "new"
    box.write("a", "mine")
    box.fails(1, "get", *UNLOCK, "a", ".", says="--force")
    assert open(box.path("a"), encoding="ascii").read() == "mine"
    box.run("get", "-f", *UNLOCK, "a", ".")
    assert open(box.path("a"), encoding="ascii").read() == "new"
    os.mkdir(box.path("d"))
    os.mkdir(box.path("d/a"))
    box.fails(1, "get", "-f", *UNLOCK, "a", "d", says="folder")
    assert os.listdir(box.path("d")) == ["a"]


def test_the_rest_is_copied_when_something_fails(box):
    box.vault()
    os.mkdir(box.path("tree"))
    for name in ("a", "b", "c"):
        box.write("tree/" + name, name)
    box.run("put", *UNLOCK, "tree", "/")
    os.mkdir(box.path("out"))
    box.write("out/b", "in the way")
    p = box.fails(1, "get", *UNLOCK, "tree/a", "tree/b", "tree/c", "out",
                  says="tree/b")
    assert p.out == ""
    assert sorted(os.listdir(box.path("out"))) == ["a", "b", "c"]
    assert open(box.path("out/b"), encoding="ascii").read() == "in the way"


def test_getting_never_follows_links(box):
    box.vault()
    os.makedirs(box.path("first"))
    os.makedirs(box.path("outside"))
    os.symlink(box.path("outside"), box.path("first/trap"))
    box.run("put", *UNLOCK, "first", "/one")
    os.makedirs(box.path("second/trap"))
    box.write("second/trap/file", "escaped")
    box.run("put", *UNLOCK, "second", "/two")
    box.run("get", *UNLOCK, "one", "out")
    os.mkdir(box.path("merge"))
    os.symlink(box.path("outside"), box.path("merge/trap"))
    box.run("get", *UNLOCK, "two/trap", "merge", code=1)
    box.run("get", "--force", *UNLOCK, "two/trap", "merge", code=1)
    assert os.readlink(box.path("out/trap")) == box.path("outside")
    assert os.listdir(box.path("outside")) == []


def test_privileges_are_not_got_unless_asked_for(box):
    if os.geteuid() != 0:
        print("(not root: only the set-user-ID bit)")
    box.vault()
    box.write("tool", "#!")
    os.chmod(box.path("tool"), 0o4755)
    if os.geteuid() == 0:
        os.mknod(box.path("null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.setxattr(box.path("tool"), "trusted.note", b"x")
        box.run("put", "--privileges", *UNLOCK, "null", "/")
    box.run("put", "--privileges", *UNLOCK, "tool", "/")
    box.run("get", *UNLOCK, "/", "plain")
    assert stat.S_IMODE(os.stat(box.path("plain/tool")).st_mode) == 0o755
    assert os.listdir(box.path("plain")) == ["tool"]
    assert "trusted.note" not in os.listxattr(box.path("plain/tool"))
    box.run("get", "--privileges", *UNLOCK, "/", "full")
    assert stat.S_IMODE(os.stat(box.path("full/tool")).st_mode) == 0o4755
    if os.geteuid() == 0:
        st = os.stat(box.path("full/null"))
        assert stat.S_ISCHR(st.st_mode) and st.st_rdev == os.makedev(1, 3)
        assert os.getxattr(box.path("full/tool"), "trusted.note") == b"x"


def test_a_vault_is_not_put_into_itself(box):
    box.vault()
    box.write("a", "a")
    p = box.run("put", *UNLOCK, ".", "/copy")
    assert "the vault itself" in p.err
    names = box.run("ls", *UNLOCK, "copy").out.split()
    assert "a" in names and "vault" not in names


def test_a_signal_ends_it_and_leaves_no_part(box):
    box.vault()
    with open(box.path("big"), "wb") as f:
        for _ in range(200):
            f.write(os.urandom(1 << 20))
    box.run("put", *UNLOCK, "big", "/", timeout=300)
    os.mkdir(box.path("out"))
    p = subprocess.Popen([H.COFFER, "get", *UNLOCK, "big", "out"],
                         cwd=box.base, env=box.env, stderr=subprocess.PIPE,
                         stdin=subprocess.DEVNULL)
    end = time.monotonic() + 60 * H.SLOWER
    while not os.listdir(box.path("out")) and time.monotonic() < end:
        time.sleep(0.001)
    p.send_signal(signal.SIGINT)
    err = p.communicate(timeout=60 * H.SLOWER)[1].decode()
    if p.returncode == 0:
        print("(it was done before the signal came)")
        return
    assert p.returncode == 17, (p.returncode, err)
    assert err == "coffer: interrupted; nothing lost\n", err
    assert os.listdir(box.path("out")) == []
    assert box.run("check", *UNLOCK).code == 0


if __name__ == "__main__":
    main(dict(globals()))
