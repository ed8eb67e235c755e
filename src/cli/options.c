/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/units.h"
#include "format/slot.h"

enum {
	KEY_JSON = 512,
	KEY_STATE_DIR,
	KEY_NO_STATE,
	KEY_PASS_FD,
	KEY_PASSFILE,
	KEY_PASSCMD,
	KEY_KEYFILE,
	KEY_NO_PASSPHRASE,
	KEY_RECOVERY,
	KEY_NEW_PASS_FD,
	KEY_NEW_PASSFILE,
	KEY_NEW_PASSCMD,
	KEY_NEW_KEYFILE,
	KEY_NEW_NO_PASSPHRASE,
	KEY_KDF_PASSES,
	KEY_KDF_MEMORY,
};

static const struct {
	unsigned group; /* 0: every command */
	struct cli_option o;
} shared[] = {
	{ CLI_JSON, { KEY_JSON, "json", NULL, "print one JSON object" } },
	{ CLI_UNLOCK,
	  { KEY_PASS_FD, "pass-fd", "N",
	    "read the passphrase from descriptor N" } },
	{ CLI_UNLOCK,
	  { KEY_PASSFILE, "passfile", "FILE",
	    "read it from the first line of FILE" } },
	{ CLI_UNLOCK,
	  { KEY_PASSCMD, "passcmd", "COMMAND",
	    "read it from the first line COMMAND prints" } },
	{ CLI_UNLOCK,
	  { KEY_KEYFILE, "keyfile", "FILE", "use the key file FILE as well" } },
	{ CLI_UNLOCK,
	  { KEY_NO_PASSPHRASE, "no-passphrase", NULL,
	    "the key file alone, without a passphrase" } },
	{ CLI_RECOVERY,
	  { KEY_RECOVERY, "recovery", NULL,
	    "read the words of the recovery key instead" } },
	{ CLI_NEW_KEY,
	  { KEY_NEW_PASS_FD, "new-pass-fd", "N",
	    "read the new passphrase from descriptor N" } },
	{ CLI_NEW_KEY,
	  { KEY_NEW_PASSFILE, "new-passfile", "FILE",
	    "read it from the first line of FILE" } },
	{ CLI_NEW_KEY,
	  { KEY_NEW_PASSCMD, "new-passcmd", "COMMAND",
	    "read it from the first line COMMAND prints" } },
	{ CLI_NEW_KEY,
	  { KEY_NEW_KEYFILE, "new-keyfile", "FILE",
	    "the new credential wants the key file FILE" } },
	{ CLI_NEW_KEY,
	  { KEY_NEW_NO_PASSPHRASE, "new-no-passphrase", NULL,
	    "and no passphrase" } },
	{ CLI_NEW_COST,
	  { KEY_KDF_PASSES, "kdf-passes", "N",
	    "passes of the key derivation (3)" } },
	{ CLI_NEW_COST,
	  { KEY_KDF_MEMORY, "kdf-memory", "SIZE",
	    "memory of the key derivation (256M)" } },
	{ CLI_STATE,
	  { KEY_STATE_DIR, "state-dir", "DIRECTORY",
	    "keep local state there" } },
	{ CLI_NO_STATE,
	  { KEY_NO_STATE, "no-state", NULL,
	    "read only, with an index in memory" } },
	{ 0, { 'q', "quiet", NULL, "print errors only" } },
	{ 0, { 'v', "verbose", NULL, "say more; twice: much more" } },
	{ 0, { 'h', "help", NULL, "print this" } },
};

/* Calls fn for every option of a command, its own first. */
static void each_option(const struct cli_command *command,
			void (*fn)(void *arg, const struct cli_option *o),
			void *arg)
{
	const struct cli_option *o = command->options;

	for (; o && o->name; o++)
		fn(arg, o);
	for (size_t i = 0; i < array_len(shared); i++) {
		if (!shared[i].group || command->groups & shared[i].group)
			fn(arg, &shared[i].o);
	}
}

/* ---------------------------------------------------------------- parsing */

#define OPTIONS_MAX 40

struct getopt_tables {
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 2];
	size_t n, n_shorts;
};

static bool is_short(int key)
{
	return key < CLI_KEY_OWN;
}

