/* SPDX-License-Identifier: ISC */
/*
 * What the journal tells an opening: first what kind of journal it is, then,
 * once the index is there, its frames (vault-format/11-local.md).  Internal to
 * vault; nobody else uses the vault yet.
 */
#ifndef COFFER_VAULT_LOG_RECOVER_H
#define COFFER_VAULT_LOG_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/log/commit_priv.h"

struct recovery {
	struct commit *c;
	struct uuid vault;

	/* ---- of the first pass ---- */
	struct journal *scanned; /* owned; for reading only */
	bool has_marks;
	struct vault_mac header_mac;
	uint32_t newest_epoch;
	struct key_id newest_key;
	uint64_t generation;
	uint64_t session;
	bool is_index_clean;
	uint64_t index_frame;
	uint64_t oldest_own;	 /* own head in the first marks there are */
	uint64_t next_stage_file;
	struct sealed_mark *sealed; /* as found; owned */
	size_t n_sealed;
	struct buf ops; /* in frames: LE64 seq, LE32 index, LE64 clock */

	/* ---- of the second ---- */
	uint64_t from_frame;   /* those after it the index lacks */
	struct buf announced;  /* names of own packs that segments tell of */
	struct buf stage_files; /* LE64 numbers there are, ascending */
};

void recovery_release(struct recovery *r);

/* Reads all frames with v->keys->local, changing nothing but c->heads. */
int recover_scan(struct recovery *r) must_check;

/*
 * Compares the own log with what the journal knows of it: sets c->own_seq and
 * c->sealed_seq.  1: the vault's log of this device goes on where the state
 * ends, and has all the state has, so another writer's id is needed and
 * nothing else.  Where the vault has what this state did not write and lacks
 * what it did, there is an alarm (vault/history/history.h).
 */
int recover_own_log(struct recovery *r) must_check;

/* With v->stage open: opens v->journal and replays it into index and oplog,
 * which hold everything up to c->own_seq. */
int recover_replay(struct recovery *r) must_check;

#endif
