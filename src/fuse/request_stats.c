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

static unsigned bucket_of(uint64_t ns)
{
	unsigned i = ns ? 63 - (unsigned)__builtin_clzll(ns) : 0;

	return min_of(i, (unsigned)(REQUEST_BUCKETS - 1));
}

void request_counters_add(struct request_counters *c, uint32_t opcode,
			  uint64_t ns)
{
	unsigned kind = opcode < REQUEST_KINDS ? opcode : 0;

	atomic_fetch_add_explicit(&c->total_ns[kind], ns, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->bucket[kind][bucket_of(ns)], 1,
				  memory_order_relaxed);
}

void request_counters_get(const struct request_counters *c,
			  struct request_stats *ret)
{
	unsigned i, j;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < REQUEST_KINDS; i++) {
		ret->total_ns[i] = atomic_load_explicit(&c->total_ns[i],
							memory_order_relaxed);
		for (j = 0; j < REQUEST_BUCKETS; j++) {
			ret->bucket[i][j] = atomic_load_explicit(
				&c->bucket[i][j], memory_order_relaxed);
			ret->count[i] += ret->bucket[i][j];
		}
	}
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
			return (UINT64_C(2) << i) - 1;
	}
	return 0;
}
