/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/cursor.h"

static const uint8_t bytes[] = { 1,  2,	 3,  4,	 5,  6, 7, 8, 9,  10,
				 11, 12, 13, 14, 15, 0, 0, 0, 42, 43 };

static_assert(sizeof(bytes) == 20, "what the table of fits divides");

START_TEST(test_cursor_reads_in_order)
{
	struct cursor c;
	uint8_t last = 0;
	const uint8_t *view;

	cursor_init(&c, bytes, sizeof(bytes));
	ck_assert_uint_eq(cursor_u8(&c), 0x01);
	ck_assert_uint_eq(cursor_u16(&c), 0x0302);
	ck_assert_uint_eq(cursor_u32(&c), 0x07060504);
	ck_assert_uint_eq(cursor_u64(&c), 0x0f0e0d0c0b0a0908);
	cursor_zeros(&c, 3);
	view = cursor_take(&c, 1);
	ck_assert_ptr_eq(view, bytes + 18);
	ck_assert_uint_eq(cursor_left(&c), 1);
	cursor_copy(&c, &last, 1);
	ck_assert_uint_eq(last, 43);
	ck_assert_uint_eq(cursor_left(&c), 0);
	ck_assert_int_eq(cursor_finish(&c), 0);
}
END_TEST

START_TEST(test_cursor_reading_past_the_end_is_truncated)
{
	struct cursor c;

	cursor_init(&c, bytes, 3);
	ck_assert_uint_eq(cursor_u32(&c), 0);
	ck_assert_int_eq(c.error, ERR_TRUNCATED);
	ck_assert_int_eq(cursor_finish(&c), ERR_TRUNCATED);
}
END_TEST

START_TEST(test_cursor_error_sticks_though_a_smaller_read_would_fit)
{
	struct cursor c;
	uint8_t copy[2] = { 9, 9 };
	static const uint8_t zeros[2];

	cursor_init(&c, bytes, 3);
	(void)cursor_u64(&c);
	ck_assert_uint_eq(cursor_u8(&c), 0);
	ck_assert_uint_eq(cursor_u16(&c), 0);
	ck_assert_uint_eq(cursor_u32(&c), 0);
	ck_assert_uint_eq(cursor_u64(&c), 0);
	ck_assert_ptr_null(cursor_take(&c, 1));
	ck_assert_ptr_null(cursor_take(&c, 0));
	cursor_copy(&c, copy, sizeof(copy));
	ck_assert_mem_eq(copy, zeros, sizeof(copy));
	ck_assert_uint_eq(cursor_left(&c), 0);
	ck_assert(!cursor_fits(&c, 0, 1));
	ck_assert_int_eq(cursor_finish(&c), ERR_TRUNCATED);
}
END_TEST

START_TEST(test_cursor_first_error_is_kept)
{
	struct cursor c;

	cursor_init(&c, bytes, 3);
	cursor_require(&c, false);
	(void)cursor_u64(&c);
	ck_assert_int_eq(cursor_finish(&c), ERR_MALFORMED);

	cursor_init(&c, bytes, 3);
	(void)cursor_u64(&c);
	cursor_require(&c, false);
	cursor_zeros(&c, 1);
	ck_assert_int_eq(cursor_finish(&c), ERR_TRUNCATED);
}
END_TEST

START_TEST(test_cursor_require_true_records_nothing)
{
	struct cursor c;

	cursor_init(&c, bytes, 1);
	cursor_require(&c, true);
	ck_assert_uint_eq(cursor_u8(&c), 1);
	ck_assert_int_eq(cursor_finish(&c), 0);
}
END_TEST

START_TEST(test_cursor_bytes_left_over_are_malformed)
{
	struct cursor c;

	cursor_init(&c, bytes, 3);
	(void)cursor_u16(&c);
	ck_assert_int_eq(cursor_finish(&c), ERR_MALFORMED);
}
END_TEST

START_TEST(test_cursor_zeros_rejects_any_other_byte)
{
	uint8_t field[4] = { 0 };
	struct cursor c;

	field[_i] = 0x80;
	cursor_init(&c, field, sizeof(field));
	cursor_zeros(&c, sizeof(field));
	ck_assert_int_eq(cursor_finish(&c), ERR_MALFORMED);
}
END_TEST

START_TEST(test_cursor_zeros_past_the_end_is_truncated)
{
	static const uint8_t zeros[4];
	struct cursor c;

	cursor_init(&c, zeros, sizeof(zeros));
	cursor_zeros(&c, 5);
	ck_assert_int_eq(cursor_finish(&c), ERR_TRUNCATED);
}
END_TEST

START_TEST(test_cursor_over_nothing_gives_no_null)
{
	struct cursor c;

	cursor_init(&c, NULL, 0);
	ck_assert_ptr_nonnull(cursor_take(&c, 0));
	ck_assert_int_eq(cursor_finish(&c), 0);
	cursor_init(&c, NULL, 0);
	ck_assert_uint_eq(cursor_u8(&c), 0);
	ck_assert_int_eq(cursor_finish(&c), ERR_TRUNCATED);
}
END_TEST

START_TEST(test_cursor_take_of_huge_length_is_truncated)
{
	struct cursor c;

	cursor_init(&c, bytes, sizeof(bytes));
	(void)cursor_u8(&c);
	ck_assert_ptr_null(cursor_take(&c, SIZE_MAX));
	ck_assert_int_eq(c.error, ERR_TRUNCATED);
}
END_TEST

struct fit {
	uint64_t count;
	size_t item_bytes;
	bool fits;
};

static const struct fit fits[] = {
	{ 0, 1, true },
	{ 20, 1, true },
	{ 21, 1, false },
	{ 5, 4, true },
	{ 6, 4, false },
	{ 0, SIZE_MAX, true },
	{ 1, SIZE_MAX, false },
	{ UINT64_MAX, 1, false },
	{ UINT64_MAX, 16, false },
	{ (uint64_t)1 << 62, 4, false },
};

START_TEST(test_cursor_fits_counts_without_wrapping)
{
	struct cursor c;

	cursor_init(&c, bytes, sizeof(bytes));
	ck_assert_int_eq(cursor_fits(&c, fits[_i].count, fits[_i].item_bytes),
			 fits[_i].fits);
	ck_assert_int_eq(c.error, fits[_i].fits ? 0 : ERR_TRUNCATED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cursor");
	TCase *tc = tcase_create("cursor");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_cursor_reads_in_order);
	tcase_add_test(tc, test_cursor_reading_past_the_end_is_truncated);
	tcase_add_test(
		tc, test_cursor_error_sticks_though_a_smaller_read_would_fit);
	tcase_add_test(tc, test_cursor_first_error_is_kept);
	tcase_add_test(tc, test_cursor_require_true_records_nothing);
	tcase_add_test(tc, test_cursor_bytes_left_over_are_malformed);
	tcase_add_loop_test(tc, test_cursor_zeros_rejects_any_other_byte, 0, 4);
	tcase_add_test(tc, test_cursor_zeros_past_the_end_is_truncated);
	tcase_add_test(tc, test_cursor_over_nothing_gives_no_null);
	tcase_add_test(tc, test_cursor_take_of_huge_length_is_truncated);
	tcase_add_loop_test(tc, test_cursor_fits_counts_without_wrapping, 0,
			    (int)(sizeof(fits) / sizeof(fits[0])));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
