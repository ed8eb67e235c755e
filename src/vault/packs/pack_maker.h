/* SPDX-License-Identifier: ISC */
/*
 * Making packs of chunks that are somewhere already: of what was staged, and of
 * what is needed of old packs (vault-format/10-ordering.md).  Internal to vault;
 * the busy one's, no lock held.
 *
 *	r = pack_maker_init(&m, c);
 *	if (r == 0) {
 *		... read a chunk into m.plain; r = pack_maker_add(&m, id, len); ...
 *		r = pack_maker_end(&m, r);
 *	}
 */
#ifndef COFFER_VAULT_PACKS_PACK_MAKER_H
#define COFFER_VAULT_PACKS_PACK_MAKER_H

#include <stdint.h>

#include "vault/log/commit_priv.h"

struct pack_maker {
	struct commit *c;
	struct pack_writer *w; /* NULL between two */
	struct buf packs;      /* of those made, encoded segment_pack's */
	uint32_t n_packs;
	uint8_t *plain; /* room for a chunk */
};

int pack_maker_init(struct pack_maker *m, struct commit *c) must_check;
/* Seals the chunk in m->plain under the newest epoch into the pack at hand; one
 * that is large enough is read back, compared and named. */
int pack_maker_add(struct pack_maker *m, const struct content_id *id,
		   uint32_t plain_bytes) must_check;
/*
 * Ends, after an error `r` too: what is made counts.  The journal is told, then
 * the index, so that the next segment announces them; what else was begun is
 * given up.  Returns r, or the first error since.
 */
int pack_maker_end(struct pack_maker *m, int r) must_check;

#endif
