/* SPDX-License-Identifier: ISC */
/*
 * What aead.c has from libsodium (evp.h: from libcrypto): the two halves of
 * XChaCha20-Poly1305 (S. Arciszewski: XChaCha: eXtended-nonce ChaCha and
 * AEAD_XChaCha20_Poly1305, draft-irtf-cfrg-xchacha-03, 2020, section 2.3).
 * HChaCha20 of the key and the nonce's first 16 bytes gives a subkey; the rest
 * is AEAD_CHACHA20_POLY1305 (Y. Nir, A. Langley: ChaCha20 and Poly1305 for
 * IETF Protocols, RFC 8439, 2018, section 2.8) under that subkey with the
 * nonce 4 zero bytes || the last 8 bytes.
 */
#ifndef COFFER_CRYPTO_AEAD_PRIV_H
#define COFFER_CRYPTO_AEAD_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/types.h"

struct aead_subkey {
	uint8_t b[32];
};

/* The caller wipes `ret`. */
void aead_subkey_derive(const struct key *key, const struct r16 *r16,
			struct aead_subkey *ret);

/* Nonce 4 zeros || LE64(counter); out: len + TAG_BYTES, may be `plain`. */
void aead_sodium_seal(const struct aead_subkey *subkey, uint64_t counter,
		      const void *ad, size_t ad_len, const uint8_t *plain,
		      size_t len, uint8_t *out);
/* sealed: len + TAG_BYTES; out: len, may be `sealed`.  ERR_BAD_SEAL: out is
 * zeros. */
int aead_sodium_open(const struct aead_subkey *subkey, uint64_t counter,
		     const void *ad, size_t ad_len, const uint8_t *sealed,
		     size_t len, uint8_t *out) must_check;

#endif
