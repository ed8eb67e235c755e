/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <check.h>

#include "base/block.h"
#include "base/err.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "cache_fixture.h"

/* --- Making ---------------------------------------------------------------- */

START_TEST(impossible_options_are_refused)
{
	static const struct cache_options bad[] = {
		{ .bytes = 0 },
		{ .bytes = ARENA(64) - 1 },
		{ .bytes = ARENA(64), .n_shards = 3 },
		{ .bytes = ARENA(1024), .n_shards = 128 },
		{ .bytes = SIZE_MAX },
	};
	struct cache *c = NULL;

	for (size_t i = 0; i < array_len(bad); i++) {
		ck_assert_int_eq(cache_new(&bad[i], &c), -EINVAL);
		ck_assert_ptr_null(c);
	}
}
END_TEST

START_TEST(the_arena_is_rounded_down_and_wholly_usable)
{
	struct cache_options opts = { .bytes = ARENA(101) + 5, .n_shards = 8 };
	struct cache *c;
	uint64_t n_loaded = 0;

	ck_assert_int_eq(cache_new(&opts, &c), 0);
	ck_assert_uint_eq(stats_of(c).blocks_total, 101);
	ck_assert_uint_eq(stats_of(c).blocks_used, 0);
	/* Enough keys to fill each shard and to evict in each. */
	for (uint64_t i = 0; i < 1000; i++, n_loaded++)
		load(c, key_of(i, 0));
	ck_assert_uint_eq(stats_of(c).blocks_used, 101);
	ck_assert_uint_eq(stats_of(c).evictions, n_loaded - 101);
	cache_free(c);
}
END_TEST

START_TEST(memory_that_runs_out_is_told_and_leaks_nothing)
{
	struct cache_options opts = { .bytes = ARENA(64) };
	struct cache *c = NULL;
	unsigned long n = 0;

	do {
		mem_fail_nth(++n, false);
		if (cache_new(&opts, &c) == 0)
			break;
		ck_assert(mem_fail_hit());
		ck_assert_ptr_null(c);
	} while (n < 100);
	ck_assert(!mem_fail_hit());
	ck_assert_uint_gt(n, 1);
	mem_fail_nth(0, false);
	cache_free(c);
	cache_free(NULL);
}
END_TEST

/* Finds the mapping of an address in smaps: its VmFlags, and its resident
 * size in KiB. */
static void find_mapping(const void *p, char *ret_flags, size_t cap,
			 size_t *ret_resident_kib)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	bool inside = false, found = false;
	uintptr_t from, to;

	ck_assert_ptr_nonnull(f);
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (uintptr_t)p >= from && (uintptr_t)p < to;
		if (!inside)
			continue;
		if (sscanf(line, "Rss: %zu", ret_resident_kib) == 1)
			continue;
		found = strncmp(line, "VmFlags:", 8) == 0;
		if (found)
			snprintf(ret_flags, cap, "%s", line);
	}
	fclose(f);
	ck_assert(found);
}

START_TEST(the_arena_is_present_and_left_out_of_core_dumps)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *b = begin_load(c, key_of(1, 0));
	char flags[512];
	size_t resident_kib = 0;

	find_mapping(cache_block_data(b), flags, sizeof(flags), &resident_kib);
	ck_assert_ptr_nonnull(strstr(flags, " dd"));
	ck_assert_ptr_null(strstr(flags, " lo"));
	ck_assert_uint_ge(resident_kib, ARENA(64) / 1024);
	cache_load_failed(c, b, -EIO);
	cache_free(c);
}
END_TEST

/* Does locking a page lock it?  Not with a sanitizer, which makes mlock() do
 * nothing, nor with a low RLIMIT_MEMLOCK. */
static bool memory_can_be_locked(void)
{
	static uint8_t probe[ARENA(64)];
	size_t resident_kib;
	char flags[512];

	probe[0] = 1;
	if (mlock(probe, sizeof(probe)) < 0)
		return false;
	find_mapping(probe, flags, sizeof(flags), &resident_kib);
	munlock(probe, sizeof(probe));
	return strstr(flags, " lo") != NULL;
}

