/* SPDX-License-Identifier: ISC */
#include "format/snapshot.h"

#include <assert.h>
#include <string.h>

#include "crypto/aead.h"
#include "format/format_priv.h"
#include "format/segment_priv.h"

#define SNAPSHOT_MAGIC "COFFERM1"
#define R16_AT 48
#define FIXED_BYTES 64u

/* ---------------------------------------------------------------- lists */

void snapshot_head_put(struct buf *b, const struct snapshot_head *h)
{
	buf_put_u64(b, h->writer);
	buf_put_u64(b, h->seq);
	buf_put(b, h->head.b, sizeof(h->head.b));
}

void snapshot_head_read(struct cursor *c, struct snapshot_head *ret)
{
	ret->writer = cursor_u64(c);
	ret->seq = cursor_u64(c);
	cursor_copy(c, ret->head.b, sizeof(ret->head.b));
}

void snapshot_pack_put(struct buf *b, const struct snapshot_pack *p)
{
	buf_put(b, p->name, sizeof(p->name));
	buf_put_u64(b, p->size);
	buf_put_u32(b, p->epoch);
	buf_put(b, p->key_id.b, sizeof(p->key_id.b));
	buf_put_u32(b, 0);
}

void snapshot_pack_read(struct cursor *c, struct snapshot_pack *ret)
{
	cursor_copy(c, ret->name, sizeof(ret->name));
	ret->size = cursor_u64(c);
	ret->epoch = cursor_u32(c);
	cursor_copy(c, ret->key_id.b, sizeof(ret->key_id.b));
	cursor_zeros(c, 4);
}

void snapshot_shard_put(struct buf *b, const struct snapshot_shard *s)
{
	buf_put_u32(b, s->pack);
	buf_put_u32(b, 0);
	pack_entry_put(b, &s->entry);
}

int snapshot_shard_read(struct cursor *c, struct snapshot_shard *ret)
{
	ret->pack = cursor_u32(c);
	cursor_zeros(c, 4);
	return c->error ? c->error : pack_entry_read(c, &ret->entry);
}

/* ---------------------------------------------------------------- body */

static void encode_body(const struct snapshot_body *s, struct buf *b)
{
	size_t start = b->len;

	buf_put_u64(b, 0); /* used length, patched below */
	buf_put_u64(b, s->state_bytes);
	buf_put(b, s->state.b, sizeof(s->state.b));
	buf_put_u32(b, s->n_heads);
	buf_put_u32(b, s->n_packs);
	buf_put_u32(b, s->n_shards);
	buf_put_u32(b, 0);
	buf_put(b, s->heads.at, cursor_left(&s->heads));
	buf_put(b, s->packs.at, cursor_left(&s->packs));
	buf_put(b, s->shards.at, cursor_left(&s->shards));
	if (buf_error(b) < 0)
		return;
	size_t used = b->len - start;
	buf_patch_u64(b, start, used);
	buf_put_zeros(b, (size_t)pad_length(used, SEGMENT_PAD_BYTES) - used);
}

static void check_heads(struct cursor *c, struct cursor at, uint32_t n)
{
	struct snapshot_head before = { .writer = 0 }, now;

	for (uint32_t i = 0; i < n; i++) {
		snapshot_head_read(&at, &now);
		cursor_require(c, now.writer > before.writer && now.seq >= 1 &&
					  now.seq <= SEGMENT_SEQ_MAX);
		before = now;
	}
}

static void check_packs(struct cursor *c, struct cursor at, uint32_t n,
			uint32_t epoch)
{
	for (uint32_t i = 0; i < n; i++) {
		struct snapshot_pack p;

		snapshot_pack_read(&at, &p);
		cursor_require(c, at.error == 0 && p.epoch >= 1 &&
					  p.epoch <= epoch &&
					  p.size >= PACK_MIN_BYTES);
		format_require(c, p.size <= PACK_MAX_BYTES, ERR_LIMIT);
	}
}

/* A record lies inside its pack, and all shards together are the state. */
static void check_shards(struct cursor *c, const struct snapshot_body *s)
{
	struct cursor at = s->shards;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->n_shards && !c->error; i++) {
		struct snapshot_shard one = { .pack = 0 };
		int r = snapshot_shard_read(&at, &one);

		format_require(c, r >= 0, r);
		cursor_require(c, one.pack < s->n_packs);
		sum += one.entry.plain_bytes;
	}
	cursor_require(c, sum == s->state_bytes);
}

static void take_list(struct cursor *c, uint32_t n, size_t size,
		      struct cursor *ret)
{
	const uint8_t *at = NULL;

	if (cursor_fits(c, n, size))
		at = cursor_take(c, (size_t)n * size);
	cursor_init(ret, at, at ? (size_t)n * size : 0);
}

static int decode_body(const uint8_t *plain, const struct segment_header *h,
		       struct snapshot_body *ret)
{
	struct snapshot_body s;
	struct cursor c;
	uint64_t used;

