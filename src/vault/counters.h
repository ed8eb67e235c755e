/* SPDX-License-Identifier: ISC */
/* What a vault has done since it was opened, counted where it happens.
 * Internal to vault; vault/stats.h shows it. */
#ifndef COFFER_VAULT_COUNTERS_H
#define COFFER_VAULT_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/tally.h"

enum counter {
	COUNT_READ_BYTES,
	COUNT_WRITTEN_BYTES,
	COUNT_AHEAD, /* reading ahead was asked for */
	COUNT_AHEAD_BYTES,
	COUNT_CHUNKS, /* found to be new */
	COUNT_CHUNK_BYTES,
	COUNT_DUPLICATES, /* found to be there */
	COUNT_DUPLICATE_BYTES,
	COUNT_STAGED, /* appended to the stage */
	COUNT_STAGED_BYTES,
	COUNT_PACKS, /* written into the vault */
	COUNT_PACK_BYTES,
	COUNT_SEGMENTS,
	COUNT_SEGMENT_BYTES,
	COUNT_CUTS,
	COUNT_CUT_NS,
	COUNT_ROOM_WAITS, /* writers that waited for memory */
	COUNTERS_N,
};

/* Copies lie a line apart from what the next uses, wherever they begin. */
#define COUNTERS_ROOM 32u

struct counters {
	struct {
		_Atomic uint64_t n[COUNTERS_ROOM];
	} shard[TALLY_SHARDS];
};

_Static_assert(COUNTERS_N + TALLY_LINE_BYTES / sizeof(uint64_t) <=
		       COUNTERS_ROOM,
	       "counters of two threads share a line");

static inline void counters_add(struct counters *c, enum counter which,
				uint64_t by)
{
	tally_add(&c->shard[tally_shard()].n[which], by);
}

static inline uint64_t counters_get(const struct counters *c,
				    enum counter which)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < TALLY_SHARDS; i++)
		sum += tally_get(&c->shard[i].n[which]);
	return sum;
}

#endif
