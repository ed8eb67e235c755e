/* SPDX-License-Identifier: ISC */
/*
 * The index's chunks and packs.  As index/index.h in everything.
 *
 * A pack's live and total bytes follow from its chunks; the index keeps them.
 */
#ifndef COFFER_INDEX_INDEX_CHUNK_H
#define COFFER_INDEX_INDEX_CHUNK_H

#include "format/pack.h"
#include "index/index.h"

/* ---- chunks: number <-> content id, place ---- */
struct index_chunk {
	uint64_t chunk; /* from 1; never given twice while the index is open */
	struct content_id id;
	uint64_t refs; /* extents that name it: a hint for collecting */
	uint64_t pack; /* number of its pack or stage file; 0: nowhere */
	struct pack_entry entry;
	uint64_t stamp; /* of the last change of refs, or of its adding */
};

int index_chunk_find(struct index *ix, const struct content_id *id,
		     struct index_chunk *ret) must_check;
int index_chunk_get(struct index *ix, uint64_t chunk, struct index_chunk *ret)
	must_check;
/*
 * Adds a chunk (with no refs) or gives a known one (by c->id) another place
 * (leaving its refs alone).  Reads id, pack and entry but for entry.id; sets
 * c->chunk.
 */
int index_chunk_place(struct index *ix, struct index_chunk *c) must_check;
/* What the stamp of chunks is that are added, or whose refs change, from now on;
 * not kept over a closing. */
void index_chunk_set_stamp(struct index *ix, uint64_t stamp);
/* Adds to refs, never below 0; of an unknown chunk does nothing. */
int index_chunk_ref(struct index *ix, uint64_t chunk, int delta) must_check;
int index_chunk_delete(struct index *ix, uint64_t chunk) must_check;
/* Chunks of a pack, ascending by offset; fn places and deletes none. */
typedef int index_chunk_fn(void *arg, const struct index_chunk *c);
int index_chunk_each_of_pack(struct index *ix, uint64_t pack,
			     index_chunk_fn *fn, void *arg) must_check;

/* ---- packs and stage files ---- */
struct index_pack {
	uint64_t pack; /* number, from 1; never given twice */
	bool is_stage;
	uint64_t stage_file;
	uint64_t writer;
	uint8_t name[PACK_NAME_BYTES];
	uint64_t size;
	uint32_t epoch;
	struct key_id8 key_id;
	enum pack_type type;
	uint32_t n_entries;
	uint64_t live_bytes;  /* stored bytes of chunks with refs > 0: a hint */
	uint64_t total_bytes; /* stored bytes of all chunks placed in it */
	uint32_t flags;	      /* the vault's */
};

int index_pack_get(struct index *ix, uint64_t pack, struct index_pack *ret)
	must_check;
int index_pack_find(struct index *ix, uint64_t writer,
		    const uint8_t name[static PACK_NAME_BYTES],
		    struct index_pack *ret) must_check;
int index_pack_find_stage(struct index *ix, uint64_t stage_file,
			  struct index_pack *ret) must_check;
/*
 * Sets p->pack; live_bytes and total_bytes are not read and begin at 0.
 * -EEXIST if the stage file, or the writer's pack of that name, is known.
 */
int index_pack_add(struct index *ix, struct index_pack *p) must_check;
int index_pack_set_flags(struct index *ix, uint64_t pack, uint32_t flags)
	must_check;
/* -ENOTEMPTY unless its chunks are gone or placed elsewhere. */
int index_pack_delete(struct index *ix, uint64_t pack) must_check;
/* The sum of live_bytes, and plain bytes of chunks with refs > 0 that are
 * nowhere.  Walks them the first time only. */
int index_used_bytes(struct index *ix, uint64_t *ret) must_check;
/* Ascending by number. */
typedef int index_pack_fn(void *arg, const struct index_pack *p);
int index_pack_each(struct index *ix, index_pack_fn *fn, void *arg) must_check;

#endif
