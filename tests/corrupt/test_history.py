#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Rollback and forks, a row for each way it can happen: who notices, what is
said, which exit code, whether anything may be written, what resolves it, and
that nothing is lost after that."""
import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import harness as H  # noqa: E402

QUIET, DAMAGE = 0, 12


class World:
    """A vault, devices with a state each, and whatever copies a row makes."""

    def __init__(self, base):
        self.v = H.Vault(base, args=("--kdf-memory", "64M"))
        self.base = base
        self.n = 0
        self.told = ""

    def path(self, *names):
        return os.path.join(self.base, *names)

    def run(self, command, *args, device="here", vault=None, code=0):
        """`coffer COMMAND VAULT ARGS`; what it said is kept."""
        words = command.split()
        dash = [a for a in args if a.startswith("--")]
        rest = [a for a in args if not a.startswith("--")]
        p = H.run([H.COFFER, *words, "--state-dir", self.v.state(device),
                   "--passfile", self.v.passfile, *dash,
                   vault or self.v.dir, *rest], ok=False,
                  env=dict(os.environ, XDG_RUNTIME_DIR=self.v.runtime()))
        self.told = p.stderr.decode()
        assert p.returncode == code, (command, args, p.returncode, self.told)
        return p.stdout.decode()

    def put(self, device, name, vault=None, code=0, text=None):
        self.n += 1
        source = self.path("source", name)
        os.makedirs(os.path.dirname(source), exist_ok=True)
        with open(source, "w", encoding="ascii") as f:
            f.write(text or name * 700)         # more than travels in the log
        self.run("put", "--force", source, "/", device=device, vault=vault, code=code)

    def names(self, device, vault=None):
        return set(self.run("ls", "--no-state" if device is None else "/",
                            device=device or "none",
                            vault=vault).split("\n")) - {""}

    def holds(self, device, *names, vault=None):
        """Just these, each with its contents."""
        out = self.path("out")
        shutil.rmtree(out, ignore_errors=True)
        os.mkdir(out)
        self.run("get", "/", out, device=device, vault=vault)
        got = {}
        for d, _, files in os.walk(out):
            for f in files:
                with open(os.path.join(d, f), encoding="ascii") as g:
                    got[f] = g.read()
        assert set(got) == set(names), (device, set(got), names)
        assert all(got[n] == n * 700 for n in names), device

    def alarms(self, device, vault=None):
        """{(kind, does it make read-only?)}, each told once."""
        j = json.loads(self.run("device list", "--json", device=device,
                                vault=vault))
        for a in j["alarms"]:
            assert self.told.count(a["text"]) == 1, (a, self.told)
        return {(a["kind"], a["read_only"]) for a in j["alarms"]}

    def notices(self, device, *kinds, says, vault=None):
        """What makes it read-only, once, with the way out; writing fails."""
        assert self.alarms(device, vault) == {(k, True) for k in kinds}, \
            self.told
        assert len(re.findall(says, self.told)) == 1, self.told
        assert "device accept" in self.told, self.told
        self.put(device, "refused", vault=vault, code=DAMAGE)

    def is_quiet(self, device, vault=None):
        assert self.alarms(device, vault) == set(), self.told
        assert self.told == "", self.told

    def accept(self, device, *args, vault=None, code=0):
        out = self.run("device accept", "--json", *args, device=device,
                       vault=vault, code=code)
        return json.loads(out)

    def writer(self, device, vault=None):
        j = json.loads(self.run("device list", "--json", device=device,
                                vault=vault))
        return next(d["writer"] for d in j["devices"] if d["is_self"])

    def segment(self, writer, seq):
        log = self.path(self.v.dir, "w", writer, "l")
        (name,) = [n for n in os.listdir(log)
                   if n.startswith("%010d-" % seq)]
        return os.path.join(log, name)

    def copy(self, of, to):
        shutil.rmtree(self.path(to), ignore_errors=True)
        shutil.copytree(self.path(of), self.path(to))
        return self.path(to)

    def meet(self, a, b):
        """A sync tool's work: each file that one lacks comes from the other."""
        for source, to in ((a, b), (b, a)):
            for d, _, files in os.walk(source):
                there = os.path.join(to, os.path.relpath(d, source))
                os.makedirs(there, exist_ok=True)
                for f in files:
                    if not os.path.exists(os.path.join(there, f)):
                        shutil.copy(os.path.join(d, f), there)

    def all_agree(self, *names, devices=("here", "other")):
        """On every device, on one that comes now, and for the other program."""
        for d in devices:
            self.is_quiet(d)
            self.holds(d, *names)
        self.n += 1
        self.holds("fresh%d" % self.n, *names)
        if H.run([H.PYTHON, "-c", "import nacl"], ok=False).returncode == 0:
            out = self.path("out%d" % self.n)
            # What does not count it names, and ends with 12.
            self.v.reader("extract", out, ok=False)
            assert set(os.listdir(out)) == set(names), os.listdir(out)


