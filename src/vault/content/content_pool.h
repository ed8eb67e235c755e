/* SPDX-License-Identifier: ISC */
/*
 * The pool: pending chunks, which have a number and a content id but no place
 * yet.  Internal to vault.
 *
 * A pending chunk's row in the index has pack 0.  Once the pool holds a pack's
 * worth, workers write it into the vault as a pack, complete and named, though
 * no journal frame tells of it before the next cut; what is left at a cut goes
 * to the stage.  Then the row gets its place, and only after that the chunk
 * leaves the pool: whoever finds pack 0 under the index lock finds the chunk
 * here under the same lock, or it is nowhere on this device.
 *
 * The stage is only written under LOCK_CUT: so who rotates it under that lock
 * finds every record in the index.
 */
#ifndef COFFER_VAULT_CONTENT_CONTENT_POOL_H
#define COFFER_VAULT_CONTENT_CONTENT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/lock.h"
#include "index/index_chunk.h"
#include "vault/content/chunk.h"

struct content;
struct vault;

struct pool {
	uint64_t pack_bytes;	    /* a pack's worth */
	struct lock lock;	    /* LOCK_LEAF; guards the rest */
	struct cond stored;	    /* storing ended for some */
	struct chunk *first, *last; /* in the order they came */
	uint64_t next_order;
	size_t n_pending;
	uint64_t waiting_bytes;	    /* not on their way */
	unsigned n_packing;	    /* packs being made */
	uint64_t no_packs_until_ns; /* after a failure */
	/* Durable, to be told in the next frame: encoded segment_pack's. */
	struct buf packs;
	uint32_t n_packs;
};

void pool_init(struct pool *p, uint64_t pack_bytes);
/* Drops what is pending. */
void pool_release(struct pool *p);

/*
 * Finds the chunk of these bytes, or makes it: a duplicate that is stored here
 * or pending, else a new pending one.  *ret is a reference.  Index lock held.
 */
int pool_intern(struct content *c, const struct content_id *id,
		struct databuf *buf, const uint8_t *plain, uint32_t length,
		struct chunk **ret) must_check;

/* The bytes of a pending chunk, as a reference to the buffer they lie in;
 * NULL: it is not pending, the index has the place. */
struct databuf *pool_bytes(struct pool *p, const struct chunk *ch,
			   const uint8_t **ret_plain) must_check;

/* An operation names it: it is durable at the next cut. */
void pool_need(struct pool *p, struct chunk *ch);

/* Makes packs while there is a pack's worth.  No lock held. */
void pool_pack(struct content *c);

/* May a chunk be referred to again where the index says it is?  Not where
 * reading failed.  Index lock held: 1, 0. */
int pool_may_reuse(struct vault *v, const struct index_chunk *ic) must_check;
/* A reference to a chunk that a row or a layer names.  Index lock held: 1; 0 if
 * it may not be referred to again; -ENOMEM, ERR_BAD_INDEX. */
int pool_name(struct content *c, uint64_t chunk, struct chunk **ret) must_check;

#endif
