# SPDX-License-Identifier: ISC
"""Keys, hashes and sealing (chapter 3)."""
import hashlib

from nacl.bindings import (crypto_aead_xchacha20poly1305_ietf_decrypt,
                           crypto_generichash_blake2b_salt_personal)
from nacl.exceptions import CryptoError

from .wire import Problem, le64

TAG = 16
LAST = 1 << 63
RECORD_SUB, SEGMENT_SUB = 16384, 65536


def derive(master, context, number, size=32):
    """crypto_kdf_derive_from_key."""
    return crypto_generichash_blake2b_salt_personal(
        b"", digest_size=size, key=master, salt=le64(number) + bytes(8),
        person=context + bytes(8))


def blake2b(size, *parts, key=b""):
    h = hashlib.blake2b(digest_size=size, key=key)
    for p in parts:
        h.update(p)
    return h.digest()


def unseal(key, nonce, ad, sealed):
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, ad, nonce,
                                                          key)
    except CryptoError:
        raise Problem("the bytes are not authentic") from None


def chain_length(plain, sub):
    """Sealed length of a chain of sub-blocks."""
    return plain + TAG * -(-plain // sub)


def unseal_chain(key, r16, ad, sealed, sub):
    """All sub-blocks of a chain; the caller has checked the length."""
    n = -(-len(sealed) // (sub + TAG))
    out = []
    for i in range(n):
        nonce = r16 + le64(i + (LAST if i == n - 1 else 0))
        part = bytes(sealed[i * (sub + TAG):(i + 1) * (sub + TAG)])
        out.append(unseal(key, nonce, ad, part))
    return b"".join(out)


class EpochKeys:
    """What one epoch key opens."""

    def __init__(self, epoch, key):
        self.epoch, self.secret = epoch, key
        self.id = derive(key, b"cofr-kid", 1)
        self.id8 = self.id[:8]
        self.chk = derive(key, b"cofr-chk", 1)
        self.pak = derive(key, b"cofr-pak", 1)
        self.log = derive(key, b"cofr-log", 1)


class VaultKeys:
    """What the vault root key gives."""

    def __init__(self, vrk):
        self.vrk = vrk
        self.hdr = derive(vrk, b"cofr-hdr", 1)
        self.cid = {1: derive(vrk, b"cofr-cid", 1),
                    2: derive(vrk, b"cofr-cid", 2)}

    def content_id(self, pack_type, chunk):
        return blake2b(32, chunk, key=self.cid[pack_type])


class Keyring:
    """The keys of every slot the credential opened."""

    def __init__(self, vrk, header_mac):
        self.vault, self.header_mac = VaultKeys(vrk), header_mac
        self.epochs = {}                # (epoch, id8) -> EpochKeys

    def add(self, epoch, key):
        k = EpochKeys(epoch, key)
        self.epochs[epoch, k.id8] = k

    def find(self, epoch, id8):
        if (epoch, id8) not in self.epochs:
            raise Problem("sealed under key %s of epoch %d, which no slot "
                          "opened has" % (id8.hex(), epoch), code=1)
        return self.epochs[epoch, id8]

    @property
    def newest(self):
        return max(e for e, _ in self.epochs)
