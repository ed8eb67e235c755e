/* SPDX-License-Identifier: ISC */
/* The files of a vault, whether it is mounted or not. */
#ifndef COFFER_CLI_INSIDE_H
#define COFFER_CLI_INSIDE_H

#include <stdbool.h>

#include "cli/cli.h"
#include "cli/files.h"
#include "cli/json.h"
#include "cli/mounted.h"

struct inside {
	struct files files;
	struct vault *vault;	/* opened by us; NULL: mounted */
	struct mounted mounted; /* if vault is NULL */
	const char *path;	/* of the vault; borrowed */
};

/* Opens a vault, or finds where it is mounted.  An exit code, told. */
int inside_open(const struct cli *cli, const char *path, bool write,
		struct inside *ret) must_check;
/* Publishes what was written; gives the worse of `code` and its own. */
int inside_close(struct inside *in, int code) must_check;

/* files_walk and files_stat of a path in it, told; also absence. */
int inside_find(struct inside *in, const char *path, struct files_at *ret_dir,
		char **ret_name, struct files_stat *ret) must_check;

/* One entry as `ls' and `stat' show it: members of an open object. */
int inside_put_json(struct json *j, struct files *f, struct files_at dir,
		    const char *name, const struct files_stat *st) must_check;

/* A name as people see it: control characters of terminals do not pass. */
void inside_print_name(const char *name);

#endif
