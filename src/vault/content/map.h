/* SPDX-License-Identifier: ISC */
/*
 * What a range of a file consists of, its layers first, then the rows of the
 * index.  Internal to vault.
 */
#ifndef COFFER_VAULT_CONTENT_MAP_H
#define COFFER_VAULT_CONTENT_MAP_H

#include <stdint.h>

#include "base/err.h"
#include "vault/content/file_table.h"
#include "vault/core.h"

enum map_kind {
	MAP_ZERO,
	MAP_BYTES, /* dirty or inline data */
	MAP_CHUNK,
};

struct map_part {
	uint64_t offset, length; /* in the file */
	enum map_kind kind;
	const uint8_t *bytes; /* MAP_BYTES: during the call */
	uint64_t chunk;	      /* MAP_CHUNK: its number */
	uint32_t chunk_offset;
	const struct run
		*run; /* that part of a run, as run_part gives it; NULL:
				  a row, or nothing */
};

/* Non-zero ends the walk and is returned. */
typedef int map_fn(void *arg, const struct map_part *part);

/* Parts of [from, to), ascending, without gap.  The file's lock and the index
 * lock are held; fn must not change the layers, nor rows. */
int map_walk(struct vault *v, const struct file *f, uint64_t from, uint64_t to,
	     map_fn *fn, void *arg) must_check;

#endif
