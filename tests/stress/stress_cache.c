/* SPDX-License-Identifier: ISC */
/*
 * Readers of the cache against loading, eviction, dropping and failing, for
 * ThreadSanitizer and for whoever has many cores.
 *
 * usage: stress_cache [OPERATIONS]    a thread; 40000 by default
 *
 * The bytes of a block follow from its key, so every byte read under a pin can
 * be judged.  Chunks with an even number are never dropped: of each of their
 * blocks only one loading may be under way at any time.  At the end the
 * threads' own tallies must agree with the cache's, and dropping every chunk
 * must leave no block in use (a pin that leaked would keep one) and not one
 * byte of data.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cache/cache.h"

#define N_THREADS 6
#define N_CACHE_BLOCKS 64
#define N_SHARDS 8
#define N_CHUNKS 24
#define CHUNK_BLOCKS 8
#define N_PINS_HELD 4
#define N_WORDS (CACHE_BLOCK_BYTES / sizeof(uint64_t))
#define N_ROUNDS 200 /* of all threads asking for one block */

struct tally {
	uint64_t hits_and_errors, loads, fulls, failed, busy, drops;
};

struct worker {
	pthread_t thread;
	struct cache *cache;
	uint64_t random;
	unsigned long n_operations;
	struct cache_block *held[N_PINS_HELD];
	struct cache_key held_key[N_PINS_HELD];
	struct tally tally;
};

static _Atomic int loadings[N_CHUNKS][CHUNK_BLOCKS];
static _Atomic(const uint8_t *) blocks_seen[N_CACHE_BLOCKS];
static pthread_barrier_t barrier;
static _Atomic int round_loads[N_ROUNDS];

