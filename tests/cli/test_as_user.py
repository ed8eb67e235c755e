#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""An ordinary user: fusermount3 mounts, and nothing may need root.

Root runs these as `nobody', in a mount namespace of its own with a /dev/fuse
that everybody may open, and with copies of all that is needed where nobody can
read it; an ordinary user runs them as they are.
"""
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile

from cli_case import H, TOP, main

UNLOCK = ("--passfile", "pass")
NOBODY = 65534


def status(box):
    return json.loads(box.run("status", "--json").out)["vaults"]


def test_a_user_mounts_and_unmounts(box):
    box.vault()
    mnt = box.mount()
    box.write("mnt/file", "mine")
    os.mkdir(mnt + "/dir", 0o750)
    st = os.stat(mnt + "/file")
    assert (st.st_uid, st.st_gid) == (os.getuid(), os.getgid())
    assert os.stat(mnt).st_uid == os.getuid()
    os.chmod(mnt + "/file", 0o000)
    try:
        with open(mnt + "/file", "rb"):
            raise AssertionError("opened in spite of its mode")
    except PermissionError:
        pass
    os.chmod(mnt + "/file", 0o600)
    box.run("umount", "mnt")
    assert not box.is_mounted("mnt") and box.daemons() == []
    assert box.run("cat", *UNLOCK, "vault", "file").out == "mine"


def test_a_user_cannot_mount_where_it_may_not_write(box):
    box.vault()
    os.mkdir(box.path("mnt"), 0o500)
    box.fails(14, "mount", *UNLOCK, "vault", "mnt", says="not writable")
    box.fails(14, "mount", *UNLOCK, "vault", "/proc", says="/proc")


def test_a_dead_mount_is_taken_away(box):
    box.vault()
    box.mount()
    box.kill_daemon()
    assert "was gone already" in box.run("umount", "vault").err
    assert not box.is_mounted("mnt")


def test_a_mount_in_use_is_refused_and_detached(box):
    box.vault()
    mnt = box.mount()
    with open(mnt + "/file", "wb") as f:
        box.fails(13, "umount", "vault", says="open")
        f.write(b"x")
    box.run("umount", "vault")
    assert box.run("cat", *UNLOCK, "vault", "file").out == "x"


def test_without_a_runtime_directory_the_state_has_the_socket(box):
    del box.env["XDG_RUNTIME_DIR"]
    box.vault()
    box.mount()
    if not os.path.isdir("/run/user/%d" % os.getuid()):
        (name,) = os.listdir(box.path("state/coffer/run"))
        assert name.endswith(".sock")
    assert [j["vault"] for j in status(box)
            if j["vault"].startswith(box.base)] == [box.path("vault")]
    box.run("umount", "vault")


def test_files_of_a_user_go_in_and_out(box):
    box.vault()
    os.mkdir(box.path("tree"))
    box.write("tree/a", "a")
    os.link(box.path("tree/a"), box.path("tree/b"))
    os.chmod(box.path("tree/a"), 0o640)
    box.run("put", *UNLOCK, "vault", "tree", "/")
    box.run("get", *UNLOCK, "vault", "tree", "out")
    a, b = os.stat(box.path("out/a")), os.stat(box.path("out/b"))
    assert a.st_ino == b.st_ino and stat.S_IMODE(a.st_mode) == 0o640
    mnt = box.mount()
    box.run("get", "vault", "tree", "through")
    assert os.stat(box.path("through/a")).st_nlink == 2
    assert os.stat(mnt + "/tree/a").st_uid == os.getuid()
    box.run("umount", "vault")


def test_what_cannot_be_read_is_told_and_the_rest_goes_in(box):
    box.vault()
    os.mkdir(box.path("tree"))
    box.write("tree/open", "x")
    box.write("tree/shut", "x")
    os.chmod(box.path("tree/shut"), 0)
    box.fails(1, "put", *UNLOCK, "vault", "tree", "/",
              says=["tree/shut", "ermission"])
    assert box.run("ls", *UNLOCK, "vault", "tree").out == "open\n"


def test_little_memory_may_be_locked(box):
    box.vault()
    os.mkdir(box.path("mnt"))
    p = subprocess.run(["prlimit", "--memlock=0:0", H.COFFER, "mount",
                        *UNLOCK, "vault", "mnt"], cwd=box.base,
                       env=box.env, stderr=subprocess.PIPE, check=False,
                       stdin=subprocess.DEVNULL, timeout=60 * H.SLOWER)
    assert p.returncode == 0, p.stderr
    # The sanitizers' mlock(2) does nothing, and so never fails.
    assert H.SANITIZER or b"memory cannot be locked" in p.stderr, p.stderr
    box.run("umount", "vault")


def test_mlock_without_the_limit_for_it_is_told(box):
    box.vault()
    os.mkdir(box.path("mnt"))
    p = subprocess.run(["prlimit", "--memlock=1048576:1048576", H.COFFER,
                        "mount", "-o", "mlock", *UNLOCK, "vault", "mnt"],
                       cwd=box.base, env=box.env, stderr=subprocess.PIPE,
                       check=False, stdin=subprocess.DEVNULL,
                       timeout=60 * H.SLOWER)
    if H.SANITIZER:     # see above
        box.run("umount", "vault")
        return
    assert p.returncode == 1 and b"ulimit -l" in p.stderr, p.stderr
    assert not box.is_mounted("mnt")


def test_a_vault_of_another_user_cannot_be_opened(box):
    box.vault()
    os.chmod(box.path("vault/VAULT"), 0)
    box.fails(1, "ls", *UNLOCK, "vault", says=["vault", "ermission denied"])
    os.chmod(box.path("vault/VAULT"), 0o600)
    os.chmod(box.path("vault/k"), 0)
    box.fails(1, "ls", *UNLOCK, "vault", says=["vault", "ermission denied"])


def test_without_fuse_it_says_so(box):
    """Where root has put a file in the device's place."""
    if "COFFER_TEST_NO_FUSE" not in os.environ:
        return
    box.vault()
    os.mkdir(box.path("mnt"))
    box.fails(14, "mount", *UNLOCK, "vault", "mnt", says="/dev/fuse")


# ---------------------------------------------------------------- as nobody

SETUP = """
set -eu
mount -t tmpfs -o mode=755 none "$1/dev"
mknod "$1/dev/fuse" c 10 229
chmod 666 "$1/dev/fuse"
: >"$1/dev/no-fuse"
as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
		"$2" "$1/tests/cli/test_as_user.py"
}
mount --bind "$1/dev/no-fuse" /dev/fuse
COFFER_TEST_NO_FUSE=1 as_nobody "$1" "$2"
umount /dev/fuse
mount --bind "$1/dev/fuse" /dev/fuse
as_nobody "$1" "$2"
"""


def run_as_nobody():
    base = tempfile.mkdtemp(prefix="coffer-user.")
    try:
        os.chmod(base, 0o755)
        for name in ("dev", "home", "src", "src/cli", "tests"):
            os.mkdir(os.path.join(base, name), 0o755)
        os.chown(os.path.join(base, "home"), NOBODY, NOBODY)
        coffer = os.path.join(base, "src/cli/coffer")
        shutil.copy(H.COFFER, coffer)
        os.chmod(coffer, 0o755)
        for name in ("cli", "lib"):
            shutil.copytree(os.path.join(TOP, "tests", name),
                            os.path.join(base, "tests", name))
        H.run(["chmod", "-R", "a+rX", os.path.join(base, "tests")])
        env = dict(os.environ, COFFER=coffer, top_srcdir=base,
                   TMPDIR=os.path.join(base, "home"))
        return subprocess.run(["unshare", "-m", "--propagation", "private",
                               "/bin/sh", "-c", SETUP, "sh", base, H.PYTHON],
                              env=env, check=False, timeout=600 * H.SLOWER).returncode
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    if os.geteuid() == 0:
        if not shutil.which("setpriv") or not shutil.which("fusermount3"):
            H.skip("setpriv or fusermount3 is not installed")
        if H.run(["unshare", "-m", "true"], ok=False).returncode:
            H.skip("no mount namespaces here")
        if not os.path.exists("/dev/fuse"):
            H.skip("no /dev/fuse here")
        sys.exit(run_as_nobody())
    if "COFFER_TEST_NO_FUSE" in os.environ:
        main({"test_without_fuse": test_without_fuse_it_says_so})
    H.need_fuse()
    main(dict(globals()))