# ---------------------------------------------------------------- rollback

def test_a_vault_put_back_to_an_older_copy(base):
    """Contents published since are in no file any more: what travelled in the
    log is kept by the index, the rest is named."""
    w = World(base)
    w.put("here", "one")
    w.put("other", "two")
    w.run("sync")
    old = w.copy("vault", "backup")
    w.put("here", "three", text="small")
    w.put("other", "four")
    w.run("sync", device="here")
    newer = w.copy("vault", "newer")
    shutil.rmtree(w.v.dir)
    shutil.copytree(old, w.v.dir)
    # Each that saw more notices; one that comes new cannot.
    w.notices("here", "gone", "vanished",
              says=r"device \S+ \(\w+\): segment 2 was here and is not any")
    w.notices("other", "gone", "vanished",
              says="this device: segment 2 was here and is not any more")
    w.holds("fresh", "one", "two")
    # Put right again, nothing was wrong.
    shutil.rmtree(w.v.dir)
    shutil.copytree(newer, w.v.dir)
    w.is_quiet("here")
    w.is_quiet("other")
    # For good: accepted on each.
    shutil.rmtree(w.v.dir)
    shutil.copytree(old, w.v.dir)
    j = w.accept("here", code=DAMAGE)
    assert j["lost"] == 1 and j["kept"] == 1 and "/four" in w.told, (j, w.told)
    assert os.path.isdir(j["put_away"]), j
    j = w.accept("other", code=DAMAGE)
    assert j["lost"] == 1 and j["kept"] == 0, j
    for d in ("here", "other"):
        w.is_quiet(d)
        assert w.names(d) == {"one", "two", "three"}
        assert w.run("cat", "/three", device=d) == "small"
    # What was away comes back after all: nothing is in anybody's way.
    w.meet(newer, w.v.dir)
    for d in ("here", "other"):
        w.is_quiet(d)
        assert w.names(d) == {"one", "two", "three", "four"}, d
    for d in ("here", "other"):
        w.put(d, "after-" + d)
    w.run("sync")
    assert w.names("here") >= {"after-here", "after-other"}
    assert w.run("device accept").startswith("nothing to accept")


def test_discarding_takes_the_vault_as_it_is(base):
    w = World(base)
    w.put("here", "one")
    old = w.copy("vault", "backup")
    w.put("here", "two", text="small")
    shutil.rmtree(w.v.dir)
    shutil.copytree(old, w.v.dir)
    w.run("device accept", "--discard", code=2)     # nobody can be asked
    j = w.accept("here", "--discard", "--yes")
    assert (j["kept"], j["lost"]) == (0, 0), j
    w.all_agree("one", devices=("here",))


