/* SPDX-License-Identifier: ISC */
/*
 * Durability: cuts, publishing, receiving, replay (vault-format/10-ordering.md).
 * Internal to vault.
 */
#ifndef COFFER_VAULT_LOG_COMMIT_H
#define COFFER_VAULT_LOG_COMMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/core.h"

struct commit;

int commit_new(struct vault *v, struct commit **ret) must_check;
void commit_free(struct commit *c);
int commit_start(struct commit *c) must_check; /* the committer thread */
void commit_stop(struct commit *c);
/* Something changed: the committer's timers run.  No LOCK_LEAF is held. */
void commit_wake(struct vault *v);
/* A pack was made that no frame tells of yet: too many must not gather.  No
 * LOCK_LEAF is held. */
void commit_note_pack(struct vault *v);

/* A cut of everything, or (n_only > 0) of these inodes and those PLACE
 * operations named.  Cuts asked for together share one.  No lock held. */
int commit_cut(struct vault *v, const uint64_t *only, unsigned n_only)
	must_check;
/* A full cut and a publish. */
int commit_publish(struct vault *v) must_check;
/* The same; dead packs are looked for now, and dropped if there is nothing else
 * to publish, too; sparse and small ones are repacked: *ret_copied bytes. */
int commit_collect(struct vault *v, uint64_t *ret_copied) must_check;
/* Publishes, then applies other devices' segments that are new. */
int commit_receive(struct vault *v) must_check;

/*
 * Called before a change, without locks: what has gathered since the last
 * publish must not grow for ever.  Without a committer thread this cuts and
 * publishes when it is time; with one it helps when the thread cannot keep up.
 * Fails only where publishing fails and too much has gathered.  Cheap.
 */
int commit_relieve(struct vault *v) must_check;

#endif
