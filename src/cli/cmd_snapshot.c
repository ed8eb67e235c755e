/* SPDX-License-Identifier: ISC */
/* coffer snapshot: what an opening without an index reads instead of the log. */
#include <stdio.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/mounted.h"
#include "cli/open.h"
#include "vault/care.h"

static int make_mounted(const struct cli *cli, const struct mounted *m)
{
	const char *path = m->status.mount.vault_path;
	auto_free char *text = NULL;
	int code = EXIT_DONE;
	int r = mounted_snapshot(m, &code, &text);

	if (r < 0)
		return fail_err(r, "cannot reach the daemon of %s",
				m->status.mount.mountpoint);
	if (code != EXIT_DONE)
		return fail_code(code, "cannot make a snapshot of %s: %s", path,
				 text);
	if (!cli->quiet && text)
		puts(text);
	return EXIT_DONE;
}

static int make_unmounted(const struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct vault *v;
	int r, code = open_vault(cli, &opts, &v);

	if (code != EXIT_DONE)
		return code;
	r = vault_snapshot(v);
	if (r < 0)
		code = open_tell("make a snapshot of", &opts, r, NULL);
	else if (!cli->quiet)
		puts(vault_snapshot_text(r));
	return open_close(v, opts.path, code);
}

static int run(struct cli *cli)
{
	auto_mounted struct mounted m = MOUNTED_INIT;
	int r = mounted_find(cli->operands[0], &m);

	if (r < 0)
		return fail_err(r, "cannot find the mounted vaults");
	return r == 1 ? make_mounted(cli, &m) : make_unmounted(cli);
}

const struct cli_command cmd_snapshot = {
	.name = "snapshot",
	.operands = "VAULT|MOUNTPOINT",
	.summary = "Make what another device opens from faster than the log.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
