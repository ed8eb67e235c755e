/* SPDX-License-Identifier: ISC */
/*
 * Snapshot manifests: `w/<writer>/m/<10-digit number>-<first 8 bytes of
 * BLAKE2b-256>` (vault-format/15-snapshots.md): up to where the state goes that
 * the shards hold, and in which packs they stand.
 */
#ifndef COFFER_FORMAT_SNAPSHOT_H
#define COFFER_FORMAT_SNAPSHOT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "crypto/keys.h"
#include "format/pack.h"
#include "format/segment.h"

#define SNAPSHOT_BODY_MAX (16u * 1024 * 1024)
#define SNAPSHOT_FILE_MAX                                                      \
	(SEGMENT_HEADER_BYTES + SNAPSHOT_BODY_MAX +                            \
	 SNAPSHOT_BODY_MAX / SEGMENT_SUB_BYTES * TAG_BYTES)
#define SNAPSHOT_MAX_PACKS 4096u
#define SNAPSHOT_MAX_SHARDS 131072u
#define SNAPSHOT_HEAD_BYTES 48u
#define SNAPSHOT_PACK_BYTES 40u
#define SNAPSHOT_SHARD_BYTES 72u

/* Up to where the log of one writer is in it. */
struct snapshot_head {
	uint64_t writer, seq;
	struct file_hash head;
};

/* A pack of the manifest's own writer. */
struct snapshot_pack {
	uint8_t name[PACK_NAME_BYTES];
	uint64_t size;
	uint32_t epoch;
	struct key_id8 key_id;
};

struct snapshot_shard {
	uint32_t pack; /* its place in the list */
	struct pack_entry entry;
};

/* Lists are encoded bytes, checked (open) or to be written as they are (seal). */
struct snapshot_body {
	uint64_t state_bytes;
	struct file_hash state; /* of all of it */
	uint32_t n_heads, n_packs, n_shards;
	struct cursor heads, packs, shards;
};

void snapshot_head_put(struct buf *b, const struct snapshot_head *h);
void snapshot_head_read(struct cursor *c, struct snapshot_head *ret);
void snapshot_pack_put(struct buf *b, const struct snapshot_pack *p);
void snapshot_pack_read(struct cursor *c, struct snapshot_pack *ret);
void snapshot_shard_put(struct buf *b, const struct snapshot_shard *s);
/* Checks the entry, as pack_entry_read. */
int snapshot_shard_read(struct cursor *c, struct snapshot_shard *ret)
	must_check;

/* Appends the file to ret_file; h->seq is the manifest's number.  What
 * snapshot_open would reject is not written. */
int snapshot_seal(const struct epoch_keys *k, struct segment_header *h,
		  const struct snapshot_body *body,
		  struct buf *ret_file) must_check;
/* Clear header of a file of file_bytes, as segment_header_decode. */
int snapshot_header_decode(const uint8_t in[static SEGMENT_HEADER_BYTES],
			   uint64_t file_bytes,
			   struct segment_header *ret) must_check;
/* Authenticates all of it and checks every list.  `plain`: body_bytes of room;
 * ret points into it. */
int snapshot_open(const struct epoch_keys *k, const uint8_t *file,
		  uint64_t file_bytes, const struct segment_header *h,
		  uint8_t *plain, struct snapshot_body *ret) must_check;

#endif
