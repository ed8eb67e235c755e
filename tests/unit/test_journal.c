/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "format/segment.h"
#include "journal_fixture.h"
#include "tempdir.h"

/* ---- the common way ---- */

START_TEST(empty_folder_is_an_empty_journal)
{
	ck_assert_uint_eq(replayed.n, 0);
	ck_assert_uint_eq(journal_next_number(journal), 1);
	ck_assert_int_eq(tempdir_count(), 0);
}
END_TEST

START_TEST(frames_are_replayed_in_order)
{
	static const size_t sizes[] = { 0, 1, 4000, 4016, 4017, 100000, 7 };

	ck_assert_int_eq(begin(), 0);
	ck_assert_uint_eq(journal_file_number(journal), 1);
	for (size_t i = 0; i < array_len(sizes); i++)
		append_well((uint8_t)i, sizes[i]);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 1 + array_len(sizes));
	ck_assert_int_eq(replayed.types[0], FRAME_MARKS);
	ck_assert_uint_eq(replayed.bytes[0], 200);
	for (unsigned i = 0; i < array_len(sizes); i++) {
		ck_assert_int_eq(replayed.types[i + 1], FRAME_CUT);
		ck_assert_uint_eq(replayed.bytes[i + 1], sizes[i]);
		if (sizes[i] > 0)
			ck_assert_uint_eq(replayed.first[i + 1], i);
	}
	ck_assert_uint_eq(journal_next_number(journal), 2 + array_len(sizes));
}
END_TEST

START_TEST(numbers_run_on_from_file_to_file)
{
	for (uint64_t i = 0; i < 4; i++) {
		ck_assert_int_eq(begin(), 0);
		ck_assert_uint_eq(journal_file_number(journal), 3 * i + 1);
		append_well(1, 10);
		append_well(2, 10);
		if (i % 2 == 1)
			ck_assert_int_eq(open_again(), 0);
	}
	assert_replayed(1, 12);
	ck_assert(exists(name_of(1)) && exists(name_of(10)));
	ck_assert_int_eq(tempdir_count(), 4);
}
END_TEST

START_TEST(frames_start_at_multiples_of_their_alignment)
{
	static const char magic[] = "COFFERJ1";
	uint8_t *data;
	size_t n;

	ck_assert_int_eq(begin(), 0);
	append_well(1, 4016); /* with header and tag just 4096 */
	append_well(2, 4017);
	append_well(3, 1);
	ck_assert_uint_eq(journal_file_bytes(journal), 5 * FRAME_ALIGN);
	data = read_whole(name_of(1), &n);
	for (size_t at = 0; at < 6 * FRAME_ALIGN; at += FRAME_ALIGN)
		ck_assert_int_eq(memcmp(data + at, magic, 8) == 0,
				 at != 3 * FRAME_ALIGN && at < 5 * FRAME_ALIGN);
	free(data);
}
END_TEST

/* An overwrite of zeros already there: the sync needs no metadata. */
START_TEST(append_overwrites_and_syncs_once)
{
	int syncs, files;

	ck_assert_int_eq(begin(), 0);
	ck_assert_uint_eq(size_of(name_of(1)), STEP);
	syncs = disk.n[DISK_FDATASYNC];
	files = disk.n[DISK_FSYNC];
	disk.room = 0;
	for (int i = 0; i < 255; i++)
		append_well(1, 10);
	ck_assert_uint_eq(size_of(name_of(1)), STEP);
	ck_assert_int_eq(disk.n[DISK_FDATASYNC], syncs + 255);
	ck_assert_int_eq(disk.n[DISK_FSYNC], files);
	/* The next one needs a step more. */
	ck_assert_int_eq(append(1, 10), -ENOSPC);
	disk_mend(&disk);
	append_well(1, 10);
	ck_assert_uint_eq(size_of(name_of(1)), 2 * STEP);
	ck_assert_uint_eq(journal_file_bytes(journal), STEP + FRAME_ALIGN);
}
END_TEST

