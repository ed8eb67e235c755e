/* SPDX-License-Identifier: ISC */
/*
 * Password hashing and key derivation (vault-format/03-keys.md).
 */
#ifndef COFFER_CRYPTO_KDF_H
#define COFFER_CRYPTO_KDF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/types.h"

#define KDF_CONTEXT_BYTES 8
#define KDF_SALT_BYTES 16

/*
 * crypto_kdf_derive_from_key: BLAKE2b keyed with `master`, salt LE64(id) || 0,
 * personal context || 0.  16 to 64 bytes.  `context`: 8 characters.
 */
void kdf_derive(const struct key *master, const char *context, uint64_t id,
		void *out, size_t out_bytes);

/*
 * Argon2id 1.3, one lane (RFC 9106; crypto_pwhash), 64 bytes into `out`, which
 * the caller keeps in secret memory.  memory in KiB.  -ENOMEM if the machine
 * has not that much.  ERR_KDF_LIMIT: what Argon2id itself does not define (no
 * pass, less than 8 KiB); the format's limits are the caller's to check first.
 * Takes long: hold no lock.
 */
int kdf_argon2id(const void *pass, size_t pass_len,
		 const uint8_t salt[static KDF_SALT_BYTES], uint32_t ops,
		 uint32_t memory_kib, uint8_t out[static 64]) must_check;

#endif
