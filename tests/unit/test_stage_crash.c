/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "stage_fixture.h"
#include "store/stage_priv.h"
#include "tempdir.h"

/* ---- failed syncs ---- */

START_TEST(failed_sync_is_for_good)
{
	struct content_id id = { { 0 } };
	struct pack_entry e = { .plain_bytes = 1 };
	struct staged s, t;
	uint64_t below = 77;

	append_well(1, 1000, &s);
	disk_fail(&fx.disk, DISK_FDATASYNC, 1, -EIO);
	ck_assert_int_eq(stage_sync(stage), -EIO);
	disk_mend(&fx.disk);
	ck_assert_int_eq(stage_sync(stage), ERR_DEAD_WRITER);
	ck_assert_int_eq(append(2, 10, &t), ERR_DEAD_WRITER);
	ck_assert_int_eq(stage_rotate(stage, &below), ERR_DEAD_WRITER);
	ck_assert_uint_eq(below, 77);
	ck_assert_int_eq(stage_reserve(stage, 10), ERR_DEAD_WRITER);
	ck_assert_int_eq(stage_drop_below(stage, 1), ERR_DEAD_WRITER);
	e.id = id;
	ck_assert_int_lt(stage_restore(stage, 0, &e, (const uint8_t *)"x"), 0);
	ck_assert_int_eq(fx.disk.n[DISK_FDATASYNC], 1);
	/* Reading goes on, and a new stage behind it. */
	ck_assert_int_eq(read_staged(&s), 0);
	reopen_stage(2);
	append_well(3, 10, &t);
	ck_assert_int_eq(stage_sync(stage), 0);
}
END_TEST

START_TEST(failed_sync_of_the_folder_is_for_good)
{
	struct staged s;

	append_well(1, 1000, &s);
	disk_fail(&fx.disk, DISK_FSYNC, 1, -EIO);
	ck_assert_int_eq(stage_sync(stage), -EIO);
	disk_mend(&fx.disk);
	ck_assert_int_eq(stage_sync(stage), ERR_DEAD_WRITER);
}
END_TEST

/* ---- after a crash ---- */

static int restore(const struct staged *s)
{
	uint8_t *plain = make_bytes(s->seed, s->e.plain_bytes);
	int r = stage_restore(stage, s->file, &s->e, plain);

	free(plain);
	return r;
}

START_TEST(restored_records_are_the_same_bytes)
{
	struct staged s[5];
	uint8_t *before, *after;
	size_t n, m;

	for (uint64_t i = 0; i < 5; i++)
		append_well(i, (uint32_t)(i * 9000 + 1), &s[i]);
	before = read_stage_file(1, &n);
	/* Every kind of loss: the file, its header, a tail, a hole. */
	for (int kind = 0; kind < 4; kind++) {
		uint8_t *damaged = malloc(n);

		ck_assert_ptr_nonnull(damaged);
		memcpy(damaged, before, n);
		if (kind == 0)
			ck_assert_int_eq(
				unlinkat(fx.stage_fd, stage_name(1), 0), 0);
		else if (kind == 1)
			write_stage_file(1, "", 0);
		else if (kind == 2)
			write_stage_file(1, before, n / 2);
		else
			write_stage_file(1, memset(damaged, 0, n), n);
		reopen_stage(2);
		for (size_t i = 0; i < 5; i++)
			ck_assert_int_eq(restore(&s[i]), 0);
		ck_assert_int_eq(stage_sync(stage), 0);
		after = read_stage_file(1, &m);
		ck_assert_uint_eq(n, m);
		ck_assert_mem_eq(before, after, n);
		for (size_t i = 0; i < 5; i++)
			ck_assert_int_eq(read_staged(&s[i]), 0);
		ck_assert_uint_eq(stage_bytes(stage), n);
		free(after);
		free(damaged);
	}
	free(before);
	/* Synced, the file is closed again. */
	ck_assert_int_eq(stage_drop_below(stage, 2), 0);
	ck_assert(!stage_exists(1));
}
END_TEST

