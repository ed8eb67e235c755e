/* SPDX-License-Identifier: ISC */
/* The commands, their options and what all of them share. */
#ifndef COFFER_CLI_CLI_H
#define COFFER_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/exit.h"
#include "cli/passphrase.h"

/* Groups of options that several commands share. */
enum cli_group {
	CLI_JSON = 1,	   /* --json */
	CLI_STATE = 2,	   /* --state-dir, */
	CLI_NO_STATE = 4,  /* --no-state */
	CLI_UNLOCK = 8,	   /* what unlocks an existing vault */
	CLI_NEW_KEY = 16,  /* sources of a new credential */
	CLI_NEW_COST = 32, /* its key derivation's cost */
	CLI_RECOVERY = 64, /* --recovery */
};

/* An option of one command.  Keys of a printable character are the short
 * option too; a table ends with a NULL name. */
struct cli_option {
	int key;
	const char *name;
	const char *arg; /* NULL: none */
	const char *help;
};

/* First key without a short option, of a command. */
#define CLI_KEY_OWN 256

struct cli {
	const struct cli_command *command;
	bool quiet;
	unsigned verbose;
	bool json;
	const char *state_dir; /* NULL: the default */
	bool no_state;
	struct pass_sources pass;
	struct pass_sources new_pass;
	unsigned kdf_passes;	 /* 0: default */
	unsigned kdf_memory_kib; /* 0: default */
	char **words; /* all, from the command's name on */
	int n_words;
	char **operands;
	int n_operands;
};

struct cli_command {
	const char *name; /* one word, or two: "key add" */
	const char *operands;
	const char *summary; /* one line, a verb first */
	unsigned groups;     /* enum cli_group */
	int min_operands, max_operands;
	const struct cli_option *options; /* NULL: none */
	/* One option of the command's own: 0, or an exit code when its value
	 * is wrong and that has been told.  NULL without options. */
	int (*option)(int key, const char *value);
	int (*run)(struct cli *cli); /* gives an exit code */
};

/*
 * Reads argv (argv[0] is not looked at) into cli; cli->command is set.
 * EXIT_DONE and *ret_help: --help was given.  EXIT_USAGE: told already.
 */
int cli_parse(struct cli *cli, int argc, char **argv,
	      bool *ret_help) must_check;

void cli_print_help(const struct cli_command *command);

extern const struct cli_command cmd_init, cmd_mount, cmd_umount, cmd_status,
	cmd_info, cmd_key_list, cmd_key_add, cmd_key_remove, cmd_key_change,
	cmd_key_test, cmd_sync, cmd_rebuild, cmd_snapshot, cmd_check,
	cmd_gc, cmd_ls, cmd_cat, cmd_stat, cmd_put, cmd_get, cmd_stats,
	cmd_bench, cmd_device_list, cmd_device_name, cmd_device_retire,
	cmd_device_accept;

#endif
