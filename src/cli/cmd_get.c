/* SPDX-License-Identifier: ISC */
/* coffer get: files out of a vault. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/transfer.h"

/* The local tree's root is the directory that must be there already: DEST, or
 * the one above it, whose path is *ret_root; the rest is *ret_path. */
static int split_destination(const char *dest, char **ret_root,
			     const char **ret_path)
{
	const char *slash = strrchr(dest, '/');
	struct stat st;

	*ret_path = "/";
	if (stat(dest, &st) == 0 && S_ISDIR(st.st_mode)) {
		*ret_root = mem_strdup(dest);
	} else if (!slash) {
		*ret_root = mem_strdup(".");
		*ret_path = dest;
	} else {
		*ret_root = mem_printf("%.*s", (int)(slash - dest + 1), dest);
		*ret_path = slash + 1;
	}
	return *ret_root ? 0 : -ENOMEM;
}

static bool get_one(struct inside *in, struct copy *c, const char *path,
		    const struct transfer_target *to, int *code)
{
	auto_free char *name = NULL;
	struct files_stat st;
	struct files_at dir;
	struct copy_end from = { .path = path, .shown = path };
	bool go_on;
	int one = inside_find(in, path, &dir, &name, &st);

	if (one != EXIT_DONE) {
		*code = exit_code_worse(*code, one);
		return true;
	}
	from.dir = dir;
	from.name = name;
	go_on = transfer_one(c, &from, to);
	in->files.ops->close(&in->files, &dir);
	return go_on;
}

static int get_all(const struct cli *cli, struct inside *in,
		   struct files *local, const struct transfer_target *to)
{
	struct copy *c;
	int one, code = transfer_begin(cli, &in->files, local, "getting", in,
				       &c);

	if (code != EXIT_DONE)
		return code;
	for (int i = 1; i < cli->n_operands - 1; i++) {
		if (!get_one(in, c, cli->operands[i], to, &code))
			break;
	}
	one = transfer_end(cli, c);
	return exit_code_worse(code, one);
}

static int get(const struct cli *cli, struct inside *in)
{
	const char *dest = cli->operands[cli->n_operands - 1], *path;
	struct transfer_target to = TRANSFER_TARGET_INIT;
	auto_free char *root = NULL;
	struct files local;
	int r, code;

	r = split_destination(dest, &root, &path);
	if (r == 0)
		r = files_init_local(&local, root);
	if (r < 0)
		return fail_err(r, "cannot copy to %s", dest);
	code = transfer_aim(&local, path, root, cli->n_operands - 2, &to);
	if (code == EXIT_DONE)
		code = get_all(cli, in, &local, &to);
	transfer_target_release(&local, &to);
	files_release(&local);
	return code;
}

static int run(struct cli *cli)
{
	struct inside in;
	int code = inside_open(cli, cli->operands[0], false, &in);

	if (code != EXIT_DONE)
		return code;
	return inside_close(&in, get(cli, &in));
}

const struct cli_command cmd_get = {
	.name = "get",
	.operands = "VAULT PATH... DESTINATION",
	.summary = "Copy files and folders out of a vault.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE | CLI_NO_STATE,
	.min_operands = 3,
	.max_operands = -1,
	.options = transfer_options,
	.option = transfer_option,
	.run = run,
};
