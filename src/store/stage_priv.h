/* SPDX-License-Identifier: ISC */
/*
 * The stage's files and their state.
 *
 * A file is *present* (appends go to it), *retired* (full, or put away by a
 * rotate; writes may still be under way) or *closed* (no descriptor).
 *
 * Syncing, rotating, dropping and restoring exclude each other
 * (`is_maintaining`); appends go on beside them.  While a thread maintains,
 * others only add files at the list's end and never close one, so it may keep
 * a file and use its descriptor with the lock dropped.
 */
#ifndef COFFER_STORE_STAGE_PRIV_H
#define COFFER_STORE_STAGE_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/lock.h"
#include "store/stage.h"
#include "store/store_priv.h"

struct stage_file {
	uint64_t number;
	int fd;		    /* -1: closed */
	uint64_t end;	    /* of what has been handed out */
	uint64_t reserved;  /* disk space is allocated up to here */
	unsigned n_writing; /* users of fd beside maintenance */
	bool is_dirty;	    /* written since the last sync */
	bool has_gap;	    /* its entries do not cover it: no trailer */
	uint32_t n_entries;
	struct buf entries; /* encoded, for the trailer */
	struct stage_file *next;
};

struct stage {
	struct store *store;
	uint8_t header[PACK_HEADER_BYTES];
	/* Changed under the lock, read without. */
	_Atomic uint64_t number; /* of the present file, or the next */
	_Atomic uint64_t bytes;	 /* of all files, as handed out */

	struct lock lock;    /* LOCK_STORE; guards the rest */
	struct cond changed; /* any of the states below, n_writing */
	bool is_making;	     /* a thread makes the next file */
	bool is_maintaining;
	bool is_dead;		  /* a sync failed */
	bool is_rescued;	  /* and what was not lost was saved, once */
	bool is_dir_dirty;	  /* a name not synced yet */
	struct stage_file *files; /* ascending by number */
	struct stage_file *present;
};

/* A closed file, not in the list; NULL without memory. */
struct stage_file *stage_file_new(uint64_t number) must_check;
void stage_file_free(struct stage_file *f);

/* Adds a file to the list, keeping the order, and its bytes to the sum. */
void stage_file_add_locked(struct stage *st, struct stage_file *f)
	LOCK_ATTR_(requires_capability(st->lock));

/* Creates and opens the file; only its header is in it. */
int stage_file_create(struct stage *st, struct stage_file *f) must_check;

/* Reserves disk space.  1: the file system cannot, but there is as much. */
int stage_file_reserve(struct stage *st, struct stage_file *f, uint64_t offset,
		       uint64_t bytes) must_check;

/* Trailer and footer, sync, close of a retired file that nobody writes to.
 * Without trailer if the disk is full: a stage that cannot be closed could not
 * be published, and publishing is what makes room. */
int stage_file_finish(struct stage *st, struct stage_file *f) must_check;

/* Maintenance by one thread at a time, entered without the lock.
 * ERR_DEAD_WRITER. */
int stage_enter_locked(struct stage *st)
	LOCK_ATTR_(requires_capability(st->lock)) must_check;
void stage_leave_locked(struct stage *st)
	LOCK_ATTR_(requires_capability(st->lock));

#endif
