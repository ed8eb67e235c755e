/* SPDX-License-Identifier: ISC */
/* When the index reads, writes and waits, and what a failing disk does. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/block.h"
#include "index_fixture.h"
#include "tempdir.h"

static void make_file(void)
{
	struct index *ix = index_create();

	ck_assert_int_eq(fill_index(ix), 0);
	index_must_commit(ix);
	index_close(ix);
}

static int read_file(void)
{
	struct index *ix = index_reopen();
	int r = check_index(ix);

	index_close(ix);
	return r;
}

/* --- Waiting ------------------------------------------------------------- */

static int n_blocked;

static void on_block(void *arg)
{
	(void)arg;
	n_blocked++;
}

static int read_hooked(int nowait_err)
{
	struct index *ix;
	int r;

	fx.disk.nowait_err = nowait_err;
	fx.disk.n_nowait = fx.disk.n_pread = n_blocked = 0;
	ix = index_reopen();
	block_set_hook(on_block, NULL);
	r = check_index(ix);
	block_set_hook(NULL, NULL);
	index_close(ix);
	return r;
}

START_TEST(test_index_read_from_memory_does_not_call_the_hook)
{
	make_file();
	ck_assert_int_eq(read_hooked(0), 0);
	ck_assert_int_gt(fx.disk.n_nowait, 10);
	ck_assert_int_eq(fx.disk.n_pread, 0);
	ck_assert_int_eq(n_blocked, 0);
}
END_TEST

START_TEST(test_index_read_that_would_wait_calls_the_hook)
{
	make_file();
	ck_assert_int_eq(read_hooked(-EAGAIN), 0);
	ck_assert_int_eq(fx.disk.n_nowait, fx.disk.n_pread);
	/* Two pages or so were read before the hook was set. */
	ck_assert_int_gt(n_blocked, fx.disk.n_pread / 2);
}
END_TEST

START_TEST(test_index_file_system_without_nowait_is_asked_once)
{
	make_file();
	ck_assert_int_eq(read_hooked(-EOPNOTSUPP), 0);
	ck_assert_int_eq(fx.disk.n_nowait, 1);
	ck_assert_int_gt(n_blocked, fx.disk.n_pread / 2);
}
END_TEST

/* --- Failing and full disks ---------------------------------------------- */

START_TEST(test_index_full_disk_makes_the_index_bad_and_writes_no_more)
{
	struct index *ix = index_create();
	int n_pwrite;

	ck_assert_int_eq(fill_index(ix), 0);
	disk_fail_nth(5, -ENOSPC, false);
	ck_assert_int_eq(index_commit(ix), ERR_BAD_INDEX);
	ck_assert(fx.disk.failed);
	ck_assert_int_eq(index_state(ix), -ENOSPC);
	n_pwrite = fx.disk.n_pwrite;
	ck_assert_int_eq(index_commit(ix), ERR_BAD_INDEX);
	ck_assert_int_eq(index_node_put(ix, 1, "", 0), ERR_BAD_INDEX);
	ck_assert_int_eq(check_index(ix), ERR_BAD_INDEX);
	ck_assert_int_eq(index_allow_spill(ix, true), ERR_BAD_INDEX);
	index_close(ix);
	ck_assert_int_eq(fx.disk.n_pwrite, n_pwrite);
	ck_assert_int_eq(fx.disk.n_fsync, 0);
}
END_TEST

START_TEST(test_index_failed_sync_makes_the_index_bad)
{
	struct index *ix = index_create();

	ck_assert_int_eq(index_commit(ix), 0);
	ck_assert_int_eq(index_node_put(ix, 1, "a", 1), 0);
	fx.disk.fail_at = 0;
	fx.disk.n_fsync = 0;
	/* A commit writes the one page changed, then syncs. */
	disk_fail_nth(2, -EIO, false);
	ck_assert_int_eq(index_commit(ix), ERR_BAD_INDEX);
	ck_assert_int_eq(fx.disk.n_fsync, 1);
	ck_assert_int_eq(index_state(ix), -EIO);
	index_close(ix);
}
END_TEST

