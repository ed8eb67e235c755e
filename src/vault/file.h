/* SPDX-License-Identifier: ISC */
/*
 * Contents of regular files.
 *
 * A write is copied into the inode's dirty map and seen by every read at once;
 * workers chunk, hash, seal and store it; the next cut makes it durable.  A
 * full disk is told by the write or the fsync, and harms nothing older.
 */
#ifndef COFFER_VAULT_FILE_H
#define COFFER_VAULT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"
#include "vault/vault.h"

#define VAULT_READ_PIECES 72 /* 1 MiB in 16 KiB blocks, both ends uneven */

/*
 * A read: pieces that point into pinned cache blocks, a private copy or
 * shared zeros; valid until vault_read_release.  Fewer bytes than asked only
 * at the end of the file.
 */
struct vault_read {
	struct iovec pieces[VAULT_READ_PIECES];
	unsigned n_pieces;
	size_t n_bytes;
	void *pins[VAULT_READ_PIECES];
	unsigned n_pins;
	void *copy;
};

/* len is cut to 1 MiB.  -EIO (or ERR_*) if any byte asked for is damaged or
 * missing: never wrong bytes. */
int vault_read(struct vault *v, uint64_t ino, uint64_t offset, size_t len,
	       struct vault_read *ret) must_check;
void vault_read_release(struct vault *v, struct vault_read *r);
/* The same into memory; returns the bytes read. */
ssize_t vault_pread(struct vault *v, uint64_t ino, void *to, size_t len,
		    uint64_t offset) must_check;

enum vault_write_flag {
	VAULT_WRITE_DROP_PRIVILEGES = 1, /* suid, sgid, capabilities go */
	VAULT_WRITE_APPEND = 2,		 /* offset is ignored: at the end */
};

/* With VAULT_WRITE_DROP_PRIVILEGES. */
enum vault_wrote {
	VAULT_WROTE_DROPPED = 1, /* there were some */
	/* Sgid is left, which only who is of the file's group may keep: for
	 * others the caller drops it (VAULT_DROP_SGID). */
	VAULT_WROTE_KEPT_SGID = 2,
};

/* Writes all of it or fails: -EFBIG, -ENOSPC, -EDQUOT, -EROFS, -EISDIR,
 * -EINVAL.  enum vault_wrote. */
int vault_write(struct vault *v, uint64_t ino, const void *from, size_t len,
		uint64_t offset, unsigned flags) must_check;

/* This file's data and everything needed to find it again are durable. */
int vault_fsync(struct vault *v, uint64_t ino) must_check;
/* An error an earlier flush of this file met, once; 0 otherwise. */
int vault_take_error(struct vault *v, uint64_t ino) must_check;

enum vault_allocate {
	VAULT_ALLOCATE_KEEP_SIZE = 1,
	VAULT_ALLOCATE_PUNCH = 2, /* with KEEP_SIZE */
	VAULT_ALLOCATE_ZERO = 4,
};
/* But for PUNCH there is room for what are holes in the range when it returns:
 * else -ENOSPC, -EDQUOT.  Nothing is kept free. */
int vault_fallocate(struct vault *v, uint64_t ino, unsigned flags,
		    uint64_t offset, uint64_t len) must_check;

/* SEEK_DATA or SEEK_HOLE; -ENXIO. */
int vault_seek(struct vault *v, uint64_t ino, uint64_t offset, int whence,
	       uint64_t *ret_offset) must_check;

/* Shares chunks, reads nothing it need not; returns the bytes copied.  One
 * file's ranges must not overlap: -EINVAL. */
ssize_t vault_copy_range(struct vault *v, uint64_t from_ino,
			 uint64_t from_offset, uint64_t to_ino,
			 uint64_t to_offset, uint64_t len) must_check;

#endif
