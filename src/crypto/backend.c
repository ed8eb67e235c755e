/* SPDX-License-Identifier: ISC */
#include "crypto/backend.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/aead_priv.h"
#include "crypto/backend_priv.h"
#include "crypto/evp.h"

/* Bytes of a trial: a cached block's, so that a trial takes some 10 us. */
#define TRIAL_BYTES 16384
#define TRIALS 12

struct trial {
	struct key key;
	uint8_t plain[TRIAL_BYTES];
	uint8_t out[TRIAL_BYTES + TAG_BYTES];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_evp, aead_is_evp, hash_is_evp;
static char sodium_name[48];

/* ------------------------------------------------------------- one's work */

static void sodium_seal(struct trial *t, size_t len)
{
	struct aead_subkey subkey;

	memcpy(subkey.b, t->key.b, sizeof(subkey.b));
	aead_sodium_seal(&subkey, len, t->key.b, sizeof(t->key.b), t->plain,
			 len, t->out);
}

static bool evp_seal(struct trial *t, size_t len)
{
	struct aead_subkey subkey;
	void *ctx;
	bool done;

	memcpy(subkey.b, t->key.b, sizeof(subkey.b));
	ctx = evp_aead_new(&subkey, true);
	done = ctx && evp_block_seal(ctx, len, t->key.b, sizeof(t->key.b),
				     t->plain, len, t->out);
	evp_aead_free(ctx);
	return done;
}

static void sodium_hash(struct trial *t, size_t len)
{
	int failed = crypto_generichash(t->out, 32, t->plain, len, t->key.b,
					sizeof(t->key.b));

	assert(!failed);
}

static bool evp_hash_trial(struct trial *t, size_t len)
{
	return evp_hash(&t->key, t->plain, len, t->out, 32);
}

/* -------------------------------------------------------------- the choice */

typedef void sodium_fn(struct trial *t, size_t len);
typedef bool evp_fn(struct trial *t, size_t len);

static const size_t lengths[] = { 1,   63,   64,   65,	 127,  128,
				  129, 1023, 4096, 4097, 9999, TRIAL_BYTES };

static bool do_agree(struct trial *t, sodium_fn *one, evp_fn *other)
{
	uint8_t want[TRIAL_BYTES + TAG_BYTES];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(t->out, 0, sizeof(t->out));
		one(t, lengths[i]);
		memcpy(want, t->out, sizeof(want));
		memset(t->out, 0, sizeof(t->out));
		if (!other(t, lengths[i]) ||
		    memcmp(want, t->out, sizeof(want)) != 0)
			return false;
	}
	return true;
}

/* The shortest of some trials: what else the machine does only adds. */
static bool is_faster(struct trial *t, sodium_fn *one, evp_fn *other)
{
	uint64_t best = UINT64_MAX, other_best = UINT64_MAX;

	for (unsigned i = 0; i < TRIALS; i++) {
		uint64_t start = clock_mono_ns(), middle;

		one(t, TRIAL_BYTES);
		middle = clock_mono_ns();
		if (!other(t, TRIAL_BYTES))
			return false;
		best = min_of(best, middle - start);
		other_best = min_of(other_best, clock_mono_ns() - middle);
	}
	return other_best < best;
}

static void choose(void)
{
	/* Nothing secret; not on the stack, for it is large. */
	static struct trial t;

	if (!has_evp)
		return;
	for (size_t i = 0; i < sizeof(t.plain); i++)
		t.plain[i] = (uint8_t)(i * 7 + i / 256);
	memcpy(t.key.b, t.plain + 100, sizeof(t.key.b));
	/* One that is wrong about anything is not asked for anything. */
	has_evp = do_agree(&t, sodium_seal, evp_seal) &&
		  do_agree(&t, sodium_hash, evp_hash_trial);
	aead_is_evp = has_evp && is_faster(&t, sodium_seal, evp_seal);
	hash_is_evp = has_evp && is_faster(&t, sodium_hash, evp_hash_trial);
}

static void load(void)
{
	snprintf(sodium_name, sizeof(sodium_name), "libsodium %s",
		 sodium_version_string());
	has_evp = evp_start();
	choose();
}

static void start(void)
{
	int failed = pthread_once(&once, load);

	assert(!failed);
}

bool backend_aead_is_evp(size_t n_bytes)
{
	if (n_bytes < EVP_MIN_BYTES)
		return false;
	start();
	return aead_is_evp;
}

bool backend_hash_is_evp(size_t n_bytes)
{
	if (n_bytes < EVP_MIN_BYTES)
		return false;
	start();
	return hash_is_evp;
}

void crypto_backend(struct crypto_backend *ret)
{
	start();
	ret->aead = aead_is_evp ? evp_name() : sodium_name;
	ret->hash = hash_is_evp ? evp_name() : sodium_name;
}

void crypto_backend_prefer(enum crypto_library which)
{
	start();
	if (which == CRYPTO_FASTEST)
		choose();
	else
		aead_is_evp = hash_is_evp = has_evp && which == CRYPTO_LIBCRYPTO;
}
