/* SPDX-License-Identifier: ISC */
/*
 * The state that the index holds as the items of a snapshot, and an index from
 * such items (vault-format/15-snapshots.md).  Internal to vault; every function
 * needs the index lock.
 *
 * What is written is what published operations made; an index in which
 * programs write has more, so snapshots are made of one that nobody uses.
 */
#ifndef COFFER_VAULT_SNAPSHOT_SNAP_STATE_H
#define COFFER_VAULT_SNAPSHOT_SNAP_STATE_H

#include "format/state.h"
#include "vault/core.h"

/* Non-zero ends it.  The item holds until it returns. */
typedef int snap_item_fn(void *arg, const struct state_item *it);

/* All items in their order.  ERR_MISSING: the index has forgotten what a pack
 * was announced with; ERR_LIMIT. */
int snap_state_write(struct vault *v, snap_item_fn *fn, void *arg) must_check;

struct snap_load;

/* Into an index that has nothing but its root. */
int snap_load_new(struct vault *v, struct snap_load **ret) must_check;
/* One after the other.  ERR_MALFORMED: not in their order, or they contradict
 * each other; ERR_NEWER; ERR_LIMIT.  After an error the index is of no use. */
int snap_load_item(struct snap_load *l, const struct state_item *it)
	must_check;
int snap_load_end(struct snap_load *l) must_check;
void snap_load_free(struct snap_load *l);

#endif