START_TEST(restoring_syncs_the_file_and_its_name)
{
	struct staged s;
	int files, names;

	append_well(1, 100, &s);
	ck_assert_int_eq(unlinkat(fx.stage_fd, stage_name(1), 0), 0);
	reopen_stage(2);
	files = fx.disk.n[DISK_FDATASYNC];
	names = fx.disk.n[DISK_FSYNC];
	ck_assert_int_eq(restore(&s), 0);
	ck_assert_int_eq(stage_sync(stage), 0);
	ck_assert_int_eq(fx.disk.n[DISK_FDATASYNC], files + 1);
	ck_assert_int_eq(fx.disk.n[DISK_FSYNC], names + 1);
}
END_TEST

/* A nonce must never serve two plaintexts. */
START_TEST(restoring_other_bytes_is_refused)
{
	struct staged s;
	uint8_t *before, *after;
	size_t n, m;

	append_well(1, 100, &s);
	before = read_stage_file(1, &n);
	reopen_stage(2);
	s.seed = 2;
	ck_assert_int_eq(restore(&s), ERR_DAMAGED);
	after = read_stage_file(1, &m);
	ck_assert_uint_eq(n, m);
	ck_assert_mem_eq(before, after, n);
	free(before);
	free(after);
}
END_TEST

START_TEST(restoring_into_the_present_file_is_refused)
{
	struct staged s;

	append_well(1, 100, &s);
	ck_assert_int_eq(restore(&s), -EINVAL);
	s.e.offset = STAGE_FILE_MAX_BYTES;
	reopen_stage(2);
	ck_assert_int_eq(restore(&s), ERR_LIMIT);
}
END_TEST

START_TEST(link_in_place_of_a_lost_file_is_not_followed)
{
	struct staged s;

	append_well(1, 100, &s);
	reopen_stage(2);
	ck_assert_int_eq(unlinkat(fx.stage_fd, stage_name(1), 0), 0);
	tempdir_put("elsewhere", "x", 1);
	ck_assert_int_eq(symlinkat("../elsewhere", fx.stage_fd, stage_name(1)),
			 0);
	ck_assert_int_eq(restore(&s), ERR_DAMAGED);
	ck_assert(tempdir_has("elsewhere", "x", 1));
	ck_assert_int_eq(read_staged(&s), ERR_DAMAGED);
}
END_TEST

START_TEST(damage_to_staged_records_is_noticed)
{
	struct staged a, b;
	uint8_t *data;
	size_t n;

	append_well(1, 20000, &a);
	append_well(2, 20000, &b);
	data = read_stage_file(1, &n);
	for (size_t at = 0; at < n; at += at < 64 ? 1 : 397) {
		data[at] ^= 4;
		write_stage_file(1, data, n);
		fixture_reopen();
		ck_assert_int_lt(read_staged(at < b.e.offset ? &a : &b), 0);
		data[at] ^= 4;
	}
	write_stage_file(1, data, n - 1);
	fixture_reopen();
	ck_assert_int_eq(read_staged(&a), 0);
	ck_assert_int_eq(read_staged(&b), ERR_TRUNCATED);
	stage->store = fx.store;
	free(data);
}
END_TEST

START_TEST(another_devices_stage_file_is_noticed)
{
	struct staged s;

	append_well(1, 100, &s);
	fx.opts.writer++;
	fixture_reopen();
	stage->store = fx.store;
	ck_assert_int_eq(read_staged(&s), ERR_BAD_NAME);
}
END_TEST

START_TEST(without_state_there_is_no_stage_to_read)
{
	struct staged s;

	append_well(1, 100, &s);
	fx.opts.local = NULL;
	fx.opts.stage_dirfd = -1;
	fixture_reopen();
	stage->store = fx.store;
	ck_assert_int_eq(read_staged(&s), ERR_MISSING);
}
END_TEST

struct listing {
	int n;
	uint64_t files[8], bytes[8];
};

static int note_file(void *arg, uint64_t file, uint64_t bytes)
{
	struct listing *l = arg;

	ck_assert_int_lt(l->n, 8);
	l->files[l->n] = file;
	l->bytes[l->n++] = bytes;
	return 0;
}

