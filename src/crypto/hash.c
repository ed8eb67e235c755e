/* SPDX-License-Identifier: ISC */
/*
 * BLAKE2b (M-J. Saarinen, J-P. Aumasson: The BLAKE2 Cryptographic Hash and
 * Message Authentication Code, RFC 7693, 2015) by libsodium; long keyed ones by
 * libcrypto where that is faster.
 */
#include "crypto/hash.h"

#include <assert.h>

#include <sodium.h>

#include "base/buf.h"
#include "crypto/backend_priv.h"
#include "crypto/evp.h"

static_assert(sizeof(struct hash) >= sizeof(crypto_generichash_state),
	      "struct hash holds libsodium's state");
static_assert(_Alignof(struct hash) >= _Alignof(crypto_generichash_state) &&
		      _Alignof(struct hash) >= 64,
	      "struct hash is aligned as libsodium's state");
static_assert(sizeof(struct key) == crypto_generichash_KEYBYTES,
	      "a key of 32 bytes");

static crypto_generichash_state *state_of(struct hash *h)
{
	return (crypto_generichash_state *)(void *)h->opaque;
}

static void check_out_bytes(size_t out_bytes)
{
	assert(out_bytes >= crypto_generichash_BYTES_MIN &&
	       out_bytes <= crypto_generichash_BYTES_MAX);
}

void hash_begin(struct hash *h, const struct key *key, size_t out_bytes)
{
	int failed;

	check_out_bytes(out_bytes);
	failed = crypto_generichash_init(state_of(h), key ? key->b : NULL,
					 key ? sizeof(key->b) : 0, out_bytes);
	assert(!failed);
}

void hash_add(struct hash *h, const void *p, size_t n)
{
	int failed;

	failed = crypto_generichash_update(state_of(h), p, n);
	assert(!failed);
}

void hash_end(struct hash *h, void *out, size_t out_bytes)
{
	int failed;

	check_out_bytes(out_bytes);
	failed = crypto_generichash_final(state_of(h), out, out_bytes);
	assert(!failed);
	sodium_memzero(h, sizeof(*h));
}

void hash_bytes(const struct key *key, const void *p, size_t n, void *out,
		size_t out_bytes)
{
	int failed;

	check_out_bytes(out_bytes);
	if (key && backend_hash_is_evp(n) && evp_hash(key, p, n, out, out_bytes))
		return;
	failed = crypto_generichash(out, out_bytes, p, n, key ? key->b : NULL,
				    key ? sizeof(key->b) : 0);
	assert(!failed);
}

/* J-P. Aumasson, D. J. Bernstein: SipHash: a fast short-input PRF, INDOCRYPT
 * 2012. */
uint64_t hash_short(const struct key *key, const void *p, size_t n)
{
	uint8_t out[crypto_shorthash_siphash24_BYTES];
	int failed;

	static_assert(sizeof(*key) >= crypto_shorthash_siphash24_KEYBYTES,
		      "a key of 16 bytes");
	failed = crypto_shorthash_siphash24(out, p, n, key->b);
	assert(!failed);
	return le64_get(out);
}
