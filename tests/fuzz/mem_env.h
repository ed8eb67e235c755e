/* SPDX-License-Identifier: ISC */
/*
 * A disk in memory behind a struct env: folders, files, descriptors.  It can
 * be copied as it stands, lose whoever uses it at a given call, and show its
 * files to whoever wants to damage them.  Thread-safe but for copying.
 */
#ifndef COFFER_TESTS_MEM_ENV_H
#define COFFER_TESTS_MEM_ENV_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/env.h"

#define MEM_FDS_MAX 256
/* Descriptors are numbered from here: none is one of the process's own. */
#define MEM_FD_BASE 1000000

struct mem_node;

struct mem_env {
	struct env env; /* first */
	pthread_mutex_t lock; /* guards what follows */
	struct mem_node *root;
	struct mem_node *fds[MEM_FDS_MAX];
	bool locked[MEM_FDS_MAX];
	unsigned n_open;
	uint64_t next_ino;
	/* Changes that are still done; 0: it is dead, and everything fails
	 * with -EIO but closing.  MEM_FOREVER: no end. */
	uint64_t n_left;
	uint64_t free_blocks; /* of 4096, as statvfs says */
};
#define MEM_FOREVER UINT64_MAX

/* Empty. */
void mem_env_init(struct mem_env *m);
void mem_env_release(struct mem_env *m);
/* `to` becomes a copy of what stands in `from`; what it held is released.  It
 * must have nothing open. */
void mem_env_copy(const struct mem_env *from, struct mem_env *to);
/* Whoever used it is gone: closes everything, and works again. */
void mem_env_revive(struct mem_env *m);

/* Opens a folder, made if absent: its descriptor. */
int mem_env_folder(struct mem_env *m, const char *path);

/* A file at a path of folders, made if absent. */
void mem_env_put(struct mem_env *m, const char *path, const void *data,
		 size_t len);

/* Regular files with bytes, in a fixed order; the bytes may be changed, and
 * cut off by setting b->len. */
unsigned mem_env_count_files(struct mem_env *m);
struct buf *mem_env_file(struct mem_env *m, unsigned i);
/* Removes that file. */
void mem_env_remove_file(struct mem_env *m, unsigned i);

#endif
