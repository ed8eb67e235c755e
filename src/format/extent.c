/* SPDX-License-Identifier: ISC */
#include "format/extent.h"

#include "format/format_priv.h"
#include "format/op_priv.h"
#include "format/pack.h"

#define EXTENT_RESERVED_BYTES 3

static void extent_read_chunk(struct cursor *c, struct extent *ret)
{
	ret->chunk_offset = cursor_u32(c);
	ret->chunk_length = cursor_u32(c);
	cursor_copy(c, ret->id.b, sizeof(ret->id.b));
	format_require(c, ret->chunk_length <= CHUNK_MAX_BYTES, ERR_LIMIT);
	cursor_require(c, ret->length <= ret->chunk_length &&
				  ret->chunk_offset <=
					  ret->chunk_length - ret->length);
}

static void extent_read_inline(struct cursor *c, struct extent *ret)
{
	format_require(c, ret->length <= OP_INLINE_MAX, ERR_LIMIT);
	if (!c->error)
		ret->bytes = cursor_take(c, (size_t)ret->length);
}

/* Every rule that one extent alone can break. */
void extent_read(struct cursor *c, struct extent *ret)
{
	struct extent e = { 0 };

	e.offset = cursor_u64(c);
	e.length = cursor_u64(c);
	e.kind = cursor_u8(c);
	cursor_zeros(c, EXTENT_RESERVED_BYTES);
	cursor_require(c, e.length >= 1);
	switch (e.kind) {
	case EXTENT_HOLE:
		break;
	case EXTENT_CHUNK:
		extent_read_chunk(c, &e);
		break;
	case EXTENT_INLINE:
		extent_read_inline(c, &e);
		break;
	default:
		format_require(c, false, ERR_NEWER);
	}
	*ret = e;
}

void extent_put(struct buf *b, const struct extent *e)
{
	buf_put_u64(b, e->offset);
	buf_put_u64(b, e->length);
	buf_put_u8(b, (uint8_t)e->kind);
	buf_put_zeros(b, EXTENT_RESERVED_BYTES);
	switch (e->kind) {
	case EXTENT_HOLE:
		break;
	case EXTENT_CHUNK:
		buf_put_u32(b, e->chunk_offset);
		buf_put_u32(b, e->chunk_length);
		buf_put(b, e->id.b, sizeof(e->id.b));
		break;
	case EXTENT_INLINE:
		buf_put(b, e->bytes, (size_t)e->length);
		break;
	}
}

void extent_list_cursor(const struct extent_list *l, struct cursor *ret)
{
	cursor_init(ret, l->raw, l->raw_bytes);
}

int extent_list_check(const struct extent_list *l, bool whole, uint64_t size)
{
	struct cursor c;
	uint64_t end = 0;
	uint32_t i;

	if (size > FILE_SIZE_MAX || l->n > OP_MAX_EXTENTS)
		return ERR_LIMIT;
	extent_list_cursor(l, &c);
	for (i = 0; i < l->n && !c.error; i++) {
		struct extent e;

		extent_read(&c, &e);
		cursor_require(&c, e.kind != EXTENT_HOLE || !whole);
		cursor_require(&c, e.offset >= end && e.offset <= size &&
					   e.length <= size - e.offset);
		end = e.offset + e.length;
	}
	return cursor_finish(&c);
}
