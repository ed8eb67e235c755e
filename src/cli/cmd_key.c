/* SPDX-License-Identifier: ISC */
/* coffer key: the credentials that open a vault. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/open.h"
#include "cli/recovery_text.h"
#include "cli/signals.h"
#include "cli/slot_text.h"
#include "vault/slots.h"

/* ---------------------------------------------------------------- list */

static bool with_labels;

static int list_option(int key, const char *value)
{
	(void)key;
	(void)value;
	with_labels = true;
	return EXIT_DONE;
}

struct listing {
	bool is_json;
	struct json json;
};

static int list_one(void *arg, const struct vault_slot *s)
{
	struct listing *l = arg;

	if (l->is_json)
		slot_put_json(&l->json, s, with_labels);
	else
		slot_print(s);
	return 0;
}

static int list_unlocked(const struct cli *cli, struct vault_options *opts,
			 struct listing *l)
{
	struct vault *v;
	int r, code;

	opts->read_only = true;
	code = open_vault(cli, opts, &v);
	if (code != EXIT_DONE)
		return code;
	r = vault_each_slot(v, list_one, l);
	if (r < 0)
		code = open_tell("list the keys of", opts, r, "a key slot");
	return open_close(v, opts->path, code);
}

static int run_list(struct cli *cli)
{
	struct listing l = { .is_json = cli->json, .json = JSON_INIT(stdout) };
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct uuid uuid;
	int r, code = open_peek(&opts, &uuid);

	if (code != EXIT_DONE)
		return code;
	if (cli->json) {
		json_object(&l.json, NULL);
		json_array(&l.json, "slots");
	}
	if (with_labels) {
		code = list_unlocked(cli, &opts, &l);
	} else {
		r = vault_peek_slots(&opts, list_one, &l);
		if (r < 0)
			code = open_tell("list the keys of", &opts, r,
					 "a key slot");
	}
	if (cli->json) {
		json_end_array(&l.json);
		json_end_object(&l.json);
		putchar('\n');
	}
	return code;
}

static const struct cli_option list_options[] = {
	{ 'l', "labels", NULL, "unlock, and show labels too" },
	{ 0 },
};

const struct cli_command cmd_key_list = {
	.name = "key list",
	.operands = "VAULT",
	.summary = "List the key slots of a vault.",
	.groups =
		CLI_JSON | CLI_UNLOCK | CLI_RECOVERY | CLI_STATE | CLI_NO_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.options = list_options,
	.option = list_option,
	.run = run_list,
};

/* ---------------------------------------------------------------- changing */

static int open_to_change(const struct cli *cli,
			  const struct vault_options *opts, struct vault **ret)
{
	struct vault *v;
	int code = open_refuse_mounted("change the keys of", opts->path, NULL);

	if (code == EXIT_DONE)
		code = open_vault(cli, opts, &v);
	if (code != EXIT_DONE)
		return code;
	if (vault_is_read_only(v)) {
		code = fail_code(open_read_only_code(v),
				 "cannot change the keys of %s: %s", opts->path,
				 vault_read_only_reason(v));
		return open_close(v, opts->path, code);
	}
	*ret = v;
	return EXIT_DONE;
}

static int tell_change(const struct vault_options *opts, int err)
{
	return open_tell("change the keys of", opts, err, "a key slot");
}

/* ---------------------------------------------------------------- add */

enum { KEY_LABEL = CLI_KEY_OWN, KEY_NEW_RECOVERY, KEY_RECOVERY_FILE };

static const char *label, *recovery_file;
static bool new_recovery;

static int add_option(int key, const char *value)
{
	if (key == KEY_LABEL)
		label = value;
	else if (key == KEY_NEW_RECOVERY)
		new_recovery = true;
	else
		recovery_file = value;
	return EXIT_DONE;
}

static enum slot_type new_type(const struct pass_sources *s)
{
	if (new_recovery)
		return SLOT_RECOVERY;
	if (!s->key_file)
		return SLOT_PASSPHRASE;
	return s->no_passphrase ? SLOT_KEY_FILE : SLOT_KEY_FILE_AND_PASSPHRASE;
}

static int tell_added(const struct cli *cli, const char *path,
		      const uint8_t *name, const struct secret_buf *words)
{
	char hex[2 * SLOT_NAME_BYTES + 1];
	int r = 0;

	hex_encode(name, SLOT_NAME_BYTES, hex);
	if (recovery_file)
		r = recovery_save(words, recovery_file);
	else if (new_recovery)
		r = recovery_show(words);
	if (r < 0)
		return fail_err(r,
				"slot %.8s was added to %s, but its recovery "
				"key could not be written; remove it, and add "
				"another",
				hex, path);
	if (!cli->quiet)
		printf("added slot %s\n", hex);
	return EXIT_DONE;
}

static int add(const struct cli *cli, const struct vault_options *opts,
	       struct vault *v)
{
	const struct vault_slot_new what = {
		.type = new_type(&cli->new_pass),
		.label = label,
		.argon2_ops = cli->kdf_passes,
		.argon2_memory_kib = cli->kdf_memory_kib,
	};
	auto_credential struct credential cred = CREDENTIAL_INIT;
	auto_secret_buf struct secret_buf words = SECRET_BUF_INIT;
	struct vault_credential view;
	uint8_t name[SLOT_NAME_BYTES];
	int r = EXIT_DONE;

	if (!new_recovery)
		r = credential_read(&cli->new_pass, PASS_NEW, opts->path,
				    &cred);
	if (r != EXIT_DONE)
		return r;
	view = credential_view(&cred);
	signals_block();
	r = vault_slot_add(v, &what, &view, &words, name);
	r = r < 0 ? tell_change(opts, r)
		  : tell_added(cli, opts->path, name, &words);
	signals_unblock();
	return r;
}

