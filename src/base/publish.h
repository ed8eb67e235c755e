/* SPDX-License-Identifier: ISC */
/*
 * Publishing one file: complete, durable, under a name never used before
 * (vault-format/10-ordering.md).
 *
 * publish_begin -> pwrite to .fd as wished -> publish_commit or
 * publish_abort.  Unnamed temporary (O_TMPFILE, 0600) in the target
 * directory -> write -> fsync -> linkat -> fsync of the directory.  Where
 * O_TMPFILE is missing: `~<32 hex>` beside the target, renamed without
 * replacing.
 */
#ifndef COFFER_BASE_PUBLISH_H
#define COFFER_BASE_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"
#include "base/err.h"

#define PUBLISH_TEMP_NAME_LEN 33 /* '~' and 32 hex digits */

struct publish {
	struct env *env;
	int dirfd; /* borrowed: must outlive the publish */
	int fd;	   /* open for reading and writing; -1 when over */
	char temp[PUBLISH_TEMP_NAME_LEN + 1]; /* empty with O_TMPFILE */
};

#define PUBLISH_INIT { .fd = -1, .dirfd = -1 }

int publish_begin(struct env *env, int dirfd, struct publish *ret_p) must_check;

/* Makes the bytes durable without a name yet.  After a failure: abort. */
int publish_sync(struct publish *p) must_check;

/*
 * Durable and named on return 0; syncs first unless publish_sync was called
 * (`synced`).  If `name` stands already: equal bytes are success; others give
 * ERR_STRANGER and change nothing.  The publish is over either way.
 */
int publish_commit(struct publish *p, const char *name, bool synced) must_check;

/* Closes and removes the temporary.  Harmless after commit or PUBLISH_INIT. */
void publish_abort(struct publish *p);

/* All of the above for bytes in memory. */
int publish_bytes(struct env *env, int dirfd, const char *name,
		  const void *data, size_t len) must_check;

/* What stands under `name`: 0 if it has these bytes; ERR_STRANGER if others, or
 * if it is no file; -ENOENT. */
int publish_compare(struct publish *p, const char *name) must_check;
/* A name for a temporary that has none, in .temp; it is not given yet. */
int publish_draw_temp(struct publish *p) must_check;

/* Is this a name only publish_begin makes? */
bool publish_is_temp_name(const char *name);

#endif
