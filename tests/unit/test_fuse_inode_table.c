/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <check.h>

#include "base/mem.h"
#include "fuse/inode_table.h"

#define MANY 20000

static struct inode_table *table;

static void start(void)
{
	ck_assert_int_eq(inode_table_new(&table), 0);
}

static void stop(void)
{
	mem_fail_nth(0, false);
	inode_table_free(table);
}

START_TEST(test_inode_table_first_look_up_takes_the_hold_and_last_ends_it)
{
	ck_assert_int_eq(inode_table_look_up(table, 7), 1);
	ck_assert_int_eq(inode_table_look_up(table, 7), 0);
	ck_assert_int_eq(inode_table_look_up(table, 7), 0);
	ck_assert_uint_eq(inode_table_look_ups(table, 7), 3);
	ck_assert_uint_eq(inode_table_count(table), 1);
	ck_assert_int_eq(inode_table_forget(table, 7, 2), 0);
	ck_assert(inode_table_knows(table, 7));
	ck_assert_int_eq(inode_table_forget(table, 7, 1), 1);
	ck_assert(!inode_table_knows(table, 7));
	ck_assert_uint_eq(inode_table_count(table), 0);
	ck_assert_int_eq(inode_table_look_up(table, 7), 1);
}
END_TEST

START_TEST(test_inode_table_forgets_no_more_than_it_knows)
{
	ck_assert_int_eq(inode_table_forget(table, 7, 1), 0);
	ck_assert_int_eq(inode_table_look_up(table, 7), 1);
	ck_assert_int_eq(inode_table_forget(table, 8, 1), 0);
	ck_assert_int_eq(inode_table_forget(table, 7, 0), 0);
	ck_assert_int_eq(inode_table_forget(table, 7, UINT64_MAX), 1);
	ck_assert_int_eq(inode_table_forget(table, 7, 1), 0);
	ck_assert_uint_eq(inode_table_count(table), 0);
}
END_TEST

/* Growing, shrinking, and the moves of a deletion. */
START_TEST(test_inode_table_keeps_counts_while_it_grows_and_shrinks)
{
	uint64_t i;

	for (i = 1; i <= MANY; i++)
		ck_assert_int_eq(inode_table_look_up(table, i), 1);
	for (i = 1; i <= MANY; i += 3)
		ck_assert_int_eq(inode_table_look_up(table, i), 0);
	ck_assert_uint_eq(inode_table_count(table), MANY);
	for (i = 1; i <= MANY; i++)
		ck_assert_int_eq(inode_table_forget(table, i, 1), i % 3 != 1);
	for (i = 1; i <= MANY; i++)
		ck_assert_uint_eq(inode_table_look_ups(table, i), i % 3 == 1);
	for (i = 1; i <= MANY; i += 3)
		ck_assert_int_eq(inode_table_forget(table, i, 1), 1);
	ck_assert_uint_eq(inode_table_count(table), 0);
}
END_TEST

/* A model of counts, with inode numbers that collide more than usual. */
START_TEST(test_inode_table_agrees_with_an_array)
{
	enum { N = 512 };
	uint64_t model[N] = { 0 };
	uint32_t x = 1;
	unsigned step;

	for (step = 0; step < 200000; step++) {
		unsigned i;

		x = x * 1664525U + 1013904223U;
		i = x >> 9 & (N - 1);
		if (x >> 30) {
			ck_assert_int_eq(
				inode_table_forget(table, (uint64_t)i << 32 | 1,
						   1),
				model[i] == 1);
			if (model[i])
				model[i]--;
		} else {
			ck_assert_int_eq(inode_table_look_up(
						 table, (uint64_t)i << 32 | 1),
					 model[i]++ == 0);
		}
	}
	for (step = 0; step < N; step++)
		ck_assert_uint_eq(
			inode_table_look_ups(table, (uint64_t)step << 32 | 1),
			model[step]);
}
END_TEST

START_TEST(test_inode_table_without_memory_counts_nothing)
{
	unsigned n = 0;
	uint64_t i;
	int r;

	mem_fail_nth(1, true);
	for (i = 1; i <= 1000; i++) {
		r = inode_table_look_up(table, i);
		if (r == -ENOMEM) {
			ck_assert(!inode_table_knows(table, i));
			n++;
		}
	}
	ck_assert_uint_eq(n + inode_table_count(table), 1000);
	ck_assert_uint_gt(n, 0);
	mem_fail_nth(0, false);
	ck_assert_int_eq(inode_table_look_up(table, 5000), 1);
}
END_TEST

