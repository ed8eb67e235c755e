/* SPDX-License-Identifier: ISC */
/* The plaintext of a segment: its fixed fields and four lists. */
#include <string.h>

#include "format/format_priv.h"
#include "format/op.h"
#include "format/op_priv.h"
#include "format/pack_priv.h"
#include "format/segment.h"
#include "format/segment_priv.h"

void segment_vv_put(struct buf *b, const struct segment_vv *v)
{
	buf_put_u64(b, v->writer);
	buf_put_u64(b, v->context);
	buf_put_u64(b, v->ack);
	buf_put(b, v->head.b, sizeof(v->head.b));
}

void segment_vv_read(struct cursor *c, struct segment_vv *ret)
{
	ret->writer = cursor_u64(c);
	ret->context = cursor_u64(c);
	ret->ack = cursor_u64(c);
	cursor_copy(c, ret->head.b, sizeof(ret->head.b));
}

void segment_pack_put(struct buf *b, const struct segment_pack *p)
{
	buf_put(b, p->name, sizeof(p->name));
	buf_put_u64(b, p->size);
	buf_put_u32(b, p->epoch);
	buf_put(b, p->key_id.b, sizeof(p->key_id.b));
	buf_put_u8(b, (uint8_t)p->type);
	buf_put_zeros(b, 3);
	buf_put_u32(b, p->n_entries);
	buf_put(b, p->entries, (size_t)p->n_entries * PACK_ENTRY_BYTES);
}

/* As far as the entries, whose count is read but not checked. */
static void read_pack_fixed(struct cursor *c, struct segment_pack *ret)
{
	cursor_copy(c, ret->name, sizeof(ret->name));
	ret->size = cursor_u64(c);
	ret->epoch = cursor_u32(c);
	cursor_copy(c, ret->key_id.b, sizeof(ret->key_id.b));
	ret->type = cursor_u8(c);
	cursor_zeros(c, 3);
	ret->n_entries = cursor_u32(c);
}

void segment_pack_read(struct cursor *c, struct segment_pack *ret)
{
	memset(ret, 0, sizeof(*ret));
	read_pack_fixed(c, ret);
	if (cursor_fits(c, ret->n_entries, PACK_ENTRY_BYTES))
		ret->entries = cursor_take(c, (size_t)ret->n_entries *
						      PACK_ENTRY_BYTES);
	if (c->error)
		memset(ret, 0, sizeof(*ret));
}

/* The body ends where the last record does, and the size follows from that:
 * no pack has another. */
static int check_pack_size(const struct segment_pack *p)
{
	const uint8_t *last =
		p->entries + (size_t)(p->n_entries - 1) * PACK_ENTRY_BYTES;
	struct pack_entry e;
	uint64_t body_end;
	struct cursor c;
	int err;

	cursor_init(&c, last, PACK_ENTRY_BYTES);
	err = pack_entry_read(&c, &e);
	if (err < 0)
		return err;
	body_end = (uint64_t)e.offset + e.stored_bytes;
	err = pack_entries_check(p->entries, p->n_entries, body_end);
	if (err < 0)
		return err;
	return p->size == pack_padded_bytes(body_end, p->n_entries)
		       ? 0
		       : ERR_MALFORMED;
}

void segment_pack_check(struct cursor *c, struct segment_pack *ret)
{
	int err;

	segment_pack_read(c, ret);
	cursor_require(c, ret->n_entries >= 1 && ret->epoch >= 1);
	format_require(c, ret->type == PACK_DATA || ret->type == PACK_METADATA,
		       ERR_NEWER);
	format_require(c,
		       ret->n_entries <= PACK_MAX_ENTRIES &&
			       ret->size <= PACK_MAX_BYTES,
		       ERR_LIMIT);
	if (!c->error) {
		err = check_pack_size(ret);
		format_require(c, err >= 0, err);
	}
	if (c->error)
		memset(ret, 0, sizeof(*ret));
}

void segment_required_put(struct buf *b, const struct segment_required *r)
{
	buf_put_u64(b, r->writer);
	buf_put(b, r->name, sizeof(r->name));
}

void segment_required_read(struct cursor *c, struct segment_required *ret)
{
	ret->writer = cursor_u64(c);
	cursor_copy(c, ret->name, sizeof(ret->name));
}

static void put_list(struct buf *b, const struct cursor *list)
{
	buf_put(b, list->at, cursor_left(list));
}

void segment_body_encode(const struct segment_body *body, struct buf *b)
{
	const size_t start = b->len;
	size_t used;

	buf_put_u64(b, 0); /* used length, patched below */
	buf_put(b, body->previous.b, sizeof(body->previous.b));
	buf_put_u64(b, body->first);
	buf_put_u64(b, body->last);
	buf_put_u32(b, body->n_vv);
	buf_put_u32(b, body->n_packs);
	buf_put_u32(b, body->n_required);
	buf_put_u32(b, body->n_ops);
	buf_put_u16(b, 0); /* signature algorithm */
	buf_put_u16(b, 0); /* signature length */
	buf_put_u32(b, 0);
	put_list(b, &body->vv);
	put_list(b, &body->packs);
	put_list(b, &body->required);
	put_list(b, &body->ops);
	used = b->len - start;
	buf_patch_u64(b, start, used);
	buf_put_zeros(b, (size_t)pad_length(used, SEGMENT_PAD_BYTES) - used);
}

/* The part of `c` from `start` to where it stands now. */
static struct cursor list_between(const struct cursor *start,
				  const struct cursor *c)
{
	struct cursor list = { .at = start->at, .end = c->at };

	return list;
}

