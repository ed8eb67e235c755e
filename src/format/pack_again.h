/* SPDX-License-Identifier: ISC */
/*
 * Packs made anew from what their announcement says: the bytes they had
 * (vault-format/10-ordering.md, Repairing).
 */
#ifndef COFFER_FORMAT_PACK_AGAIN_H
#define COFFER_FORMAT_PACK_AGAIN_H

#include "format/pack.h"

/* The bytes a record had before it was damaged: seals what has the content id
 * of `e`, an entry as pack_entry_read gives it, under its R16. */
void record_seal_again(const struct key *k, const struct uuid *vault,
		       enum pack_type type, const struct pack_entry *e,
		       const uint8_t *plain, uint8_t *out);

/* As pack_tail_seal, under an R16 that is known: the bytes there were before. */
int pack_tail_seal_again(const struct key *k_pak, const struct r16 *r16,
			 const uint8_t header[static PACK_HEADER_BYTES],
			 uint64_t body_end, const uint8_t *entries, uint32_t n,
			 struct buf *out, uint64_t *ret_total) must_check;
/* Where nobody knows it any more: one that follows from what is sealed, so
 * that whoever makes the pack anew makes the same bytes. */
void pack_tail_r16(const struct key *hdg,
		   const uint8_t header[static PACK_HEADER_BYTES],
		   const uint8_t *entries, uint32_t n, struct r16 *ret);

#endif
