/* SPDX-License-Identifier: ISC */
/*
 * Plaintext of chunks, wherever it is: in the cache, pending in memory, or
 * sealed in a pack or the stage.  Internal to vault; no lock is held.
 */
#ifndef COFFER_VAULT_CONTENT_LOAD_H
#define COFFER_VAULT_CONTENT_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"
#include "vault/content/content_priv.h"

/* Blocks of one chunk asked for at once: 1 MiB that begins inside one. */
#define LOAD_BLOCKS_MAX 65u

/* What became of it: the chunk in memory as a whole, or its blocks. */
struct loaded {
	struct databuf *buf;  /* a reference; NULL: blocks */
	const uint8_t *plain; /* in buf */
	/* Pinned; NULL: the cache was full, the bytes are in `spare`. */
	struct cache_block *blocks[LOAD_BLOCKS_MAX];
	uint8_t *spare; /* one CACHE_BLOCK_BYTES a block, NULL if unused */
};

/*
 * Blocks first..first+n-1 of a chunk.  `held`: the chunk, if the caller has a
 * reference; else NULL.  `length`: of the whole chunk must be at least
 * `needed`.  ERR_MISSING also if the chunk is not where the index said a
 * moment ago: to be asked again from the start.
 */
int load_blocks(struct content *c, uint64_t chunk, const struct chunk *held,
		uint32_t first, uint32_t n, uint64_t needed,
		struct loaded *ret) must_check;
/* Ends all pins and references it still has. */
void loaded_release(struct content *c, struct loaded *l, uint32_t n);

/* Brings all blocks of a chunk into the cache that are not there; nothing is
 * pinned.  Errors are left to who reads them. */
void load_ahead(struct content *c, uint64_t chunk);

#endif
