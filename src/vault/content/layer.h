/* SPDX-License-Identifier: ISC */
/*
 * A layer: what changed of one file, as runs of bytes that do not overlap,
 * over whatever lies below.  Internal to vault.
 *
 * An interval map on a skip list (Pugh: Skip Lists: A Probabilistic
 * Alternative to Balanced Trees, CACM 33(6), 1990): finding and replacing take
 * O(log n), walking on O(1).  Not thread-safe: the file's lock guards it.
 */
#ifndef COFFER_VAULT_CONTENT_LAYER_H
#define COFFER_VAULT_CONTENT_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/content/chunk.h"
#include "vault/content/databuf.h"

enum run_kind {
	RUN_DATA,   /* bytes in memory, not chunked yet */
	RUN_HOLE,   /* zeros */
	RUN_CHUNK,  /* part of a chunk */
	RUN_INLINE, /* bytes that travel in the operation */
};

struct run_chunk {
	struct chunk *chunk;
	uint32_t offset; /* in the chunk */
};

struct run_bytes {
	struct databuf *buf;
	uint32_t at;	     /* in the buffer */
	uint64_t touched_ns; /* clock_mono_ns of the last write */
};

struct run {
	uint64_t offset, length; /* in the file; length >= 1 */
	enum run_kind kind;
	union {
		struct run_bytes bytes; /* RUN_DATA, RUN_INLINE */
		struct run_chunk part;	/* RUN_CHUNK */
	};
};

#define LAYER_NO_CUT UINT64_MAX

struct layer;

/* Charges `b` for its runs; NULL if out of memory. */
struct layer *layer_new(struct budget *b) must_check;
struct layer *layer_get(struct layer *l);
void layer_put(struct layer *l);

/* The first run that ends after `offset`; NULL. */
const struct run *layer_find(const struct layer *l, uint64_t offset);
const struct run *layer_next(const struct run *r);

/* What lies below shows only before this: the least size the file had. */
uint64_t layer_cut(const struct layer *l);
bool layer_is_empty(const struct layer *l);
uint64_t layer_data_bytes(const struct layer *l); /* in RUN_DATA */
/* Upper bounds of the extents, and their encoded bytes, that its content
 * operations will list, chunks being at least `chunk_min` bytes. */
void layer_bound(const struct layer *l, uint32_t chunk_min,
		 uint64_t *ret_extents, uint64_t *ret_bytes);

/*
 * Replaces what stands in the run's range; the layer takes references of its
 * own, and joins neighbours that continue each other.  -ENOMEM: unchanged.
 */
int layer_set(struct layer *l, const struct run *r) must_check;
/* Makes sure that n further calls of layer_set cannot fail; -ENOMEM. */
int layer_reserve(struct layer *l, unsigned n) must_check;

/*
 * Copies bytes in: into a RUN_DATA of `owner` that may be changed, behind one,
 * or into a buffer of their own.  -ENOMEM: unchanged.
 */
int layer_write(struct layer *l, const void *owner, uint64_t offset,
		const void *from, size_t len, uint64_t now_ns) must_check;

/* Nothing from `size` on, and nothing from below either. */
void layer_truncate(struct layer *l, uint64_t size);

/*
 * Where [offset, offset + length) still is RUN_DATA of the bytes at `at` of
 * `buf`, puts `as` (a chunk or inline run with as->offset <= offset) instead.
 * -ENOMEM: some of it may stand already.
 */
int layer_replace_data(struct layer *l, uint64_t offset, uint64_t length,
		       const struct databuf *buf, uint32_t at,
		       const struct run *as) must_check;

/* Lays `top` over this layer; `top` stays as it is.  -ENOMEM: unchanged. */
int layer_lay_over(struct layer *l, const struct layer *top) must_check;

/* The part [from, to) of a run, without references of its own. */
struct run run_part(const struct run *r, uint64_t from, uint64_t to);

static inline uint64_t run_end(const struct run *r)
{
	return r->offset + r->length;
}

#endif
