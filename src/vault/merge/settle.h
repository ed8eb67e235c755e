/* SPDX-License-Identifier: ISC */
/*
 * Settling: what a local call records before it changes anything, and the
 * pieces local calls are made of (vault-format/09-merging.md, S1 to S3).
 * Internal to vault; every function needs the index lock.  In a directory
 * that shows nothing generated they emit just the call's own operations.
 */
#ifndef COFFER_VAULT_MERGE_SETTLE_H
#define COFFER_VAULT_MERGE_SETTLE_H

#include "vault/core.h"
#include "vault/merge/view.h"

/* S1: records the names a rule generated in the directory, and places it again
 * if it stays only for what is in it. */
int settle_dir(struct vault *v, uint64_t dir) must_check;
/* S1 for every directory that shows the inode; a virtual one gets split. */
int settle_inode(struct vault *v, uint64_t ino) must_check;
/* S1 before a directory moves or goes: R4's places are recorded. */
int settle_cycles(struct vault *v) must_check;

/* Unlinks the members of an entry: all but those of inode `skip`, or only
 * those of inode `only` (0: no such limit).  `absorb`: hidden twins, which
 * leave no claim. */
struct removal {
	uint64_t skip, only;
	bool absorb;
};
int settle_remove(struct vault *v, const struct entry *e, struct removal how)
	must_check;
/* Places what an entry shows elsewhere; hidden twins are unlinked. */
int settle_move(struct vault *v, const struct entry *e, uint64_t parent,
		const void *name, size_t len) must_check;
/* Before a file gets another link: a place that does not survive is made
 * again, a split inode gets a version of its own. */
int settle_before_link(struct vault *v, uint64_t ino) must_check;

#endif
