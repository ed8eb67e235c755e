/* SPDX-License-Identifier: ISC */
#include "crypto/aead.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/aead_priv.h"
#include "crypto/backend_priv.h"
#include "crypto/evp.h"

static_assert(sizeof(struct r16) + sizeof(uint64_t) == NONCE_BYTES,
	      "a nonce is R16 and a counter");

/* For one chain: what its blocks have in common. */
struct chain_cipher {
	struct aead_subkey subkey;
	void *evp; /* libcrypto's context; NULL: libsodium does it */
};

static void cipher_begin(struct chain_cipher *c, const struct key *key,
			 const struct r16 *r16, size_t n_bytes, bool seals)
{
	aead_subkey_derive(key, r16, &c->subkey);
	c->evp = backend_aead_is_evp(n_bytes)
			 ? evp_aead_new(&c->subkey, seals)
			 : NULL;
}

static void cipher_end(struct chain_cipher *c)
{
	evp_aead_free(c->evp);
	mem_wipe(c, sizeof(*c));
}

static void block_seal(const struct chain_cipher *c, uint64_t counter,
		       const void *ad, size_t ad_len, const uint8_t *plain,
		       size_t len, uint8_t *out)
{
	if (!c->evp ||
	    !evp_block_seal(c->evp, counter, ad, ad_len, plain, len, out))
		aead_sodium_seal(&c->subkey, counter, ad, ad_len, plain, len,
				 out);
}

static int block_open(const struct chain_cipher *c, uint64_t counter,
		      const void *ad, size_t ad_len, const uint8_t *sealed,
		      size_t len, uint8_t *out)
{
	int err = c->evp ? evp_block_open(c->evp, counter, ad, ad_len, sealed,
					  len, out)
			 : -ENOTSUP;

	if (err == -ENOTSUP)
		return aead_sodium_open(&c->subkey, counter, ad, ad_len, sealed,
					len, out);
	if (err < 0 && len > 0)
		memset(out, 0, len);
	return err;
}

void aead_nonce(const struct r16 *r16, uint64_t counter,
		uint8_t out[static NONCE_BYTES])
{
	memcpy(out, r16->b, sizeof(r16->b));
	le64_put(out + sizeof(r16->b), counter);
}

/* The inverse of aead_nonce: returns the counter. */
static uint64_t split_nonce(const uint8_t nonce[static NONCE_BYTES],
			    struct r16 *ret)
{
	memcpy(ret->b, nonce, sizeof(ret->b));
	return le64_get(nonce + sizeof(ret->b));
}

void aead_seal(const struct key *key, const uint8_t nonce[static NONCE_BYTES],
	       const void *ad, size_t ad_len, const void *plain, size_t len,
	       uint8_t *out)
{
	struct chain_cipher c;
	struct r16 r16;
	uint64_t counter = split_nonce(nonce, &r16);

	cipher_begin(&c, key, &r16, len, true);
	block_seal(&c, counter, ad, ad_len, plain, len, out);
	cipher_end(&c);
}

int aead_open(const struct key *key, const uint8_t nonce[static NONCE_BYTES],
	      const void *ad, size_t ad_len, const uint8_t *sealed,
	      size_t sealed_len, void *out)
{
	struct chain_cipher c;
	struct r16 r16;
	uint64_t counter;
	int err;

	if (sealed_len < TAG_BYTES)
		return ERR_TRUNCATED;
	counter = split_nonce(nonce, &r16);
	cipher_begin(&c, key, &r16, sealed_len - TAG_BYTES, false);
	err = block_open(&c, counter, ad, ad_len, sealed,
			 sealed_len - TAG_BYTES, out);
	cipher_end(&c);
	return err;
}

static uint64_t chain_blocks(uint64_t len, uint32_t sub_bytes)
{
	assert(len >= 1 && sub_bytes >= 1);
	return (len - 1) / sub_bytes + 1;
}

/* The plain bytes of sub-block i of n. */
static size_t chain_block_bytes(uint64_t len, uint32_t sub_bytes, uint64_t i,
				uint64_t n)
{
	return (size_t)(i < n - 1 ? sub_bytes : len - (n - 1) * sub_bytes);
}

/* The plain bytes of sub-blocks first..first+count-1. */
static size_t chain_range_bytes(uint64_t len, uint32_t sub_bytes,
				uint64_t first, uint64_t count)
{
	return (size_t)(min_of(len, (first + count) * sub_bytes) -
			min_of(len, first * sub_bytes));
}

/* The end stands in the nonce: a chain cut after a full sub-block does not
 * open, nor does one that goes on (the STREAM construction). */
static uint64_t chain_counter(uint64_t i, uint64_t n)
{
	return i == n - 1 ? i | AEAD_LAST : i;
}

uint64_t aead_chain_sealed_bytes(uint64_t len, uint32_t sub_bytes)
{
	uint64_t tags, sealed;
	bool wraps;

	wraps = __builtin_mul_overflow(chain_blocks(len, sub_bytes),
				       (uint64_t)TAG_BYTES, &tags);
	wraps |= __builtin_add_overflow(len, tags, &sealed);
	assert(!wraps);
	return sealed;
}

void aead_chain_seal(const struct key *key, const struct r16 *r16,
		     const void *ad, size_t ad_len, uint32_t sub_bytes,
		     const uint8_t *plain, uint64_t len, uint8_t *out)
{
	const uint64_t n = chain_blocks(len, sub_bytes);
	struct chain_cipher c;
	uint64_t i;

	cipher_begin(&c, key, r16, len, true);
	for (i = 0; i < n; i++) {
		size_t take = chain_block_bytes(len, sub_bytes, i, n);

		block_seal(&c, chain_counter(i, n), ad, ad_len, plain, take,
			   out);
		plain += take;
		out += take + TAG_BYTES;
	}
	cipher_end(&c);
}

int aead_chain_open(const struct key *key, const struct r16 *r16,
		    const void *ad, size_t ad_len, uint32_t sub_bytes,
		    uint64_t len, uint64_t first, uint64_t count,
		    const uint8_t *sealed, uint8_t *out)
{
	const uint64_t n = chain_blocks(len, sub_bytes);
	struct chain_cipher c;
	size_t range, done = 0;
	uint64_t i;
	int err = 0;

	assert(first <= n && count <= n - first);
	range = chain_range_bytes(len, sub_bytes, first, count);
	cipher_begin(&c, key, r16, range, false);
	for (i = first; i < first + count; i++) {
		size_t take = chain_block_bytes(len, sub_bytes, i, n);

		err = block_open(&c, chain_counter(i, n), ad, ad_len, sealed,
				 take, out + done);
		if (err < 0)
			break;
		sealed += take + TAG_BYTES;
		done += take;
	}
	cipher_end(&c);
	if (err < 0)
		mem_wipe(out, range);
	return err;
}