START_TEST(the_arena_can_be_locked)
{
	struct cache_options opts = { .bytes = ARENA(64), .lock_memory = true };
	size_t resident_kib;
	struct cache_block *b;
	struct cache *c;
	char flags[512];

	if (!memory_can_be_locked()) {
		fprintf(stderr, "SKIP: memory cannot be locked here\n");
		return;
	}
	ck_assert_int_eq(cache_new(&opts, &c), 0);
	b = begin_load(c, key_of(1, 0));
	find_mapping(cache_block_data(b), flags, sizeof(flags), &resident_kib);
	ck_assert_ptr_nonnull(strstr(flags, " lo"));
	cache_load_failed(c, b, -EIO);
	cache_free(c);
}
END_TEST

START_TEST(memory_that_cannot_be_locked_is_told)
{
	struct cache_options opts = { .bytes = ARENA(64), .lock_memory = true };
	struct rlimit none = { 0, 0 };
	struct cache *c = NULL;

	if (!memory_can_be_locked()) {
		fprintf(stderr, "SKIP: memory cannot be locked here\n");
		return;
	}
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	/* Root may lock beyond the limit: become nobody. */
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(cache_new(&opts, &c), -EPERM);
	ck_assert_ptr_null(c);
}
END_TEST

/* --- Loading and hitting ------------------------------------------------- */

START_TEST(what_was_loaded_is_hit)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *b = begin_load(c, key_of(7, 3)), *again = NULL;

	ck_assert_uint_eq(cache_block_bytes(b), 0);
	memset(cache_block_data(b), 0x5a, 100);
	cache_loaded(c, b, 100);
	cache_unpin(c, b);

	ck_assert_int_eq(cache_get(c, key_of(7, 3), &again), CACHE_HIT);
	ck_assert_uint_eq(cache_block_bytes(again), 100);
	for (size_t i = 0; i < CACHE_BLOCK_BYTES; i++)
		ck_assert_uint_eq(cache_block_data(again)[i],
				  i < 100 ? 0x5a : 0);
	cache_unpin(c, again);
	cache_free(c);
}
END_TEST

START_TEST(chunk_and_block_number_both_name_a_block)
{
	struct cache *c = cache_of(64, 4);

	load(c, key_of(1, 2));
	ck_assert(is_cached(c, key_of(1, 2)));
	ck_assert(!is_cached(c, key_of(2, 1)));
	ck_assert(!is_cached(c, key_of(1, 1)));
	ck_assert(!is_cached(c, key_of(UINT64_C(1) << 32 | 1, 2)));
	load(c, key_of(2, 1));
	hit(c, key_of(1, 2));
	hit(c, key_of(2, 1));
	cache_free(c);
}
END_TEST

START_TEST(a_loading_block_is_not_readable_but_busy)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *b = begin_load(c, key_of(1, 0)), *other = NULL;

	ck_assert_int_eq(cache_peek(c, key_of(1, 0), &other), CACHE_ABSENT);
	ck_assert_int_eq(cache_claim(c, key_of(1, 0), &other), CACHE_BUSY);
	ck_assert_ptr_null(other);
	fill(c, b, key_of(1, 0));
	ck_assert_int_eq(cache_claim(c, key_of(1, 0), &other), CACHE_BUSY);
	ck_assert_ptr_null(other);
	hit(c, key_of(1, 0));
	cache_unpin(c, b);
	cache_free(c);
}
END_TEST

START_TEST(what_is_absent_can_be_claimed_for_loading)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *b = NULL;

	ck_assert_int_eq(cache_claim(c, key_of(1, 0), &b), CACHE_LOAD);
	fill(c, b, key_of(1, 0));
	cache_unpin(c, b);
	hit(c, key_of(1, 0));
	cache_free(c);
}
END_TEST

START_TEST(when_all_blocks_are_pinned_the_caller_does_without)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *pinned[64], *b = NULL;

	for (uint32_t i = 0; i < 64; i++)
		pinned[i] = load_pinned(c, key_of(1, i));
	ck_assert_int_eq(cache_get(c, key_of(2, 0), &b), CACHE_FULL);
	ck_assert_int_eq(cache_claim(c, key_of(2, 0), &b), CACHE_FULL);
	ck_assert_ptr_null(b);
	for (uint32_t i = 0; i < 64; i++)
		hit(c, key_of(1, i));

	cache_unpin(c, pinned[40]);
	load(c, key_of(2, 0));
	ck_assert(!is_cached(c, key_of(1, 40)));
	for (uint32_t i = 0; i < 64; i++) {
		if (i != 40) {
			hit(c, key_of(1, i));
			cache_unpin(c, pinned[i]);
		}
	}
	cache_free(c);
}
END_TEST

