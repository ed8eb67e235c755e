/* SPDX-License-Identifier: ISC */
/* coffer check: is everything there, and as it was written? */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/inside.h"
#include "cli/json.h"
#include "cli/open.h"
#include "cli/progress.h"
#include "cli/units.h"
#include "vault/care.h"

static bool read_data;
static uint64_t limit; /* bytes a second; 0: none */

static int option(int key, const char *value)
{
	if (key == 'd') {
		read_data = true;
		return EXIT_DONE;
	}
	if (units_parse_size(value, &limit) < 0 || limit == 0)
		return fail_usage("--limit takes bytes a second, as in 20M");
	return EXIT_DONE;
}

struct report {
	bool is_json, is_quiet;
	struct json json;
	bool is_damaged;
};

static const char *const kind_names[] = {
	[VAULT_FINDING_DAMAGE] = "damage",
	[VAULT_FINDING_PENDING] = "pending",
	[VAULT_FINDING_FOREIGN] = "foreign",
	[VAULT_FINDING_NOTE] = "note",
};

static void found(void *arg, enum vault_finding kind, const char *what, int err,
		  const char *why)
{
	struct report *r = arg;

	progress_clear();
	if (kind == VAULT_FINDING_DAMAGE)
		r->is_damaged = true;
	if (r->is_json) {
		json_object(&r->json, NULL);
		json_text(&r->json, "kind", kind_names[kind]);
		json_text(&r->json, "what", what);
		json_text(&r->json, "error", err ? err_name(err) : NULL);
		json_text(&r->json, "why", why);
		json_end_object(&r->json);
	} else if (!r->is_quiet || kind == VAULT_FINDING_DAMAGE) {
		printf("%s: ", kind_names[kind]);
		inside_print_name(what ? what : "");
		printf(": %s\n", why ? why : err_text(err));
	}
}

static void progressed(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	progress_share("checking", done, total);
}

static void put_result(struct report *r, const struct vault_check_result *c)
{
	struct json *j = &r->json;

	json_end_array(j);
	json_bool(j, "read_data", read_data);
	json_u64(j, "segments", c->n_segments);
	json_u64(j, "packs", c->n_packs);
	json_u64(j, "chunks", c->n_chunks);
	json_u64(j, "bytes_read", c->bytes_read);
	json_u64(j, "damaged", c->n_damaged);
	json_u64(j, "pending", c->n_pending);
	json_u64(j, "foreign", c->n_foreign);
	json_u64(j, "files_damaged", c->n_files_damaged);
	json_bool(j, "ok", !r->is_damaged);
}

static void print_result(const struct report *r, const char *path,
			 const struct vault_check_result *c)
{
	char size[UNITS_SIZE_BYTES];

	if (r->is_quiet)
		return;
	printf("%s: %" PRIu64 " log segments, %" PRIu64 " packs, %" PRIu64
	       " chunks; %s read\n",
	       path, c->n_segments, c->n_packs, c->n_chunks,
	       units_format_size(c->bytes_read, size));
	if (c->n_pending)
		printf("%" PRIu64 " files of the vault are still to arrive\n",
		       c->n_pending);
	if (!r->is_damaged)
		puts(read_data ? "no damage"
			       : "no damage in the structure; --read-data "
				 "reads the contents too");
}

static int check(struct report *r, struct vault *v, const char *path)
{
	const struct vault_check_options opts = {
		.read_data = read_data,
		.bytes_per_second = limit,
		.finding = found,
		.progress = progressed,
		.arg = r,
	};
	struct vault_check_result result = { 0 };
	int e = vault_check(v, &opts, &result);

	progress_clear();
	if (result.n_damaged || result.n_files_damaged)
		r->is_damaged = true;
	if (r->is_json)
		put_result(r, &result);
	else
		print_result(r, path, &result);
	if (e < 0)
		return fail_err(e, "cannot check all of %s", path);
	if (!r->is_damaged)
		return EXIT_DONE;
	if (!result.n_damaged && result.n_pending)
		return fail_code(EXIT_DAMAGE,
				 "%s is not whole: %" PRIu64
				 " of its files are missing or wait for such, "
				 "and with them (parts of) %" PRIu64
				 " files in the folder; let the sync tool "
				 "finish, or get them back from its history or "
				 "a backup",
				 path, result.n_pending,
				 result.n_files_damaged);
	return fail_code(EXIT_DAMAGE,
			 "%s is damaged: %" PRIu64 " of its files, and %" PRIu64
			 " files in the folder; get those of the vault back "
			 "from the sync tool's history or a backup",
			 path, result.n_damaged, result.n_files_damaged);
}

static int run(struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct report r = { .is_json = cli->json,
			    .is_quiet = cli->quiet,
			    .json = JSON_INIT(stdout) };
	struct vault *v;
	int code = EXIT_DONE;

	if (limit && !read_data)
		return fail_usage("--limit needs --read-data");
	if (!cli->no_state)
		code = open_refuse_mounted(
			"check", opts.path,
			", and --no-state checks what is published");
	if (code != EXIT_DONE)
		return code;
	opts.read_only = true;
	code = open_vault(cli, &opts, &v);
	if (code != EXIT_DONE)
		return code;
	progress_start(cli->quiet);
	if (cli->json) {
		json_object(&r.json, NULL);
		json_text(&r.json, "vault", opts.path);
		json_array(&r.json, "findings");
	}
	code = check(&r, v, opts.path);
	if (cli->json) {
		json_end_object(&r.json);
		putchar('\n');
	}
	return open_close(v, opts.path, code);
}

static const struct cli_option options[] = {
	{ 'd', "read-data", NULL, "read every byte of the contents" },
	{ CLI_KEY_OWN, "limit", "RATE", "read at most so many bytes a second" },
	{ 0 },
};

const struct cli_command cmd_check = {
	.name = "check",
	.operands = "VAULT",
	.summary = "Verify a vault; ends with 12 if there is damage.",
	.groups =
		CLI_JSON | CLI_UNLOCK | CLI_RECOVERY | CLI_STATE | CLI_NO_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.options = options,
	.option = option,
	.run = run,
};
