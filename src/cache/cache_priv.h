/* SPDX-License-Identifier: ISC */
/*
 * What the sources of the cache share: the block header with its one atomic
 * word, the shard, the look-up table (table.c) and the eviction policy
 * (s3fifo.c).
 *
 * Who may change what:
 * - key, table, queues, counters: under the shard's lock.  Readers load keys
 *   and slots without it, hence these are atomic, all with relaxed order: what
 *   they say is only a hint until a pin is held.
 * - data and n_bytes: by whoever owns the block, that is by its loader between
 *   CACHE_LOAD and cache_loaded, else by whoever took it while unpinned.
 * - word: by anyone, as the transitions below allow, always by read-modify-
 *   write but for the two stores by an owner.
 */
#ifndef COFFER_CACHE_CACHE_PRIV_H
#define COFFER_CACHE_CACHE_PRIV_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "cache/cache.h"

#define CACHE_LINE_BYTES 64
#define CACHE_NONE UINT32_MAX /* no block, in lists of indices */

/*
 * The word of a block:
 *
 *   bits 0-19   pins
 *   bit  20     READY    readable
 *   bit  21     LOADING  its loader is filling it
 *   bit  22     DOOMED   out of table and queue; goes with its last pin
 *   bit  23     FAILED   loading failed, `err` says how; always DOOMED
 *   bit  24     WAITERS  somebody waits for the end of LOADING
 *   bits 26-27  S3-FIFO's frequency, 0 to 3
 *   bits 28-63  hits since it was loaded, modulo 2^36
 *
 *   free 0 -> LOADING, 1 pin -> READY -> 0                  (evicted unpinned)
 *                  |              '-> READY DOOMED -> 0     (dropped)
 *                  |'-> LOADING DOOMED -> READY DOOMED -> 0 (dropped)
 *                  '-> FAILED DOOMED -> 0
 *
 * The frequency and the hits live here because a reader's compare-and-swap on
 * this word then also notes the use: no second atomic write a hit, and no
 * counter that all threads fight for.
 *
 * Memory order (C17 5.1.2.4, release sequence and the coherence rules; 7.17.3).
 * Between two loadings every change of the word is a read-modify-write, so all
 * of them belong to the release sequence that cache_loaded() heads, and each
 * pin (acquire; for one raised while LOADING, the waiter's look at the end)
 * synchronizes with cache_loaded() (release): a reader sees the data, n_bytes
 * and key it was published with.  Each unpin is a release, and
 * again only read-modify-writes follow it until the block is taken; taking it
 * (acquire: eviction's compare-and-swap from zero pins, the fetch_or that
 * dooms an unpinned block, or the last unpin of a doomed one) therefore
 * happens after all that any reader did with the data.  The modification order
 * of the one word also gives exactly one taker.
 *
 * Hence the check of the key needs no fence.  A seqlock's reader must order its
 * data loads before its second look at the counter (Boehm: Can seqlocks get
 * along with programming language memory models?, MSPC 2012); here the key is
 * loaded while the pin is held.  It was stored before cache_loaded(), and can
 * be stored next only after the block is taken, which happens after this pin's
 * end: by write-read and read-write coherence there is one value left for the
 * relaxed load to see.
 */
#define CACHE_PIN_ONE ((uint64_t)1)
#define CACHE_PINS (((uint64_t)1 << 20) - 1)
#define CACHE_READY ((uint64_t)1 << 20)
#define CACHE_LOADING ((uint64_t)1 << 21)
#define CACHE_DOOMED ((uint64_t)1 << 22)
#define CACHE_FAILED ((uint64_t)1 << 23)
#define CACHE_WAITERS ((uint64_t)1 << 24)
#define CACHE_FREQ_ONE ((uint64_t)1 << 26)
#define CACHE_FREQ ((uint64_t)3 << 26)
#define CACHE_FREQ_MAX 3u
#define CACHE_HIT_SHIFT 28
#define CACHE_HIT_ONE ((uint64_t)1 << CACHE_HIT_SHIFT)

static inline unsigned cache_word_pins(uint64_t w)
{
	return (unsigned)(w & CACHE_PINS);
}

static inline unsigned cache_word_freq(uint64_t w)
{
	return (unsigned)((w & CACHE_FREQ) / CACHE_FREQ_ONE);
}

static inline uint64_t cache_word_hits(uint64_t w)
{
	return w >> CACHE_HIT_SHIFT;
}

/* The word after one more hit. */
static inline uint64_t cache_word_hit(uint64_t w)
{
	assert((w & CACHE_PINS) != CACHE_PINS);
	w += CACHE_PIN_ONE + CACHE_HIT_ONE;
	return (w & CACHE_FREQ) == CACHE_FREQ ? w : w + CACHE_FREQ_ONE;
}

/* A line of its own each: a reader touches one line of the table, this, and
 * the data. */
struct cache_block {
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t word;
	_Atomic uint64_t key_chunk;
	_Atomic uint32_t key_block;
	uint32_t n_bytes;    /* valid; 0 means: data all zero, or LOADING */
	uint8_t *data;	     /* constant */
	uint32_t prev, next; /* in a queue (lock), or next in a list of free */
	int err;	     /* of a FAILED loading */
	uint16_t shard;	     /* constant */
	bool in_main;	     /* which queue (lock) */
};

