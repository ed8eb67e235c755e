/* SPDX-License-Identifier: ISC */
/*
 * The heads of the marks: how much of each writer's log was ever seen
 * (vault-format/11-local.md).  They only grow.  Internal to vault.
 */
#ifndef COFFER_VAULT_LOG_HEADS_H
#define COFFER_VAULT_LOG_HEADS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/local.h"

struct heads {
	struct marks_head *list; /* ascending by writer; owned */
	size_t n, cap;
};

void heads_release(struct heads *h);
/* Raises a writer's head; a lower seq changes nothing.  -ENOMEM. */
int heads_raise(struct heads *h, const struct marks_head *m) must_check;
/* NULL if nothing is known of the writer. */
const struct marks_head *heads_find(const struct heads *h, uint64_t writer);
/* Adds those of an encoded list. */
int heads_add_all(struct heads *h, const struct marks *m) must_check;

#endif
