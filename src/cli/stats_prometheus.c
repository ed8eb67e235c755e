/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "cli/control_text.h"
#include "cli/stats_text.h"

/* The least and the greatest bound of the histograms, as powers of two of
 * nanoseconds: 1.024 us, and 17 s. */
#define BOUND_FIRST 10u
#define BOUND_LAST 34u
#define BOUND_STEP 2u

static void put_value(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*text == '\\' || *text == '"')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void put_labels(FILE *out, const struct control_mount *m)
{
	fputs("vault=\"", out);
	put_value(out, m->vault_path);
	fputs("\",mountpoint=\"", out);
	put_value(out, m->mountpoint);
	fputc('"', out);
}

static void put_metric(FILE *out, const struct control_mount *m,
		       const char *name, const char *label, bool is_gauge,
		       double value)
{
	fprintf(out, "# HELP coffer_%s %s\n# TYPE coffer_%s %s\ncoffer_%s{",
		name, label, name, is_gauge ? "gauge" : "counter", name);
	put_labels(out, m);
	fprintf(out, "} %.17g\n", value);
}

static void put_field(FILE *out, const struct control_mount *m,
		      const struct stats_field *f, uint64_t n)
{
	const size_t len = strlen(f->key);
	char name[64];
	double value = (double)n;

	/* Base units, and counts end in _total (Prometheus, "Metric and label
	 * naming"). */
	const bool is_time = f->unit == STATS_NS;

	snprintf(name, sizeof(name), "%.*s%s%s", (int)(is_time ? len - 3 : len),
		 f->key, is_time ? "_seconds" : "",
		 f->is_gauge ? "" : "_total");
	if (is_time)
		value /= (double)NS_PER_S;
	put_metric(out, m, name, f->label, f->is_gauge, value);
}

static uint64_t count_below(const struct request_stats *s, unsigned kind,
			    uint64_t ns)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < REQUEST_BUCKETS; i++) {
		if (request_bucket_end_ns(i) < ns)
			n += s->bucket[kind][i];
	}
	return n;
}

static void put_series(FILE *out, const struct control_mount *m,
		       const char *what, const char *op)
{
	fprintf(out, "coffer_request_seconds_%s{", what);
	put_labels(out, m);
	fprintf(out, ",op=\"%s\"", op);
}

static void put_histogram(FILE *out, const struct control_mount *m,
			  const struct request_stats *s, unsigned kind)
{
	const char *op = request_kind_name(kind);

	op = op ? op : "OTHER";
	for (unsigned p = BOUND_FIRST; p <= BOUND_LAST; p += BOUND_STEP) {
		const uint64_t ns = UINT64_C(1) << p;

		put_series(out, m, "bucket", op);
		fprintf(out, ",le=\"%.9g\"} %" PRIu64 "\n",
			(double)ns / (double)NS_PER_S,
			count_below(s, kind, ns));
	}
	put_series(out, m, "bucket", op);
	fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\n", s->count[kind]);
	put_series(out, m, "sum", op);
	fprintf(out, "} %.17g\n", (double)s->total_ns[kind] / (double)NS_PER_S);
	put_series(out, m, "count", op);
	fprintf(out, "} %" PRIu64 "\n", s->count[kind]);
}

void stats_write_prometheus(FILE *out, const struct control_mount *m,
			    const struct control_stats *s)
{
	for (size_t i = 0; i < stats_n_fields; i++)
		put_field(out, m, &stats_fields[i],
			  stats_field_get(&s->vault, &stats_fields[i]));
	put_metric(out, m, "kernel_inodes", "inodes the kernel knows", true,
		   (double)s->n_inodes);
	put_metric(out, m, "requests_in_flight",
		   "requests that are being answered", true,
		   (double)stats_in_flight(&s->requests));
	fputs("# HELP coffer_request_seconds time to answer a request of the "
	      "kernel\n# TYPE coffer_request_seconds histogram\n",
	      out);
	for (unsigned i = 0; i < REQUEST_KINDS; i++) {
		if (s->requests.count[i])
			put_histogram(out, m, &s->requests, i);
	}
}
