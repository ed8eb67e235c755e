/* SPDX-License-Identifier: ISC */
/*
 * Operations: what a device did to the tree (vault-format/08-operations.md).
 * Their meaning is the merge rules (vault-format/09-merging.md).
 *
 * A decoded operation points into the bytes it was decoded from.
 */
#ifndef COFFER_FORMAT_OP_H
#define COFFER_FORMAT_OP_H

#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "format/ids.h"
#include "format/name.h"
#include "format/op_payload.h"

#define OP_HEADER_BYTES 16
#define OP_MAX_BYTES ((uint32_t)1 << 20) /* header included */
#define LINK_TARGET_MAX 4095u
#define XATTR_NAME_MAX_BYTES 255u
#define XATTR_VALUE_MAX 65536u

enum op_type {
	OP_MKNOD = 1,
	OP_PLACE = 2,
	OP_UNLINK = 3,
	OP_CONTENT = 4,
	OP_PIN = 5,
	OP_SPLIT = 6,
	OP_ATTR = 7,
	OP_XATTR = 8,
	OP_NOP = 9,
	OP_DEVICE_ADD = 16,
	OP_DEVICE_NAME = 17,
	OP_DEVICE_RETIRE = 18,
	OP_DEVICE_ADOPT = 19,
	OP_SLOT_ADD = 24,
	OP_SLOT_REMOVE = 25,
	OP_EPOCH = 32,
	OP_FEATURE = 33,
	OP_PACK_DROP = 34,
	OP_SNAPSHOT = 35,
};

enum op_flag {
	OP_FLAG_MORE = 1, /* same transaction as the next operation */
	OP_FLAG_SKIP = 2, /* may be skipped where the type is unknown */
};

struct op {
	enum op_type type;
	unsigned flags; /* enum op_flag */
	hlc_t clock;
	struct dot dot;	       /* not encoded: set by whoever knows it */
	struct inode_id inode; /* MKNOD..XATTR */
	union {
		struct op_mknod mknod;
		struct op_place place;
		struct op_unlink unlink;
		struct op_content content;
		struct op_pin pin;
		struct op_split split;
		struct op_attr attr;
		struct op_xattr xattr;
		struct op_device device;
		struct op_slot slot;
		struct op_epoch epoch;
		struct op_feature feature;
		struct op_pack_drop pack_drop;
	};
};

/*
 * Appends header and payload.  ERR_LIMIT above OP_MAX_BYTES or another limit;
 * ERR_MALFORMED: op_decode would reject it, so nothing unreadable is ever
 * written.  The buffer is as it was on failure.
 */
int op_encode(const struct op *op, struct buf *b) must_check;

/*
 * Reads one operation with every check of "a reader must reject" that needs
 * no state.  ret_op->dot is left alone.  1: decoded; 0: an unknown type with
 * OP_FLAG_SKIP was passed over; ERR_NEWER: an unknown one without;
 * ERR_MALFORMED, ERR_TRUNCATED, ERR_LIMIT.  The cursor moves only on success.
 */
int op_decode(struct cursor *c, struct op *ret_op) must_check;

#endif
