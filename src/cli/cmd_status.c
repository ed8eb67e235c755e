/* SPDX-License-Identifier: ISC */
/* coffer status: what is mounted, and what a vault has still to do. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/device_text.h"
#include "cli/gather.h"
#include "cli/json.h"
#include "cli/mounted.h"
#include "cli/open.h"
#include "cli/units.h"

#define LABEL_COLUMNS 28

static void print_text(const char *label, const char *value)
{
	printf("  %-*s%s\n", LABEL_COLUMNS, label, value);
}

static void print_field(const struct control_field *f, uint64_t n)
{
	char text[UNITS_SIZE_BYTES + 24];

	if (f->only_if_set && n == 0)
		return;
	if (f->is_bytes)
		units_format_size(n, text);
	else
		snprintf(text, sizeof(text), "%" PRIu64, n);
	print_text(f->label, text);
}

static void print_device(const struct vault_device *d)
{
	char time[UNITS_TIME_BYTES];

	units_format_time((int64_t)d->seen_ms * 1000000, 0, time);
	printf("  device %016" PRIx64 "%*s%s%s%s, %" PRIu64
	       " segments, last wrote %s\n",
	       d->writer, LABEL_COLUMNS - 23, "", d->name,
	       d->is_self ? " (this one)" : "",
	       d->is_retired ? " (retired)" : "", d->seq,
	       d->seq ? time : "never");
}

static void print_status(const struct control_status *s, const char *vault)
{
	const struct control_mount *m = &s->mount;
	char time[UNITS_TIME_BYTES];

	printf("%s\n", m->vault_path ? m->vault_path : vault);
	if (m->mountpoint) {
		units_format_time((int64_t)m->since_ms * 1000000, 0, time);
		print_text(m->closing ? "was mounted on" : "mounted on",
			   m->mountpoint);
		printf("  %-*s%s, by process %" PRIu64 ", profile %s\n",
		       LABEL_COLUMNS, "since", time, m->pid,
		       m->profile ? m->profile : "?");
		if (m->closing)
			print_text("unmounted", "still publishing");
		if (m->features)
			print_text("agreed", m->features);
	} else {
		print_text("mounted on", "(not mounted)");
	}
	if (!s->has_vault)
		return;
	if (s->vault.read_only)
		print_text("read-only",
			   m->read_only_reason ? m->read_only_reason : "yes");
	if (m->trouble)
		print_text("trouble", m->trouble);
	for (size_t i = 0; i < control_n_fields; i++)
		print_field(&control_fields[i],
			    control_field_get(&s->vault, &control_fields[i]));
	for (size_t i = 0; i < s->n_devices; i++)
		print_device(&s->devices[i]);
	for (size_t i = 0; i < s->n_alarms; i++)
		print_text("alarm", s->alarms[i].text);
}

/* ---------------------------------------------------------------- JSON */

static void put_writer(struct json *j, const char *key, uint64_t writer)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, writer);
	json_text(j, key, text);
}

static void put_device(struct json *j, const struct vault_device *d)
{
	json_object(j, NULL);
	put_writer(j, "writer", d->writer);
	json_text(j, "name", d->name);
	json_u64(j, "segments", d->seq);
	json_u64(j, "seen_ms", d->seen_ms);
	json_bool(j, "is_self", d->is_self);
	json_bool(j, "is_retired", d->is_retired);
	json_end_object(j);
}

static void put_vault(struct json *j, const struct control_status *s)
{
	put_writer(j, "writer", s->vault.writer);
	json_text(j, "device_name", s->vault.device_name);
	json_bool(j, "read_only", s->vault.read_only);
	json_text(j, "read_only_reason", s->mount.read_only_reason);
	json_text(j, "trouble", s->mount.trouble);
	json_u64(j, "newest_epoch", s->vault.newest_epoch);
	json_u64(j, "key_slots", s->vault.n_slots);
	for (size_t i = 0; i < control_n_fields; i++)
		json_u64(j, control_fields[i].key,
			 control_field_get(&s->vault, &control_fields[i]));
	json_array(j, "devices");
	for (size_t i = 0; i < s->n_devices; i++)
		put_device(j, &s->devices[i]);
	json_end_array(j);
	device_put_alarms(j, s);
}

