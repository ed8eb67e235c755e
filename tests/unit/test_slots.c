/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "commit_fixture.h"
#include "tempdir.h"
#include "vault/slots.h"

static const struct device a = { "vault", "state", 0xa1, NULL,
				 false, false, false, false };

static void setup(void)
{
	tempdir_make();
	catch_diag();
	ck_assert_int_eq(device_init(&a), 0);
}

static void teardown(void)
{
	tempdir_remove();
}

static void fill(struct secret_buf *s, const char *text)
{
	secret_buf_release(s);
	ck_assert_int_eq(secret_buf_append(s, text, strlen(text)), 0);
}

static int try_passphrase(const char *text)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	struct vault_options o;

	fill(&pass, text);
	device_options(&a, &o);
	return vault_test_credential(&o, &cred);
}

static int add_passphrase(struct vault *v, const char *text, const char *label,
			  uint8_t name[static SLOT_NAME_BYTES])
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	const struct vault_slot_new what = { .type = SLOT_PASSPHRASE,
					     .label = label };

	fill(&pass, text);
	return vault_slot_add(v, &what, &cred, NULL, name);
}

struct seen_slots {
	unsigned n, n_known, n_current, n_removed;
	char label[65];
};

static int see_slot(void *arg, const struct vault_slot *s)
{
	struct seen_slots *seen = arg;

	ck_assert_int_eq(s->error, 0);
	seen->n++;
	seen->n_known += s->is_known;
	seen->n_current += s->is_current;
	seen->n_removed += s->is_removed;
	if (s->label[0])
		memcpy(seen->label, s->label, sizeof(seen->label));
	return 0;
}

START_TEST(a_passphrase_opens_or_does_not)
{
	ck_assert_int_eq(try_passphrase("a passphrase of the tests"), 0);
	ck_assert_int_eq(try_passphrase("another"), ERR_WRONG_KEY);
}
END_TEST

START_TEST(a_credential_of_a_kind_nobody_added_is_told)
{
	auto_secret_buf struct secret_buf file = SECRET_BUF_INIT;
	const struct vault_credential cred = { .key_file = &file };
	struct vault_options o;

	ck_assert_int_eq(crypto_start(), 0);
	fill(&file, "0123456789abcdef0123456789abcdef");
	device_options(&a, &o);
	ck_assert_int_eq(vault_test_credential(&o, &cred), ERR_NO_SLOT);
}
END_TEST

START_TEST(an_added_slot_opens_and_is_known)
{
	struct seen_slots seen = { 0 };
	uint8_t name[SLOT_NAME_BYTES];
	struct vault *v = device_open(&a);

	ck_assert_int_eq(add_passphrase(v, "second", "laptop", name), 0);
	ck_assert_int_eq(vault_each_slot(v, see_slot, &seen), 0);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.n_known, 2);
	ck_assert_uint_eq(seen.n_current, 1);
	ck_assert_str_eq(seen.label, "laptop");
	device_close(v);
	ck_assert_int_eq(try_passphrase("second"), 0);
	ck_assert_int_eq(try_passphrase("a passphrase of the tests"), 0);
}
END_TEST

START_TEST(a_removed_slot_opens_nothing)
{
	struct seen_slots seen = { 0 };
	uint8_t name[SLOT_NAME_BYTES];
	struct vault *v = device_open(&a);

	ck_assert_int_eq(add_passphrase(v, "second", NULL, name), 0);
	ck_assert_int_eq(vault_slot_remove(v, name), 0);
	ck_assert_int_eq(vault_slot_remove(v, name), -ENOENT);
	ck_assert_int_eq(vault_each_slot(v, see_slot, &seen), 0);
	ck_assert_uint_eq(seen.n, 1);
	device_close(v);
	ck_assert_int_eq(try_passphrase("second"), ERR_WRONG_KEY);
}
END_TEST

static int take_name(void *arg, const struct vault_slot *s)
{
	memcpy(arg, s->name, SLOT_NAME_BYTES);
	return 0;
}

START_TEST(the_last_slot_stays)
{
	uint8_t name[SLOT_NAME_BYTES];
	struct vault *v = device_open(&a);

	ck_assert_int_eq(vault_each_slot(v, take_name, name), 0);
	ck_assert_int_eq(vault_slot_remove(v, name), ERR_LAST_SLOT);
	device_close(v);
	ck_assert_int_eq(try_passphrase("a passphrase of the tests"), 0);
}
END_TEST

START_TEST(a_removed_slot_that_comes_back_opens_read_only)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	uint8_t name[SLOT_NAME_BYTES];
	struct vault_options o;
	const char *what;
	struct vault *v = device_open(&a);

	ck_assert_int_eq(add_passphrase(v, "second", NULL, name), 0);
	copy_folder("vault", "copy");
	ck_assert_int_eq(vault_slot_remove(v, name), 0);
	device_close(v);
	sync_folders("copy", "vault");
	fill(&pass, "second");
	device_options(&a, &o);
	ck_assert_int_eq(vault_open(&o, &cred, &what, &v), 0);
	ck_assert(vault_is_read_only(v));
	ck_assert_ptr_nonnull(strstr(vault_read_only_reason(v), "removed"));
	device_close(v);
}
END_TEST

