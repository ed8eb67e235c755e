/* SPDX-License-Identifier: ISC */
/*
 * Packs as the index knows them: announced, here or not, dropped
 * (vault-format/06-packs.md, 07-segments.md).  Internal to vault; every
 * function needs the index lock.
 */
#ifndef COFFER_VAULT_PACKS_PACKS_H
#define COFFER_VAULT_PACKS_PACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/segment.h"
#include "index/index_chunk.h"
#include "vault/core.h"

/* Flags of struct index_pack. */
/* Every record's content id was recomputed here; own packs have it from the
 * start.  Of a pack without it no chunk is referred to again. */
#define PACK_FLAG_WHOLE 1u
/* Announced, and not in the vault when last looked. */
#define PACK_FLAG_ABSENT 2u

/*
 * A pack and its chunks enter the index; of one of metadata the entries are
 * not looked at.  A chunk that already has a place in
 * a pack that is here keeps it.  Known packs are left alone.
 */
int packs_announce(struct vault *v, uint64_t writer,
		   const struct segment_pack *p, uint32_t flags) must_check;
/* The same without the index lock held: it is taken for a slice at a time, so
 * that calls need not wait for all of a large pack. */
int packs_announce_slowly(struct vault *v, uint64_t writer,
			  const struct segment_pack *p, uint32_t flags)
	must_check;
/* The row of a stage file, made if need be. */
int packs_stage_row(struct vault *v, uint64_t file, uint64_t *ret_pack)
	must_check;
/* A stage record found in the journal.  A chunk that is in a pack stays there if
 * `is_packed` says that the stage may have been packed into it; into any other
 * it was stored again, since that one could not be relied on. */
typedef bool packs_is_packed_fn(const void *arg,
				const uint8_t name[static PACK_NAME_BYTES]);
int packs_add_staged(struct vault *v, uint64_t file,
		     const struct pack_entry *e, packs_is_packed_fn *is_packed,
		     const void *arg) must_check;

/* The nth other pack, from 0, that is announced to hold a chunk: 1; 0: there are
 * no more. */
int packs_other_place(struct vault *v, const struct content_id *id, unsigned n,
		      struct index_chunk *ret_place,
		      struct index_pack *ret_pack) must_check;

/* PACK DROP in segment `seq` of the pack's writer: its chunks go, or are found
 * in another pack. */
int packs_drop(struct vault *v, uint64_t writer, uint64_t seq,
	       const uint8_t name[static PACK_NAME_BYTES]) must_check;
/* Was it dropped? 1, with the segment in *ret_seq (may be NULL); 0. */
int packs_is_dropped(struct vault *v, uint64_t writer,
		     const uint8_t name[static PACK_NAME_BYTES],
		     uint64_t *ret_seq) must_check;
/* Takes a stage file's row away; chunks still in it must be dead. */
int packs_forget_stage(struct vault *v, uint64_t pack) must_check;

#endif
