/* SPDX-License-Identifier: ISC */
/* coffer sync: publish now, and take in what other devices published. */
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/mounted.h"
#include "cli/open.h"

static int sync_mounted(const struct mounted *m)
{
	const char *path = m->status.mount.vault_path;
	auto_free char *text = NULL;
	int code = EXIT_DONE;
	int r = mounted_sync(m, &code, &text);

	if (r < 0)
		return fail_err(r, "cannot reach the daemon of %s",
				m->status.mount.mountpoint);
	if (code != EXIT_DONE)
		return fail_code(code, "cannot publish all of %s: %s", path,
				 text);
	return EXIT_DONE;
}

static int sync_unmounted(const struct cli *cli)
{
	struct vault_options opts = open_options(cli, cli->operands[0]);
	struct vault *v;
	int r, code = open_vault(cli, &opts, &v);

	if (code != EXIT_DONE)
		return code;
	r = vault_receive(v);
	if (r < 0)
		code = open_tell("publish all of", &opts, r, NULL);
	return open_close(v, opts.path, code);
}

static int run(struct cli *cli)
{
	auto_mounted struct mounted m = MOUNTED_INIT;
	int r = mounted_find(cli->operands[0], &m);

	if (r < 0)
		return fail_err(r, "cannot find the mounted vaults");
	return r == 1 ? sync_mounted(&m) : sync_unmounted(cli);
}

const struct cli_command cmd_sync = {
	.name = "sync",
	.operands = "VAULT|MOUNTPOINT",
	.summary = "Publish now, and take in what other devices published.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