static int run_add(struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	const struct pass_sources *n = &cli->new_pass;
	struct vault *v;
	int r;

	if (new_recovery && (n->has_fd || n->file || n->command || n->key_file))
		return fail_usage("--new-recovery draws a key, and takes none");
	if (recovery_file && !new_recovery)
		return fail_usage("--recovery-file needs --new-recovery");
	r = open_to_change(cli, &opts, &v);
	if (r != EXIT_DONE)
		return r;
	return open_close(v, opts.path, add(cli, &opts, v));
}

static const struct cli_option add_options[] = {
	{ KEY_LABEL, "label", "TEXT", "a label to know it by" },
	{ KEY_NEW_RECOVERY, "new-recovery", NULL, "add a recovery key" },
	{ KEY_RECOVERY_FILE, "recovery-file", "FILE",
	  "write its words to FILE, not to the terminal" },
	{ 0 },
};

const struct cli_command cmd_key_add = {
	.name = "key add",
	.operands = "VAULT",
	.summary = "Add a passphrase, a key file or a recovery key.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_NEW_KEY | CLI_NEW_COST |
		  CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.options = add_options,
	.option = add_option,
	.run = run_add,
};

/* ---------------------------------------------------------------- remove */

struct match {
	const char *text;
	unsigned n;
	struct vault_slot found;
};

static int match_one(void *arg, const struct vault_slot *s)
{
	struct match *m = arg;

	if (!slot_matches(s, m->text))
		return 0;
	m->n++;
	m->found = *s;
	return 0;
}

static int remove_slot(const struct cli *cli, const struct vault_options *opts,
		       struct vault *v)
{
	struct match m = { .text = cli->operands[1] };
	int r = vault_each_slot(v, match_one, &m);

	if (r < 0)
		return tell_change(opts, r);
	if (m.n != 1)
		return fail_code(
			EXIT_FAILED,
			"cannot remove the slot %s of %s: %s begin so; "
			"`coffer key list' shows them",
			m.text, opts->path, m.n ? "several" : "none");
	signals_block();
	r = vault_slot_remove(v, m.found.name);
	signals_unblock();
	if (r == ERR_LAST_SLOT)
		return fail_code(EXIT_FAILED,
				 "cannot remove the slot %s of %s: it is the "
				 "last one, and without it nobody could open "
				 "the vault; add another first",
				 m.text, opts->path);
	if (r < 0)
		return tell_change(opts, r);
	if (!cli->quiet)
		puts("removed; who kept a copy of the slot and knows its "
		     "passphrase can still read the vault");
	return EXIT_DONE;
}

static int run_remove(struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct vault *v;
	int r;

	if (strlen(cli->operands[1]) < SLOT_PREFIX_MIN)
		return fail_usage("a slot is named by %d digits at least",
				  SLOT_PREFIX_MIN);
	r = open_to_change(cli, &opts, &v);
	if (r != EXIT_DONE)
		return r;
	return open_close(v, opts.path, remove_slot(cli, &opts, v));
}

const struct cli_command cmd_key_remove = {
	.name = "key remove",
	.operands = "VAULT SLOT",
	.summary = "Remove a key slot, named by its first digits.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE,
	.min_operands = 2,
	.max_operands = 2,
	.run = run_remove,
};

/* ---------------------------------------------------------------- change */

static int change(const struct cli *cli, const struct vault_options *opts,
		  struct vault *v)
{
	auto_credential struct credential cred = CREDENTIAL_INIT;
	struct vault_credential view;
	int r = credential_read(&cli->new_pass, PASS_NEW, opts->path, &cred);

	if (r != EXIT_DONE)
		return r;
	view = credential_view(&cred);
	signals_block();
	r = vault_slot_change(v, &view);
	signals_unblock();
	if (r == -EINVAL)
		return fail_usage("the new credential must be of the kind of "
				  "the one that opened the vault; `coffer key "
				  "add' takes others");
	if (r < 0)
		return tell_change(opts, r);
	if (!cli->quiet)
		puts("changed");
	return EXIT_DONE;
}

static int run_change(struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct vault *v;
	int r;

	if (cli->pass.recovery)
		return fail_usage("a recovery key is not changed; add a new "
				  "one and remove the old one");
	if (cli->new_pass.key_file == NULL && cli->pass.key_file &&
	    !cli->new_pass.no_passphrase)
		cli->new_pass.key_file = cli->pass.key_file;
	r = open_to_change(cli, &opts, &v);
	if (r != EXIT_DONE)
		return r;
	return open_close(v, opts.path, change(cli, &opts, v));
}

const struct cli_command cmd_key_change = {
	.name = "key change",
	.operands = "VAULT",
	.summary = "Change the passphrase that opens the vault.",
	.groups = CLI_UNLOCK | CLI_NEW_KEY | CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_change,
};

/* ---------------------------------------------------------------- test */

static int run_test(struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	auto_credential struct credential cred = CREDENTIAL_INIT;
	struct vault_credential view;
	struct uuid uuid;
	int r = open_peek(&opts, &uuid);

	if (r == EXIT_DONE)
		r = open_credential(cli, &opts, &cred);
	if (r != EXIT_DONE)
		return r;
	view = credential_view(&cred);
	r = vault_test_credential(&opts, &view);
	if (r < 0)
		return open_tell("unlock", &opts, r, "a key slot");
	if (!cli->quiet)
		puts("it opens the vault");
	return EXIT_DONE;
}

const struct cli_command cmd_key_test = {
	.name = "key test",
	.operands = "VAULT",
	.summary = "Tell whether a passphrase or key opens the vault.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_test,
};
