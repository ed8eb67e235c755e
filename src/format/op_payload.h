/* SPDX-License-Identifier: ISC */
/*
 * What each type of operation says (vault-format/08-operations.md).  The
 * inode of OP_MKNOD to OP_XATTR stands in struct op itself.
 */
#ifndef COFFER_FORMAT_OP_PAYLOAD_H
#define COFFER_FORMAT_OP_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/types.h"
#include "format/extent.h"
#include "format/ids.h"

enum inode_kind {
	KIND_FILE = 1,
	KIND_DIR = 2,
	KIND_SYMLINK = 3,
	KIND_FIFO = 4,
	KIND_SOCKET = 5,
	KIND_CHAR = 6,
	KIND_BLOCK = 7,
};

enum attr_mask {
	ATTR_MODE = 1,
	ATTR_OWNER = 2, /* uid and gid together: one register */
	ATTR_ATIME = 4,
	ATTR_MTIME = 8,
	ATTR_CTIME = 16,
};

/* n dots of DOT_BYTES, back to back. */
struct dot_list {
	const uint8_t *raw;
	uint32_t n;
};

static inline struct dot dot_list_get(const struct dot_list *l, uint32_t i)
{
	return dot_get(l->raw + (uint64_t)i * DOT_BYTES);
}

struct op_name {
	const uint8_t *bytes; /* not NUL-terminated */
	uint16_t len;
};

struct op_mknod {
	enum inode_kind kind;
	uint32_t mode; /* permission bits only, 07777 */
	uint32_t uid, gid;
	uint32_t rdev_major, rdev_minor;      /* KIND_CHAR, KIND_BLOCK */
	int64_t atime_ns, mtime_ns, ctime_ns; /* since 1970; ctime is birth */
	struct op_name target;		      /* KIND_SYMLINK */
};

struct op_place {
	struct dot link; /* own dot for a new link */
	struct inode_id parent;
	struct op_name name;
	bool has_from;
	struct inode_id from_parent;
	struct op_name from_name;
	struct dot_list kills; /* place and claim dots replaced */
};

struct op_unlink {
	struct dot link;
	bool last;		/* then `deletes` counts; no claim */
	bool claim;		/* leaves a claim at (parent, name) */
	struct inode_id parent; /* where it was shown (times), always */
	struct op_name name;	/* with claim only; else empty */
	struct dot_list kills;
	struct dot_list deletes; /* versions seen */
};

struct op_content {
	bool whole;	 /* all extents; else changes to `base` */
	struct dot base; /* a version; zeros if whole */
	uint64_t size;
	int64_t mtime_ns, ctime_ns;
	struct dot_list replaces;
	struct extent_list extents;
};

struct op_pin {
	struct dot target; /* place dot; a split's first place: the version */
	struct inode_id parent;
	struct op_name name;
};

struct op_split {
	struct dot version;
	hlc_t version_clock;
};

struct op_attr {
	uint32_t mask; /* enum attr_mask; at least one bit */
	uint32_t mode, uid, gid;
	int64_t atime_ns, mtime_ns, ctime_ns;
};

struct op_xattr {
	bool remove;
	struct op_name name;
	const uint8_t *value;
	uint32_t value_bytes;
	int64_t ctime_ns;
};

struct op_device { /* ADD, NAME, RETIRE, ADOPT */
	uint64_t writer;
	uint64_t other;	     /* ADD: sponsor or 0; ADOPT: by whom; else 0 */
	struct op_name name; /* ADD, NAME (name_is_device) */
};

struct op_slot { /* ADD, REMOVE */
	uint8_t slot[16];
	uint8_t type;
	struct op_name label; /* ADD (name_is_label) */
};

struct op_epoch {
	uint32_t number;
	struct key_id id;
};

struct op_feature {
	uint64_t incompatible, read_only, compatible;
};

struct op_pack_drop {
	uint8_t pack[16]; /* of the operation's own writer */
};

#endif
