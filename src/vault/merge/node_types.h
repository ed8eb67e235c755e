/* SPDX-License-Identifier: ISC */
/* What merging remembers of an inode, in parts.  Internal to vault. */
#ifndef COFFER_VAULT_MERGE_NODE_TYPES_H
#define COFFER_VAULT_MERGE_NODE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "format/ids.h"

/* The order of everything that contends: clock, then writer. */
struct op_key {
	hlc_t clock;
	uint64_t writer;
};

int op_key_compare(struct op_key a, struct op_key b);

struct node_name {
	uint8_t *bytes; /* owned */
	uint16_t len;
};

/* A place or claim dot not replaced by a PLACE.  (Those that were replaced
 * can never matter again, so they are forgotten.) */
struct node_place {
	struct dot dot;
	hlc_t clock;
	struct dot link;
	hlc_t link_clock;    /* of the operation that made the link */
	uint64_t parent;     /* ino as recorded by the PLACE */
	struct node_name name;
	uint64_t from_parent; /* directories only; 0: none */
	struct node_name from_name;
	struct op_key pin; /* clock 0: no pin */
	uint64_t pin_parent;
	struct node_name pin_name;
	bool is_claim;
	bool is_killed; /* unlinked; claims killed are forgotten */
};

/* A version no write replaced. */
struct node_version {
	struct dot dot;
	hlc_t clock;
	uint64_t size;
	uint64_t holder; /* ino whose extents it is; 0: to be rebuilt */
	bool is_deleted;
	struct op_key deleted; /* the newest unlink of a last name */
	bool has_digest;
	uint8_t digest[32]; /* extents_digest */
};

/* The inode of a version beside the one shown: split by an operation, or
 * virtual: shown, not yet split. */
struct node_sibling {
	struct dot version;
	uint64_t ino;
	bool is_split;
};

struct node_link_clock {
	struct dot link;
	hlc_t clock;
};

enum node_register {
	REG_MODE,
	REG_OWNER,
	REG_ATIME,
	REG_MTIME,
	REG_CTIME,
	N_REGS,
};

#endif