def test_the_end_of_one_log_cut(base):
    w = World(base)
    w.put("here", "one")
    w.put("other", "two")
    w.put("other", "three", text="small")
    w.run("sync")
    cut = w.segment(w.writer("other"), 2)
    os.rename(cut, w.path("cut"))
    w.notices("here", "gone", says="segment 2 was here")
    w.notices("other", "gone", "vanished",
              says="this device: segment 2 was here")
    # Who accepts keeps what it knows of it, also for the others.
    j = w.accept("here")
    assert j["kept"] == 1 and j["lost"] == 0, j
    j = w.accept("other")
    assert j["kept"] == 0 and j["lost"] == 0, j
    w.run("sync")
    for d in ("here", "other"):
        w.is_quiet(d)
        assert w.names(d) == {"one", "two", "three"}, d


def test_a_segment_in_the_middle_withheld(base):
    """From who has seen it: told, and nothing else hangs on it.  From who has
    not: what comes after waits."""
    w = World(base)
    w.put("here", "one")
    w.put("other", "two")
    w.put("other", "three")
    w.put("other", "four")
    w.run("sync")
    away = w.segment(w.writer("other"), 2)
    os.rename(away, w.path("away"))
    assert w.alarms("here") == {("gone", False)}
    w.run("sync")
    assert w.told.count("segment 2 was here and is not") == 1, w.told
    w.put("here", "five")
    w.holds("here", "one", "two", "three", "four", "five")
    w.holds("fresh", "one", "two")
    held = [d for d in json.loads(w.run("device list", "--json",
                                        device="fresh"))["devices"]
            if d["held"]]
    assert [d["waits_for"] for d in held if d["segments"] == 1] == [None]
    (d,) = [d for d in held if d["segments"] > 1]
    assert d["waits_for"]["segment"] > 1, held
    os.rename(w.path("away"), away)
    w.is_quiet("here")
    w.holds("fresh", "one", "two", "three", "four", "five")
    w.is_quiet("fresh")


# ---------------------------------------------------------------- forks

def forked(w):
    """One state, used on two computers with a copy of the vault each; a second
    device has seen what the first of them wrote, and built on it."""
    w.put("here", "one")
    w.put("other", "two")
    w.run("sync")
    w.copy("state-here", "state-clone")
    w.copy("vault", "vault2")
    w.put("here", "a1")
    w.put("here", "a2")
    w.put("clone", "b1", vault=w.path("vault2"))
    w.run("sync", device="other")
    w.put("other", "upon-a")
    w.run("sync")


def test_a_cloned_state_that_wrote_on_both_computers(base):
    w = World(base)
    forked(w)
    w.meet(w.v.dir, w.path("vault2"))
    w.notices("here", "own", says="written elsewhere")
    w.notices("clone", "own", says="written elsewhere")
    w.notices("other", "forked", says="two histories exist")
    # One that comes new stops before it, says so, and may write.
    assert w.alarms("fresh") == {("ahead", False)}
    w.holds("fresh", "one", "two")
    w.put("fresh", "new")
    # Accepted in any order, all of it is everywhere.
    for d in ("other", "clone", "here"):
        j = w.accept(d)
        assert j["lost"] == 0, j
    assert w.accept("here")["was_needed"] is False
    assert w.v.check("--read-data")["ok"]
    w.all_agree("one", "two", "a1", "a2", "b1", "upon-a", "new",
                devices=("here", "other", "clone", "fresh"))


def test_a_clone_that_goes_on_where_the_first_has_unpublished_changes(base):
    """What fsync confirmed, and no segment has."""
    w = World(base)
    w.put("here", "one")
    w.copy("state-here", "state-clone")
    with w.v.mounted(check=False) as m:
        with open(os.path.join(m.path, "mine"), "w", encoding="ascii") as f:
            f.write("mine" * 700)
            f.flush()
            os.fsync(f.fileno())
        m.kill()
    w.put("clone", "theirs")
    w.notices("here", "own", says="written elsewhere")
    w.holds("here", "one", "mine")
    j = w.accept("here")
    assert (j["kept"], j["lost"]) == (1, 0), j
    w.all_agree("one", "mine", "theirs", devices=("here", "clone"))


