/* SPDX-License-Identifier: ISC */
/* The journal frames of a cut.  Internal to vault; cut_lock held. */
#ifndef COFFER_VAULT_LOG_FRAMES_H
#define COFFER_VAULT_LOG_FRAMES_H

#include <stdbool.h>

#include "base/err.h"
#include "vault/log/oplog.h"

struct commit;
struct content_durable;

/* Is there anything that no frame tells of yet, up to the piece `end`? */
bool frames_are_needed(const struct commit *c, const struct content_durable *d,
		       const struct oplog_piece *end);

/*
 * Writes what is durable and every operation before `end`, in one frame
 * or, where that is too much, in several that each end with a transaction;
 * what is named comes first.  Marks the pieces as written.
 */
int frames_write(struct commit *c, const struct content_durable *d,
		 const struct oplog_piece *end) must_check;

/* A frame of packs or stage entries alone. */
int frames_write_packs(struct commit *c, const struct buf *packs, uint32_t n)
	must_check;
int frames_write_staged(struct commit *c, const struct buf *stage)
	must_check;

#endif
