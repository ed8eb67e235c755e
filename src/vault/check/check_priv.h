/* SPDX-License-Identifier: ISC */
/* What the sources of checking share. */
#ifndef COFFER_VAULT_CHECK_CHECK_PRIV_H
#define COFFER_VAULT_CHECK_CHECK_PRIV_H

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
	bool is_waiting; /* the pack may still arrive */
	bool is_needed;	 /* by a file that shows; set by check_mark_needed */
};

/* A pack that is damaged or missing, for a repair. */
struct bad_pack {
	struct bad_pack *next;
	uint64_t writer;
	uint64_t pack; /* its number in the index; 0: not there */
	int err;
	bool is_waiting;
	bool is_doubtful; /* kept by a repair: not told yet */
	struct segment_pack p; /* its entries follow */
};

/* Bytes an inode loses, and where the first of them is. */
struct loss {
	uint64_t ino, bytes, first;
	uint64_t waiting; /* of them in packs that may still arrive */
};

struct loss_list {
	struct loss *l; /* owned; as the index has the inodes */
	size_t n, cap;
};

struct checker {
	struct vault *v;
	const struct vault_check_options *opts;
	struct lock lock; /* LOCK_LEAF; guards down to the empty line */
	struct vault_check_result *result;
	uint64_t done, total; /* bytes of packs */
	struct bad_range *bad;
	size_t n_bad, cap_bad;
	struct bad_pack *bad_packs; /* owned; doubtful, or for a repair */
	size_t n_doubtful;

	struct check_state *state; /* NULL: nothing is kept */
	struct check_readers *readers; /* NULL: packs are read as they come */
	uint64_t next_ns; /* when the next may be read; with a limit */
	uint8_t *slots; /* names of the slot files that are there */
	size_t n_slots, cap_slots;
	uint64_t own; /* the device's number; 0: unknown */

	/* What was found of bad packs, by pack. */
	struct bad_range *found;
	size_t n_found;
	struct loss_list losses;
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
/* Is nothing that is damaged of a pack needed by a file that shows?  c->found is
 * by pack, c->bad what no pack has, marked. */
bool check_is_given_up(const struct checker *c, const struct bad_pack *b);
/* Tells of those that waited for this to be known; those given up go. */
void check_tell_doubtful(struct checker *c);
void check_pack_path(uint64_t writer, const uint8_t *name,
		     char to[static CHECK_PATH_BYTES]);

/* From c->bad, by pack, to what no pack has, by chunk; and what it costs. */
int check_find_losses(struct checker *c, struct loss_list *ret) must_check;
/* The same again, c->bad being by chunk; of files that show it marks what they
 * need. */
int check_mark_needed(struct checker *c) must_check;
/* The parts of a file that cannot be read, ascending; `waiting`: also those that
 * may still arrive.  `ret_rest`: what else it needs of the same chunks. */
struct lost_part {
	uint64_t offset, length;
};
struct lost_parts {
	struct lost_part *p; /* owned */
	size_t n, cap;
};
int check_lost_parts(struct checker *c, uint64_t ino, bool waiting,
		     struct lost_parts *ret,
		     struct lost_parts *ret_rest) must_check;
/* Tells of an inode under every name it has: how many; *ret_n (may be NULL). */
int check_tell_paths(struct checker *c, uint64_t ino, enum vault_finding kind,
		     int err, const char *why, uint64_t *ret_n) must_check;

/* Every extent names a chunk that is somewhere and not damaged; what is lost,
 * by path. */
int check_references(struct checker *c) must_check;
/* Rows and inodes agree. */
int check_tree(struct checker *c) must_check;

#endif
