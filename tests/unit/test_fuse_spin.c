/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include <check.h>

#include "fuse/spin.h"

static bool spins(const struct spin *s)
{
	return spin_window_ns(s) > 0;
}

static void switch_off(struct spin *s)
{
	unsigned i;

	for (i = 0; i < SPIN_FRUITLESS_MAX; i++) {
		ck_assert(spins(s));
		spin_found_nothing(s);
	}
	ck_assert(!spins(s));
}

START_TEST(test_spin_starts_with_the_window)
{
	struct spin s = SPIN_INIT;

	ck_assert_uint_eq(spin_window_ns(&s), SPIN_WINDOW_NS);
}
END_TEST

START_TEST(test_spin_is_off_after_fruitless_windows_in_a_row)
{
	struct spin s = SPIN_INIT;

	switch_off(&s);
	/* And stays off however often it sleeps for long. */
	spin_found_nothing(&s);
	spin_slept(&s, SPIN_WINDOW_NS);
	spin_slept(&s, UINT64_MAX);
	ck_assert(!spins(&s));
}
END_TEST

START_TEST(test_spin_a_request_in_time_starts_the_row_anew)
{
	struct spin s = SPIN_INIT;
	unsigned i;

	for (i = 0; i < 100; i++) {
		unsigned j;

		for (j = 1; j < SPIN_FRUITLESS_MAX; j++)
			spin_found_nothing(&s);
		ck_assert(spins(&s));
		spin_found(&s);
	}
	switch_off(&s);
}
END_TEST

START_TEST(test_spin_a_short_sleep_switches_on_again)
{
	struct spin s = SPIN_INIT;

	switch_off(&s);
	spin_slept(&s, SPIN_WINDOW_NS - 1);
	switch_off(&s);
	spin_slept(&s, 0);
	ck_assert(spins(&s));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuse_spin");
	TCase *tc = tcase_create("fuse_spin");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_spin_starts_with_the_window);
	tcase_add_test(tc, test_spin_is_off_after_fruitless_windows_in_a_row);
	tcase_add_test(tc, test_spin_a_request_in_time_starts_the_row_anew);
	tcase_add_test(tc, test_spin_a_short_sleep_switches_on_again);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
