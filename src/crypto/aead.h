/* SPDX-License-Identifier: ISC */
/*
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03; libsodium
 * crypto_aead_xchacha20poly1305_ietf), single seals and STREAM chains
 * (Hoang, Reyhanitabar, Rogaway, Vizard: Online Authenticated-Encryption and
 * its Nonce-Reuse Misuse-Resistance, CRYPTO 2015) as in
 * vault-format/03-keys.md: nonce of sub-block i of n is
 * R16 || LE64(i + 2^63 if i = n - 1).
 */
#ifndef COFFER_CRYPTO_AEAD_H
#define COFFER_CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/types.h"

#define AEAD_LAST ((uint64_t)1 << 63)

/* out: len + TAG_BYTES; may be `plain` itself. */
void aead_seal(const struct key *key, const uint8_t nonce[static NONCE_BYTES],
	       const void *ad, size_t ad_len, const void *plain, size_t len,
	       uint8_t *out);
/*
 * sealed: sealed_len >= TAG_BYTES; out: sealed_len - TAG_BYTES, may be
 * `sealed` itself.  ERR_BAD_SEAL: out is then zeros.  ERR_TRUNCATED.
 */
int aead_open(const struct key *key, const uint8_t nonce[static NONCE_BYTES],
	      const void *ad, size_t ad_len, const uint8_t *sealed,
	      size_t sealed_len, void *out) must_check;

/* nonce = R16 || LE64(counter) */
void aead_nonce(const struct r16 *r16, uint64_t counter,
		uint8_t out[static NONCE_BYTES]);

/* Sealed length of len >= 1 plain bytes in sub-blocks of `sub_bytes`. */
uint64_t aead_chain_sealed_bytes(uint64_t len, uint32_t sub_bytes);

/* Seals a chain: every sub-block but the last is full, none is empty.
 * len >= 1; out: aead_chain_sealed_bytes(len), not overlapping plain. */
void aead_chain_seal(const struct key *key, const struct r16 *r16,
		     const void *ad, size_t ad_len, uint32_t sub_bytes,
		     const uint8_t *plain, uint64_t len, uint8_t *out);

/*
 * Opens sub-blocks first..first+count-1 of a chain of `len` plain bytes;
 * `sealed` starts at sub-block `first`, of which exactly the bytes of `count`
 * sub-blocks are given.  out: their plain bytes.  ERR_BAD_SEAL: out is wiped.
 */
int aead_chain_open(const struct key *key, const struct r16 *r16,
		    const void *ad, size_t ad_len, uint32_t sub_bytes,
		    uint64_t len, uint64_t first, uint64_t count,
		    const uint8_t *sealed, uint8_t *out) must_check;

#endif
