/* SPDX-License-Identifier: ISC */
/*
 * What is garbage (vault-format/10-ordering.md, Acknowledging and collecting).
 * Internal to vault; every function needs the index lock, but garbage_entries.
 *
 * The index holds what is shown or held here, by references counted.  A chunk
 * that nothing refers to is dead once every segment that made it so is in the
 * stable cut S (its stamp, vault/collect/order.h): its versions were then made in S,
 * and replaced or deleted there; and of a deleted one, whose inode could come
 * back, every dot and version known was known in S, or order_note_revival says
 * when it was not.  That is never sooner than the rule allows, and later only
 * while an operation on a deleted file waits for being acknowledged.
 */
#ifndef COFFER_VAULT_COLLECT_GARBAGE_H
#define COFFER_VAULT_COLLECT_GARBAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "index/index_chunk.h"
#include "vault/collect/stable.h"

struct vault;

/* The knowledge that a judgement rests on. */
struct garbage {
	struct vault *v;
	struct stable_cut cut;
	uint64_t position; /* changes up to here are in S */
	/* No deleted file has changed since: else nothing is dead. */
	bool is_settled;
	bool is_alone; /* nobody else is asked */
	/* This device may drop packs: it writes, it is admitted, and no other
	 * retired it. */
	bool may_drop;
};

int garbage_begin(struct vault *v, struct garbage *ret) must_check;
void garbage_end(struct garbage *g);
#define auto_garbage __attribute__((cleanup(garbage_end)))

enum garbage_fate {
	GARBAGE_NEEDED, /* shown, held, or named by what is in memory */
	GARBAGE_WAITS,	/* nothing here needs it; not all devices know that */
	GARBAGE_DEAD,
};

enum garbage_fate garbage_of_chunk(const struct garbage *g,
				   const struct index_chunk *c);

/* Stored bytes of a pack's chunks, by what becomes of them. */
struct garbage_sums {
	uint64_t needed;
	uint64_t waiting; /* GARBAGE_WAITS, or copied and not announced in S */
	uint64_t copied; /* needed, and in a newer pack announced in S */
	uint64_t dead;
};

/* All of it may go: each chunk is dead, or copied. */
static inline bool garbage_may_go(const struct garbage_sums *s)
{
	return s->needed == 0 && s->waiting == 0;
}

/* An own pack's entries as its trailer has them, in fresh memory (mem_free); no
 * lock held.  What fails: as store_pack_entries. */
int garbage_entries(struct vault *v, const struct index_pack *p,
		    uint8_t **ret) must_check;
/*
 * Judges an own pack.  `entries` as garbage_entries has them, or NULL: then only
 * chunks that have their place in it are judged, and the result is 0 if it may
 * hold others (that have a place elsewhere as well), else 1.
 */
int garbage_of_pack(const struct garbage *g, const struct index_pack *p,
		    const uint8_t *entries, struct garbage_sums *ret)
	must_check;

#endif
