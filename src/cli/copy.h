/* SPDX-License-Identifier: ISC */
/*
 * Copies between two trees of files, with modes, times, links, extended
 * attributes and holes, and owners where root copies.
 *
 * A file appears under its name when it is complete: on the disk it is written
 * beside and renamed.  What fails is told, and the rest goes on; a full disk
 * and a signal end it.
 */
#ifndef COFFER_CLI_COPY_H
#define COFFER_CLI_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/files.h"

struct copy_options {
	struct files *from, *to;
	const char *doing; /* "putting" */
	bool replace;	   /* files that stand in the way */
	/* Devices, set-user-ID, and attributes that give privileges: only
	 * from a tree that is trusted. */
	bool privileges;
	/* Directories never copied: a vault into itself. */
	struct files_stat skip[2];
	unsigned n_skip;
};

struct copy_totals {
	uint64_t n_files, n_bytes, n_failed, n_skipped, n_lost_attributes;
};

struct copy;

/* The options are copied, what they point to is borrowed. */
int copy_new(const struct copy_options *opts, struct copy **ret) must_check;
void copy_free(struct copy *c);

/* One end of a copy: an entry of an open directory.  `shown` is its path for
 * the user; `path` the same from the root of its tree. */
struct copy_end {
	struct files_at dir;
	const char *name; /* "." : the directory itself */
	const char *path;
	const char *shown;
};

/* Copies an entry and all below it.  What went wrong is told; false: there is
 * no use in going on. */
bool copy_item(struct copy *c, const struct copy_end *from,
	       const struct copy_end *to);

/* The exit code of all so far. */
int copy_code(const struct copy *c);
void copy_get_totals(const struct copy *c, struct copy_totals *ret);

#endif
