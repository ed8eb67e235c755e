/* SPDX-License-Identifier: ISC */
/* coffer put: files into a vault. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/mounted.h"
#include "cli/transfer.h"

/* A source as its folder, which links may lead to, and its own name there. */
static int split_source(const char *path, char **ret_folder, char **ret_name)
{
	auto_free char *copy = mem_strdup(path);
	char resolved[PATH_MAX];
	size_t n = copy ? strlen(copy) : 0;
	char *slash;

	if (!copy)
		return -ENOMEM;
	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	slash = strrchr(copy, '/');
	if (!files_name_ok(slash ? slash + 1 : copy)) {
		/* "/", "..", "a/." have no name of their own. */
		if (!realpath(copy, resolved))
			return -errno;
		mem_free(copy);
		copy = mem_strdup(resolved);
		if (!copy)
			return -ENOMEM;
		slash = strrchr(copy, '/');
		if (!slash[1])
			return -EINVAL;
	}
	*ret_name = mem_strdup(slash ? slash + 1 : copy);
	*ret_folder = slash ? mem_printf("%.*s", (int)(slash - copy + 1), copy)
			    : mem_strdup(".");
	return *ret_name && *ret_folder ? 0 : -ENOMEM;
}

static int tell_source(const char *path, int err)
{
	if (err == -EINVAL)
		return fail_code(EXIT_FAILED,
				 "cannot put %s: it has no name; put what is "
				 "in it",
				 path);
	return fail_err(err, "cannot put %s", path);
}

/* Each source is a tree of its own, rooted at its folder. */
static bool put_one(struct copy *c, struct files *local, const char *path,
		    const struct transfer_target *to, int *code)
{
	auto_free char *folder = NULL, *name = NULL;
	struct copy_end from = { .shown = path };
	bool go_on;
	int r = split_source(path, &folder, &name);

	if (r == 0)
		r = files_init_local(local, folder);
	if (r < 0) {
		r = tell_source(path, r);
		*code = exit_code_worse(*code, r);
		return true;
	}
	from.dir = local->root;
	from.name = name;
	from.path = name;
	go_on = transfer_one(c, &from, to);
	files_release(local);
	return go_on;
}

static int put(const struct cli *cli, struct inside *in)
{
	const char *path = cli->operands[cli->n_operands - 1];
	struct transfer_target to = TRANSFER_TARGET_INIT;
	struct files local;
	struct copy *c;
	int one, code = transfer_aim(&in->files, path, in->path,
				     cli->n_operands - 2, &to);

	if (code != EXIT_DONE)
		return code;
	code = transfer_begin(cli, &local, &in->files, "putting", in, &c);
	if (code == EXIT_DONE) {
		for (int i = 1; i < cli->n_operands - 1; i++) {
			if (!put_one(c, &local, cli->operands[i], &to, &code))
				break;
		}
		one = transfer_end(cli, c);
		code = exit_code_worse(code, one);
	}
	transfer_target_release(&in->files, &to);
	return code;
}

/* A daemon tells only now what it could not write. */
static int publish_mounted(const struct inside *in, int code)
{
	auto_free char *text = NULL;
	int end = EXIT_DONE;
	int r = mounted_sync(&in->mounted, &end, &text);

	if (r < 0)
		end = fail_err(r, "cannot reach the daemon of %s", in->path);
	else if (end != EXIT_DONE)
		end = fail_code(end, "cannot publish all of %s: %s", in->path,
				text);
	return exit_code_worse(code, end);
}

static int run(struct cli *cli)
{
	struct inside in;
	int code;

	code = inside_open(cli, cli->operands[0], true, &in);
	if (code != EXIT_DONE)
		return code;
	code = put(cli, &in);
	if (!in.vault)
		code = publish_mounted(&in, code);
	return inside_close(&in, code);
}

const struct cli_command cmd_put = {
	.name = "put",
	.operands = "VAULT SOURCE... PATH",
	.summary = "Copy files and folders into a vault.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE,
	.min_operands = 3,
	.max_operands = -1,
	.options = transfer_options,
	.option = transfer_option,
	.run = run,
};
