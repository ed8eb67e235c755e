/* SPDX-License-Identifier: ISC */
#include "fuse/request_stats.h"

#include <string.h>

#include "base/mem.h"

static const char *const kind_names[REQUEST_KINDS] = {
	[1] = "LOOKUP",	       [2] = "FORGET",	       [3] = "GETATTR",
	[4] = "SETATTR",       [5] = "READLINK",       [6] = "SYMLINK",
	[8] = "MKNOD",	       [9] = "MKDIR",	       [10] = "UNLINK",
	[11] = "RMDIR",	       [12] = "RENAME",	       [13] = "LINK",
	[14] = "OPEN",	       [15] = "READ",	       [16] = "WRITE",
	[17] = "STATFS",       [18] = "RELEASE",       [20] = "FSYNC",
	[21] = "SETXATTR",     [22] = "GETXATTR",      [23] = "LISTXATTR",
	[24] = "REMOVEXATTR",  [25] = "FLUSH",	       [26] = "INIT",
	[27] = "OPENDIR",      [28] = "READDIR",       [29] = "RELEASEDIR",
	[30] = "FSYNCDIR",     [31] = "GETLK",	       [32] = "SETLK",
	[33] = "SETLKW",       [34] = "ACCESS",	       [35] = "CREATE",
	[36] = "INTERRUPT",    [37] = "BMAP",	       [38] = "DESTROY",
	[39] = "IOCTL",	       [40] = "POLL",	       [41] = "NOTIFY_REPLY",
	[42] = "BATCH_FORGET", [43] = "FALLOCATE",     [44] = "READDIRPLUS",
	[45] = "RENAME2",      [46] = "LSEEK",	       [47] = "COPY_FILE_RANGE",
	[48] = "SETUPMAPPING", [49] = "REMOVEMAPPING", [50] = "SYNCFS",
	[51] = "TMPFILE",      [52] = "STATX",
};

void request_counters_init(struct request_counters *c)
{
	memset(c, 0, sizeof(*c));
}

unsigned request_bucket_of(uint64_t ns)
{
	unsigned log2, i;

	if (ns < REQUEST_PARTS)
		return (unsigned)ns;
	log2 = 63 - (unsigned)__builtin_clzll(ns);
	i = (log2 - REQUEST_PARTS_LOG2 + 1) * REQUEST_PARTS +
	    (unsigned)(ns >> (log2 - REQUEST_PARTS_LOG2) & (REQUEST_PARTS - 1));
	return min_of(i, REQUEST_BUCKETS - 1);
}

uint64_t request_bucket_end_ns(unsigned bucket)
{
	unsigned shift;

	if (bucket < REQUEST_PARTS)
		return bucket;
	shift = bucket / REQUEST_PARTS - 1;
	return ((uint64_t)(REQUEST_PARTS + bucket % REQUEST_PARTS + 1)
		<< shift) -
	       1;
}

void request_counters_begin(struct request_counters *c)
{
	tally_add(&c->shard[tally_shard()].n_begun, 1);
}

void request_counters_add(struct request_counters *c, uint32_t opcode,
			  uint64_t ns)
{
	struct request_shard *s = &c->shard[tally_shard()];
	unsigned kind = opcode < REQUEST_KINDS ? opcode : 0;

	tally_add(&s->total_ns[kind], ns);
	tally_add(&s->bucket[kind][request_bucket_of(ns)], 1);
}

static void add_shard(const struct request_shard *from,
		      struct request_stats *to)
{
	for (unsigned i = 0; i < REQUEST_KINDS; i++) {
		to->total_ns[i] += tally_get(&from->total_ns[i]);
		for (unsigned j = 0; j < REQUEST_BUCKETS; j++) {
			uint64_t n = tally_get(&from->bucket[i][j]);

			to->bucket[i][j] += n;
			to->count[i] += n;
		}
	}
}

void request_counters_get(const struct request_counters *c,
			  struct request_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < TALLY_SHARDS; i++)
		add_shard(&c->shard[i], ret);
	/* Last: what has ended by now has begun. */
	for (unsigned i = 0; i < TALLY_SHARDS; i++)
		ret->n_begun += tally_get(&c->shard[i].n_begun);
}

const char *request_kind_name(unsigned kind)
{
	return kind < REQUEST_KINDS ? kind_names[kind] : NULL;
}

uint64_t request_stats_quantile_ns(const struct request_stats *s, unsigned kind,
				   double q)
{
	uint64_t seen = 0;
	double wanted = q * (double)s->count[kind];
	unsigned i;

	for (i = 0; i < REQUEST_BUCKETS; i++) {
		seen += s->bucket[kind][i];
		if (s->bucket[kind][i] && (double)seen >= wanted)
			return request_bucket_end_ns(i);
	}
	return 0;
}