START_TEST(a_block_pinned_twice_stays_until_both_pins_end)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *first = load_pinned(c, key_of(1, 0));
	struct cache_block *second = NULL;

	ck_assert_int_eq(cache_get(c, key_of(1, 0), &second), CACHE_HIT);
	ck_assert_ptr_eq(first, second);
	cache_unpin(c, first);
	for (uint64_t i = 2; i < 500; i++)
		load(c, key_of(i, 0));
	ck_assert(
		all_bytes_are(cache_block_data(second), fill_of(key_of(1, 0))));
	hit(c, key_of(1, 0));
	cache_unpin(c, second);
	cache_free(c);
}
END_TEST

START_TEST(statistics_count_each_outcome_once)
{
	struct cache *c = cache_of(64, 4);
	struct cache_block *b;
	struct cache_stats st;

	for (uint32_t i = 0; i < 10; i++)
		load(c, key_of(1, i)); /* 10 misses */
	for (int i = 0; i < 7; i++)
		hit(c, key_of(1, 3)); /* 7 hits */
	ck_assert_int_eq(cache_get(c, key_of(1, 4), &b), CACHE_HIT); /* 8 */
	cache_load_failed(c, begin_load(c, key_of(2, 0)), -EIO); /* 11 misses */
	ck_assert(!is_cached(c, key_of(2, 0))); /* counts as nothing */
	st = stats_of(c);
	ck_assert_uint_eq(st.hits, 8);
	ck_assert_uint_eq(st.misses, 11);
	ck_assert_uint_eq(st.waits, 0);
	ck_assert_uint_eq(st.evictions, 0);
	ck_assert_uint_eq(st.loads_failed, 1);
	ck_assert_uint_eq(st.blocks_used, 10);

	/* The hits of blocks that are gone still count. */
	cache_drop_chunk(c, 1, 10);
	cache_unpin(c, b);
	st = stats_of(c);
	ck_assert_uint_eq(st.hits, 8);
	ck_assert_uint_eq(st.evictions, 0);
	ck_assert_uint_eq(st.blocks_used, 0);
	cache_free(c);
}
END_TEST

/* 112 blocks use the table as densely as it gets: buckets overflow. */
START_TEST(every_block_in_use_is_found_whatever_came_and_went)
{
	struct cache *c = cache_of(112, 1);
	uint64_t random = 1;

	for (int round = 0; round < 200; round++) {
		uint64_t n_found = 0;

		for (int i = 0; i < 60; i++) {
			struct cache_block *b;
			struct cache_key key;

			random = random * UINT64_C(6364136223846793005) + 1;
			key = key_of(random >> 56, 0);
			if (i % 5 == 0) {
				cache_drop_chunk(c, key.chunk, 1);
				continue;
			}
			if (cache_claim(c, key, &b) == CACHE_BUSY)
				continue;
			fill(c, b, key);
			cache_unpin(c, b);
		}
		for (uint64_t i = 0; i < 256; i++)
			n_found += is_cached(c, key_of(i, 0));
		ck_assert_uint_eq(n_found, stats_of(c).blocks_used);
	}
	ck_assert_uint_gt(stats_of(c).evictions, 0);
	cache_free(c);
}
END_TEST

/* --- Failing and dropping ------------------------------------------------ */

START_TEST(after_a_failed_loading_the_next_one_loads_again)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *b = begin_load(c, key_of(1, 0));
	uint8_t *data = cache_block_data(b);

	memset(data, 0xee, 1000);
	cache_load_failed(c, b, ERR_BAD_SEAL);
	ck_assert(all_bytes_are(data, 0));
	ck_assert(!is_cached(c, key_of(1, 0)));
	ck_assert_uint_eq(stats_of(c).blocks_used, 0);
	load(c, key_of(1, 0));
	hit(c, key_of(1, 0));
	cache_free(c);
}
END_TEST

