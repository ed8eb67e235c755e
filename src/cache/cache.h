/* SPDX-License-Identifier: ISC */
/*
 * The cache of decrypted blocks: 16 KiB each, in a fixed, pre-faulted arena
 * that is left out of core dumps (MADV_DONTDUMP) and wiped on eviction.
 *
 * Sharded and lock-free for readers.  Blocks and their headers are type-stable
 * (never freed while the cache lives), so a reader needs no reclamation
 * scheme: find the slot, raise the block's pin count unless the block is not
 * readable, check the key again (the scheme of SLAB_TYPESAFE_BY_RCU, Linux
 * Documentation/RCU/rculist_nulls.rst).  A reader never waits for a lock.
 * Eviction: S3-FIFO inside a shard (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues
 * are all you need for cache eviction, SOSP 2023), only of unpinned blocks.
 * Dirty data is never in the cache.
 *
 * A miss is loaded once however many ask: the first caller gets a LOADING
 * block to fill, the others wait for it.
 *
 * Every function but cache_new and cache_free may be called by any number of
 * threads at once.  All but cache_peek, cache_unpin and the two accessors take
 * a lock of rank LOCK_LEAF: the caller holds none of that rank.
 */
#ifndef COFFER_CACHE_CACHE_H
#define COFFER_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CACHE_BLOCK_BYTES 16384u
#define CACHE_MIN_BLOCKS 64u
#define CACHE_MAX_SHARDS 64u

struct cache;
struct cache_block; /* a pinned block */

/* What a block holds: sub-block `block` of the chunk numbered `chunk`.  Chunk
 * numbers are never used again for other bytes while a cache lives. */
struct cache_key {
	uint64_t chunk;
	uint32_t block;
};

struct cache_options {
	size_t bytes;	   /* arena, rounded down to blocks; at least 64 */
	unsigned n_shards; /* power of two, 1..64; 0: chosen by size */
	bool lock_memory;  /* mlock the arena (-o mlock) */
};

struct cache_stats {
	uint64_t hits;	 /* CACHE_HIT at once */
	uint64_t misses; /* CACHE_LOAD and CACHE_FULL */
	uint64_t waits;	 /* cache_get that waited for another's loading */
	uint64_t evictions;
	uint64_t loads_failed;
	uint64_t blocks_used, blocks_total; /* used: holding or loading data */
};

/* -ENOMEM, -EPERM (memory cannot be locked), -EINVAL.  Not before the process
 * has become a daemon: fork(2) does not hand on memory locks. */
int cache_new(const struct cache_options *opts, struct cache **ret) must_check;
/* Wipes everything; NULL is ignored.  No block may be pinned. */
void cache_free(struct cache *c);

enum cache_result {
	CACHE_HIT,    /* *ret is pinned and readable */
	CACHE_LOAD,   /* *ret is pinned, LOADING and all zero: the caller fills
			 it, then calls cache_loaded or cache_load_failed */
	CACHE_FULL,   /* every block of the shard is pinned: do without */
	CACHE_ABSENT, /* only from cache_peek */
	CACHE_BUSY,   /* only from cache_claim */
};

/*
 * Calls block_soon() before it waits for another's loading; the caller holds
 * no lock that loading needs.  Never returns CACHE_ABSENT or CACHE_BUSY.
 * Negative: the error another thread's loading ended with.
 *
 * Not to be called while the caller itself holds a LOADING block: two threads
 * could wait for each other.  Whoever loads several blocks at once pins what
 * cache_peek finds, takes the rest with cache_claim, ends these loadings, and
 * calls cache_get only then for what was CACHE_BUSY.
 */
int cache_get(struct cache *c, struct cache_key key,
	      struct cache_block **ret) must_check;
/* As cache_get, but never loads and never waits: CACHE_HIT or CACHE_ABSENT
 * (also while another is loading it). */
int cache_peek(struct cache *c, struct cache_key key,
	       struct cache_block **ret) must_check;
/*
 * Takes a block for loading unless it is cached or being loaded, without
 * waiting and without counting as a use of it: CACHE_LOAD, CACHE_FULL or
 * CACHE_BUSY.  For reading ahead and for the rest of a chunk that was
 * decrypted whole.
 */
int cache_claim(struct cache *c, struct cache_key key,
		struct cache_block **ret) must_check;

/* The 16 KiB of a block; writable only between CACHE_LOAD and cache_loaded. */
uint8_t *cache_block_data(struct cache_block *b);
/* Bytes that are valid (the last sub-block of a chunk is shorter); 0 while
 * LOADING.  The others are what the loader left there: zeros, if nothing. */
uint32_t cache_block_bytes(const struct cache_block *b);

/* The block is filled with n_bytes valid bytes, 1 to CACHE_BLOCK_BYTES; wakes
 * the waiters.  Still pinned. */
void cache_loaded(struct cache *c, struct cache_block *b, uint32_t n_bytes);
/* Loading failed with `err` (negative): waiters get it, the block goes, the
 * pin ends.  Whoever asks next loads again. */
void cache_load_failed(struct cache *c, struct cache_block *b, int err);

/* Ends a pin.  Never blocks. */
void cache_unpin(struct cache *c, struct cache_block *b);

/*
 * Forgets blocks 0 to n_blocks - 1 of a chunk.  On return the unpinned ones
 * are wiped and nothing finds the others any more: these are wiped when their
 * last pin ends, also if they were still LOADING.
 */
void cache_drop_chunk(struct cache *c, uint64_t chunk, uint32_t n_blocks);

/* Exact when no other thread is inside the cache; a close estimate else. */
void cache_get_stats(const struct cache *c, struct cache_stats *ret);

#endif
