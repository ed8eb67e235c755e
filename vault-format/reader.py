#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Reads a coffer vault: an independent program, made from the chapters in
this directory alone.  Needs Python 3.10 and PyNaCl (Debian: python3-nacl).

exit status: 0 done, 1 failed, 10 wrong passphrase or key, 11 not a vault,
12 damage or missing files, 16 a format newer than this program
"""
import argparse
import getpass
import hashlib
import json
import os
import signal
import stat
import sys
import time

try:
    import nacl.bindings  # noqa: F401
except ModuleNotFoundError:
    sys.exit("reader.py: this Python has no PyNaCl (Debian: python3-nacl)")

from readerlib import slots
from readerlib.extract import Extractor, pieces
from readerlib.files import read_at
from readerlib.ops import (CHAR, DIRECTORY, FILE, KINDS, NAMES, SYMLINK,
                           decode_all)
from readerlib.packs import open_record
from readerlib.segments import wrap
from readerlib.vault import Vault
from readerlib.wire import DAMAGED, FAILED, NEWER, Problem

PREFIX = {FILE: stat.S_IFREG, DIRECTORY: stat.S_IFDIR, SYMLINK: stat.S_IFLNK,
          4: stat.S_IFIFO, 5: stat.S_IFSOCK, 6: stat.S_IFCHR, 7: stat.S_IFBLK}


class Report:
    """Problems, one line each on standard error; the exit status."""

    def __init__(self):
        self.codes = set()

    def __call__(self, problem):
        self.codes.add(problem.code)
        print("reader.py: %s" % problem, file=sys.stderr)

    def status(self):
        for code in (DAMAGED, NEWER):
            if code in self.codes:
                return code
        return max(self.codes, default=0)


def credential(args):
    """(slot type, what Argon2id is fed)."""
    def read(path):
        try:
            with open(path, "rb") as f:
                return f.read((1 << 20) + 1)
        except OSError as e:
            raise Problem(e.strerror, path, FAILED) from None
    if args.recovery_file:
        return slots.RECOVERY, slots.recovery_bytes(
            read(args.recovery_file).decode("ascii", "replace"))
    key = slots.key_file_bytes(read(args.key_file)) if args.key_file else b""
    if key and not args.passfile:
        return slots.KEY_FILE, key
    phrase = read(args.passfile) if args.passfile else \
        os.fsencode(getpass.getpass("Passphrase: "))
    return slots.KEY_FILE_AND_PASSPHRASE if key else slots.PASSPHRASE, \
        key + slots.passphrase_bytes(phrase)


# ---------------------------------------------------------------- ls

def describe(vault, path, e, hashing):
    """One entry as `ls --json` shows it."""
    view, st = vault.view, vault.state
    r, node = view.registers(e), st.inodes[e.members[0].ino]
    size = st.size(e.version) if e.kind == FILE else len(node.target)
    out = {
        "path": os.fsdecode(b"/".join(path)) or ".", "kind": KINDS[e.kind],
        "mode": r["mode"], "uid": r["owner"][0], "gid": r["owner"][1],
        "size": size, "mtime_ns": r["mtime"], "atime_ns": r["atime"],
        "ctime_ns": r["ctime"], "nlink": view.links(e),
        "target": os.fsdecode(node.target) if e.kind == SYMLINK else None,
        "rdev": list(node.rdev) if e.kind in (CHAR, CHAR + 1) else None,
        "xattrs": {os.fsdecode(k): v.hex() for k, v in sorted(
            (k, v) for k, v in r.items()
            if isinstance(k, bytes) and v is not None)}}
    if hashing and e.kind == FILE:
        out["sha256"] = sha256(vault, e.version, size)
    return out


def sha256(vault, version, size):
    h, done, zeros = hashlib.sha256(), 0, bytes(1 << 16)
    for at, data in list_with_end(pieces(vault, version), size):
        while done < at:
            n = min(at - done, len(zeros))
            h.update(zeros[:n])
            done += n
        h.update(data)
        done += len(data)
    return h.hexdigest()


def list_with_end(parts, size):
    yield from parts
    yield size, b""


def run_ls(vault, args, report):
    found = sorted(vault.view.walk(), key=lambda x: x[0])
    if args.json:
        found.insert(0, ((), vault.view.root))
    for path, e in found:
        try:
            d = describe(vault, path, e, args.hash)
        except Problem as p:
            report(p)
            d = describe(vault, path, e, False)
        if args.json:
            print(json.dumps(d, sort_keys=True))
        elif args.long:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(
                d["mtime_ns"] // 10**9))
            print("%s %3d %5d %5d %12d %s %s%s" % (
                stat.filemode(PREFIX[e.kind] | d["mode"]), d["nlink"],
                d["uid"], d["gid"], d["size"], when, shown(d["path"]),
                " -> " + shown(d["target"]) if d["target"] else ""))
        else:
            print(shown(d["path"]))


def shown(path):
    """A path for a terminal: control characters and lone bytes as escapes."""
    return "".join(c if c.isprintable() else
                   c.encode("unicode_escape").decode() for c in path)


# ---------------------------------------------------------------- others

def run_extract(vault, args, report):
    try:
        Extractor(vault, args.directory, report).run()
    except OSError as e:
        raise Problem(e.strerror, args.directory, FAILED) from None


def run_ops(vault, args, report):
    """Operations of every authentic segment, applied or not."""
    for writer, log in sorted(vault.logs.items()):
        for seq, s in sorted(log.items()):
            try:
                for op in decode_all(s):
                    if op is None:
                        continue
                    d = dict(vars(op), type=NAMES[op.type],
                             applied=vault.applied.get(writer, 0) >= seq)
                    for key in ("name", "target", "label"):
                        if isinstance(d.get(key), bytes):
                            d[key] = os.fsdecode(d[key])
                    d["dot"] = ["%016x" % writer, seq, op.dot[2]]
                    print(json.dumps(d, default=bytes.hex))
            except Problem as p:
                p.where = s.path
                report(p)


def run_check(vault, args, report):
    """Every pack, every record, every file shown."""
    for pack in vault.packs.values():
        path = vault.top.where(pack.path)
        gone = (pack.writer, pack.name) in vault.dropped
        try:
            wrap(path, check_pack, vault, pack)
        except Problem as p:
            if not gone:
                report(p)
    n = 0
    for path, e in vault.view.walk():
        n += 1
        if e.kind != FILE:
            continue
        for v in {v for m in e.members for v in m.versions}:
            try:
                for _ in pieces(vault, v):
                    pass
            except Problem as p:
                report(Problem(str(p), os.fsdecode(b"/".join(path)), p.code))
    for writer, log in sorted(vault.logs.items()):
        for s in log.values():
            if s.seq > vault.applied.get(writer, 0):
                try:
                    wrap(s.path, lambda: list(decode_all(s)))
                except Problem as p:
                    report(p)
    loose = vault.loose_packs()
    if loose:
        print("reader.py: %d packs that no segment applied names, such as %s"
              % (len(loose), loose[0]), file=sys.stderr)
    print("%d names, %d writers, %d segments, %d packs, fingerprint %s" % (
        n, len(vault.logs), sum(vault.applied.values()), len(vault.packs),
        vault.fingerprint().hex()))


def check_pack(vault, pack):
    fd = vault.pack_file(pack)
    keys = vault.keyring.find(pack.epoch, pack.id8)
    pack.trailer(keys, vault.uuid,
                 read_at(fd, pack.end, pack.size - pack.end))
    for e in pack.entries:
        open_record(keys, vault.keyring.vault, vault.uuid, pack.kind, e,
                    read_at(fd, e.offset, e.stored))


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                epilog=__doc__.split("\n\n")[1])
    p.add_argument("--passfile", metavar="FILE",
                   help="the passphrase: its first line")
    p.add_argument("--recovery-file", metavar="FILE",
                   help="the 24 words of the recovery key")
    p.add_argument("--key-file", metavar="FILE",
                   help="a key file; with --passfile: both")
    p.add_argument("--accept-held", action="store_true", help="also apply "
                   "segments of old epochs that no new one vouches for")
    p.add_argument("vault", metavar="VAULT")
    sub = p.add_subparsers(dest="command", required=True)
    ls = sub.add_parser("ls", help="list the names")
    ls.add_argument("-l", dest="long", action="store_true", help="with more")
    ls.add_argument("--json", action="store_true", help="an object a line, "
                    "the root (\".\") included")
    ls.add_argument("--hash", action="store_true",
                    help="with --json: SHA-256 of contents")
    ls.set_defaults(run=run_ls)
    x = sub.add_parser("extract", help="write everything out")
    x.add_argument("directory", metavar="DIRECTORY", help="new or empty")
    x.set_defaults(run=run_extract)
    sub.add_parser("check", help="verify all of it") \
        .set_defaults(run=run_check)
    sub.add_parser("ops", help="the operations, a JSON object a line") \
        .set_defaults(run=run_ops)
    return p.parse_args()


def main():
    args, report = arguments(), Report()
    try:
        vault = Vault(args.vault, *credential(args), args.accept_held)
        for p in vault.problems:
            report(p)
        for s, why in vault.held:
            report(Problem("held: " + why, s.path))
        if vault.foreign:
            print("reader.py: %d foreign names ignored, such as %s" % (
                len(vault.foreign), vault.foreign[0]), file=sys.stderr)
        args.run(vault, args, report)
    except Problem as p:
        report(p)
        return p.code
    return report.status()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
