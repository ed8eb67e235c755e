/* SPDX-License-Identifier: ISC */
/* What `put' and `get' share: one copying run and its account. */
#ifndef COFFER_CLI_TRANSFER_H
#define COFFER_CLI_TRANSFER_H

#include <stdbool.h>

#include "cli/cli.h"
#include "cli/copy.h"
#include "cli/inside.h"

/* Where copies go: into a directory that is there, or under a new name. */
struct transfer_target {
	struct files_at dir;
	char *path; /* of dir, from the root of its tree; owned */
	char *name; /* the new name; NULL: under the source's; owned */
};

#define TRANSFER_TARGET_INIT                                                   \
	{                                                                      \
		.dir = FILES_AT_INIT                                           \
	}
void transfer_target_release(struct files *f, struct transfer_target *t);

/*
 * Settles where copies to `path` of `f` go: as cp(1), into it if it is a
 * folder, else, for one source only, under that name in the folder above.
 * `shown` is what the user called the tree.  An exit code, told.
 */
int transfer_aim(struct files *f, const char *path, const char *shown,
		 int n_sources, struct transfer_target *ret) must_check;

/* Copies one source; false: no use in going on. */
bool transfer_one(struct copy *c, const struct copy_end *from,
		  const struct transfer_target *to);

/* Options of both commands. */
enum { TRANSFER_PRIVILEGES = CLI_KEY_OWN };
extern const struct cli_option transfer_options[];
int transfer_option(int key, const char *value);

/* Starts: signals are noted from here on, so that nothing is left behind. */
int transfer_begin(const struct cli *cli, struct files *from, struct files *to,
		   const char *doing, const struct inside *in,
		   struct copy **ret) must_check;
/* Prints the account; gives the exit code. */
int transfer_end(const struct cli *cli, struct copy *c);

#endif
