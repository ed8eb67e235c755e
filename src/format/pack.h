/* SPDX-License-Identifier: ISC */
/*
 * Packs: `w/<writer>/d/<xx>/<32 hex>` (vault-format/06-packs.md).  Header,
 * body of sealed records, sealed trailer, sealed footer.  The padding is zeros
 * at the end of the trailer's plaintext: outside the seal it would show where
 * the trailer ends, and so what it is there to hide.  Pure codecs; the files
 * are store's business.
 *
 * A stage file has the same shape under K_stg, with epoch and key id zero in
 * its header; it has no padding, and only 32-bit offsets bound it.
 */
#ifndef COFFER_FORMAT_PACK_H
#define COFFER_FORMAT_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "crypto/keys.h"
#include "crypto/types.h"

#define PACK_HEADER_BYTES 64u
#define PACK_ENTRY_BYTES 64u
#define PACK_FOOTER_BYTES 80u
#define PACK_NAME_BYTES 16u
#define PACK_MIN_BYTES (64u * 1024)
#define PACK_MAX_BYTES (64u * 1024 * 1024)
#define PACK_TARGET_BYTES (16u * 1024 * 1024)
#define PACK_MAX_ENTRIES 65536u
#define RECORD_SUB_BYTES 16384u
#define CHUNK_MAX_BYTES (4u * 1024 * 1024)

enum pack_type {
	PACK_DATA = 1,
	PACK_METADATA = 2,
};

struct pack_header {
	enum pack_type type;
	uint32_t epoch;
	struct uuid vault;
	uint64_t writer;
	struct key_id8 key_id;
};

/* One record, as in the trailer. */
struct pack_entry {
	struct content_id id;
	struct r16 r16;
	uint32_t offset; /* in the file */
	uint32_t stored_bytes;
	uint32_t plain_bytes;
	uint8_t codec; /* 0: raw */
};

void pack_header_encode(const struct pack_header *h,
			uint8_t out[static PACK_HEADER_BYTES]);
/* ERR_NEWER, ERR_MALFORMED.  An epoch of zero is a stage file's. */
int pack_header_decode(const uint8_t in[static PACK_HEADER_BYTES],
		       struct pack_header *ret) must_check;

void pack_entry_put(struct buf *b, const struct pack_entry *e);
/* Checks lengths against each other; ERR_NEWER for an unknown codec or flag,
 * ERR_LIMIT above CHUNK_MAX_BYTES, ERR_MALFORMED, ERR_TRUNCATED.  The cursor
 * moves only on success. */
int pack_entry_read(struct cursor *c, struct pack_entry *ret) must_check;

/* Stored bytes of a record of `plain_bytes`. */
uint32_t record_stored_bytes(uint32_t plain_bytes);

/* The 64 bytes authenticated with each sub-block of a record. */
void record_ad(const struct uuid *vault, const struct content_id *id,
	       uint32_t plain_bytes, enum pack_type type,
	       uint8_t out[static 64]);
/* Seals one chunk: draws R16 (hedged with hdg), fills all of *ret but offset.
 * out: record_stored_bytes(len). */
void record_seal(const struct key *k, const struct key *hdg,
		 const struct uuid *vault, enum pack_type type,
		 const struct content_id *id, const uint8_t *plain,
		 uint32_t len, uint8_t *out, struct pack_entry *ret);
/* Opens sub-blocks first..first+count-1 of an entry as pack_entry_read gives
 * it; `sealed` holds just those.  ERR_BAD_SEAL, ERR_NEWER (codec). */
int record_open(const struct key *k, const struct uuid *vault,
		enum pack_type type, const struct pack_entry *e, uint32_t first,
		uint32_t count, const uint8_t *sealed, uint8_t *out) must_check;

/* Padme (Nikitin, Barman, Lueks, Underwood, Hubaux, Ford: Reducing Metadata
 * Leakage from Encrypted Files and Communication with PURBs, PETS 2019, section
 * 4): len rounded up as pad(len, min) of the specification.  min >= 1; the
 * result must fit 64 bits. */
uint64_t pad_length(uint64_t len, uint64_t min);

/* Size of a whole file, and of its sealed trailer with the padding, when
 * header and body are `body_end` bytes and n entries follow. */
uint64_t pack_total_bytes(const uint8_t header[static PACK_HEADER_BYTES],
			  uint64_t body_end, uint32_t n);
uint64_t pack_trailer_bytes(const uint8_t header[static PACK_HEADER_BYTES],
			    uint64_t body_end, uint32_t n);

/* Trailer and footer of a pack whose header and body are `body_end` bytes
 * long; appended to `out` (that is: what follows the body in the file).  The
 * whole file is then *ret_total bytes.  `entries`: n encoded entries.
 * ERR_LIMIT: too many or too large; ERR_MALFORMED: not as pack_entries_check
 * wants them. */
int pack_tail_seal(const struct key *k_pak, const struct key *hdg,
		   const uint8_t header[static PACK_HEADER_BYTES],
		   uint64_t body_end, const uint8_t *entries, uint32_t n,
		   struct buf *out, uint64_t *ret_total) must_check;

/* From the last PACK_FOOTER_BYTES of a file of total_bytes: the body's length
 * (it starts after the header) and how many entries follow.  The trailer is
 * all between body and footer.  ERR_BAD_SEAL, ERR_MALFORMED, ERR_LIMIT. */
int pack_footer_open(const struct key *k_pak,
		     const uint8_t header[static PACK_HEADER_BYTES],
		     uint64_t total_bytes,
		     const uint8_t footer[static PACK_FOOTER_BYTES],
		     struct r16 *ret_r16, uint64_t *ret_body_bytes,
		     uint32_t *ret_entries) must_check;

/* The trailer, `sealed_bytes` of it (all from the body's end to the footer),
 * opened into `out`, which has room for sealed_bytes - TAG_BYTES and may be
 * `sealed` itself.  The first n * PACK_ENTRY_BYTES of `out` are the entries,
 * checked: in order, without gap, from 64 to the body's end.  ERR_BAD_SEAL,
 * and as pack_entries_check. */
int pack_trailer_open(const struct key *k_pak,
		      const uint8_t header[static PACK_HEADER_BYTES],
		      const struct r16 *r16, uint64_t body_bytes, uint32_t n,
		      const uint8_t *sealed, size_t sealed_bytes,
		      uint8_t *out) must_check;

/* Checks n encoded entries as above: in order, no gap, ending at body_end. */
int pack_entries_check(const uint8_t *entries, uint32_t n,
		       uint64_t body_end) must_check;

#endif
