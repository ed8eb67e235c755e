/* SPDX-License-Identifier: ISC */
/*
 * The reply to READDIR and READDIRPLUS: entries in a buffer of bounded size,
 * and the positions the kernel goes on from.
 *
 * The kernel's position (d_off, a signed 64-bit number) is 0 at the start, 1
 * after ".", 2 after "..", and the vault's position plus 2 after the others.
 * Positions belong to names, so a listing goes on rightly after any change.
 */
#ifndef COFFER_FUSE_DIRBUF_H
#define COFFER_FUSE_DIRBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <fuse_lowlevel.h>

#define DIRBUF_OFFSET_DOT 1
#define DIRBUF_OFFSET_DOTDOT 2
/* Nothing comes after it.  A listing that stops just before one of the last
 * three positions of 2^63 misses what is there. */
#define DIRBUF_OFFSET_END INT64_MAX

/* What the kernel is told for a position of the vault. */
static inline off_t dirbuf_offset(uint64_t position)
{
	if (position > INT64_MAX - DIRBUF_OFFSET_DOTDOT)
		return DIRBUF_OFFSET_END;
	return (off_t)(position + DIRBUF_OFFSET_DOTDOT);
}

/* And back; 0, the start, for an offset at or before "..". */
static inline uint64_t dirbuf_position(off_t offset)
{
	return offset > DIRBUF_OFFSET_DOTDOT
		       ? (uint64_t)offset - DIRBUF_OFFSET_DOTDOT
		       : 0;
}

struct dirbuf {
	char *to; /* borrowed */
	size_t cap;
	size_t used;
	bool plus;
};

struct dirbuf_entry {
	const void *name; /* not terminated */
	size_t name_len;  /* 1..255 */
	off_t offset;	  /* to go on from */
	/* READDIR uses attr.st_ino and the type in attr.st_mode.  READDIRPLUS
	 * all; with ino 0 the kernel learns no inode (nor counts a look-up). */
	struct fuse_entry_param param;
};

/* False: it does not fit, and nothing was added. */
bool dirbuf_add(struct dirbuf *b, const struct dirbuf_entry *e);

#endif
