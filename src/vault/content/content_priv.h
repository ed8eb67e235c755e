/* SPDX-License-Identifier: ISC */
/* What the sources of contents share. */
#ifndef COFFER_VAULT_CONTENT_CONTENT_PRIV_H
#define COFFER_VAULT_CONTENT_CONTENT_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vault/content/budget.h"
#include "vault/content/chunk.h"
#include "vault/content/content.h"
#include "vault/content/content_pool.h"
#include "vault/content/file_table.h"
#include "vault/content/suspects.h"
#include "vault/content/workers.h"

/* Room for dirty data in the stage's file system (content_room.c). */
struct room {
	struct lock lock; /* LOCK_LEAF */
	struct cond changed;
	bool is_reserving;   /* lock; a thread asks the disk */
	uint64_t stage_file; /* lock; the file the room is in */
	uint64_t reserved;   /* lock; bytes */
	uint64_t in_vault;   /* lock; bytes it has room for, as last told */
};

struct content {
	struct vault *v;
	struct budget budget;
	struct workers *workers;
	struct chunk_table chunks;
	struct file_table files;
	struct pool pool;
	struct room room;
	struct suspects suspects;
	uint64_t cache_bytes; /* of the vault's cache */
	atomic_bool is_timer_set;
	atomic_bool is_pressing;      /* a flush for want of room is queued */
	_Atomic uint64_t press_at;    /* charged bytes that ask for the next */
	atomic_int flush_error;	      /* what the last such flush met; 0 */
	_Atomic uint64_t ahead_bytes; /* being read ahead */
	struct content_durable durable; /* LOCK_CUT; not in a frame yet */
};

/* ---- flush.c: data in memory becomes chunks ---- */

/* Chunks what the layer, just taken by a cut, holds in memory; with other
 * files' in one go.  See content_cut.c. */
struct flush_item {
	struct file *f;
	struct layer *layer; /* f->flushing, or not any more */
	int err;	     /* result */
};
void flush_items(struct content *c, struct flush_item *items, size_t n);

/* In the background; no lock is held.  Data not written to for a second; a
 * workers' timer. */
void flush_aged(void *content);
/* A stream has grown by a chunk: a worker looks at it. */
void flush_queue_stream(struct content *c, uint64_t ino);
/* As much as it takes to be below a quarter of the budget; now, or by a
 * worker.  The first error met; 0. */
int flush_for_room(struct content *c) must_check;
void flush_press(struct content *c);

/* After a change, no lock held: sets the timer, wakes a worker. */
void flush_kick(struct content *c);

/* ---- content_durable.c ---- */

void content_durable_init(struct content_durable *d);
void content_durable_release(struct content_durable *d);

/* ---- content_room.c ---- */

/* Waits for budget and reserves space before `bytes` are accepted.  No lock is
 * held.  -ENOSPC, -EDQUOT and what a flush or cut failed with. */
int content_make_room(struct content *c, uint64_t bytes) must_check;
/* Bytes the vault's file system has left for contents that are not even in
 * memory yet.  No lock is held; the vault can be written to. */
uint64_t content_left_in_vault(struct content *c);
void room_init(struct room *r);
void room_release(struct room *r);
/* So much was appended to the stage. */
void room_used(struct room *r, uint64_t bytes);

/* ---- content.c ---- */

/*
 * A change of one file: session gate shared, the file's lock, a dirty layer;
 * what has to be settled before the first change is.  `other`: a file whose
 * lock is taken too, and to be dropped by the caller before the end; NULL.  Its
 * bytes are asked for with content_make_room before.  ERR_READ_ONLY, -ENOENT,
 * -EISDIR, -EINVAL.
 */
struct change {
	struct vault *v;
	struct file *f;
	bool is_first; /* since the last cut */
	bool is_none;  /* set by the caller: nothing changed after all */
	bool drops_privileges; /* set by the caller: privileges.h */
	int wrote;	       /* at the end: enum vault_wrote */
	int64_t now_ns;
};
int content_change_begin(struct vault *v, uint64_t ino, struct file *other,
			 struct change *ret) must_check;
/* Tells the node about f->size and `now_ns`.  With `err` nothing was changed:
 * returns it.  Ends all. */
int content_change_end(struct change *ch, int err) must_check;

/* How much of [from, to) of the file is no hole, before it changes; and keeping
 * count when it has.  The file's lock is held. */
int content_count_range(struct vault *v, const struct file *f, uint64_t from,
			uint64_t to, uint64_t *ret) must_check;
void content_count_change(struct file *f, uint64_t before, uint64_t after);

/* Keeps an error for vault_take_error; 0 forgets it. */
void content_set_error(struct file *f, int err);

/* Lays `flushing`, which could not be flushed, below `dirty` again: the next cut
 * takes both.  The file's lock is held.  -ENOMEM: it stays where it is. */
int content_restore(struct content *c, struct file *f) must_check;

#endif
