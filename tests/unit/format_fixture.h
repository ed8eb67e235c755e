/* SPDX-License-Identifier: ISC */
/* What the tests of codecs share: fixed keys, and every single-bit flip. */
#ifndef COFFER_TESTS_FORMAT_FIXTURE_H
#define COFFER_TESTS_FORMAT_FIXTURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "assert_hex.h"
#include "crypto/keys.h"
#include "crypto/secret.h"
#include "scale.h"

static inline struct key key_from(uint8_t first)
{
	struct key k;

	fill_from(first, k.b, sizeof(k.b));
	return k;
}

/* The keys of epoch 1 or another of a vault whose EK is 00 01 .. */
static inline void epoch_keys_fixed(uint32_t epoch, struct epoch_keys *ret)
{
	const struct key ek = key_from(0);

	ck_assert_int_eq(crypto_start(), 0);
	keys_epoch(&ek, epoch, ret);
}

static inline void local_keys_fixed(struct local_keys *ret)
{
	const struct key dk = key_from(100);

	ck_assert_int_eq(crypto_start(), 0);
	keys_local(&dk, ret);
}

/* Asserts that `check` fails for each single-bit flip of data[from..to), and
 * does not once the bit is back. */
static inline void assert_flips_fail(uint8_t *data, size_t from, size_t to,
				     int (*check)(void *arg), void *arg)
{
	size_t bit;

	ck_assert_uint_lt(from, to);
	for (bit = from * 8; bit < to * 8; bit += test_stride()) {
		const uint8_t mask = (uint8_t)(1u << (bit % 8));
		int err;

		data[bit / 8] ^= mask;
		err = check(arg);
		data[bit / 8] ^= mask;
		ck_assert_msg(err < 0, "bit %zu of byte %zu: %d", bit % 8,
			      bit / 8, err);
	}
	ck_assert_int_ge(check(arg), 0);
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
