/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/buf.h"
#include "base/mem.h"

START_TEST(test_buf_puts_little_endian)
{
	static const uint8_t expected[] = {
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
		0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 'x',  'y',  0,	0,    0,
	};
	auto_buf struct buf b = BUF_INIT(sizeof(expected));

	buf_put_u8(&b, 0x01);
	buf_put_u16(&b, 0x0302);
	buf_put_u32(&b, 0x07060504);
	buf_put_u64(&b, 0x0f0e0d0c0b0a0908);
	buf_put(&b, "xy", 2);
	buf_put_zeros(&b, 3);
	ck_assert_int_eq(buf_error(&b), 0);
	ck_assert_uint_eq(b.len, sizeof(expected));
	ck_assert_mem_eq(b.data, expected, sizeof(expected));
	ck_assert_uint_eq(le16_get(expected + 1), 0x0302);
	ck_assert_uint_eq(le32_get(expected + 3), 0x07060504);
	ck_assert_uint_eq(le64_get(expected + 7), 0x0f0e0d0c0b0a0908);
}
END_TEST

START_TEST(test_buf_le_keeps_the_top_bit)
{
	uint8_t bytes[8];

	le64_put(bytes, UINT64_MAX);
	ck_assert_uint_eq(le64_get(bytes), UINT64_MAX);
	le32_put(bytes, UINT32_MAX);
	ck_assert_uint_eq(le32_get(bytes), UINT32_MAX);
	le16_put(bytes, UINT16_MAX);
	ck_assert_uint_eq(le16_get(bytes), UINT16_MAX);
}
END_TEST

START_TEST(test_buf_grows_up_to_its_maximum_and_no_further)
{
	auto_buf struct buf b = BUF_INIT(1000);

	for (int i = 0; i < 1000; i++)
		buf_put_u8(&b, (uint8_t)i);
	ck_assert_int_eq(buf_error(&b), 0);
	ck_assert_uint_eq(b.cap, 1000);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(b.data[i], (uint8_t)i);
	buf_put_u8(&b, 0);
	ck_assert_int_eq(buf_error(&b), ERR_LIMIT);
	ck_assert_uint_eq(b.len, 1000);
}
END_TEST

START_TEST(test_buf_never_reserves_more_than_its_maximum)
{
	auto_buf struct buf b = BUF_INIT(5);

	buf_put_u8(&b, 1);
	ck_assert_uint_le(b.cap, 5);
}
END_TEST

START_TEST(test_buf_error_sticks_though_a_smaller_put_would_fit)
{
	auto_buf struct buf b = BUF_INIT(4);

	buf_put_u8(&b, 1);
	buf_put_u32(&b, 2);
	ck_assert_int_eq(buf_error(&b), ERR_LIMIT);
	buf_put_u8(&b, 3);
	buf_put(&b, "x", 1);
	buf_put_zeros(&b, 1);
	buf_put(&b, NULL, 0);
	buf_patch_u32(&b, 0, 4);
	ck_assert_ptr_null(buf_grow(&b, 1));
	ck_assert_uint_eq(b.len, 1);
	ck_assert_uint_eq(b.data[0], 1);
	ck_assert_int_eq(buf_error(&b), ERR_LIMIT);
}
END_TEST

START_TEST(test_buf_length_near_the_end_of_size_t_is_a_limit)
{
	auto_buf struct buf b = BUF_INIT(100);

	buf_put_u8(&b, 1);
	ck_assert_ptr_null(buf_grow(&b, SIZE_MAX));
	ck_assert_int_eq(buf_error(&b), ERR_LIMIT);
}
END_TEST

START_TEST(test_buf_failed_allocation_sticks)
{
	auto_buf struct buf b = BUF_INIT(1 << 20);

	buf_put_u8(&b, 7);
	mem_fail_nth(1, false);
	buf_put_zeros(&b, 4096);
	ck_assert(mem_fail_hit());
	mem_fail_nth(0, false);
	buf_put_u8(&b, 8);
	ck_assert_int_eq(buf_error(&b), -ENOMEM);
	ck_assert_uint_eq(b.len, 1);
	ck_assert_uint_eq(b.data[0], 7);
}
END_TEST

