/* SPDX-License-Identifier: ISC */
/*
 * A device that came by itself (vault-format/10-ordering.md, Joining): its view
 * may be an old one, and what it renames, keeps or refers to may be collected
 * by those who do not know of it yet.  So it stores that again, and collects
 * nothing, until every live device it knows, and one at least, has acknowledged
 * it.  Internal to vault.
 */
#ifndef COFFER_VAULT_LOG_JOINER_H
#define COFFER_VAULT_LOG_JOINER_H

#include "vault/log/commit_priv.h"

/* Finds out v->is_joining.  No lock held. */
int joiner_update(struct commit *c) must_check;

/*
 * Chunks that operations of the batches up to `seq` name or keep alive: their
 * numbers, LE64, ascending, each once; nothing if this device is admitted.
 * cut_lock held, no other.
 */
int joiner_collect(struct commit *c, uint64_t seq, struct buf *ret) must_check;

/* Where such a chunk is if only packs of others hold it: 1; 0: here, or
 * nowhere.  Index lock held. */
int joiner_place(struct vault *v, uint64_t chunk, struct store_place *ret)
	must_check;

#endif