START_TEST(changing_the_passphrase_ends_the_old_one)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	struct seen_slots seen = { 0 };
	struct vault *v = device_open(&a);

	put_file(v, "file", "text");
	fill(&pass, "changed");
	ck_assert_int_eq(vault_slot_change(v, &cred), 0);
	ck_assert_int_eq(vault_each_slot(v, see_slot, &seen), 0);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.n_current, 1);
	device_close(v);
	ck_assert_int_eq(try_passphrase("changed"), 0);
	ck_assert_int_eq(try_passphrase("a passphrase of the tests"),
			 ERR_WRONG_KEY);
}
END_TEST

START_TEST(a_recovery_key_opens_the_vault)
{
	auto_secret_buf struct secret_buf words = SECRET_BUF_INIT;
	const struct vault_credential cred = { .recovery = &words };
	const struct vault_slot_new what = { .type = SLOT_RECOVERY };
	uint8_t name[SLOT_NAME_BYTES];
	struct vault_options o;
	struct vault *v = device_open(&a);
	const char *failed = NULL;

	put_file(v, "file", "text");
	ck_assert_int_eq(vault_slot_add(v, &what, NULL, &words, name), 0);
	device_close(v);
	device_options(&a, &o);
	ck_assert_int_eq(vault_test_credential(&o, &cred), 0);
	ck_assert_int_eq(vault_open(&o, &cred, &failed, &v), 0);
	ck_assert(has_text(v, "file", "text"));
	device_close(v);
	/* A word changed for another: told as wrong, by its check words. */
	fill(&words, "abandon abandon abandon");
	ck_assert_int_eq(vault_test_credential(&o, &cred), ERR_WRONG_KEY);
}
END_TEST

START_TEST(a_key_file_and_both_together_open)
{
	auto_secret_buf struct secret_buf file = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential alone = { .key_file = &file };
	const struct vault_credential both = { .key_file = &file,
					       .passphrase = &pass };
	struct vault_slot_new what = { .type = SLOT_KEY_FILE };
	uint8_t name[SLOT_NAME_BYTES];
	struct vault_options o;
	struct vault *v = device_open(&a);

	fill(&file, "0123456789abcdef0123456789abcdef");
	fill(&pass, "with it");
	ck_assert_int_eq(vault_slot_add(v, &what, &alone, NULL, name), 0);
	what.type = SLOT_KEY_FILE_AND_PASSPHRASE;
	ck_assert_int_eq(vault_slot_add(v, &what, &both, NULL, name), 0);
	device_close(v);
	device_options(&a, &o);
	ck_assert_int_eq(vault_test_credential(&o, &alone), 0);
	ck_assert_int_eq(vault_test_credential(&o, &both), 0);
	fill(&pass, "without it");
	ck_assert_int_eq(vault_test_credential(&o, &both), ERR_WRONG_KEY);
}
END_TEST

static int count_bad(void *arg, const struct vault_slot *s)
{
	*(unsigned *)arg += s->error == ERR_BAD_NAME;
	return 0;
}

START_TEST(a_planted_slot_is_shown_as_damaged_and_harms_nothing)
{
	unsigned n_bad = 0;
	char path[512];
	struct vault_options o;
	FILE *f;

	ck_assert_uint_eq(count_files("vault", "/k/", path, sizeof(path)), 1);
	path[strlen(path) - 1] = path[strlen(path) - 1] == '0' ? '1' : '0';
	f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < SLOT_BYTES; i++)
		fputc(i & 0xff, f);
	fclose(f);
	ck_assert_int_eq(try_passphrase("a passphrase of the tests"), 0);
	device_options(&a, &o);
	ck_assert_int_eq(vault_peek_slots(&o, count_bad, &n_bad), 0);
	ck_assert_uint_eq(n_bad, 1);
}
END_TEST

START_TEST(the_header_shows_what_it_may)
{
	struct vault_options o;
	struct vault_peek p;
	struct vault *v = device_open(&a);

	put_bytes(v, "file", 1, 300000);
	device_close(v);
	device_options(&a, &o);
	ck_assert_int_eq(vault_peek(&o, &p), 0);
	ck_assert_uint_eq(p.n_slots, 1);
	ck_assert_uint_eq(p.n_writers, 1);
	ck_assert_uint_eq(p.n_segments, 2);
	ck_assert_uint_eq(p.n_packs, 1);
	ck_assert_uint_gt(p.total_bytes, 300000);
	ck_assert_uint_ge(p.chunk_max, p.chunk_average);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slots");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_passphrase_opens_or_does_not);
	tcase_add_test(t, a_credential_of_a_kind_nobody_added_is_told);
	tcase_add_test(t, an_added_slot_opens_and_is_known);
	tcase_add_test(t, a_removed_slot_opens_nothing);
	tcase_add_test(t, the_last_slot_stays);
	tcase_add_test(t, a_removed_slot_that_comes_back_opens_read_only);
	tcase_add_test(t, changing_the_passphrase_ends_the_old_one);
	tcase_add_test(t, a_recovery_key_opens_the_vault);
	tcase_add_test(t, a_key_file_and_both_together_open);
	tcase_add_test(t, a_planted_slot_is_shown_as_damaged_and_harms_nothing);
	tcase_add_test(t, the_header_shows_what_it_may);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
