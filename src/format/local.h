/* SPDX-License-Identifier: ISC */
/*
 * Files of the state directory: `writer`, and the frames of the journal
 * (vault-format/11-local.md).
 */
#ifndef COFFER_FORMAT_LOCAL_H
#define COFFER_FORMAT_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "crypto/keys.h"
#include "crypto/types.h"
#include "format/pack.h"
#include "format/vault_header.h"

#define WRITER_FILE_BYTES 120u
#define FRAME_HEADER_BYTES 64u
#define FRAME_ALIGN 4096u
#define FRAME_BODY_MAX (64u * 1024 * 1024)
#define JOURNAL_ID_BYTES 16u

struct writer_file {
	uint32_t epoch;
	struct uuid vault;
	uint64_t writer;
	struct key_id8 key_id;
};

void writer_file_seal(const struct writer_file *w, const struct epoch_keys *k,
		      const struct key *dk,
		      uint8_t out[static WRITER_FILE_BYTES]);
/* Clear part only.  ERR_NEWER, ERR_MALFORMED. */
int writer_file_decode(const uint8_t in[static WRITER_FILE_BYTES],
		       struct writer_file *ret) must_check;
/* ERR_BAD_SEAL. */
int writer_file_open(const uint8_t in[static WRITER_FILE_BYTES],
		     const struct epoch_keys *k, struct key *ret_dk) must_check;

enum frame_type {
	FRAME_MARKS = 1,
	FRAME_CUT = 2,
	FRAME_SEALED = 3, /* a sealed segment stands in a file of its own */
};

struct frame_header {
	uint8_t journal_id[JOURNAL_ID_BYTES];
	uint64_t number;     /* runs on from file to file */
	uint32_t body_bytes; /* plain */
	enum frame_type type;
	struct r16 r16;
};

/* Appends header and sealed body to `out`, with zeros up to a multiple of
 * FRAME_ALIGN; sets h->r16 and h->body_bytes.  ERR_LIMIT, -ENOMEM. */
int frame_seal(const struct local_keys *k, struct frame_header *h,
	       const void *body, size_t body_bytes, struct buf *out) must_check;
/* ERR_MALFORMED: no frame starts here (zeros, garbage). */
int frame_header_decode(const uint8_t in[static FRAME_HEADER_BYTES],
			struct frame_header *ret) must_check;
/* `sealed`: body_bytes + TAG_BYTES; `out`: body_bytes, may be `sealed` itself.
 * ERR_BAD_SEAL. */
int frame_open(const struct local_keys *k,
	       const uint8_t header[static FRAME_HEADER_BYTES],
	       const struct frame_header *h, const uint8_t *sealed,
	       uint8_t *out) must_check;

/* Body of FRAME_MARKS. */
struct marks_head {
	uint64_t writer;
	uint64_t seq;
	struct file_hash head;
};

struct marks {
	struct vault_mac header_mac;
	uint32_t newest_epoch;
	struct key_id newest_key;
	uint64_t index_generation;
	uint64_t session;
	bool index_clean;
	uint64_t index_frame; /* the last frame the clean index holds */
	uint32_t n_heads;
	struct cursor heads; /* encoded, ascending by writer */
};

void marks_head_put(struct buf *b, const struct marks_head *m);
void marks_head_read(struct cursor *c, struct marks_head *ret);
void marks_encode(const struct marks *m, struct buf *b);
/* This and the decoders below: the cursor holds one body and nothing else. */
int marks_decode(struct cursor *c, struct marks *ret) must_check;

/* Body of FRAME_CUT: operations in order of their dots (each with its
 * seq and index: a run header per seq), packs completed, stage entries made
 * durable, small chunks. */
struct cut_ops { /* a run of consecutive dots */
	uint64_t seq;
	uint32_t first_index;
	uint32_t n_ops;
	uint32_t raw_bytes;
	const uint8_t *raw; /* encoded operations */
};

struct cut_stage_entry {
	uint64_t file; /* number of the stage file */
	struct pack_entry entry;
};

struct cut_chunk {     /* a small durable write */
	uint64_t file; /* where it stands, unsynced, in the stage */
	struct pack_entry entry;
	const uint8_t *bytes; /* entry.plain_bytes */
};

struct cut {
	uint32_t n_runs, n_packs, n_stage, n_chunks;
	struct cursor runs, packs, stage, chunks; /* packs: segment_pack's */
};

void cut_ops_put(struct buf *b, const struct cut_ops *r);
void cut_ops_read(struct cursor *c, struct cut_ops *ret);
void cut_stage_entry_put(struct buf *b, const struct cut_stage_entry *e);
void cut_stage_entry_read(struct cursor *c, struct cut_stage_entry *ret);
void cut_chunk_put(struct buf *b, const struct cut_chunk *e);
void cut_chunk_read(struct cursor *c, struct cut_chunk *ret);
/* Counts, then the four lists as given. */
void cut_encode(const struct cut *cut, struct buf *b);
/* Checks every element of every list (operations as op_decode). */
int cut_decode(struct cursor *c, struct cut *ret) must_check;

/* Body of FRAME_SEALED. */
struct sealed_mark {
	uint64_t seq;
	uint64_t file_bytes;
	struct file_hash hash;
};

void sealed_mark_encode(const struct sealed_mark *s, struct buf *b);
int sealed_mark_decode(struct cursor *c, struct sealed_mark *ret) must_check;

#endif
