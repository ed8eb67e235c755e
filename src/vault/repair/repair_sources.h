/* SPDX-License-Identifier: ISC */
/*
 * Where the chunks of a damaged pack may still be: in the file itself, in other
 * files that are the same pack, in other packs, in the stage.  Internal to
 * vault; one thread.
 */
#ifndef COFFER_VAULT_REPAIR_REPAIR_SOURCES_H
#define COFFER_VAULT_REPAIR_REPAIR_SOURCES_H

#include "store/salvage.h"
#include "vault/repair/repair.h"

struct repair_sources;

int repair_sources_new(struct checker *c, struct vault_repair *r,
		       struct repair_sources **ret) must_check;
void repair_sources_free(struct repair_sources *s);

/* The pack that is asked about from here on; forgets which sources were of
 * use. */
int repair_sources_begin(struct repair_sources *s,
			 const struct bad_pack *b) must_check;
/* The chunk of one of its records: 1, with *ret_plain valid until the next
 * call; 0: nowhere whole. */
int repair_sources_get(struct repair_sources *s, const struct pack_entry *e,
		       const uint8_t **ret_plain) must_check;
/* Each file that may be the same pack, to learn of its end. */
int repair_sources_learn_end(struct repair_sources *s,
			     struct pack_rebuild *w) must_check;
/* What was of use, for messages; valid until the next begin. */
const char *repair_sources_used(const struct repair_sources *s);

#endif