	memset(&s, 0, sizeof(s));
	cursor_init(&c, plain, (size_t)h->body_bytes);
	used = cursor_u64(&c);
	cursor_require(&c, used >= FIXED_BYTES && used <= h->body_bytes &&
				   pad_length(used, SEGMENT_PAD_BYTES) ==
					   h->body_bytes);
	s.state_bytes = cursor_u64(&c);
	cursor_copy(&c, s.state.b, sizeof(s.state.b));
	s.n_heads = cursor_u32(&c);
	s.n_packs = cursor_u32(&c);
	s.n_shards = cursor_u32(&c);
	cursor_zeros(&c, 4);
	format_require(&c, s.n_heads <= SEGMENT_MAX_WRITERS &&
				   s.n_packs <= SNAPSHOT_MAX_PACKS &&
				   s.n_shards <= SNAPSHOT_MAX_SHARDS,
		       ERR_LIMIT);
	cursor_require(&c, s.n_heads >= 1 && s.n_packs >= 1 &&
				   s.n_shards >= 1);
	take_list(&c, s.n_heads, SNAPSHOT_HEAD_BYTES, &s.heads);
	take_list(&c, s.n_packs, SNAPSHOT_PACK_BYTES, &s.packs);
	take_list(&c, s.n_shards, SNAPSHOT_SHARD_BYTES, &s.shards);
	cursor_require(&c, c.error == 0 && c.at == plain + used);
	cursor_zeros(&c, cursor_left(&c));
	if (c.error)
		return c.error;
	check_heads(&c, s.heads, s.n_heads);
	check_packs(&c, s.packs, s.n_packs, h->epoch);
	check_shards(&c, &s);
	int r = cursor_finish(&c);
	if (r == 0)
		*ret = s;
	return r;
}

/* ---------------------------------------------------------------- file */

static uint64_t file_bytes_of(uint64_t body_bytes)
{
	return SEGMENT_HEADER_BYTES +
	       aead_chain_sealed_bytes(body_bytes, SEGMENT_SUB_BYTES);
}

static void encode_header(const struct segment_header *h,
			  uint8_t out[static SEGMENT_HEADER_BYTES])
{
	memset(out, 0, SEGMENT_HEADER_BYTES);
	memcpy(out, SNAPSHOT_MAGIC, MAGIC_BYTES);
	le16_put(out + 8, FORMAT_VERSION);
	le32_put(out + 12, h->epoch);
	memcpy(out + 16, h->vault.b, sizeof(h->vault.b));
	le64_put(out + 32, h->writer);
	le64_put(out + 40, h->seq);
	memcpy(out + R16_AT, h->r16.b, sizeof(h->r16.b));
	memcpy(out + 64, h->key_id.b, sizeof(h->key_id.b));
	le64_put(out + 72, h->body_bytes);
}

static int seal_file(const struct epoch_keys *k, struct segment_header *h,
		     const struct buf *plain, struct buf *ret_file)
{
	uint8_t *file;

	memset(&h->r16, 0, sizeof(h->r16));
	file = buf_grow(ret_file, (size_t)file_bytes_of(h->body_bytes));
	if (!file)
		return buf_error(ret_file);
	encode_header(h, file);
	format_hedge(&k->hdg, file, SEGMENT_HEADER_BYTES, plain->data,
		     plain->len, &h->r16);
	memcpy(file + R16_AT, h->r16.b, sizeof(h->r16.b));
	aead_chain_seal(&k->snp, &h->r16, file, SEGMENT_HEADER_BYTES,
			SEGMENT_SUB_BYTES, plain->data, h->body_bytes,
			file + SEGMENT_HEADER_BYTES);
	return 0;
}

int snapshot_seal(const struct epoch_keys *k, struct segment_header *h,
		  const struct snapshot_body *body, struct buf *ret_file)
{
	auto_buf struct buf plain = BUF_INIT(SNAPSHOT_BODY_MAX);
	struct segment_header header = *h;
	struct snapshot_body check;
	int r;

	encode_body(body, &plain);
	r = buf_error(&plain);
	if (r < 0)
		return r;
	header.epoch = k->epoch;
	memcpy(header.key_id.b, k->id.b, sizeof(header.key_id.b));
	header.body_bytes = plain.len;
	r = decode_body(plain.data, &header, &check);
	if (r == 0)
		r = seal_file(k, &header, &plain, ret_file);
	if (r == 0)
		*h = header;
	return r;
}

int snapshot_header_decode(const uint8_t in[static SEGMENT_HEADER_BYTES],
			   uint64_t file_bytes, struct segment_header *ret)
{
	struct segment_header h;
	struct cursor c;

	if (file_bytes < SEGMENT_HEADER_BYTES)
		return ERR_TRUNCATED;
	cursor_init(&c, in, SEGMENT_HEADER_BYTES);
	format_magic(&c, SNAPSHOT_MAGIC, ERR_MALFORMED);
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
	format_require(&c, h.seq <= SEGMENT_SEQ_MAX &&
				   h.body_bytes <= SNAPSHOT_BODY_MAX,
		       ERR_LIMIT);
	int r = cursor_finish(&c);
	if (r < 0)
		return r;
	if (pad_length(h.body_bytes, SEGMENT_PAD_BYTES) != h.body_bytes)
		return ERR_MALFORMED;
	if (file_bytes != file_bytes_of(h.body_bytes))
		return file_bytes < file_bytes_of(h.body_bytes) ? ERR_TRUNCATED
								: ERR_MALFORMED;
	*ret = h;
	return 0;
}

int snapshot_open(const struct epoch_keys *k, const uint8_t *file,
		  uint64_t file_bytes, const struct segment_header *h,
		  uint8_t *plain, struct snapshot_body *ret)
{
	uint64_t n_subs;
	int r;

	assert(file_bytes == file_bytes_of(h->body_bytes));
	n_subs = (h->body_bytes - 1) / SEGMENT_SUB_BYTES + 1;
	r = aead_chain_open(&k->snp, &h->r16, file, SEGMENT_HEADER_BYTES,
			    SEGMENT_SUB_BYTES, h->body_bytes, 0, n_subs,
			    file + SEGMENT_HEADER_BYTES, plain);
	return r < 0 ? r : decode_body(plain, h, ret);
}
