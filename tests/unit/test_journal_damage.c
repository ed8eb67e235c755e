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
#include "journal_fixture.h"
#include "tempdir.h"

/* ---- torn ends ---- */

/* Two frames and a third of three pages; `cut` runs over the third. */
#define TORN_AT ((size_t)3 * FRAME_ALIGN)
#define TORN_BYTES ((size_t)10000)
#define TORN_SEALED (FRAME_HEADER_BYTES + TORN_BYTES + TAG_BYTES)

static uint8_t *make_torn(size_t *ret_n)
{
	ck_assert_int_eq(begin(), 0);
	append_well(1, 5000);
	append_well(2, TORN_BYTES);
	journal_close(journal);
	journal = NULL;
	return read_whole(name_of(1), ret_n);
}

/* All up to the cut was written, nothing after it. */
START_TEST(torn_last_frame_is_dropped_at_every_cut)
{
	static const uint8_t zeros[16384];
	size_t n;
	uint8_t *data = make_torn(&n);

	for (size_t cut = 0; cut <= 3 * FRAME_ALIGN; cut += SECTOR) {
		uint64_t last = cut < TORN_SEALED ? 2 : 3;

		change(name_of(1), TORN_AT + cut, zeros, sizeof(zeros) - cut);
		ck_assert_int_eq(open_again(), 0);
		assert_replayed(1, last);
		ck_assert_uint_eq(journal_next_number(journal), last + 1);
		cut_file(name_of(1), TORN_AT + cut);
		ck_assert_int_eq(open_again(), 0);
		assert_replayed(1, last);
		change(name_of(1), 0, data, n);
	}
	free(data);
}
END_TEST

/* Any one sector is missing, whatever comes after it. */
START_TEST(torn_last_frame_is_dropped_whatever_sector_is_missing)
{
	static const uint8_t zeros[SECTOR];
	size_t n;
	uint8_t *data = make_torn(&n);

	for (size_t at = 0; at < TORN_SEALED; at += SECTOR) {
		change(name_of(1), TORN_AT + at, zeros, SECTOR);
		ck_assert_int_eq(open_again(), 0);
		assert_replayed(1, 2);
		change(name_of(1), 0, data, n);
	}
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 3);
	free(data);
}
END_TEST

START_TEST(journal_goes_on_after_a_torn_frame)
{
	size_t n;

	free(make_torn(&n));
	cut_file(name_of(1), TORN_AT + SECTOR);
	ck_assert_int_eq(open_again(), 0);
	ck_assert_int_eq(begin(), 0);
	ck_assert_uint_eq(journal_file_number(journal), 3);
	append_well(9, 10);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 4);
	ck_assert_uint_eq(replayed.first[3], 9);
}
END_TEST

START_TEST(file_never_begun_is_no_damage)
{
	static const uint8_t zeros[8192];

	make_files(1);
	for (size_t n = 0; n <= sizeof(zeros); n += SECTOR) {
		tempdir_put(name_of(4), zeros, n);
		ck_assert_int_eq(open_again(), 0);
		assert_replayed(1, 3);
	}
	/* Its place is taken. */
	ck_assert_int_eq(begin(), 0);
	ck_assert_uint_eq(journal_file_number(journal), 4);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 4);
}
END_TEST

/* Frames went on behind the number it has. */
START_TEST(file_never_begun_is_gone_when_the_next_one_is_begun)
{
	make_files(1);
	tempdir_put(name_of(2), "", 0);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 3);
	ck_assert_int_eq(begin(), 0);
	append_well(7, 10);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 5);
	ck_assert(!exists(name_of(2)));
}
END_TEST

START_TEST(torn_first_frame_is_no_damage_at_the_very_end_only)
{
	size_t n, sealed = FRAME_HEADER_BYTES + 200 + TAG_BYTES;
	uint8_t *data;

	ck_assert_int_eq(begin(), 0);
	data = read_whole(name_of(1), &n);
	for (size_t cut = 0; cut < sealed; cut += 1 + cut / 3) {
		cut_file(name_of(1), cut);
		ck_assert_int_eq(open_again(), 0);
		ck_assert_uint_eq(replayed.n, 0);
		ck_assert_uint_eq(journal_next_number(journal), 1);
		change(name_of(1), 0, data, n);
	}
	/* With every sector written it was durable once: not torn. */
	flip(name_of(1), sealed - 1);
	ck_assert_int_eq(open_again(), ERR_BAD_SEAL);
	flip(name_of(1), sealed - 1);
	ck_assert_int_eq(open_again(), 0);
	ck_assert_int_eq(begin(), 0);
	cut_file(name_of(1), 100);
	ck_assert_int_eq(open_again(), ERR_BAD_SEAL);
	free(data);
}
END_TEST

/* ---- damage ---- */