START_TEST(eviction_wipes_before_the_next_loader_sees_the_block)
{
	struct cache *c = cache_of(64, 1);

	for (uint32_t i = 0; i < 64; i++)
		load(c, key_of(1, i));
	for (uint32_t i = 0; i < 200; i++) {
		struct cache_block *b = begin_load(c, key_of(2, i));

		ck_assert_uint_eq(cache_block_bytes(b), 0);
		/* A short one, with bytes of the old kind beyond its end. */
		memset(cache_block_data(b), 0xaa, CACHE_BLOCK_BYTES);
		cache_loaded(c, b, 1);
		cache_unpin(c, b);
	}
	cache_free(c);
}
END_TEST

START_TEST(dropping_wipes_the_blocks_of_that_chunk_alone)
{
	struct cache *c = cache_of(64, 4);
	uint8_t *data[3];

	for (uint32_t i = 0; i < 3; i++) {
		struct cache_block *b = load_pinned(c, key_of(1, i));

		data[i] = cache_block_data(b);
		cache_unpin(c, b);
		load(c, key_of(2, i));
	}
	cache_drop_chunk(c, 1, 2);
	ck_assert(all_bytes_are(data[0], 0));
	ck_assert(all_bytes_are(data[1], 0));
	ck_assert(!is_cached(c, key_of(1, 0)));
	ck_assert(!is_cached(c, key_of(1, 1)));
	hit(c, key_of(1, 2)); /* beyond n_blocks */
	for (uint32_t i = 0; i < 3; i++)
		hit(c, key_of(2, i));
	ck_assert_uint_eq(stats_of(c).blocks_used, 4);
	cache_free(c);
}
END_TEST

START_TEST(a_dropped_block_that_is_pinned_goes_with_its_last_pin)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *b = load_pinned(c, key_of(1, 0)), *b2 = NULL;
	uint8_t *data = cache_block_data(b);

	ck_assert_int_eq(cache_get(c, key_of(1, 0), &b2), CACHE_HIT);
	cache_drop_chunk(c, 1, 1);
	cache_drop_chunk(c, 1, 1); /* nothing is left to drop */
	ck_assert(!is_cached(c, key_of(1, 0)));
	load(c, key_of(1, 0)); /* into another block */

	cache_unpin(c, b);
	ck_assert(all_bytes_are(data, fill_of(key_of(1, 0))));
	ck_assert_uint_eq(stats_of(c).blocks_used, 2);
	cache_unpin(c, b2);
	ck_assert(all_bytes_are(data, 0));
	ck_assert_uint_eq(stats_of(c).blocks_used, 1);
	hit(c, key_of(1, 0));
	cache_free(c);
}
END_TEST

START_TEST(a_block_dropped_while_loading_goes_with_its_last_pin)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *b = begin_load(c, key_of(1, 0));
	uint8_t *data = cache_block_data(b);

	cache_drop_chunk(c, 1, 1);
	load(c, key_of(1, 0)); /* a loading of its own, no waiting */
	fill(c, b, key_of(1, 0));
	ck_assert_uint_eq(cache_block_bytes(b), CACHE_BLOCK_BYTES);
	ck_assert(all_bytes_are(data, fill_of(key_of(1, 0))));
	cache_unpin(c, b);
	ck_assert(all_bytes_are(data, 0));
	hit(c, key_of(1, 0));

	b = begin_load(c, key_of(2, 0));
	data = cache_block_data(b);
	memset(data, 0xee, 10);
	cache_drop_chunk(c, 2, 1);
	cache_load_failed(c, b, -EIO);
	ck_assert(all_bytes_are(data, 0));
	ck_assert_uint_eq(stats_of(c).blocks_used, 1);
	ck_assert_uint_eq(stats_of(c).loads_failed, 1);
	cache_free(c);
}
END_TEST

