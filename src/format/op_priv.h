/* SPDX-License-Identifier: ISC */
/* Parts of operations that several sources, or their tests, need. */
#ifndef COFFER_FORMAT_OP_PRIV_H
#define COFFER_FORMAT_OP_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "format/extent.h"
#include "format/ids.h"

/* Bits of the `flags` field of single payloads. */
enum {
	PLACE_FLAG_FROM = 1,
	UNLINK_FLAG_LAST = 1,
	UNLINK_FLAG_CLAIM = 2,
	CONTENT_FLAG_WHOLE = 1,
	XATTR_FLAG_REMOVE = 1,
};

/* The header of an operation, of a known type or not. */
struct op_header {
	uint32_t bytes; /* header and payload */
	uint8_t type;
	uint8_t flags;
	hlc_t clock;
};

/* Leaves the cursor at the payload, all of which is there.  The cursor is
 * left alone on failure, as by op_decode, whose errors these are. */
int op_header_decode(struct cursor *c, struct op_header *ret) must_check;

/* The rules of a list in a content operation: each extent's own, ascending,
 * not overlapping, within `size`, no hole where the list is `whole`, nothing
 * left over.  ERR_LIMIT, ERR_TRUNCATED, ERR_MALFORMED. */
int extent_list_check(const struct extent_list *l, bool whole,
		      uint64_t size) must_check;

#endif
