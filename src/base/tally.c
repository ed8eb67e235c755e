/* SPDX-License-Identifier: ISC */
#include "base/tally.h"

static _Thread_local unsigned own; /* and one; 0: not given yet */
static atomic_uint n_given;

unsigned tally_shard(void)
{
	if (!own)
		own = 1 + atomic_fetch_add_explicit(&n_given, 1,
						    memory_order_relaxed) %
				  TALLY_SHARDS;
	return own - 1;
}
