/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <check.h>

#include "tree_fixture.h"
#include "vault/tree/held.h"

#define FILE_MODE (S_IFREG | 0644)

static struct vault *v;

static void setup(void)
{
	v = fixture_vault(7);
}

static void teardown(void)
{
	fixture_free(v);
}

/* A front end that knows one inode. */
static bool knows(void *arg, uint64_t ino)
{
	return *(const uint64_t *)arg == ino;
}

START_TEST(test_what_the_front_end_holds_outlives_its_last_name)
{
	uint64_t f = fixture_make(v, ROOT, "f", FILE_MODE);
	uint64_t g = fixture_make(v, ROOT, "g", FILE_MODE), known = f;
	struct vault_attr a;
	char got[8];

	fixture_fill(v, f, "bytes");
	fixture_fill(v, g, "other");
	vault_set_holder(v, knows, &known);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("f")), 0);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("g")), 0);
	ck_assert_uint_eq(fixture_attr(v, f).size, 5);
	ck_assert_int_eq(vault_getattr(v, g, &a), -ENOENT);
	/* Both kinds of hold count. */
	vault_hold(v, f, 1);
	vault_unhold(v, f, 1);
	ck_assert_uint_eq(fixture_read(v, f, got, sizeof(got)), 5);
	vault_hold(v, f, 1);
	known = 0;
	vault_let_go(v, f);
	ck_assert_uint_eq(fixture_read(v, f, got, sizeof(got)), 5);
	vault_unhold(v, f, 1);
	ck_assert_int_eq(vault_getattr(v, f, &a), -ENOENT);
	ck_assert_uint_eq(fixture_read(v, f, got, sizeof(got)), 0);
	ck_assert(!held_any_lingers(v));
	vault_set_holder(v, NULL, NULL);
}
END_TEST

START_TEST(test_only_what_nobody_sees_lingers)
{
	struct vault_new what = { .mode = FILE_MODE };
	uint64_t f = fixture_make(v, ROOT, "f", FILE_MODE), known = f;
	struct vault_attr a;

	vault_set_holder(v, knows, &known);
	vault_hold(v, f, 1);
	ck_assert(!held_any_lingers(v));
	ck_assert_int_eq(vault_link(v, f, ROOT, NAME("g"), &a), 0);
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("f")), 0);
	ck_assert(!held_any_lingers(v));
	ck_assert_int_eq(vault_unlink(v, ROOT, NAME("g")), 0);
	ck_assert(held_any_lingers(v));
	vault_unhold(v, f, 1);
	ck_assert(held_any_lingers(v));
	known = 0;
	vault_let_go(v, f);
	ck_assert(!held_any_lingers(v));
	ck_assert_int_eq(vault_make_unnamed(v, &what, &a), 0);
	ck_assert(held_any_lingers(v));
	ck_assert_int_eq(vault_link(v, a.ino, ROOT, NAME("h"), &a), 0);
	ck_assert(!held_any_lingers(v));
	vault_unhold(v, a.ino, 1);
	ck_assert_int_eq(vault_make_unnamed(v, &what, &a), 0);
	vault_unhold(v, a.ino, 1);
	ck_assert(!held_any_lingers(v));
	vault_set_holder(v, NULL, NULL);
}
END_TEST

/* One thread unlinks what the front end holds, another lets it go at any moment:
 * whichever is first, nothing stays. */
enum { N_RACES = 1000 };

static struct {
	_Atomic uint64_t known, next;
} race;

static bool race_knows(void *arg, uint64_t ino)
{
	(void)arg;
	return atomic_load(&race.known) == ino;
}

static void *let_go_of_each(void *arg)
{
	uint64_t seen = 0;

	(void)arg;
	for (;;) {
		uint64_t ino = atomic_load(&race.next);

		if (ino == UINT64_MAX)
			return NULL;
		if (ino == seen) {
			sched_yield();
			continue;
		}
		atomic_store(&race.known, 0);
		vault_let_go(v, ino);
		seen = ino;
		atomic_store(&race.next, 0);
	}
}

START_TEST(test_unlinking_and_letting_go_at_once_leaves_nothing)
{
	pthread_t other;

	atomic_store(&race.next, 0);
	vault_set_holder(v, race_knows, NULL);
	ck_assert_int_eq(pthread_create(&other, NULL, let_go_of_each, NULL), 0);
	for (int i = 0; i < N_RACES; i++) {
		uint64_t f = fixture_make(v, ROOT, "f", FILE_MODE);
		struct vault_attr a;

		atomic_store(&race.known, f);
		atomic_store(&race.next, f);
		ck_assert_int_eq(vault_unlink(v, ROOT, NAME("f")), 0);
		while (atomic_load(&race.next))
			sched_yield();
		ck_assert(!held_any_lingers(v));
		ck_assert_int_eq(vault_getattr(v, f, &a), -ENOENT);
	}
	atomic_store(&race.next, UINT64_MAX);
	pthread_join(other, NULL);
	vault_set_holder(v, NULL, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("held");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
		       test_what_the_front_end_holds_outlives_its_last_name);
	tcase_add_test(t, test_only_what_nobody_sees_lingers);
	tcase_add_test(t,
		       test_unlinking_and_letting_go_at_once_leaves_nothing);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
