/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <check.h>
#include <sodium.h>

#include "assert_hex.h"
#include "base/mem.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"

static struct key master;	     /* 00 01 ... 1f */
static uint8_t salt[KDF_SALT_BYTES]; /* 00 01 ... 0f */

/*
 * libsodium finds this before libc's: a machine without memory.  Named so that
 * a 64-bit off_t does not make it mmap64; ThreadSanitizer maps memory before
 * instrumented functions may run.
 */
static bool refuse_large_maps;

void *spied_mmap(void *p, size_t size, int prot, int flags, int fd,
		 off_t offset) __asm__("mmap")
	__attribute__((no_sanitize("thread")));

void *spied_mmap(void *p, size_t size, int prot, int flags, int fd,
		 off_t offset)
{
	if (refuse_large_maps && size >= (size_t)1 << 20) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, p, size, prot, flags, fd, offset);
}

/* Found before libc's as well: the size of the machine, if it is played. */
static unsigned long played_pages;

int sysinfo(struct sysinfo *info)
{
	int result = (int)syscall(SYS_sysinfo, info);

	if (played_pages > 0) {
		info->totalram = played_pages;
		info->mem_unit = 4096;
	}
	return result;
}

static void start(void)
{
	ck_assert_int_eq(crypto_start(), 0);
	fill_from(0, master.b, sizeof(master.b));
	fill_from(0, salt, sizeof(salt));
}

/*
 * Answers of Python's hashlib.blake2b (the BLAKE2 reference code):
 * blake2b(b"", digest_size=n, key=bytes(range(32)),
 *         salt=struct.pack("<QQ", id, 0), person=context + bytes(8)).
 */
START_TEST(derived_keys_are_blake2b_with_salt_and_personal)
{
	uint8_t out[64];

	kdf_derive(&master, "KDF_TEST", 0, out, 16);
	assert_hex(out, 16, "f391f5ab3cbb0afdfac10b60c9b1f838");
	kdf_derive(&master, "KDF_TEST", 1, out, 64);
	assert_hex(out, 64,
		   "f8b9bea58a40fa52d002bf47d3bfe9f4f08aae6275b597abb2e203a8"
		   "7fce0d9176c4669cc1e13e7e6c830b837a331eab5b84f336139b5f7b"
		   "5558cf927df9bcc1");
	kdf_derive(&master, "KDF_TEST", 0x8877665544332211, out, 32);
	assert_hex(out, 32,
		   "970805e56d84b5e2687298f8757ce2c7a4ec1151864b33b4ad529b07"
		   "ec95c00d");
}
END_TEST

START_TEST(derived_keys_equal_those_of_crypto_kdf)
{
	uint8_t ours[64], theirs[64];
	uint64_t id;
	size_t n;

	for (n = 16; n <= 64; n++) {
		for (id = 1; id != 0; id <<= 9) {
			kdf_derive(&master, "cofr-hdr", id, ours, n);
			ck_assert_int_eq(crypto_kdf_derive_from_key(
						 theirs, n, id, "cofr-hdr",
						 master.b),
					 0);
			ck_assert_mem_eq(ours, theirs, n);
		}
	}
}
END_TEST

START_TEST(a_context_of_seven_characters_aborts)
{
	uint8_t out[32];

	kdf_derive(&master, "cofr-hd", 1, out, sizeof(out));
}
END_TEST

START_TEST(a_derived_key_of_fifteen_bytes_aborts)
{
	uint8_t out[15];

	kdf_derive(&master, "cofr-hdr", 1, out, sizeof(out));
}
END_TEST

/*
 * Answers of libargon2 20171227, the reference implementation of RFC 9106:
 * argon2id_hash_raw(ops, memory_kib, 1, pass, pass_len, salt, 16, out, 64)
 * with salt = 00 01 ... 0f, version 0x13 (called by Python's ctypes).
 */
struct argon2id_answer {
	const char *pass;
	size_t pass_len;
	uint32_t ops;
	uint32_t memory_kib;
	const char *hex;
};

