/* SPDX-License-Identifier: ISC */
/* Room that is not there: the quota, and what fallocate promises. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include <check.h>

#include "base/mem.h"
#include "content_fixture.h"
#include "vault/log/commit.h"

#define KIB ((size_t)1 << 10)
#define QUOTA (400 * KIB)
/* Records are a little longer than what they hold: known once sealed. */
#define TAGS (QUOTA / 256)

static void make_with_quota(void)
{
	content_make_tiny();
	cf.v->opts.quota_bytes = QUOTA;
}

static uint64_t used(void)
{
	uint64_t bytes = 0;

	ck_assert_int_eq(content_used_bytes(cf.v, &bytes), 0);
	return bytes;
}

/* Fills a file until it is told to stop; returns its size. */
static uint64_t fill(uint64_t ino, uint64_t seed)
{
	uint8_t *bytes = make_bytes(seed, QUOTA * 2);
	uint64_t at = 0;
	int r = 0;

	while (r == 0) {
		ck_assert_uint_lt(at, QUOTA * 2);
		r = vault_write(cf.v, ino, bytes + at, 10 * KIB, at, 0);
		at += r == 0 ? 10 * KIB : 0;
	}
	ck_assert_int_eq(r, -EDQUOT);
	check_bytes(cf.v, ino, bytes, at);
	free(bytes);
	return at;
}

START_TEST(a_write_beyond_the_quota_is_refused_and_harms_nothing)
{
	uint64_t a = new_file("a"), b = new_file("b"), size = fill(a, 1);
	uint8_t *bytes = make_bytes(1, QUOTA * 2);

	ck_assert_uint_gt(size, QUOTA - TAGS - 10 * KIB);
	ck_assert_uint_le(used(), QUOTA + TAGS);
	ck_assert_int_eq(vault_write(cf.v, b, bytes, 20 * KIB, 0, 0), -EDQUOT);
	ck_assert_uint_eq(size_of(cf.v, b), 0);
	ck_assert_int_eq(vault_fsync(cf.v, a), 0);
	check_bytes(cf.v, a, bytes, size);
	/* Names and attributes need no quota. */
	ck_assert_uint_ne(new_file("c"), 0);
	free(bytes);
}
END_TEST

START_TEST(what_is_cut_off_or_deleted_gives_room_at_once)
{
	const struct vault_name name = { "b", 1 };
	uint64_t a = new_file("a"), b = new_file("b"), size = fill(a, 1);

	ck_assert_int_eq(content_truncate(cf.v, a, 0), 0);
	ck_assert_uint_eq(fill(b, 2), size);
	ck_assert_int_eq(vault_unlink(cf.v, VAULT_ROOT_INO, name), 0);
	vault_unhold(cf.v, b, 1);
	ck_assert_uint_eq(fill(a, 3), size);
	/* Again and again, as long as there is room for old and new. */
	ck_assert_int_eq(content_truncate(cf.v, a, size / 3), 0);
	for (uint64_t seed = 10; seed < 16; seed++) {
		uint8_t *bytes = make_bytes(seed, size / 3);

		put(a, 0, bytes, size / 3);
		check_bytes(cf.v, a, bytes, size / 3);
		free(bytes);
	}
}
END_TEST

START_TEST(what_is_there_twice_counts_once)
{
	uint64_t a = new_file("a"), b = new_file("b"), c = new_file("c");
	uint8_t *bytes = make_bytes(5, QUOTA);
	uint64_t before;

	cf.v->opts.quota_bytes = 500 * KIB;
	put(a, 0, bytes, 300 * KIB);
	cut();
	before = used();
	ck_assert_uint_ge(before, 300 * KIB);
	ck_assert_int_eq(vault_copy_range(cf.v, a, 0, b, 0, 300 * KIB),
			 300 * KIB);
	cut();
	ck_assert_uint_eq(used(), before);
	for (size_t at = 0; at < 300 * KIB; at += 50 * KIB)
		put(c, at, bytes + at, 50 * KIB);
	cut();
	/* A cut in the middle of a stream ends a chunk. */
	ck_assert_uint_lt(used(), before + 150 * KIB);
	check_bytes(cf.v, b, bytes, 300 * KIB);
	check_bytes(cf.v, c, bytes, 300 * KIB);
	free(bytes);
}
END_TEST

START_TEST(a_copy_keeps_what_it_was_made_of_in_use)
{
	const struct vault_name name = { "a", 1 };
	uint64_t a = new_file("a"), b = new_file("b"), c = new_file("c");
	uint64_t size = fill(a, 1);
	uint8_t *bytes = make_bytes(1, QUOTA * 2);

	ck_assert_int_eq(vault_copy_range(cf.v, a, 0, b, 0, size),
			 (ssize_t)size);
	ck_assert_int_eq(vault_unlink(cf.v, VAULT_ROOT_INO, name), 0);
	vault_unhold(cf.v, a, 1);
	ck_assert_int_eq(vault_write(cf.v, c, bytes, 20 * KIB, 0, 0), -EDQUOT);
	check_bytes(cf.v, b, bytes, size);
	free(bytes);
}
END_TEST

