/* SPDX-License-Identifier: ISC */
/*
 * Extent rows of the index: which chunk holds which bytes of which inode.
 * Internal to vault; every function needs the index lock.
 */
#ifndef COFFER_VAULT_CONTENT_EXTENTS_H
#define COFFER_VAULT_CONTENT_EXTENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/extent.h"
#include "index/index.h"
#include "vault/core.h"

/* Replaces what stands in the ranges of the extents listed, after cutting at
 * `size`; chunk numbers come from content ids (a chunk not known gets a row
 * without a place).  With `whole` all rows go first.  *ret_data_bytes: the sum
 * of lengths afterwards.  `ino` had `old_data_bytes`. */
int extents_apply(struct vault *v, uint64_t ino, bool whole, uint64_t size,
		  const struct extent_list *list, uint64_t old_data_bytes,
		  uint64_t *ret_data_bytes) must_check;
/* Moves, copies, drops all rows; `to` has none before. */
int extents_move(struct vault *v, uint64_t from, uint64_t to) must_check;
int extents_copy(struct vault *v, uint64_t from, uint64_t to) must_check;
int extents_drop(struct vault *v, uint64_t ino) must_check;

/* What makes two versions "the same data": BLAKE2b-256 of size and normalised
 * extents (vault-format/09-merging.md). */
int extents_digest(struct vault *v, uint64_t ino, uint64_t size,
		   uint8_t ret[static 32]) must_check;

/*
 * Rows of a version that is held nowhere, rebuilt from the published segments
 * (its CONTENT operation, those it is based on) into `to`, which has none.
 * *ret_size, *ret_data_bytes.
 */
int extents_rebuild(struct vault *v, struct dot version, uint64_t to,
		    uint64_t *ret_size, uint64_t *ret_data_bytes) must_check;

#endif