static const struct argon2id_answer argon2id_answers[] = {
	{ "correct horse battery staple", 28, 1, 8,
	  "c0b134792dfa3642578c035d90f244864df1209f0ed75d6fdf42601cd5e2a2cc"
	  "d146c1edeb73755ff48e8eeb9af3428fa511021d98551816c4545884fd500a2d" },
	{ "correct horse battery staple", 28, 3, 1024,
	  "1838b69c12e5f56eb415e8247d35edbd7cbeb1690fc6edc53abe25be2ff974ec"
	  "e57d41482c12b0ebdb525129b7a79d67b865d6ff4687ecd34679f2a705c2eabd" },
	{ "", 0, 2, 64,
	  "a8d23e3ce961c9e1203beeab0146e9ae3c42de942d2d3b390b48e9d14e78a791"
	  "2d715777eb5e394d078da8a72322ed9129ed859c6b07a1624c0a4362833e44a9" },
	/* A NUL inside; memory that is no multiple of the four slices. */
	{ "nul\0inside", 10, 2, 67,
	  "195fb95cd06aaeaa682ec7dbc5a6eeefdc5b7c14b90d140a41ffa72ac53a7a19"
	  "9b86656c8b3ac28937774f4cca7d9f4c27e7499a9bff032a4046b11e74507b76" },
};

START_TEST(argon2id_gives_the_reference_implementations_bytes)
{
	const struct argon2id_answer *a = &argon2id_answers[_i];
	uint8_t out[64];

	ck_assert_int_eq(kdf_argon2id(a->pass, a->pass_len, salt, a->ops,
				      a->memory_kib, out),
			 0);
	assert_hex(out, sizeof(out), a->hex);
}
END_TEST

START_TEST(no_passphrase_may_be_null)
{
	uint8_t out[64];

	ck_assert_int_eq(kdf_argon2id(NULL, 0, salt, 2, 64, out), 0);
	assert_hex(out, sizeof(out), argon2id_answers[2].hex);
}
END_TEST

static void assert_refused(uint32_t ops, uint32_t memory_kib, int want)
{
	uint8_t out[64], before[64];

	memset(before, 0x77, sizeof(before));
	memcpy(out, before, sizeof(out));
	ck_assert_int_eq(kdf_argon2id("x", 1, salt, ops, memory_kib, out),
			 want);
	ck_assert_mem_eq(out, before, sizeof(out));
}

START_TEST(parameters_argon2id_has_not_are_refused)
{
	assert_refused(0, 64, ERR_KDF_LIMIT);
	assert_refused(1, 0, ERR_KDF_LIMIT);
	assert_refused(1, 7, ERR_KDF_LIMIT);
}
END_TEST

START_TEST(more_memory_than_the_machine_has_is_refused)
{
	uint8_t out[64];

	assert_refused(1, UINT32_MAX, -ENOMEM);
	played_pages = 256;
	assert_refused(1, 1028, -ENOMEM);
	ck_assert_int_eq(kdf_argon2id("x", 1, salt, 1, 1024, out), 0);
}
END_TEST

START_TEST(memory_that_is_not_given_is_reported)
{
	refuse_large_maps = true;
	assert_refused(1, 8192, -ENOMEM);
	refuse_large_maps = false;
	mem_fail_nth(1, false);
	assert_refused(1, 8, -ENOMEM);
	ck_assert(mem_fail_hit());
	mem_fail_nth(0, false);
}
END_TEST

static Suite *kdf_suite(void)
{
	Suite *suite = suite_create("kdf");
	TCase *tcase = tcase_create("derive");

	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, derived_keys_are_blake2b_with_salt_and_personal);
	tcase_add_test(tcase, derived_keys_equal_those_of_crypto_kdf);
	tcase_add_test_raise_signal(tcase, a_context_of_seven_characters_aborts,
				    SIGABRT);
	tcase_add_test_raise_signal(
		tcase, a_derived_key_of_fifteen_bytes_aborts, SIGABRT);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("argon2id");
	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_loop_test(tcase,
			    argon2id_gives_the_reference_implementations_bytes,
			    0, (int)array_len(argon2id_answers));
	tcase_add_test(tcase, no_passphrase_may_be_null);
	tcase_add_test(tcase, parameters_argon2id_has_not_are_refused);
	tcase_add_test(tcase, more_memory_than_the_machine_has_is_refused);
	tcase_add_test(tcase, memory_that_is_not_given_is_reported);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(kdf_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
