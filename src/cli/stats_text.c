/* SPDX-License-Identifier: ISC */
#include "cli/stats_text.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/control_text.h"
#include "cli/units.h"

#define FIELD(member, label, group, gauge, unit)                               \
	{                                                                      \
#member, label, group, gauge, unit,                            \
			offsetof(struct vault_stats, member)                   \
	}
#define TOTAL(member, label, group)                                            \
	FIELD(member, label, group, false, STATS_COUNT)
#define TOTAL_BYTES(member, label, group)                                      \
	FIELD(member, label, group, false, STATS_BYTES)
#define NOW(member, label, group) FIELD(member, label, group, true, STATS_COUNT)
#define NOW_BYTES(member, label, group)                                        \
	FIELD(member, label, group, true, STATS_BYTES)

const struct stats_field stats_fields[] = {
	TOTAL(cache_hits, "hits", STATS_CACHE),
	TOTAL(cache_misses, "misses", STATS_CACHE),
	TOTAL(cache_waits, "waited for another's loading", STATS_CACHE),
	TOTAL(cache_evictions, "evictions", STATS_CACHE),
	TOTAL(cache_failures, "loads that failed", STATS_CACHE),
	NOW_BYTES(cache_used_bytes, "in use", STATS_CACHE),
	NOW_BYTES(cache_total_bytes, "of", STATS_CACHE),
	TOTAL_BYTES(read_bytes, "read by programs", STATS_READING),
	TOTAL(ahead, "times read ahead", STATS_READING),
	TOTAL_BYTES(ahead_bytes, "read ahead", STATS_READING),
	NOW_BYTES(ahead_now_bytes, "being read ahead", STATS_READING),
	TOTAL_BYTES(written_bytes, "written by programs", STATS_WRITING),
	TOTAL(chunks, "new chunks", STATS_WRITING),
	TOTAL_BYTES(chunk_bytes, "in new chunks", STATS_WRITING),
	TOTAL(duplicates, "duplicate chunks", STATS_WRITING),
	TOTAL_BYTES(duplicate_bytes, "saved by duplicates", STATS_WRITING),
	TOTAL(room_waits, "waits for memory", STATS_WRITING),
	TOTAL(cuts, "times made durable", STATS_STORING),
	FIELD(cut_ns, "time that took", STATS_STORING, false, STATS_NS),
	TOTAL(staged, "chunks staged", STATS_STORING),
	TOTAL_BYTES(staged_bytes, "staged", STATS_STORING),
	TOTAL(packs, "packs written", STATS_STORING),
	TOTAL_BYTES(pack_bytes, "in packs", STATS_STORING),
	TOTAL(segments, "log segments published", STATS_STORING),
	TOTAL_BYTES(segment_bytes, "in log segments", STATS_STORING),
	NOW_BYTES(dirty_bytes, "dirty in memory", STATS_QUEUES),
	NOW_BYTES(dirty_limit_bytes, "of at most", STATS_QUEUES),
	NOW(pending_chunks, "chunks without a place", STATS_QUEUES),
	NOW_BYTES(pending_bytes, "in them", STATS_QUEUES),
	NOW(packing, "packs being written", STATS_QUEUES),
	NOW(jobs_queued, "jobs queued", STATS_QUEUES),
	NOW(jobs_running, "jobs running", STATS_QUEUES),
	NOW(workers, "workers", STATS_QUEUES),
	NOW(unpublished_ops, "unpublished operations", STATS_QUEUES),
	NOW_BYTES(stage_bytes, "unpublished contents", STATS_QUEUES),
};
const size_t stats_n_fields = array_len(stats_fields);

uint64_t stats_field_get(const struct vault_stats *s,
			 const struct stats_field *f)
{
	uint64_t n;

	memcpy(&n, (const char *)s + f->offset, sizeof(n));
	return n;
}

uint64_t stats_in_flight(const struct request_stats *s)
{
	uint64_t ended = 0;

	for (unsigned i = 0; i < REQUEST_KINDS; i++)
		ended += s->count[i];
	return s->n_begun - min_of(ended, s->n_begun);
}

/* ---------------------------------------------------------------- writing */

