/* SPDX-License-Identifier: ISC */
#include "format/segment.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "format/format_priv.h"
#include "format/segment_priv.h"

#define SEGMENT_MAGIC "COFFERL1"
#define HEADER_R16_AT 48
#define SEQ_DIGITS 10
#define NAME_HASH_BYTES 8

static_assert(SEGMENT_NAME_LEN == SEQ_DIGITS + 1 + 2 * NAME_HASH_BYTES,
	      "a name is digits, a hyphen and hex");

static void header_encode(const struct segment_header *h,
			  uint8_t out[static SEGMENT_HEADER_BYTES])
{
	memset(out, 0, SEGMENT_HEADER_BYTES);
	memcpy(out, SEGMENT_MAGIC, MAGIC_BYTES);
	le16_put(out + 8, FORMAT_VERSION);
	le32_put(out + 12, h->epoch);
	memcpy(out + 16, h->vault.b, sizeof(h->vault.b));
	le64_put(out + 32, h->writer);
	le64_put(out + 40, h->seq);
	memcpy(out + HEADER_R16_AT, h->r16.b, sizeof(h->r16.b));
	memcpy(out + 64, h->key_id.b, sizeof(h->key_id.b));
	le64_put(out + 72, h->body_bytes);
}

static uint64_t file_bytes_of(uint64_t body_bytes)
{
	return SEGMENT_HEADER_BYTES +
	       aead_chain_sealed_bytes(body_bytes, SEGMENT_SUB_BYTES);
}

static bool seq_is_valid(uint64_t seq)
{
	return seq >= 1 && seq <= SEGMENT_SEQ_MAX;
}

/* Header and chain into `ret_file`; h->r16 is drawn here. */
static int seal_file(const struct epoch_keys *k, struct segment_header *h,
		     const struct buf *plain, struct buf *ret_file)
{
	uint8_t *file;

	memset(&h->r16, 0, sizeof(h->r16));
	file = buf_grow(ret_file, (size_t)file_bytes_of(h->body_bytes));
	if (!file)
		return buf_error(ret_file);
	header_encode(h, file);
	format_hedge(&k->hdg, file, SEGMENT_HEADER_BYTES, plain->data,
		     plain->len, &h->r16);
	memcpy(file + HEADER_R16_AT, h->r16.b, sizeof(h->r16.b));
	aead_chain_seal(&k->log, &h->r16, file, SEGMENT_HEADER_BYTES,
			SEGMENT_SUB_BYTES, plain->data, h->body_bytes,
			file + SEGMENT_HEADER_BYTES);
	return 0;
}

/* True if every list ends where its count says. */
static bool lists_agree(const struct segment_body *a,
			const struct segment_body *b)
{
	return cursor_left(&a->vv) == cursor_left(&b->vv) &&
	       cursor_left(&a->packs) == cursor_left(&b->packs) &&
	       cursor_left(&a->required) == cursor_left(&b->required) &&
	       cursor_left(&a->ops) == cursor_left(&b->ops);
}

/* What is sealed is read back first: a segment no reader accepts would stop
 * this writer's history for good. */
int segment_seal(const struct epoch_keys *k, struct segment_header *h,
		 const struct segment_body *body, struct buf *ret_file)
{
	auto_buf struct buf plain = BUF_INIT(SEGMENT_BODY_MAX);
	struct segment_header header = *h;
	struct segment_body check;
	int err;

	if (!seq_is_valid(h->seq))
		return ERR_LIMIT;
	segment_body_encode(body, &plain);
	err = buf_error(&plain);
	if (err < 0)
		return err;
	header.epoch = k->epoch;
	memcpy(header.key_id.b, k->id.b, sizeof(header.key_id.b));
	header.body_bytes = plain.len;
	err = segment_body_decode(plain.data, &header, &check);
	if (err < 0)
		return err;
	if (!lists_agree(body, &check))
		return ERR_MALFORMED;
	err = seal_file(k, &header, &plain, ret_file);
	if (err < 0)
		return err;
	*h = header;
	return 0;
}

