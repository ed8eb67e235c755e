/* SPDX-License-Identifier: ISC */
#include "crypto/evp.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/buf.h"

#define IETF_NONCE_BYTES 12

static OSSL_LIB_CTX *library;
static EVP_CIPHER *cipher;
static EVP_MAC *mac;
static char name[48];

static void stop(void)
{
	EVP_MAC_free(mac);
	EVP_CIPHER_free(cipher);
	OSSL_LIB_CTX_free(library);
	mac = NULL;
	cipher = NULL;
	library = NULL;
}

bool evp_start(void)
{
	/* No handler at exit: other threads may still work then. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
					OPENSSL_INIT_NO_ATEXIT,
				NULL) != 1)
		return false;
	library = OSSL_LIB_CTX_new();
	if (library) {
		cipher = EVP_CIPHER_fetch(library, "ChaCha20-Poly1305", NULL);
		mac = EVP_MAC_fetch(library, "BLAKE2BMAC", NULL);
	}
	if (!cipher || !mac) {
		stop();
		return false;
	}
	snprintf(name, sizeof(name), "libcrypto %s",
		 OpenSSL_version(OPENSSL_VERSION_STRING));
	return true;
}

const char *evp_name(void)
{
	return name;
}

/* ------------------------------------------------------- ChaCha20-Poly1305 */

void *evp_aead_new(const struct aead_subkey *subkey, bool seals)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx && EVP_CipherInit_ex2(ctx, cipher, subkey->b, NULL, seals,
				      NULL) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

void evp_aead_free(void *ctx)
{
	EVP_CIPHER_CTX_free(ctx);
}

static bool begin_block(EVP_CIPHER_CTX *ctx, uint64_t counter, const void *ad,
			size_t ad_len, size_t len)
{
	uint8_t nonce[IETF_NONCE_BYTES] = { 0 };
	int n;

	le64_put(nonce + 4, counter);
	return ad_len <= INT_MAX && len <= INT_MAX &&
	       EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) == 1 &&
	       (ad_len == 0 ||
		EVP_CipherUpdate(ctx, NULL, &n, ad, (int)ad_len) == 1);
}

bool evp_block_seal(void *ctx, uint64_t counter, const void *ad, size_t ad_len,
		    const uint8_t *plain, size_t len, uint8_t *out)
{
	int n = 0, rest = 0;

	if (!begin_block(ctx, counter, ad, ad_len, len))
		return false;
	/* From here on `plain` may be overwritten: there is no way back. */
	if (EVP_EncryptUpdate(ctx, out, &n, plain, (int)len) != 1 ||
	    EVP_EncryptFinal_ex(ctx, out + n, &rest) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES,
				out + len) != 1)
		abort();
	assert((size_t)n == len && rest == 0);
	return true;
}

int evp_block_open(void *ctx, uint64_t counter, const void *ad, size_t ad_len,
		   const uint8_t *sealed, size_t len, uint8_t *out)
{
	uint8_t tag[TAG_BYTES];
	int n = 0, rest = 0;

	memcpy(tag, sealed + len, sizeof(tag));
	if (!begin_block(ctx, counter, ad, ad_len, len) ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) !=
		    1)
		return -ENOTSUP;
	if (EVP_DecryptUpdate(ctx, out, &n, sealed, (int)len) != 1 ||
	    EVP_DecryptFinal_ex(ctx, out + n, &rest) != 1)
		return ERR_BAD_SEAL;
	return 0;
}

/* ------------------------------------------------------------------ BLAKE2b */

bool evp_hash(const struct key *key, const void *p, size_t n, void *out,
	      size_t out_bytes)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &out_bytes),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t len = 0;
	bool done;

	done = ctx && EVP_MAC_init(ctx, key->b, sizeof(key->b), params) == 1 &&
	       EVP_MAC_update(ctx, p, n) == 1 &&
	       EVP_MAC_final(ctx, out, &len, out_bytes) == 1 &&
	       len == out_bytes;
	EVP_MAC_CTX_free(ctx);
	return done;
}
