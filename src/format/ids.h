/* SPDX-License-Identifier: ISC */
/*
 * Names of things: writers, dots, inode ids, clocks
 * (vault-format/01-conventions.md, 08-operations.md).
 */
#ifndef COFFER_FORMAT_IDS_H
#define COFFER_FORMAT_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

/* A hybrid logical clock: milliseconds since 1970 in the upper 48 bits, a
 * counter in the lower 16 (Kulkarni et al.: Logical Physical Clocks, OPODIS
 * 2014).  One writer never uses a value twice. */
typedef uint64_t hlc_t;

#define HLC_MS(hlc) ((hlc) >> 16)

/* An operation's name: index 0.. within segment `seq` of `writer`. */
struct dot {
	uint64_t writer;
	uint64_t seq;
	uint32_t index;
};

#define DOT_BYTES 20

/* Compared field by field as numbers.  The root is all zeros. */
struct inode_id {
	uint64_t time; /* the clock of the operation that made it */
	uint64_t tail; /* low 32 bits of the writer << 32 | 32 random bits */
};

#define INODE_ID_BYTES 16

static inline bool dot_equal(struct dot a, struct dot b)
{
	return a.writer == b.writer && a.seq == b.seq && a.index == b.index;
}

static inline bool dot_is_zero(struct dot d)
{
	return d.writer == 0 && d.seq == 0 && d.index == 0;
}

/* By writer, seq, index. */
int dot_compare(struct dot a, struct dot b);
void dot_put(struct buf *b, struct dot d);
struct dot dot_read(struct cursor *c);
/* At a place known to hold DOT_BYTES. */
struct dot dot_get(const uint8_t *p);

static inline bool inode_id_equal(struct inode_id a, struct inode_id b)
{
	return a.time == b.time && a.tail == b.tail;
}

static inline bool inode_id_is_root(struct inode_id id)
{
	return id.time == 0 && id.tail == 0;
}

int inode_id_compare(struct inode_id a, struct inode_id b);
void inode_id_put(struct buf *b, struct inode_id id);
struct inode_id inode_id_read(struct cursor *c);

/* The one inode every device derives for a version split from its file:
 * BLAKE2b-128("cofr-spl" || dot), read as two LE64. */
struct inode_id inode_id_split(struct dot version);

#endif
