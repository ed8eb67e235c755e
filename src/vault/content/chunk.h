/* SPDX-License-Identifier: ISC */
/*
 * Chunks that something in memory names: runs of layers, readers, the pool.
 * Internal to vault.
 *
 * As long as one is in the table, its row in the index stays and so do its
 * bytes, wherever they are: whoever collects garbage or drops stage files asks
 * chunk_is_named too, under the index lock, and new names of a chunk are made
 * under that lock only (or of a name there is).
 *
 * A pending chunk has its bytes in memory and no place yet; these fields are
 * the pool's (vault/content/content_pool.h).
 */
#ifndef COFFER_VAULT_CONTENT_CHUNK_H
#define COFFER_VAULT_CONTENT_CHUNK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/lock.h"
#include "crypto/types.h"
#include "vault/content/databuf.h"

#define CHUNK_BUCKETS 8192u

struct chunk;

struct chunk_table {
	struct lock lock; /* LOCK_LEAF */
	struct chunk *buckets[CHUNK_BUCKETS];
};

struct chunk {
	atomic_uint refs;
	struct chunk_table *table;
	struct chunk *hash_next; /* the table's lock */
	/* Fixed: */
	uint64_t number;
	struct content_id id;
	uint32_t length; /* of the plaintext */
	/* The pool's lock; a reference while it is in there: */
	struct databuf *buf;  /* NULL: stored, or never pending */
	const uint8_t *plain; /* in buf */
	bool is_needed;	 /* an operation names it: durable at the next cut */
	bool is_storing; /* on its way into a pack or the stage */
	uint64_t order;	 /* of arrival in the pool */
	struct chunk *prev, *next;
};

void chunk_table_init(struct chunk_table *t);
/* Nothing is named any more. */
void chunk_table_release(struct chunk_table *t);

/* A chunk of the table, made if it is not there; -ENOMEM.  Index lock held. */
int chunk_name(struct chunk_table *t, uint64_t number,
	       const struct content_id *id, uint32_t length,
	       struct chunk **ret) must_check;
/* The same if it is there; NULL. */
struct chunk *chunk_find(struct chunk_table *t, uint64_t number) must_check;
bool chunk_is_named(struct chunk_table *t, uint64_t number);

struct chunk *chunk_get(struct chunk *c);
/* NULL is ignored.  No LOCK_LEAF is held. */
void chunk_put(struct chunk *c);
void chunk_put_cleanup(struct chunk **c);
#define auto_chunk __attribute__((cleanup(chunk_put_cleanup)))

#endif
