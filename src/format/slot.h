/* SPDX-License-Identifier: ISC */
/*
 * Key slots: `k/<BLAKE2b-128 of the file>`, 4096 bytes each
 * (vault-format/05-slots.md).
 */
#ifndef COFFER_FORMAT_SLOT_H
#define COFFER_FORMAT_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/secret.h"
#include "crypto/types.h"
#include "format/vault_header.h"

#define SLOT_BYTES 4096
#define SLOT_NAME_BYTES 16
#define KEYRING_MAX_EPOCHS 64
#define PASSPHRASE_BYTES_MAX 1024
#define KEY_FILE_BYTES_MIN 32
#define KEY_FILE_BYTES_MAX (1024 * 1024)
#define SLOT_TRY_MAX 64

#define ARGON2_OPS_DEFAULT 3u
#define ARGON2_MEMORY_KIB_DEFAULT (256u * 1024)
#define ARGON2_MEMORY_KIB_WRITE_MIN (64u * 1024)

enum slot_type {
	SLOT_PASSPHRASE = 1,
	SLOT_KEY_FILE = 2,
	SLOT_KEY_FILE_AND_PASSPHRASE = 3,
	SLOT_RECOVERY = 4,
	SLOT_TOKEN = 5, /* reserved */
};

/* Secret: secret_alloc it. */
struct keyring {
	struct key vrk;
	struct vault_mac header_mac;
	uint32_t n_epochs;
	struct {
		uint32_t epoch;
		struct key ek;
	} epochs[KEYRING_MAX_EPOCHS];
};

/* The clear part. */
struct slot_info {
	enum slot_type type;
	uint32_t ops, memory_kib;
	struct uuid vault;
	uint32_t newest_epoch;
};

/*
 * What a slot's Argon2id is fed, by type: passphrase bytes, F, F||passphrase
 * or a recovery key's P, which `passphrase` then holds (recovery_parse).
 * `key_file` is the key file's whole content (32 bytes to 1 MiB).  What a type
 * does not use may be NULL.  ERR_LIMIT for lengths the format forbids;
 * ERR_NEWER for SLOT_TOKEN; -ENOMEM.
 */
int slot_credential(enum slot_type type, const struct secret_buf *passphrase,
		    const struct secret_buf *key_file,
		    struct secret_buf *ret) must_check;

/*
 * A whole new slot with fresh salt and nonce; its file name is
 * slot_name(out).  ERR_KDF_LIMIT for parameters outside what may be written;
 * ERR_MALFORMED for a keyring slot_open would reject, or whose newest epoch is
 * not the info's; ERR_NEWER for SLOT_TOKEN; -ENOMEM.  Takes the KDF's time.
 * `test_weak` allows the reading limits instead: for tests only.
 */
int slot_seal(const struct keyring *ring, const struct slot_info *info,
	      const struct secret_buf *credential, bool test_weak,
	      uint8_t out[static SLOT_BYTES]) must_check;

/* Clear checks only; SLOT_TOKEN passes them, to be listed.  ERR_NEWER,
 * ERR_MALFORMED, ERR_KDF_LIMIT. */
int slot_decode(const uint8_t in[static SLOT_BYTES],
		struct slot_info *ret) must_check;

/*
 * `credential`: slot_credential's for the slot's type.  ERR_WRONG_KEY: the
 * commitment differs; ERR_DAMAGED: it matches and the seal is broken, or the
 * keyring breaks its rules; else as slot_decode; -ENOMEM.  Takes the KDF's
 * time.
 */
int slot_open(const uint8_t in[static SLOT_BYTES],
	      const struct secret_buf *credential,
	      struct keyring *ret) must_check;

void slot_name(const uint8_t in[static SLOT_BYTES],
	       uint8_t ret[static SLOT_NAME_BYTES]);

#endif
