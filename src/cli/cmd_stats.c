/* SPDX-License-Identifier: ISC */
/* coffer stats: what a mount does, in numbers. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/mounted.h"
#include "cli/signals.h"
#include "cli/stats_text.h"
#include "cli/units.h"

#define LABEL_COLUMNS 30
#define INTERVAL_S 2u
#define INTERVAL_MAX_S 86400u

enum { KEY_PROMETHEUS = CLI_KEY_OWN, KEY_INTERVAL };

static bool is_watching;
static const char *prometheus_path;
static uint32_t interval_s = INTERVAL_S;

static int option(int key, const char *value)
{
	if (key == KEY_PROMETHEUS) {
		prometheus_path = value;
	} else if (key == KEY_INTERVAL) {
		if (units_parse_duration(value, &interval_s) < 0 ||
		    interval_s == 0 || interval_s > INTERVAL_MAX_S)
			return fail_usage("--interval %s: it takes a time from "
					  "a second to a day",
					  value);
		is_watching = true;
	} else {
		is_watching = true;
	}
	return EXIT_DONE;
}

/* ---------------------------------------------------------------- text */

static const char *const group_names[STATS_GROUPS] = {
	[STATS_CACHE] = "Cache of decrypted blocks",
	[STATS_READING] = "Reading",
	[STATS_WRITING] = "Writing",
	[STATS_STORING] = "Storing",
	[STATS_QUEUES] = "Just now",
};

#define TIME_BYTES 16

static const char *format_ns(uint64_t ns, char to[static TIME_BYTES])
{
	if (ns < 1000)
		snprintf(to, TIME_BYTES, "%u ns", (unsigned)ns);
	else if (ns < 1000000)
		snprintf(to, TIME_BYTES, "%.1f us", (double)ns / 1e3);
	else if (ns < NS_PER_S)
		snprintf(to, TIME_BYTES, "%.1f ms", (double)ns / 1e6);
	else
		snprintf(to, TIME_BYTES, "%.1f s", (double)ns / 1e9);
	return to;
}

static void print_field(const struct stats_field *f, uint64_t n)
{
	char size[UNITS_SIZE_BYTES], time[TIME_BYTES];

	printf("  %-*s", LABEL_COLUMNS, f->label);
	if (f->unit == STATS_BYTES)
		puts(units_format_size(n, size));
	else if (f->unit == STATS_NS)
		puts(format_ns(n, time));
	else
		printf("%" PRIu64 "\n", n);
}

static void print_share(const char *label, uint64_t part, uint64_t all)
{
	if (all)
		printf("  %-*s%.1f %%\n", LABEL_COLUMNS, label,
		       100.0 * (double)part / (double)all);
}

static void print_shares(enum stats_group g, const struct vault_stats *v)
{
	if (g == STATS_CACHE)
		print_share("of look-ups, hits", v->cache_hits,
			    v->cache_hits + v->cache_misses);
	if (g == STATS_WRITING)
		print_share("of contents, duplicates", v->duplicate_bytes,
			    v->duplicate_bytes + v->chunk_bytes);
}

static void print_requests(const struct request_stats *s)
{
	char mean[TIME_BYTES], p50[TIME_BYTES], p99[TIME_BYTES];

	printf("Requests of the kernel\n  %-18s%12s%12s%12s%12s\n", "", "count",
	       "mean", "p50", "p99");
	for (unsigned i = 0; i < REQUEST_KINDS; i++) {
		const char *name = request_kind_name(i);

		if (!s->count[i])
			continue;
		printf("  %-18s%12" PRIu64 "%12s%12s%12s\n",
		       name ? name : "OTHER", s->count[i],
		       format_ns(s->total_ns[i] / s->count[i], mean),
		       format_ns(request_stats_quantile_ns(s, i, 0.5), p50),
		       format_ns(request_stats_quantile_ns(s, i, 0.99), p99));
	}
}

static void print_stats(const struct control_mount *m,
			const struct control_stats *s)
{
	printf("%s, of %s\n", m->mountpoint, m->vault_path);
	for (unsigned g = 0; g < STATS_GROUPS; g++) {
		puts(group_names[g]);
		for (size_t i = 0; i < stats_n_fields; i++) {
			const struct stats_field *f = &stats_fields[i];

			if (f->group == g)
				print_field(f, stats_field_get(&s->vault, f));
		}
		print_shares(g, &s->vault);
	}
	printf("  %-*s%" PRIu64 "\n", LABEL_COLUMNS, "requests in flight",
	       stats_in_flight(&s->requests));
	printf("  %-*s%" PRIu64 "\n", LABEL_COLUMNS, "inodes the kernel knows",
	       s->n_inodes);
	print_requests(&s->requests);
}

/* ---------------------------------------------------------------- watching */

/* What happened since `before`, put in its place: the counts of `now` less its
 * own, the gauges of `now`. */
