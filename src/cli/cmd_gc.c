/* SPDX-License-Identifier: ISC */
/* coffer gc: the room that deleted and overwritten contents take. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/mounted.h"
#include "cli/open.h"
#include "cli/units.h"
#include "vault/care.h"

static bool dry_run;

static int option(int key, const char *value)
{
	(void)key;
	(void)value;
	dry_run = true;
	return EXIT_DONE;
}

/* Who must say first that it knows what was deleted. */
static void print_waits(const struct vault_gc_result *g)
{
	char waiting[UNITS_SIZE_BYTES], when[UNITS_TIME_BYTES];

	if (!g->waiting_bytes)
		return;
	printf("%s may be needed by a device that does not know yet what was "
	       "deleted:\n",
	       units_format_size(g->waiting_bytes, waiting));
	for (unsigned i = 0; i < g->n_waits && i < VAULT_GC_WAITS_MAX; i++) {
		const struct vault_gc_wait *w = &g->waits[i];

		printf("  waits for %s (%016" PRIx64 "), ",
		       w->name[0] ? w->name : "a device without a name",
		       w->writer);
		if (w->seen_ms)
			printf("last heard of %s\n",
			       units_format_time((int64_t)w->seen_ms * NS_PER_MS,
						 0, when));
		else
			puts("not heard of yet");
	}
	if (g->n_waits > VAULT_GC_WAITS_MAX)
		printf("  and for %u more\n", g->n_waits - VAULT_GC_WAITS_MAX);
	if (g->n_waits == 0)
		puts("  nobody is waited for: it goes with a later run");
}

static void print_sparse(const struct vault_gc_result *g)
{
	char take[UNITS_SIZE_BYTES], copy[UNITS_SIZE_BYTES],
		copied[UNITS_SIZE_BYTES];

	if (g->n_sparse_packs)
		printf("%" PRIu64 " packs are small or hold little in use: %s "
		       "of their %s must be copied\n",
		       g->n_sparse_packs, units_format_size(g->copy_bytes, copy),
		       units_format_size(g->sparse_bytes, take));
	if (g->copied_bytes)
		printf("copied %s; the packs go when every device knows\n",
		       units_format_size(g->copied_bytes, copied));
}

static void print_result(const struct vault_gc_result *g)
{
	char live[UNITS_SIZE_BYTES], dead[UNITS_SIZE_BYTES],
		removed[UNITS_SIZE_BYTES];

	printf("%" PRIu64 " packs: %s in use, %s not; %" PRIu64
	       " packs hold nothing in use\n",
	       g->n_packs, units_format_size(g->live_bytes, live),
	       units_format_size(g->dead_bytes, dead), g->n_dead_packs);
	print_sparse(g);
	print_waits(g);
	if (dry_run)
		puts("nothing was removed (--dry-run)");
	else
		printf("removed %" PRIu64 " packs, %s\n", g->n_removed,
		       units_format_size(g->removed_bytes, removed));
}

static void put_wait(struct json *j, const struct vault_gc_wait *w)
{
	char writer[17];

	snprintf(writer, sizeof(writer), "%016" PRIx64, w->writer);
	json_object(j, NULL);
	json_text(j, "device", writer);
	json_text(j, "name", w->name);
	json_u64(j, "seen_ms", w->seen_ms);
	json_end_object(j);
}

static void put_result(const char *path, const struct vault_gc_result *g)
{
	struct json j = JSON_INIT(stdout);

	json_object(&j, NULL);
	json_text(&j, "vault", path);
	json_bool(&j, "dry_run", dry_run);
	json_bool(&j, "several_devices", g->several_devices);
	json_u64(&j, "packs", g->n_packs);
	json_u64(&j, "dead_packs", g->n_dead_packs);
	json_u64(&j, "removed_packs", g->n_removed);
	json_u64(&j, "live_bytes", g->live_bytes);
	json_u64(&j, "dead_bytes", g->dead_bytes);
	json_u64(&j, "removed_bytes", g->removed_bytes);
	json_u64(&j, "waiting_bytes", g->waiting_bytes);
	json_u64(&j, "sparse_packs", g->n_sparse_packs);
	json_u64(&j, "sparse_bytes", g->sparse_bytes);
	json_u64(&j, "copy_bytes", g->copy_bytes);
	json_u64(&j, "copied_bytes", g->copied_bytes);
	json_array(&j, "waits_for");
	for (unsigned i = 0; i < g->n_waits && i < VAULT_GC_WAITS_MAX; i++)
		put_wait(&j, &g->waits[i]);
	json_end_array(&j);
	json_end_object(&j);
	putchar('\n');
}

static void tell_result(const struct cli *cli, const struct vault_gc_result *g)
{
	if (cli->json)
		put_result(cli->operands[0], g);
	else if (!cli->quiet)
		print_result(g);
}

static int collect_mounted(const struct cli *cli, const struct mounted *m)
{
	struct vault_gc_result result = { 0 };
	auto_free char *text = NULL;
	int code = EXIT_DONE;
	int r = mounted_gc(m, dry_run, &result, &code, &text);

	if (r < 0)
		return fail_err(r, "cannot reach the daemon of %s",
				m->status.mount.mountpoint);
	if (code != EXIT_DONE)
		return fail_code(code, "cannot collect in %s: %s",
				 m->status.mount.vault_path, text);
	tell_result(cli, &result);
	return EXIT_DONE;
}

static int collect_unmounted(const struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct vault_gc_result result = { 0 };
	struct vault *v;
	int r, code = open_vault(cli, &opts, &v);

	if (code != EXIT_DONE)
		return code;
	r = vault_gc(v, dry_run, &result);
	if (r < 0)
		code = open_tell("collect in", &opts, r, NULL);
	else
		tell_result(cli, &result);
	return open_close(v, opts.path, code);
}

static int run(struct cli *cli)
{
	auto_mounted struct mounted m = MOUNTED_INIT;
	int r = mounted_find(cli->operands[0], &m);

	if (r < 0)
		return fail_err(r, "cannot find the mounted vaults");
	return r == 1 ? collect_mounted(cli, &m) : collect_unmounted(cli);
}

static const struct cli_option options[] = {
	{ 'n', "dry-run", NULL, "only tell what could be removed or copied" },
	{ 0 },
};

const struct cli_command cmd_gc = {
	.name = "gc",
	.operands = "VAULT|MOUNTPOINT",
	.summary = "Remove now what holds nothing in use any more.",
	.groups = CLI_JSON | CLI_UNLOCK | CLI_RECOVERY | CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.options = options,
	.option = option,
	.run = run,
};
