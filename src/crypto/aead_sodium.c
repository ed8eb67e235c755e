/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "base/buf.h"
#include "crypto/aead_priv.h"

static_assert(sizeof(struct aead_subkey) == crypto_core_hchacha20_OUTPUTBYTES &&
		      sizeof(struct aead_subkey) ==
			      crypto_aead_chacha20poly1305_ietf_KEYBYTES,
	      "HChaCha20 gives a key of the cipher");
static_assert(sizeof(struct r16) == crypto_core_hchacha20_INPUTBYTES,
	      "R16 is HChaCha20's input");
static_assert(sizeof(struct key) == crypto_core_hchacha20_KEYBYTES,
	      "a key is HChaCha20's key");
static_assert(TAG_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES,
	      "Poly1305's tag");

struct ietf_nonce {
	uint8_t b[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
};

static_assert(sizeof(struct ietf_nonce) == 12, "4 zeros and 8 bytes");

static struct ietf_nonce ietf_nonce_of(uint64_t counter)
{
	struct ietf_nonce nonce = { { 0 } };

	le64_put(nonce.b + 4, counter);
	return nonce;
}

void aead_subkey_derive(const struct key *key, const struct r16 *r16,
			struct aead_subkey *ret)
{
	int failed = crypto_core_hchacha20(ret->b, r16->b, key->b, NULL);

	assert(!failed);
}

void aead_sodium_seal(const struct aead_subkey *subkey, uint64_t counter,
		      const void *ad, size_t ad_len, const uint8_t *plain,
		      size_t len, uint8_t *out)
{
	const struct ietf_nonce nonce = ietf_nonce_of(counter);
	int failed;

	failed = crypto_aead_chacha20poly1305_ietf_encrypt(
		out, NULL, plain, len, ad, ad_len, NULL, nonce.b, subkey->b);
	assert(!failed);
}

int aead_sodium_open(const struct aead_subkey *subkey, uint64_t counter,
		     const void *ad, size_t ad_len, const uint8_t *sealed,
		     size_t len, uint8_t *out)
{
	const struct ietf_nonce nonce = ietf_nonce_of(counter);

	if (crypto_aead_chacha20poly1305_ietf_decrypt_detached(
		    out, NULL, sealed, len, sealed + len, ad, ad_len, nonce.b,
		    subkey->b) == 0)
		return 0;
	if (len > 0)
		memset(out, 0, len);
	return ERR_BAD_SEAL;
}
