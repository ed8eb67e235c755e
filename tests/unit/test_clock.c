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

START_TEST(test_clock_times_too_far_away_are_the_last_there_is)
{
	static const struct {
		struct timespec t;
		int64_t expected;
	} times[] = {
		{ { 0, 0 }, 0 },
		{ { 1, 2 }, 1000000002 },
		{ { -1, 999999999 }, -1 },
		{ { -5, 1 }, -4999999999 },
		{ { 9223372035, 999999999 }, 9223372035999999999 },
		{ { 9223372036, 0 }, INT64_MAX },
		{ { INT64_MAX, 999999999 }, INT64_MAX },
		{ { -9223372035, 0 }, -9223372035000000000 },
		{ { -9223372036, 0 }, INT64_MIN },
		{ { INT64_MIN, 0 }, INT64_MIN },
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		ck_assert_int_eq(clock_ns_of(&times[i].t), times[i].expected);
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
	tcase_add_test(tc, test_clock_times_too_far_away_are_the_last_there_is);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
