/* SPDX-License-Identifier: ISC */
/* A segment's plaintext, for its sources, the journal's cuts and tests. */
#ifndef COFFER_FORMAT_SEGMENT_PRIV_H
#define COFFER_FORMAT_SEGMENT_PRIV_H

#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "format/segment.h"

#define SEGMENT_FIXED_BYTES 80u /* of a body, before its lists */
#define SEGMENT_PAD_BYTES 4096u
#define SEGMENT_VV_BYTES 56u
#define SEGMENT_PACK_FIXED_BYTES 44u
#define SEGMENT_REQUIRED_BYTES 24u

/* Appends the body, padded. */
void segment_body_encode(const struct segment_body *body, struct buf *b);

/* Checks a whole body under its header (writer, seq, epoch, body_bytes) as
 * segment_open promises; ret points into it.  The errors are op_decode's. */
int segment_body_decode(const uint8_t *plain, const struct segment_header *h,
			struct segment_body *ret) must_check;

/* One pack as announced, with every check; the errors stick in the cursor,
 * which may then hold any error code.  *ret is zeros on error. */
void segment_pack_check(struct cursor *c, struct segment_pack *ret);

#endif
