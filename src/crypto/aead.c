/* SPDX-License-Identifier: ISC */
#include "crypto/aead.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/aead_priv.h"

static_assert(sizeof(struct r16) + sizeof(uint64_t) == NONCE_BYTES,
	      "a nonce is R16 and a counter");

void aead_nonce(const struct r16 *r16, uint64_t counter,
		uint8_t out[static NONCE_BYTES])
{
	memcpy(out, r16->b, sizeof(r16->b));
	le64_put(out + sizeof(r16->b), counter);
}

/* The inverse of aead_nonce, down to the cipher: returns the counter. */
static uint64_t split_nonce(const struct key *key,
			    const uint8_t nonce[static NONCE_BYTES],
			    struct aead_subkey *ret_subkey)
{
	struct r16 r16;

	memcpy(r16.b, nonce, sizeof(r16.b));
	aead_subkey_derive(key, &r16, ret_subkey);
	return le64_get(nonce + sizeof(r16.b));
}

void aead_seal(const struct key *key, const uint8_t nonce[static NONCE_BYTES],
	       const void *ad, size_t ad_len, const void *plain, size_t len,
	       uint8_t *out)
{
	struct aead_subkey subkey;
	uint64_t counter = split_nonce(key, nonce, &subkey);

	aead_block_seal(&subkey, counter, ad, ad_len, plain, len, out);
	mem_wipe(&subkey, sizeof(subkey));
}

int aead_open(const struct key *key, const uint8_t nonce[static NONCE_BYTES],
	      const void *ad, size_t ad_len, const uint8_t *sealed,
	      size_t sealed_len, void *out)
{
	struct aead_subkey subkey;
	uint64_t counter;
	int err;

	if (sealed_len < TAG_BYTES)
		return ERR_TRUNCATED;
	counter = split_nonce(key, nonce, &subkey);
	err = aead_block_open(&subkey, counter, ad, ad_len, sealed,
			      sealed_len - TAG_BYTES, out);
	mem_wipe(&subkey, sizeof(subkey));
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
	struct aead_subkey subkey;
	uint64_t i;

	aead_subkey_derive(key, r16, &subkey);
	for (i = 0; i < n; i++) {
		size_t take = chain_block_bytes(len, sub_bytes, i, n);

		aead_block_seal(&subkey, chain_counter(i, n), ad, ad_len, plain,
				take, out);
		plain += take;
		out += take + TAG_BYTES;
	}
	mem_wipe(&subkey, sizeof(subkey));
}

int aead_chain_open(const struct key *key, const struct r16 *r16,
		    const void *ad, size_t ad_len, uint32_t sub_bytes,
		    uint64_t len, uint64_t first, uint64_t count,
		    const uint8_t *sealed, uint8_t *out)
{
	const uint64_t n = chain_blocks(len, sub_bytes);
	struct aead_subkey subkey;
	size_t done = 0;
	uint64_t i;
	int err = 0;

	assert(first <= n && count <= n - first);
	aead_subkey_derive(key, r16, &subkey);
	for (i = first; i < first + count; i++) {
		size_t take = chain_block_bytes(len, sub_bytes, i, n);

		err = aead_block_open(&subkey, chain_counter(i, n), ad, ad_len,
				      sealed, take, out + done);
		if (err < 0)
			break;
		sealed += take + TAG_BYTES;
		done += take;
	}
	mem_wipe(&subkey, sizeof(subkey));
	if (err < 0)
		mem_wipe(out, chain_range_bytes(len, sub_bytes, first, count));
	return err;
}
