/* SPDX-License-Identifier: ISC */
/*
 * The SQLite VFS of one index (vault-format/11-local.md): it holds the one
 * database file, hands it out once, and opens nothing else; to SQLite no other
 * file exists, so a planted journal or WAL is never replayed.
 *
 * Each page is sealed by itself, under a fresh random nonce at each write.
 *
 *	offset  bytes  what
 *	     0   4056  the page's first 4056 bytes, XChaCha20
 *	  4056     24  nonce
 *	  4080     16  tag, over them and "cofr-idx" || LE64(generation) ||
 *		       LE64(page number, from 1)
 *
 * To SQLite the last 40 bytes are reserved, and zeros.
 *
 * A page that does not open makes the file bad.  So does one of zeros, unless
 * it lies beyond what was last synced and was not written since: SQLite leaves
 * holes where it frees a page before writing it, and may read them back.
 * vfs_seal seals them, so that between two transactions there are none.
 */
#ifndef COFFER_INDEX_VFS_PRIV_H
#define COFFER_INDEX_VFS_PRIV_H

#include <stdint.h>

#include "base/err.h"
#include "index/index.h"

#define VFS_PAGE_BYTES 4096
#define VFS_RESERVED_BYTES 40

struct vfs;

/*
 * Opens or creates the file and registers the VFS; in memory there is no file
 * to hand out.  -ENOENT if it is absent; ERR_BAD_INDEX if it is no regular
 * file of whole pages, at least one; -errno.
 */
int vfs_open(const struct index_options *opts, struct vfs **ret) must_check;
/* After SQLite has closed the file.  NULL is ignored. */
void vfs_close(struct vfs *v);
/* For sqlite3_open_v2. */
const char *vfs_name(const struct vfs *v);

/* 0, or the first error that a read or write of the file met.  From then on
 * every one fails, and the file is not touched. */
int vfs_state(const struct vfs *v) must_check;
/* Sets that error, if there is none yet. */
void vfs_stop(struct vfs *v, int err);

/* Whole pages in the file. */
uint64_t vfs_pages(const struct vfs *v);
/*
 * After a COMMIT: every page of the file is sealed; then durable, which needs no
 * lock if no page is written meanwhile; and what came of that.  An error is
 * vfs_state's.
 */
int vfs_seal(struct vfs *v) must_check;
int vfs_fsync(struct vfs *v) must_check;
int vfs_synced(struct vfs *v, int fsynced) must_check;

#endif