static void subtract_from(const struct control_stats *now,
			  struct control_stats *before)
{
	const struct request_stats *a = &now->requests;
	struct request_stats *b = &before->requests;

	for (size_t i = 0; i < stats_n_fields; i++) {
		const struct stats_field *f = &stats_fields[i];
		uint64_t n = stats_field_get(&now->vault, f);

		if (!f->is_gauge)
			n -= stats_field_get(&before->vault, f);
		memcpy((char *)&before->vault + f->offset, &n, sizeof(n));
	}
	for (unsigned i = 0; i < REQUEST_KINDS; i++) {
		b->count[i] = a->count[i] - b->count[i];
		b->total_ns[i] = a->total_ns[i] - b->total_ns[i];
		for (unsigned j = 0; j < REQUEST_BUCKETS; j++)
			b->bucket[i][j] = a->bucket[i][j] - b->bucket[i][j];
	}
}

/* All kinds as one. */
static uint64_t sum_requests(const struct request_stats *s,
			     struct request_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < REQUEST_KINDS; i++) {
		ret->count[0] += s->count[i];
		for (unsigned j = 0; j < REQUEST_BUCKETS; j++)
			ret->bucket[0][j] += s->bucket[i][j];
	}
	return ret->count[0];
}

static void print_rate(uint64_t bytes, double seconds)
{
	char text[UNITS_SIZE_BYTES];

	printf("%12s",
	       units_format_size((uint64_t)((double)bytes / seconds), text));
}

/* A line a time, under a heading that comes again with each screenful. */
static void print_line(const struct control_stats *change, double seconds,
		       unsigned n)
{
	auto_free struct request_stats *all = mem_alloc(sizeof(*all));
	const struct vault_stats *v = &change->vault;
	uint64_t looked = v->cache_hits + v->cache_misses, n_requests;
	char p50[TIME_BYTES], p99[TIME_BYTES], dirty[UNITS_SIZE_BYTES];

	if (!all)
		return;
	n_requests = sum_requests(&change->requests, all);
	if (n % 20 == 0)
		printf("%11s%10s%10s%7s%12s%12s%12s%12s%11s\n", "requests/s",
		       "p50", "p99", "hits", "read/s", "written/s", "ahead/s",
		       "stored/s", "dirty");
	printf("%11.0f%10s%10s", (double)n_requests / seconds,
	       n_requests
		       ? format_ns(request_stats_quantile_ns(all, 0, 0.5), p50)
		       : "-",
	       n_requests
		       ? format_ns(request_stats_quantile_ns(all, 0, 0.99), p99)
		       : "-");
	if (looked)
		printf("%6.1f%%",
		       100.0 * (double)v->cache_hits / (double)looked);
	else
		printf("%7s", "-");
	print_rate(v->read_bytes, seconds);
	print_rate(v->written_bytes, seconds);
	print_rate(v->ahead_bytes, seconds);
	print_rate(v->staged_bytes + v->pack_bytes, seconds);
	printf("%11s\n", units_format_size(v->dirty_bytes, dirty));
}

/* ---------------------------------------------------------------- JSON */

static void put_requests(struct json *j, const struct request_stats *s)
{
	json_array(j, "requests");
	for (unsigned i = 0; i < REQUEST_KINDS; i++) {
		const char *name = request_kind_name(i);

		if (!s->count[i])
			continue;
		json_object(j, NULL);
		json_text(j, "op", name ? name : "OTHER");
		json_u64(j, "count", s->count[i]);
		json_u64(j, "total_ns", s->total_ns[i]);
		json_u64(j, "p50_ns", request_stats_quantile_ns(s, i, 0.5));
		json_u64(j, "p99_ns", request_stats_quantile_ns(s, i, 0.99));
		json_u64(j, "max_ns", request_stats_quantile_ns(s, i, 1));
		json_end_object(j);
	}
	json_end_array(j);
}

/* One object on one line; with --watch, one after the other. */
static void put_json(const struct mounted *m, const struct control_stats *s)
{
	struct json j = JSON_INIT(stdout);

	json_object(&j, NULL);
	json_text(&j, "vault", m->status.mount.vault_path);
	json_hex(&j, "uuid", m->uuid.b, sizeof(m->uuid.b));
	json_text(&j, "mountpoint", m->status.mount.mountpoint);
	json_u64(&j, "monotonic_ns", s->now_ns);
	for (size_t i = 0; i < stats_n_fields; i++)
		json_u64(&j, stats_fields[i].key,
			 stats_field_get(&s->vault, &stats_fields[i]));
	json_u64(&j, "kernel_inodes", s->n_inodes);
	json_u64(&j, "requests_in_flight", stats_in_flight(&s->requests));
	put_requests(&j, &s->requests);
	json_end_object(&j);
	putchar('\n');
}

/* ---------------------------------------------------------------- Prometheus */

