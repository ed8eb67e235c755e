/* SPDX-License-Identifier: ISC */
/* coffer device: the devices that write to a vault. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/device_text.h"
#include "cli/gather.h"
#include "cli/mounted.h"
#include "cli/open.h"
#include "cli/signals.h"

enum { KEY_YES = CLI_KEY_OWN, KEY_DISCARD };

static bool yes, discard;

static int own_option(int key, const char *value)
{
	(void)value;
	yes |= key == KEY_YES;
	discard |= key == KEY_DISCARD;
	return EXIT_DONE;
}

/* ---------------------------------------------------------------- list */

static void show(const struct cli *cli, const struct control_status *s)
{
	struct json j = JSON_INIT(stdout);

	if (!cli->json) {
		for (size_t i = 0; i < s->n_devices; i++)
			device_print(s, &s->devices[i]);
		for (size_t i = 0; i < s->n_alarms; i++)
			printf("alarm: %s\n", s->alarms[i].text);
		return;
	}
	json_object(&j, NULL);
	json_array(&j, "devices");
	for (size_t i = 0; i < s->n_devices; i++)
		device_put_json(&j, s, &s->devices[i]);
	json_end_array(&j);
	device_put_alarms(&j, s);
	json_end_object(&j);
	putchar('\n');
}

static int list_unmounted(const struct cli *cli)
{
	struct control_status s = CONTROL_STATUS_INIT;
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct vault *v;
	int e, code;

	opts.read_only = true;
	code = open_vault(cli, &opts, &v);
	if (code != EXIT_DONE)
		return code;
	e = gather_status(v, &s);
	if (e < 0)
		code = fail_err(e, "cannot list the devices of %s", opts.path);
	else
		show(cli, &s);
	control_status_release(&s);
	return open_close(v, opts.path, code);
}

static int run_list(struct cli *cli)
{
	auto_mounted struct mounted m = MOUNTED_INIT;
	int r = mounted_find(cli->operands[0], &m);

	if (r < 0)
		return fail_err(r, "cannot list the devices of %s",
				cli->operands[0]);
	if (r == 0)
		return list_unmounted(cli);
	show(cli, &m.status);
	return EXIT_DONE;
}

const struct cli_command cmd_device_list = {
	.name = "device list",
	.operands = "VAULT|MOUNTPOINT",
	.summary = "List the devices that write to a vault.",
	.groups =
		CLI_JSON | CLI_UNLOCK | CLI_RECOVERY | CLI_STATE | CLI_NO_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_list,
};

/* ---------------------------------------------------------------- changing */

/* Of a device: a new name, or (NULL) its retirement. */
struct change {
	const struct cli *cli;
	const char *path, *device, *name;
};

static const char *doing(const struct change *c)
{
	return c->name ? "name a device of" : "retire a device of";
}

/* Where a terminal is, somebody can be asked. */
static int confirm(const char *question)
{
	char answer[16];

	if (yes)
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return fail_usage("nobody can be asked here: --yes says that "
				  "it is meant");
	fprintf(stderr, "%s  Type yes to go on: ", question);
	if (!fgets(answer, sizeof(answer), stdin) ||
	    strcmp(answer, "yes\n") != 0)
		return fail_code(EXIT_FAILED, "nothing was changed");
	return EXIT_DONE;
}

static int confirm_retire(const struct vault_device *d)
{
	auto_free char *question = NULL;

	if (d->is_self)
		return fail_usage("this device cannot retire itself; do it on "
				  "another one");
	question = mem_printf(
		"Device %s (%016" PRIx64 ") will not be waited for any more. "
		"What it has not\npublished, and other devices have not seen, "
		"may refer to contents that are then\ncollected. It can go on "
		"only under a new id, with `coffer device accept'.\n",
		d->name, d->writer);
	return question ? confirm(question) :
			  fail_err(-ENOMEM, "cannot retire a device");
}