START_TEST(large_frames_extend_the_file)
{
	ck_assert_int_eq(begin(), 0);
	append_well(1, 3 * STEP + 5);
	append_well(2, 5);
	append_well(3, STEP);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 4);
	ck_assert_uint_eq(replayed.bytes[1], 3 * STEP + 5);
	ck_assert_uint_eq(replayed.bytes[3], STEP);
}
END_TEST

START_TEST(frames_beyond_the_limit_are_refused)
{
	uint8_t *body = calloc(1, FRAME_BODY_MAX + 1);
	uint64_t number;

	ck_assert_ptr_nonnull(body);
	ck_assert_int_eq(begin(), 0);
	ck_assert_int_eq(journal_append(journal, FRAME_CUT, body,
					FRAME_BODY_MAX + 1, &number),
			 ERR_LIMIT);
	ck_assert_int_eq(journal_begin_file(journal, body, FRAME_BODY_MAX + 1),
			 ERR_LIMIT);
	append_well(1, 10);
	ck_assert_int_eq(journal_append(journal, FRAME_CUT, body,
					FRAME_BODY_MAX, &number),
			 0);
	free(body);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 3);
}
END_TEST

START_TEST(callers_error_ends_the_replay)
{
	ck_assert_int_eq(begin(), 0);
	append_well(1, 10);
	replayed.answer = -ECANCELED;
	ck_assert_int_eq(open_again(), -ECANCELED);
	ck_assert_uint_eq(replayed.n, 1);
	ck_assert_ptr_null(journal);
}
END_TEST

START_TEST(begun_file_is_durable_before_it_has_its_name)
{
	ck_assert_int_eq(begin(), 0);
	ck_assert_int_eq(disk.n[DISK_FDATASYNC], 1);
	ck_assert_int_eq(disk.n[DISK_RENAME], 1);
	ck_assert_int_eq(disk.n[DISK_FSYNC], 1);
	/* Stopped at the sync: nothing has changed. */
	append_well(1, 10);
	disk_fail(&disk, DISK_FDATASYNC, 1, -EIO);
	ck_assert_int_eq(begin(), -EIO);
	ck_assert(!exists(name_of(3)));
	ck_assert_int_eq(disk.n[DISK_RENAME], 1);
	disk_mend(&disk);
	ck_assert_int_eq(begin(), ERR_DEAD_WRITER);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 2);
	ck_assert_int_eq(begin(), 0);
}
END_TEST

/* ---- dropping and using again ---- */

START_TEST(drop_removes_files_all_below)
{
	make_files(4); /* numbered 1, 4, 7, 10 */
	ck_assert_int_eq(journal_drop_below(journal, 3), 0);
	ck_assert(exists(name_of(1)));
	ck_assert_int_eq(journal_drop_below(journal, 9), 0);
	ck_assert(!exists(name_of(1)) && !exists(name_of(4)));
	ck_assert(exists(name_of(7)) && exists(name_of(10)));
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(7, 12);
	ck_assert_int_eq(begin(), 0);
	ck_assert_int_eq(journal_drop_below(journal, UINT64_MAX), 0);
	ck_assert(exists(name_of(13)));
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(13, 13);
}
END_TEST

/* Were a later file gone before an earlier one, a crash would leave a gap. */
START_TEST(files_are_dropped_in_order_and_durably)
{
	int syncs;

	make_files(4);
	syncs = disk.n[DISK_FSYNC];
	disk_fail(&disk, DISK_FSYNC, 1, -EIO);
	ck_assert_int_eq(journal_drop_below(journal, 10), -EIO);
	ck_assert(!exists(name_of(1)) && exists(name_of(4)));
	disk_mend(&disk);
	ck_assert_int_eq(journal_drop_below(journal, 10), 0);
	ck_assert_int_eq(disk.n[DISK_FSYNC], syncs + 4);
	ck_assert(!exists(name_of(4)) && !exists(name_of(7)));
}
END_TEST

