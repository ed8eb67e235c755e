/* SPDX-License-Identifier: ISC */
/* Who stays and who goes when the cache is full. */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "cache/cache.h"
#include "cache_fixture.h"

/* Loads n blocks that are used once, as a scan with read-ahead does. */
static void scan(struct cache *c, uint64_t first_chunk, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		load(c, key_of(first_chunk + i, 0));
		hit(c, key_of(first_chunk + i, 0));
	}
}

START_TEST(blocks_hit_twice_outlive_a_scan)
{
	struct cache *c = cache_of(100, 1);

	for (uint32_t i = 0; i < 50; i++) {
		load(c, key_of(1, i));
		for (uint32_t j = 0; j < i % 3; j++)
			hit(c, key_of(1, i));
	}
	scan(c, 1000, 2000);
	for (uint32_t i = 0; i < 50; i++)
		ck_assert_int_eq(is_cached(c, key_of(1, i)), i % 3 == 2);
	cache_free(c);
}
END_TEST

START_TEST(a_block_that_comes_back_soon_outlives_a_scan)
{
	struct cache *c = cache_of(100, 1);

	load(c, key_of(1, 0));
	scan(c, 1000, 120);
	ck_assert(!is_cached(c, key_of(1, 0)));
	load(c, key_of(1, 0)); /* its id is in the ghost queue */
	scan(c, 2000, 2000);
	hit(c, key_of(1, 0));
	cache_free(c);
}
END_TEST

START_TEST(a_block_that_comes_back_late_does_not)
{
	struct cache *c = cache_of(100, 1);

	load(c, key_of(1, 0));
	/* 90 ids fit in the ghost queue; the last 100 blocks are in use. */
	scan(c, 1000, 200);
	load(c, key_of(1, 0));
	scan(c, 2000, 200);
	ck_assert(!is_cached(c, key_of(1, 0)));
	cache_free(c);
}
END_TEST

START_TEST(a_new_working_set_replaces_the_old_one)
{
	struct cache *c = cache_of(100, 1);

	for (uint64_t set = 0; set < 3; set++) {
		for (int round = 0; round < 8; round++) {
			for (uint32_t i = 0; i < 80; i++) {
				struct cache_block *b = NULL;
				int r = cache_get(c, key_of(set, i), &b);

				if (r == CACHE_LOAD)
					fill(c, b, key_of(set, i));
				cache_unpin(c, b);
			}
		}
		for (uint32_t i = 0; i < 80; i++)
			hit(c, key_of(set, i));
	}
	cache_free(c);
}
END_TEST

START_TEST(blocks_in_steady_use_outlive_others_that_are_used_for_a_while)
{
	struct cache *c = cache_of(100, 1);

	for (uint32_t i = 0; i < 20; i++) {
		load(c, key_of(1, i));
		hit(c, key_of(1, i));
		hit(c, key_of(1, i));
	}
	scan(c, 500, 200); /* moves them to the main queue */
	/* Each of these reaches it, too. */
	for (uint64_t i = 0; i < 1000; i++) {
		load(c, key_of(1000 + i, 0));
		hit(c, key_of(1000 + i, 0));
		hit(c, key_of(1000 + i, 0));
		hit(c, key_of(1, (uint32_t)i % 20));
	}
	for (uint32_t i = 0; i < 20; i++)
		hit(c, key_of(1, i));
	ck_assert(!is_cached(c, key_of(1000, 0)));
	cache_free(c);
}
END_TEST

/* Least recently used, to compare with: keys in the order of their use. */
struct lru {
	uint64_t key[100];
	size_t n;
};

static bool lru_use(struct lru *l, uint64_t key)
{
	bool found = false;
	size_t at;

	for (at = 0; at < l->n && !found; at++)
		found = l->key[at] == key;
	if (!found && l->n < array_len(l->key))
		at = ++l->n;
	memmove(l->key + 1, l->key, (at - 1) * sizeof(l->key[0]));
	l->key[0] = key;
	return found;
}

/* A skewed working set of 300 blocks with a scan through it now and then. */
START_TEST(skewed_use_with_scans_is_served_better_than_by_lru)
{
	struct cache *c = cache_of(100, 1);
	struct lru lru = { 0 };
	uint64_t random = 42, scanned = 1000, n_lru_hits = 0;
	struct cache_stats st;

	for (int i = 0; i < 100000; i++) {
		struct cache_block *b = NULL;
		uint64_t chunk, x;
		int r;

		random = random * UINT64_C(6364136223846793005) + 1;
		x = random >> 40;
		/* The product of two uniform numbers crowds towards zero. */
		chunk = (x & 0xfff) * (x >> 12) * 300 >> 24;
		if (i % 2000 < 400)
			chunk = scanned++;
		n_lru_hits += lru_use(&lru, chunk);
		r = cache_get(c, key_of(chunk, 0), &b);
		if (r == CACHE_LOAD)
			fill(c, b, key_of(chunk, 0));
		cache_unpin(c, b);
	}
	st = stats_of(c);
	ck_assert_uint_eq(st.hits + st.misses, 100000);
	ck_assert_uint_gt(st.hits, n_lru_hits);
	cache_free(c);
}
END_TEST

static Suite *evict_suite(void)
{
	Suite *suite = suite_create("cache_evict");
	TCase *t = tcase_create("S3-FIFO");

	tcase_add_test(t, blocks_hit_twice_outlive_a_scan);
	tcase_add_test(t, a_block_that_comes_back_soon_outlives_a_scan);
	tcase_add_test(t, a_block_that_comes_back_late_does_not);
	tcase_add_test(t, a_new_working_set_replaces_the_old_one);
	tcase_add_test(
		t,
		blocks_in_steady_use_outlive_others_that_are_used_for_a_while);
	tcase_add_test(t, skewed_use_with_scans_is_served_better_than_by_lru);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(evict_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
