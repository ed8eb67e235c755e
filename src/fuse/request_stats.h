/* SPDX-License-Identifier: ISC */
/*
 * Requests counted by kind, with their times in powers of two: enough for the
 * p50 and p99 of `coffer stats` to within a factor of two.
 */
#ifndef COFFER_FUSE_REQUEST_STATS_H
#define COFFER_FUSE_REQUEST_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_KINDS 64 /* opcodes of <linux/fuse.h>; above: kind 0 */
/* Bucket i: 2^i up to 2^(i + 1) - 1 nanoseconds; the last: all above. */
#define REQUEST_BUCKETS 36

struct request_stats {
	uint64_t count[REQUEST_KINDS];
	uint64_t total_ns[REQUEST_KINDS];
	uint64_t bucket[REQUEST_KINDS][REQUEST_BUCKETS];
};

/* The living counters; all relaxed. */
struct request_counters {
	_Atomic uint64_t total_ns[REQUEST_KINDS];
	_Atomic uint64_t bucket[REQUEST_KINDS][REQUEST_BUCKETS];
};

void request_counters_init(struct request_counters *c);
void request_counters_add(struct request_counters *c, uint32_t opcode,
			  uint64_t ns);
/* A snapshot; each number is right, but not all are of one moment. */
void request_counters_get(const struct request_counters *c,
			  struct request_stats *ret);

/* "LOOKUP" ...; NULL for a kind that does not exist. */
const char *request_kind_name(unsigned kind);
/* An upper bound of the q-th quantile (0 < q <= 1) of the times of a kind;
 * 0 if there were none. */
uint64_t request_stats_quantile_ns(const struct request_stats *s, unsigned kind,
				   double q);

#endif