START_TEST(dropped_file_is_used_again_without_its_old_frames)
{
	ino_t inode;

	/* Many frames, so that old ones stand behind every new one. */
	ck_assert_int_eq(begin(), 0);
	for (int i = 0; i < 20; i++)
		append_well(0xaa, 100);
	inode = inode_of(name_of(1));
	ck_assert_int_eq(begin(), 0);
	append_well(0xbb, 100);
	ck_assert_int_eq(journal_drop_below(journal, 22), 0);
	ck_assert_int_eq(begin(), 0);
	ck_assert_uint_eq(inode_of(name_of(24)), inode);
	for (uint64_t last = 24; last < 34; last++) {
		assert_on_disk(22, last);
		append_well(0xcc, 100);
	}
}
END_TEST

START_TEST(torn_frame_in_a_used_file_is_dropped)
{
	uint8_t *old, *now;
	size_t n, m;

	ck_assert_int_eq(begin(), 0);
	for (int i = 0; i < 20; i++)
		append_well(0xaa, 2000);
	old = read_whole(name_of(1), &n);
	ck_assert_int_eq(begin(), 0);
	ck_assert_int_eq(journal_drop_below(journal, 22), 0);
	ck_assert_int_eq(begin(), 0);
	append_well(0xcc, 2000);
	append_well(0xcc, 2000);
	now = read_whole(name_of(23), &m);
	ck_assert_uint_eq(n, m);
	/* Sectors of the last frame that never were written hold old ones. */
	for (size_t at = 0; at < 2080; at += SECTOR) {
		change(name_of(23), 2 * FRAME_ALIGN + at,
		       old + 2 * FRAME_ALIGN + at, SECTOR);
		ck_assert_int_eq(open_again(), 0);
		assert_replayed(22, 24);
		change(name_of(23), 0, now, m);
	}
	change(name_of(23), 2 * FRAME_ALIGN, old + 2 * FRAME_ALIGN,
	       FRAME_ALIGN);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(22, 24);
	free(old);
	free(now);
}
END_TEST

/* As where a folder was put back from a copy: the spare file holds frames that
 * would follow just now, but for the journal id. */
START_TEST(old_frames_with_fitting_numbers_do_not_count)
{
	ck_assert_int_eq(begin(), 0);
	for (int i = 0; i < 20; i++)
		append_well(0xaa, 100);
	ck_assert_int_eq(
		renameat(tempdir_fd(), name_of(1), tempdir_fd(), "spare"), 0);
	ck_assert_int_eq(open_again(), 0);
	ck_assert_int_eq(begin(), 0);
	assert_on_disk(1, 1);
	append_well(0xcc, 5000); /* over the old frames 2 and 3 */
	assert_on_disk(1, 2);
	append_well(0xcc, 100);
	assert_on_disk(1, 3);
	ck_assert_uint_eq(replayed.first[2], 0xcc);
}
END_TEST

START_TEST(copy_of_an_older_frame_behind_the_end_does_not_count)
{
	uint8_t *data;
	size_t n;

	ck_assert_int_eq(begin(), 0);
	append_well(1, 10);
	append_well(2, 10);
	data = read_whole(name_of(1), &n);
	change(name_of(1), 3 * FRAME_ALIGN, data + FRAME_ALIGN, FRAME_ALIGN);
	change(name_of(1), 5 * FRAME_ALIGN, data, FRAME_ALIGN);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 3);
	free(data);
}
END_TEST

START_TEST(file_that_does_not_begin_with_marks_is_damage)
{
	struct frame_header h = { .number = 1, .type = FRAME_CUT };
	auto_buf struct buf frame = BUF_INIT(2 * FRAME_ALIGN);

	ck_assert_int_eq(frame_seal(&keys, &h, "x", 1, &frame), 0);
	tempdir_put(name_of(1), frame.data, frame.len);
	ck_assert_int_eq(open_again(), ERR_DAMAGED);
	ck_assert_uint_eq(replayed.n, 0);
}
END_TEST

START_TEST(long_files_are_not_kept)
{
	ck_assert_int_eq(begin(), 0);
	append_well(1, 5 * STEP);
	ck_assert_int_eq(begin(), 0);
	ck_assert_int_eq(journal_drop_below(journal, 3), 0);
	ck_assert_int_eq(tempdir_count(), 1);
}
END_TEST

/* ---- a full disk ---- */

