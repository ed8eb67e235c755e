#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mount, umount, status and sync: the daemon, its socket, its options, and
how each of them fails."""
import errno
import json
import os
import signal
import socket
import stat
import subprocess
import time

from cli_case import H, Terminal, main

UNLOCK = ("--passfile", "pass")


def status(box, *args):
    return json.loads(box.run("status", "--json", *args).out)["vaults"]


def wait_until(what, seconds=60):
    end = time.monotonic() + seconds * H.SLOWER
    while not what():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def sockets(box):
    return os.listdir(box.path("run/coffer"))


# ---------------------------------------------------------------- daemon

def test_a_mount_can_be_used_when_the_command_returns(box):
    box.vault()
    mnt = box.mount()
    assert box.is_mounted("mnt")
    box.write("mnt/file", "content")
    assert open(mnt + "/file", encoding="ascii").read() == "content"
    (j,) = status(box)
    assert j["vault"] == box.path("vault") and j["mountpoint"] == mnt
    assert j["profile"] == "balanced" and not j["closing"]
    assert not j["read_only"] and j["read_only_reason"] is None
    assert [j["pid"]] == box.daemons()
    box.run("umount", "mnt")
    assert not box.is_mounted("mnt") and box.daemons() == []
    assert status(box) == [] and sockets(box) == []
    assert box.run("cat", *UNLOCK, "vault", "file").out == "content"


def test_the_daemon_leaves_terminal_and_directory(box):
    box.vault()
    mnt = box.mount()
    (pid,) = box.daemons()
    if os.geteuid() == 0:       # others cannot look into it
        assert os.readlink("/proc/%d/cwd" % pid) == "/"
        for fd in (0, 1, 2):
            assert os.readlink("/proc/%d/fd/%d" % (pid, fd)) == "/dev/null"
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        session = int(f.read().rsplit(")", 1)[1].split()[3])
    assert session == pid
    # Nothing of it holds the pipes of whoever started it.
    p = subprocess.run([H.COFFER, "mount", *UNLOCK, "vault", mnt],
                       cwd=box.base, env=box.env, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, check=False, timeout=60 * H.SLOWER)
    assert p.returncode == 13
    box.run("umount", "vault")


def test_signals_unmount_and_publish(box):
    box.vault()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        mnt = box.mount()
        name = str(int(number))
        box.write("mnt/" + name, name)
        (pid,) = box.daemons()
        os.kill(pid, number)
        wait_until(lambda: not box.daemons())
        assert not box.is_mounted("mnt")
        assert os.listdir(mnt) == [] and sockets(box) == []
        assert box.run("cat", *UNLOCK, "--no-state", "vault",
                       name).out == name


def test_in_the_foreground_it_ends_with_how_it_went(box):
    H.need_fuse()
    box.vault()
    os.mkdir(box.path("mnt"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        H.named_socket(notify.bind, box.path("notify"))
        notify.settimeout(60)
        p = subprocess.Popen(
            [H.COFFER, "mount", "-f", *UNLOCK, box.path("vault"),
             box.path("mnt")], cwd=box.base,
            env=dict(box.env, NOTIFY_SOCKET=box.path("notify")),
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert notify.recv(100) == b"READY=1"
    assert box.is_mounted("mnt")
    box.write("mnt/file", "x")
    box.run("umount", "vault")
    assert p.communicate(timeout=60 * H.SLOWER)[1] == b"" and p.returncode == 0


def test_what_was_confirmed_survives_a_kill(box):
    box.vault()
    mnt = box.mount()
    with open(mnt + "/file", "wb") as f:
        f.write(b"confirmed")
        f.flush()
        os.fsync(f.fileno())
    box.kill_daemon()
    assert len(sockets(box)) == 1
    assert status(box) == []
    assert sockets(box) == []
    p = box.run("umount", "mnt")
    assert "was gone already" in p.err
    assert not box.is_mounted("mnt")
    mnt = box.mount()
    assert open(mnt + "/file", "rb").read() == b"confirmed"
    box.run("umount", "mnt")


def test_a_dead_mount_is_found_by_the_vault_too(box):
    box.vault()
    box.mount()
    box.kill_daemon()
    box.fails(14, "mount", *UNLOCK, "vault", "mnt",
              says=["daemon has ended"])
    box.run("umount", "vault")
    assert not box.is_mounted("mnt")
    box.fails(1, "umount", "vault", says="no vault is mounted there")


def test_a_mount_asks_on_the_terminal(box):
    vault, mnt = box.vault(), box.path("mnt")
    os.mkdir(mnt)
    t = Terminal(box, "mount", vault, mnt)
    t.expect("Passphrase for %s: " % vault)
    t.type("wrong\n")
    code, text = t.end()
    assert code == 10 and "wrong passphrase" in text, (code, text)
    t = Terminal(box, "mount", vault, mnt)
    t.expect("Passphrase for %s: " % vault)
    t.type("\x03")
    code, text = t.end()
    assert code == 17 and text.count("nothing lost") == 1, (code, text)
    assert not box.is_mounted("mnt") and not box.daemons()
    t = Terminal(box, "mount", vault, mnt)
    t.expect("Passphrase for %s: " % vault)
    t.type(H.PASSPHRASE + "\n")
    assert t.end() == (0, "\r\n")
    # The terminal is gone now, and the mount is not.
    box.write("mnt/file", "x")
    box.run("umount", "mnt")


# ---------------------------------------------------------------- mount

def test_each_unusable_mount_point_has_its_line(box):
    H.need_fuse()
    box.vault()
    os.mkdir(box.path("full"))
    box.write("full/file", "x")
    os.mkdir(box.path("vault/inside"))
    os.mkdir(box.path("above"))
    os.rename(box.path("vault"), box.path("above/vault"))
    os.symlink("above/vault", box.path("vault"))
    for point, says in (("absent", ["does not exist", "mkdir"]),
                        ("pass", ["not a directory"]),
                        ("full", ["not empty", "nonempty"]),
                        ("vault", ["the vault itself"]),
                        ("vault/inside", ["inside the vault"]),
                        ("above", ["contains the vault"])):
        box.fails(14, "mount", *UNLOCK, "vault", point, says=[point] + says)
        # And it is told before a passphrase is asked for.
        box.fails(14, "mount", "vault", point, says=says)
    box.run("mount", *UNLOCK, "-o", "nonempty", "vault", "full")
    assert os.listdir(box.path("full")) == []
    box.run("umount", "full")
    assert os.listdir(box.path("full")) == ["file"]


def test_a_vault_that_cannot_be_opened_is_not_mounted(box):
    H.need_fuse()
    box.vault()
    os.mkdir(box.path("mnt"))
    box.fails(11, "mount", *UNLOCK, "absent", "mnt", says="no such folder")
    box.fails(10, "mount", "vault", "mnt", stdin="wrong\n", says="wrong")
    assert not box.is_mounted("mnt") and box.daemons() == []


def test_a_second_mount_is_refused(box):
    box.vault()
    mnt = box.mount()
    os.mkdir(box.path("second"))
    box.fails(13, "mount", *UNLOCK, "vault", "second", says=["mounted", mnt])
    box.fails(13, "mount", *UNLOCK, "vault", "mnt", says=["mounted", mnt])
    # A copy of it has the same local state.
    subprocess.run(["cp", "-a", box.path("vault"), box.path("copy")],
                   check=True)
    box.fails(13, "mount", *UNLOCK, "copy", "second", says=mnt)
    for args in (("check",), ("rebuild",), ("key", "add"),
                 ("key", "change"), ("key", "remove")):
        more = ("abcd",) if args[-1] == "remove" else ()
        box.fails(13, *args, *UNLOCK, "vault", *more, says=["mounted", mnt])
    assert box.run("check", "--no-state", *UNLOCK, "vault").code == 0
    box.run("umount", "vault")


def test_gc_of_a_mounted_vault_is_done_by_its_daemon(box):
    box.vault()
    mnt = box.mount()
    with open(mnt + "/file", "wb") as f:
        f.write(os.urandom(400000))
    box.run("sync", "vault")
    j = json.loads(box.run("gc", "-n", "--json", "vault").out)
    assert (j["packs"], j["dead_packs"], j["dry_run"]) == (1, 0, True)
    assert j["live_bytes"] >= 400000
    os.unlink(mnt + "/file")
    j = json.loads(box.run("gc", "--json", mnt).out)
    assert (j["packs"], j["removed_packs"]) == (1, 1)
    assert "0 packs" in box.run("gc", "--dry-run", mnt).out
    box.run("umount", "vault")
    assert box.run("check", "-d", *UNLOCK, "vault").code == 0


def test_words_of_o_do_what_they_say(box):
    box.vault()
    mnt = box.mount()
    box.write("mnt/file", "x")
    os.chmod(mnt + "/file", 0o600)
    box.run("umount", "mnt")

    box.mount("vault", "mnt", "-o", "ro,noatime,user,x-systemd.automount",
              "-o", "lazytime,norelatime,diratime,nostrictatime,acl")
    try:
        box.write("mnt/new", "x")
        raise AssertionError("written to a read-only mount")
    except OSError:
        pass
    box.run("umount", "mnt")

    box.mount("vault", "mnt", "-o", "uid=123,gid=45", "-o",
              "umask=022,profile=safe,cache=8M,dirty=4M,index=2M")
    st = os.stat(mnt + "/file")
    assert (st.st_uid, st.st_gid) == (123, 45)
    assert stat.S_IMODE(st.st_mode) == 0o755
    (j,) = status(box)
    assert j["profile"] == "safe"
    box.run("umount", "mnt")

    box.mount("vault", "mnt", "-o", r"fsname=a\,b,noxattr")
    with open("/proc/self/mounts", encoding="ascii") as f:
        (line,) = [x for x in f if x.split()[1] == mnt]
    assert line.startswith("a,b %s fuse.coffer " % mnt), line
    assert "nosuid" in line and "nodev" in line
    try:
        os.setxattr(mnt + "/file", "user.a", b"1")
        raise AssertionError("an attribute with noxattr")
    except OSError:
        pass
    box.run("umount", "mnt")


def test_an_idle_mount_ends(box):
    box.vault()
    box.mount("vault", "mnt", "-o", "idle=1s")
    wait_until(lambda: not box.is_mounted("mnt") and not box.daemons())
    assert box.run("check", *UNLOCK, "vault").code == 0


def test_without_state_it_is_read_only_beside_a_mount(box):
    box.vault()
    box.write("file", "x")
    box.run("put", *UNLOCK, "vault", "file", "/")
    box.mount()
    other = box.mount("vault", "other", "--no-state")
    assert os.listdir(other) == ["file"]
    assert len(status(box)) == 2
    box.run("umount", "other")
    assert box.is_mounted("mnt")
    box.run("umount", "mnt")
    assert box.daemons() == []


def test_the_helper_of_mount_reads_words_of_fstab(box):
    H.need_fuse()
    box.vault()
    mnt = box.path("mnt")
    os.mkdir(mnt)
    helper = os.path.join(os.path.dirname(H.COFFER), "mount.coffer")
    env = dict(box.env, PATH=os.path.dirname(H.COFFER) + ":" +
               os.environ["PATH"])

    def run(*args):
        return H.run(["/bin/sh", helper, *args], ok=False, env=env).returncode

    assert run() == 1
    assert run(box.path("vault"), mnt, "-o", "profile=none") == 1
    assert run(box.path("vault"), mnt) == 32
    assert run(box.path("vault"), mnt, "-f") == 0
    assert not box.is_mounted("mnt")
    assert run(box.path("vault"), mnt, "-n", "-o", "rw,noauto,passfile=" +
               box.path("pass")) == 0
    assert box.is_mounted("mnt")
    assert run(box.path("vault"), mnt, "-o", "passfile=" +
               box.path("pass")) == 32
    if os.geteuid() == 0:
        box.write("mnt/file", "1")
        assert run(box.path("vault"), mnt, "-o", "remount,ro") == 0
        try:
            box.write("mnt/file", "2")
            raise AssertionError("it is not read-only")
        except OSError as e:
            assert e.errno == errno.EROFS, e
        assert run(box.path("vault"), mnt, "-o", "remount,rw,passfile=x") == 0
        box.write("mnt/file", "3")
    box.run("umount", mnt)


# ---------------------------------------------------------------- umount

def test_umount_refuses_a_mount_in_use_unless_lazy(box):
    box.vault()
    mnt = box.mount()
    with open(mnt + "/file", "wb") as f:
        f.write(b"written after ")
        f.flush()
        box.fails(13, "umount", "mnt", says=["open", "--lazy"])
        assert box.is_mounted("mnt") and len(box.daemons()) == 1
        p = subprocess.Popen([H.COFFER, "umount", "--lazy", "mnt"],
                             cwd=box.base, env=box.env)
        wait_until(lambda: not box.is_mounted("mnt"))
        f.write(b"the detachment")
    assert p.wait(60) == 0
    assert box.daemons() == []
    assert box.run("cat", *UNLOCK, "vault", "file").out == \
        "written after the detachment"


def hold_in_a_namespace(box):
    """A process whose mount namespace has copies of all mounts; None."""
    as_whom = [] if os.geteuid() == 0 else ["--map-root-user"]
    p = subprocess.Popen(
        ["unshare", *as_whom, "--mount", "--propagation", "private",
         "/bin/sh", "-c", "echo here; exec sleep 600"],
        cwd=box.base, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if p.stdout.readline() == b"here\n":
        return p
    p.wait()
    return None


def test_umount_ends_what_a_namespace_copied(box):
    box.vault()
    mnt = box.mount()
    other = hold_in_a_namespace(box)
    if not other:
        H.skip("no mount namespace may be made here")
    try:
        box.write("mnt/file", "kept")
        r = box.run("umount", "vault")
        assert "mount namespace" in r.err and str(other.pid) in r.err, r.err
        assert box.daemons() == [] and not box.is_mounted("mnt")
        assert box.run("cat", *UNLOCK, "vault", "file").out == "kept"
        # umount(8) leaves the daemon to whom it serves: umount is told later.
        box.mount()
        other.kill()
        other.wait()
        other = hold_in_a_namespace(box)
        H.run(["fusermount3", "-u", mnt])
        assert len(box.daemons()) == 1
        p = subprocess.Popen([H.COFFER, "umount", "vault"], cwd=box.base,
                             env=box.env, stderr=subprocess.PIPE)
        assert b"unmounted, but" in p.stderr.readline()
        other.kill()
        other.wait()
        p.stderr.close()
        assert p.wait(60 * H.SLOWER) == 0 and box.daemons() == []
    finally:
        if other:
            other.kill()
            other.wait()


def test_umount_again_and_again_does_not_use_it_up(box):
    box.vault()
    mnt = box.mount()
    with open(mnt + "/file", "wb"):
        for _ in range(7):
            refused = [subprocess.Popen([H.COFFER, "umount", "vault"],
                                        cwd=box.base, env=box.env,
                                        stderr=subprocess.PIPE)
                       for _ in range(10)]
            for p in refused:
                said = p.communicate(timeout=60 * H.SLOWER)[1]
                assert p.returncode == 13 and b"open" in said, said
    box.run("umount", "vault")


def test_a_mount_right_after_an_unmount_waits_for_its_end(box):
    box.vault()
    for i in range(4):
        mnt = box.mount()
        box.write("mnt/file%d" % i, "x" * 3000000)
        # Returns while the daemon still publishes, as umount(8) does.
        H.run(["fusermount3", "-u", mnt])
    mnt = box.mount()
    assert sorted(os.listdir(mnt)) == ["file%d" % i for i in range(4)]
    box.run("umount", "mnt")


def test_umount_of_what_is_not_mounted(box):
    box.vault()
    for what in ("vault", "absent", "pass", "/"):
        box.fails(1, "umount", what, says=[what, "no vault is mounted"])


# ---------------------------------------------------------------- through it

def test_a_mounted_vault_is_read_and_written_through_its_mount(box):
    box.vault()
    mnt = box.mount()
    box.write("mnt/inside", "1")
    assert box.run("ls", "vault").out == "inside\n"
    assert box.run("cat", "vault", "inside").out == "1"
    assert json.loads(box.run("stat", "--json", "vault",
                              "inside").out)["size"] == 1
    box.write("outside", "2")
    box.run("put", "vault", "outside", "/")
    assert open(mnt + "/outside", encoding="ascii").read() == "2"
    # It is published when put returns.
    assert box.run("cat", "--no-state", *UNLOCK, "vault", "outside").out == "2"
    box.run("get", "vault", "inside", "got")
    assert open(box.path("got"), encoding="ascii").read() == "1"
    box.fails(1, "cat", "vault", "../pass", says="`..'")
    os.symlink(box.path("pass"), mnt + "/out")
    box.fails(1, "cat", "vault", "out", says="no regular file")
    box.run("umount", "vault")


def test_sync_publishes_a_mounted_vault(box):
    box.vault()
    box.mount()
    for number, target in enumerate(("vault", "mnt")):
        name = "file%d" % number
        box.write("mnt/" + name, "x")
        box.run("sync", target)
        assert name in box.run("ls", "--no-state", *UNLOCK, "vault").out
        assert status(box)[0]["unpublished_ops"] == 0
    box.run("umount", "mnt")


def test_profiles_are_what_they_name(box):
    """What was agreed with the kernel, as status tells it; and a small write
    reaches the daemon at once, or late."""
    box.vault()
    want = {
        "safe": ("names and attributes kept 1 s", "FLUSH answered",
                 "writeback cache no"),
        "balanced": ("names and attributes kept 3600 s", "FLUSH skipped",
                     "writeback cache no"),
        "fast": ("names and attributes kept 3600 s", "FLUSH skipped",
                 "writeback cache yes"),
    }
    for profile, words in want.items():
        box.mount("vault", "mnt", "-o", "profile=" + profile)
        (j,) = status(box)
        assert j["profile"] == profile
        for word in words:
            assert word in j["features"], (profile, word, j["features"])
        with open(box.path("mnt/file"), "wb", buffering=0) as f:
            for _ in range(100):
                f.write(b"x" * 40)
            asked = {r["op"]: r["count"] for r in json.loads(
                box.run("stats", "--json", "mnt").out)["requests"]}
            assert (asked.get("WRITE", 0) < 100) == (profile == "fast"), \
                (profile, asked)
        assert os.path.getsize(box.path("mnt/file")) == 4000
        # close(2) has made it durable, which needs a cut.
        cuts = json.loads(box.run("stats", "--json", "mnt").out)["cuts"]
        assert profile != "safe" or cuts > 0
        box.run("umount", "mnt")


def test_status_by_either_name(box):
    box.vault()
    box.mount()
    os.symlink(box.path("mnt"), box.path("link"))
    (a,) = status(box, "vault")
    for name in ("mnt", "mnt/", "link", box.path("vault")):
        (b,) = status(box, name)
        assert b["pid"] == a["pid"], name
    text = box.run("status", "mnt").out
    assert box.path("mnt") in text and "profile balanced" in text
    box.run("umount", "link")


# ---------------------------------------------------------------- socket

def connected(path):
    s = socket.socket(socket.AF_UNIX)
    H.named_socket(s.connect, path)
    return s


def test_the_control_socket_is_strict(box):
    box.vault()
    box.mount()
    folder = box.path("run/coffer")
    (name,) = sockets(box)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(folder + "/" + name).st_mode) == 0o600

    def ask(data):
        with connected(folder + "/" + name) as s:
            s.settimeout(30)
            s.sendall(data)
            answer = b""
            while True:
                try:
                    more = s.recv(65536)
                except ConnectionResetError:
                    more = b""      # it did not read all we sent
                if not more:
                    return answer
                answer += more

    assert ask(b"status\n").endswith(b"done 0 \n")
    assert ask(b"sync\n") == b"done 0 \n"
    assert ask(b"shutdown\n").startswith(b"done 2 ")
    assert ask(b"\n").startswith(b"done 2 ")
    assert ask(b"x" * 63) == b""
    assert ask(b"status\nstatus\n").count(b"done") == 1
    # Those who say nothing hold up nobody.
    silent = [connected(folder + "/" + name) for _ in range(20)]
    assert len(status(box)) == 1
    box.run("umount", "mnt")
    for s in silent:
        s.close()


def test_a_socket_without_a_daemon_is_cleared_away(box):
    folder = box.path("run/coffer")
    os.mkdir(folder, 0o700)
    dead = folder + "/" + "0" * 32 + ".1.sock"
    with socket.socket(socket.AF_UNIX) as s:
        H.named_socket(s.bind, dead)
    box.write("run/coffer/other", "x")
    assert status(box) == []
    assert os.listdir(folder) == ["other"]


def test_names_of_mounts_may_be_odd(box):
    box.vault("vau\nlt %41")
    mnt = box.mount("vau\nlt %41", "m\xe4\nt \\")
    (j,) = status(box)
    assert j["mountpoint"] == mnt and j["vault"] == box.path("vau\nlt %41")
    box.write("m\xe4\nt \\/file", "x")
    assert box.run("ls", "vau\nlt %41").out == "file\n"
    box.kill_daemon()
    box.run("umount", "m\xe4\nt \\")
    assert box.daemons() == []


if __name__ == "__main__":
    H.need_fuse()
    main(dict(globals()))
