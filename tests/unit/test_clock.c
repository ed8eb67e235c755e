/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <time.h>

#include <check.h>

#include "base/clock.h"

START_TEST(test_clock_wall_is_unix_time)
{
	int64_t before = (int64_t)time(NULL) - 1;
	int64_t now = clock_wall_ns();
	int64_t after = (int64_t)time(NULL) + 1;

	ck_assert_int_ge(now / NS_PER_S, before);
	ck_assert_int_le(now / NS_PER_S, after);
}
END_TEST

START_TEST(test_clock_mono_never_goes_back)
{
	uint64_t last = clock_mono_ns();

	for (int i = 0; i < 10000; i++) {
		uint64_t now = clock_mono_ns();

		ck_assert_uint_ge(now, last);
		last = now;
	}
}
END_TEST

static int64_t fixed(void)
{
	return -5;
}

START_TEST(test_clock_wall_can_be_replaced_and_restored)
{
	clock_set_wall(fixed);
	ck_assert_int_eq(clock_wall_ns(), -5);
	clock_set_wall(NULL);
	ck_assert_int_gt(clock_wall_ns(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tc = tcase_create("clock");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_clock_wall_is_unix_time);
	tcase_add_test(tc, test_clock_mono_never_goes_back);
	tcase_add_test(tc, test_clock_wall_can_be_replaced_and_restored);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
