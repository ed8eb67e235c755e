/* SPDX-License-Identifier: ISC */
/* What the sources of checking share. */
#ifndef COFFER_VAULT_CHECK_PRIV_H
#define COFFER_VAULT_CHECK_PRIV_H

#include "base/lock.h"
#include "format/segment.h"
#include "vault/care.h"
#include "vault/core.h"

#define CHECK_PATH_BYTES 80
/* Sub-blocks of the longest chunk there can be. */
#define SUB_BLOCKS_MAX (CHUNK_MAX_BYTES / RECORD_SUB_BYTES)

/* Sub-blocks of a chunk that cannot be read from a pack. */
struct bad_range {
	uint64_t chunk, pack; /* their numbers in the index */
	uint32_t first, count;
};

struct checker {
	struct vault *v;
	const struct vault_check_options *opts;
	struct lock lock; /* LOCK_LEAF; guards down to the empty line */
	struct vault_check_result *result;
	uint64_t done, total; /* bytes of packs */
	struct bad_range *bad;
	size_t n_bad, cap_bad;

	struct check_readers *readers; /* NULL: packs are read as they come */
	uint64_t next_ns; /* when the next may be read; with a limit */
	uint8_t *slots; /* names of the slot files that are there */
	size_t n_slots, cap_slots;
};

/* One finding; `why` NULL: the error's sentence. */
void check_tell(struct checker *c, enum vault_finding kind, const char *what,
		int err, const char *why);
int check_add_bad(struct checker *c, const struct bad_range *bad) must_check;

/*
 * Reading packs, by as many threads as the options say: start, then check_pack
 * for each announced, which may wait; finish waits for all and returns the
 * first error.  Finish also without start.
 */
int check_packs_start(struct checker *c) must_check;
int check_pack(struct checker *c, uint64_t writer,
	       const struct segment_pack *p) must_check;
int check_packs_finish(struct checker *c) must_check;

/* Records of the stage, with --read-data. */
int check_stage(struct checker *c) must_check;
/* Every extent names a chunk that is somewhere and not damaged; what is lost,
 * by path. */
int check_references(struct checker *c) must_check;
/* Rows and inodes agree. */
int check_tree(struct checker *c) must_check;

#endif
