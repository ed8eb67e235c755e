/* SPDX-License-Identifier: ISC */
/*
 * Contents not yet in the log: dirty data over the extents of the index.
 * Internal to vault.
 *
 * A file with changes has layers, each an interval map of runs (data in
 * memory, a hole, a chunk, inline bytes) with the least size the file had
 * while the layer was on top: `dirty`, which takes writes, over `flushing`,
 * which a cut has taken, over the rows of the index.  Flushing turns data runs
 * into chunk and inline runs; what it leaves is the CONTENT operation.
 *
 * Locks: a file's lock (LOCK_INODE) guards its layers; the index lock its
 * node.  Nobody waits for the budget while holding either.
 */
#ifndef COFFER_VAULT_CONTENT_CONTENT_H
#define COFFER_VAULT_CONTENT_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "vault/core.h"

struct content;

/* Store, stage, cache, index and chunker are open. */
int content_new(struct vault *v, struct content **ret) must_check;
/* Ends the workers; dirty data is dropped. */
void content_free(struct content *c);
int content_start(struct content *c) must_check; /* starts the workers */
void content_stop(struct content *c); /* what is queued is done first */

/* No lock held.  Changes what a read and getattr see at once; the node's size
 * and times (mtime, ctime: now) go with it.  -ENOENT, -EISDIR, -EINVAL, -EFBIG,
 * ERR_READ_ONLY. */
int content_truncate(struct vault *v, uint64_t ino, uint64_t size) must_check;

/* Is anything of this inode not in the log yet?  Any lock may be held below
 * LOCK_INODE. */
bool content_is_dirty(struct vault *v, uint64_t ino);
/* If so: how many of its bytes are no holes, in *ret; takes only a leaf lock,
 * as content_is_dirty does. */
bool content_count_data(struct vault *v, uint64_t ino, uint64_t *ret);

/*
 * The inode is gone for good (unlinked, no holds): drops its layers.  Session
 * gate held, no index lock.  A flush under way notices.
 */
void content_forget(struct vault *v, uint64_t ino);

/*
 * A cut, in three steps (LOCK_CUT held throughout):
 *
 * content_cut_take: session gate held exclusively.  Moves `dirty` to `flushing`
 * for every dirty file (only = NULL) or those listed and still dirty; returns
 * how many content operations that needs (one a file, more for very large
 * ones) in *ret_n_ops.
 */
struct content_cut;
int content_cut_take(struct vault *v, const uint64_t *only, size_t n_only,
		     struct content_cut **ret, uint32_t *ret_n_ops) must_check;
/*
 * content_cut_flush: no lock but LOCK_CUT.  Chunks, hashes, seals and stores
 * all data of the files taken (with the workers), then under the index lock
 * applies each file's extents to the index and makes its CONTENT operations
 * with oplog_fill(reserved) - NOPs for what was not needed (a file unlinked
 * meanwhile).  Everything is in packs, stage or pending pack afterwards, not
 * yet durable.  On an error nothing of the failed file is lost: its layer goes
 * back below `dirty`, its operation becomes a NOP, the error is kept for
 * vault_take_error and the first one returned after all files were tried.
 */
int content_cut_flush(struct vault *v, struct content_cut *cut,
		      struct oplog_piece *reserved) must_check;
void content_cut_free(struct content_cut *cut);

/*
 * Durability of chunk data (LOCK_CUT held): puts the pending chunks that
 * operations name into packs or the stage, syncs them, and gives what the next
 * frame must record beside its operations: lists for struct cut, encoded.
 * `chunks` stand in the stage too, but not durable there.  *ret is the
 * content's and grows until content_durable_done is called, once that frame is
 * durable; after a failure of either the next call gives all of it again.
 */
struct content_durable {
	struct buf packs;  /* segment_pack's, complete and named */
	struct buf stage;  /* cut_stage_entry's */
	struct buf chunks; /* cut_chunk's */
	uint32_t n_packs, n_stage, n_chunks;
};
int content_make_durable(struct vault *v,
			 const struct content_durable **ret) must_check;
void content_durable_done(struct vault *v);

/*
 * Does a layer, a reader or the pool name the chunk?  Then it is live, though
 * no row of the index may name it: its bytes and its row must stay.  Asked by
 * whoever packs the stage or collects, under the index lock and in the same
 * critical section in which it takes the chunk's row or place away.
 */
bool content_names_chunk(struct vault *v, uint64_t chunk);

/* What counts against the quota: stored bytes of chunks in use, each once,
 * bytes that travel in operations, and what is dirty.  No lock held. */
int content_used_bytes(struct vault *v, uint64_t *ret) must_check;
/* Bytes of dirty data in memory; the budget. */
uint64_t content_dirty_bytes(struct vault *v);
/* Files with contents not in the log yet. */
size_t content_dirty_files(struct vault *v);
/* Packs made that no frame tells of yet, and bytes of their announcements. */
void content_packs_waiting(struct vault *v, uint64_t *ret_n,
			   uint64_t *ret_bytes);

#endif