/* Of each kind, with the other in the way. */
START_TEST(test_inode_table_marks_stay_until_taken_away)
{
	enum inode_mark mark = _i ? INODE_STALE : INODE_UNSAVED;
	enum inode_mark other = _i ? INODE_UNSAVED : INODE_STALE;

	inode_table_mark(table, 7, mark);
	ck_assert(!inode_table_is_marked(table, 7, mark));
	ck_assert_int_eq(inode_table_look_up(table, 7), 1);
	ck_assert_int_eq(inode_table_look_up(table, 8), 1);
	ck_assert(!inode_table_is_marked(table, 7, mark));
	inode_table_mark(table, 7, other);
	inode_table_mark(table, 7, mark);
	inode_table_mark(table, 7, mark);
	ck_assert(inode_table_is_marked(table, 7, mark));
	ck_assert(!inode_table_is_marked(table, 8, mark));
	/* The mark is no look-up. */
	ck_assert_uint_eq(inode_table_look_ups(table, 7), 1);
	ck_assert_int_eq(inode_table_look_up(table, 7), 0);
	ck_assert(inode_table_is_marked(table, 7, mark));
	ck_assert(inode_table_unmark(table, 7, mark));
	ck_assert(!inode_table_unmark(table, 7, mark));
	ck_assert(!inode_table_is_marked(table, 7, mark));
	ck_assert(inode_table_is_marked(table, 7, other));
	/* It goes with the inode. */
	inode_table_mark(table, 7, mark);
	ck_assert_int_eq(inode_table_forget(table, 7, 2), 1);
	ck_assert_int_eq(inode_table_look_up(table, 7), 1);
	ck_assert(!inode_table_is_marked(table, 7, mark));
	ck_assert(!inode_table_unmark(table, 7, other));
}
END_TEST

static uint64_t drained;

static void add_up(void *arg, uint64_t ino)
{
	(void)arg;
	drained += ino;
}

START_TEST(test_inode_table_drain_gives_each_inode_once)
{
	uint64_t i;

	for (i = 1; i <= 1000; i++) {
		ck_assert_int_eq(inode_table_look_up(table, i), 1);
		ck_assert_int_eq(inode_table_look_up(table, i), 0);
	}
	inode_table_mark(table, 9, INODE_UNSAVED);
	inode_table_drain(table, add_up, NULL);
	ck_assert_uint_eq(drained, 1000 * 1001 / 2);
	ck_assert_uint_eq(inode_table_count(table), 0);
	ck_assert(!inode_table_knows(table, 9));
	ck_assert_int_eq(inode_table_look_up(table, 9), 1);
	ck_assert(!inode_table_is_marked(table, 9, INODE_UNSAVED));
}
END_TEST

#define N_THREADS 4
#define N_SHARED 97
#define N_ROUNDS 30000

/* Holds as a vault counts them. */
static _Atomic int64_t holds[N_SHARED + 1];

static void *look_up_and_forget(void *arg)
{
	uint32_t x = *(const uint32_t *)arg;
	unsigned mine[N_SHARED + 1] = { 0 };
	unsigned round;
	uint64_t ino;

	for (round = 0; round < N_ROUNDS; round++) {
		x = x * 1664525U + 1013904223U;
		ino = (x >> 8) % N_SHARED + 1;
		if (x >> 31 || !mine[ino]) {
			if (inode_table_look_up(table, ino) == 1)
				atomic_fetch_add(&holds[ino], 1);
			mine[ino]++;
			if (x >> 30 & 1)
				inode_table_mark(table, ino, INODE_STALE);
		} else {
			(void)inode_table_unmark(table, ino, INODE_STALE);
			if (inode_table_forget(table, ino, mine[ino]) == 1)
				atomic_fetch_sub(&holds[ino], 1);
			mine[ino] = 0;
		}
	}
	for (ino = 1; ino <= N_SHARED; ino++) {
		if (inode_table_forget(table, ino, mine[ino]) == 1)
			atomic_fetch_sub(&holds[ino], 1);
	}
	return NULL;
}

START_TEST(test_inode_table_look_ups_and_forgets_of_threads_balance)
{
	uint32_t seeds[N_THREADS] = { 1, 22, 333, 4444 };
	pthread_t threads[N_THREADS];
	unsigned i;

	for (i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						look_up_and_forget, &seeds[i]),
				 0);
	for (i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(inode_table_count(table), 0);
	for (i = 1; i <= N_SHARED; i++)
		ck_assert_int_eq(holds[i], 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuse_inode_table");
	TCase *tc = tcase_create("fuse_inode_table");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(
		tc,
		test_inode_table_first_look_up_takes_the_hold_and_last_ends_it);
	tcase_add_test(tc, test_inode_table_forgets_no_more_than_it_knows);
	tcase_add_test(
		tc, test_inode_table_keeps_counts_while_it_grows_and_shrinks);
	tcase_add_test(tc, test_inode_table_agrees_with_an_array);
	tcase_add_test(tc, test_inode_table_without_memory_counts_nothing);
	tcase_add_loop_test(tc, test_inode_table_marks_stay_until_taken_away, 0,
			    2);
	tcase_add_test(tc, test_inode_table_drain_gives_each_inode_once);
	tcase_add_test(
		tc, test_inode_table_look_ups_and_forgets_of_threads_balance);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
