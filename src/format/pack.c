/* SPDX-License-Identifier: ISC */
#include "format/pack.h"

#include <assert.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "format/format_priv.h"
#include "format/pack_again.h"
#include "format/pack_priv.h"

#define PACK_MAGIC "COFFERP1"
#define PACK_END_MAGIC "COFFERE1"
#define PACK_SUB_LOG2 14

static_assert(1u << PACK_SUB_LOG2 == RECORD_SUB_BYTES,
	      "the header says how large a sub-block is");

/* Counters of the nonces under the footer's R16. */
#define TRAILER_COUNTER AEAD_LAST
#define FOOTER_COUNTER (AEAD_LAST + 1)

/* What is authenticated with trailer and footer: the header and 16 bytes. */
#define TAIL_AD_BYTES (PACK_HEADER_BYTES + 16)

/* The footer: R16, the seal, then in clear the total and the magic. */
#define FOOTER_SEALED_AT 16
#define FOOTER_TOTAL_AT 64
#define FOOTER_MAGIC_AT 72

static_assert(FOOTER_SEALED_AT + PACK_FOOTER_PLAIN_BYTES + TAG_BYTES ==
			      FOOTER_TOTAL_AT &&
		      FOOTER_MAGIC_AT + MAGIC_BYTES == PACK_FOOTER_BYTES,
	      "the footer's fields add up");

#define HEADER_EPOCH_AT 12

uint64_t pad_length(uint64_t len, uint64_t min)
{
	uint64_t step = min, over;
	unsigned e, s;

	assert(min >= 1);
	if (len >= 2) {
		e = 63 - (unsigned)__builtin_clzll(len);
		s = 32 - (unsigned)__builtin_clz(e); /* floor(log2 e) + 1 */
		if (step < (uint64_t)1 << (e - s))
			step = (uint64_t)1 << (e - s);
	}
	over = len % step;
	if (over == 0)
		return len;
	assert(len <= UINT64_MAX - (step - over));
	return len + (step - over);
}

void pack_header_encode(const struct pack_header *h,
			uint8_t out[static PACK_HEADER_BYTES])
{
	memset(out, 0, PACK_HEADER_BYTES);
	memcpy(out, PACK_MAGIC, MAGIC_BYTES);
	le16_put(out + 8, FORMAT_VERSION);
	out[10] = (uint8_t)h->type;
	out[11] = PACK_SUB_LOG2;
	le32_put(out + HEADER_EPOCH_AT, h->epoch);
	memcpy(out + 16, h->vault.b, sizeof(h->vault.b));
	le64_put(out + 32, h->writer);
	memcpy(out + 56, h->key_id.b, sizeof(h->key_id.b));
}

/* A key id without an epoch names nothing. */
static bool key_id_fits(uint32_t epoch, const struct key_id8 *id)
{
	static const struct key_id8 none;

	return epoch > 0 || memcmp(id->b, none.b, sizeof(none.b)) == 0;
}

int pack_header_decode(const uint8_t in[static PACK_HEADER_BYTES],
		       struct pack_header *ret)
{
	struct pack_header h;
	struct cursor c;
	int err;

	cursor_init(&c, in, PACK_HEADER_BYTES);
	format_magic(&c, PACK_MAGIC, ERR_MALFORMED);
	format_require(&c, cursor_u16(&c) == FORMAT_VERSION, ERR_NEWER);
	h.type = cursor_u8(&c);
	format_require(&c, h.type == PACK_DATA || h.type == PACK_METADATA,
		       ERR_NEWER);
	format_require(&c, cursor_u8(&c) == PACK_SUB_LOG2, ERR_NEWER);
	h.epoch = cursor_u32(&c);
	cursor_copy(&c, h.vault.b, sizeof(h.vault.b));
	h.writer = cursor_u64(&c);
	cursor_zeros(&c, 16);
	cursor_copy(&c, h.key_id.b, sizeof(h.key_id.b));
	cursor_require(&c, key_id_fits(h.epoch, &h.key_id));
	err = cursor_finish(&c);
	if (err < 0)
		return err;
	*ret = h;
	return 0;
}

void pack_entry_put(struct buf *b, const struct pack_entry *e)
{
	buf_put(b, e->id.b, sizeof(e->id.b));
	buf_put(b, e->r16.b, sizeof(e->r16.b));
	buf_put_u32(b, e->offset);
	buf_put_u32(b, e->stored_bytes);
	buf_put_u32(b, e->plain_bytes);
	buf_put_u8(b, e->codec);
	buf_put_zeros(b, 3); /* flags, reserved */
}

