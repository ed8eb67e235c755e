/* SPDX-License-Identifier: ISC */
/*
 * The numbers of a mount: what its daemon answers to "stats" over the control
 * socket (cli/control_text.h), and what is made of it.
 *
 * A number is a line "KEY N", the requests of a kind are a line
 * "request KIND TOTAL_NS BUCKET:N,BUCKET:N,...", with the kinds and buckets of
 * fuse/request_stats.h.  Lines a client does not know are ignored.
 */
#ifndef COFFER_CLI_STATS_TEXT_H
#define COFFER_CLI_STATS_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "fuse/session.h"
#include "vault/stats.h"

struct control_mount;

/* All of one moment, more or less.  Large: on the heap. */
struct control_stats {
	uint64_t now_ns;   /* monotonic, of the daemon */
	uint64_t n_inodes; /* the kernel knows */
	struct vault_stats vault;
	struct request_stats requests;
};

enum stats_group {
	STATS_CACHE,
	STATS_READING,
	STATS_WRITING,
	STATS_STORING,
	STATS_QUEUES,
	STATS_GROUPS,
};

/* The numbers of a struct vault_stats, in the order they are shown. */
struct stats_field {
	const char *key;   /* in the protocol, in JSON and Prometheus */
	const char *label; /* for people */
	enum stats_group group;
	bool is_gauge; /* of this moment; else a count that never falls */
	enum stats_unit { STATS_COUNT, STATS_BYTES, STATS_NS } unit;
	size_t offset; /* of the uint64_t */
};
extern const struct stats_field stats_fields[];
extern const size_t stats_n_fields;
uint64_t stats_field_get(const struct vault_stats *s,
			 const struct stats_field *f);

void stats_put(struct buf *b, const struct control_stats *s);
/* A line of the answer, unescaped.  1: it was one of them, and is in `to`; 0:
 * of no concern; ERR_MALFORMED. */
int stats_take_line(const char *key, char *value,
		    struct control_stats *to) must_check;

/* Requests that have begun and not ended. */
uint64_t stats_in_flight(const struct request_stats *s);

/*
 * Prometheus' text format, version 0.0.4 (Exposition formats, "Text-based
 * format").  The histograms' bounds are powers of four, so that a kind of
 * request takes few lines; each is exact, for our buckets begin there.
 */
void stats_write_prometheus(FILE *out, const struct control_mount *m,
			    const struct control_stats *s);

#endif
