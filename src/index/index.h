/* SPDX-License-Identifier: ISC */
/*
 * The index: a view of the published segments and the local journal that may
 * be deleted at any time (vault-format/11-local.md).  SQLite behind prepared
 * statements, its pages sealed by a VFS of our own that opens that one file
 * and nothing else.  This header: its life, inodes, directory entries,
 * extents; index_chunk.h: chunks and packs; index_kv.h: the smaller tables.
 *
 * One connection, one long transaction, no ROLLBACK, no SAVEPOINT, no
 * durability of its own.  Every call needs the caller's lock (LOCK_INDEX).
 * A statement that fails, for whatever cause, marks the index bad: that call
 * and all later ones give ERR_BAD_INDEX, nothing more is written, and the
 * index must be rebuilt.  Get functions return 1 (found) or 0 (absent), and
 * may give -ENOMEM without harm; deleting what is absent succeeds.
 *
 * Numbers (inodes, cookies, offsets, lengths, sizes) are below 2^63: ERR_LIMIT
 * otherwise.  Writers use all 64 bits and sort unsigned.
 *
 * A callback of an _each function may call every get and every _each, nested
 * ones of the same table too, and may put into and delete from other tables;
 * what it puts into or deletes from the table it walks may or may not be met.
 * The bytes it is given hold until it returns.  Its non-zero return ends the
 * walk and is returned.
 *
 * Pages and rows in memory are SQLite's heap and not locked; they are wiped
 * when freed.
 */
#ifndef COFFER_INDEX_INDEX_H
#define COFFER_INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"
#include "base/err.h"
#include "crypto/types.h"
#include "format/extent.h"

struct index;

struct index_options {
	struct env *env;
	int dirfd;	   /* state directory, borrowed; -1: in memory */
	struct key key;	   /* K_idx of this generation; copied */
	uint64_t generation;
	size_t cache_bytes; /* SQLite's page cache */
	bool create;	    /* remove what is there and begin anew */
};

#define INDEX_FILE_NAME "index.db"

/*
 * ERR_BAD_INDEX: absent, does not open, is of another generation or schema:
 * create it anew.  -errno where that would not help (-ENOMEM, -EMFILE,
 * -EACCES; -EBUSY if somebody started SQLite before).  In memory `create`
 * counts for nothing: it begins empty.
 */
int index_open(const struct index_options *opts, struct index **ret) must_check;
/* Uncommitted changes are lost unless index_commit came last. */
void index_close(struct index *ix);
/*
 * COMMIT and a new transaction; the file is durable after an fsync, which alone
 * needs no lock, while no spill is allowed and nothing else is written; its
 * result is told to index_synced.  index_commit: all three.
 */
int index_write(struct index *ix) must_check;
int index_fsync(struct index *ix) must_check;
int index_synced(struct index *ix, int fsynced) must_check;
int index_commit(struct index *ix) must_check;
/*
 * May pages be written before a commit?  Off at open.  See architecture:
 * the clean mark is taken away durably before this is switched on.  Until
 * then the cache grows beyond cache_bytes with what is changed.
 */
int index_allow_spill(struct index *ix, bool yes) must_check;
/* Has it outgrown cache_bytes for want of that? */
bool index_wants_spill(const struct index *ix);
/* Bytes of pages in memory now. */
uint64_t index_cache_bytes(const struct index *ix);
/* 0, or the error that made it bad. */
int index_state(const struct index *ix) must_check;

/* ---- inodes: records are the vault's (vault/merge/node.h) ---- */
int index_node_get(struct index *ix, uint64_t ino, const uint8_t **ret_rec,
		   size_t *ret_bytes) must_check; /* until the next call */
int index_node_put(struct index *ix, uint64_t ino, const void *rec,
		   size_t bytes) must_check;
int index_node_delete(struct index *ix, uint64_t ino) must_check;
/* Ascending from `from`. */
typedef int index_node_fn(void *arg, uint64_t ino, const uint8_t *rec,
			  size_t bytes);
int index_node_each(struct index *ix, uint64_t from, index_node_fn *fn,
		    void *arg) must_check;

/* ---- directory entries: (parent, cookie) ---- */
struct index_link {
	uint64_t parent;
	uint64_t cookie; /* 63-bit keyed hash of the name, readdir position */
	uint64_t ino;
	uint8_t kind; /* enum inode_kind */
	const uint8_t *name;
	uint16_t name_len;
	const uint8_t *extra; /* the vault's; NULL if extra_bytes is 0 */
	size_t extra_bytes;
};

int index_link_get(struct index *ix, uint64_t parent, uint64_t cookie,
		   struct index_link *ret) must_check; /* until the next call */
int index_link_put(struct index *ix, const struct index_link *l) must_check;
int index_link_delete(struct index *ix, uint64_t parent, uint64_t cookie)
	must_check;
/* Entries with a cookie >= from, ascending; fn changes none of `parent`. */
typedef int index_link_fn(void *arg, const struct index_link *l);
int index_link_each(struct index *ix, uint64_t parent, uint64_t from,
		    index_link_fn *fn, void *arg) must_check;

/* ---- extents: (ino, offset); those of an inode never overlap ---- */
struct index_extent {
	uint64_t offset, length;
	enum extent_kind kind; /* chunk or inline; holes have no row */
	uint64_t chunk;	       /* chunk number, from 1 */
	uint32_t chunk_offset;
	const uint8_t *bytes; /* inline: `length` of them */
};

/* Replaces one of the same offset. */
int index_extent_put(struct index *ix, uint64_t ino,
		     const struct index_extent *e) must_check;
int index_extent_delete(struct index *ix, uint64_t ino, uint64_t offset)
	must_check;
int index_extent_delete_all(struct index *ix, uint64_t ino) must_check;
/* Those that overlap [from, to), ascending. */
typedef int index_extent_fn(void *arg, const struct index_extent *e);
int index_extent_each(struct index *ix, uint64_t ino, uint64_t from,
		      uint64_t to, index_extent_fn *fn, void *arg) must_check;
/* Every extent of every inode, ascending, for marking. */
typedef int index_any_extent_fn(void *arg, uint64_t ino,
				const struct index_extent *e);
int index_extent_all(struct index *ix, index_any_extent_fn *fn, void *arg)
	must_check;

#endif