int pack_entry_read(struct cursor *c, struct pack_entry *ret)
{
	struct cursor at = *c;
	struct pack_entry e;

	cursor_copy(&at, e.id.b, sizeof(e.id.b));
	cursor_copy(&at, e.r16.b, sizeof(e.r16.b));
	e.offset = cursor_u32(&at);
	e.stored_bytes = cursor_u32(&at);
	e.plain_bytes = cursor_u32(&at);
	e.codec = cursor_u8(&at);
	format_require(&at, e.codec == 0, ERR_NEWER);
	format_require(&at, cursor_u8(&at) == 0, ERR_NEWER); /* flags */
	cursor_zeros(&at, 2);
	cursor_require(&at, e.plain_bytes >= 1);
	format_require(&at, e.plain_bytes <= CHUNK_MAX_BYTES, ERR_LIMIT);
	if (at.error)
		return at.error;
	if (e.stored_bytes != record_stored_bytes(e.plain_bytes) ||
	    e.offset < PACK_HEADER_BYTES ||
	    e.stored_bytes > UINT32_MAX - e.offset)
		return ERR_MALFORMED;
	*ret = e;
	*c = at;
	return 0;
}

int pack_entries_check(const uint8_t *entries, uint32_t n, uint64_t body_end)
{
	uint64_t end = PACK_HEADER_BYTES;
	struct cursor c;
	uint32_t i;
	int err;

	cursor_init(&c, entries, (size_t)n * PACK_ENTRY_BYTES);
	for (i = 0; i < n; i++) {
		struct pack_entry e;

		err = pack_entry_read(&c, &e);
		if (err < 0)
			return err;
		if (e.offset != end)
			return ERR_MALFORMED;
		end += e.stored_bytes;
	}
	return end == body_end ? 0 : ERR_MALFORMED;
}

static bool is_stage(const uint8_t header[static PACK_HEADER_BYTES])
{
	return le32_get(header + HEADER_EPOCH_AT) == 0;
}

static uint64_t unpadded_bytes(uint64_t body_end, uint32_t n)
{
	return body_end + (uint64_t)n * PACK_ENTRY_BYTES + TAG_BYTES +
	       PACK_FOOTER_BYTES;
}

uint64_t pack_padded_bytes(uint64_t body_end, uint32_t n)
{
	return pad_length(unpadded_bytes(body_end, n), PACK_MIN_BYTES);
}

uint64_t pack_total_bytes(const uint8_t header[static PACK_HEADER_BYTES],
			  uint64_t body_end, uint32_t n)
{
	return is_stage(header) ? unpadded_bytes(body_end, n)
				: pack_padded_bytes(body_end, n);
}

uint64_t pack_trailer_bytes(const uint8_t header[static PACK_HEADER_BYTES],
			    uint64_t body_end, uint32_t n)
{
	return pack_total_bytes(header, body_end, n) - body_end -
	       PACK_FOOTER_BYTES;
}

/* A body's end is a 32-bit offset everywhere; that keeps the sums above far
 * from wrapping. */
static int check_limits(const uint8_t header[static PACK_HEADER_BYTES],
			uint64_t body_end, uint32_t n)
{
	if (body_end < PACK_HEADER_BYTES)
		return ERR_MALFORMED;
	if (body_end > UINT32_MAX)
		return ERR_LIMIT;
	if (is_stage(header))
		return 0;
	if (n < 1)
		return ERR_MALFORMED;
	if (n > PACK_MAX_ENTRIES ||
	    pack_total_bytes(header, body_end, n) > PACK_MAX_BYTES)
		return ERR_LIMIT;
	return 0;
}

static void trailer_ad(const uint8_t header[static PACK_HEADER_BYTES],
		       uint64_t body_bytes, uint32_t n,
		       uint8_t out[static TAIL_AD_BYTES])
{
	memcpy(out, header, PACK_HEADER_BYTES);
	le64_put(out + PACK_HEADER_BYTES, body_bytes);
	le32_put(out + PACK_HEADER_BYTES + 8, n);
	le32_put(out + PACK_HEADER_BYTES + 12, 0);
}

static void footer_ad(const uint8_t header[static PACK_HEADER_BYTES],
		      uint64_t total_bytes, uint8_t out[static TAIL_AD_BYTES])
{
	memcpy(out, header, PACK_HEADER_BYTES);
	le64_put(out + PACK_HEADER_BYTES, total_bytes);
	memcpy(out + PACK_HEADER_BYTES + 8, PACK_END_MAGIC, MAGIC_BYTES);
}

