/* SPDX-License-Identifier: ISC */
/*
 * Requests counted by kind, with the time each took in the daemon.
 *
 * Times fall into buckets as of HdrHistogram (Gil Tene, 2012; "Configuration"
 * of its documentation): every power of two is parted into four equal ones, so
 * a bucket is at most a quarter as wide as what it begins at, and a quantile is
 * never told more than a quarter too high.
 */
#ifndef COFFER_FUSE_REQUEST_STATS_H
#define COFFER_FUSE_REQUEST_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/tally.h"

#define REQUEST_KINDS 64 /* opcodes of <linux/fuse.h>; above: kind 0 */

#define REQUEST_PARTS_LOG2 2u
#define REQUEST_PARTS (1u << REQUEST_PARTS_LOG2)
/* The last bucket holds all from 7/4 of 2^36 ns (two minutes) on. */
#define REQUEST_BUCKETS ((36u - REQUEST_PARTS_LOG2 + 2u) * REQUEST_PARTS)

struct request_stats {
	uint64_t n_begun; /* of all kinds; more than the counts: being done */
	uint64_t count[REQUEST_KINDS];
	uint64_t total_ns[REQUEST_KINDS];
	uint64_t bucket[REQUEST_KINDS][REQUEST_BUCKETS];
};

/* The living counters; half a MiB, of which only what is used is touched. */
struct request_counters {
	struct request_shard {
		_Atomic uint64_t n_begun;
		_Atomic uint64_t total_ns[REQUEST_KINDS];
		_Atomic uint64_t bucket[REQUEST_KINDS][REQUEST_BUCKETS];
	} shard[TALLY_SHARDS];
};

void request_counters_init(struct request_counters *c);
void request_counters_begin(struct request_counters *c);
void request_counters_add(struct request_counters *c, uint32_t opcode,
			  uint64_t ns);
/* A snapshot; each number is right, but not all are of one moment. */
void request_counters_get(const struct request_counters *c,
			  struct request_stats *ret);

/* "LOOKUP" ...; NULL for a kind that does not exist. */
const char *request_kind_name(unsigned kind);
/* The bucket of a time, and the longest time of a bucket. */
unsigned request_bucket_of(uint64_t ns);
uint64_t request_bucket_end_ns(unsigned bucket);
/* An upper bound of the q-th quantile (0 < q <= 1) of the times of a kind;
 * 0 if there were none. */
uint64_t request_stats_quantile_ns(const struct request_stats *s, unsigned kind,
				   double q);

#endif