START_TEST(bad_frame_before_a_good_one_is_damage)
{
	ck_assert_int_eq(begin(), 0);
	append_well(1, 5000);
	append_well(2, 10);
	append_well(3, 10);
	/* The first frame, the second over its pages, the third. */
	for (size_t at = 0; at < 5 * FRAME_ALIGN; at += 37) {
		bool in_first = at < FRAME_HEADER_BYTES + 200 + TAG_BYTES;
		bool in_second = at >= FRAME_ALIGN &&
				 at < FRAME_ALIGN + FRAME_HEADER_BYTES + 5000 +
						 TAG_BYTES;
		bool in_third = at >= 3 * FRAME_ALIGN &&
				at < 3 * FRAME_ALIGN + FRAME_HEADER_BYTES + 10 +
						TAG_BYTES;
		bool in_fourth = at >= 4 * FRAME_ALIGN &&
				 at < 4 * FRAME_ALIGN + FRAME_HEADER_BYTES +
						 10 + TAG_BYTES;

		flip(name_of(1), at);
		ck_assert_int_eq(open_again(), in_first || in_second || in_third
						       ? ERR_DAMAGED
						       : 0);
		if (journal)
			assert_replayed(1, in_fourth ? 3 : 4);
		flip(name_of(1), at);
	}
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 4);
}
END_TEST

START_TEST(frame_lost_before_a_good_one_is_damage)
{
	static const uint8_t zeros[2 * FRAME_ALIGN];

	ck_assert_int_eq(begin(), 0);
	append_well(1, 5000);
	append_well(2, 10);
	change(name_of(1), FRAME_ALIGN, zeros, sizeof(zeros));
	ck_assert_int_eq(open_again(), ERR_DAMAGED);
}
END_TEST

START_TEST(swapped_frames_are_damage)
{
	uint8_t *data;
	size_t n;

	ck_assert_int_eq(begin(), 0);
	append_well(1, 10);
	append_well(2, 10);
	data = read_whole(name_of(1), &n);
	change(name_of(1), FRAME_ALIGN, data + 2 * FRAME_ALIGN, FRAME_ALIGN);
	change(name_of(1), 2 * FRAME_ALIGN, data + FRAME_ALIGN, FRAME_ALIGN);
	ck_assert_int_eq(open_again(), ERR_DAMAGED);
	free(data);
}
END_TEST

START_TEST(last_frame_lost_before_another_file_is_damage)
{
	make_files(2);
	flip(name_of(1), 3 * FRAME_ALIGN + 70);
	ck_assert_int_eq(open_again(), ERR_DAMAGED);
}
END_TEST

START_TEST(missing_file_is_damage)
{
	make_files(3);
	ck_assert_int_eq(renameat(tempdir_fd(), name_of(4), tempdir_fd(), "x"),
			 0);
	ck_assert_int_eq(open_again(), ERR_DAMAGED);
	ck_assert_int_eq(renameat(tempdir_fd(), "x", tempdir_fd(), name_of(4)),
			 0);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 9);
}
END_TEST

START_TEST(renamed_file_is_damage)
{
	make_files(2);
	for (uint64_t to = 2; to < 7; to++) {
		if (to == 4)
			continue;
		ck_assert_int_eq(renameat(tempdir_fd(), name_of(4),
					  tempdir_fd(), name_of(to)),
				 0);
		ck_assert_int_eq(open_again(), ERR_DAMAGED);
		ck_assert_int_eq(renameat(tempdir_fd(), name_of(to),
					  tempdir_fd(), name_of(4)),
				 0);
	}
}
END_TEST

START_TEST(file_damaged_as_a_whole_is_no_empty_one)
{
	static const uint8_t zeros[STEP];

	make_files(3);
	change(name_of(4), 0, zeros, sizeof(zeros));
	ck_assert_int_eq(open_again(), ERR_DAMAGED);
	cut_file(name_of(4), 0);
	ck_assert_int_eq(open_again(), ERR_DAMAGED);
}
END_TEST

START_TEST(what_is_no_file_is_damage)
{
	make_files(1);
	ck_assert_int_eq(symlinkat(name_of(1), tempdir_fd(), name_of(4)), 0);
	ck_assert_int_eq(open_again(), ERR_DAMAGED);
	ck_assert_int_eq(unlinkat(tempdir_fd(), name_of(4), 0), 0);
	ck_assert_int_eq(mkfifoat(tempdir_fd(), name_of(4), 0600), 0);
	ck_assert_int_eq(open_again(), ERR_DAMAGED);
	ck_assert_int_eq(unlinkat(tempdir_fd(), name_of(4), 0), 0);
	ck_assert_int_eq(mkdirat(tempdir_fd(), name_of(4), 0700), 0);
	ck_assert_int_eq(open_again(), ERR_DAMAGED);
	ck_assert_int_eq(unlinkat(tempdir_fd(), name_of(4), AT_REMOVEDIR), 0);
	/* Other names are nobody's business. */
	ck_assert_int_eq(symlinkat("x", tempdir_fd(), "000000000000000A"), 0);
	ck_assert_int_eq(open_again(), 0);
}
END_TEST

START_TEST(link_in_place_of_the_spare_file_is_not_followed)
{
	tempdir_put("elsewhere", "x", 1);
	ck_assert_int_eq(symlinkat("elsewhere", tempdir_fd(), "spare"), 0);
	ck_assert_int_eq(begin(), ERR_DAMAGED);
	ck_assert(tempdir_has("elsewhere", "x", 1));
	/* It is gone now. */
	ck_assert_int_eq(begin(), 0);
	ck_assert(tempdir_has("elsewhere", "x", 1));
}
END_TEST