/* The buckets are what takes room: at most 26 bytes each. */
#define REQUEST_TEXT_BYTES (64u + REQUEST_BUCKETS * 26u)
_Static_assert(REQUEST_TEXT_BYTES + 16 < CONTROL_LINE_MAX,
	       "a line of requests does not fit");

static void put_request(struct buf *b, const struct request_stats *s,
			unsigned kind)
{
	char text[REQUEST_TEXT_BYTES];
	const char *comma = "";
	int at = snprintf(text, sizeof(text), "%u %" PRIu64 " ", kind,
			  s->total_ns[kind]);

	for (unsigned i = 0; i < REQUEST_BUCKETS; i++) {
		if (!s->bucket[kind][i])
			continue;
		at += snprintf(text + at, sizeof(text) - (size_t)at,
			       "%s%u:%" PRIu64, comma, i, s->bucket[kind][i]);
		comma = ",";
	}
	control_put_text(b, "request", text);
}

void stats_put(struct buf *b, const struct control_stats *s)
{
	control_put_u64(b, "now_ns", s->now_ns);
	control_put_u64(b, "inodes_known", s->n_inodes);
	control_put_u64(b, "requests_begun", s->requests.n_begun);
	for (size_t i = 0; i < stats_n_fields; i++)
		control_put_u64(b, stats_fields[i].key,
				stats_field_get(&s->vault, &stats_fields[i]));
	for (unsigned i = 0; i < REQUEST_KINDS; i++) {
		if (s->requests.count[i])
			put_request(b, &s->requests, i);
	}
}

/* ---------------------------------------------------------------- reading */

/* "N", ended by `end`; what follows is at *at then. */
static int take_number(char **at, char end, uint64_t max, uint64_t *ret)
{
	char *stop = strchr(*at, end);
	int r;

	if (!stop)
		return ERR_MALFORMED;
	*stop = '\0';
	r = units_parse_number(*at, 10, max, ret);
	*at = stop + 1;
	return r < 0 ? ERR_MALFORMED : 0;
}

static int take_buckets(char *at, struct request_stats *to, uint64_t kind)
{
	while (*at) {
		char *comma = strchr(at, ',');
		uint64_t i = 0, n = 0;
		int r;

		if (comma)
			*comma = '\0';
		r = take_number(&at, ':', REQUEST_BUCKETS - 1, &i);
		if (r == 0 &&
		    units_parse_number(at, 10, UINT64_MAX / REQUEST_BUCKETS,
				       &n) < 0)
			r = ERR_MALFORMED;
		if (r < 0)
			return r;
		to->bucket[kind][i] = n;
		to->count[kind] += n;
		at = comma ? comma + 1 : at + strlen(at);
	}
	return 0;
}

static int take_request(char *at, struct request_stats *to)
{
	uint64_t kind = 0, total_ns = 0;
	int r = take_number(&at, ' ', REQUEST_KINDS - 1, &kind);

	if (r == 0)
		r = take_number(&at, ' ', UINT64_MAX, &total_ns);
	/* Each kind once: a second line would count twice. */
	if (r == 0 && to->count[kind])
		r = ERR_MALFORMED;
	if (r < 0)
		return r;
	to->total_ns[kind] = total_ns;
	return take_buckets(at, to, kind);
}

int stats_take_line(const char *key, char *value, struct control_stats *to)
{
	const struct {
		const char *key;
		uint64_t *to;
	} more[] = {
		{ "now_ns", &to->now_ns },
		{ "inodes_known", &to->n_inodes },
		{ "requests_begun", &to->requests.n_begun },
	};
	uint64_t *found = NULL;
	int r;

	if (strcmp(key, "request") == 0) {
		r = take_request(value, &to->requests);
		return r < 0 ? r : 1;
	}
	for (size_t i = 0; i < array_len(more); i++) {
		if (strcmp(key, more[i].key) == 0)
			found = more[i].to;
	}
	for (size_t i = 0; i < stats_n_fields; i++) {
		if (strcmp(key, stats_fields[i].key) == 0)
			found = (uint64_t *)((char *)&to->vault +
					     stats_fields[i].offset);
	}
	if (!found)
		return 0;
	return units_parse_number(value, 10, UINT64_MAX, found) < 0
		       ? ERR_MALFORMED
		       : 1;
}
