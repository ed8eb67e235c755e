/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "assert_hex.h"
#include "base/mem.h"
#include "crypto/backend.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

static struct key key;	       /* 00 01 ... 1f */
static uint8_t sequence[1000]; /* 00 01 ... ff 00 ... */

/* The library the cases ask. */
static enum crypto_library library;

static void start(void)
{
	ck_assert_int_eq(crypto_start(), 0);
	crypto_backend_prefer(library);
	fill_from(0, key.b, sizeof(key.b));
	fill_from(0, sequence, sizeof(sequence));
}

/* RFC 7693, appendix A. */
START_TEST(abc_gives_the_digest_of_the_rfc)
{
	uint8_t out[64];

	hash_bytes(NULL, "abc", 3, out, sizeof(out));
	assert_hex(out, sizeof(out),
		   "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6f"
		   "dbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925a"
		   "b92386edd4009923");
}
END_TEST

/*
 * Answers of Python's hashlib.blake2b (the BLAKE2 reference code):
 * blake2b(data, key=bytes(range(32)), digest_size=n).hexdigest() with data =
 * bytes(i & 255 for i in range(1000)).
 */
START_TEST(keyed_and_unkeyed_digests_of_all_lengths_in_use)
{
	uint8_t out[64];

	hash_bytes(&key, sequence, sizeof(sequence), out, 16);
	assert_hex(out, 16, "ea1d9737dd09cd6fdc8fcda0388151ea");
	hash_bytes(&key, sequence, sizeof(sequence), out, 20);
	assert_hex(out, 20, "0f28505424d6c97b6a2b80f13f60d0d8b7e42fef");
	hash_bytes(&key, sequence, sizeof(sequence), out, 32);
	assert_hex(out, 32,
		   "35ef19e1b0264b96e9d2f9c1ded07ab910b83e31c06559b5794ad468"
		   "2e44f54a");
	hash_bytes(&key, sequence, sizeof(sequence), out, 64);
	assert_hex(out, 64,
		   "caa3ed224a4f7698ce93971d3c32722091f3591645eb36e5d77473e9"
		   "8854164f70f451d080e8fc56149424c53ea38c1f223da09043fd7cab"
		   "865791fc9af3192a");
	hash_bytes(NULL, sequence, sizeof(sequence), out, 32);
	assert_hex(out, 32,
		   "c636324d47d89f2b2434dc2c994100663fbbaea880ff020fc5de89dd"
		   "0f77a1ec");
}
END_TEST

START_TEST(nothing_has_a_digest_too)
{
	const char *empty = "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787"
			    "faab45cdf12fe3a8";
	uint8_t out[32];
	struct hash h;

	hash_bytes(NULL, NULL, 0, out, sizeof(out));
	assert_hex(out, sizeof(out), empty);
	hash_begin(&h, NULL, sizeof(out));
	hash_add(&h, NULL, 0);
	hash_end(&h, out, sizeof(out));
	assert_hex(out, sizeof(out), empty);
}
END_TEST

START_TEST(pieces_hash_as_the_whole_does)
{
	const struct key *keys[] = { NULL, &key };
	uint8_t whole[32], pieces[32];
	struct hash h;
	size_t k, cut;

	for (k = 0; k < array_len(keys); k++) {
		hash_bytes(keys[k], sequence, 300, whole, sizeof(whole));
		for (cut = 0; cut <= 300; cut++) {
			hash_begin(&h, keys[k], sizeof(pieces));
			hash_add(&h, sequence, cut / 2);
			hash_add(&h, sequence + cut / 2, cut - cut / 2);
			hash_add(&h, sequence + cut, 300 - cut);
			hash_end(&h, pieces, sizeof(pieces));
			ck_assert_mem_eq(pieces, whole, sizeof(whole));
		}
	}
}
END_TEST

START_TEST(every_bit_of_key_and_input_counts)
{
	uint8_t whole[32], other[32];
	size_t bit;

	hash_bytes(&key, sequence, 129, whole, sizeof(whole));
	for (bit = 0; bit < 8 * sizeof(key.b); bit++) {
		struct key changed = key;

		changed.b[bit / 8] ^= (uint8_t)(1U << bit % 8);
		hash_bytes(&changed, sequence, 129, other, sizeof(other));
		ck_assert_mem_ne(other, whole, sizeof(whole));
	}
	for (bit = 0; bit < (size_t)8 * 129; bit++) {
		sequence[bit / 8] ^= (uint8_t)(1U << bit % 8);
		hash_bytes(&key, sequence, 129, other, sizeof(other));
		ck_assert_mem_ne(other, whole, sizeof(whole));
		sequence[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
}
END_TEST

START_TEST(the_end_wipes_the_state)
{
	struct hash h;
	uint8_t out[32];
	size_t i;

	memset(&h, 0xff, sizeof(h));
	hash_begin(&h, &key, sizeof(out));
	hash_add(&h, sequence, sizeof(sequence));
	hash_end(&h, out, sizeof(out));
	for (i = 0; i < sizeof(h.opaque); i++)
		ck_assert_uint_eq(h.opaque[i], 0);
}
END_TEST

START_TEST(fifteen_bytes_are_too_few)
{
	uint8_t out[15];

	hash_bytes(NULL, "abc", 3, out, sizeof(out));
}
END_TEST

START_TEST(sixty_five_bytes_are_too_many)
{
	struct hash h;

	hash_begin(&h, NULL, 65);
}
END_TEST

static Suite *hash_suite(void)
{
	Suite *suite = suite_create("hash");
	TCase *tcase = tcase_create("blake2b");

	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, abc_gives_the_digest_of_the_rfc);
	tcase_add_test(tcase, keyed_and_unkeyed_digests_of_all_lengths_in_use);
	tcase_add_test(tcase, nothing_has_a_digest_too);
	tcase_add_test(tcase, pieces_hash_as_the_whole_does);
	tcase_add_test(tcase, every_bit_of_key_and_input_counts);
	tcase_add_test(tcase, the_end_wipes_the_state);
	tcase_add_test_raise_signal(tcase, fifteen_bytes_are_too_few, SIGABRT);
	tcase_add_test_raise_signal(tcase, sixty_five_bytes_are_too_many,
				    SIGABRT);
	suite_add_tcase(suite, tcase);
	return suite;
}

static int run_with(enum crypto_library which)
{
	SRunner *runner = srunner_create(hash_suite());
	int failed;

	library = which;
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed;
}

int main(void)
{
	int failed = run_with(CRYPTO_SODIUM) + run_with(CRYPTO_LIBCRYPTO);

	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