START_TEST(other_keys_do_not_open_it)
{
	make_files(1);
	ck_assert_int_eq(open_with(&other_keys), ERR_BAD_SEAL);
	ck_assert_int_eq(open_again(), 0);
	make_files(1);
	ck_assert_int_eq(open_with(&other_keys), ERR_BAD_SEAL);
	ck_assert_uint_eq(replayed.n, 0);
}
END_TEST

/* ---- other keys ---- */

static int rekey(void)
{
	uint8_t marks[300];

	memset(marks, 0xdd, sizeof(marks));
	return journal_rekey(journal, &other_keys, marks, sizeof(marks));
}

#define NEXT_ERA ((uint64_t)1 << 32)

START_TEST(change_of_keys_stopped_in_between_opens_under_either)
{
	make_files(2);
	ck_assert_int_eq(rekey(), 0);
	ck_assert_uint_eq(journal_file_number(journal), NEXT_ERA);
	ck_assert_int_eq(open_with(&other_keys), 0);
	assert_replayed(NEXT_ERA, NEXT_ERA);
	ck_assert_uint_eq(replayed.first[0], 0xdd);
	/* Under the old ones all is as before, and goes on so. */
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 6);
	ck_assert_int_eq(begin(), 0);
	append_well(1, 10);
	ck_assert_int_eq(open_again(), 0);
	assert_replayed(1, 8);
	/* And the change is made in the end. */
	ck_assert_int_eq(begin(), 0);
	ck_assert_int_eq(rekey(), 0);
	append_well(1, 10);
	ck_assert_int_eq(open_with(&other_keys), 0);
	assert_replayed(NEXT_ERA, NEXT_ERA + 1);
}
END_TEST

START_TEST(files_under_the_old_keys_are_dropped)
{
	make_files(2);
	ck_assert_int_eq(rekey(), 0);
	ck_assert_int_eq(open_with(&other_keys), 0);
	ck_assert_int_eq(begin(), 0);
	ck_assert_uint_eq(journal_file_number(journal), NEXT_ERA + 1);
	ck_assert_int_eq(journal_drop_below(journal, NEXT_ERA + 1), 0);
	ck_assert(!exists(name_of(1)) && !exists(name_of(4)));
	ck_assert(!exists(name_of(NEXT_ERA)));
	ck_assert_int_eq(open_with(&other_keys), 0);
	assert_replayed(NEXT_ERA + 1, NEXT_ERA + 1);
	ck_assert_int_eq(open_again(), ERR_BAD_SEAL);
}
END_TEST

START_TEST(damage_is_no_change_of_keys)
{
	make_files(1);
	ck_assert_int_eq(rekey(), 0);
	ck_assert_int_eq(begin(), 0);
	/* The first file of the era is lost: the older ones tell. */
	ck_assert_int_eq(unlinkat(tempdir_fd(), name_of(NEXT_ERA), 0), 0);
	ck_assert_int_eq(open_with(&other_keys), ERR_BAD_SEAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_damage");
	SRunner *runner;
	TCase *tc;
	int failed;

	tc = tcase_create("torn ends");
	tcase_add_checked_fixture(tc, journal_fixture_make,
				  journal_fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, torn_last_frame_is_dropped_at_every_cut);
	tcase_add_test(tc,
		       torn_last_frame_is_dropped_whatever_sector_is_missing);
	tcase_add_test(tc, journal_goes_on_after_a_torn_frame);
	tcase_add_test(tc, file_never_begun_is_no_damage);
	tcase_add_test(tc,
		       file_never_begun_is_gone_when_the_next_one_is_begun);
	tcase_add_test(tc, torn_first_frame_is_no_damage_at_the_very_end_only);
	suite_add_tcase(suite, tc);

	tc = tcase_create("damage");
	tcase_add_checked_fixture(tc, journal_fixture_make,
				  journal_fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, bad_frame_before_a_good_one_is_damage);
	tcase_add_test(tc, frame_lost_before_a_good_one_is_damage);
	tcase_add_test(tc, swapped_frames_are_damage);
	tcase_add_test(tc, last_frame_lost_before_another_file_is_damage);
	tcase_add_test(tc, missing_file_is_damage);
	tcase_add_test(tc, renamed_file_is_damage);
	tcase_add_test(tc, file_damaged_as_a_whole_is_no_empty_one);
	tcase_add_test(tc, what_is_no_file_is_damage);
	tcase_add_test(tc, link_in_place_of_the_spare_file_is_not_followed);
	tcase_add_test(tc, other_keys_do_not_open_it);
	suite_add_tcase(suite, tc);

	tc = tcase_create("other keys");
	tcase_add_checked_fixture(tc, journal_fixture_make,
				  journal_fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc,
		       change_of_keys_stopped_in_between_opens_under_either);
	tcase_add_test(tc, files_under_the_old_keys_are_dropped);
	tcase_add_test(tc, damage_is_no_change_of_keys);
	suite_add_tcase(suite, tc);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