START_TEST(short_files_count_too_and_nothing_is_left_of_them)
{
	uint64_t ino[200];
	uint8_t *bytes = make_bytes(6, 700);

	cf.v->opts.quota_bytes = 200 * 700;
	for (unsigned i = 0; i < array_len(ino); i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		ino[i] = new_file(name);
		put(ino[i], 0, bytes, 700);
		if (i % 50 == 0)
			cut();
	}
	cut();
	ck_assert_uint_eq(used(), 200 * 700);
	ck_assert_int_eq(vault_write(cf.v, ino[0], bytes, 700, 700, 0),
			 -EDQUOT);
	/* Rows are cut, replaced, punched and copied. */
	ck_assert_int_eq(content_truncate(cf.v, ino[0], 300), 0);
	put(ino[1], 100, bytes, 100);
	ck_assert_int_eq(vault_fallocate(cf.v, ino[2],
					 VAULT_ALLOCATE_PUNCH |
						 VAULT_ALLOCATE_KEEP_SIZE,
					 10, 90),
			 0);
	cut();
	ck_assert_uint_eq(used(), 200 * 700 - 400 - 90);
	ck_assert_int_eq(vault_copy_range(cf.v, ino[3], 0, ino[2], 10, 90), 90);
	cut();
	ck_assert_uint_eq(used(), 200 * 700 - 400);
	for (unsigned i = 0; i < array_len(ino); i++)
		ck_assert_int_eq(content_truncate(cf.v, ino[i], 0), 0);
	cut();
	ck_assert_uint_eq(used(), 0);
	free(bytes);
}
END_TEST

static void leave_on_disk(uint64_t bytes)
{
	struct statvfs st;

	ck_assert_int_eq(vault_statvfs(cf.v, &st), 0);
	fx.disk.blocks_free = bytes / st.f_frsize;
}

static void check_statvfs(void)
{
	struct statvfs st;
	uint64_t now = used();

	ck_assert_int_eq(vault_statvfs(cf.v, &st), 0);
	ck_assert_uint_eq(st.f_blocks, QUOTA / st.f_frsize);
	ck_assert_uint_eq(st.f_bfree, (QUOTA - now) / st.f_frsize);
	ck_assert_uint_eq(st.f_bavail, st.f_bfree);
}

START_TEST(statvfs_tells_what_the_quota_leaves)
{
	uint64_t ino = new_file("f");
	uint8_t *bytes = make_bytes(7, 100 * KIB);
	struct statvfs st;

	check_statvfs();
	put(ino, 0, bytes, 100 * KIB);
	check_statvfs();
	cut();
	ck_assert_uint_ge(used(), 100 * KIB);
	check_statvfs();
	publish_stage();
	check_statvfs();
	ck_assert_int_eq(content_truncate(cf.v, ino, 0), 0);
	cut();
	check_statvfs();
	ck_assert_uint_eq(used(), 0);
	/* The disk may have less, and some of it is for the log. */
	leave_on_disk(1200 * KIB);
	ck_assert_int_eq(vault_statvfs(cf.v, &st), 0);
	ck_assert_uint_gt(st.f_bavail, 0);
	ck_assert_uint_le(st.f_bavail, 176 * KIB / st.f_frsize);
	ck_assert_uint_eq(st.f_bfree, QUOTA / st.f_frsize);
	free(bytes);
}
END_TEST

START_TEST(allocating_asks_for_room_where_there_is_no_data)
{
	uint64_t ino = new_file("f");
	uint8_t *bytes = make_bytes(8, 300 * KIB);

	put(ino, 80 * KIB, bytes, 300 * KIB);
	/* What is data already needs no room. */
	ck_assert_int_eq(vault_fallocate(cf.v, ino, 0, 0, 380 * KIB), 0);
	ck_assert_int_eq(vault_fallocate(cf.v, ino, 0, 0, 600 * KIB), -EDQUOT);
	ck_assert_int_eq(vault_fallocate(cf.v, ino, VAULT_ALLOCATE_KEEP_SIZE,
					 1 * KIB, 600 * KIB),
			 -EDQUOT);
	ck_assert_int_eq(vault_fallocate(cf.v, ino, VAULT_ALLOCATE_ZERO, 0,
					 900 * KIB),
			 -EDQUOT);
	ck_assert_uint_eq(size_of(cf.v, ino), 380 * KIB);
	/* Punching never needs any; what it frees counts at once. */
	ck_assert_int_eq(vault_fallocate(cf.v, ino,
					 VAULT_ALLOCATE_PUNCH |
						 VAULT_ALLOCATE_KEEP_SIZE,
					 0, 4000 * KIB),
			 0);
	ck_assert_int_eq(vault_fallocate(cf.v, ino, 0, 0, 390 * KIB), 0);
	cf.v->opts.quota_bytes = 0;
	leave_on_disk(2000 * KIB);
	ck_assert_int_eq(vault_fallocate(cf.v, ino, 0, 0, 1000 * KIB), -ENOSPC);
	ck_assert_int_eq(vault_fallocate(cf.v, ino, 0, 0, 390 * KIB), 0);
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("quota");
	TCase *t = tcase_create("quota");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(t, make_with_quota, content_remove);
	tcase_set_timeout(t, 60);
	tcase_add_test(t,
		       a_write_beyond_the_quota_is_refused_and_harms_nothing);
	tcase_add_test(t, what_is_cut_off_or_deleted_gives_room_at_once);
	tcase_add_test(t, what_is_there_twice_counts_once);
	tcase_add_test(t, a_copy_keeps_what_it_was_made_of_in_use);
	tcase_add_test(t, short_files_count_too_and_nothing_is_left_of_them);
	tcase_add_test(t, statvfs_tells_what_the_quota_leaves);
	tcase_add_test(t, allocating_asks_for_room_where_there_is_no_data);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