static void check_vv(struct cursor *c, uint32_t n, uint64_t self)
{
	uint64_t before = 0;
	uint32_t i;

	if (!cursor_fits(c, n, SEGMENT_VV_BYTES))
		return;
	for (i = 0; i < n && !c->error; i++) {
		struct segment_vv v;

		segment_vv_read(c, &v);
		cursor_require(c, v.writer > before && v.writer != self);
		cursor_require(c, v.context >= 1 && v.ack <= v.context &&
					  v.context <= SEGMENT_SEQ_MAX);
		before = v.writer;
	}
}

/* A writer seals its packs under no epoch it has not entered. */
static void check_packs(struct cursor *c, uint32_t n, uint32_t epoch)
{
	uint32_t i;

	if (!cursor_fits(c, n, SEGMENT_PACK_FIXED_BYTES))
		return;
	for (i = 0; i < n && !c->error; i++) {
		struct segment_pack p;

		segment_pack_check(c, &p);
		cursor_require(c, p.epoch <= epoch);
	}
}

static void check_required(struct cursor *c, uint32_t n)
{
	if (cursor_fits(c, n, SEGMENT_REQUIRED_BYTES))
		cursor_take(c, (size_t)n * SEGMENT_REQUIRED_BYTES);
}

/* Each operation, none with a time before the one before it, from first to
 * last, and no transaction left open.  What is passed over counts as well. */
static void check_ops(struct cursor *c, const struct segment_body *body)
{
	struct op_header h = { .clock = body->first };
	uint32_t i;

	if (!cursor_fits(c, body->n_ops, OP_HEADER_BYTES))
		return;
	for (i = 0; i < body->n_ops && !c->error; i++) {
		struct cursor peek = *c;
		hlc_t before = h.clock;
		struct op op;
		int err;

		op.dot = (struct dot){ 0 };
		err = op_header_decode(&peek, &h);
		if (err == 0)
			err = op_decode(c, &op);
		format_require(c, err >= 0, err);
		cursor_require(c,
			       i == 0 ? h.clock == before : h.clock >= before);
	}
	cursor_require(c, h.clock == body->last);
	cursor_require(c, !(h.flags & OP_FLAG_MORE));
}

static void check_counts(struct cursor *c, const struct segment_body *body)
{
	format_require(c,
		       body->n_vv <= SEGMENT_MAX_WRITERS &&
			       body->n_packs <= SEGMENT_MAX_PACKS &&
			       body->n_required <= SEGMENT_MAX_REQUIRED &&
			       body->n_ops <= SEGMENT_MAX_OPS,
		       ERR_LIMIT);
}

/* The first segment has none before it, every other one has. */
static bool hash_is_zero(const struct file_hash *h)
{
	static const struct file_hash zero;

	return memcmp(h->b, zero.b, sizeof(zero.b)) == 0;
}

/* The fields before the lists, but for the used length. */
static void read_fixed(struct cursor *c, struct segment_body *body)
{
	cursor_copy(c, body->previous.b, sizeof(body->previous.b));
	body->first = cursor_u64(c);
	body->last = cursor_u64(c);
	body->n_vv = cursor_u32(c);
	body->n_packs = cursor_u32(c);
	body->n_required = cursor_u32(c);
	body->n_ops = cursor_u32(c);
	/* Signatures come with an incompatible bit in the header `VAULT`. */
	format_require(c, cursor_u16(c) == 0, ERR_NEWER);
	format_require(c, cursor_u16(c) == 0, ERR_NEWER);
	cursor_zeros(c, 4);
	check_counts(c, body);
}

/* Each list is kept as it stands between two positions of the one cursor. */
static void read_lists(struct cursor *c, const struct segment_header *h,
		       struct segment_body *body)
{
	struct cursor start = *c;

	check_vv(c, body->n_vv, h->writer);
	body->vv = list_between(&start, c);
	start = *c;
	check_packs(c, body->n_packs, h->epoch);
	body->packs = list_between(&start, c);
	start = *c;
	check_required(c, body->n_required);
	body->required = list_between(&start, c);
	start = *c;
	check_ops(c, body);
	body->ops = list_between(&start, c);
}

int segment_body_decode(const uint8_t *plain, const struct segment_header *h,
			struct segment_body *ret)
{
	const uint64_t body_bytes = h->body_bytes;
	struct segment_body body;
	struct cursor whole, c;
	uint64_t used;
	int err;

	if (body_bytes > SEGMENT_BODY_MAX)
		return ERR_LIMIT;
	cursor_init(&whole, plain, (size_t)body_bytes);
	used = cursor_u64(&whole);
	if (whole.error || used > body_bytes || used < SEGMENT_FIXED_BYTES)
		return ERR_MALFORMED;
	if (pad_length(used, SEGMENT_PAD_BYTES) != body_bytes)
		return ERR_MALFORMED;
	cursor_init(&c, whole.at, (size_t)used - sizeof(used));
	read_fixed(&c, &body);
	cursor_require(&c, hash_is_zero(&body.previous) == (h->seq == 1));
	read_lists(&c, h, &body);
	err = cursor_finish(&c);
	if (err < 0)
		return err;
	cursor_init(&c, plain + used, (size_t)(body_bytes - used));
	cursor_zeros(&c, (size_t)(body_bytes - used));
	err = cursor_finish(&c);
	if (err < 0)
		return err;
	*ret = body;
	return 0;
}
