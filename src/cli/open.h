/* SPDX-License-Identifier: ISC */
/* Opening and closing a vault for a command, with every failure told. */
#ifndef COFFER_CLI_OPEN_H
#define COFFER_CLI_OPEN_H

#include <stdbool.h>

#include "cli/cli.h"
#include "crypto/types.h"
#include "vault/vault.h"

/* What the shared options say; the rest may be set by the command. */
struct vault_options open_options(const struct cli *cli, const char *path);

/* Looks at the header without unlocking: absent, no vault, damaged and newer
 * are told here, before a passphrase is asked for.  An exit code. */
int open_peek(const struct vault_options *opts,
	      struct uuid *ret_uuid) must_check;

/* Reads the credential that opens this vault. */
int open_credential(const struct cli *cli, const struct vault_options *opts,
		    struct credential *ret) must_check;

/* All of it: peek, credential, vault_open.  An exit code. */
int open_vault(const struct cli *cli, const struct vault_options *opts,
	       struct vault **ret) must_check;

/* Tells why vault_open, or another call that unlocks, failed; `doing` is
 * "open", "change the keys of" ... */
int open_tell(const char *doing, const struct vault_options *opts, int err,
	      const char *what);

/* Closes; tells and gives the worse of `code` and its own. */
int open_close(struct vault *v, const char *path, int code) must_check;

/* What a command ends with that had to write into a read-only vault: one that
 * an alarm made so is another failure than one nobody may write to. */
int open_read_only_code(struct vault *v) must_check;

/* For a command that cannot work on a mounted vault: EXIT_IN_USE, told, if
 * the vault is mounted.  `instead`: what else may be done, or NULL. */
int open_refuse_mounted(const char *doing, const char *path,
			const char *instead) must_check;

#endif