START_TEST(blocks_that_were_dropped_are_used_again)
{
	struct cache *c = cache_of(64, 1);

	for (uint64_t i = 0; i < 50; i++) {
		struct cache_block *b = NULL;

		for (uint32_t j = 0; j < 64; j++)
			load(c, key_of(i, j));
		ck_assert_int_eq(cache_get(c, key_of(i, 5), &b), CACHE_HIT);
		cache_drop_chunk(c, i, 64);
		ck_assert_uint_eq(stats_of(c).blocks_used, 1);
		cache_unpin(c, b);
		ck_assert_uint_eq(stats_of(c).blocks_used, 0);
	}
	ck_assert_uint_eq(stats_of(c).evictions, 0);
	cache_free(c);
}
END_TEST

/* --- Waiting ------------------------------------------------------------- */

#define N_WAITERS 4

struct waiter {
	struct cache *c;
	_Atomic int n_about_to_wait; /* of all threads: the hook was called */
	_Atomic int n_hits;
	_Atomic int n_errors;
	int err; /* expected */
};

static void about_to_wait(void *arg)
{
	struct waiter *w = arg;

	atomic_fetch_add(&w->n_about_to_wait, 1);
}

static void *get_one(void *arg)
{
	struct waiter *w = arg;
	struct cache_block *b = NULL;
	int r;

	block_set_hook(about_to_wait, w);
	r = cache_get(w->c, key_of(1, 0), &b);
	if (r == CACHE_HIT) {
		atomic_fetch_add(&w->n_hits,
				 all_bytes_are(cache_block_data(b),
					       fill_of(key_of(1, 0))));
		cache_unpin(w->c, b);
	} else if (r == w->err) {
		atomic_fetch_add(&w->n_errors, 1);
	}
	return NULL;
}

/* Starts threads that get the block, and returns once all are about to wait
 * for its loading. */
static void start_waiters(struct waiter *w, pthread_t *threads)
{
	for (int i = 0; i < N_WAITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, get_one, w),
				 0);
	while (atomic_load(&w->n_about_to_wait) < N_WAITERS)
		sched_yield();
}

