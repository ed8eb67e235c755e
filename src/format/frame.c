/* SPDX-License-Identifier: ISC */
/* Frames of the journal. */
#include <assert.h>
#include <string.h>

#include "crypto/aead.h"
#include "format/format_priv.h"
#include "format/local.h"

#define FRAME_MAGIC "COFFERJ1"
#define R16_AT 48

static void header_encode(const struct frame_header *h,
			  uint8_t out[static FRAME_HEADER_BYTES])
{
	memset(out, 0, FRAME_HEADER_BYTES);
	memcpy(out, FRAME_MAGIC, MAGIC_BYTES);
	memcpy(out + 8, h->journal_id, sizeof(h->journal_id));
	le64_put(out + 24, h->number);
	le32_put(out + 32, h->body_bytes);
	out[36] = (uint8_t)h->type;
	memcpy(out + R16_AT, h->r16.b, sizeof(h->r16.b));
}

static bool type_is_known(unsigned type)
{
	return type >= FRAME_MARKS && type <= FRAME_SEALED;
}

int frame_seal(const struct local_keys *k, struct frame_header *h,
	       const void *body, size_t body_bytes, struct buf *out)
{
	const size_t sealed_bytes = FRAME_HEADER_BYTES + body_bytes + TAG_BYTES;
	uint8_t nonce[NONCE_BYTES], *at;
	size_t padded_bytes;

	assert(type_is_known(h->type));
	if (body_bytes > FRAME_BODY_MAX)
		return ERR_LIMIT;
	padded_bytes =
		(sealed_bytes + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
	at = buf_grow(out, padded_bytes);
	if (!at)
		return buf_error(out);
	h->body_bytes = (uint32_t)body_bytes;
	memset(&h->r16, 0, sizeof(h->r16));
	header_encode(h, at);
	format_hedge(&k->hdg, at, FRAME_HEADER_BYTES, body, body_bytes,
		     &h->r16);
	memcpy(at + R16_AT, h->r16.b, sizeof(h->r16.b));
	aead_nonce(&h->r16, AEAD_LAST, nonce);
	aead_seal(&k->jnl, nonce, at, FRAME_HEADER_BYTES, body, body_bytes,
		  at + FRAME_HEADER_BYTES);
	memset(at + sealed_bytes, 0, padded_bytes - sealed_bytes);
	return 0;
}

/* An unknown type is no frame either: a journal of another kind would have
 * another magic. */
int frame_header_decode(const uint8_t in[static FRAME_HEADER_BYTES],
			struct frame_header *ret)
{
	struct frame_header h;
	struct cursor c;
	int err;

	cursor_init(&c, in, FRAME_HEADER_BYTES);
	format_magic(&c, FRAME_MAGIC, ERR_MALFORMED);
	cursor_copy(&c, h.journal_id, sizeof(h.journal_id));
	h.number = cursor_u64(&c);
	h.body_bytes = cursor_u32(&c);
	h.type = cursor_u8(&c);
	cursor_zeros(&c, 11);
	cursor_copy(&c, h.r16.b, sizeof(h.r16.b));
	cursor_require(&c,
		       h.body_bytes <= FRAME_BODY_MAX && type_is_known(h.type));
	err = cursor_finish(&c);
	if (err < 0)
		return err;
	*ret = h;
	return 0;
}

int frame_open(const struct local_keys *k,
	       const uint8_t header[static FRAME_HEADER_BYTES],
	       const struct frame_header *h, const uint8_t *sealed,
	       uint8_t *out)
{
	uint8_t nonce[NONCE_BYTES];

	aead_nonce(&h->r16, AEAD_LAST, nonce);
	return aead_open(&k->jnl, nonce, header, FRAME_HEADER_BYTES, sealed,
			 (size_t)h->body_bytes + TAG_BYTES, out);
}
