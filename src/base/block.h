/* SPDX-License-Identifier: ISC */
/*
 * The hook called before a thread may block on the disk, a lock of another
 * thread's disk work or a full budget.  The FUSE session's leader sets it to
 * hand its leadership over (Leader/Followers: Schmidt et al., Pattern-Oriented
 * Software Architecture 2, 2000); threads without a hook ignore it.
 */
#ifndef COFFER_BASE_BLOCK_H
#define COFFER_BASE_BLOCK_H

typedef void block_fn(void *arg);

/* Sets this thread's hook; NULL takes it away. */
void block_set_hook(block_fn *fn, void *arg);

/* To be called before blocking; cheap; may be called again and again.
 * env_posix() does so itself before pread, fsync and fdatasync. */
void block_soon(void);

#endif
