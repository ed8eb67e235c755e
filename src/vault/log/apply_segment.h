/* SPDX-License-Identifier: ISC */
/*
 * Applying one segment whose causes are applied (vault-format/07-segments.md).
 * Internal to vault; every function needs the index lock unless said.
 */
#ifndef COFFER_VAULT_LOG_APPLY_SEGMENT_H
#define COFFER_VAULT_LOG_APPLY_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/log/commit_priv.h"
#include "vault/log/writers.h"

struct past_log; /* vault/merge/past_log.h */

/* A segment of a version vector not applied yet. */
struct cause {
	uint64_t writer, seq;
};

/*
 * May it come next?  1: yes; 0: not yet, *ret_cause waits for.  ERR_FORKED: it
 * does not continue the history known here; ERR_MALFORMED: it breaks a rule
 * that needs the segment before it; ERR_NEW_EPOCH: of an epoch nobody
 * announced.
 */
int segment_is_next(struct vault *v, const struct log_segment *s,
		    struct cause *ret_cause) must_check;

/* Before the operations: packs enter the index.  After them: the writer's
 * state, with the version vector. */
int segment_begin(struct commit *c, const struct log_segment *s) must_check;
int segment_end(struct commit *c, const struct log_segment *s) must_check;

/*
 * With `past` of this segment applies operations from *at (operation *index) on: all of them, or until a
 * transaction ends after `until_ns` (0: no limit).  1: more follow.
 * ERR_MALFORMED, ERR_NEWER: the index must be made anew without them.
 */
int segment_apply(struct commit *c, const struct log_segment *s,
		  struct past_log *past, struct cursor *at, uint32_t *index,
		  uint64_t until_ns)
	must_check;

#endif