START_TEST(append_to_a_full_disk_leaves_the_journal_as_it_was)
{
	ck_assert_int_eq(begin(), 0);
	append_well(1, 10);
	for (int64_t room = 0; room < 3 * STEP; room += 400000) {
		uint64_t bytes = size_of(name_of(1));

		disk.room = room;
		ck_assert_int_eq(append(2, 4 * STEP), -ENOSPC);
		ck_assert_uint_eq(size_of(name_of(1)), bytes);
		/* What fits still goes in. */
		append_well(3, 10);
		disk_mend(&disk);
	}
	append_well(4, 4 * STEP);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 11);
	for (unsigned i = 2; i < 10; i++)
		ck_assert_uint_eq(replayed.first[i], 3);
	ck_assert_uint_eq(replayed.first[10], 4);
}
END_TEST

/* A disk that copies on write refuses even an overwrite, after any part. */
START_TEST(refused_overwrite_does_no_harm)
{
	disk.copies = true;
	ck_assert_int_eq(begin(), 0);
	append_well(1, 10);
	for (int64_t room = 0; room < 12288; room += 1024) {
		disk.room = room;
		ck_assert_int_eq(append(2, 9000), -ENOSPC);
		disk_mend(&disk);
		if (room % 4096 == 0)
			append_well(3, 10);
	}
	append_well(3, 10);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 6);
	for (unsigned i = 2; i < 6; i++)
		ck_assert_uint_eq(replayed.first[i], 3);
}
END_TEST

/* All of it was written, and still it is the failed one: the file begun after
 * it says so. */
START_TEST(failed_frame_does_not_count_once_another_file_is_begun)
{
	ck_assert_int_eq(begin(), 0);
	append_well(1, 10);
	disk.fail_late = true;
	disk_fail(&disk, DISK_PWRITE, 1, -ENOSPC);
	ck_assert_int_eq(append(2, 9000), -ENOSPC);
	disk_mend(&disk);
	ck_assert_int_eq(begin(), 0);
	append_well(3, 10);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 4);
	ck_assert_int_eq(replayed.types[2], FRAME_MARKS);
	ck_assert_uint_eq(replayed.first[3], 3);
}
END_TEST

START_TEST(file_that_cannot_be_begun_leaves_the_present_one_in_use)
{
	make_files(1);
	for (int64_t room = 0; room < STEP; room += 200000) {
		disk.room = room;
		ck_assert_int_eq(begin(), -ENOSPC);
		disk_mend(&disk);
		ck_assert_int_eq(tempdir_count(), 1);
		append_well(7, 10);
	}
	ck_assert_int_eq(begin(), 0);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 10);
}
END_TEST

START_TEST(full_disk_can_still_take_up_the_spare_file)
{
	make_files(2);
	ck_assert_int_eq(journal_drop_below(journal, 4), 0);
	disk.room = 0;
	ck_assert_int_eq(begin(), 0);
	append_well(1, 10);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(4, 8);
}
END_TEST

/* ---- failed writes ---- */

START_TEST(failed_sync_is_for_good)
{
	int syncs;

	ck_assert_int_eq(begin(), 0);
	append_well(1, 10);
	disk_fail(&disk, DISK_FDATASYNC, 1, -EIO);
	ck_assert_int_eq(append(2, 10), -EIO);
	disk_mend(&disk);
	syncs = disk.n[DISK_FDATASYNC];
	ck_assert_int_eq(append(3, 10), ERR_DEAD_WRITER);
	ck_assert_int_eq(begin(), ERR_DEAD_WRITER);
	ck_assert_int_eq(disk.n[DISK_FDATASYNC], syncs);
	ck_assert_int_eq(open_again(), 0);
	ck_assert_uint_ge(replayed.n, 2);
	ck_assert_uint_eq(replayed.first[1], 1);
}
END_TEST

START_TEST(failed_write_is_for_good)
{
	ck_assert_int_eq(begin(), 0);
	disk_fail(&disk, DISK_PWRITE, 1, -EIO);
	ck_assert_int_eq(append(2, 10), -EIO);
	disk_mend(&disk);
	ck_assert_int_eq(append(3, 10), ERR_DEAD_WRITER);
	/* Of the zeros too. */
	ck_assert_int_eq(open_again(), 0);
	ck_assert_int_eq(begin(), 0);
	disk_fail(&disk, DISK_PWRITE, 1, -EIO);
	ck_assert_int_eq(append(2, 2 * STEP), -EIO);
	disk_mend(&disk);
	ck_assert_int_eq(append(3, 10), ERR_DEAD_WRITER);
}
END_TEST

