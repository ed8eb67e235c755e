/* SPDX-License-Identifier: ISC */
#include "stand_in.h"

#include <string.h>

#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/random.h"
#include "fuzz.h"

/* The linker puts these in the place of the true ones (--wrap in local.mk). */
void __wrap_random_bytes(void *to, size_t n);
uint64_t __wrap_random_u64(void);
int __wrap_kdf_argon2id(const void *pass, size_t pass_len,
			const uint8_t salt[static KDF_SALT_BYTES], uint32_t ops,
			uint32_t memory_kib, uint8_t out[static 64]);

static uint64_t state;
static int64_t now_ns;

/* Sebastiano Vigna: An experimental exploration of Marsaglia's xorshift
 * generators, scrambled, ACM TOMS 42(4), 2016: splitmix64 as its seeder. */
uint64_t __wrap_random_u64(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void __wrap_random_bytes(void *to, size_t n)
{
	uint8_t *at = to;

	while (n > 0) {
		const uint64_t word = __wrap_random_u64();
		const size_t k = n < sizeof(word) ? n : sizeof(word);

		memcpy(at, &word, k);
		at += k;
		n -= k;
	}
}

int __wrap_kdf_argon2id(const void *pass, size_t pass_len,
			const uint8_t salt[static KDF_SALT_BYTES], uint32_t ops,
			uint32_t memory_kib, uint8_t out[static 64])
{
	struct hash h;

	(void)ops;
	(void)memory_kib;
	hash_begin(&h, NULL, 64);
	hash_add(&h, salt, KDF_SALT_BYTES);
	hash_add(&h, pass, pass_len);
	hash_end(&h, out, 64);
	return 0;
}

static int64_t next_ns(void)
{
	return now_ns += 3 * NS_PER_MS;
}

void stand_in_reset(uint64_t seed)
{
	state = seed;
	now_ns = INT64_C(1700000000) * NS_PER_S;
	clock_set_wall(next_ns);
}