static void join_waiters(pthread_t *threads)
{
	for (int i = 0; i < N_WAITERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

START_TEST(many_wait_for_one_loading)
{
	struct waiter w = { .c = cache_of(64, 1) };
	struct cache_block *b = begin_load(w.c, key_of(1, 0));
	pthread_t threads[N_WAITERS];
	struct cache_stats st;

	start_waiters(&w, threads);
	fill(w.c, b, key_of(1, 0));
	join_waiters(threads);
	cache_unpin(w.c, b);
	ck_assert_int_eq(atomic_load(&w.n_hits), N_WAITERS);
	st = stats_of(w.c);
	ck_assert_uint_eq(st.misses, 1);
	ck_assert_uint_eq(st.waits, N_WAITERS);
	ck_assert_uint_eq(st.hits, 0);

	/* Now it is a hit, before which nobody is told of blocking. */
	get_one(&w);
	block_set_hook(NULL, NULL);
	ck_assert_int_eq(atomic_load(&w.n_hits), N_WAITERS + 1);
	ck_assert_int_eq(atomic_load(&w.n_about_to_wait), N_WAITERS);
	cache_free(w.c);
}
END_TEST

START_TEST(waiters_get_the_error_of_the_loading)
{
	struct waiter w = { .c = cache_of(64, 1), .err = ERR_BAD_SEAL };
	struct cache_block *b = begin_load(w.c, key_of(1, 0));
	uint8_t *data = cache_block_data(b);
	pthread_t threads[N_WAITERS];

	start_waiters(&w, threads);
	memset(data, 0xee, 77);
	cache_load_failed(w.c, b, ERR_BAD_SEAL);
	join_waiters(threads);
	ck_assert_int_eq(atomic_load(&w.n_errors), N_WAITERS);
	ck_assert(all_bytes_are(data, 0));
	ck_assert_uint_eq(stats_of(w.c).blocks_used, 0);
	ck_assert_uint_eq(stats_of(w.c).loads_failed, 1);
	cache_free(w.c);
}
END_TEST

START_TEST(waiters_for_a_block_dropped_meanwhile_still_get_it)
{
	struct waiter w = { .c = cache_of(64, 1) };
	struct cache_block *b = begin_load(w.c, key_of(1, 0));
	uint8_t *data = cache_block_data(b);
	pthread_t threads[N_WAITERS];

	start_waiters(&w, threads);
	cache_drop_chunk(w.c, 1, 1);
	fill(w.c, b, key_of(1, 0));
	cache_unpin(w.c, b);
	join_waiters(threads);
	ck_assert_int_eq(atomic_load(&w.n_hits), N_WAITERS);
	ck_assert(all_bytes_are(data, 0));
	ck_assert(!is_cached(w.c, key_of(1, 0)));
	ck_assert_uint_eq(stats_of(w.c).blocks_used, 0);
	cache_free(w.c);
}
END_TEST

/* --- Misuse -------------------------------------------------------------- */

START_TEST(freeing_with_a_pin_aborts)
{
	struct cache *c = cache_of(64, 1);

	load_pinned(c, key_of(1, 0));
	cache_free(c);
}
END_TEST

START_TEST(ending_a_pin_twice_aborts)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *b = load_pinned(c, key_of(1, 0));

	cache_unpin(c, b);
	cache_unpin(c, b);
}
END_TEST

START_TEST(loading_more_than_a_block_aborts)
{
	struct cache *c = cache_of(64, 1);

	cache_loaded(c, begin_load(c, key_of(1, 0)), CACHE_BLOCK_BYTES + 1);
}
END_TEST

START_TEST(ending_a_loading_twice_aborts)
{
	struct cache *c = cache_of(64, 1);
	struct cache_block *b = load_pinned(c, key_of(1, 0));

	cache_loaded(c, b, 1);
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *t = tcase_create("making");

	tcase_add_test(t, impossible_options_are_refused);
	tcase_add_test(t, the_arena_is_rounded_down_and_wholly_usable);
	tcase_add_test(t, memory_that_runs_out_is_told_and_leaks_nothing);
	tcase_add_test(t, the_arena_is_present_and_left_out_of_core_dumps);
	tcase_add_test(t, the_arena_can_be_locked);
	tcase_add_test(t, memory_that_cannot_be_locked_is_told);
	suite_add_tcase(suite, t);

	t = tcase_create("loading and hitting");
	tcase_add_test(t, what_was_loaded_is_hit);
	tcase_add_test(t, chunk_and_block_number_both_name_a_block);
	tcase_add_test(t, a_loading_block_is_not_readable_but_busy);
	tcase_add_test(t, what_is_absent_can_be_claimed_for_loading);
	tcase_add_test(t, when_all_blocks_are_pinned_the_caller_does_without);
	tcase_add_test(t, a_block_pinned_twice_stays_until_both_pins_end);
	tcase_add_test(t, statistics_count_each_outcome_once);
	tcase_add_test(t, every_block_in_use_is_found_whatever_came_and_went);
	suite_add_tcase(suite, t);

	t = tcase_create("failing and dropping");
	tcase_add_test(t, after_a_failed_loading_the_next_one_loads_again);
	tcase_add_test(t, eviction_wipes_before_the_next_loader_sees_the_block);
	tcase_add_test(t, dropping_wipes_the_blocks_of_that_chunk_alone);
	tcase_add_test(t,
		       a_dropped_block_that_is_pinned_goes_with_its_last_pin);
	tcase_add_test(t, a_block_dropped_while_loading_goes_with_its_last_pin);
	tcase_add_test(t, blocks_that_were_dropped_are_used_again);
	suite_add_tcase(suite, t);
}

static void add_more_tests(Suite *suite)
{
	TCase *t = tcase_create("waiting");

	tcase_add_test(t, many_wait_for_one_loading);
	tcase_add_test(t, waiters_get_the_error_of_the_loading);
	tcase_add_test(t, waiters_for_a_block_dropped_meanwhile_still_get_it);
	suite_add_tcase(suite, t);

	t = tcase_create("misuse");
	tcase_add_test_raise_signal(t, freeing_with_a_pin_aborts, SIGABRT);
	tcase_add_test_raise_signal(t, ending_a_pin_twice_aborts, SIGABRT);
	tcase_add_test_raise_signal(t, loading_more_than_a_block_aborts,
				    SIGABRT);
	tcase_add_test_raise_signal(t, ending_a_loading_twice_aborts, SIGABRT);
	suite_add_tcase(suite, t);
}

int main(void)
{
	Suite *suite = suite_create("cache");
	SRunner *runner;
	int failed;

	add_tests(suite);
	add_more_tests(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
