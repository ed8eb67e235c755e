/* SPDX-License-Identifier: ISC */
/* coffer init: a new vault. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/hex.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/open.h"
#include "cli/recovery_text.h"
#include "cli/signals.h"
#include "vault/slots.h"

enum { KEY_NO_RECOVERY = CLI_KEY_OWN, KEY_RECOVERY_FILE, KEY_DEVICE_NAME };

static bool no_recovery;
static const char *recovery_file, *device_name;

static int option(int key, const char *value)
{
	if (key == KEY_NO_RECOVERY)
		no_recovery = true;
	else if (key == KEY_RECOVERY_FILE)
		recovery_file = value;
	else
		device_name = value;
	return EXIT_DONE;
}

static int tell(const char *path, int err)
{
	switch (err) {
	case -ENOTEMPTY:
		return fail_code(EXIT_FAILED,
				 "cannot make a vault in %s: the folder is not "
				 "empty; name a new one",
				 path);
	case -EEXIST:
		return fail_code(EXIT_FAILED,
				 "cannot make a vault in %s: there is one "
				 "already",
				 path);
	case -ENOTDIR:
		return fail_code(EXIT_FAILED,
				 "cannot make a vault in %s: it is a file, or "
				 "below one; name a folder",
				 path);
	case -ENOENT:
		return fail_code(EXIT_FAILED,
				 "cannot make a vault in %s: the folder above "
				 "it does not exist",
				 path);
	case -ENOSPC:
	case -EDQUOT:
		return fail_code(EXIT_NO_SPACE,
				 "cannot make a vault in %s: no space left",
				 path);
	default:
		return fail_err(err, "cannot make a vault in %s", path);
	}
}

/* What can be known before a passphrase is asked for. */
static int check_place(const char *path)
{
	const struct dirent *e;
	struct stat st;
	DIR *dir;
	int n = 0;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? EXIT_DONE : tell(path, -errno);
	if (!S_ISDIR(st.st_mode))
		return tell(path, -ENOTDIR);
	dir = opendir(path);
	if (!dir)
		return tell(path, -errno);
	while ((e = readdir(dir))) {
		if (strcmp(e->d_name, "VAULT") == 0) {
			closedir(dir);
			return tell(path, -EEXIST);
		}
		n++;
	}
	closedir(dir);
	return n > 2 ? tell(path, -ENOTEMPTY) : EXIT_DONE;
}

static int report_json(const struct vault_options *opts)
{
	struct json j = JSON_INIT(stdout);
	struct uuid uuid;
	int r = vault_peek_uuid(opts, &uuid);

	if (r < 0)
		return open_tell("examine", opts, r, "its header VAULT");
	json_object(&j, NULL);
	json_text(&j, "vault", opts->path);
	json_hex(&j, "uuid", uuid.b, sizeof(uuid.b));
	json_text(&j, "recovery_file", recovery_file);
	json_end_object(&j);
	putchar('\n');
	return EXIT_DONE;
}

static int report(const struct cli *cli, const struct vault_options *opts,
		  const struct secret_buf *words)
{
	int r = 0;

	if (recovery_file)
		r = recovery_save(words, recovery_file);
	else if (!no_recovery)
		r = recovery_show(words);
	if (r < 0)
		return fail_err(r,
				"%s is made, but its recovery key could not be "
				"written%s%s; `coffer key add --new-recovery' "
				"makes another",
				opts->path, recovery_file ? " to " : "",
				recovery_file ? recovery_file : "");
	if (cli->json)
		return report_json(opts);
	if (!cli->quiet)
		printf("%s is a vault now.  Mount it: coffer mount %s "
		       "MOUNTPOINT\n",
		       opts->path, opts->path);
	return EXIT_DONE;
}

static int make(const struct cli *cli, const struct vault_options *opts,
		const struct credential *cred)
{
	const struct vault_init_options init = {
		.device_name = device_name,
		.argon2_ops = cli->kdf_passes,
		.argon2_memory_kib = cli->kdf_memory_kib,
		.no_recovery = no_recovery,
		.uid = geteuid(),
		.gid = getegid(),
	};
	const struct vault_credential view = credential_view(cred);
	auto_secret_buf struct secret_buf words = SECRET_BUF_INIT;
	int r;

	/* Half a vault, or one whose recovery key was not shown, helps
	 * nobody. */
	signals_block();
	r = vault_init(opts, &init, &view, &words);
	r = r < 0 ? tell(opts->path, r) : report(cli, opts, &words);
	signals_unblock();
	return r;
}

static int run(struct cli *cli)
{
	auto_credential struct credential cred = CREDENTIAL_INIT;
	struct vault_options opts = open_options(cli, cli->operands[0]);
	int r;

	if (no_recovery && recovery_file)
		return fail_usage("give one of --no-recovery and "
				  "--recovery-file");
	if (cli->json && !no_recovery && !recovery_file)
		return fail_usage("--json needs --recovery-file or "
				  "--no-recovery: the recovery key is no part "
				  "of a report");
	r = crypto_start();
	if (r < 0)
		return fail_err(r, "cannot start");
	r = check_place(opts.path);
	if (r == EXIT_DONE && recovery_file && access(recovery_file, F_OK) == 0)
		r = fail_err(-EEXIST, "cannot write the recovery key to %s",
			     recovery_file);
	if (r == EXIT_DONE)
		r = credential_read(&cli->pass, PASS_CREATE, opts.path, &cred);
	return r == EXIT_DONE ? make(cli, &opts, &cred) : r;
}

static const struct cli_option options[] = {
	{ KEY_RECOVERY_FILE, "recovery-file", "FILE",
	  "write the recovery key to FILE, not to the terminal" },
	{ KEY_NO_RECOVERY, "no-recovery", NULL, "make no recovery key" },
	{ KEY_DEVICE_NAME, "device-name", "NAME",
	  "call this device NAME (the host's name)" },
	{ 0 },
};

const struct cli_command cmd_init = {
	.name = "init",
	.operands = "VAULT",
	.summary = "Make a vault in a new or empty folder.",
	.groups = CLI_JSON | CLI_UNLOCK | CLI_NEW_COST | CLI_STATE,
	.min_operands = 1,
	.max_operands = 1,
	.options = options,
	.option = option,
	.run = run,
};