static int check_change(const struct change *c, const struct control_status *s,
			const struct vault_device **ret)
{
	int code = device_find(s, c->device, ret);

	if (code != EXIT_DONE || c->name)
		return code;
	if ((*ret)->is_retired)
		return fail_code(EXIT_FAILED, "device %s is retired already",
				 (*ret)->name);
	return confirm_retire(*ret);
}

static int tell_change(const struct change *c, int code, const char *why)
{
	return fail_code(code, "cannot %s %s: %s", doing(c), c->path, why);
}

static int change_mounted(const struct change *c, const struct mounted *m)
{
	const struct vault_device *d = NULL;
	auto_free char *text = NULL;
	int r, code = check_change(c, &m->status, &d);

	if (code != EXIT_DONE)
		return code;
	r = mounted_device(m, d->writer, c->name, &code, &text);
	if (r < 0)
		return fail_err(r, "cannot reach the daemon of %s",
				m->status.mount.mountpoint);
	return code == EXIT_DONE ? code : tell_change(c, code, text);
}

static int change_opened(const struct change *c, struct vault *v)
{
	struct control_status s = CONTROL_STATUS_INIT;
	const struct vault_device *d = NULL;
	int code, r = gather_status(v, &s);

	code = r < 0 ? fail_err(r, "cannot %s %s", doing(c), c->path) :
		       check_change(c, &s, &d);
	if (code == EXIT_DONE) {
		r = c->name ? vault_device_name(v, d->writer, c->name) :
			      vault_device_retire(v, d->writer);
		if (r == 0)
			r = vault_publish(v);
		if (r < 0)
			code = tell_change(c, exit_code_of(r), err_text(r));
	}
	control_status_release(&s);
	return code;
}

static int change_unmounted(const struct change *c)
{
	struct vault_options opts = open_options(c->cli, c->path);
	struct vault *v;
	int code = open_vault(c->cli, &opts, &v);

	if (code != EXIT_DONE)
		return code;
	code = vault_is_read_only(v) ?
		       tell_change(c, open_read_only_code(v),
				   vault_read_only_reason(v)) :
		       change_opened(c, v);
	return open_close(v, c->path, code);
}

static int run_change(const struct change *c)
{
	auto_mounted struct mounted m = MOUNTED_INIT;
	int r = mounted_find(c->path, &m);

	if (r < 0)
		return fail_err(r, "cannot %s %s", doing(c), c->path);
	return r > 0 ? change_mounted(c, &m) : change_unmounted(c);
}

static int run_name(struct cli *cli)
{
	const struct change c = {
		.cli = cli,
		.path = cli->operands[0],
		.device = cli->operands[1],
		.name = cli->operands[2],
	};

	if (!vault_device_may_have(c.name))
		return fail_usage("a device's name is 1 to 64 bytes of UTF-8 "
				  "without `/' and control characters");
	return run_change(&c);
}

const struct cli_command cmd_device_name = {
	.name = "device name",
	.operands = "VAULT|MOUNTPOINT DEVICE NAME",
	.summary = "Give a device another name.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE,
	.min_operands = 3,
	.max_operands = 3,
	.run = run_name,
};

static int run_retire(struct cli *cli)
{
	const struct change c = {
		.cli = cli,
		.path = cli->operands[0],
		.device = cli->operands[1],
	};

	return run_change(&c);
}

static const struct cli_option retire_options[] = {
	{ KEY_YES, "yes", NULL, "do not ask" },
	{ 0 },
};

const struct cli_command cmd_device_retire = {
	.name = "device retire",
	.operands = "VAULT|MOUNTPOINT DEVICE",
	.summary = "Wait no more for a device that is gone.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE,
	.min_operands = 2,
	.max_operands = 2,
	.options = retire_options,
	.option = own_option,
	.run = run_retire,
};

/* ---------------------------------------------------------------- accept */

