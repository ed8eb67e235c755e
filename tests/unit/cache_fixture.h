/* SPDX-License-Identifier: ISC */
/* What the tests of the cache share: blocks filled by their key. */
#ifndef COFFER_TESTS_CACHE_FIXTURE_H
#define COFFER_TESTS_CACHE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <check.h>

#include "cache/cache.h"

#define ARENA(n_blocks) ((size_t)(n_blocks)*CACHE_BLOCK_BYTES)

static inline struct cache *cache_of(size_t n_blocks, unsigned n_shards)
{
	struct cache_options opts = { .bytes = ARENA(n_blocks),
				      .n_shards = n_shards };
	struct cache *c = NULL;

	ck_assert_int_eq(cache_new(&opts, &c), 0);
	return c;
}

static inline struct cache_key key_of(uint64_t chunk, uint32_t block)
{
	return (struct cache_key){ .chunk = chunk, .block = block };
}

static inline struct cache_stats stats_of(struct cache *c)
{
	struct cache_stats st;

	cache_get_stats(c, &st);
	return st;
}

/* The one byte a key's block is filled with; never 0. */
static inline uint8_t fill_of(struct cache_key key)
{
	return (uint8_t)(1 + (key.chunk * 31 + key.block * 7) % 255);
}

static inline bool all_bytes_are(const uint8_t *p, uint8_t value)
{
	for (size_t i = 0; i < CACHE_BLOCK_BYTES; i++) {
		if (p[i] != value)
			return false;
	}
	return true;
}

static inline void fill(struct cache *c, struct cache_block *b,
			struct cache_key key)
{
	memset(cache_block_data(b), fill_of(key), CACHE_BLOCK_BYTES);
	cache_loaded(c, b, CACHE_BLOCK_BYTES);
}

/* Takes a key that is not cached for loading. */
static inline struct cache_block *begin_load(struct cache *c,
					     struct cache_key key)
{
	struct cache_block *b = NULL;

	ck_assert_int_eq(cache_get(c, key, &b), CACHE_LOAD);
	ck_assert(all_bytes_are(cache_block_data(b), 0));
	return b;
}

static inline struct cache_block *load_pinned(struct cache *c,
					      struct cache_key key)
{
	struct cache_block *b = begin_load(c, key);

	fill(c, b, key);
	return b;
}

static inline void load(struct cache *c, struct cache_key key)
{
	cache_unpin(c, load_pinned(c, key));
}

static inline bool is_cached(struct cache *c, struct cache_key key)
{
	struct cache_block *b = NULL;
	int r = cache_peek(c, key, &b);

	if (r == CACHE_ABSENT)
		return false;
	ck_assert_int_eq(r, CACHE_HIT);
	ck_assert(all_bytes_are(cache_block_data(b), fill_of(key)));
	cache_unpin(c, b);
	return true;
}

static inline void hit(struct cache *c, struct cache_key key)
{
	ck_assert(is_cached(c, key));
}

#endif
