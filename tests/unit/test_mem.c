/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"

static void switch_off(void)
{
	mem_fail_nth(0, false);
}

START_TEST(test_mem_size_zero_is_a_valid_pointer)
{
	void *p = mem_alloc(0);
	void *q = mem_zalloc(0);
	void *r = mem_dup(NULL, 0);
	void *s = mem_realloc_array(NULL, 0, 8);

	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_nonnull(q);
	ck_assert_ptr_ne(p, q);
	ck_assert_ptr_nonnull(r);
	ck_assert_ptr_nonnull(s);
	mem_free(p);
	mem_free(q);
	mem_free(r);
	mem_free(s);
	mem_free(NULL);
}
END_TEST

START_TEST(test_mem_refuses_more_than_the_maximum)
{
	char *p = mem_strdup("kept");

	ck_assert_ptr_null(mem_alloc(MEM_MAX + 1));
	ck_assert_ptr_null(mem_zalloc(SIZE_MAX));
	ck_assert_ptr_null(mem_zalloc_array(2, MEM_MAX / 2 + 1));
	ck_assert_ptr_null(mem_realloc_array(p, MEM_MAX, 2));
	ck_assert_str_eq(p, "kept");
	mem_free(p);
}
END_TEST

START_TEST(test_mem_arrays_refuse_a_product_that_wraps)
{
	char *p = mem_strdup("kept");

	/* To 2, and to 0. */
	ck_assert_ptr_null(mem_zalloc_array(SIZE_MAX / 2 + 2, 2));
	ck_assert_ptr_null(mem_zalloc_array((size_t)1 << 32, (size_t)1 << 32));
	ck_assert_ptr_null(mem_realloc_array(p, SIZE_MAX / 2 + 2, 2));
	ck_assert_str_eq(p, "kept");
	mem_free(p);
}
END_TEST

START_TEST(test_mem_zalloc_zeroes)
{
	static const char zeros[4096];
	char *p;

	/* Leaves a block to be reused. */
	p = mem_alloc(sizeof(zeros));
	ck_assert_ptr_nonnull(p);
	memset(p, 0xa5, sizeof(zeros));
	mem_free(p);
	p = mem_zalloc_array(sizeof(zeros) / 4, 4);
	ck_assert_ptr_nonnull(p);
	ck_assert_mem_eq(p, zeros, sizeof(zeros));
	mem_free(p);
}
END_TEST

START_TEST(test_mem_realloc_keeps_contents)
{
	char *p = mem_strdup("contents");
	char *q;

	ck_assert_ptr_nonnull(p);
	q = mem_realloc_array(p, 100000, 3);
	ck_assert_ptr_nonnull(q);
	ck_assert_str_eq(q, "contents");
	mem_free(q);
}
END_TEST

START_TEST(test_mem_copies_and_formats)
{
	char *dup = mem_dup("abc\0def", 7);
	char *text = mem_printf("%s-%05d", "seq", 42);

	ck_assert_ptr_nonnull(dup);
	ck_assert_ptr_nonnull(text);
	ck_assert_mem_eq(dup, "abc\0def", 7);
	ck_assert_str_eq(text, "seq-00042");
	mem_free(dup);
	mem_free(text);
}
END_TEST

START_TEST(test_mem_wipe_overwrites)
{
	char secret[] = "passphrase";
	static const char zeros[sizeof(secret)];

	mem_wipe(secret, sizeof(secret));
	ck_assert_mem_eq(secret, zeros, sizeof(secret));
	mem_wipe(NULL, 0);
}
END_TEST

START_TEST(test_mem_fail_nth_fails_just_that_one)
{
	void *p[3];

	mem_fail_nth(2, false);
	p[0] = mem_alloc(1);
	ck_assert(!mem_fail_hit());
	p[1] = mem_zalloc(1);
	ck_assert(mem_fail_hit());
	p[2] = mem_zalloc_array(1, 1);
	ck_assert_ptr_nonnull(p[0]);
	ck_assert_ptr_null(p[1]);
	ck_assert_ptr_nonnull(p[2]);
	ck_assert(mem_fail_hit());
	mem_free(p[0]);
	mem_free(p[2]);
}
END_TEST

START_TEST(test_mem_fail_sticky_fails_all_after)
{
	char *kept = mem_strdup("kept");

	mem_fail_nth(1, true);
	ck_assert_ptr_null(mem_alloc(1));
	ck_assert_ptr_null(mem_zalloc(1));
	ck_assert_ptr_null(mem_zalloc_array(1, 1));
	ck_assert_ptr_null(mem_realloc_array(kept, 10, 10));
	ck_assert_ptr_null(mem_dup("x", 1));
	ck_assert_ptr_null(mem_strdup("x"));
	ck_assert_ptr_null(mem_printf("%d", 1));
	ck_assert(mem_fail_hit());
	switch_off();
	ck_assert(!mem_fail_hit());
	ck_assert_str_eq(kept, "kept");
	mem_free(kept);
	kept = mem_alloc(1);
	ck_assert_ptr_nonnull(kept);
	mem_free(kept);
}
END_TEST

START_TEST(test_mem_fail_beyond_the_last_is_not_hit)
{
	void *p;

	mem_fail_nth(3, true);
	p = mem_alloc(1);
	mem_free(p);
	ck_assert_ptr_nonnull(p);
	ck_assert(!mem_fail_hit());
}
END_TEST

static char *take_out(bool fail)
{
	auto_free char *p = mem_strdup("out");

	return fail ? NULL : mem_take(p);
}

/* A leak or a double free is for the address sanitizer to see. */
START_TEST(test_mem_take_hands_ownership_out)
{
	char *p = take_out(false);

	ck_assert_str_eq(p, "out");
	mem_free(p);
	ck_assert_ptr_null(take_out(true));
}
END_TEST

struct outer {
	int before;
	int member;
};

START_TEST(test_mem_container_of_finds_the_struct)
{
	struct outer o = { 1, 2 };

	ck_assert_ptr_eq(container_of(&o.member, struct outer, member), &o);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mem");
	TCase *tc = tcase_create("mem");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, NULL, switch_off);
	tcase_add_test(tc, test_mem_size_zero_is_a_valid_pointer);
	tcase_add_test(tc, test_mem_refuses_more_than_the_maximum);
	tcase_add_test(tc, test_mem_arrays_refuse_a_product_that_wraps);
	tcase_add_test(tc, test_mem_zalloc_zeroes);
	tcase_add_test(tc, test_mem_realloc_keeps_contents);
	tcase_add_test(tc, test_mem_copies_and_formats);
	tcase_add_test(tc, test_mem_wipe_overwrites);
	tcase_add_test(tc, test_mem_fail_nth_fails_just_that_one);
	tcase_add_test(tc, test_mem_fail_sticky_fails_all_after);
	tcase_add_test(tc, test_mem_fail_beyond_the_last_is_not_hit);
	tcase_add_test(tc, test_mem_take_hands_ownership_out);
	tcase_add_test(tc, test_mem_container_of_finds_the_struct);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
