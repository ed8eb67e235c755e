/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "commit_fixture.h"
#include "format/segment.h"
#include "tempdir.h"

static const struct device a = { "vault-a", "state-a", 0xa1, NULL,
				 false, false, false, false };
static const struct device b = { "vault-b", "state-b", 0xb2, NULL,
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

/* The real disk, which counts how often a segment is opened. */
static struct env_ops counting_ops;
static struct env counting = { .ops = &counting_ops };
static unsigned n_opened;

static int open_counted(struct env *env, int dirfd, const char *name, int flags,
			mode_t mode)
{
	(void)env;
	n_opened += strlen(name) == SEGMENT_NAME_LEN && name[10] == '-';
	return env_posix()->ops->open(env_posix(), dirfd, name, flags, mode);
}

/* What this device has forgotten is looked up in the log: in many segments, now
 * in one, now in another. */
START_TEST(segments_asked_by_turns_are_not_read_again_and_again)
{
	enum { N_SEGMENTS = 8, N_FILES = 5 };
	struct device counted = a;
	char from[24], to[24];
	struct vault *v = device_open(&a), *w;

	for (unsigned s = 0; s < N_SEGMENTS; s++) {
		for (unsigned f = 0; f < N_FILES; f++) {
			snprintf(from, sizeof(from), "f%u-%u", s, f);
			put_file(v, from, from);
		}
		ck_assert_int_eq(vault_publish(v), 0);
	}
	device_close(v);
	sync_folders("vault-a", "vault-b");
	w = device_open(&b);
	v = device_open(&a);
	for (unsigned f = 0; f < N_FILES; f++)
		for (unsigned s = 0; s < N_SEGMENTS; s++) {
			snprintf(from, sizeof(from), "f%u-%u", s, f);
			snprintf(to, sizeof(to), "a%u-%u", s, f);
			rename_name(v, from, to);
			to[0] = 'b';
			rename_name(w, from, to);
		}
	device_close(v);
	device_close(w);
	sync_folders("vault-b", "vault-a");
	counting_ops = *env_posix()->ops;
	counting_ops.open = open_counted;
	counted.env = &counting;
	n_opened = 0;
	v = device_open(&counted);
	/* Each once, and what the other device published. */
	ck_assert_uint_ge(n_opened, N_SEGMENTS);
	ck_assert_uint_lt(n_opened, 2 * N_SEGMENTS);
	/* A name the file got from each: the later one. */
	ck_assert(has_text(v, "b0-0", "f0-0"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("past_log");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, segments_asked_by_turns_are_not_read_again_and_again);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