def test_a_clone_that_goes_on_under_a_mount(base):
    """Noticed before the own number is used twice; what was written stays."""
    w = World(base)
    w.put("here", "one")
    w.copy("state-here", "state-clone")
    two = w.copy("vault", "vault2")
    with w.v.mounted() as m:
        w.put("clone", "theirs", vault=two)
        w.meet(w.v.dir, two)
        with open(os.path.join(m.path, "mine"), "w", encoding="ascii") as f:
            f.write("mine" * 700)
            f.flush()
            os.fsync(f.fileno())
        p = w.v.coffer("sync", m.path, ok=False)
        assert p.returncode == DAMAGE, p
        j = json.loads(w.v.coffer("status", "--json", m.path).stdout)
        (one,) = j["vaults"]
        assert one["read_only"] and "another computer" in \
            one["read_only_reason"], one
        assert [a["kind"] for a in one["alarms"]] == ["own"], one
        try:
            os.mkdir(os.path.join(m.path, "no"))
            raise AssertionError("written")
        except OSError as e:
            assert e.errno == 30, e             # EROFS
        w.run("device accept", code=13)         # not while it is mounted
    assert w.accept("here")["kept"] == 1
    w.all_agree("one", "mine", "theirs", devices=("here", "clone"))


def test_moves_and_changes_survive_a_fork(base):
    """Not only new files: one changed, one moved, one that was deleted."""
    w = World(base)
    for n in ("changed", "moved", "deleted"):
        w.put("here", n)
    w.copy("state-here", "state-clone")
    w.copy("vault", "vault2")
    with w.v.mounted() as m:
        os.mkdir(os.path.join(m.path, "folder"))
        os.rename(os.path.join(m.path, "moved"),
                  os.path.join(m.path, "folder", "to"))
        os.link(os.path.join(m.path, "changed"),
                os.path.join(m.path, "folder", "linked"))
        os.symlink("to", os.path.join(m.path, "folder", "symbolic"))
        with open(os.path.join(m.path, "changed"), "a", encoding="ascii") as f:
            f.write("more")
        os.unlink(os.path.join(m.path, "deleted"))
        os.chmod(os.path.join(m.path, "changed"), 0o640)
        os.utime(os.path.join(m.path, "changed"), (1000, 2000))
        os.setxattr(os.path.join(m.path, "changed"), "user.x", b"y")
    w.put("clone", "b", vault=w.path("vault2"))
    w.meet(w.v.dir, w.path("vault2"))
    for d in ("here", "clone"):
        j = w.accept(d)
        assert j["lost"] == 0 and j["kept_beside"] == 0, j
    w.run("sync")
    for device in ("here", "clone"):
        with w.v.mounted(device=device, options=["ro"]) as m:
            path = os.path.join(m.path, "changed")
            with open(path, encoding="ascii") as f:
                assert f.read() == "changed" * 700 + "more"
            st = os.stat(path)
            assert (st.st_mode & 0o7777, st.st_mtime) == (0o640, 2000), st
            assert os.getxattr(path, "user.x") == b"y"
            folder = os.path.join(m.path, "folder")
            assert sorted(os.listdir(folder)) == ["linked", "symbolic", "to"]
            assert st.st_nlink == 2
            assert os.stat(os.path.join(folder, "linked")).st_ino == st.st_ino
            assert os.readlink(os.path.join(folder, "symbolic")) == "to"
            # It may have been collected before, or be shown again.
            assert set(os.listdir(m.path)) - {"deleted"} == \
                {"b", "changed", "folder"}, os.listdir(m.path)


def test_both_sides_of_a_fork_changed_one_file(base):
    w = World(base)
    w.put("here", "file")
    w.copy("state-here", "state-clone")
    w.copy("vault", "vault2")
    w.put("here", "file", text="a" * 3000)
    w.put("clone", "file", text="b" * 3000, vault=w.path("vault2"))
    w.meet(w.v.dir, w.path("vault2"))
    for d in ("here", "clone"):
        assert w.accept(d)["lost"] == 0
    for d in ("here", "clone", "fresh"):
        w.run("sync", device=d)
        texts = {w.run("cat", "/" + n, device=d)[:1] for n in w.names(d)}
        assert texts == {"a", "b"}, (d, w.names(d))