static int write_all(const char *path, const struct mounted *m,
		     const struct control_stats *s)
{
	/* Its reader is another user; what it tells is no secret to who may
	 * see the mount. */
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	FILE *out;
	int r = 0;

	if (fd < 0)
		return -errno;
	out = fchmod(fd, 0644) == 0 ? fdopen(fd, "w") : NULL;
	if (!out) {
		r = -errno;
		close(fd);
		return r;
	}
	stats_write_prometheus(out, &m->status.mount, s);
	if (ferror(out))
		r = -EIO;
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	return r;
}

/* Whoever reads finds the one before or this one, whole: node_exporter reads
 * when it likes, names that end in .prom only. */
static int write_prometheus(const struct mounted *m,
			    const struct control_stats *s)
{
	auto_free char *part =
		mem_printf("%s.%ld.part", prometheus_path, (long)getpid());
	int r = part ? write_all(part, m, s) : -ENOMEM;

	if (r == 0 && rename(part, prometheus_path) < 0)
		r = -errno;
	if (r == 0)
		return EXIT_DONE;
	if (part && r != -EEXIST)
		unlink(part);
	return fail_err(r, "cannot write %s", prometheus_path);
}

/* ---------------------------------------------------------------- running */

static int fetch(const struct mounted *m, struct control_stats *s)
{
	const char *point = m->status.mount.mountpoint;
	auto_free char *text = NULL;
	int code = EXIT_DONE;
	int r = mounted_stats(m, s, &code, &text);

	if (r < 0)
		return fail_err(r, "cannot ask the daemon of %s", point);
	if (code != EXIT_DONE)
		return fail_code(code, "cannot ask the daemon of %s: %s", point,
				 text);
	return EXIT_DONE;
}

static int show_once(const struct cli *cli, const struct mounted *m)
{
	auto_free struct control_stats *s = mem_zalloc(sizeof(*s));
	int code = s ? fetch(m, s)
		     : fail_err(-ENOMEM, "reading the numbers of a mount");

	if (code != EXIT_DONE)
		return code;
	if (cli->json)
		put_json(m, s);
	else if (!prometheus_path)
		print_stats(&m->status.mount, s);
	return prometheus_path ? write_prometheus(m, s) : EXIT_DONE;
}

/* Until a signal, which is noted. */
static void rest(void)
{
	const uint64_t end = clock_mono_ns() + interval_s * (uint64_t)NS_PER_S;
	uint64_t now;

	while (!signals_noted() && (now = clock_mono_ns()) < end)
		(void)poll(NULL, 0,
			   (int)min_of((end - now) / NS_PER_MS + 1,
				       (uint64_t)1000));
}

static int show_change(const struct cli *cli, const struct mounted *m,
		       struct control_stats *before,
		       const struct control_stats *now, unsigned n)
{
	double seconds;

	if (prometheus_path && write_prometheus(m, now) != EXIT_DONE)
		return EXIT_FAILED;
	if (cli->json) {
		put_json(m, now);
	} else {
		seconds = (double)(now->now_ns - before->now_ns) / NS_PER_S;
		subtract_from(now, before);
		print_line(before, seconds > 0 ? seconds : 1, n);
		*before = *now;
	}
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* Ended by a signal, which is how it is meant to end, or by the mount. */
static int watch(const struct cli *cli, const struct mounted *m)
{
	auto_free struct control_stats *before = mem_zalloc(sizeof(*before));
	auto_free struct control_stats *now = mem_zalloc(sizeof(*now));
	int code;

	if (!before || !now)
		return fail_err(-ENOMEM, "reading the numbers of a mount");
	signals_set(SIGNALS_NOTE);
	code = fetch(m, before);
	for (unsigned n = 0; code == EXIT_DONE; n++) {
		rest();
		if (signals_noted())
			break;
		code = fetch(m, now);
		if (code == EXIT_DONE)
			code = show_change(cli, m, before, now, n);
	}
	return code;
}

static int run(struct cli *cli)
{
	auto_mounted struct mounted m = MOUNTED_INIT;
	int r = mounted_find(cli->operands[0], &m);

	if (r < 0)
		return fail_err(r, "cannot find the mounted vaults");
	if (r == 0)
		return fail_code(EXIT_FAILED, "%s is not mounted",
				 cli->operands[0]);
	return is_watching ? watch(cli, &m) : show_once(cli, &m);
}

static const struct cli_option options[] = {
	{ 'w', "watch", NULL, "go on, a line every two seconds" },
	{ KEY_INTERVAL, "interval", "TIME", "the same, a line every TIME" },
	{ KEY_PROMETHEUS, "prometheus", "FILE",
	  "write FILE for Prometheus' node_exporter" },
	{ 0 },
};

const struct cli_command cmd_stats = {
	.name = "stats",
	.operands = "MOUNTPOINT|VAULT",
	.summary = "Show what a mount does: requests, cache, queues, bytes.",
	.groups = CLI_JSON,
	.min_operands = 1,
	.max_operands = 1,
	.options = options,
	.option = option,
	.run = run,
};
