/* SPDX-License-Identifier: ISC */
/*
 * Log segments: `w/<writer>/l/<10-digit seq>-<first 8 bytes of BLAKE2b-256>`
 * (vault-format/07-segments.md).
 */
#ifndef COFFER_FORMAT_SEGMENT_H
#define COFFER_FORMAT_SEGMENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "crypto/keys.h"
#include "crypto/types.h"
#include "format/ids.h"
#include "format/pack.h"

#define SEGMENT_HEADER_BYTES 96u
#define SEGMENT_SUB_BYTES 65536u
#define SEGMENT_BODY_MAX (64u * 1024 * 1024)
#define SEGMENT_FILE_MAX                                                       \
	(SEGMENT_HEADER_BYTES + SEGMENT_BODY_MAX +                             \
	 SEGMENT_BODY_MAX / SEGMENT_SUB_BYTES * TAG_BYTES)
#define SEGMENT_MAX_OPS 1048576u
#define SEGMENT_MAX_PACKS 1024u
#define SEGMENT_MAX_REQUIRED 65536u
#define SEGMENT_MAX_WRITERS 1024u
#define SEGMENT_SEQ_MAX UINT64_C(9999999999)
#define SEGMENT_NAME_LEN (10 + 1 + 16)

struct segment_header {
	uint32_t epoch;
	struct uuid vault;
	uint64_t writer;
	uint64_t seq;
	struct r16 r16;
	struct key_id8 key_id;
	uint64_t body_bytes; /* with padding */
};

struct segment_vv {
	uint64_t writer;
	uint64_t context; /* segments applied */
	uint64_t ack;	  /* of those, up to where all packs are here */
	struct file_hash head;
};

struct segment_pack {
	uint8_t name[PACK_NAME_BYTES];
	uint64_t size;
	uint32_t epoch;
	struct key_id8 key_id;
	enum pack_type type;
	uint32_t n_entries;
	const uint8_t *entries; /* encoded, n_entries * PACK_ENTRY_BYTES */
};

struct segment_required {
	uint64_t writer;
	uint8_t name[PACK_NAME_BYTES];
};

/* A body; the lists are encoded bytes already checked (decode) or to be
 * written as they are (encode). */
struct segment_body {
	struct file_hash previous;
	hlc_t first, last;
	uint32_t n_vv, n_packs, n_required, n_ops;
	struct cursor vv, packs, required, ops;
};

void segment_vv_put(struct buf *b, const struct segment_vv *v);
void segment_vv_read(struct cursor *c, struct segment_vv *ret);
void segment_pack_put(struct buf *b, const struct segment_pack *p);
void segment_pack_read(struct cursor *c, struct segment_pack *ret);
void segment_required_put(struct buf *b, const struct segment_required *r);
void segment_required_read(struct cursor *c, struct segment_required *ret);

/* Appends the file to ret_file: header and sealed, padded body.  h->r16,
 * h->key_id, h->epoch and h->body_bytes are set by it.  ERR_LIMIT; as
 * segment_open for a body it would reject; -ENOMEM. */
int segment_seal(const struct epoch_keys *k, struct segment_header *h,
		 const struct segment_body *body,
		 struct buf *ret_file) must_check;

/* Clear header of a file of file_bytes.  ERR_NEWER, ERR_MALFORMED,
 * ERR_TRUNCATED, ERR_LIMIT. */
int segment_header_decode(const uint8_t in[static SEGMENT_HEADER_BYTES],
			  uint64_t file_bytes,
			  struct segment_header *ret) must_check;

/*
 * Authenticates the whole file and checks the body's structure, every list
 * and every operation included (as op_decode; "a reader must reject" 6).
 * `plain`: body_bytes of room; ret points into it.  Nothing is returned
 * unless all of it is authentic.  `h`: of segment_header_decode.  ERR_BAD_SEAL,
 * ERR_MALFORMED, ERR_TRUNCATED, ERR_LIMIT, ERR_NEWER.
 */
int segment_open(const struct epoch_keys *k, const uint8_t *file,
		 uint64_t file_bytes, const struct segment_header *h,
		 uint8_t *plain, struct segment_body *ret) must_check;

/* "<seq>-<hash>" and back; ERR_MALFORMED. */
void segment_name_format(uint64_t seq, const struct file_hash *h,
			 char out[static SEGMENT_NAME_LEN + 1]);
int segment_name_parse(const char *name, uint64_t *ret_seq,
		       uint8_t ret_prefix[static 8]) must_check;
void segment_hash(const void *file, uint64_t n, struct file_hash *ret);

#endif
