/* SPDX-License-Identifier: ISC */
#include "cli/open.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/diag.h"
#include "base/hex.h"
#include "base/mem.h"
#include "cli/mounted.h"
#include "crypto/secret.h"
#include "vault/device.h"
#include "vault/slots.h"

struct vault_options open_options(const struct cli *cli, const char *path)
{
	return (struct vault_options){
		.path = path,
		.state_path = cli->state_dir,
		.no_state = cli->no_state,
	};
}

/* ---------------------------------------------------------------- telling */

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static bool has_header(const char *path)
{
	auto_free char *header = mem_printf("%s/VAULT", path);
	struct stat st;

	return header && lstat(header, &st) == 0;
}

static int tell_absent(const char *doing, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOENT)
		return fail_code(EXIT_NOT_VAULT,
				 "cannot %s %s: there is no such folder; check "
				 "the path, or make a vault with `coffer init'",
				 doing, path);
	return fail_code(EXIT_NOT_VAULT,
			 "cannot %s %s: a part of it is missing; let the sync "
			 "tool finish, or get it back from a backup",
			 doing, path);
}

static int tell_in_use(const char *doing, const struct vault_options *opts)
{
	auto_mounted struct mounted m = MOUNTED_INIT;
	struct uuid uuid;

	if (vault_peek_uuid(opts, &uuid) == 0 &&
	    mounted_find_uuid(&uuid, &m) == 1) {
		if (m.status.mount.closing)
			return fail_code(EXIT_IN_USE,
					 "cannot %s %s: it is being unmounted "
					 "and still publishes; try again in a "
					 "moment",
					 doing, opts->path);
		return fail_code(EXIT_IN_USE,
				 "cannot %s %s: it is mounted on %s; `coffer "
				 "umount' ends that",
				 doing, opts->path, m.status.mount.mountpoint);
	}
	return fail_code(EXIT_IN_USE,
			 "cannot %s %s: another process uses it; wait for it, "
			 "or read with --no-state",
			 doing, opts->path);
}

static int note_damaged(void *arg, const struct vault_slot *s)
{
	struct vault_slot *found = arg;

	if (s->error && s->error != ERR_NEWER)
		*found = *s;
	return 0;
}

/* Nothing fits: because the slot that would is damaged? */
static int tell_no_fit(const char *doing, const struct vault_options *opts,
		       int err, const char *text)
{
	struct vault_slot damaged = { 0 };
	char hex[2 * SLOT_NAME_BYTES + 1];

	if (vault_peek_slots(opts, note_damaged, &damaged) < 0 ||
	    !damaged.error)
		return fail_code(exit_code_of(err), "cannot %s %s: %s", doing,
				 opts->path, text);
	hex_encode(damaged.name, sizeof(damaged.name), hex);
	if (err == ERR_NO_SLOT)
		return fail_code(EXIT_DAMAGE,
				 "cannot %s %s: no whole key slot takes such a "
				 "credential, and k/%s is damaged; get it back "
				 "from the sync tool's history or a backup",
				 doing, opts->path, hex);
	return fail_code(exit_code_of(err),
			 "cannot %s %s: wrong passphrase or key, or it is that "
			 "of the slot k/%s, which is damaged",
			 doing, opts->path, hex);
}

/* Failures that mean the same whatever was being done, with what to do next.
 * NULL: none of them. */
static const char *advice(int err)
{
	switch (err) {
	case ERR_WRONG_KEY:
		return "wrong passphrase or key; check the keyboard's layout, "
		       "or use --recovery";
	case ERR_NO_SLOT:
		return "no key slot takes such a credential; `coffer key "
		       "list' shows what there is";
	case ERR_NOT_VAULT:
		return "not a vault (there is no file VAULT in it); check the "
		       "path, or make one with `coffer init'";
	case ERR_NEWER:
		return "its format is newer than this program; install a newer "
		       "coffer";
	case ERR_MISSING:
		return "a file it needs is missing; let the sync tool finish, "
		       "or run `coffer check'";
	case ERR_ROLLED_BACK:
		return "it is older than what this device has seen: files were "
		       "removed or put back; let the sync tool finish, or get "
		       "them back, or `coffer device accept' it as it is";
	case ERR_FORKED:
		return "two histories of one device exist; `coffer device "
		       "list' names them, `coffer device accept' takes part in "
		       "what all agree on";
	case ERR_KDF_LIMIT:
		return "a key slot asks for more memory or time than is "
		       "allowed; it may be forged";
	case -ENOSPC:
	case -EDQUOT:
		return "no space left; free some, nothing older was harmed";
	case -ENOTDIR:
		return "it is no folder; name the folder with the file VAULT";
	default:
		return NULL;
	}
}

