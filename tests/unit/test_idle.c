/* SPDX-License-Identifier: ISC */
/* The index made clean while the vault is in use. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "commit_fixture.h"
#include "fault_env.h"
#include "tempdir.h"
#include "vault/file.h"
#include "vault/log/commit_priv.h"

static const struct device a = { "vault", "state", 0xa1, NULL,
				 false, false, false, false };
static const struct device killed = { "vault", "state", 0xa1, NULL,
				      false, false, false, true };
static struct fault_env faulty;

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

static int make_clean(struct vault *v)
{
	int r;

	commit_enter_busy(v->commit);
	r = marks_clean_idle(v->commit);
	commit_leave_busy(v->commit);
	return r;
}

/* Was the index that is open now taken as it was found? */
static bool was_clean(struct vault *v, uint64_t generation)
{
	return v->commit->generation == generation;
}

START_TEST(an_idle_index_needs_no_rebuild_after_a_kill)
{
	struct vault *v = device_open(&killed);
	uint64_t generation;

	put_file(v, "file", "text");
	ck_assert_int_eq(vault_publish(v), 0);
	ck_assert(!v->commit->is_index_clean);
	ck_assert_int_eq(make_clean(v), 0);
	ck_assert(v->commit->is_index_clean);
	ck_assert(has_text(v, "file", "text"));
	generation = v->commit->generation;
	device_close(v);
	v = device_open(&a);
	ck_assert(was_clean(v, generation));
	ck_assert(has_text(v, "file", "text"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(what_is_done_after_that_is_not_lost)
{
	struct vault *v = device_open(&killed);
	uint64_t generation;

	put_file(v, "first", "1");
	ck_assert_int_eq(vault_publish(v), 0);
	ck_assert_int_eq(make_clean(v), 0);
	put_file(v, "second", "2");
	remove_name(v, "first");
	ck_assert_int_eq(vault_sync(v), 0);
	ck_assert(!v->commit->is_index_clean);
	generation = v->commit->generation;
	device_close(v);
	v = device_open(&a);
	ck_assert(!was_clean(v, generation));
	ck_assert(has_text(v, "second", "2"));
	ck_assert(!has_name(v, "first"));
	device_close(v);
}
END_TEST

/* And is not in the index either, of what no frame tells. */
START_TEST(what_is_not_published_keeps_it_unclean)
{
	struct vault *v = device_open(&killed);

	put_file(v, "file", "text");
	ck_assert_int_eq(make_clean(v), 0);
	ck_assert(!v->commit->is_index_clean);
	ck_assert_int_eq(vault_sync(v), 0);
	ck_assert_int_eq(make_clean(v), 0);
	ck_assert(!v->commit->is_index_clean);
	ck_assert_int_eq(vault_publish(v), 0);
	ck_assert_int_eq(make_clean(v), 0);
	ck_assert(v->commit->is_index_clean);
	make_dir(v, "lost");
	device_close(v);
	v = device_open(&a);
	ck_assert(!has_name(v, "lost"));
	ck_assert(has_text(v, "file", "text"));
	device_close(v);
}
END_TEST

START_TEST(a_file_without_a_name_keeps_it_unclean)
{
	const struct vault_new what = { .mode = S_IFREG | 0600 };
	struct vault *v = device_open(&a);
	struct vault_attr at;

	put_file(v, "file", "text");
	ck_assert_int_eq(vault_make_unnamed(v, &what, &at), 0);
	ck_assert_int_eq(vault_publish(v), 0);
	ck_assert_int_eq(make_clean(v), 0);
	ck_assert(!v->commit->is_index_clean);
	vault_unhold(v, at.ino, 1);
	ck_assert_int_eq(make_clean(v), 0);
	ck_assert(v->commit->is_index_clean);
	device_close(v);
}
END_TEST

START_TEST(whichever_call_fails_the_next_opening_finds_everything)
{
	struct device f = killed;
	bool failed = true;

	f.env = &faulty.env;
	for (unsigned long n = 1; failed; n++) {
		struct vault *v;
		char name[32];

		fault_env_init(&faulty);
		v = device_open(&f);
		snprintf(name, sizeof(name), "file%lu", n);
		put_file(v, name, name);
		ck_assert_int_eq(vault_publish(v), 0);
		faulty.nth = n;
		(void)!make_clean(v);
		faulty.nth = 0;
		failed = faulty.has_failed;
		device_close(v);
		v = device_open(&a);
		ck_assert(!vault_is_read_only(v));
		for (unsigned long i = 1; i <= n; i++) {
			snprintf(name, sizeof(name), "file%lu", i);
			ck_assert_msg(has_text(v, name, name), "call %lu", n);
		}
		device_close(v);
		ck_assert_msg(failed || n > 4, "only %lu calls", n);
	}
}
END_TEST

/* ---------------------------------------------------------------- threads */

#define N_ROUNDS 60u

static void *change_and_publish(void *arg)
{
	struct vault *v = arg;

	for (unsigned i = 0; i < N_ROUNDS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "f%u", i);
		put_file(v, name, name);
		if (i >= 8) {
			snprintf(name, sizeof(name), "f%u", i - 8);
			remove_name(v, name);
		}
		ck_assert_int_eq(i % 2 ? vault_publish(v) : vault_sync(v), 0);
	}
	return NULL;
}

START_TEST(it_may_come_at_any_moment)
{
	struct vault *v = device_open(&killed);
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, change_and_publish, v), 0);
	while (pthread_tryjoin_np(t, NULL) != 0)
		ck_assert_int_eq(make_clean(v), 0);
	ck_assert_int_eq(make_clean(v), 0);
	ck_assert(v->commit->is_index_clean);
	uint64_t generation = v->commit->generation;
	device_close(v);
	v = device_open(&a);
	ck_assert(was_clean(v, generation));
	for (unsigned i = 0; i < N_ROUNDS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "f%u", i);
		if (i + 8 < N_ROUNDS)
			ck_assert(!has_name(v, name));
		else
			ck_assert(has_text(v, name, name));
	}
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("idle");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, an_idle_index_needs_no_rebuild_after_a_kill);
	tcase_add_test(t, what_is_done_after_that_is_not_lost);
	tcase_add_test(t, what_is_not_published_keeps_it_unclean);
	tcase_add_test(t, a_file_without_a_name_keeps_it_unclean);
	tcase_add_test(t,
		       whichever_call_fails_the_next_opening_finds_everything);
	tcase_add_test(t, it_may_come_at_any_moment);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
