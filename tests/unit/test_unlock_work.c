/* SPDX-License-Identifier: ISC */
/*
 * What a credential that does not fit costs, in calls rather than in time: the
 * same, whatever is wrong with it.  Each slot's key derivation is run, each
 * commitment compared whole, in constant time, and nothing is tried to be
 * opened.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "commit_fixture.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "tempdir.h"
#include "vault/slots.h"

#define RIGHT "a passphrase of the tests"
#define FILE_BYTES 64

static const struct device a = { "vault", "state", 0xa1, NULL,
				 false, false, false, false };

struct work {
	unsigned derived, compared, opened;
	size_t compared_bytes;
};
static struct work work;

/* The linker puts these before the true ones (--wrap in vault.mk). */
int __real_kdf_argon2id(const void *pass, size_t pass_len, const uint8_t *salt,
			uint32_t ops, uint32_t memory_kib, uint8_t *out);
int __wrap_kdf_argon2id(const void *pass, size_t pass_len, const uint8_t *salt,
			uint32_t ops, uint32_t memory_kib, uint8_t *out);
bool __real_secret_equal(const void *x, const void *y, size_t n);
bool __wrap_secret_equal(const void *x, const void *y, size_t n);
int __real_aead_open(const struct key *key, const uint8_t *nonce,
		     const void *ad, size_t ad_len, const uint8_t *sealed,
		     size_t sealed_len, void *out);
int __wrap_aead_open(const struct key *key, const uint8_t *nonce,
		     const void *ad, size_t ad_len, const uint8_t *sealed,
		     size_t sealed_len, void *out);

int __wrap_kdf_argon2id(const void *pass, size_t pass_len, const uint8_t *salt,
			uint32_t ops, uint32_t memory_kib, uint8_t *out)
{
	work.derived++;
	return __real_kdf_argon2id(pass, pass_len, salt, ops, memory_kib, out);
}

bool __wrap_secret_equal(const void *x, const void *y, size_t n)
{
	work.compared++;
	work.compared_bytes += n;
	return __real_secret_equal(x, y, n);
}

int __wrap_aead_open(const struct key *key, const uint8_t *nonce,
		     const void *ad, size_t ad_len, const uint8_t *sealed,
		     size_t sealed_len, void *out)
{
	work.opened++;
	return __real_aead_open(key, nonce, ad, ad_len, sealed, sealed_len,
				out);
}

/* ---------------------------------------------------------------- vaults */

static void fill(struct secret_buf *s, const void *bytes, size_t n)
{
	ck_assert_int_eq(secret_buf_append(s, bytes, n), 0);
}

static void add_slot(struct vault *v, enum slot_type type, const char *text,
		     int file_byte)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf file = SECRET_BUF_INIT;
	const struct vault_credential cred = { &pass, &file, NULL };
	const struct vault_slot_new what = { .type = type };
	uint8_t name[SLOT_NAME_BYTES], bytes[FILE_BYTES];

	fill(&pass, text, strlen(text));
	memset(bytes, file_byte, sizeof(bytes));
	if (type != SLOT_PASSPHRASE)
		fill(&file, bytes, sizeof(bytes));
	ck_assert_int_eq(vault_slot_add(v, &what, &cred, NULL, name), 0);
}

/* Three slots of passphrases, two of key file and passphrase. */
static void setup(void)
{
	struct vault *v;

	tempdir_make();
	catch_diag();
	ck_assert_int_eq(device_init(&a), 0);
	v = device_open(&a);
	add_slot(v, SLOT_PASSPHRASE, "second", 0);
	add_slot(v, SLOT_PASSPHRASE, "third", 0);
	add_slot(v, SLOT_KEY_FILE_AND_PASSPHRASE, RIGHT, 1);
	add_slot(v, SLOT_KEY_FILE_AND_PASSPHRASE, "second", 2);
	device_close(v);
}

static void teardown(void)
{
	tempdir_remove();
}

/* What trying it takes; `file_byte` -1: no key file. */
static struct work try(const char *text, size_t len, int file_byte, int want)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf file = SECRET_BUF_INIT;
	const struct vault_credential cred = { &pass, &file, NULL };
	uint8_t bytes[FILE_BYTES];
	struct vault_options o;

	fill(&pass, text, len);
	memset(bytes, file_byte, sizeof(bytes));
	if (file_byte >= 0)
		fill(&file, bytes, sizeof(bytes));
	device_options(&a, &o);
	memset(&work, 0, sizeof(work));
	ck_assert_int_eq(vault_test_credential(&o, &cred), want);
	return work;
}

/* ---------------------------------------------------------------- cases */

static void assert_failing(const struct work *w, unsigned n_slots)
{
	ck_assert_uint_eq(w->derived, n_slots);
	ck_assert_uint_eq(w->compared, n_slots);
	ck_assert_uint_eq(w->compared_bytes, 32 * n_slots);
	ck_assert_uint_eq(w->opened, 0);
}

START_TEST(a_wrong_passphrase_costs_the_same_however_wrong)
{
	static const char *const wrong[] = {
		"x",
		"A passphrase of the tests",
		"a passphrase of the testS",
		"a passphrase of the test",
		"a passphrase of the testss",
		"secone",
		"thirD",
	};

	for (size_t i = 0; i < array_len(wrong); i++) {
		struct work w = try(wrong[i], strlen(wrong[i]), -1,
				    ERR_WRONG_KEY);

		assert_failing(&w, 3);
	}
}
END_TEST

START_TEST(it_costs_the_same_whichever_part_is_wrong)
{
	static const struct {
		const char *text;
		int file_byte;
	} wrong[] = {
		{ RIGHT, 9 },	  /* the file */
		{ "wrong", 1 },	  /* the passphrase */
		{ "wrong", 9 },	  /* both */
		{ RIGHT, 2 },	  /* each is right, of another slot */
		{ "second", 1 },
	};

	for (size_t i = 0; i < array_len(wrong); i++) {
		struct work w = try(wrong[i].text, strlen(wrong[i].text),
				    wrong[i].file_byte, ERR_WRONG_KEY);

		assert_failing(&w, 2);
	}
}
END_TEST

/* So that the counts above are of the check, and of all of it. */
START_TEST(the_right_one_is_opened)
{
	struct work w = try(RIGHT, strlen(RIGHT), -1, 0);

	ck_assert_uint_ge(w.derived, 1);
	ck_assert_uint_le(w.derived, 3);
	ck_assert_uint_ge(w.opened, 1);
	w = try("second", strlen("second"), 2, 0);
	ck_assert_uint_ge(w.opened, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("work of unlocking");
	TCase *tc = tcase_create("counted");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_wrong_passphrase_costs_the_same_however_wrong);
	tcase_add_test(tc, it_costs_the_same_whichever_part_is_wrong);
	tcase_add_test(tc, the_right_one_is_opened);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
