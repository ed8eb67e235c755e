/* SPDX-License-Identifier: ISC */
#include "vault/packs/announced.h"

#include "base/cursor.h"
#include "index/index_kv.h"
#include "vault/core.h"

/* Name of an own pack -> seq of the segment that announced it. */
#define ANNOUNCED_TABLE "pack-seq"

int announced_note(struct vault *v, uint64_t seq,
		   const uint8_t pack[static PACK_NAME_BYTES])
{
	uint8_t rec[8];

	le64_put(rec, seq);
	return index_value_put(v->index, ANNOUNCED_TABLE, pack,
			       PACK_NAME_BYTES, rec, sizeof(rec));
}

int announced_get(struct vault *v, const uint8_t pack[static PACK_NAME_BYTES],
		  uint64_t *ret_seq)
{
	const uint8_t *rec;
	size_t bytes;
	int r = index_value_get(v->index, ANNOUNCED_TABLE, pack,
				PACK_NAME_BYTES, &rec, &bytes);

	if (r <= 0)
		return r;
	if (bytes != 8)
		return ERR_BAD_INDEX;
	*ret_seq = le64_get(rec);
	return 1;
}
