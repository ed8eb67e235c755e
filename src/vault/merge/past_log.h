/* SPDX-License-Identifier: ISC */
/*
 * The past of a segment that is being applied (struct merge_past), with the log
 * behind it: what operations were that the state has forgotten.  Internal to
 * vault; index lock.
 */
#ifndef COFFER_VAULT_MERGE_PAST_LOG_H
#define COFFER_VAULT_MERGE_PAST_LOG_H

#include "vault/log/logdir.h"
#include "vault/merge/merge.h"

/* The operations of a segment that was asked for. */
struct past_segment {
	uint64_t writer, seq;
	struct merge_named *ops; /* owned; NULL: unused */
	uint32_t n;
	uint64_t used; /* when, counted in questions */
};

#define PAST_SEGMENTS 32u

struct past_log {
	struct vault *v;
	struct merge_past past;
	const struct log_segment *now; /* borrowed */
	struct past_segment segments[PAST_SEGMENTS];
	uint64_t n_asked;
	uint64_t n_ops; /* in all of them */
};

/* For one segment, which stays until past_close; needs no lock. */
void past_open(struct past_log *p, struct vault *v,
	       const struct log_segment *s);
void past_close(struct past_log *p);

/* It is v->past from here to there, while operations of the segment are
 * applied and no others: what is made here is judged without. */
void past_begin(struct past_log *p);
void past_end(struct past_log *p);

#endif
