# SPDX-License-Identifier: ISC
"""Header, key slots and credentials (chapters 4 and 5)."""
import hmac
import os

from nacl.bindings import crypto_pwhash_ALG_ARGON2ID13, crypto_pwhash_alg

from .keys import Keyring, blake2b, unseal
from .wire import (Cursor, NOT_VAULT, Problem, WRONG_KEY, newer, require)

HEADER_BYTES, SLOT_BYTES = 128, 4096
PASSPHRASE, KEY_FILE, KEY_FILE_AND_PASSPHRASE, RECOVERY = 1, 2, 3, 4


class Header:
    """The file VAULT."""

    def __init__(self, data):
        if data[:8] != b"COFFERV1":
            raise Problem("not a vault", code=NOT_VAULT)
        c = Cursor(data, 8)
        if c.u16() != 1:
            raise newer("the vault's version")
        c.u16()                         # minor: says nothing to a reader
        require(c.u32() == HEADER_BYTES, "wrong header length")
        self.uuid = c.take(16)
        incompatible, self.read_only, self.compatible = \
            c.u64(), c.u64(), c.u64()
        if incompatible:
            raise newer("incompatible features %#x" % incompatible)
        self.algorithms = c.take(8)
        if self.algorithms[:5] != bytes([1, 1, 1, 14, 16]) or \
                self.algorithms[5] > 3 or any(self.algorithms[6:]):
            raise newer("algorithms " + self.algorithms.hex())
        self.chunk_min, self.chunk_average, self.chunk_max = \
            c.u32(), c.u32(), c.u32()
        require(4096 <= self.chunk_min <= self.chunk_average
                <= self.chunk_max <= 4 << 20, "impossible chunk sizes")
        c.zeros(20)
        self.mac, self.signed = c.take(32), data[:96]
        c.finish()

    def verify(self, keyring):
        mac = blake2b(32, self.signed, key=keyring.vault.hdr)
        require(hmac.compare_digest(mac, self.mac), "wrong MAC")
        require(hmac.compare_digest(keyring.header_mac, self.mac),
                "not the header the key slot knows")


class Slot:
    """The clear part of one key slot."""

    def __init__(self, name, data, uuid):
        self.data = data
        require(blake2b(16, data).hex() == name, "its name is not its hash")
        require(data[:8] == b"COFFERK1", "no key slot")
        c = Cursor(data, 8)
        self.type, kdf = c.u8(), c.u8()
        if not 1 <= self.type <= 5 or kdf != 1:
            raise newer("slot type %d, KDF %d" % (self.type, kdf))
        c.zeros(2)
        self.ops, self.memory_kib, token = c.u32(), c.u32(), c.u32()
        self.salt = c.take(16)
        require(c.take(16) == uuid, "a slot of another vault")
        self.newest = c.u32()
        c.zeros(4)
        self.commitment, self.nonce = c.take(32), c.take(24)
        require(token <= 904 and (self.type == 5) == (token > 0),
                "impossible token length")
        c.take(token)
        c.zeros(904 - token)
        require(1 <= self.ops <= 64 and 8192 <= self.memory_kib <= 4 << 20
                and self.ops * self.memory_kib <= 32 << 20,
                "the key derivation asks for too much or too little")

    def open(self, secret):
        """The keyring {vrk, MAC, [(epoch, key)]}; None: another secret's."""
        try:
            out = crypto_pwhash_alg(64, secret, self.salt, self.ops,
                                    self.memory_kib * 1024,
                                    crypto_pwhash_ALG_ARGON2ID13)
        except RuntimeError:
            raise Problem("not enough memory for the key derivation",
                          code=1) from None
        if not hmac.compare_digest(out[32:], self.commitment):
            return None
        c = Cursor(unseal(out[:32], self.nonce, self.data[:1024],
                          self.data[1024:]))
        vrk, mac, count = c.take(32), c.take(32), c.u32()
        c.zeros(4)
        require(1 <= count <= 64, "impossible number of epoch keys")
        keys = []
        for _ in range(count):
            epoch = c.u32()
            c.zeros(4)
            require(epoch >= 1, "epoch 0")
            keys.append((epoch, c.take(32)))
        c.zeros(c.left())
        require(max(e for e, _ in keys) == self.newest,
                "the newest epoch is not the greatest")
        ring = Keyring(vrk, mac)
        for epoch, key in keys:
            ring.add(epoch, key)
        require(len(ring.epochs) == count, "one key twice")
        return ring


def open_slots(slots, slot_type, secret):
    """The union of all keyrings the secret opens; (keyring, problems)."""
    tried = [s for s in slots if s[1].type == slot_type][:64]
    if not tried:
        raise Problem("no key slot of that kind", code=WRONG_KEY)
    ring, problems = None, []
    for path, slot in sorted(tried, key=lambda s: -s[1].newest):
        try:
            one = slot.open(secret)
        except Problem as p:
            p.where = path
            problems.append(p)
            continue
        if one is None:
            continue
        if ring is None:
            ring = one
        elif (one.vault.vrk, one.header_mac) == \
                (ring.vault.vrk, ring.header_mac):
            ring.epochs.update(one.epochs)
        else:
            problems.append(Problem("holds another vault's keys", path))
    if ring is None:
        raise problems[0] if problems else \
            Problem("wrong passphrase or key", code=WRONG_KEY)
    return ring, problems


# ---------------------------------------------------------------- credentials

def passphrase_bytes(data):
    line = data.split(b"\n", 1)[0]
    if not 1 <= len(line) <= 1024:
        raise Problem("a passphrase has 1 to 1024 bytes", code=WRONG_KEY)
    return line


def key_file_bytes(data):
    if not 32 <= len(data) <= 1 << 20:
        raise Problem("a key file has 32 bytes to 1 MiB", code=WRONG_KEY)
    return blake2b(64, b"cofr-kfl", data)


def word_list():
    path = os.path.join(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))), "bip39-english.txt")
    with open(path, "rb") as f:
        data = f.read()
    if blake2b(32, data).hex() != WORDS_HASH:
        raise Problem("not the BIP39 English list", path, 1)
    return data.decode().split()


WORDS_HASH = \
    "6fefd6b6e47ee66e6bbf8ee322305deebeefb1bd9b24e8618bf126d870175bb7"


def recovery_checks(entropy):
    """The numbers of the two check words."""
    d = blake2b(32, b"cofr-rec", entropy)
    bits = int.from_bytes(d[:3], "big")
    return bits >> 13, bits >> 2 & 2047


def recovery_bytes(text):
    """The 44 bytes of a recovery key written as 24 words."""
    words = word_list()
    by_start = {w[:4]: i for i, w in enumerate(words)}
    numbers = []
    for w in text.lower().replace("-", " ").split():
        n = by_start.get(w[:4])
        if n is None or not (words[n] == w or
                             len(w) >= 4 and words[n].startswith(w)):
            raise Problem("word %d is not in the list" % (len(numbers) + 1),
                          code=WRONG_KEY)
        numbers.append(n)
    if len(numbers) != 24:
        raise Problem("a recovery key has 24 words, not %d" % len(numbers),
                      code=WRONG_KEY)
    entropy = b"".join(n.to_bytes(2, "little") for n in numbers[:22])
    if tuple(numbers[22:]) != recovery_checks(entropy):
        raise Problem("the check words do not fit: a word is wrong",
                      code=WRONG_KEY)
    return entropy