static void seal_footer(const struct key *k_pak, const struct r16 *r16,
			const uint8_t header[static PACK_HEADER_BYTES],
			uint64_t body_bytes, uint32_t n, uint64_t total_bytes,
			uint8_t out[static PACK_FOOTER_BYTES])
{
	uint8_t plain[PACK_FOOTER_PLAIN_BYTES] = { 0 };
	uint8_t ad[TAIL_AD_BYTES], nonce[NONCE_BYTES];

	le64_put(plain, body_bytes);
	le32_put(plain + 8, n);
	footer_ad(header, total_bytes, ad);
	aead_nonce(r16, FOOTER_COUNTER, nonce);
	memcpy(out, r16->b, sizeof(r16->b));
	aead_seal(k_pak, nonce, ad, sizeof(ad), plain, sizeof(plain),
		  out + FOOTER_SEALED_AT);
	le64_put(out + FOOTER_TOTAL_AT, total_bytes);
	memcpy(out + FOOTER_MAGIC_AT, PACK_END_MAGIC, MAGIC_BYTES);
}

/* Room for trailer and footer in `out`, the trailer's plaintext in it. */
static int put_tail(const uint8_t *header, uint64_t body_end,
		    const uint8_t *entries, uint32_t n, struct buf *out,
		    uint8_t **ret_tail)
{
	uint64_t sealed_bytes;
	uint8_t *tail;
	int err;

	err = check_limits(header, body_end, n);
	if (err < 0)
		return err;
	err = pack_entries_check(entries, n, body_end);
	if (err < 0)
		return err;
	sealed_bytes = pack_trailer_bytes(header, body_end, n);
	tail = buf_grow(out, (size_t)sealed_bytes + PACK_FOOTER_BYTES);
	if (!tail)
		return buf_error(out);
	memset(tail, 0, (size_t)sealed_bytes);
	if (n > 0)
		memcpy(tail, entries, (size_t)n * PACK_ENTRY_BYTES);
	*ret_tail = tail;
	return 0;
}

static void seal_tail(const struct key *k_pak, const struct r16 *r16,
		      const uint8_t *header, uint64_t body_end, uint32_t n,
		      uint8_t *tail, uint64_t *ret_total)
{
	const uint64_t body_bytes = body_end - PACK_HEADER_BYTES;
	const uint64_t total = pack_total_bytes(header, body_end, n);
	const uint64_t bytes = pack_trailer_bytes(header, body_end, n);
	uint8_t ad[TAIL_AD_BYTES], nonce[NONCE_BYTES];

	trailer_ad(header, body_bytes, n, ad);
	aead_nonce(r16, TRAILER_COUNTER, nonce);
	aead_seal(k_pak, nonce, ad, sizeof(ad), tail, (size_t)bytes - TAG_BYTES,
		  tail);
	seal_footer(k_pak, r16, header, body_bytes, n, total, tail + bytes);
	*ret_total = total;
}

int pack_tail_seal(const struct key *k_pak, const struct key *hdg,
		   const uint8_t header[static PACK_HEADER_BYTES],
		   uint64_t body_end, const uint8_t *entries, uint32_t n,
		   struct buf *out, uint64_t *ret_total)
{
	uint8_t ad[TAIL_AD_BYTES], *tail;
	struct r16 r16;
	int err = put_tail(header, body_end, entries, n, out, &tail);

	if (err < 0)
		return err;
	trailer_ad(header, body_end - PACK_HEADER_BYTES, n, ad);
	format_hedge(hdg, ad, sizeof(ad), tail,
		     (size_t)pack_trailer_bytes(header, body_end, n), &r16);
	seal_tail(k_pak, &r16, header, body_end, n, tail, ret_total);
	return 0;
}

int pack_tail_seal_again(const struct key *k_pak, const struct r16 *r16,
			 const uint8_t header[static PACK_HEADER_BYTES],
			 uint64_t body_end, const uint8_t *entries, uint32_t n,
			 struct buf *out, uint64_t *ret_total)
{
	uint8_t *tail;
	int err = put_tail(header, body_end, entries, n, out, &tail);

	if (err == 0)
		seal_tail(k_pak, r16, header, body_end, n, tail, ret_total);
	return err;
}

