/* SPDX-License-Identifier: ISC */
/*
 * A good file in the place of a damaged one, which is kept beside it
 * (vault-format/10-ordering.md, Repairing).
 *
 * The damaged one first gets a second name, `<name>.damaged-<its time>`, by a
 * hard link, or a copy where there are none; then the good one is renamed over
 * the first.  So at no moment is the name without a file, and a crash leaves
 * the damaged or the good one under it.
 */
#ifndef COFFER_BASE_REPLACE_H
#define COFFER_BASE_REPLACE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/publish.h"

/*
 * As publish_commit, but what stands under `name` with other bytes is put
 * aside: 1, and its second name in *ret_kept; 0 if nothing had to be.  The
 * publish is over either way.
 */
int replace_commit(struct publish *p, const char *name,
		   char ret_kept[static NAME_MAX + 1]) must_check;

/* The second name alone: 1, also if it has it already; 0: there is no such
 * file.  Durable. */
int replace_keep(struct env *env, int dirfd, const char *name,
		 char ret_kept[static NAME_MAX + 1]) must_check;

/* Is it the name of a file put aside?  `*ret_len` (may be NULL): of the name it
 * had. */
bool replace_is_kept_name(const char *name, size_t *ret_len);

#endif