int segment_header_decode(const uint8_t in[static SEGMENT_HEADER_BYTES],
			  uint64_t file_bytes, struct segment_header *ret)
{
	struct segment_header h;
	struct cursor c;
	int err;

	if (file_bytes < SEGMENT_HEADER_BYTES)
		return ERR_TRUNCATED;
	cursor_init(&c, in, SEGMENT_HEADER_BYTES);
	format_magic(&c, SEGMENT_MAGIC, ERR_MALFORMED);
	format_require(&c, cursor_u16(&c) == FORMAT_VERSION, ERR_NEWER);
	format_require(&c, cursor_u16(&c) == 0, ERR_NEWER); /* flags */
	h.epoch = cursor_u32(&c);
	cursor_copy(&c, h.vault.b, sizeof(h.vault.b));
	h.writer = cursor_u64(&c);
	h.seq = cursor_u64(&c);
	cursor_copy(&c, h.r16.b, sizeof(h.r16.b));
	cursor_copy(&c, h.key_id.b, sizeof(h.key_id.b));
	h.body_bytes = cursor_u64(&c);
	cursor_zeros(&c, 16);
	cursor_require(&c, h.epoch >= 1 && h.writer >= 1 && h.seq >= 1 &&
				   h.body_bytes >= 1);
	format_require(&c, h.seq <= SEGMENT_SEQ_MAX, ERR_LIMIT);
	format_require(&c, h.body_bytes <= SEGMENT_BODY_MAX, ERR_LIMIT);
	err = cursor_finish(&c);
	if (err < 0)
		return err;
	if (pad_length(h.body_bytes, SEGMENT_PAD_BYTES) != h.body_bytes)
		return ERR_MALFORMED;
	if (file_bytes != file_bytes_of(h.body_bytes))
		return file_bytes < file_bytes_of(h.body_bytes) ? ERR_TRUNCATED
								: ERR_MALFORMED;
	*ret = h;
	return 0;
}

int segment_open(const struct epoch_keys *k, const uint8_t *file,
		 uint64_t file_bytes, const struct segment_header *h,
		 uint8_t *plain, struct segment_body *ret)
{
	uint64_t n_subs;
	int err;

	assert(file_bytes == file_bytes_of(h->body_bytes));
	n_subs = (h->body_bytes - 1) / SEGMENT_SUB_BYTES + 1;
	err = aead_chain_open(&k->log, &h->r16, file, SEGMENT_HEADER_BYTES,
			      SEGMENT_SUB_BYTES, h->body_bytes, 0, n_subs,
			      file + SEGMENT_HEADER_BYTES, plain);
	if (err < 0)
		return err;
	return segment_body_decode(plain, h, ret);
}

void segment_name_format(uint64_t seq, const struct file_hash *h,
			 char out[static SEGMENT_NAME_LEN + 1])
{
	assert(seq_is_valid(seq));
	snprintf(out, SEQ_DIGITS + 2, "%010" PRIu64 "-", seq);
	hex_encode(h->b, NAME_HASH_BYTES, out + SEQ_DIGITS + 1);
}

int segment_name_parse(const char *name, uint64_t *ret_seq,
		       uint8_t ret_prefix[static 8])
{
	uint8_t prefix[NAME_HASH_BYTES];
	uint64_t seq = 0;
	size_t i;
	int err;

	if (strlen(name) != SEGMENT_NAME_LEN || name[SEQ_DIGITS] != '-')
		return ERR_MALFORMED;
	for (i = 0; i < SEQ_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return ERR_MALFORMED;
		seq = seq * 10 + (uint64_t)(name[i] - '0');
	}
	if (!seq_is_valid(seq))
		return ERR_MALFORMED;
	err = hex_decode(name + SEQ_DIGITS + 1, sizeof(prefix), prefix);
	if (err < 0)
		return err;
	*ret_seq = seq;
	memcpy(ret_prefix, prefix, sizeof(prefix));
	return 0;
}

void segment_hash(const void *file, uint64_t n, struct file_hash *ret)
{
	hash_bytes(NULL, file, n, ret->b, sizeof(ret->b));
}
