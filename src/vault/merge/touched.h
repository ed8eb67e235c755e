/* SPDX-License-Identifier: ISC */
/*
 * What applying operations of others changes that a kernel may have cached:
 * entries and inodes, gathered under the index lock, told without locks.
 * Internal to vault.
 */
#ifndef COFFER_VAULT_MERGE_TOUCHED_H
#define COFFER_VAULT_MERGE_TOUCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "vault/core.h"

struct touched {
	struct vault *v; /* NULL before touched_begin */
	bool is_wanted;
	struct buf what; /* ino 8, length of the name 2, name; each */
};

void touched_release(struct touched *t);
#define auto_touched __attribute__((cleanup(touched_release)))

/* Index lock held: from now on changes are noted in `t`, if anybody asked for
 * them (vault_set_changed). */
void touched_begin(struct touched *t, struct vault *v);
void touched_end(struct touched *t);
/* No lock held. */
void touched_tell(struct touched *t);

/* An entry came, went or shows something else; an inode's attributes or data
 * are others.  Index lock held; cheap where nobody asked. */
void touched_entry(struct vault *v, uint64_t dir, const void *name, size_t len);
void touched_inode(struct vault *v, uint64_t ino);

#endif
