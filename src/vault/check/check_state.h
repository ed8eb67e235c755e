/* SPDX-License-Identifier: ISC */
/*
 * How far a check of every byte has come, kept in the state directory so that
 * one which was interrupted can go on.  Internal to vault; thread-safe but for
 * open and close.
 *
 * A pack counts as read only as the very file it was: its name, size, times and
 * inode make its stamp.  One that changed since, or is new, is read.
 */
#ifndef COFFER_VAULT_CHECK_CHECK_STATE_H
#define COFFER_VAULT_CHECK_CHECK_STATE_H

#include "format/verified.h"
#include "vault/check/check_priv.h"

struct check_stamp {
	uint8_t b[VERIFIED_STAMP_BYTES];
};

/* NULL without a state directory.  Without `resume` what an earlier one left is
 * dropped. */
int check_state_open(struct vault *v, bool resume,
		     struct check_state **ret) must_check;
/* After the last pack: done with, or kept for the next. */
int check_state_close(struct check_state *s, bool is_complete) must_check;

/* Of the file that is there now: 1; 0: none, or `s` is NULL. */
int check_state_stamp(struct check_state *s, uint64_t writer,
		      const struct segment_pack *p,
		      struct check_stamp *ret) must_check;
/* Was it read before? */
bool check_state_has(struct check_state *s, const struct check_stamp *stamp);
/* It was read, and is whole.  Now and then all of them are written. */
void check_state_add(struct check_state *s, const struct check_stamp *stamp);

#endif
