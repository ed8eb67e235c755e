/* SPDX-License-Identifier: ISC */
/* What the sources that write a state share.  Index lock. */
#ifndef COFFER_VAULT_SNAPSHOT_SNAP_WRITE_PRIV_H
#define COFFER_VAULT_SNAPSHOT_SNAP_WRITE_PRIV_H

#include "vault/snapshot/snap_state.h"

struct snap_writing {
	struct vault *v;
	snap_item_fn *fn;
	void *arg;
};

/* Packs with their records (snap_write_packs.c). */
int snap_write_packs(struct snap_writing *w) must_check;
/* Inodes, then the places of directories, then all of files
 * (snap_write_inodes.c). */
int snap_write_inodes(struct snap_writing *w) must_check;

#endif
