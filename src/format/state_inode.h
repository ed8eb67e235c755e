/* SPDX-License-Identifier: ISC */
/* What the items of a state say of inodes (vault-format/15-snapshots.md). */
#ifndef COFFER_FORMAT_STATE_INODE_H
#define COFFER_FORMAT_STATE_INODE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/op.h"

#define STATE_N_REGS 5u /* mode, owner, atime, mtime, ctime */

struct state_key { /* clock 0: none */
	hlc_t clock;
	uint64_t writer;
};

struct state_inode {
	struct inode_id id;
	enum inode_kind kind;
	bool is_split;
	uint32_t mode, uid, gid, major, minor;
	int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
	struct state_key regs[STATE_N_REGS];
	struct op_name target;
};

struct state_xattr {
	struct state_key key;
	bool is_removed;
	struct op_name name;
	const uint8_t *value;
	uint32_t value_bytes;
};

struct state_link {
	struct dot link;
	hlc_t clock;
};

struct state_place {
	struct dot dot, link;
	hlc_t clock;
	bool is_claim, is_killed;
	bool is_first; /* a split inode's: no parent, no name */
	bool has_from;
	struct inode_id parent, from_parent, pin_parent;
	struct op_name name, from_name, pin_name;
	struct state_key pin;
};

struct state_version {
	struct dot dot;
	hlc_t clock;
	uint64_t size;
	bool has_contents; /* those listed; else they stand in the log only */
	bool is_deleted;
	struct state_key deleted;
};

struct state_extents {
	struct dot version;
	struct extent_list list;
};

#endif
