/* SPDX-License-Identifier: ISC */
/* Every allocation and every call of the disk fails once, or from then on:
 * nothing crashes or leaks, nothing wrong is read, bad stays bad. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "index_fixture.h"
#include "scale.h"

static bool is_known_error(int r)
{
	return r == ERR_BAD_INDEX || r == -ENOMEM || r == -ENOSPC || r == -EIO;
}

/* A life of an index up to its first failure, which it returns. */
static int live(bool in_memory)
{
	struct index_options opts = fx.opts;
	struct index *ix = NULL;
	int r;

	opts.create = true;
	opts.dirfd = in_memory ? -1 : opts.dirfd;
	r = index_open(&opts, &ix);
	if (r == 0)
		r = index_commit(ix);
	if (r == 0)
		r = fill_index(ix);
	if (r == 0)
		r = index_commit(ix);
	if (r == 0)
		r = check_index(ix);
	if (r < 0 && ix && index_state(ix) < 0) {
		ck_assert_int_eq(r, ERR_BAD_INDEX);
		ck_assert(is_known_error(index_state(ix)));
		ck_assert_int_eq(check_index(ix), ERR_BAD_INDEX);
		ck_assert_int_eq(fill_index(ix), ERR_BAD_INDEX);
		ck_assert_int_eq(index_commit(ix), ERR_BAD_INDEX);
	}
	index_close(ix);
	return r;
}

/* A file that stands is read; only the failure may keep it from that. */
static int read_again(void)
{
	struct index *ix = NULL;
	int r;

	r = index_try(&ix);
	if (r == 0)
		r = check_index(ix);
	index_close(ix);
	return r;
}

static int live_on_disk(void)
{
	return live(false);
}

static int live_in_memory(void)
{
	return live(true);
}

#define ALL_UP_TO 1200

/* The nth allocation, n = 1, 2, ..., until none is left to fail. */
static void fail_allocations(int (*run)(void), bool sticky)
{
	unsigned long n = 1;
	int r;

	do {
		mem_fail_nth(n, sticky);
		r = run();
		if (!mem_fail_hit())
			ck_assert_int_eq(r, 0);
		else if (r < 0)
			ck_assert_msg(is_known_error(r), "%lu: %d", n, r);
		/* Every one while the index is opened and each statement
		 * prepared; of the thousands alike that follow, some. */
		n += (n < ALL_UP_TO ? 1 : 17) * test_stride();
	} while (mem_fail_hit());
	ck_assert_uint_gt(n, ALL_UP_TO);
	mem_fail_nth(0, false);
}

static void fail_disk(int (*run)(void), int err, bool sticky, int at_least)
{
	int n = 0, r;

	do {
		disk_fail_nth(++n, err, sticky);
		r = run();
		if (fx.disk.failed)
			ck_assert_msg(is_known_error(r), "%d: %d", n, r);
		else
			ck_assert_int_eq(r, 0);
	} while (fx.disk.failed);
	ck_assert_int_gt(n, at_least);
	disk_fail_nth(0, 0, false);
}

START_TEST(test_index_survives_a_failed_allocation)
{
	fail_allocations(live_in_memory, false);
	fx.disk.no_fsync = true;
	fail_allocations(live_on_disk, _i != 0);
}
END_TEST

START_TEST(test_index_survives_failed_allocations_when_read)
{
	ck_assert_int_eq(live_on_disk(), 0);
	fail_allocations(read_again, _i != 0);
	ck_assert_int_eq(read_again(), 0);
}
END_TEST

START_TEST(test_index_survives_a_failed_call_of_the_disk)
{
	fx.disk.no_fsync = true;
	fail_disk(live_on_disk, -EIO, _i != 0, 40);
	fail_disk(live_on_disk, -ENOSPC, _i != 0, 40);
}
END_TEST

START_TEST(test_index_survives_a_failed_read)
{
	ck_assert_int_eq(live_on_disk(), 0);
	fx.disk.nowait_err = -EAGAIN;
	fail_disk(read_again, -EIO, _i != 0, 20);
	ck_assert_int_eq(read_again(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("index faults");
	TCase *t = tcase_create("faults");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(t, fixture_make, fixture_remove);
	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, test_index_survives_a_failed_allocation, 0, 2);
	tcase_add_loop_test(t, test_index_survives_failed_allocations_when_read,
			    0, 2);
	tcase_add_loop_test(t, test_index_survives_a_failed_call_of_the_disk, 0,
			    2);
	tcase_add_loop_test(t, test_index_survives_a_failed_read, 0, 2);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