START_TEST(name_that_may_not_be_durable_is_for_good)
{
	static const enum disk_call calls[] = { DISK_RENAME, DISK_FSYNC };

	for (size_t i = 0; i < array_len(calls); i++) {
		ck_assert_int_eq(open_again(), 0);
		ck_assert_int_eq(begin(), 0);
		disk_fail(&disk, calls[i], 1, -EIO);
		ck_assert_int_eq(begin(), -EIO);
		disk_mend(&disk);
		ck_assert_int_eq(append(3, 10), ERR_DEAD_WRITER);
	}
	ck_assert_int_eq(open_again(), 0);
}
END_TEST

START_TEST(want_of_memory_leaves_the_journal_as_it_was)
{
	bool hit = true;

	ck_assert_int_eq(begin(), 0);
	for (unsigned long nth = 1; hit; nth++) {
		int r;

		mem_fail_nth(nth, false);
		r = append(1, 2 * STEP);
		if (r == 0)
			r = begin();
		hit = mem_fail_hit();
		mem_fail_nth(0, false);
		ck_assert_int_eq(r, hit ? -ENOMEM : 0);
	}
	append_well(1, 10);
	hit = true;
	for (unsigned long nth = 1; hit; nth++) {
		int r;

		mem_fail_nth(nth, false);
		r = open_again();
		hit = mem_fail_hit();
		mem_fail_nth(0, false);
		ck_assert_int_eq(r, hit ? -ENOMEM : 0);
	}
}
END_TEST

/* ---- sealed segments ---- */

START_TEST(sealed_segments_are_kept_byte_for_byte)
{
	uint8_t file[5000], *back;
	size_t n;

	memset(file, 5, sizeof(file));
	ck_assert_int_eq(journal_sealed_read(journal, 7, &back, &n), -ENOENT);
	ck_assert_int_eq(journal_sealed_write(journal, 7, file, sizeof(file)),
			 0);
	ck_assert(tempdir_has("s0000000007", file, sizeof(file)));
	ck_assert_int_eq(disk.n[DISK_FSYNC], 2);
	ck_assert_int_eq(journal_sealed_read(journal, 7, &back, &n), 0);
	ck_assert_uint_eq(n, sizeof(file));
	ck_assert_mem_eq(back, file, n);
	mem_free(back);
	ck_assert_int_eq(journal_sealed_remove(journal, 7), 0);
	ck_assert_int_eq(journal_sealed_remove(journal, 7), 0);
	ck_assert_int_eq(tempdir_count(), 0);
	ck_assert_int_eq(journal_sealed_write(journal, SEGMENT_SEQ_MAX, file,
					      sizeof(file)),
			 0);
	ck_assert(exists("s9999999999"));
}
END_TEST

/* Of a crash before the frame that confirms it. */
START_TEST(unconfirmed_sealed_segment_is_replaced)
{
	uint8_t a[200], b[300];

	memset(a, 1, sizeof(a));
	memset(b, 2, sizeof(b));
	ck_assert_int_eq(journal_sealed_write(journal, 1, a, sizeof(a)), 0);
	tempdir_put("sealing", "left", 4);
	ck_assert_int_eq(journal_sealed_write(journal, 1, b, sizeof(b)), 0);
	ck_assert(tempdir_has("s0000000001", b, sizeof(b)));
	ck_assert_int_eq(tempdir_count(), 1);
}
END_TEST