def test_killed_in_the_middle_of_a_fork_the_seen_side_is_shown(base):
    """The index is made anew, from a vault that has both sides."""
    w = World(base)
    forked(w)
    w.meet(w.v.dir, w.path("vault2"))
    for d in ("here", "other"):
        w.run("rebuild", device=d)
        w.holds(d, "one", "two", "a1", "a2", "upon-a")
    w.run("rebuild", device="clone")
    w.holds("clone", "one", "two", "b1")
    for d in ("here", "other", "clone"):
        assert w.accept(d)["lost"] == 0
    w.all_agree("one", "two", "a1", "a2", "b1", "upon-a",
                devices=("here", "other", "clone"))


# ---------------------------------------------------------------- no alarm

def test_an_old_state_brought_back(base):
    """All it has is in the vault: it gets a new id, and that is all."""
    w = World(base)
    w.put("here", "one")
    w.copy("state-here", "kept")
    w.put("here", "two")
    w.copy("kept", "state-here")
    w.holds("here", "one", "two")
    assert w.alarms("here") == set()
    w.put("here", "three")
    w.all_agree("one", "two", "three", devices=("here",))


def test_two_copies_used_by_different_devices_meet(base):
    w = World(base)
    w.put("here", "one")
    w.put("other", "two")
    w.run("sync")
    two = w.copy("vault", "vault2")
    w.put("here", "left")
    w.put("other", "right", vault=two)
    w.meet(w.v.dir, two)
    w.all_agree("one", "two", "left", "right")


# ---------------------------------------------------------------- devices

def test_a_retired_device_that_comes_back(base):
    w = World(base)
    w.put("here", "one")
    w.put("other", "two")
    w.run("sync")
    other = w.writer("other")
    w.run("device name", other[:6], "laptop")
    w.run("device retire", "laptop", code=2)        # nobody can be asked
    w.run("device retire", "--yes", w.writer("here"), code=2)
    w.run("device retire", "--yes", "laptop")
    w.run("device retire", "--yes", "laptop", code=1)
    w.run("device name", "nobody", "x", code=1)
    w.run("device name", "laptop", "a/b", code=2)
    w.notices("other", "retired", says="has retired it")
    assert w.accept("other")["was_needed"]
    w.put("other", "three")
    w.all_agree("one", "two", "three")
    names = {d["name"]: d for d in json.loads(
        w.run("device list", "--json"))["devices"]}
    assert names["laptop"]["is_retired"] or len(names) == 2, names


def test_devices_under_a_mount(base):
    w = World(base)
    w.put("other", "two")
    with w.v.mounted() as m:
        with open(os.path.join(m.path, "one"), "w", encoding="ascii") as f:
            f.write("one" * 700)
        w.v.coffer("sync", m.path)

        def run(*args, code=0):
            p = H.run([H.COFFER, "device", args[0], *args[1:]], ok=False,
                      env=dict(os.environ, XDG_RUNTIME_DIR=w.v.runtime()))
            assert p.returncode == code, p
            return p.stdout.decode()
        j = json.loads(run("list", "--json", m.path))
        me, = [d for d in j["devices"] if d["is_self"]]
        it, = [d for d in j["devices"] if not d["is_self"]]
        assert it["behind"] >= 1 and me["segments"] >= 2, j
        assert me["knows"][0]["writer"] == it["writer"], j
        run("name", m.path, it["writer"], "Büro 100%")
        run("name", m.path, me["writer"], "here too")
        text = run("list", m.path)
        assert "Büro 100%" in text and "here too (this one)" in text, text
        run("retire", "--yes", m.path, "Büro 100%")
        assert "(retired)" in run("list", m.path)
    w.notices("other", "retired", says="has retired it")


if __name__ == "__main__":
    H.need_fuse()
    H.main(globals())
