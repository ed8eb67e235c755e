/* SPDX-License-Identifier: ISC */
/* The words of `coffer mount -o', as a line of fstab(5) has them. */
#ifndef COFFER_CLI_MOUNT_OPTIONS_H
#define COFFER_CLI_MOUNT_OPTIONS_H

#include "base/err.h"
#include "cli/cli.h"
#include "fuse/session.h"
#include "vault/vault.h"

#define MOUNT_EXTRA_MAX 32

struct mount_options {
	struct session_options session; /* as far as words set it */
	struct vault_options vault;	/* likewise */
	struct pass_sources pass;	/* for a line in fstab */
	const char *state_dir;
	const char *profile; /* its name */
	bool no_sandbox;     /* cli/sandbox.h */
	const char *extra[MOUNT_EXTRA_MAX];
	size_t n_extra;
	/* What the texts above point to; mount_options_release frees it. */
	char *words[MOUNT_EXTRA_MAX + 8];
	size_t n_words;
};

void mount_options_init(struct mount_options *o);
/* Takes a list of words apart: separated by commas, a backslash takes what
 * follows as it is.  An exit code, told.  May be called again. */
int mount_options_parse(struct mount_options *o, const char *list) must_check;
/* The value of quota=, given as `word`.  An exit code, told. */
int mount_options_quota(struct mount_options *o, const char *word,
			const char *value) must_check;
void mount_options_release(struct mount_options *o);

#endif
