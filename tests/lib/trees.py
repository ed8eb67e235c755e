# SPDX-License-Identifier: ISC
"""Trees to store, and what tells two of them apart."""
import hashlib
import os
import random
import stat


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def describe(path, times=True, owner=True, xattrs=True):
    """One inode, as far as a copy must keep it."""
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    out = {"mode": st.st_mode}
    if owner:
        out["owner"] = (st.st_uid, st.st_gid)
    if times:
        out["mtime"] = st.st_mtime_ns
    if kind == stat.S_IFREG:
        out["size"] = st.st_size
        out["sha256"] = digest(path)
        out["nlink"] = st.st_nlink
    elif kind == stat.S_IFLNK:
        out["target"] = os.readlink(path)
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        out["rdev"] = st.st_rdev
    if xattrs:
        out["xattrs"] = {n: os.getxattr(path, n, follow_symlinks=False)
                         for n in os.listxattr(path, follow_symlinks=False)
                         if n.startswith(b"user." if isinstance(n, bytes)
                                         else "user.")}
    return out


def snapshot(top, **how):
    """{relative path (bytes): description} and which paths are one inode."""
    top = os.fsencode(top)
    out, inodes = {}, {}
    todo = [top]
    while todo:
        d = todo.pop()
        for e in os.scandir(d):
            rel = os.path.relpath(e.path, top)
            out[rel] = describe(e.path, **how)
            st = e.stat(follow_symlinks=False)
            if stat.S_ISREG(st.st_mode) and st.st_nlink > 1:
                inodes.setdefault(st.st_ino, set()).add(rel)
            if e.is_dir(follow_symlinks=False):
                todo.append(e.path)
    return out, sorted(sorted(s) for s in inodes.values())


def age(top):
    """Gives everything below `top` a time of its own, of years ago."""
    top = os.fsencode(top)
    when = 1_234_567_890_123_456_789
    for folder, dirs, files in os.walk(top, topdown=False):
        for name in dirs + files:
            when += 1_000_000_007
            os.utime(os.path.join(folder, name), ns=(when, when),
                     follow_symlinks=False)


def compare(want, got, what):
    """Fails with the first few differences."""
    (a, links_a), (b, links_b) = want, got
    wrong = []
    for p in sorted(set(a) | set(b)):
        if a.get(p) != b.get(p):
            wrong.append("%r: %r, expected %r" % (p, b.get(p), a.get(p)))
    if links_a != links_b:
        wrong.append("hard links %r, expected %r" % (links_b[:5], links_a[:5]))
    if wrong:
        raise AssertionError("%s: %d differences:\n  %s" %
                             (what, len(wrong), "\n  ".join(wrong[:8])))


def random_bytes(rng, n):
    return rng.randbytes(n)


def make_odd(top, rng=None):
    """Names, kinds and sizes that break careless programs."""
    rng = rng or random.Random(7)
    top = os.fsencode(top)
    os.makedirs(top, exist_ok=True)
    names = [b"new\nline", b"tab\there", b"quote'\"`$(x)", b"back\\slash",
             b" leading", b"trailing ", b"-rf", b"*?[a]", b"\xff\xfe\x80",
             b"caf\xc3\xa9", b"cafe\xcc\x81", b"\xe2\x80\xae", b"con", b"...",
             b"a" * 255, b"\xf0\x9f\x98\x80" * 63, b"~", b".hidden", b"#x#",
             b"%41", b"\x01\x7f"]
    for i, n in enumerate(names):
        with open(os.path.join(top, n), "wb") as f:
            f.write(rng.randbytes(i * 97))
    for size in (0, 1, 1023, 1024, 1025, 4095, 4096, 16383, 16384, 16385,
                 65536, 262144, 1048575, 1048576, 1048577, 3000000):
        with open(os.path.join(top, b"size-%d" % size), "wb") as f:
            f.write(rng.randbytes(size))
    deep = top
    for i in range(40):
        deep = os.path.join(deep, b"deep%d" % i)
        os.mkdir(deep)
    with open(os.path.join(deep, b"bottom"), "wb") as f:
        f.write(b"here\n")
    os.link(os.path.join(top, b"size-4096"), os.path.join(top, b"link1"))
    os.link(os.path.join(top, b"size-4096"), os.path.join(deep, b"link2"))
    os.symlink(b"size-1", os.path.join(top, b"symlink"))
    os.symlink(b"/nowhere/" + b"x" * 4000, os.path.join(top, b"dangling"))
    os.symlink(b"../..", os.path.join(deep, b"up"))
    os.mkfifo(os.path.join(top, b"fifo"))
    os.mkdir(os.path.join(top, b"empty"))
    with open(os.path.join(top, b"sparse"), "wb") as f:
        f.seek(5 << 20)
        f.write(b"end")
        f.truncate(8 << 20)
    # Root alone could read it again with no mode at all.
    shut = 0o000 if os.geteuid() == 0 else 0o400
    for path, mode in ((b"size-1", 0o4755), (b"size-0", shut),
                       (b"empty", 0o1777), (b"size-1023", 0o2640)):
        os.chmod(os.path.join(top, path), mode)
    for path, ns in ((b"size-1024", 1), (b"size-1025", 2000000000123456789),
                     (b"size-4095", -1234567890123456789 // 10),
                     (b"empty", 1600000000987654321)):
        os.utime(os.path.join(top, path), ns=(ns, ns))
    os.setxattr(os.path.join(top, b"size-65536"), b"user.note", b"\x00value")
    os.setxattr(os.path.join(top, b"empty"), b"user.dir", b"d" * 3000)
