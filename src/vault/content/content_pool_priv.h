/* SPDX-License-Identifier: ISC */
/* What the sources of the pool share: chunks on their way out of it.  Claimed
 * ones are nobody else's until they are given back or placed. */
#ifndef COFFER_VAULT_CONTENT_CONTENT_POOL_PRIV_H
#define COFFER_VAULT_CONTENT_CONTENT_POOL_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "format/pack.h"
#include "vault/content/content_pool.h"

/* Drops what neither a row nor a layer nor a reader names.  No lock held. */
int pool_discard_dead(struct content *c) must_check;

/* Claims those that wait (and are needed), the oldest first, until they are
 * max_bytes or more; into fresh memory. */
int pool_claim(struct pool *p, bool needed_only, uint64_t max_bytes,
	       struct chunk ***ret, size_t *ret_n) must_check;
void pool_give_back(struct pool *p, struct chunk *const *list, size_t n);

/* Gives claimed chunks their places in a pack or stage file of the index; they
 * leave the pool.  *ret_placed of them, from the first on, also on failure. */
int pool_place(struct content *c, uint64_t pack, struct chunk *const *list,
	       const struct pack_entry *entries, size_t n,
	       size_t *ret_placed) must_check;

/* Writes claimed chunks into a pack; what did not fit or failed is given back.
 * The others are durable in the vault. */
int pool_store_pack(struct content *c, struct chunk *const *list,
		    size_t n) must_check;
/* May packs be tried, or did one fail just now? */
bool pool_packs_work(struct pool *p);

/* The error of a list, which then is as it was when it was `before` long. */
int pool_undo_list(struct buf *b, size_t before) must_check;

#endif
