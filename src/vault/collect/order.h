/* SPDX-License-Identifier: ISC */
/*
 * In which order this device applied the segments that have operations: their
 * positions, from 1.  A chunk's stamp (index/index_chunk.h) is the position
 * reached when references to it last changed; so, if all segments up to there
 * are in the stable cut, everything is that made it what it is
 * (vault/collect/garbage.h).  Internal to vault; every function needs the index lock.
 */
#ifndef COFFER_VAULT_COLLECT_ORDER_H
#define COFFER_VAULT_COLLECT_ORDER_H

#include <stdint.h>

#include "base/err.h"
#include "format/ids.h"

struct vault;
struct node;
struct stable_cut;

struct order {
	uint64_t position; /* of the newest segment noted */
	uint64_t own_seq;  /* the newest own one noted */
	uint64_t other_writer, other_seq; /* the last one of another device */
	uint64_t revived; /* order_note_revival */
};

/* For an index just opened, new or kept. */
int order_load(struct vault *v) must_check;

/* Before an operation is applied: its segment has a position, the open batch
 * too.  Dots without a seq are not in the log. */
int order_note(struct vault *v, struct dot d) must_check;
/*
 * Before a change of an inode that has a version deleted whose contents were
 * given up: what is known of that version's fate is as new as this change,
 * though no reference to its chunks need change.  Others change nothing.
 */
int order_note_revival(struct vault *v, const struct node *n) must_check;

/* The state came as a whole, with a position noted for the newest segment of
 * each writer in it: all of it is as new as the last of those. */
int order_note_state(struct vault *v) must_check;

/* The greatest position up to which every segment is in S: those need not be
 * remembered any longer. */
int order_stable(struct vault *v, const struct stable_cut *s,
		 uint64_t *ret_position) must_check;

/* The first segment noted after a position: 1, and its writer and seq; 0. */
int order_first_beyond(struct vault *v, uint64_t position, uint64_t *ret_writer,
		       uint64_t *ret_seq) must_check;

#endif
