/* SPDX-License-Identifier: ISC */
/*
 * Counters that many threads raise at once: each thread adds to one of a few
 * copies, so that no cache line is handed round, and who asks adds the copies
 * up (per-CPU counters: McKenney, Is Parallel Programming Hard, And, If So,
 * What Can You Do About It?, 2nd edition, section 5.2).  An addition is one
 * relaxed atomic instruction on a line that is nearly always this thread's.
 */
#ifndef COFFER_BASE_TALLY_H
#define COFFER_BASE_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#define TALLY_SHARDS 8u
#define TALLY_LINE_BYTES 64u

/* The copy of the calling thread: given out in turn, for its life. */
unsigned tally_shard(void);

/* Never falls. */
static inline void tally_add(_Atomic uint64_t *n, uint64_t by)
{
	atomic_fetch_add_explicit(n, by, memory_order_relaxed);
}

static inline uint64_t tally_get(const _Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

#endif