START_TEST(test_buf_reset_clears_the_error_and_keeps_the_memory)
{
	auto_buf struct buf b = BUF_INIT(8);
	const uint8_t *before;

	buf_put_u64(&b, 1);
	before = b.data;
	buf_put_u8(&b, 1);
	ck_assert_int_eq(buf_error(&b), ERR_LIMIT);
	buf_reset(&b);
	ck_assert_int_eq(buf_error(&b), 0);
	ck_assert_uint_eq(b.len, 0);
	buf_put_u64(&b, 2);
	ck_assert_int_eq(buf_error(&b), 0);
	ck_assert_ptr_eq(b.data, before);
}
END_TEST

START_TEST(test_buf_can_be_used_after_release)
{
	struct buf b;

	buf_init(&b, 8);
	buf_put_u64(&b, 1);
	buf_put_u8(&b, 1);
	buf_release(&b);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.max, 8);
	buf_put_u8(&b, 9);
	ck_assert_int_eq(buf_error(&b), 0);
	ck_assert_uint_eq(b.data[0], 9);
	buf_release(&b);
	buf_release(&b);
}
END_TEST

START_TEST(test_buf_patch_overwrites_in_place)
{
	static const uint8_t expected[] = {
		0, 0x44, 0x33, 0x22, 0x11, 0, 8, 7, 6, 5, 4, 3, 2, 1,
	};
	auto_buf struct buf b = BUF_INIT(100);

	buf_put_zeros(&b, sizeof(expected));
	buf_patch_u32(&b, 1, 0x11223344);
	buf_patch_u64(&b, 6, 0x0102030405060708);
	ck_assert_uint_eq(b.len, sizeof(expected));
	ck_assert_mem_eq(b.data, expected, sizeof(expected));
}
END_TEST

START_TEST(test_buf_patch_outside_aborts)
{
	auto_buf struct buf b = BUF_INIT(100);

	buf_put_u32(&b, 0);
	buf_patch_u32(&b, 1, 0);
}
END_TEST

START_TEST(test_buf_take_hands_the_bytes_out)
{
	auto_buf struct buf b = BUF_INIT(100);
	uint8_t *bytes;
	size_t len = 0;

	buf_put(&b, "bytes", 5);
	bytes = buf_take(&b, &len);
	ck_assert_uint_eq(len, 5);
	ck_assert_mem_eq(bytes, "bytes", 5);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.len, 0);
	buf_put(&b, "more", 4);
	ck_assert_mem_eq(bytes, "bytes", 5);
	mem_free(bytes);
}
END_TEST

START_TEST(test_buf_grow_of_nothing_is_no_error)
{
	auto_buf struct buf b = BUF_INIT(0);

	ck_assert_ptr_nonnull(buf_grow(&b, 0));
	ck_assert_int_eq(buf_error(&b), 0);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tc = tcase_create("buf");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_buf_puts_little_endian);
	tcase_add_test(tc, test_buf_le_keeps_the_top_bit);
	tcase_add_test(tc, test_buf_grows_up_to_its_maximum_and_no_further);
	tcase_add_test(tc, test_buf_never_reserves_more_than_its_maximum);
	tcase_add_test(tc,
		       test_buf_error_sticks_though_a_smaller_put_would_fit);
	tcase_add_test(tc, test_buf_length_near_the_end_of_size_t_is_a_limit);
	tcase_add_test(tc, test_buf_failed_allocation_sticks);
	tcase_add_test(tc,
		       test_buf_reset_clears_the_error_and_keeps_the_memory);
	tcase_add_test(tc, test_buf_can_be_used_after_release);
	tcase_add_test(tc, test_buf_patch_overwrites_in_place);
	if (srunner_fork_status(runner) == CK_FORK)
		tcase_add_test_raise_signal(tc, test_buf_patch_outside_aborts,
					    SIGABRT);
	tcase_add_test(tc, test_buf_take_hands_the_bytes_out);
	tcase_add_test(tc, test_buf_grow_of_nothing_is_no_error);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
