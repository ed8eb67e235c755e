/* SPDX-License-Identifier: ISC */
/* Two libraries, the same bytes. */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "crypto/aead.h"
#include "crypto/backend.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "scale.h"

#define MAX_BYTES 70000
#define ROUNDS 300

static struct key key;
static struct r16 r16;
static uint8_t plain[MAX_BYTES];
static uint8_t sealed[2][MAX_BYTES + 64 * TAG_BYTES];
static uint8_t opened[MAX_BYTES];

static void start(void)
{
	ck_assert_int_eq(crypto_start(), 0);
	random_bytes(plain, sizeof(plain));
}

static size_t some_length(void)
{
	/* As often short as long: the choice depends on the length. */
	size_t max = random_u64() % 2 ? MAX_BYTES : 3000;

	return 1 + random_u64() % max;
}

static void draw(void)
{
	random_bytes(key.b, sizeof(key.b));
	random_bytes(r16.b, sizeof(r16.b));
}

START_TEST(chains_are_the_same_and_open_each_other)
{
	unsigned long rounds = test_scaled(ROUNDS, 20);

	for (unsigned i = 0; i < rounds; i++) {
		size_t len = some_length(), ad_len = random_u64() % 100;
		uint32_t sub = i % 3 ? 4096 : 16384;
		uint64_t n = (len - 1) / sub + 1;
		size_t total = (size_t)aead_chain_sealed_bytes(len, sub);

		draw();
		for (unsigned k = 0; k < 2; k++) {
			crypto_backend_prefer(k ? CRYPTO_LIBCRYPTO
						: CRYPTO_SODIUM);
			aead_chain_seal(&key, &r16, plain, ad_len, sub, plain,
					len, sealed[k]);
		}
		ck_assert_mem_eq(sealed[0], sealed[1], total);
		ck_assert_int_eq(aead_chain_open(&key, &r16, plain, ad_len, sub,
						 len, 0, n, sealed[0], opened),
				 0);
		ck_assert_mem_eq(opened, plain, len);
		sealed[0][random_u64() % total] ^= 4;
		ck_assert_int_eq(aead_chain_open(&key, &r16, plain, ad_len, sub,
						 len, 0, n, sealed[0], opened),
				 ERR_BAD_SEAL);
		for (size_t b = 0; b < len; b++)
			ck_assert_uint_eq(opened[b], 0);
	}
}
END_TEST

START_TEST(hashes_are_the_same)
{
	unsigned long rounds = test_scaled(ROUNDS, 20);

	for (unsigned i = 0; i < rounds; i++) {
		size_t len = some_length(), out_bytes = 16 + random_u64() % 49;
		uint8_t out[2][64];

		draw();
		for (unsigned k = 0; k < 2; k++) {
			crypto_backend_prefer(k ? CRYPTO_LIBCRYPTO
						: CRYPTO_SODIUM);
			hash_bytes(&key, plain, len, out[k], out_bytes);
		}
		ck_assert_mem_eq(out[0], out[1], out_bytes);
	}
}
END_TEST

START_TEST(the_choice_can_be_told)
{
	struct crypto_backend b;

	crypto_backend_prefer(CRYPTO_SODIUM);
	crypto_backend(&b);
	ck_assert_ptr_nonnull(strstr(b.aead, "libsodium 1."));
	ck_assert_ptr_nonnull(strstr(b.hash, "libsodium 1."));
	crypto_backend_prefer(CRYPTO_LIBCRYPTO);
	crypto_backend(&b);
#ifdef HAVE_LIBCRYPTO
	ck_assert_ptr_nonnull(strstr(b.aead, "libcrypto 3."));
	ck_assert_ptr_nonnull(strstr(b.hash, "libcrypto 3."));
#else
	ck_assert_ptr_nonnull(strstr(b.aead, "libsodium 1."));
#endif
	crypto_backend_prefer(CRYPTO_FASTEST);
	crypto_backend(&b);
	ck_assert_ptr_nonnull(strstr(b.aead, "lib"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backend");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, chains_are_the_same_and_open_each_other);
	tcase_add_test(tcase, hashes_are_the_same);
	tcase_add_test(tcase, the_choice_can_be_told);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
