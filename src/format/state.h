/* SPDX-License-Identifier: ISC */
/*
 * The state of a vault as items (vault-format/15-snapshots.md): what all
 * operations up to a version vector leave behind, one state being one string of
 * bytes.  Pure codec; whoever writes keeps to the order, which state_follows
 * checks.
 *
 * A decoded item points into the bytes it was decoded from.
 */
#ifndef COFFER_FORMAT_STATE_H
#define COFFER_FORMAT_STATE_H

#include "format/state_item.h"

#define STATE_ITEM_MAX (128u * 1024) /* header included */
#define STATE_HEADER_BYTES 8u
#define STATE_HASHES_MAX 1024u	/* of one item */
#define STATE_ENTRIES_MAX 1024u /* of one item */
#define STATE_EXTENTS_MAX 512u	/* of one item */

/* Appends it; ERR_LIMIT above STATE_ITEM_MAX. */
int state_put(struct buf *b, const struct state_item *it) must_check;
/* Reads one with every check it alone allows.  ERR_NEWER, ERR_MALFORMED,
 * ERR_TRUNCATED, ERR_LIMIT.  The cursor moves only on success. */
int state_read(struct cursor *c, struct state_item *ret) must_check;

/* Items stand in one order, each once: what came last. */
struct state_order {
	uint8_t key[320];
	size_t len;
	size_t group; /* so many bytes of it are the group's */
	enum state_type section;
};

/* ERR_MALFORMED unless the item may follow; order begins as zeros. */
int state_follows(struct state_order *o, const struct state_item *it)
	must_check;

#endif
