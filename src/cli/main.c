/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/signals.h"

/* In the order of `coffer help'. */
static const struct cli_command *const commands[] = {
	&cmd_init,	   &cmd_mount,	     &cmd_umount,
	&cmd_status,	   &cmd_stats,	     &cmd_info,
	&cmd_key_list,	   &cmd_key_add,     &cmd_key_remove,
	&cmd_key_change,   &cmd_key_test,    &cmd_device_list,
	&cmd_device_name,  &cmd_device_retire, &cmd_device_accept,
	&cmd_ls,	   &cmd_cat,	     &cmd_stat,
	&cmd_put,	   &cmd_get,	     &cmd_sync,
	&cmd_check,	   &cmd_gc,	     &cmd_snapshot,
	&cmd_rebuild,	   &cmd_bench,
};

#define NAME_COLUMNS 13

/* Is `name` the first word of a command of two? */
static bool is_family(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < array_len(commands); i++) {
		if (strncmp(commands[i]->name, name, n) == 0 &&
		    commands[i]->name[n] == ' ')
			return true;
	}
	return false;
}

static const struct cli_command *find_command(const char *name)
{
	for (size_t i = 0; i < array_len(commands); i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

/* The commands that begin with `prefix`. */
static void print_commands(const char *prefix)
{
	size_t n = strlen(prefix);

	for (size_t i = 0; i < array_len(commands); i++) {
		if (strncmp(commands[i]->name, prefix, n) == 0)
			printf("  %-*s  %s\n", NAME_COLUMNS, commands[i]->name,
			       commands[i]->summary);
	}
}

static int print_usage(void)
{
	puts("usage: coffer COMMAND [OPTIONS] VAULT [ARGUMENTS]\n\n"
	     "Keeps a folder in an encrypted vault that any sync tool can "
	     "carry.\n");
	print_commands("");
	puts("\n  help          Print this, or what a command takes.\n\n"
	     "`coffer help COMMAND' and coffer(1) tell more.");
	return EXIT_DONE;
}

static int print_version(void)
{
	puts("coffer " PACKAGE_VERSION);
	return EXIT_DONE;
}

/* One word, or two for a family: *ret_words tells how many it took. */
static const struct cli_command *parse_command(int argc, char **argv,
					       int *ret_words)
{
	auto_free char *name = NULL;

	*ret_words = 1;
	if (argc < 1 || !is_family(argv[0]))
		return argc < 1 ? NULL : find_command(argv[0]);
	if (argc < 2)
		return NULL;
	*ret_words = 2;
	name = mem_printf("%s %s", argv[0], argv[1]);
	return name ? find_command(name) : NULL;
}

/* The second words of a family. */
static int refuse_family(const char *family)
{
	auto_buf struct buf words = BUF_INIT(256);
	size_t n = strlen(family);

	for (size_t i = 0; i < array_len(commands); i++) {
		const char *name = commands[i]->name;

		if (strncmp(name, family, n) != 0 || name[n] != ' ')
			continue;
		if (words.len > 0)
			buf_put(&words, ", ", 2);
		buf_put(&words, name + n + 1, strlen(name + n + 1));
	}
	return fail_usage("`coffer %s' needs one more word: %.*s", family,
			  (int)words.len, (const char *)words.data);
}

static int refuse_command(int argc, char **argv)
{
	if (is_family(argv[0]) && argc < 2)
		return refuse_family(argv[0]);
	if (is_family(argv[0]))
		return fail_usage("there is no command `%s %s'", argv[0],
				  argv[1]);
	return fail_usage("there is no command `%s'", argv[0]);
}

static int help(int argc, char **argv)
{
	const struct cli_command *c;
	int n;

	if (argc == 0)
		return print_usage();
	if (argc == 1 && is_family(argv[0])) {
		printf("usage: coffer %s COMMAND [OPTIONS] VAULT ...\n\n",
		       argv[0]);
		print_commands(argv[0]);
		return EXIT_DONE;
	}
	c = parse_command(argc, argv, &n);
	if (!c)
		return refuse_command(argc, argv);
	cli_print_help(c);
	return EXIT_DONE;
}

static int run_command(int argc, char **argv)
{
	struct cli cli = { 0 };
	bool is_help;
	int n, r;

	cli.command = parse_command(argc, argv, &n);
	if (!cli.command)
		return argc > 1 && strcmp(argv[1], "--help") == 0 &&
				       is_family(argv[0])
			       ? help(1, argv)
			       : refuse_command(argc, argv);
	r = cli_parse(&cli, argc - n + 1, argv + n - 1, &is_help);
	if (r != EXIT_DONE)
		return r;
	if (is_help) {
		cli_print_help(cli.command);
		return EXIT_DONE;
	}
	return cli.command->run(&cli);
}

static int dispatch(int argc, char **argv)
{
	if (argc < 1)
		return fail_usage("which command?");
	if (strcmp(argv[0], "help") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return print_usage();
	if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0)
		return print_version();
	return run_command(argc, argv);
}

int main(int argc, char **argv)
{
	int code;

	/* Modes are given where files are made. */
	umask(0077);
	mem_start();
	signals_start();
	code = dispatch(argc - 1, argv + 1);
	/* A report that could not be written is no report. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_DONE)
		code = fail_code(EXIT_FAILED,
				 "cannot write to standard output");
	return code;
}
