/* SPDX-License-Identifier: ISC */
/*
 * OpenSSL's libcrypto (3.0 or later) as a second, faster source of the same
 * bytes: ChaCha20-Poly1305 (RFC 8439) and keyed BLAKE2b (RFC 7693).  Nothing of
 * it fails in a way that matters: what it cannot do now, libsodium does.
 *
 * Its contexts live in ordinary memory, for as long as one chain or one hash,
 * and are wiped when they are freed.  No configuration file is read.
 */
#ifndef COFFER_CRYPTO_EVP_H
#define COFFER_CRYPTO_EVP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/aead_priv.h"
#include "crypto/types.h"

#ifdef HAVE_LIBCRYPTO

/* Loads the two; false: it has not got them.  Once, before the rest. */
bool evp_start(void);
/* Such as "libcrypto 3.0.19". */
const char *evp_name(void);

/* A context for many blocks under one subkey; NULL: none to be had. */
void *evp_aead_new(const struct aead_subkey *subkey, bool seals);
void evp_aead_free(void *ctx);
/* As aead_block_seal, with a context that seals.  False: not done. */
bool evp_block_seal(void *ctx, uint64_t counter, const void *ad, size_t ad_len,
		    const uint8_t *plain, size_t len, uint8_t *out);
/* As aead_block_open, with a context that opens; after ERR_BAD_SEAL `out` holds
 * anything.  -ENOTSUP: not done, nothing touched. */
int evp_block_open(void *ctx, uint64_t counter, const void *ad, size_t ad_len,
		   const uint8_t *sealed, size_t len, uint8_t *out) must_check;

/* As hash_bytes with a key.  False: not done. */
bool evp_hash(const struct key *key, const void *p, size_t n, void *out,
	      size_t out_bytes);

#else

static inline bool evp_start(void)
{
	return false;
}

static inline const char *evp_name(void)
{
	return "";
}

static inline void *evp_aead_new(const struct aead_subkey *subkey, bool seals)
{
	(void)subkey, (void)seals;
	return NULL;
}

static inline void evp_aead_free(void *ctx)
{
	(void)ctx;
}

static inline bool evp_block_seal(void *ctx, uint64_t counter, const void *ad,
				  size_t ad_len, const uint8_t *plain,
				  size_t len, uint8_t *out)
{
	(void)ctx, (void)counter, (void)ad, (void)ad_len;
	(void)plain, (void)len, (void)out;
	return false;
}

static inline int evp_block_open(void *ctx, uint64_t counter, const void *ad,
				 size_t ad_len, const uint8_t *sealed,
				 size_t len, uint8_t *out)
{
	(void)ctx, (void)counter, (void)ad, (void)ad_len;
	(void)sealed, (void)len, (void)out;
	return -ENOTSUP;
}

static inline bool evp_hash(const struct key *key, const void *p, size_t n,
			    void *out, size_t out_bytes)
{
	(void)key, (void)p, (void)n, (void)out, (void)out_bytes;
	return false;
}

#endif
#endif
