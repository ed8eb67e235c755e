/* SPDX-License-Identifier: ISC */
/*
 * Operations made here and not sealed into a segment yet: dots, clock, and the
 * encoded bytes, in pieces.  Internal to vault; guarded by the index lock.
 *
 * A batch is what becomes one segment.  Its pieces are consecutive runs of
 * operations: a cut closes the open piece, reserves one for the contents it is
 * about to flush, and opens the next, so that calls go on while it works
 * (architecture: what a cut takes).
 */
#ifndef COFFER_VAULT_LOG_OPLOG_H
#define COFFER_VAULT_LOG_OPLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "format/op.h"

/* What a piece takes beside its operations, about. */
#define OPLOG_PIECE_BYTES 256u
/* A batch ends before these; a call's operations always fit between. */
#define OPLOG_BATCH_BYTES (48u * 1024 * 1024)
#define OPLOG_BATCH_OPS 900000u

struct oplog_piece {
	uint64_t seq;
	uint32_t first_index;
	uint32_t n_ops;
	uint32_t n_reserved; /* places, of which n_ops are filled */
	struct buf raw;
	size_t last_at;	  /* where the last operation starts in raw */
	bool in_frame;	  /* written to the journal */
	bool is_reserved; /* a cut is filling it */
	hlc_t first_clock; /* reserved: the clocks of its operations run on
			      from here */
	struct oplog_piece *next;
};

struct oplog {
	uint64_t writer; /* own; set after oplog_init */
	uint64_t seq;	     /* of the open batch */
	uint32_t next_index; /* in it */
	hlc_t clock;	     /* greatest seen or used */
	struct oplog_piece *first, *last; /* not sealed yet; last is open */
	/* Those before it are in frames: cuts are many between two publishes,
	 * and look at what is new.  Also guarded by cut_lock. */
	struct oplog_piece *unframed;
	uint64_t n_unsealed; /* operations */
	uint64_t raw_bytes;  /* of the open batch */
	uint64_t held_bytes; /* of all pieces, with what each piece costs */
	bool in_transaction;
	size_t began_at;     /* in the open piece: where it began */
	uint32_t began_ops;
	uint64_t first_change_ns, last_change_ns; /* clock_mono_ns */
	/* Inodes PLACE operations named since the last cut (for fsync). */
	uint64_t *placed;
	size_t n_placed, cap_placed;
};

int oplog_init(struct oplog *l, uint64_t next_seq) must_check;
void oplog_release(struct oplog *l);

/* The clock for a new operation: the wall clock, or one more than the
 * greatest seen. */
hlc_t oplog_tick(struct oplog *l);
/* Learns another device's clock. */
void oplog_see(struct oplog *l, hlc_t clock);

/* Ends the batch if it is near its limits.  Between transactions only. */
int oplog_make_room(struct oplog *l) must_check;

/*
 * Sets op->dot and op->clock and appends the encoded operation, which stays in
 * one transaction with what follows until oplog_end_transaction.  A MKNOD's
 * inode id without a time takes the clock; a PLACE with a link of zeros makes a
 * new one, named by its own dot.
 */
int oplog_append(struct oplog *l, struct op *op) must_check;
/* Takes back OP_FLAG_MORE from the last operation of the open piece: the
 * transaction ends there. */
void oplog_end_transaction(struct oplog *l);
/* Takes back what was appended since the last transaction ended; 1 if there
 * was anything.  (Clocks and dots are not used again within the batch only if
 * nothing is appended after: the caller stops writing.) */
int oplog_abandon(struct oplog *l);

/*
 * For a cut: closes the open piece, reserves `n_reserved` dots and clocks and
 * opens a new piece.  *ret_reserved is NULL for 0.
 */
int oplog_cut(struct oplog *l, uint32_t n_reserved,
	      struct oplog_piece **ret_reserved) must_check;
/* Fills the next place of a reserved piece, in order; sets dot and clock. */
int oplog_fill(struct oplog *l, struct oplog_piece *p, struct op *op)
	must_check;
/* NOPs into the places left. */
int oplog_fill_rest(struct oplog *l, struct oplog_piece *p) must_check;
/* An inode a PLACE operation named. */
int oplog_note_placed(struct oplog *l, uint64_t ino) must_check;

/* Ends the open batch: what follows goes to the next seq. */
int oplog_seal(struct oplog *l) must_check;
/* Forgets the pieces of batches up to `seq`: they are published. */
void oplog_drop_through(struct oplog *l, uint64_t seq);
/* Adds operations read from the journal. */
int oplog_restore(struct oplog *l, uint64_t seq, uint32_t first_index,
		  uint32_t n_ops, const uint8_t *raw, size_t raw_bytes)
	must_check;

#endif