/* Not assert(): NDEBUG must not turn a test into nothing. */
#define require(condition)                                                     \
	((condition) ? (void)0 : give_up(#condition, __LINE__))

static _Noreturn void give_up(const char *condition, int line)
{
	fprintf(stderr, "stress_cache.c:%d: failed: %s\n", line, condition);
	abort();
}

/* xorshift64* (Vigna: An experimental exploration of Marsaglia's xorshift
 * generators, scrambled, ACM TOMS 42, 2016). */
static uint64_t next_random(struct worker *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * UINT64_C(0x2545f4914f6cdd1d);
}

static bool one_in(struct worker *w, unsigned n)
{
	return (next_random(w) >> 33) % n == 0;
}

/* Half of the uses fall on an eighth of the blocks. */
static struct cache_key pick_key(struct worker *w)
{
	unsigned n = one_in(w, 2) ? N_CHUNKS / 8 : N_CHUNKS;
	uint64_t x = next_random(w) >> 16;

	return (struct cache_key){ .chunk = x % n,
				   .block = (x >> 32) % CHUNK_BLOCKS };
}

static uint64_t word_of(struct cache_key key, size_t i)
{
	return (key.chunk * CHUNK_BLOCKS + key.block + 1) *
		       UINT64_C(0x9e3779b97f4a7c15) +
	       i;
}

/* The last block of a chunk is shorter. */
static uint32_t n_words_of(struct cache_key key)
{
	return key.block == CHUNK_BLOCKS - 1 ? 100 : N_WORDS;
}

static void remember_block(const uint8_t *data)
{
	for (size_t i = 0; i < N_CACHE_BLOCKS; i++) {
		const uint8_t *none = NULL;

		if (atomic_compare_exchange_strong(&blocks_seen[i], &none,
						   data) ||
		    none == data)
			return;
	}
	give_up("no more blocks than the cache has", __LINE__);
}

static void fill(struct cache_block *b, struct cache_key key)
{
	uint8_t *data = cache_block_data(b);

	for (size_t i = 0; i < n_words_of(key); i++) {
		uint64_t word = word_of(key, i);

		memcpy(data + i * sizeof(word), &word, sizeof(word));
	}
}

/* All words now and then; mostly a few, which leaves more time for races. */
static void check(struct worker *w, struct cache_block *b, struct cache_key key)
{
	size_t n = n_words_of(key);
	size_t step = one_in(w, 16) ? 1 : 1 + n / 16;
	const uint8_t *data = cache_block_data(b);

	require(cache_block_bytes(b) == n * sizeof(uint64_t));
	for (size_t i = (next_random(w) >> 20) % step; i < n; i += step) {
		uint64_t word;

		memcpy(&word, data + i * sizeof(word), sizeof(word));
		require(word == word_of(key, i));
	}
}

static bool all_zero(const uint8_t *data)
{
	for (size_t i = 0; i < CACHE_BLOCK_BYTES; i++) {
		if (data[i] != 0)
			return false;
	}
	return true;
}

/* Fills a block or fails to; true if it is then pinned and readable. */
static bool finish_load(struct worker *w, struct cache_block *b,
			struct cache_key key)
{
	_Atomic int *n_loading = &loadings[key.chunk][key.block];
	int others = atomic_fetch_add(n_loading, 1);

	w->tally.loads++;
	require(others == 0 || key.chunk % 2 == 1);
	require(cache_block_bytes(b) == 0);
	if (one_in(w, 16))
		require(all_zero(cache_block_data(b)));
	remember_block(cache_block_data(b));
	fill(b, key);
	if (one_in(w, 4))
		sched_yield(); /* let others come to wait */
	atomic_fetch_sub(n_loading, 1);
	if (one_in(w, 16)) {
		w->tally.failed++;
		cache_load_failed(w->cache, b, -EIO);
		return false;
	}
	cache_loaded(w->cache, b, n_words_of(key) * (uint32_t)sizeof(uint64_t));
	return true;
}

/* Keeps the pin for a while in place of another one. */
static void hold(struct worker *w, struct cache_block *b, struct cache_key key)
{
	size_t i = (next_random(w) >> 40) % N_PINS_HELD;

	check(w, b, key);
	if (w->held[i] != NULL) {
		check(w, w->held[i], w->held_key[i]);
		cache_unpin(w->cache, w->held[i]);
	}
	w->held[i] = b;
	w->held_key[i] = key;
}

static void use_block(struct worker *w, int result, struct cache_block *b,
		      struct cache_key key)
{
	switch (result) {
	case CACHE_LOAD:
		if (!finish_load(w, b, key))
			return;
		break;
	case CACHE_HIT:
		w->tally.hits_and_errors++;
		break;
	case CACHE_FULL:
		w->tally.fulls++;
		return;
	case CACHE_ABSENT:
		return;
	case CACHE_BUSY:
		w->tally.busy++;
		return;
	default:
		require(result == -EIO);
		w->tally.hits_and_errors++;
		return;
	}
	if (one_in(w, 4)) {
		hold(w, b, key);
		return;
	}
	check(w, b, key);
	cache_unpin(w->cache, b);
}

static void operate(struct worker *w)
{
	struct cache_key key = pick_key(w);
	struct cache_block *b = NULL;
	struct cache_stats st;
	int result;
	unsigned what = (unsigned)(next_random(w) >> 50) % 64;

	if (what < 44) {
		result = cache_get(w->cache, key, &b);
		use_block(w, result, b, key);
	} else if (what < 54) {
		result = cache_peek(w->cache, key, &b);
		use_block(w, result, b, key);
	} else if (what < 60) {
		result = cache_claim(w->cache, key, &b);
		use_block(w, result, b, key);
	} else if (what < 63) {
		cache_drop_chunk(w->cache, key.chunk | 1, CHUNK_BLOCKS);
		w->tally.drops++;
	} else {
		cache_get_stats(w->cache, &st);
		require(st.blocks_total == N_CACHE_BLOCKS);
		require(st.blocks_used <= N_CACHE_BLOCKS);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned long i = 0; i < w->n_operations; i++)
		operate(w);
	for (size_t i = 0; i < N_PINS_HELD; i++) {
		if (w->held[i] == NULL)
			continue;
		check(w, w->held[i], w->held_key[i]);
		cache_unpin(w->cache, w->held[i]);
	}
	return NULL;
}

/* All threads ask for one new block at once, again and again: just one may
 * load it.  Nobody lets go before all have it, so it is not evicted. */
static void *ask_together(void *arg)
{
	struct worker *w = arg;

	for (uint64_t round = 0; round < N_ROUNDS; round++) {
		struct cache_key key = { .chunk = 1000 + round };
		struct cache_block *b = NULL;
		int result;

		pthread_barrier_wait(&barrier);
		result = cache_get(w->cache, key, &b);
		require(result == CACHE_HIT || result == CACHE_LOAD);
		if (result == CACHE_LOAD) {
			atomic_fetch_add(&round_loads[round], 1);
			remember_block(cache_block_data(b));
			fill(b, key);
			cache_loaded(w->cache, b, CACHE_BLOCK_BYTES);
			w->tally.loads++;
		} else {
			w->tally.hits_and_errors++;
		}
		check(w, b, key);
		pthread_barrier_wait(&barrier);
		cache_unpin(w->cache, b);
	}
	return NULL;
}

static void run(struct worker *workers, void *(*fn)(void *))
{
	for (int i = 0; i < N_THREADS; i++)
		require(pthread_create(&workers[i].thread, NULL, fn,
				       &workers[i]) == 0);
	for (int i = 0; i < N_THREADS; i++)
		require(pthread_join(workers[i].thread, NULL) == 0);
}

static struct tally sum_tallies(const struct worker *workers)
{
	struct tally sum = { 0 };

	for (int i = 0; i < N_THREADS; i++) {
		const struct tally *t = &workers[i].tally;

		sum.hits_and_errors += t->hits_and_errors;
		sum.loads += t->loads;
		sum.fulls += t->fulls;
		sum.failed += t->failed;
		sum.busy += t->busy;
		sum.drops += t->drops;
	}
	return sum;
}

static void check_stats(struct cache *c, const struct worker *workers)
{
	struct tally sum = sum_tallies(workers);
	struct cache_stats st;

	cache_get_stats(c, &st);
	printf("hits %llu, waits %llu, loads %llu, full %llu, failed %llu, "
	       "busy %llu, chunks dropped %llu, evicted %llu\n",
	       (unsigned long long)st.hits, (unsigned long long)st.waits,
	       (unsigned long long)sum.loads, (unsigned long long)sum.fulls,
	       (unsigned long long)sum.failed, (unsigned long long)sum.busy,
	       (unsigned long long)sum.drops, (unsigned long long)st.evictions);
	require(st.hits + st.waits == sum.hits_and_errors);
	require(st.misses == sum.loads + sum.fulls);
	require(st.loads_failed == sum.failed);
	require(sum.loads > 0 && sum.failed > 0 && sum.drops > 0);
	require(st.hits > 0 && st.evictions > 0);
}

static void check_nothing_left(struct cache *c)
{
	struct cache_stats st;

	for (uint64_t i = 0; i < N_CHUNKS; i++)
		cache_drop_chunk(c, i, CHUNK_BLOCKS);
	for (uint64_t i = 0; i < N_ROUNDS; i++)
		cache_drop_chunk(c, 1000 + i, 1);
	cache_get_stats(c, &st);
	require(st.blocks_used == 0);
	for (size_t i = 0; i < N_CACHE_BLOCKS; i++) {
		const uint8_t *data = atomic_load(&blocks_seen[i]);

		require(data == NULL || all_zero(data));
	}
}

int main(int argc, char **argv)
{
	struct cache_options opts = {
		.bytes = (size_t)N_CACHE_BLOCKS * CACHE_BLOCK_BYTES,
		.n_shards = N_SHARDS,
	};
	static struct worker workers[N_THREADS];
	struct cache *c;

	require(cache_new(&opts, &c) == 0);
	for (int i = 0; i < N_THREADS; i++) {
		workers[i].cache = c;
		workers[i].random = (uint64_t)i + 1;
		workers[i].n_operations =
			argc > 1 ? strtoul(argv[1], NULL, 10) : 40000;
	}
	require(pthread_barrier_init(&barrier, NULL, N_THREADS) == 0);
	run(workers, work);
	run(workers, ask_together);
	for (int i = 0; i < N_ROUNDS; i++)
		require(atomic_load(&round_loads[i]) == 1);
	check_stats(c, workers);
	check_nothing_left(c);
	pthread_barrier_destroy(&barrier);
	cache_free(c);
	return EXIT_SUCCESS;
}