int open_tell(const char *doing, const struct vault_options *opts, int err,
	      const char *what)
{
	const char *text;
	int code;

	if (err == ERR_NOT_VAULT && is_file(opts->path))
		err = -ENOTDIR;
	if (opts->lock_memory &&
	    (err == -EPERM || err == -ENOMEM || err == -EAGAIN))
		return fail_code(
			EXIT_FAILED,
			"cannot %s %s: there is not enough memory that "
			"may be locked; raise ulimit -l, make cache= "
			"smaller, or leave mlock out",
			doing, opts->path);
	text = advice(err);
	code = err == -ENOTDIR ? EXIT_NOT_VAULT : exit_code_of(err);
	if (err == ERR_NO_SLOT || err == ERR_WRONG_KEY)
		return tell_no_fit(doing, opts, err, text);
	if (err == -ENOENT)
		return tell_absent(doing, opts->path);
	if (err == ERR_IN_USE)
		return tell_in_use(doing, opts);
	if (err == ERR_DAMAGED || err == ERR_MALFORMED || err == ERR_BAD_SEAL)
		return fail_code(EXIT_DAMAGE,
				 "cannot %s %s: %s is damaged; get it back "
				 "from the sync tool's history or a backup",
				 doing, opts->path, what ? what : "it");
	if (err == ERR_NOT_VAULT && has_header(opts->path))
		return fail_code(EXIT_NOT_VAULT,
				 "cannot %s %s: not a vault (its file VAULT "
				 "does not begin as a header does); check the "
				 "path, or get VAULT back from a backup",
				 doing, opts->path);
	if (text)
		return fail_code(code, "cannot %s %s: %s", doing, opts->path,
				 text);
	return fail_err(err, "cannot %s %s", doing, opts->path);
}

/* ---------------------------------------------------------------- opening */

int open_peek(const struct vault_options *opts, struct uuid *ret_uuid)
{
	int r = crypto_start();

	if (r == 0)
		r = vault_peek_uuid(opts, ret_uuid);
	if (r < 0)
		return open_tell("open", opts, r, "its header VAULT");
	return EXIT_DONE;
}

static int note_type(void *arg, const struct vault_slot *s)
{
	unsigned *types = arg;

	if (!s->error)
		*types |= 1U << s->info.type;
	return 0;
}

/* Key files come with or without a passphrase: where the options do not say,
 * the slots do. */
static int settle_sources(const struct vault_options *opts,
			  struct pass_sources *s)
{
	unsigned types = 0;
	int r;

	if (!s->key_file || s->no_passphrase || s->has_fd || s->file ||
	    s->command)
		return EXIT_DONE;
	r = vault_peek_slots(opts, note_type, &types);
	if (r < 0)
		return open_tell("open", opts, r, "a key slot");
	s->no_passphrase = types & 1U << SLOT_KEY_FILE &&
			   !(types & 1U << SLOT_KEY_FILE_AND_PASSPHRASE);
	return EXIT_DONE;
}

int open_credential(const struct cli *cli, const struct vault_options *opts,
		    struct credential *ret)
{
	struct pass_sources s = cli->pass;
	int r = settle_sources(opts, &s);

	if (r == EXIT_DONE)
		r = credential_read(&s, PASS_OPEN, opts->path, ret);
	if (r == EXIT_DONE && !secret_is_locked())
		diag(DIAG_WARNING, "memory cannot be locked: keys may reach "
				   "swap (ulimit -l)");
	return r;
}

int open_vault(const struct cli *cli, const struct vault_options *opts,
	       struct vault **ret)
{
	auto_credential struct credential cred = CREDENTIAL_INIT;
	struct vault_credential view;
	const char *what = NULL;
	struct uuid uuid;
	int r = open_peek(opts, &uuid);

	if (r == EXIT_DONE)
		r = open_credential(cli, opts, &cred);
	if (r != EXIT_DONE)
		return r;
	view = credential_view(&cred);
	r = vault_open(opts, &view, &what, ret);
	return r < 0 ? open_tell("open", opts, r, what) : EXIT_DONE;
}

int open_close(struct vault *v, const char *path, int code)
{
	int r = vault_close(v);

	if (r == 0)
		return code;
	if (r == -ENOSPC || r == -EDQUOT)
		return exit_code_worse(
			code,
			fail_code(EXIT_NO_SPACE,
				  "cannot publish all of %s: no space left; "
				  "what was done is kept in the local state, "
				  "free some space and run `coffer sync'",
				  path));
	return exit_code_worse(code, fail_err(r, "cannot close %s", path));
}

int open_refuse_mounted(const char *doing, const char *path,
			const char *instead)
{
	auto_mounted struct mounted m = MOUNTED_INIT;

	if (mounted_find_vault(path, &m) != 1)
		return EXIT_DONE;
	return fail_code(EXIT_IN_USE,
			 "cannot %s %s: it is mounted on %s; `coffer umount' "
			 "ends that%s",
			 doing, path, m.status.mount.mountpoint,
			 instead ? instead : "");
}

int open_read_only_code(struct vault *v)
{
	int err = vault_alarm_error(v);

	return err < 0 ? exit_code_of(err) : EXIT_FAILED;
}
