/* SPDX-License-Identifier: ISC */
/*
 * Repacking: what is needed of packs that are mostly dead, and of many small
 * ones, is copied into new packs; the old ones are dropped like any others once
 * all devices know of the new (vault-format/10-ordering.md, Acknowledging and
 * collecting).  Internal to vault.
 *
 * A pack is sparse when less than half of its file is needed: then copying costs
 * less than it frees.  (Rosenblum and Ousterhout: The Design and Implementation
 * of a Log-Structured File System, ACM TOCS 10(1), 1992, section 3.4: with a
 * share u in use, cleaning writes u to free 1 - u; at a half, as much again.)
 */
#ifndef COFFER_VAULT_PACKS_REPACK_H
#define COFFER_VAULT_PACKS_REPACK_H

#include <stdint.h>

#include "vault/collect/garbage.h"
#include "vault/log/commit_priv.h"

/* Packs below are small, and are merged when they come to so much together. */
#define REPACK_SMALL_BYTES ((uint64_t)4 << 20)
#define REPACK_MERGE_BYTES ((uint64_t)16 << 20)

struct repack_plan {
	struct index_pack *packs; /* owned; those with most to gain first */
	uint64_t *keep;		  /* owned; bytes to copy, of each */
	size_t n;
	uint64_t copy_bytes; /* of all */
	uint64_t pack_bytes; /* that they take now */
};

/*
 * Packs worth copying: own, here, nothing in them waits for an acknowledgement
 * (then copying could wait, too) and nothing was ever found damaged.  Index lock
 * held.
 */
int repack_plan(const struct garbage *g, struct repack_plan *ret) must_check;
void repack_plan_release(struct repack_plan *p);
#define auto_repack_plan __attribute__((cleanup(repack_plan_release)))

/*
 * Copies, at most `max_bytes` and no more than a quarter of what the disk has
 * free; each chunk is authenticated and its content id recomputed first, one
 * that fails stays where it is and is told.  The new packs are in the journal
 * and announced by the next publish.  *ret_bytes: what was copied.  is_busy
 * held, no lock.
 */
int repack_run(struct commit *c, uint64_t max_bytes, uint64_t *ret_bytes)
	must_check;

#endif
