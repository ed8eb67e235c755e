/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>

#include "scale.h"
#include "vault/tree/holds.h"

START_TEST(test_holds_counts_by_inode)
{
	struct holds *h;

	ck_assert_int_eq(holds_new(&h), 0);
	ck_assert_int_eq(holds_add(h, 7, 2), 0);
	ck_assert_int_eq(holds_add(h, 8, 1), 0);
	ck_assert_uint_eq(holds_count(h, 7), 2);
	ck_assert_uint_eq(holds_count(h, 9), 0);
	ck_assert_uint_eq(holds_drop(h, 7, 1), 1);
	ck_assert_uint_eq(holds_drop(h, 7, 1), 0);
	ck_assert_uint_eq(holds_count(h, 7), 0);
	ck_assert_uint_eq(holds_inodes(h), 1);
	holds_free(h);
}
END_TEST

START_TEST(test_holds_dropping_more_than_held_ends_at_zero)
{
	struct holds *h;

	ck_assert_int_eq(holds_new(&h), 0);
	ck_assert_int_eq(holds_add(h, 5, 1), 0);
	ck_assert_uint_eq(holds_drop(h, 5, 10), 0);
	ck_assert_uint_eq(holds_drop(h, 5, 1), 0);
	ck_assert_uint_eq(holds_inodes(h), 0);
	holds_free(h);
}
END_TEST

/* Neighbours, and numbers that share a place, against plain counters; enough
 * to grow several times and to delete inside runs. */
START_TEST(test_holds_equals_a_plain_array_under_random_use)
{
	enum { N = 6000 };
	static uint64_t want[N];
	struct holds *h;
	uint64_t live = 0;
	int rounds = (int)test_scaled(200000, 20000);

	ck_assert_int_eq(holds_new(&h), 0);
	srand(1);
	for (int i = 0; i < rounds; i++) {
		uint64_t k = (uint64_t)rand() % N;
		uint64_t ino = (k + 1) << (k % 3 * 20);

		if (rand() % 2) {
			ck_assert_int_eq(holds_add(h, ino, 3), 0);
			live += want[k] == 0;
			want[k] += 3;
		} else {
			uint64_t left = holds_drop(h, ino, 2);
			uint64_t had = want[k];

			want[k] -= had < 2 ? had : 2;
			live -= had && !want[k];
			ck_assert_uint_eq(left, want[k]);
		}
		ck_assert_uint_eq(holds_count(h, ino), want[k]);
	}
	ck_assert_uint_eq(holds_inodes(h), live);
	for (uint64_t k = 0; k < N; k++)
		ck_assert_uint_eq(holds_count(h, (k + 1) << (k % 3 * 20)),
				  want[k]);
	holds_free(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("holds");
	TCase *t = tcase_create("all");

	tcase_add_test(t, test_holds_counts_by_inode);
	tcase_add_test(t, test_holds_dropping_more_than_held_ends_at_zero);
	tcase_add_test(t, test_holds_equals_a_plain_array_under_random_use);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