void pack_tail_r16(const struct key *hdg,
		   const uint8_t header[static PACK_HEADER_BYTES],
		   const uint8_t *entries, uint32_t n, struct r16 *ret)
{
	struct hash hash;
	uint8_t h[32];

	hash_begin(&hash, NULL, sizeof(h));
	hash_add(&hash, header, PACK_HEADER_BYTES);
	hash_add(&hash, entries, (size_t)n * PACK_ENTRY_BYTES);
	hash_end(&hash, h, sizeof(h));
	keys_r16_of(hdg, h, sizeof(h), ret);
}

int pack_footer_decode(const uint8_t header[static PACK_HEADER_BYTES],
		       uint64_t total_bytes,
		       const uint8_t plain[static PACK_FOOTER_PLAIN_BYTES],
		       uint64_t *ret_body_bytes, uint32_t *ret_entries)
{
	uint64_t body_bytes;
	struct cursor c;
	uint32_t n;
	int err;

	cursor_init(&c, plain, PACK_FOOTER_PLAIN_BYTES);
	body_bytes = cursor_u64(&c);
	n = cursor_u32(&c);
	cursor_zeros(&c, 20);
	format_require(&c, body_bytes <= UINT32_MAX, ERR_LIMIT);
	err = cursor_finish(&c);
	if (err < 0)
		return err;
	err = check_limits(header, PACK_HEADER_BYTES + body_bytes, n);
	if (err < 0)
		return err;
	if (pack_total_bytes(header, PACK_HEADER_BYTES + body_bytes, n) !=
	    total_bytes)
		return ERR_MALFORMED;
	*ret_body_bytes = body_bytes;
	*ret_entries = n;
	return 0;
}

int pack_footer_open(const struct key *k_pak,
		     const uint8_t header[static PACK_HEADER_BYTES],
		     uint64_t total_bytes,
		     const uint8_t footer[static PACK_FOOTER_BYTES],
		     struct r16 *ret_r16, uint64_t *ret_body_bytes,
		     uint32_t *ret_entries)
{
	uint8_t plain[PACK_FOOTER_PLAIN_BYTES];
	uint8_t ad[TAIL_AD_BYTES], nonce[NONCE_BYTES];
	struct r16 r16;
	int err;

	if (memcmp(footer + FOOTER_MAGIC_AT, PACK_END_MAGIC, MAGIC_BYTES) !=
		    0 ||
	    le64_get(footer + FOOTER_TOTAL_AT) != total_bytes)
		return ERR_MALFORMED;
	memcpy(r16.b, footer, sizeof(r16.b));
	footer_ad(header, total_bytes, ad);
	aead_nonce(&r16, FOOTER_COUNTER, nonce);
	err = aead_open(k_pak, nonce, ad, sizeof(ad), footer + FOOTER_SEALED_AT,
			sizeof(plain) + TAG_BYTES, plain);
	if (err < 0)
		return err;
	err = pack_footer_decode(header, total_bytes, plain, ret_body_bytes,
				 ret_entries);
	if (err < 0)
		return err;
	*ret_r16 = r16;
	return 0;
}

int pack_trailer_check(const uint8_t *plain, uint64_t plain_bytes, uint32_t n,
		       uint64_t body_end)
{
	const uint64_t entries_bytes = (uint64_t)n * PACK_ENTRY_BYTES;
	struct cursor padding;
	int err;

	if (plain_bytes < entries_bytes)
		return ERR_TRUNCATED;
	err = pack_entries_check(plain, n, body_end);
	if (err < 0)
		return err;
	cursor_init(&padding, plain + entries_bytes,
		    (size_t)(plain_bytes - entries_bytes));
	cursor_zeros(&padding, cursor_left(&padding));
	return cursor_finish(&padding);
}

int pack_trailer_open(const struct key *k_pak,
		      const uint8_t header[static PACK_HEADER_BYTES],
		      const struct r16 *r16, uint64_t body_bytes, uint32_t n,
		      const uint8_t *sealed, size_t sealed_bytes, uint8_t *out)
{
	const uint64_t body_end = PACK_HEADER_BYTES + body_bytes;
	uint8_t ad[TAIL_AD_BYTES], nonce[NONCE_BYTES];
	int err;

	if (sealed_bytes != pack_trailer_bytes(header, body_end, n))
		return ERR_MALFORMED;
	trailer_ad(header, body_bytes, n, ad);
	aead_nonce(r16, TRAILER_COUNTER, nonce);
	err = aead_open(k_pak, nonce, ad, sizeof(ad), sealed, sealed_bytes,
			out);
	if (err < 0)
		return err;
	return pack_trailer_check(out, sealed_bytes - TAG_BYTES, n, body_end);
}