START_TEST(files_are_listed_in_order)
{
	static const uint64_t files[] = { 0x100, 3, 0x20, 0xffffffffff };
	struct listing l = { .n = 0 };

	for (size_t i = 0; i < array_len(files); i++)
		write_stage_file(files[i], "12345678", i);
	write_path("../stage/lock", "", 0);
	write_path("../stage/000000000000001", "", 0);
	write_path("../stage/00000000000000010", "", 0);
	write_path("../stage/000000000000001G", "", 0);
	ck_assert_int_eq(stage_list(fx.store, note_file, &l), 0);
	ck_assert_int_eq(l.n, 4);
	ck_assert_uint_eq(l.files[0], 3);
	ck_assert_uint_eq(l.files[1], 0x20);
	ck_assert_uint_eq(l.files[2], 0x100);
	ck_assert_uint_eq(l.files[3], 0xffffffffff);
	ck_assert_uint_eq(l.bytes[0], 1);
	ck_assert_uint_eq(l.bytes[2], 0);
}
END_TEST

START_TEST(files_found_count_until_they_are_dropped)
{
	struct staged s;
	uint64_t bytes;

	append_well(1, 5000, &s);
	bytes = stage_bytes(stage);
	reopen_stage(9);
	ck_assert_uint_eq(stage_bytes(stage), bytes);
	ck_assert_int_eq(stage_drop_below(stage, 9), 0);
	ck_assert_uint_eq(stage_bytes(stage), 0);
	ck_assert(!stage_exists(1));
}
END_TEST

START_TEST(what_is_no_file_in_the_stage_is_damage)
{
	struct listing l = { .n = 0 };
	struct stage *other = NULL;

	ck_assert_int_eq(mkfifoat(fx.stage_fd, stage_name(1), 0600), 0);
	ck_assert_int_eq(stage_list(fx.store, note_file, &l), ERR_DAMAGED);
	ck_assert_int_eq(stage_open(fx.store, 2, &other), ERR_DAMAGED);
	ck_assert_ptr_null(other);
}
END_TEST

START_TEST(want_of_memory_leaves_no_trace)
{
	bool hit = true;

	for (unsigned long nth = 1; hit; nth++) {
		struct staged s = { .file = 0 };
		uint64_t bytes = stage_bytes(stage);
		int r;

		mem_fail_nth(nth, false);
		r = append(1, 100, &s);
		hit = mem_fail_hit();
		mem_fail_nth(0, false);
		ck_assert_int_eq(r, hit ? -ENOMEM : 0);
		if (!hit)
			ck_assert_int_eq(read_staged(&s), 0);
		else
			ck_assert_uint_le(stage_bytes(stage),
					  bytes + PACK_HEADER_BYTES);
	}
	rotate();
	ck_assert_int_eq(check_tail(1), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stage_crash");
	TCase *tc = tcase_create("stage_crash");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, stage_fixture_make, stage_fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, failed_sync_is_for_good);
	tcase_add_test(tc, failed_sync_of_the_folder_is_for_good);
	tcase_add_test(tc, restored_records_are_the_same_bytes);
	tcase_add_test(tc, restoring_syncs_the_file_and_its_name);
	tcase_add_test(tc, restoring_other_bytes_is_refused);
	tcase_add_test(tc, restoring_into_the_present_file_is_refused);
	tcase_add_test(tc, link_in_place_of_a_lost_file_is_not_followed);
	tcase_add_test(tc, damage_to_staged_records_is_noticed);
	tcase_add_test(tc, another_devices_stage_file_is_noticed);
	tcase_add_test(tc, without_state_there_is_no_stage_to_read);
	tcase_add_test(tc, files_are_listed_in_order);
	tcase_add_test(tc, files_found_count_until_they_are_dropped);
	tcase_add_test(tc, what_is_no_file_in_the_stage_is_damage);
	tcase_add_test(tc, want_of_memory_leaves_no_trace);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
