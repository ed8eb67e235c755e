/* SPDX-License-Identifier: ISC */
#include "cli/device_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/exit.h"
#include "cli/units.h"

#define LABEL_COLUMNS 12
#define ID_DIGITS_MIN 4u

static void format_id(uint64_t writer, char to[static 17])
{
	snprintf(to, 17, "%016" PRIx64, writer);
}

static const char *name_of(const struct control_status *s, uint64_t writer)
{
	for (size_t i = 0; i < s->n_devices; i++)
		if (s->devices[i].writer == writer)
			return s->devices[i].name;
	return "a device not known here";
}

/* ---------------------------------------------------------------- people */

static void print_label(const char *label)
{
	printf("  %-*s", LABEL_COLUMNS, label);
}

static void print_time(const char *label, uint64_t ms)
{
	char time[UNITS_TIME_BYTES];

	print_label(label);
	printf("%s\n", units_format_time((int64_t)ms * 1000000, 0, time));
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void print_seen(const struct vault_device *d)
{
	print_label("has seen");
	if (d->behind == 0)
		printf("all that is applied here");
	else
		printf("all but %" PRIu64 " segment%s of those applied here",
		       d->behind, plural(d->behind));
	if (d->ack)
		printf("; of this device's, with contents, up to %" PRIu64,
		       d->ack);
	putchar('\n');
}

static void print_held(const struct control_status *s,
		       const struct vault_device *d)
{
	print_label("held back");
	printf("%" PRIu64 " segment%s", d->held, plural(d->held));
	if (d->stopped_err)
		printf(": %s", err_text(d->stopped_err));
	else if (d->waits_writer)
		printf(": waiting for segment %" PRIu64 " of %s (%016" PRIx64
		       ")",
		       d->waits_seq, name_of(s, d->waits_writer),
		       d->waits_writer);
	else
		printf(": segment %" PRIu64 " has not arrived whole",
		       d->seq + 1);
	putchar('\n');
}

void device_print(const struct control_status *s, const struct vault_device *d)
{
	char time[UNITS_TIME_BYTES];

	printf("%016" PRIx64 "  %s%s%s\n", d->writer, d->name,
	       d->is_self ? " (this one)" : "",
	       d->is_retired ? " (retired)" : "");
	print_label("wrote");
	if (d->seq == 0)
		puts("nothing yet");
	else
		printf("%" PRIu64 " segment%s, last %s\n", d->seq,
		       plural(d->seq),
		       units_format_time((int64_t)d->seen_ms * 1000000, 0,
					 time));
	if (d->joined_ms)
		print_time("joined", d->joined_ms);
	if (d->retired_ms)
		print_time("retired", d->retired_ms);
	if (!d->is_self)
		print_seen(d);
	if (d->held)
		print_held(s, d);
}

/* ---------------------------------------------------------------- JSON */

static void put_id(struct json *j, const char *key, uint64_t writer)
{
	char text[17];

	format_id(writer, text);
	json_text(j, key, text);
}

static void put_held(struct json *j, const struct vault_device *d)
{
	json_u64(j, "held", d->held);
	if (d->held && d->waits_writer) {
		json_object(j, "waits_for");
		put_id(j, "writer", d->waits_writer);
		json_u64(j, "segment", d->waits_seq);
		json_end_object(j);
	} else {
		json_text(j, "waits_for", NULL);
	}
	json_text(j, "stopped",
		  d->stopped_err ? err_text(d->stopped_err) : NULL);
}

void device_put_json(struct json *j, const struct control_status *s,
		     const struct vault_device *d)
{
	json_object(j, NULL);
	put_id(j, "writer", d->writer);
	json_text(j, "name", d->name);
	json_bool(j, "is_self", d->is_self);
	json_bool(j, "is_retired", d->is_retired);
	json_u64(j, "segments", d->seq);
	json_u64(j, "joined_ms", d->joined_ms);
	json_u64(j, "retired_ms", d->retired_ms);
	json_u64(j, "seen_ms", d->seen_ms);
	json_u64(j, "behind", d->behind);
	json_u64(j, "ack", d->ack);
	put_held(j, d);
	json_array(j, "knows");
	for (size_t i = 0; i < s->n_known; i++) {
		const struct control_known *k = &s->known[i];

		if (k->writer != d->writer)
			continue;
		json_object(j, NULL);
		put_id(j, "writer", k->of.writer);
		json_u64(j, "context", k->of.context);
		json_u64(j, "ack", k->of.ack);
		json_end_object(j);
	}
	json_end_array(j);
	json_end_object(j);
}

void device_put_alarms(struct json *j, const struct control_status *s)
{
	json_array(j, "alarms");
	for (size_t i = 0; i < s->n_alarms; i++) {
		const struct vault_alarm *a = &s->alarms[i];

		json_object(j, NULL);
		json_text(j, "kind",
			  a->kind ? vault_alarm_name(a->kind) : NULL);
		put_id(j, "writer", a->writer);
		json_u64(j, "first", a->first);
		json_u64(j, "last", a->last);
		json_bool(j, "read_only", a->is_read_only);
		json_text(j, "text", a->text);
		json_end_object(j);
	}
	json_end_array(j);
}

/* ---------------------------------------------------------------- finding */

static bool is_meant(const struct vault_device *d, const char *text)
{
	char id[17];
	size_t n = strlen(text);

	format_id(d->writer, id);
	return strcmp(d->name, text) == 0 ||
	       (n >= ID_DIGITS_MIN && n <= 16 && strncmp(id, text, n) == 0);
}

int device_find(const struct control_status *s, const char *text,
		const struct vault_device **ret)
{
	const struct vault_device *found = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < s->n_devices; i++)
		if (is_meant(&s->devices[i], text)) {
			found = &s->devices[i];
			n++;
		}
	if (n == 0)
		return fail_code(EXIT_FAILED,
				 "no device is called or numbered `%s'; "
				 "`coffer device list' shows them",
				 text);
	if (n > 1)
		return fail_code(EXIT_FAILED,
				 "`%s' may be %u devices; name it by its "
				 "number, as `coffer device list' shows it",
				 text, n);
	*ret = found;
	return EXIT_DONE;
}
