/* SPDX-License-Identifier: ISC */
/*
 * Packs that something could not be read from since the vault was opened.
 * Internal to vault; thread-safe.
 *
 * Nothing new refers to a chunk in one of them: what is written again over what
 * was lost must be stored again.  They are not remembered longer: a pack that
 * was put back is as good as any.
 */
#ifndef COFFER_VAULT_CONTENT_SUSPECTS_H
#define COFFER_VAULT_CONTENT_SUSPECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "format/pack.h"

struct suspect {
	uint64_t writer;
	uint8_t name[PACK_NAME_BYTES];
};

struct suspects {
	struct lock lock; /* LOCK_LEAF; guards the rest */
	struct suspect *list; /* sorted */
	size_t n, cap;
};

void suspects_init(struct suspects *s);
void suspects_release(struct suspects *s);

/* Adds it, and logs its path and why, unless it is known.  Without memory it is
 * only logged. */
void suspects_add(struct suspects *s, uint64_t writer,
		  const uint8_t name[static PACK_NAME_BYTES], int err);
bool suspects_has(struct suspects *s, uint64_t writer,
		  const uint8_t name[static PACK_NAME_BYTES]);
size_t suspects_count(struct suspects *s);

#endif
