/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/diag.h"
#include "base/mem.h"
#include "content_fixture.h"
#include "vault/log/commit.h"

static struct vault_read rd;

START_TEST(a_full_disk_is_told_by_the_write_and_harms_nothing)
{
	uint8_t *bytes = make_bytes(10, 1 << 20);
	uint64_t a = new_file("a"), b = new_file("b");
	int r = 0;

	put(a, 0, bytes, 200000);
	cut();
	atomic_store(&fx.disk.room, 100000);
	for (size_t at = 0; at < 1 << 20 && r == 0; at += 65536)
		r = vault_write(cf.v, b, bytes + at, 65536, at, 0);
	if (r == 0)
		r = vault_fsync(cf.v, b);
	ck_assert_int_eq(r, -ENOSPC);
	check_bytes(cf.v, a, bytes, 200000);
	atomic_store(&fx.disk.room, DISK_PLENTY);
	put(b, 0, bytes, 1 << 20);
	ck_assert_int_eq(vault_fsync(cf.v, b), 0);
	check_bytes(cf.v, b, bytes, 1 << 20);
	free(bytes);
}
END_TEST

START_TEST(what_could_not_be_stored_stays_and_is_stored_later)
{
	uint8_t *bytes = make_bytes(11, 100000);
	uint64_t ino = new_file("f");
	struct vault *v;

	put(ino, 0, bytes, 100000);
	disk_fail(&fx.disk, DISK_PWRITE, 1, -ENOSPC);
	ck_assert_int_eq(vault_fsync(cf.v, ino), -ENOSPC);
	check_bytes(cf.v, ino, bytes, 100000);
	disk_mend(&fx.disk);
	ck_assert_int_eq(vault_fsync(cf.v, ino), 0);
	check_bytes(cf.v, ino, bytes, 100000);
	v = replay();
	check_bytes(v, ino, bytes, 100000);
	free_replayed(v);
	free(bytes);
}
END_TEST

START_TEST(what_a_lost_frame_told_is_told_by_the_next)
{
	uint8_t *bytes = make_bytes(12, 100000);
	uint64_t ino = new_file("f");
	struct vault *v;

	put(ino, 0, bytes, 100000);
	cf.fail_frame = -ENOSPC;
	ck_assert_int_eq(commit_cut(cf.v, NULL, 0), -ENOSPC);
	cf.fail_frame = 0;
	cut();
	v = replay();
	check_bytes(v, ino, bytes, 100000);
	free_replayed(v);
	free(bytes);
}
END_TEST

START_TEST(packs_that_cannot_be_written_go_to_the_stage)
{
	uint8_t *bytes = make_bytes(13, 3 << 20);
	uint64_t ino = new_file("f");

	fx.disk.no_tmpfile = -EROFS;
	for (size_t at = 0; at < 3 << 20; at += 1 << 16)
		put(ino, at, bytes + at, 1 << 16);
	cut();
	ck_assert_uint_eq(cf.packs.len, 0);
	ck_assert_uint_gt(staged(), 3 << 20);
	check_bytes(cf.v, ino, bytes, 3 << 20);
	free(bytes);
}
END_TEST

START_TEST(a_failed_sync_is_told_and_not_forgotten)
{
	uint8_t *bytes = make_bytes(14, 100000);
	uint64_t ino = new_file("f");

	put(ino, 0, bytes, 100000);
	disk_fail(&fx.disk, DISK_FDATASYNC, 1, -EIO);
	ck_assert_int_eq(commit_cut(cf.v, NULL, 0), -EIO);
	disk_mend(&fx.disk);
	/* Nothing new is staged, and still it is not durable. */
	ck_assert_int_lt(commit_cut(cf.v, NULL, 0), 0);
	check_bytes(cf.v, ino, bytes, 100000);
	free(bytes);
}
END_TEST

START_TEST(damage_is_an_error_never_other_bytes)
{
	uint8_t *bytes = make_bytes(15, 40000);
	uint64_t ino = new_file("f");
	uint8_t got;

	put(ino, 0, bytes, 40000);
	/* A byte of the last sub-block, after all that is checked first. */
	fx.disk.flip_at = PACK_HEADER_BYTES + 30000;
	cut();
	fx.disk.flip_at = 0;
	ck_assert_int_eq(vault_read(cf.v, ino, 0, 40000, &rd), ERR_BAD_SEAL);
	ck_assert_int_eq(vault_pread(cf.v, ino, &got, 1, 0), 1);
	ck_assert_uint_eq(got, bytes[0]);
	free(bytes);
}
END_TEST