static void add_to_tables(void *arg, const struct cli_option *o)
{
	struct getopt_tables *t = arg;

	if (t->n == OPTIONS_MAX)
		return;
	t->longs[t->n++] = (struct option){
		.name = o->name,
		.has_arg = o->arg ? required_argument : no_argument,
		.val = o->key,
	};
	if (is_short(o->key)) {
		t->shorts[t->n_shorts++] = (char)o->key;
		if (o->arg)
			t->shorts[t->n_shorts++] = ':';
	}
}

static int parse_fd(const char *value, struct pass_sources *to)
{
	uint64_t n;

	if (units_parse_number(value, 10, INT_MAX, &n) < 0)
		return fail_usage("`%s' is no number of a descriptor", value);
	to->has_fd = true;
	to->fd = (int)n;
	return EXIT_DONE;
}

/* What slots may be written with (vault-format/12-limits.md). */
#define KDF_PASSES_MIN 3
#define KDF_PASSES_MAX 64
#define KDF_PRODUCT_MAX_KIB (UINT64_C(32) << 20)

static int parse_kdf(struct cli *cli, int key, const char *value)
{
	uint64_t n;

	if (key == KEY_KDF_PASSES) {
		if (units_parse_number(value, 10, KDF_PASSES_MAX, &n) < 0 ||
		    n < KDF_PASSES_MIN)
			return fail_usage("--kdf-passes takes %d to %d",
					  KDF_PASSES_MIN, KDF_PASSES_MAX);
		cli->kdf_passes = (unsigned)n;
		return EXIT_DONE;
	}
	if (units_parse_size(value, &n) < 0 || n < (UINT64_C(64) << 20) ||
	    n > (UINT64_C(4) << 30))
		return fail_usage("--kdf-memory takes 64M to 4G");
	cli->kdf_memory_kib = (unsigned)(n >> 10);
	return EXIT_DONE;
}

static int parse_shared(struct cli *cli, int key, const char *value)
{
	switch (key) {
	case KEY_JSON:
		cli->json = true;
		break;
	case KEY_STATE_DIR:
		cli->state_dir = value;
		break;
	case KEY_NO_STATE:
		cli->no_state = true;
		break;
	case KEY_PASS_FD:
		return parse_fd(value, &cli->pass);
	case KEY_PASSFILE:
		cli->pass.file = value;
		break;
	case KEY_PASSCMD:
		cli->pass.command = value;
		break;
	case KEY_KEYFILE:
		cli->pass.key_file = value;
		break;
	case KEY_NO_PASSPHRASE:
		cli->pass.no_passphrase = true;
		break;
	case KEY_RECOVERY:
		cli->pass.recovery = true;
		break;
	case KEY_NEW_PASS_FD:
		return parse_fd(value, &cli->new_pass);
	case KEY_NEW_PASSFILE:
		cli->new_pass.file = value;
		break;
	case KEY_NEW_PASSCMD:
		cli->new_pass.command = value;
		break;
	case KEY_NEW_KEYFILE:
		cli->new_pass.key_file = value;
		break;
	case KEY_NEW_NO_PASSPHRASE:
		cli->new_pass.no_passphrase = true;
		break;
	case KEY_KDF_PASSES:
	case KEY_KDF_MEMORY:
		return parse_kdf(cli, key, value);
	case 'q':
		cli->quiet = true;
		break;
	default:
		cli->verbose++;
		break;
	}
	return EXIT_DONE;
}

static bool is_shared(int key)
{
	for (size_t i = 0; i < array_len(shared); i++) {
		if (shared[i].o.key == key)
			return true;
	}
	return false;
}

static int check_sources(const struct pass_sources *s, const char *prefix)
{
	int n = s->has_fd + !!s->file + !!s->command;

	if (n > 1)
		return fail_usage(
			"give one of --%spass-fd, --%spassfile, --%spasscmd",
			prefix, prefix, prefix);
	if (s->no_passphrase && !s->key_file)
		return fail_usage("--%sno-passphrase needs --%skeyfile", prefix,
				  prefix);
	if (s->no_passphrase && n)
		return fail_usage("--%sno-passphrase, and yet a passphrase",
				  prefix);
	if (s->recovery && s->key_file)
		return fail_usage("give one of --recovery and --keyfile");
	return EXIT_DONE;
}

