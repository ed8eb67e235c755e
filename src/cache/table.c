/* SPDX-License-Identifier: ISC */
#include <assert.h>

#include "cache/cache_priv.h"

static_assert(sizeof(struct cache_bucket) == CACHE_LINE_BYTES,
	      "a bucket is one line");

/* At most half of the slots are ever used: a home bucket that overflows is
 * then rare (3.5 entries in 7 slots on average at the worst). */
uint32_t cache_table_buckets(uint32_t n_blocks)
{
	uint32_t n = 1;

	while ((uint64_t)n * CACHE_BUCKET_SLOTS < 2 * (uint64_t)n_blocks)
		n *= 2;
	return n;
}

static uint64_t slot_make(const struct cache_shard *s,
			  const struct cache_block *b, uint64_t hash)
{
	return (uint64_t)cache_hash_tag(hash) << 32 |
	       (cache_block_index(s, b) + 1);
}

/* The block a slot names if its tag is that of the hash. */
static inline struct cache_block *slot_block(const struct cache_shard *s,
					     uint64_t slot, uint64_t hash)
{
	uint32_t index = (uint32_t)slot;

	if (index == 0 || (uint32_t)(slot >> 32) != cache_hash_tag(hash))
		return NULL;
	return &s->blocks[index - 1];
}

/* Raises the pin count if the block is readable; acquire: see the word. */
static inline bool block_pin(struct cache_block *b)
{
	uint64_t w = atomic_load_explicit(&b->word, memory_order_relaxed);

	do {
		if ((w & (CACHE_READY | CACHE_DOOMED)) != CACHE_READY)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&b->word, &w, cache_word_hit(w), memory_order_acquire,
		memory_order_relaxed));
	return true;
}

/*
 * A slot may be stale: its block evicted, loaded with another key.  Then the
 * pin was raised on a stranger, for a moment and to no harm: at the most its
 * eviction or wiping falls to this thread, and it is thought a little more
 * used than it was.
 */
static inline struct cache_block *slot_pin(struct cache_shard *s, uint64_t slot,
					   struct cache_key key, uint64_t hash)
{
	struct cache_block *b = slot_block(s, slot, hash);

	if (b == NULL || !block_pin(b))
		return NULL;
	if (cache_key_equal(cache_block_key(b), key))
		return b;
	cache_block_put(s, b, CACHE_PIN_ONE + CACHE_HIT_ONE);
	return NULL;
}

/*
 * Relaxed loads suffice: a slot is a hint that the pin proves or refutes.  And
 * an entry is found whose adding happens before this call and which stays: by
 * write-read coherence (C17 5.1.2.4) its slot and the overflow counts on the
 * way to it show that store or a later one, and none later denies the entry.
 */
struct cache_block *cache_table_pin(struct cache_shard *s, struct cache_key key,
				    uint64_t hash)
{
	for (uint32_t n = 0; n <= s->bucket_mask; n++) {
		struct cache_bucket *u =
			&s->buckets[(hash + n) & s->bucket_mask];

		for (unsigned i = 0; i < CACHE_BUCKET_SLOTS; i++) {
			struct cache_block *b = slot_pin(
				s,
				atomic_load_explicit(&u->slot[i],
						     memory_order_relaxed),
				key, hash);

			if (b != NULL)
				return b;
		}
		if (atomic_load_explicit(&u->overflow, memory_order_relaxed) ==
		    0)
			break;
	}
	return NULL;
}

struct cache_block *cache_table_find_locked(struct cache_shard *s,
					    struct cache_key key, uint64_t hash)
{
	for (uint32_t n = 0; n <= s->bucket_mask; n++) {
		struct cache_bucket *u =
			&s->buckets[(hash + n) & s->bucket_mask];

		for (unsigned i = 0; i < CACHE_BUCKET_SLOTS; i++) {
			struct cache_block *b = slot_block(
				s,
				atomic_load_explicit(&u->slot[i],
						     memory_order_relaxed),
				hash);

			if (b != NULL &&
			    cache_key_equal(cache_block_key(b), key))
				return b;
		}
		if (atomic_load_explicit(&u->overflow, memory_order_relaxed) ==
		    0)
			break;
	}
	return NULL;
}

/* Replaces a slot that holds `from`; false if the bucket has none. */
static bool bucket_replace(struct cache_bucket *u, uint64_t from, uint64_t to)
{
	for (unsigned i = 0; i < CACHE_BUCKET_SLOTS; i++) {
		if (atomic_load_explicit(&u->slot[i], memory_order_relaxed) !=
		    from)
			continue;
		atomic_store_explicit(&u->slot[i], to, memory_order_relaxed);
		return true;
	}
	return false;
}

/* Load and store, no read-modify-write: only the lock's holder writes. */
static void bucket_count_overflow(struct cache_bucket *u, uint32_t by)
{
	uint32_t n = atomic_load_explicit(&u->overflow, memory_order_relaxed);

	atomic_store_explicit(&u->overflow, n + by, memory_order_relaxed);
}

/* Ends: there are twice as many slots as blocks. */
void cache_table_add_locked(struct cache_shard *s, struct cache_block *b,
			    uint64_t hash)
{
	uint64_t slot = slot_make(s, b, hash);

	for (uint32_t n = 0;; n++) {
		struct cache_bucket *u =
			&s->buckets[(hash + n) & s->bucket_mask];

		if (bucket_replace(u, 0, slot))
			return;
		assert(n < s->bucket_mask);
		bucket_count_overflow(u, 1);
	}
}

void cache_table_remove_locked(struct cache_shard *s, struct cache_block *b,
			       uint64_t hash)
{
	uint64_t slot = slot_make(s, b, hash);

	for (uint32_t n = 0;; n++) {
		struct cache_bucket *u =
			&s->buckets[(hash + n) & s->bucket_mask];

		if (bucket_replace(u, slot, 0))
			return;
		assert(n < s->bucket_mask);
		bucket_count_overflow(u, (uint32_t)-1);
	}
}
