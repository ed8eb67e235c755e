#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Makes the fixed answers in this directory: *.json, for people and other
programs, and vectors.txt, the same as "name hex" lines for tests/vectors.

    make_vectors.py [--check]       --check: compare, write nothing
"""
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import encode as E  # noqa: E402

WRITER, OTHER = 0x1122334455667788, 0x99aabbccddeeff00
CLOCK = 1700000000000 << 16


def pattern(n):
    """Byte i is (7 i + 3) mod 251."""
    return bytes((7 * i + 3) % 251 for i in range(n))


def le64(*xs):
    return b"".join(struct.pack("<Q", x & (1 << 64) - 1) for x in xs)


def key_vectors(k):
    gear = b"".join(E.derive(k.vrk, "cofr-cdc", i, 64) for i in range(32))
    out = {"vrk": k.vrk, "ek": k.epoch.secret, "dk": k.dk,
           "k_hdr": k.hdr, "k_cid_data": k.cid[1], "k_cid_meta": k.cid[2],
           "gear_first": gear[:8], "gear_last": gear[-8:],
           "gear_hash": E.hashed(32, gear), "key_id": k.epoch.id}
    for name in ("chk", "pak", "log", "snp", "loc", "hdg"):
        out["k_" + name] = getattr(k.epoch, name)
    out["k_hdg_local"] = E.derive(k.dk, "cofr-hdg", 1)
    out["k_jnl"] = E.derive(k.dk, "cofr-jnl", 1)
    out["k_stg"] = E.derive(k.dk, "cofr-stg", 1)
    out["k_stg_trailer"] = E.derive(k.dk, "cofr-stg", 2)
    out["idx_generation"] = le64(0x0123456789abcdef)
    out["k_idx"] = E.derive(k.dk, "cofr-idx", 0x0123456789abcdef)
    return out


def slot_vectors(k, words):
    mac = E.header(k)[96:]
    phrase, key_file = "correct horse \u00e9".encode(), pattern(100)
    f = E.hashed(64, b"cofr-kfl" + key_file)
    entropy = b"".join(struct.pack("<H", b[0] << 8 & 0x700 | b[1]) for b in
                       (k.random(2) for _ in range(22)))
    out = {"header": E.header(k), "uuid": k.uuid, "header_mac": mac,
           "passphrase": phrase, "key_file": key_file, "key_file_f": f,
           "recovery_words": E.recovery_key(words, entropy).encode(),
           "recovery_p": entropy}
    for name, kind, secret in (
            ("passphrase", 1, phrase), ("key_file", 2, f),
            ("both", 3, f + phrase), ("recovery", 4, entropy)):
        slot_name, data = E.slot(k, kind, secret, mac)
        out["slot_" + name] = data
        out["slot_%s_name" % name] = bytes.fromhex(slot_name)
        out["slot_%s_secret" % name] = secret
    salt = bytes(range(16))
    out["argon2id_salt"] = salt
    out["argon2id_out"] = E.crypto_pwhash_alg(
        64, phrase, salt, 2, 8 << 20, E.crypto_pwhash_ALG_ARGON2ID13)
    return out


def pack_vectors(k):
    out = {}
    for i, (length, least) in enumerate(
            [(1, 4096), (80, 4096), (4096, 4096), (4097, 4096),
             (65536, 65536), (65537, 65536), (1 << 20, 65536),
             ((1 << 20) + 1, 65536), (4 << 20, 65536), ((4 << 20) + 1, 65536),
             (5000000, 65536), (16 << 20, 65536), ((16 << 20) + 1, 65536),
             (33554433, 65536), (67108863, 65536), (1 << 20, 4096),
             (1100001, 4096)]):
        out["pad_%d" % i] = le64(length, least, E.pad(length, least))
    for kind in (1, 2):
        for n in (1, 16384, 100000):
            out["content_id_%d_%d" % (kind, n)] = k.content_id(
                pattern(n), kind)
    for n in (1, 16384, 16385, 40000):
        (cid, r16, _), sealed = E.record(k, pattern(n))
        name = "record_%d_" % n
        out.update({name + "r16": r16, name + "content_id": cid,
                    name + "sealed_hash": E.hashed(32, sealed)})
        if n < 100:
            out[name + "sealed"] = sealed
    r16 = k.random(16)
    out["chain_r16"], out["chain_ad"] = r16, pattern(96)
    out["chain_70000_sealed_hash"] = E.hashed(32, E.seal_chain(
        k.epoch.log, r16, pattern(96), pattern(70000), 65536))
    p = E.Pack(k, WRITER, [pattern(17000), b"second", pattern(40)])
    end = 64 + sum(struct.unpack_from("<I", p.entries, i + 52)[0]
                   for i in range(0, len(p.entries), 64))
    out.update({
        "pack_name": p.name, "pack_header": p.data[:64],
        "pack_body": p.data[64:end],
        "pack_trailer_sealed": p.data[end:-80],
        "pack_footer": p.data[-80:],
        "pack_total": le64(len(p.data)), "pack_hash": E.hashed(32, p.data),
        "pack_entries": p.entries, "pack_announcement": p.announcement})
    stage = E.pack_header(k, WRITER)
    (cid, r16, plain), sealed = E.record(k, pattern(3000), secret=E.derive(
        k.dk, "cofr-stg", 1))
    entry = struct.pack("<32s16sIIIBBH", cid, r16, 64, len(sealed), plain, 0,
                        0, 0)
    out["stage_file"] = stage + sealed + E.pack_tail(
        k, stage, entry, sealed, E.derive(k.dk, "cofr-stg", 2), False)
    out["stage_entry"] = entry
    return out, p


def all_operations(k, pack):
    """One of each type, and the forms that differ; (label, op, flags)."""
    w = (WRITER, 1)
    d, f, s = ((CLOCK + i, 0x5566778800000000 + i) for i in (1, 3, 9))
    cid = pack.entries[:32]
    second = pack.entries[64:96]
    return [
        ("device_add", E.device(16, WRITER, OTHER, "l\u00e4ptop".encode()), 0),
        ("mknod_directory", E.mknod(d, E.DIRECTORY, 0o1777, 1000, 100,
                                    times=(1, -2, 3)), 1),
        ("place_new", E.place(d, w + (2,), E.ROOT, b"dir"), 0),
        ("mknod_file", E.mknod(f, E.FILE, 0o4755, 1000, 100,
                               times=(4, 5, 6)), 1),
        ("place_file", E.place(f, w + (4,), E.ROOT, b"f\xff"), 0),
        ("content_whole", E.content(f, [
            E.chunk(0, 17000, cid, 0, 17000), E.inline(20000, b"inline"),
            E.chunk(30000, 3, second, 2, 6)], 40000, 7, 8,
            replaces=[w + (3,)]), 0),
        ("content_change", E.content(f, [
            E.hole(10, 20), E.inline(100, b"x"),
            E.chunk(200, 6, second, 0, 6)], 30000, -9, 10, base=w + (5,),
            replaces=[w + (3,), w + (5,)]), 0),
        ("place_moved", E.place(f, w + (4,), d, b"moved",
                                (E.ROOT, b"f\xff"), [w + (4,)]), 0),
        ("place_link", E.place(f, w + (8,), E.ROOT, b"hard"), 0),
        ("mknod_symlink", E.mknod(s, E.SYMLINK, 0o777,
                                  target=b"../target"), 1),
        ("place_symlink", E.place(s, w + (10,), E.ROOT, b"link"), 0),
        ("mknod_char", E.mknod((CLOCK + 11, 5), E.CHAR, 0o600,
                               rdev=(4, 64)), 0),
        ("unlink_claim", E.unlink(f, w + (8,), E.ROOT, False, b"hard",
                                  [w + (8,)]), 0),
        ("unlink_silent", E.unlink(f, w + (8,), E.ROOT, False), 0),
        ("unlink_last", E.unlink(s, w + (10,), E.ROOT, True,
                                 kills=[w + (10,)], deletes=[w + (9,)]), 0),
        ("split", E.split(f, w + (6,), CLOCK + 6), 1),
        ("pin", E.pin(f, w + (6,), d, b"moved (conflict x 2)"), 0),
        ("attr_all", E.attr(f, 0o640, (1, 2), 11, 12, 13), 0),
        ("attr_owner", E.attr(d, owner=(3, 4)), 0),
        ("xattr_set", E.xattr(f, b"user.a/b", b"\0value", 14), 0),
        ("xattr_remove", E.xattr(f, b"user.a/b", None, 15), 0),
        ("nop", E.nop(), 0),
        ("device_name", E.device(17, WRITER, 0, b"desk"), 0),
        ("device_retire", E.device(18, OTHER), 0),
        ("device_adopt", E.device(19, OTHER, WRITER), 0),
        ("slot_add", E.slot_op(24, bytes(range(16)), 1, b"label"), 0),
        ("slot_remove", E.slot_op(25, bytes(range(16)), 1), 0),
        ("epoch", E.epoch_op(2, bytes(range(32))), 0),
        ("feature", E.feature(0, 1 << 40, 3), 0),
        ("pack_drop", E.pack_drop(pack.name), 0),
        ("unknown_skippable", (200, b"later"), 2)]


def segment_vectors(k, pack):
    out, encoded, clock = {}, [], CLOCK
    for name, (kind, payload), flags in all_operations(k, pack):
        encoded.append(E.operation(kind, payload, clock, flags))
        out["op_" + name] = encoded[-1]
        clock += 1
    body = E.segment_body(encoded, bytes(32), [(OTHER, 3, 2, pattern(32))],
                          [pack], [(OTHER, bytes(range(16)))])
    data = E.segment(k, WRITER, 1, body)
    path = E.segment_path(WRITER, 1, data)
    empty = E.segment(k, WRITER, 2, E.segment_body(
        [], E.hashed(32, data), [(OTHER, 4, 3, pattern(32))],
        clock=CLOCK + 99))
    out.update({
        "segment_body": body, "segment_file": data,
        "segment_hash": E.hashed(32, data),
        "segment_name": path.rsplit("/", 1)[1].encode(),
        "segment_empty_file": empty,
        "segment_empty_name": E.segment_path(
            WRITER, 2, empty).rsplit("/", 1)[1].encode(),
        "fingerprint": E.hashed(20, b"cofr-fpr" + E.header(k)[96:] +
                                k.epoch.id + struct.pack(
                                    "<QQ", WRITER, 2) + E.hashed(32, empty))})
    for i, v in enumerate([(WRITER, 1, 6), (1, 1, 0),
                           ((1 << 64) - 1, 9999999999, (1 << 32) - 1)]):
        out["split_%d" % i] = E.dot(v) + le64(*E.split_inode(v))
    return out, encoded, data


def local_vectors(k, pack, encoded, segment):
    journal, out = k.random(16), {}
    mac = E.header(k)[96:]
    entry = pack.entries[64:128]
    bodies = (("marks", 1, E.marks(mac, k.epoch, 1, 0x0123456789abcdef, 7, 41,
                                   [(WRITER, 1, pattern(32)),
                                    (OTHER, 3, pattern(32))])),
              ("cut", 2, E.cut([(1, 0, encoded[:3]), (2, 0, encoded[21:22])],
                               [pack], [(5, pack.entries[:64])],
                               [(5, entry, b"second")])),
              ("sealed", 3, E.sealed_mark(1, segment)))
    for i, (name, kind, body) in enumerate(bodies):
        out["body_" + name] = body
        out["frame_" + name] = E.frame(k, journal, 42 + i, kind, body)
    out["journal_id"], out["frame_first"] = journal, le64(42)
    out["writer_file"] = E.writer_file(k, WRITER)
    plain = pattern(4056)
    out["index_page"] = E.index_page(k, 0x0123456789abcdef, 1, plain,
                                     k.random(24))
    return out


def name_vectors():
    """Rule N1 and the names next to the root; text, not bytes in files."""
    tail = b" (conflict dev 2023-11-14 221320)"
    n = len(tail)
    rows = [(b"f", b"f" + tail), (b"f.txt", b"f" + tail + b".txt"),
            (b".profile", b".profile" + tail), (b"f.", b"f" + tail + b"."),
            (b"a.tar.gz", b"a.tar" + tail + b".gz"),
            (b"x" * 255, b"x" * (255 - n) + tail),
            (b"x." + b"y" * (126 - n), b"x" + tail + b"." + b"y" * (126 - n)),
            (b"x." + b"y" * (127 - n), b"x." + b"y" * (127 - n) + tail),
            ("\u20ac".encode() * 85,
             "\u20ac".encode() * ((255 - n) // 3) + tail),
            (b"\xff" + "\u20ac".encode() * 84,
             (b"\xff" + "\u20ac".encode() * 84)[:255 - n] + tail)]
    out = {"conflict_device": b"dev", "conflict_clock": le64(CLOCK)}
    for i, (name, shown) in enumerate(rows):
        out["conflict_name_%d" % i] = name
        out["conflict_shown_%d" % i] = shown
    for i, (name, shown) in enumerate([
            (b"d", b"recovered-d"), (b"x" * 246, b"recovered-" + b"x" * 245),
            ("\u00e9".encode() * 123, b"recovered-" +
             "\u00e9".encode() * 122)]):
        out["recovered_name_%d" % i] = name
        out["recovered_shown_%d" % i] = shown
    return out


def everything():
    with open(os.path.join(HERE, "..", "bip39-english.txt")) as f:
        words = f.read().split()
    k = E.Keys(E.Stream("vectors"))
    packs, pack = pack_vectors(k)
    segments, encoded, data = segment_vectors(k, pack)
    return {"keys": key_vectors(k), "slots": slot_vectors(k, words),
            "packs": packs, "segments": segments,
            "local": local_vectors(k, pack, encoded, data),
            "names": name_vectors()}


def files():
    out, lines = {}, []
    for part, values in everything().items():
        out[part + ".json"] = json.dumps(
            {k: v.hex() for k, v in values.items()}, indent=1) + "\n"
        lines += ["%s %s\n" % (k, v.hex()) for k, v in values.items()]
    out["vectors.txt"] = "".join(lines)
    return out


def main():
    status = 0
    for name, text in files().items():
        path = os.path.join(HERE, name)
        if sys.argv[1:] != ["--check"]:
            with open(path, "w") as f:
                f.write(text)
            continue
        with open(path) as f:
            if f.read() != text:
                print("%s: differs" % name)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
