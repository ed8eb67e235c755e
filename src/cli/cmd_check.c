/* SPDX-License-Identifier: ISC */
/* coffer check: is everything there, and as it was written? */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/inside.h"
#include "cli/json.h"
#include "cli/open.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/units.h"
#include "crypto/secret.h"
#include "vault/care.h"

#define FROM_MAX 16

enum {
	OPTION_REPAIR = CLI_KEY_OWN + 1,
	OPTION_FROM,
	OPTION_DRY_RUN,
	OPTION_GIVE_UP,
	OPTION_RESUME,
};

static bool read_data, is_repair, dry_run, give_up, resume;
static uint64_t limit; /* bytes a second; 0: none */
static bool keeps_place; /* what was read is known to the next one */
static const char *from[FROM_MAX];
static size_t n_from;

static int option(int key, const char *value)
{
	switch (key) {
	case 'd':
		read_data = true;
		return EXIT_DONE;
	case OPTION_REPAIR:
		is_repair = true;
		return EXIT_DONE;
	case OPTION_DRY_RUN:
		dry_run = true;
		return EXIT_DONE;
	case OPTION_GIVE_UP:
		give_up = true;
		return EXIT_DONE;
	case OPTION_RESUME:
		resume = true;
		return EXIT_DONE;
	case OPTION_FROM:
		if (n_from == FROM_MAX)
			return fail_usage("--from may be given %d times",
					  FROM_MAX);
		from[n_from++] = value;
		return EXIT_DONE;
	default:
		break;
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
	[VAULT_FINDING_REPAIRED] = "repaired",
	[VAULT_FINDING_LOST] = "lost",
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
	} else if (!r->is_quiet || kind == VAULT_FINDING_DAMAGE ||
		   kind == VAULT_FINDING_LOST) {
		printf("%s: ", dry_run && kind == VAULT_FINDING_REPAIRED ?
				       "repairable" : kind_names[kind]);
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
	json_u64(j, "bytes_known", c->bytes_known);
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
	if (c->bytes_known)
		printf("%s had been read before it was interrupted\n",
		       units_format_size(c->bytes_known, size));
	if (c->n_pending && !is_repair)
		printf("%" PRIu64 " files of the vault are still to arrive\n",
		       c->n_pending);
	if (!r->is_damaged && !is_repair)
		puts(read_data ? "no damage"
			       : "no damage in the structure; --read-data "
				 "reads the contents too");
}

static bool check_left(const struct vault_repair_result *r)
{
	return r->n_left || r->n_files_lost || r->n_files_waiting;
}

static void put_repair(struct json *j, const struct vault_repair_result *r)
{
	json_bool(j, "dry_run", dry_run);
	json_u64(j, "repaired", r->n_repaired);
	json_u64(j, "left", r->n_left);
	json_u64(j, "files_lost", r->n_files_lost);
	json_u64(j, "bytes_lost", r->bytes_lost);
	json_u64(j, "files_waiting", r->n_files_waiting);
}

static int tell_repair(const struct vault_repair_result *r, const char *path,
		       bool is_quiet)
{
	if (!check_left(r)) {
		if (!is_quiet && !r->n_repaired)
			puts("nothing to repair");
		else if (!is_quiet)
			puts(dry_run ? "all of it can be mended; nothing was "
				       "changed" :
				       "all is mended");
		return EXIT_DONE;
	}
	if (r->stuck)
		return fail_code(EXIT_DAMAGE,
				 "%s cannot be mended in full: it can only be "
				 "read (%s); give --from a copy of it that has "
				 "more",
				 path, r->stuck);
	return fail_code(EXIT_DAMAGE,
			 "%s: %" PRIu64 " of its files stay damaged, %" PRIu64
			 " files in the folder %s %" PRIu64
			 " bytes for good, %" PRIu64
			 " wait for what has not arrived",
			 path, r->n_left, r->n_files_lost,
			 dry_run ? "would lose" : "have lost", r->bytes_lost,
			 r->n_files_waiting);
}

static int tell_damage(const struct vault_check_result *result,
		       const char *path)
{
	if (!result->n_damaged && result->n_pending)
		return fail_code(EXIT_DAMAGE,
				 "%s is not whole: %" PRIu64
				 " of its files are missing or wait for such, "
				 "and with them (parts of) %" PRIu64
				 " files in the folder; let the sync tool "
				 "finish, or get them back from its history or "
				 "a backup",
				 path, result->n_pending,
				 result->n_files_damaged);
	return fail_code(EXIT_DAMAGE,
			 "%s is damaged: %" PRIu64 " of its files, and %" PRIu64
			 " files in the folder; get those of the vault back "
			 "from the sync tool's history or a backup, or try "
			 "--repair --dry-run",
			 path, result->n_damaged, result->n_files_damaged);
}

static int tell_interrupted(const char *path)
{
	return fail_code(EXIT_INTERRUPTED, "the check of %s was interrupted%s",
			 path, keeps_place ? "; --resume goes on from there" :
					     "");
}

static bool is_stopped(void *arg)
{
	(void)arg;
	return signals_noted();
}

static int check(struct report *r, struct vault *v, const char *path,
		 struct vault_repair *repair)
{
	const struct vault_check_options opts = {
		.read_data = read_data,
		.bytes_per_second = limit,
		.repair = repair,
		.resume = resume,
		.stop = repair ? NULL : is_stopped,
		.finding = found,
		.progress = progressed,
		.arg = r,
	};
	struct vault_check_result result = { 0 };
	/* How far it has come is kept. */
	if (!repair)
		signals_set(SIGNALS_NOTE);
	int e = vault_check(v, &opts, &result);

	signals_set(SIGNALS_ABORT);
	progress_clear();
	if (result.n_damaged || result.n_files_damaged)
		r->is_damaged = true;
	if (repair)
		r->is_damaged = check_left(vault_repair_result(repair));
	if (r->is_json) {
		put_result(r, &result);
		if (repair)
			put_repair(&r->json, vault_repair_result(repair));
	} else {
		print_result(r, path, &result);
	}
	if (e == ERR_INTERRUPTED)
		return tell_interrupted(path);
	if (e < 0)
		return fail_err(e, "cannot check all of %s", path);
	if (repair)
		return tell_repair(vault_repair_result(repair), path,
				   r->is_quiet || r->is_json);
	return r->is_damaged ? tell_damage(&result, path) : EXIT_DONE;
}

/* ---------------------------------------------------------------- repair */

static int open_for_repair(struct cli *cli, const struct vault_options *opts,
			   const struct vault_repair_options *how,
			   struct vault_repair **ret, struct vault **ret_v)
{
	auto_credential struct credential cred = CREDENTIAL_INIT;
	struct vault_credential view;
	const char *what = NULL;
	int r = crypto_start();

	if (r < 0)
		return open_tell("repair", opts, r, "memory");
	r = open_credential(cli, opts, &cred);
	if (r != EXIT_DONE)
		return r;
	view = credential_view(&cred);
	r = vault_repair_open(opts, &view, how, &what, ret, ret_v);
	if (r == ERR_STRANGER)
		return fail_code(EXIT_FAILED,
				 "cannot repair %s: a folder given with --from "
				 "is another vault",
				 opts->path);
	if (r < 0 && r != ERR_WRONG_KEY && r != ERR_NO_SLOT && what &&
	    strstr(what, "--from"))
		return fail_err(r, "cannot repair %s: %s", opts->path, what);
	return r < 0 ? open_tell("repair", opts, r, what) : EXIT_DONE;
}

static void begin_json(struct report *r, const char *path)
{
	if (!r->is_json)
		return;
	json_object(&r->json, NULL);
	json_text(&r->json, "vault", path);
	json_array(&r->json, "findings");
}

static void end_json(struct report *r)
{
	if (!r->is_json)
		return;
	json_end_object(&r->json);
	putchar('\n');
}

static int run_repair(struct cli *cli, struct vault_options *opts,
		      struct report *r)
{
	const struct vault_repair_options how = {
		.dry_run = dry_run,
		.give_up = give_up,
		.from = from,
		.n_from = n_from,
		.finding = found,
		.arg = r,
	};
	struct vault_repair *repair = NULL;
	struct vault *v = NULL;
	int code;

	/* Whatever is found while it is opened belongs to the object. */
	begin_json(r, opts->path);
	code = open_for_repair(cli, opts, &how, &repair, &v);
	if (code != EXIT_DONE) {
		if (r->is_json)
			json_end_array(&r->json);
		end_json(r);
		return code;
	}
	progress_start(cli->quiet);
	code = check(r, v, opts->path, repair);
	end_json(r);
	code = open_close(v, opts->path, code);
	vault_repair_close(repair);
	return code;
}

static int check_usage(const struct cli *cli)
{
	if (limit && !read_data)
		return fail_usage("--limit needs --read-data");
	if (!is_repair && (dry_run || give_up || n_from))
		return fail_usage("--dry-run, --from and --give-up need "
				  "--repair");
	if (resume && (!read_data || is_repair || cli->no_state))
		return fail_usage("--resume needs --read-data and the local "
				  "state, and no --repair");
	if (is_repair && cli->no_state && !dry_run)
		return fail_usage("--repair cannot do without the local state; "
				  "--dry-run can");
	return EXIT_DONE;
}

static int run(struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct report r = { .is_json = cli->json,
			    .is_quiet = cli->quiet,
			    .json = JSON_INIT(stdout) };
	struct vault *v;
	int code = check_usage(cli);

	if (code == EXIT_DONE && is_repair)
		code = open_refuse_mounted("repair", opts.path, NULL);
	else if (code == EXIT_DONE && !cli->no_state)
		code = open_refuse_mounted(
			"check", opts.path,
			", and --no-state checks what is published");
	if (code != EXIT_DONE)
		return code;
	if (is_repair) {
		/* Half of the damage would be half mended. */
		read_data = true;
		return run_repair(cli, &opts, &r);
	}
	keeps_place = read_data && !cli->no_state;
	opts.read_only = true;
	code = open_vault(cli, &opts, &v);
	if (code != EXIT_DONE)
		return code;
	progress_start(cli->quiet);
	begin_json(&r, opts.path);
	code = check(&r, v, opts.path, NULL);
	end_json(&r);
	return open_close(v, opts.path, code);
}

static const struct cli_option options[] = {
	{ 'd', "read-data", NULL, "read every byte of the contents" },
	{ CLI_KEY_OWN, "limit", "RATE", "read at most so many bytes a second" },
	{ OPTION_RESUME, "resume", NULL,
	  "with --read-data: go on where the last was interrupted" },
	{ OPTION_REPAIR, "repair", NULL,
	  "mend what can be; adds files, removes none" },
	{ OPTION_FROM, "from", "DIRECTORY",
	  "with --repair: another copy of the vault to take from" },
	{ OPTION_DRY_RUN, "dry-run", NULL,
	  "with --repair: say what would be done, change nothing" },
	{ OPTION_GIVE_UP, "give-up", NULL,
	  "with --repair: what has not arrived is lost" },
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
