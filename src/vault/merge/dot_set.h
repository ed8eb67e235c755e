/* SPDX-License-Identifier: ISC */
/* Sets of dots, as operations list them.  Internal to vault. */
#ifndef COFFER_VAULT_MERGE_DOT_SET_H
#define COFFER_VAULT_MERGE_DOT_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "format/op.h"

/* Filled first, then closed; only then has `d` each dot once, ascending. */
struct dot_set {
	struct dot *d; /* owned */
	uint32_t n, cap;
	int error;	/* sticky: -ENOMEM */
	struct buf raw; /* dot_set_list */
};

#define DOT_SET_INIT { .raw = BUF_INIT(OP_MAX_BYTES) }

void dot_set_release(struct dot_set *s);
#define auto_dots __attribute__((cleanup(dot_set_release)))

void dot_set_add(struct dot_set *s, struct dot dot);
int dot_set_close(struct dot_set *s) must_check; /* -ENOMEM */
/* Closes and encodes: *ret lives as long as the set.  -ENOMEM, ERR_LIMIT (more
 * than an operation holds). */
int dot_set_list(struct dot_set *s, struct dot_list *ret) must_check;

/* A list as a closed set, for look-ups; -ENOMEM. */
int dot_set_from(struct dot_set *s, const struct dot_list *l) must_check;
bool dot_set_has(const struct dot_set *s, struct dot dot);

#endif