/*
 * Seven slots a line, each the tag of a key's hash (upper half) and the
 * block's index in the shard plus 1 (lower half; 0: empty slot).  An entry
 * that finds its home full goes on to the next bucket and counts itself in the
 * overflow of each it passed (Bronson, Shi: Open-sourcing F14 for faster, more
 * memory-efficient hash tables, 2019), so that a search ends early, nothing is
 * left of an entry removed, and none ever moves: a reader without lock cannot
 * miss one that stays.
 */
#define CACHE_BUCKET_SLOTS 7
struct cache_bucket {
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t slot[CACHE_BUCKET_SLOTS];
	_Atomic uint32_t overflow;
};

struct cache_queue {
	uint32_t head, tail; /* in at the head, out at the tail */
	uint32_t count;
};

/* The id of a block evicted from the small queue: the tag of its hash, and
 * when, in such evictions. */
#define CACHE_GHOST_WAYS 4
struct cache_ghost {
	uint32_t tag[CACHE_GHOST_WAYS];
	uint32_t at[CACHE_GHOST_WAYS];
};

struct cache_shard {
	/* Constant. */
	_Alignas(CACHE_LINE_BYTES) struct cache_bucket *buckets;
	struct cache_block *blocks;
	struct cache_ghost *ghosts;
	uint32_t bucket_mask, ghost_mask;
	uint32_t n_blocks;
	uint32_t small_target; /* blocks the small queue is meant to have */
	uint32_t n_ghosts;     /* ids the ghost queue remembers */

	/* Under `lock`. */
	_Alignas(CACHE_LINE_BYTES) struct lock lock;
	struct cond load_ended; /* of any block that has WAITERS */
	struct cache_queue small, main;
	uint32_t free, n_free; /* list of wiped blocks */
	uint32_t ghost_clock;
	uint64_t misses, waits, evictions, loads_failed;

	/* Without lock: blocks given back by their last unpin, and the hits of
	 * all blocks that were given back or evicted. */
	_Alignas(CACHE_LINE_BYTES) _Atomic uint32_t returned;
	_Atomic uint64_t past_hits;
};

/* SplitMix64's finalizer with the constants of Stafford's "Mix13" (Steele, Lea,
 * Flood: Fast splittable pseudorandom number generators, OOPSLA 2014); the
 * multiplier of the block is theirs too, 2^64 over the golden ratio. */
static inline uint64_t cache_hash(struct cache_key key)
{
	uint64_t z = key.chunk + key.block * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Bits 58 to 63 choose the shard, 26 to 57 are the tag, the lowest choose the
 * bucket. */
static inline uint32_t cache_hash_tag(uint64_t hash)
{
	return (uint32_t)(hash >> 26);
}

static inline struct cache_key cache_block_key(struct cache_block *b)
{
	return (struct cache_key){
		.chunk = atomic_load_explicit(&b->key_chunk,
					      memory_order_relaxed),
		.block = atomic_load_explicit(&b->key_block,
					      memory_order_relaxed),
	};
}

static inline bool cache_key_equal(struct cache_key a, struct cache_key b)
{
	return a.chunk == b.chunk && a.block == b.block;
}

static inline uint32_t cache_block_index(const struct cache_shard *s,
					 const struct cache_block *b)
{
	return (uint32_t)(b - s->blocks);
}

/* Ends a pin: subtracts `amount`, which holds CACHE_PIN_ONE, from the word;
 * the last pin of a doomed block wipes it and gives it back. */
void cache_block_put(struct cache_shard *s, struct cache_block *b,
		     uint64_t amount);

/* Buckets needed for n blocks: a power of two. */
uint32_t cache_table_buckets(uint32_t n_blocks);
/* Without lock: the readable block of that key, pinned; or NULL. */
struct cache_block *cache_table_pin(struct cache_shard *s, struct cache_key key,
				    uint64_t hash);
/* The block of that key in whatever state; or NULL. */
struct cache_block *cache_table_find_locked(struct cache_shard *s,
					    struct cache_key key, uint64_t hash)
	LOCK_ATTR_(requires_capability(s->lock));
void cache_table_add_locked(struct cache_shard *s, struct cache_block *b,
			    uint64_t hash)
	LOCK_ATTR_(requires_capability(s->lock));
/* It must be there. */
void cache_table_remove_locked(struct cache_shard *s, struct cache_block *b,
			       uint64_t hash)
	LOCK_ATTR_(requires_capability(s->lock));

/* Rows of ghosts needed for n blocks: a power of two. */
uint32_t cache_s3_ghost_rows(uint32_t n_blocks);
void cache_s3_init(struct cache_shard *s);
/* A block just taken for loading: into the queue its history earns. */
void cache_s3_add_locked(struct cache_shard *s, struct cache_block *b,
			 uint64_t hash)
	LOCK_ATTR_(requires_capability(s->lock));
void cache_s3_remove_locked(struct cache_shard *s, struct cache_block *b)
	LOCK_ATTR_(requires_capability(s->lock));
/*
 * Takes the block that is to go: out of its queue, its word 0, but still in
 * the table and not wiped.  NULL if all are pinned.
 */
struct cache_block *cache_s3_evict_locked(struct cache_shard *s)
	LOCK_ATTR_(requires_capability(s->lock));

#endif