static void put_status(struct json *j, const struct control_status *s,
		       const char *vault, const struct uuid *uuid)
{
	const struct control_mount *m = &s->mount;

	json_object(j, NULL);
	json_text(j, "vault", m->vault_path ? m->vault_path : vault);
	json_hex(j, "uuid", uuid->b, sizeof(uuid->b));
	json_text(j, "mountpoint", m->mountpoint);
	if (m->mountpoint) {
		json_u64(j, "pid", m->pid);
		json_u64(j, "since_ms", m->since_ms);
		json_text(j, "profile", m->profile);
		json_text(j, "features", m->features);
		json_bool(j, "closing", m->closing);
	}
	if (s->has_vault)
		put_vault(j, s);
	json_end_object(j);
}

/* ---------------------------------------------------------------- running */

struct report {
	bool is_json;
	struct json json;
	unsigned n;
};

static void begin(struct report *r)
{
	if (!r->is_json)
		return;
	json_object(&r->json, NULL);
	json_array(&r->json, "vaults");
}

static void show(struct report *r, const struct control_status *s,
		 const char *vault, const struct uuid *uuid)
{
	if (r->is_json)
		put_status(&r->json, s, vault, uuid);
	else
		print_status(s, vault);
	r->n++;
}

static void end(struct report *r)
{
	if (!r->is_json)
		return;
	json_end_array(&r->json);
	json_end_object(&r->json);
	putchar('\n');
}

static int show_mounted(void *arg, struct mounted *m)
{
	show(arg, &m->status, NULL, &m->uuid);
	return 0;
}

static int show_unmounted(const struct cli *cli, struct report *r)
{
	struct control_status s = CONTROL_STATUS_INIT;
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct vault *v;
	int code, e;

	opts.read_only = true;
	code = open_vault(cli, &opts, &v);
	if (code != EXIT_DONE)
		return code;
	e = gather_status(v, &s);
	if (e < 0) {
		code = fail_err(e, "cannot tell the status of %s", opts.path);
	} else {
		/* That we opened it read-only is no news. */
		s.vault.read_only = false;
		begin(r);
		show(r, &s, opts.path, &s.vault.uuid);
		end(r);
	}
	control_status_release(&s);
	return open_close(v, opts.path, code);
}

static int run(struct cli *cli)
{
	struct report report = { .is_json = cli->json,
				 .json = JSON_INIT(stdout) };
	auto_mounted struct mounted m = MOUNTED_INIT;
	int r;

	if (cli->n_operands == 0) {
		begin(&report);
		r = mounted_each(show_mounted, &report);
		end(&report);
		if (r < 0)
			return fail_err(r, "cannot list the mounted vaults");
		if (!report.n && !cli->json && !cli->quiet)
			puts("No vault is mounted.");
		return EXIT_DONE;
	}
	r = mounted_find(cli->operands[0], &m);
	if (r < 0)
		return fail_err(r, "cannot tell the status of %s",
				cli->operands[0]);
	if (r == 0)
		return show_unmounted(cli, &report);
	begin(&report);
	show(&report, &m.status, NULL, &m.uuid);
	end(&report);
	return EXIT_DONE;
}

const struct cli_command cmd_status = {
	.name = "status",
	.operands = "[VAULT|MOUNTPOINT]",
	.summary =
		"Show the mounted vaults, or what one vault has still to do.",
	.groups =
		CLI_JSON | CLI_UNLOCK | CLI_RECOVERY | CLI_STATE | CLI_NO_STATE,
	.max_operands = 1,
	.run = run,
};
