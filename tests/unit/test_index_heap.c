/* SPDX-License-Identifier: ISC */
/* SQLite's memory is wiped before it is freed.  Linked with
 * --wrap=mem_free, to see a block in the last moment it may be looked at. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <sqlite3.h>

#include "base/mem.h"
#include "index/heap_priv.h"

void __real_mem_free(void *p);
void __wrap_mem_free(void *p);

/* The block watched lies `n_watched` bytes long at `watched`, behind a head. */
static const uint8_t *watched;
static size_t n_watched;
static int n_freed, n_wiped;

void __wrap_mem_free(void *p)
{
	const uint8_t *raw = p;
	size_t i = 0;

	if (watched && raw && raw <= watched && watched - raw <= 16) {
		while (i < n_watched && watched[i] == 0)
			i++;
		n_freed++;
		n_wiped += i == n_watched;
		watched = NULL;
	}
	__real_mem_free(p);
}

static uint8_t *filled(size_t n)
{
	uint8_t *p = sqlite3_malloc64(n);

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq((uintptr_t)p % 8, 0);
	ck_assert_uint_ge(sqlite3_msize(p), n);
	memset(p, 0xee, n);
	watched = p;
	n_watched = n;
	n_freed = n_wiped = 0;
	return p;
}

START_TEST(test_heap_block_is_wiped_when_freed)
{
	static const size_t sizes[] = { 1, 7, 8, 100, 4096, 70001 };
	size_t i;

	for (i = 0; i < array_len(sizes); i++) {
		sqlite3_free(filled(sizes[i]));
		ck_assert_int_eq(n_freed, 1);
		ck_assert_int_eq(n_wiped, 1);
	}
}
END_TEST

START_TEST(test_heap_block_that_grows_leaves_nothing_behind)
{
	uint8_t *p = filled(100), *q;
	size_t i;

	q = sqlite3_realloc64(p, 5000);
	ck_assert_ptr_nonnull(q);
	ck_assert_int_eq(n_freed, 1);
	ck_assert_int_eq(n_wiped, 1);
	ck_assert_uint_ge(sqlite3_msize(q), 5000);
	for (i = 0; i < 100; i++)
		ck_assert_uint_eq(q[i], 0xee);
	sqlite3_free(q);
}
END_TEST

START_TEST(test_heap_block_that_shrinks_is_kept_or_wiped)
{
	static const size_t sizes[] = { 999, 600, 500, 100, 1 };
	uint8_t *p, *q;
	size_t i, k;

	for (i = 0; i < array_len(sizes); i++) {
		p = filled(1000);
		q = sqlite3_realloc64(p, sizes[i]);
		ck_assert_ptr_nonnull(q);
		ck_assert_int_eq(n_freed, q != p);
		ck_assert_int_eq(n_wiped, q != p);
		for (k = 0; k < sizes[i]; k++)
			ck_assert_uint_eq(q[k], 0xee);
		sqlite3_free(q);
		ck_assert_int_eq(n_wiped, 1);
	}
}
END_TEST

START_TEST(test_heap_fails_with_the_allocations_of_the_project)
{
	uint8_t *p = filled(100);

	mem_fail_nth(1, false);
	ck_assert_ptr_null(sqlite3_realloc64(p, 5000));
	ck_assert(mem_fail_hit());
	ck_assert_uint_eq(p[99], 0xee);
	mem_fail_nth(1, false);
	ck_assert_ptr_null(sqlite3_malloc(10));
	mem_fail_nth(0, false);
	sqlite3_free(p);
}
END_TEST

static void setup(void)
{
	ck_assert_int_eq(heap_start(), 0);
	ck_assert_int_eq(heap_start(), 0);
}

int main(void)
{
	Suite *s = suite_create("index heap");
	TCase *t = tcase_create("heap");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_heap_block_is_wiped_when_freed);
	tcase_add_test(t, test_heap_block_that_grows_leaves_nothing_behind);
	tcase_add_test(t, test_heap_block_that_shrinks_is_kept_or_wiped);
	tcase_add_test(t, test_heap_fails_with_the_allocations_of_the_project);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
