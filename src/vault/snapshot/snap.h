/* SPDX-License-Identifier: ISC */
/*
 * Snapshots: the state up to a version vector, so that who opens without an
 * index need not read the whole log (vault-format/15-snapshots.md).  Internal
 * to vault.
 *
 * A snapshot tells nothing that the log does not: whichever cannot be read, or
 * contradicts the log, is passed over.
 */
#ifndef COFFER_VAULT_SNAPSHOT_SNAP_H
#define COFFER_VAULT_SNAPSHOT_SNAP_H

#include "format/snapshot.h"
#include "vault/log/commit_priv.h"

/* ---- manifests as files (snap_file.c): no lock ---- */
struct manifest {
	uint64_t writer;
	struct segment_header header;
	struct file_hash hash;
	uint8_t *plain; /* owned; what `body` points into */
	struct snapshot_body body;
};

void manifest_release(struct manifest *m);
#define auto_manifest __attribute__((cleanup(manifest_release)))

/* The manifests of a writer, ascending by number; as logdir_list. */
int manifest_list(struct vault *v, uint64_t writer, struct log_names *ret)
	must_check;
/* Reads one and authenticates all of it; errors as logdir_read's. */
int manifest_read(struct vault *v, uint64_t writer, const struct log_name *name,
		  struct manifest *ret) must_check;
/* Seals and publishes one of this device. */
int manifest_publish(struct vault *v, uint64_t number,
		     const struct snapshot_body *body) must_check;
int manifest_remove(struct vault *v, const struct log_name *name) must_check;
/* Up to where it has a writer's log; 0. */
uint64_t manifest_seq(const struct manifest *m, uint64_t writer);

/* ---- using one (snap_open.c) ---- */
/* Manifests that could not be used: not to be tried again. */
struct snap_tried {
	struct file_hash *list; /* owned */
	size_t n;
};
void snap_tried_release(struct snap_tried *t);

/* The one that has most of the log, of those that agree with it and were not
 * tried: 1, 0. */
int snap_find(struct commit *c, const struct snap_tried *tried,
	      struct manifest *ret) must_check;
/* Into an index that has nothing but its root.  An error that is the
 * snapshot's (snap_is_at_fault) leaves an index of no use. */
int snap_load(struct commit *c, const struct manifest *m) must_check;
bool snap_is_at_fault(int err);
int snap_note_tried(struct snap_tried *t, const struct manifest *m) must_check;

/* ---- making one (snap_make.c, snap_tidy.c): is_busy held, no lock ---- */
/* Of all that is published.  1: made; 0: the last one is as new.  Writes
 * nothing that counts before all of it is durable. */
int snap_make(struct commit *c) must_check;
/* Is it time?  Log that no snapshot has is more than the last one, so that
 * writing them takes no more than writing the log; and worth it.  1, 0. */
int snap_is_due(struct commit *c) must_check;
/* Makes one then.  What goes wrong is told: the log is there as before. */
void snap_if_due(struct commit *c);
/* Own manifests but the two newest go, and packs that none of those names. */
int snap_tidy(struct commit *c) must_check;

/* An index of its own made from the vault alone (snap_scratch.c), for nobody
 * else to use; what programs do meanwhile is not in it. */
int snap_scratch_open(struct commit *c, struct vault **ret) must_check;
void snap_scratch_close(struct commit *c, struct vault *v);

#endif
