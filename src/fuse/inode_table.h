/* SPDX-License-Identifier: ISC */
/*
 * What the kernel knows: a count of look-ups for each inode, 15 to 19 bytes
 * each (the lower tier of the inode table; locks, dirty maps and extents of the
 * few active inodes are the vault's).  Sharded hash tables with linear probing;
 * thread-safe, and at the end of the lock order: the vault asks it what is held
 * (vault/hold.h).
 */
#ifndef COFFER_FUSE_INODE_TABLE_H
#define COFFER_FUSE_INODE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct inode_table;

/* -ENOMEM. */
int inode_table_new(struct inode_table **ret) must_check;
void inode_table_free(struct inode_table *t);

/* Counts a look-up.  1: the first one; 0: known before; -ENOMEM: not
 * counted. */
int inode_table_look_up(struct inode_table *t, uint64_t ino) must_check;

/* Takes back n look-ups.  1: none is left, the vault may let it go; 0 otherwise.
 * More than there are, or an inode not known: what is there is taken. */
int inode_table_forget(struct inode_table *t, uint64_t ino,
		       uint64_t n) must_check;

bool inode_table_knows(struct inode_table *t, uint64_t ino);

/* Look-ups of one inode; inodes known. */
uint64_t inode_table_look_ups(struct inode_table *t, uint64_t ino);
uint64_t inode_table_count(const struct inode_table *t);

/* Marks on known inodes; on others they do not stay. */
enum inode_mark {
	/* Another device changed it, and the kernel may still believe in its
	 * old size.  Taken away before attributes are read that the kernel is
	 * then told: a mark set meanwhile stays. */
	INODE_STALE,
	/* Its contents were changed and not made durable by us since. */
	INODE_UNSAVED,
	N_INODE_MARKS
};

void inode_table_mark(struct inode_table *t, uint64_t ino,
		      enum inode_mark mark);
/* Was it there? */
bool inode_table_unmark(struct inode_table *t, uint64_t ino,
			enum inode_mark mark);
bool inode_table_is_marked(struct inode_table *t, uint64_t ino,
			   enum inode_mark mark);

/* Takes everything out, calling fn for each inode.  For the end of a session:
 * nobody else may use the table. */
void inode_table_drain(struct inode_table *t,
		       void (*fn)(void *arg, uint64_t ino), void *arg);

#endif