static int check_kdf(const struct cli *cli)
{
	uint64_t passes =
		cli->kdf_passes ? cli->kdf_passes : ARGON2_OPS_DEFAULT;
	uint64_t memory_kib = cli->kdf_memory_kib ? cli->kdf_memory_kib
						  : ARGON2_MEMORY_KIB_DEFAULT;

	if (passes * memory_kib > KDF_PRODUCT_MAX_KIB)
		return fail_usage("--kdf-passes times --kdf-memory may come to "
				  "32G at most");
	return EXIT_DONE;
}

static int check_operands(const struct cli *cli)
{
	const struct cli_command *c = cli->command;

	if (cli->n_operands < c->min_operands)
		return fail_usage("usage: coffer %s [OPTIONS] %s: too few "
				  "arguments",
				  c->name, c->operands);
	if (c->max_operands >= 0 && cli->n_operands > c->max_operands)
		return fail_usage("usage: coffer %s [OPTIONS] %s: `%s' is too "
				  "much",
				  c->name, c->operands,
				  cli->operands[c->max_operands]);
	for (int i = 0; i < cli->n_operands; i++) {
		if (!cli->operands[i][0])
			return fail_usage("an argument is empty");
	}
	return EXIT_DONE;
}

/* Does the command have the option? */
static bool has_key(const struct getopt_tables *t, int key)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->longs[i].val == key)
			return true;
	}
	return false;
}

/* What getopt_long means, in our form.  Of a short option, which may stand in
 * the middle of a word, optopt tells the letter; but it also tells the key of a
 * long one that was given a value it does not take. */
static int refuse_option(const struct getopt_tables *t, int c, int argc,
			 char **argv)
{
	const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";

	if (c == ':')
		return fail_usage("option `%s' needs a value", word);
	if (optopt && !has_key(t, optopt))
		return fail_usage("there is no option `-%c' here", optopt);
	return fail_usage("there is no option `%s' here, or it is not written "
			  "so",
			  word);
}

static int parse_options(struct cli *cli, int argc, char **argv, bool *ret_help)
{
	struct getopt_tables t = { .shorts = ":", .n_shorts = 1 };
	int c, r = EXIT_DONE;

	each_option(cli->command, add_to_tables, &t);
	opterr = 0;
	/* Begins anew: 1 would go on in the middle of a word of short options
	 * that was left there (getopt(3), Notes). */
	optind = 0;
	while (r == EXIT_DONE) {
		optopt = 0;
		c = getopt_long(argc, argv, t.shorts, t.longs, NULL);
		if (c == -1)
			break;
		if (c == 'h') {
			*ret_help = true;
			return EXIT_DONE;
		}
		if (c == '?' || c == ':')
			return refuse_option(&t, c, argc, argv);
		r = is_shared(c) ? parse_shared(cli, c, optarg)
				 : cli->command->option(c, optarg);
	}
	return r;
}

int cli_parse(struct cli *cli, int argc, char **argv, bool *ret_help)
{
	int r;

	*ret_help = false;
	cli->words = argv;
	cli->n_words = argc;
	r = parse_options(cli, argc, argv, ret_help);
	if (r != EXIT_DONE || *ret_help)
		return r;
	cli->operands = argv + optind;
	cli->n_operands = argc - optind;
	r = check_operands(cli);
	if (r == EXIT_DONE)
		r = check_sources(&cli->pass, "");
	if (r == EXIT_DONE)
		r = check_sources(&cli->new_pass, "new-");
	if (r == EXIT_DONE)
		r = check_kdf(cli);
	if (r != EXIT_DONE)
		return r;
	if (cli->quiet)
		diag_set_level(DIAG_ERROR);
	else if (cli->verbose)
		diag_set_level(cli->verbose > 1 ? DIAG_DEBUG : DIAG_INFO);
	return EXIT_DONE;
}

/* ---------------------------------------------------------------- help */

#define HELP_COLUMN 28

static void print_option(void *arg, const struct cli_option *o)
{
	int n = is_short(o->key) ? printf("  -%c, --%s", o->key, o->name)
				 : printf("      --%s", o->name);

	(void)arg;
	if (o->arg)
		n += printf(" %s", o->arg);
	if (n > HELP_COLUMN - 2) {
		putchar('\n');
		n = 0;
	}
	printf("%*s%s\n", HELP_COLUMN - n, "", o->help);
}

void cli_print_help(const struct cli_command *command)
{
	printf("usage: coffer %s [OPTIONS] %s\n\n%s\n\n", command->name,
	       command->operands, command->summary);
	each_option(command, print_option, NULL);
}
