/* SPDX-License-Identifier: ISC */
/* What the items of a state say (vault-format/15-snapshots.md). */
#ifndef COFFER_FORMAT_STATE_ITEM_H
#define COFFER_FORMAT_STATE_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "format/op.h"
#include "format/pack.h"
#include "format/segment.h"
#include "format/state_inode.h"

enum state_type {
	STATE_WRITER = 1,
	STATE_HASHES = 2,
	STATE_DEVICE = 3,
	STATE_SLOT = 4,
	STATE_EPOCH = 5,
	STATE_FEATURE = 6,
	STATE_PACK = 7,
	STATE_ENTRIES = 8, /* of the pack before */
	STATE_DROPPED = 9,
	STATE_INODE = 16,
	STATE_XATTR = 17, /* of the inode before */
	STATE_DIR = 24,	  /* begins what follows of a directory */
	STATE_LINK = 25,
	STATE_PLACE = 26,
	STATE_FILE = 32, /* begins what follows of any other inode */
	STATE_VERSION = 33,
	STATE_SPLIT = 34,
	STATE_EXTENTS = 35,
};

struct state_writer {
	uint64_t writer, seq;
	struct file_hash head;
	uint32_t epoch;
	hlc_t first, last; /* of all its operations */
	const uint8_t *vv; /* of its last segment, encoded */
	uint32_t n_vv;
};

struct state_hashes { /* of segments `first` and following */
	uint64_t writer, first;
	const uint8_t *hashes;
	uint32_t n;
};

struct state_device {
	uint64_t writer;
	struct state_key first_key, last_key, retired;
	struct op_name first, last;
};

struct state_slot {
	uint8_t name[16];
	bool is_removed;
	uint8_t type; /* 0: only its removal is known */
	struct op_name label;
};

struct state_pack {
	uint64_t writer;
	uint8_t name[PACK_NAME_BYTES];
	uint64_t size;
	uint32_t epoch;
	struct key_id8 key_id;
	enum pack_type type;
	uint32_t n_entries;
};

struct state_entries {
	const uint8_t *entries;
	uint32_t n;
};

struct state_dropped {
	uint64_t writer;
	uint8_t name[PACK_NAME_BYTES];
	uint64_t seq; /* of the segment that dropped it */
};

struct state_item {
	enum state_type type;
	union {
		struct state_writer writer;
		struct state_hashes hashes;
		struct state_device device;
		struct state_slot slot;
		struct op_epoch epoch;
		struct op_feature feature;
		struct state_pack pack;
		struct state_entries entries;
		struct state_dropped dropped;
		struct state_inode inode;
		struct state_xattr xattr;
		struct inode_id id; /* STATE_DIR, STATE_FILE */
		struct state_link link;
		struct state_place place;
		struct state_version version;
		struct dot split;
		struct state_extents extents;
	};
};

#endif
