/* SPDX-License-Identifier: ISC */
/*
 * A disk that loses its power: it works on the real one and remembers, for
 * every file and folder, what a sync has made durable and what came since.  At
 * any moment it makes an image that a crash could leave (Pillai et al.: All
 * File Systems Are Not Created Equal, OSDI 2014, section 2):
 *
 * - of each file's writes and truncations since its last sync all, none, the
 *   first few with the last one torn at 512 or 4096 bytes, any of them, or any
 *   sectors of them;
 * - of each folder's names since its last sync the first few, or any,
 *   whatever other folders and the files themselves kept; a rename within one
 *   folder is one change.
 *
 * One such disk at a time.  Files are told apart by their inode numbers, so
 * the tree must not be changed behind its back but by power_env_adopt.
 */
#ifndef COFFER_TESTS_POWER_ENV_H
#define COFFER_TESTS_POWER_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"

struct power_env {
	struct env env; /* first */
	char top[512];	/* absolute path of the tree */
	/* Before each sync takes effect. */
	void (*on_sync)(struct power_env *p);
	/* A file gets the name dir/name; has_all: all its bytes are durable. */
	void (*on_named)(struct power_env *p, const char *dir,
			 const char *name, bool has_all);
	/* A name goes, or another file takes it. */
	void (*on_gone)(struct power_env *p, const char *dir,
			const char *name);
	unsigned long n_syncs;
};

/* The tree as it stands is durable. */
void power_env_init(struct power_env *p, const char *top);
void power_env_release(struct power_env *p);

/* What stands there and is not known was put there, durable, by somebody
 * else. */
void power_env_adopt(struct power_env *p);

/* Has everything below this folder (a path in the tree) a durable name there
 * and durable bytes?  What is not there has. */
bool power_env_is_durable(struct power_env *p, const char *path);

/* Makes the folder `to` (absolute, absent) hold an image; another seed, another
 * choice of what was lost: 0 loses everything that may be lost. */
void power_env_image(struct power_env *p, const char *to, uint64_t seed);

/* Ends the program. */
_Noreturn void power_die(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