START_TEST(test_index_failed_read_makes_the_index_bad)
{
	struct index *ix;
	make_file();
	fx.disk.nowait_err = -EAGAIN;
	ix = index_reopen();
	disk_fail_nth(4, -EIO, false);
	ck_assert_int_eq(check_index(ix), ERR_BAD_INDEX);
	ck_assert_int_eq(index_state(ix), -EIO);
	ck_assert_int_eq(check_index(ix), ERR_BAD_INDEX);
	index_close(ix);
	disk_fail_nth(1, -EIO, true);
	fx.disk.n_calls = -1; /* not the open itself */
	ck_assert_int_eq(index_try(&ix), ERR_BAD_INDEX);
	disk_fail_nth(1, -EMFILE, false);
	ck_assert_int_eq(index_try(&ix), -EMFILE);
	disk_fail_nth(0, 0, false);
	ck_assert_int_eq(read_file(), 0);
}
END_TEST

/* --- When pages are written ---------------------------------------------- */

static uint64_t grow(struct index *ix, uint64_t n_bytes)
{
	static uint8_t rec[3000];
	static uint64_t ino;
	uint64_t end = ino + n_bytes / sizeof(rec);

	for (; ino < end; ino++)
		ck_assert_int_eq(index_node_put(ix, ino, rec, sizeof(rec)), 0);
	return index_cache_bytes(ix);
}

START_TEST(test_index_nothing_is_written_before_the_commit)
{
	struct index *ix;
	uint64_t bytes;

	ix = index_create();
	index_must_commit(ix);
	fx.disk.n_pwrite = 0;
	bytes = grow(ix, 4 * fx.opts.cache_bytes);
	ck_assert_int_eq(fx.disk.n_pwrite, 0);
	ck_assert_uint_gt(bytes, 4 * fx.opts.cache_bytes);
	index_must_commit(ix);
	ck_assert_int_gt(fx.disk.n_pwrite, 1000);
	/* What is clean again needs not stay. */
	ck_assert_uint_le(index_cache_bytes(ix), 2 * fx.opts.cache_bytes);
	index_close(ix);
}
END_TEST

START_TEST(test_index_spilling_bounds_the_cache)
{
	struct index *ix;
	uint64_t bytes;

	ix = index_create();
	index_must_commit(ix);
	/* In the middle of a transaction, as it is always. */
	grow(ix, fx.opts.cache_bytes / 2);
	ck_assert_int_eq(index_allow_spill(ix, true), 0);
	fx.disk.n_pwrite = 0;
	bytes = grow(ix, 4 * fx.opts.cache_bytes);
	ck_assert_int_gt(fx.disk.n_pwrite, 500);
	ck_assert_uint_le(bytes, 2 * fx.opts.cache_bytes);
	ck_assert_int_eq(index_allow_spill(ix, false), 0);
	fx.disk.n_pwrite = 0;
	bytes = grow(ix, 4 * fx.opts.cache_bytes);
	ck_assert_int_eq(fx.disk.n_pwrite, 0);
	ck_assert_uint_gt(bytes, 4 * fx.opts.cache_bytes);
	index_close(ix);
	ck_assert_int_eq(fx.disk.n_pwrite, 0);
}
END_TEST

START_TEST(test_index_two_indexes_at_once)
{
	struct index *ix = index_create(), *other = NULL;
	struct index_options opts = fx.opts;

	ck_assert_int_eq(mkdirat(tempdir_fd(), "other", 0700), 0);
	opts.dirfd = openat(tempdir_fd(), "other", O_RDONLY | O_DIRECTORY);
	opts.create = true;
	ck_assert_int_eq(index_open(&opts, &other), 0);
	ck_assert_int_eq(fill_index(ix), 0);
	ck_assert_int_eq(fill_index(other), 0);
	index_must_commit(other);
	index_close(other);
	index_must_commit(ix);
	ck_assert_int_eq(check_index(ix), 0);
	index_close(ix);
	opts.create = false;
	ck_assert_int_eq(index_open(&opts, &other), 0);
	ck_assert_int_eq(check_index(other), 0);
	index_close(other);
	close(opts.dirfd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("index disk");
	TCase *t = tcase_create("disk");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(t, fixture_make, fixture_remove);
	tcase_add_test(t, test_index_read_from_memory_does_not_call_the_hook);
	tcase_add_test(t, test_index_read_that_would_wait_calls_the_hook);
	tcase_add_test(t, test_index_file_system_without_nowait_is_asked_once);
	tcase_add_test(
		t, test_index_full_disk_makes_the_index_bad_and_writes_no_more);
	tcase_add_test(t, test_index_failed_sync_makes_the_index_bad);
	tcase_add_test(t, test_index_failed_read_makes_the_index_bad);
	tcase_add_test(t, test_index_nothing_is_written_before_the_commit);
	tcase_add_test(t, test_index_spilling_bounds_the_cache);
	tcase_add_test(t, test_index_two_indexes_at_once);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
