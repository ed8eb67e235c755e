/* SPDX-License-Identifier: ISC */
/*
 * What can still be read of packs that are damaged, or are not where they
 * belong, and a pack made anew from it (vault-format/10-ordering.md,
 * Repairing).
 *
 * Every sub-block authenticates by itself, given the announcement: so it does
 * not matter which file it is found in, and a pack of which every record was
 * found somewhere has the bytes it had before.
 */
#ifndef COFFER_STORE_SALVAGE_H
#define COFFER_STORE_SALVAGE_H

#include <limits.h>

#include "store/store.h"

/* Sub-blocks of the longest chunk there can be. */
#define SALVAGE_SUBS_MAX (CHUNK_MAX_BYTES / RECORD_SUB_BYTES)

/* A chunk as far as it was found. */
struct salvaged {
	uint8_t *plain; /* CHUNK_MAX_BYTES of room */
	bool has[SALVAGE_SUBS_MAX];
	uint32_t n_missing; /* of the sub-blocks of its length */
};

/* Forgets what was found; the next chunk has so many bytes. */
void salvage_begin(struct salvaged *c, uint32_t plain_bytes);

/*
 * Fills in what a file, whatever it is, has of record `e` of pack `p`, to be
 * found at its offset.  Gives the number of sub-blocks that were new; -ENOMEM,
 * ERR_NEW_EPOCH (no such key).  What cannot be read is no error.
 */
int salvage_record(struct store *s, int fd, const struct segment_pack *p,
		   const struct pack_entry *e, struct salvaged *c) must_check;
/* Is all of it there, and the chunk of that content id? */
bool salvage_is_whole(struct store *s, const struct segment_pack *p,
		      const struct pack_entry *e, const struct salvaged *c);

/* What a pack says of itself: its header and, authentic, its trailer.  Entries
 * are in fresh memory (*ret_entries); name is zeros.  A negative error if it is
 * no whole trailer of a pack of this vault. */
int salvage_trailer(struct store *s, int fd, uint64_t bytes,
		    uint64_t *ret_writer, struct segment_pack *ret,
		    uint8_t **ret_entries) must_check;

/* ---- making it anew ---- */

struct pack_rebuild; /* not thread-safe */

/* A temporary beside where pack `p` of `writer` belongs, folders made. `p` is
 * borrowed. */
int pack_rebuild_open(struct store *s, uint64_t writer,
		      const struct segment_pack *p,
		      struct pack_rebuild **ret) must_check;
/* The next record, in the order of the announcement. */
int pack_rebuild_add(struct pack_rebuild *w, const struct pack_entry *e,
		     const uint8_t *plain) must_check;
/* A file that may still have the end of the pack as it was: 1 if it has. */
int pack_rebuild_learn_end(struct pack_rebuild *w, int fd,
			   uint64_t bytes) must_check;
/* The end; reads all of it back and checks it against the announcement. */
int pack_rebuild_finish(struct pack_rebuild *w) must_check;
/* Names it, durable; what stood there is put aside (base/replace.h): 1, and its
 * second name; 0. */
int pack_rebuild_publish(struct pack_rebuild *w,
			 char ret_kept[static NAME_MAX + 1]) must_check;
void pack_rebuild_close(struct pack_rebuild *w);

/* Gives the damaged file a second name, durable: 1; 0: there is none. */
int salvage_keep_pack(struct store *s, uint64_t writer,
		      const uint8_t pack[static PACK_NAME_BYTES]) must_check;
/* Has that been done? 1, 0. */
int salvage_is_kept(struct store *s, uint64_t writer,
		    const uint8_t pack[static PACK_NAME_BYTES]) must_check;

/* The file under a pack's name, whatever it is; ERR_MISSING. */
int salvage_stat_pack(struct store *s, uint64_t writer,
		      const uint8_t pack[static PACK_NAME_BYTES],
		      struct stat *ret) must_check;

#endif