START_TEST(sealed_segment_is_whole_or_not_there)
{
	static const struct {
		enum disk_call call;
		int nth;
	} at[] = {
		{ DISK_OPEN, 1 },
		{ DISK_PWRITE, 1 },
		{ DISK_FSYNC, 1 },
		{ DISK_RENAME, 1 },
	};
	uint8_t a[200], b[200];

	memset(a, 1, sizeof(a));
	memset(b, 2, sizeof(b));
	ck_assert_int_eq(journal_sealed_write(journal, 1, a, sizeof(a)), 0);
	for (size_t i = 0; i < array_len(at); i++) {
		disk_fail(&disk, at[i].call, at[i].nth, -ENOSPC);
		ck_assert_int_eq(journal_sealed_write(journal, 1, b, sizeof(b)),
				 -ENOSPC);
		disk_mend(&disk);
		ck_assert(tempdir_has("s0000000001", a, sizeof(a)));
		ck_assert_int_eq(tempdir_count(), 1);
	}
}
END_TEST

START_TEST(link_in_place_of_a_sealed_segment_is_damage)
{
	uint8_t a[200] = { 0 }, *back;
	size_t n;

	tempdir_put("elsewhere", a, sizeof(a));
	ck_assert_int_eq(symlinkat("elsewhere", tempdir_fd(), "s0000000001"),
			 0);
	ck_assert_int_eq(journal_sealed_read(journal, 1, &back, &n),
			 ERR_DAMAGED);
	tempdir_put("s0000000002", a, 10);
	ck_assert_int_eq(journal_sealed_read(journal, 2, &back, &n),
			 ERR_TRUNCATED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal");
	SRunner *runner;
	TCase *tc;
	int failed;

	tc = tcase_create("frames");
	tcase_add_checked_fixture(tc, journal_fixture_make,
				  journal_fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, empty_folder_is_an_empty_journal);
	tcase_add_test(tc, frames_are_replayed_in_order);
	tcase_add_test(tc, numbers_run_on_from_file_to_file);
	tcase_add_test(tc, frames_start_at_multiples_of_their_alignment);
	tcase_add_test(tc, append_overwrites_and_syncs_once);
	tcase_add_test(tc, large_frames_extend_the_file);
	tcase_add_test(tc, frames_beyond_the_limit_are_refused);
	tcase_add_test(tc, callers_error_ends_the_replay);
	tcase_add_test(tc, begun_file_is_durable_before_it_has_its_name);
	tcase_add_test(tc, drop_removes_files_all_below);
	tcase_add_test(tc, files_are_dropped_in_order_and_durably);
	tcase_add_test(tc, dropped_file_is_used_again_without_its_old_frames);
	tcase_add_test(tc, torn_frame_in_a_used_file_is_dropped);
	tcase_add_test(tc, old_frames_with_fitting_numbers_do_not_count);
	tcase_add_test(tc,
		       copy_of_an_older_frame_behind_the_end_does_not_count);
	tcase_add_test(tc, file_that_does_not_begin_with_marks_is_damage);
	tcase_add_test(tc, long_files_are_not_kept);
	suite_add_tcase(suite, tc);

	tc = tcase_create("failing disk");
	tcase_add_checked_fixture(tc, journal_fixture_make,
				  journal_fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, append_to_a_full_disk_leaves_the_journal_as_it_was);
	tcase_add_test(tc, refused_overwrite_does_no_harm);
	tcase_add_test(tc,
		       failed_frame_does_not_count_once_another_file_is_begun);
	tcase_add_test(tc,
		       file_that_cannot_be_begun_leaves_the_present_one_in_use);
	tcase_add_test(tc, full_disk_can_still_take_up_the_spare_file);
	tcase_add_test(tc, failed_sync_is_for_good);
	tcase_add_test(tc, failed_write_is_for_good);
	tcase_add_test(tc, name_that_may_not_be_durable_is_for_good);
	tcase_add_test(tc, want_of_memory_leaves_the_journal_as_it_was);
	suite_add_tcase(suite, tc);

	tc = tcase_create("sealed segments");
	tcase_add_checked_fixture(tc, journal_fixture_make,
				  journal_fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, sealed_segments_are_kept_byte_for_byte);
	tcase_add_test(tc, unconfirmed_sealed_segment_is_replaced);
	tcase_add_test(tc, sealed_segment_is_whole_or_not_there);
	tcase_add_test(tc, link_in_place_of_a_sealed_segment_is_damage);
	suite_add_tcase(suite, tc);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