static void ignore(enum diag_level level, const char *line)
{
	(void)level;
	(void)line;
}

/* A failure of the index's own memory ends its life: then nothing but errors
 * come, and no memory is lost. */
START_TEST(every_allocation_may_fail)
{
	uint8_t *bytes = make_bytes(16, 40000);
	uint64_t ino = new_file("f");
	int r;

	put(ino, 0, bytes, 20000);
	cut();
	put(ino, 20000, bytes + 20000, 500);
	diag_set_sink(ignore);
	mem_fail_nth((unsigned long)_i, false);
	r = vault_write(cf.v, ino, bytes + 10000, 30000, 10000, 0);
	if (r == 0)
		r = content_truncate(cf.v, ino, 39000);
	if (r == 0)
		r = vault_fsync(cf.v, ino);
	ck_assert(mem_fail_hit() || r == 0);
	mem_fail_nth(0, false);
	if (index_state(cf.v->index) == 0 &&
	    !atomic_load(&cf.v->is_read_only)) {
		check_bytes(cf.v, ino, bytes, size_of(cf.v, ino));
		put(ino, 10000, bytes + 10000, 30000);
		ck_assert_int_eq(vault_fsync(cf.v, ino), 0);
		check_bytes(cf.v, ino, bytes, 40000);
	}
	free(bytes);
}
END_TEST

/* Errors that go on until the disk is mended; what was written before is there
 * all the while, what is written again then is there at last. */
static void fail_and_mend(enum disk_call call, int nth, int err, bool *ret_hit)
{
	static uint8_t want[200000];
	static uint64_t ino;
	uint64_t at = (uint64_t)nth * 3001 % 100000;
	uint8_t *bytes = make_bytes((uint64_t)nth + 1000, 60000);
	int before, r;

	if (nth == 1) {
		ino = new_file("f");
		put(ino, 0, want, sizeof(want));
		cut();
	}
	before = atomic_load(&fx.disk.n[call]);
	disk_fail(&fx.disk, call, nth, err);
	r = vault_write(cf.v, ino, bytes, 60000, at, 0);
	if (r == 0)
		memcpy(want + at, bytes, 60000);
	if (r == 0)
		r = commit_cut(cf.v, NULL, 0);
	*ret_hit = atomic_load(&fx.disk.n[call]) - before >= nth;
	disk_mend(&fx.disk);
	ck_assert(*ret_hit || r == 0);
	check_bytes(cf.v, ino, want, sizeof(want));
	publish_stage();
	cut();
	check_bytes(cf.v, ino, want, sizeof(want));
	free(bytes);
}

START_TEST(every_call_to_the_disk_may_fail)
{
	static const struct {
		enum disk_call call;
		int err;
	} cases[] = {
		{ DISK_PWRITE, -ENOSPC },   { DISK_PWRITE, -EIO },
		{ DISK_OPEN, -EMFILE },	    { DISK_OPEN, -ENOSPC },
		{ DISK_ALLOCATE, -ENOSPC }, { DISK_ALLOCATE, -EIO },
	};
	struct vault *v;
	bool hit = true;

	for (int nth = 1; hit && nth < 60; nth++)
		fail_and_mend(cases[_i].call, nth, cases[_i].err, &hit);
	ck_assert(!hit);
	v = replay();
	free_replayed(v);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("content faults");
	TCase *tc = tcase_create("faults");
	TCase *calls = tcase_create("disk calls");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(tc, content_make_tiny, content_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_full_disk_is_told_by_the_write_and_harms_nothing);
	tcase_add_test(tc, what_could_not_be_stored_stays_and_is_stored_later);
	tcase_add_test(tc, what_a_lost_frame_told_is_told_by_the_next);
	tcase_add_test(tc, packs_that_cannot_be_written_go_to_the_stage);
	tcase_add_test(tc, a_failed_sync_is_told_and_not_forgotten);
	tcase_add_test(tc, damage_is_an_error_never_other_bytes);
	tcase_add_loop_test(tc, every_allocation_may_fail, 1, 120);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(calls, content_make_tiny, content_remove);
	tcase_set_timeout(calls, 120);
	tcase_add_loop_test(calls, every_call_to_the_disk_may_fail, 0, 6);
	suite_add_tcase(s, calls);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
