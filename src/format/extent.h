/* SPDX-License-Identifier: ISC */
/*
 * Extents: what a version's bytes are made of, as they stand in a content
 * operation (vault-format/08-operations.md).
 */
#ifndef COFFER_FORMAT_EXTENT_H
#define COFFER_FORMAT_EXTENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "crypto/types.h"

#define OP_MAX_EXTENTS 16384u
#define OP_INLINE_MAX 1024u /* bytes of an extent carried in the operation */
#define FILE_SIZE_MAX (((uint64_t)1 << 63) - 1)

enum extent_kind {
	EXTENT_HOLE = 0,   /* only in a change: what was there is gone */
	EXTENT_CHUNK = 1,  /* length bytes from chunk_offset of a chunk */
	EXTENT_INLINE = 2, /* the bytes themselves, at most OP_INLINE_MAX */
};

struct extent {
	uint64_t offset; /* in the file */
	uint64_t length; /* at least 1 */
	enum extent_kind kind;
	uint32_t chunk_offset; /* EXTENT_CHUNK */
	uint32_t chunk_length; /* plain length of the whole chunk */
	struct content_id id;
	const uint8_t *bytes; /* EXTENT_INLINE */
};

/* Encoded extents; ascending, not overlapping (op_decode checks). */
struct extent_list {
	const uint8_t *raw;
	uint32_t raw_bytes;
	uint32_t n;
};

/* One extent of a list already checked; advances the cursor. */
void extent_read(struct cursor *c, struct extent *ret);
void extent_put(struct buf *b, const struct extent *e);
void extent_list_cursor(const struct extent_list *l, struct cursor *ret);

#endif
