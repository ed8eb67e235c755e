/* SPDX-License-Identifier: ISC */
/* coffer rebuild: the local index anew, from the vault. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/open.h"
#include "vault/care.h"

static int run(struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct uuid uuid;
	struct vault *v;
	int r, code = open_peek(&opts, &uuid);

	if (code == EXIT_DONE)
		code = open_refuse_mounted("rebuild the index of", opts.path,
					   NULL);
	if (code != EXIT_DONE)
		return code;
	r = vault_drop_index(&opts);
	if (r < 0)
		return open_tell("rebuild the index of", &opts, r, NULL);
	/* Who asks for this trusts nothing that was made of the log. */
	opts.whole_log = true;
	code = open_vault(cli, &opts, &v);
	if (code != EXIT_DONE)
		return code;
	if (!cli->quiet)
		puts("the index is rebuilt");
	return open_close(v, opts.path, code);
}

const struct cli_command cmd_rebuild = {
	.name = "rebuild",
	.operands = "VAULT",
	.summary = "Drop and rebuild the local index; the vault is not "
		   "changed.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