/* Each path that was only here, as it is dealt with. */
static void tell_path(void *arg, enum vault_kept what, const char *path)
{
	const struct cli *cli = arg;

	if (what == VAULT_LOST)
		fprintf(stderr,
			"coffer: %s: its contents are nowhere any more\n",
			path);
	else if (!cli->quiet && !cli->json && cli->verbose)
		printf("%s %s\n",
		       what == VAULT_KEPT ? "kept" : "kept beside", path);
}

static void put_id(struct json *j, const char *key, uint64_t writer)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, writer);
	json_text(j, key, text);
}

static void put_accepted(const struct vault_accept_result *r)
{
	struct json j = JSON_INIT(stdout);

	json_object(&j, NULL);
	json_bool(&j, "was_needed", r->was_needed);
	put_id(&j, "old_writer", r->old_writer);
	put_id(&j, "new_writer", r->new_writer);
	json_u64(&j, "kept", r->n_kept);
	json_u64(&j, "kept_beside", r->n_beside);
	json_u64(&j, "lost", r->n_lost);
	json_u64(&j, "shown_again", r->n_again);
	json_text(&j, "put_away", r->put_away);
	json_end_object(&j);
	putchar('\n');
}

static void print_accepted(const struct vault_accept_result *r)
{
	if (!r->was_needed) {
		puts("nothing to accept: the vault is what this device has "
		     "seen");
		return;
	}
	printf("the vault is accepted as it is; this device is now %016" PRIx64
	       "\n",
	       r->new_writer);
	if (r->n_kept || r->n_beside)
		printf("published again, for only this device had it: %" PRIu64
		       ", of these %" PRIu64 " under names of their own\n",
		       r->n_kept + r->n_beside, r->n_beside);
	if (r->n_again)
		printf("deleted here, and shown again: %" PRIu64 "\n",
		       r->n_again);
	if (r->n_lost)
		printf("lost: %" PRIu64 "\n", r->n_lost);
	printf("the local state of before is kept in %s\n", r->put_away);
}

static int accept_vault(struct cli *cli, const struct vault_options *opts,
			const struct credential *cred)
{
	const struct vault_accept_options how = {
		.discard = discard,
		.tell = tell_path,
		.arg = cli,
	};
	const struct vault_credential view = credential_view(cred);
	struct vault_accept_result result = { .was_needed = false };
	const char *what = NULL;
	int r, code = EXIT_DONE;

	signals_block();
	r = vault_accept(opts, &view, &how, &what, &result);
	signals_unblock();
	if (r == ERR_READ_ONLY)
		return fail_code(EXIT_FAILED, "cannot accept %s: %s",
				 opts->path, what ? what : "it is read-only");
	if (r < 0)
		return open_tell("accept", opts, r, what);
	if (cli->json)
		put_accepted(&result);
	else if (!cli->quiet)
		print_accepted(&result);
	if (result.n_lost)
		code = EXIT_DAMAGE;
	mem_free(result.put_away);
	return code;
}

static int run_accept(struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	auto_credential struct credential cred = CREDENTIAL_INIT;
	struct uuid uuid;
	int code = open_peek(&opts, &uuid);

	if (code == EXIT_DONE)
		code = open_refuse_mounted("accept", opts.path, NULL);
	if (code == EXIT_DONE && discard)
		code = confirm("What only this device has, and the vault "
			       "lacks, will not be published.\n");
	if (code == EXIT_DONE)
		code = open_credential(cli, &opts, &cred);
	return code == EXIT_DONE ? accept_vault(cli, &opts, &cred) : code;
}

static const struct cli_option accept_options[] = {
	{ KEY_DISCARD, "discard", NULL,
	  "keep nothing that only this device has" },
	{ KEY_YES, "yes", NULL, "do not ask" },
	{ 0 },
};

const struct cli_command cmd_device_accept = {
	.name = "device accept",
	.operands = "VAULT",
	.summary = "Go on with the vault as it is, after a rollback or a fork.",
	.groups = CLI_JSON | CLI_UNLOCK | CLI_RECOVERY | CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.options = accept_options,
	.option = own_option,
	.run = run_accept,
};
