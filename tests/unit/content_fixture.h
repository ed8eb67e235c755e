/* SPDX-License-Identifier: ISC */
/*
 * An opened vault without a journal: index in memory, the true store, stage,
 * cache, nodes and merging.  Its cuts keep what a frame would tell, so that a
 * second vault can be made of that alone.
 */
#ifndef COFFER_TESTS_CONTENT_FIXTURE_H
#define COFFER_TESTS_CONTENT_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store_fixture.h"
#include "vault/content/content_priv.h"
#include "vault/file.h"
#include "vault/tree.h"

struct content_fixture {
	struct vault *v;
	/* What the frames told since the start. */
	struct buf packs, stage;
	atomic_uint n_cuts;
	/* Not tried: an error the next cut's end meets instead. */
	int fail_frame;
};

extern struct content_fixture cf;

struct content_sizes {
	uint32_t chunk_min, chunk_average, chunk_max;
	size_t dirty_bytes, cache_bytes;
};
/* 4, 8 and 16 KiB chunks, 1 MiB of either. */
extern const struct content_sizes tiny_sizes;

void content_make(const struct content_sizes *sizes);
void content_remove(void);
/* For tcase_add_checked_fixture. */
void content_make_tiny(void);

/* All of these must succeed. */
void put(uint64_t ino, uint64_t offset, const void *from, size_t len);
void cut(void);
uint64_t size_of(struct vault *v, uint64_t ino);
uint64_t staged(void);

/* A fresh empty file in the root, held once. */
uint64_t new_file(const char *name);
void check_bytes(struct vault *v, uint64_t ino, const uint8_t *want,
		 size_t size);

/* What was sealed so far is of an older epoch from now on. */
void use_next_epoch(void);

/* As publishing does: what is live in the stage goes into packs, the rest
 * away, and with it the stage's closed files. */
void publish_stage(void);

/* A vault that knows only what the frames told and the operations said; to be
 * freed by free_replayed. */
struct vault *replay(void);
void free_replayed(struct vault *v);

#endif
