#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Prints every key of a vault, as the independent reader derives them: a line
each, its name and the bytes in hex.  For tests that look for them where they
must not be.  usage: vault_keys.py VAULT-FORMAT-FOLDER VAULT PASSFILE"""
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])

from readerlib import slots  # noqa: E402
from readerlib.keys import derive  # noqa: E402
from readerlib.vault import Vault  # noqa: E402


def main():
    with open(sys.argv[3], "rb") as f:
        secret = slots.passphrase_bytes(f.read())
    ring = Vault(sys.argv[2], slots.PASSPHRASE, secret).keyring
    print("vrk", ring.vault.vrk.hex())
    for context, number in ((b"cofr-hdr", 1), (b"cofr-cid", 1),
                            (b"cofr-cid", 2)):
        print("%s-%d" % (context.decode(), number),
              derive(ring.vault.vrk, context, number).hex())
    for epoch in ring.epochs.values():
        print("ek-%d" % epoch.epoch, epoch.secret.hex())
        for context in (b"cofr-chk", b"cofr-pak", b"cofr-log", b"cofr-snp",
                        b"cofr-loc", b"cofr-hdg"):
            print("%s-%d" % (context.decode(), epoch.epoch),
                  derive(epoch.secret, context, 1).hex())


if __name__ == "__main__":
    main()
