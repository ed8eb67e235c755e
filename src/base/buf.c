/* SPDX-License-Identifier: ISC */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define BUF_FIRST_BYTES 64

void buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf)BUF_INIT(max_bytes);
}

void buf_release(struct buf *b)
{
	if (b->data)
		mem_wipe(b->data, b->cap);
	mem_free(b->data);
	buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->error = 0;
}

void buf_release_cleanup(struct buf *b)
{
	buf_release(b);
}

int buf_error(const struct buf *b)
{
	return b->error;
}

/* Not realloc: what it leaves behind would not be wiped. */
static int move_to(struct buf *b, size_t cap)
{
	uint8_t *data = mem_alloc(cap);

	if (!data)
		return -ENOMEM;
	if (b->data) {
		memcpy(data, b->data, b->len);
		mem_wipe(b->data, b->cap);
		mem_free(b->data);
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

/* Doubles, so that n puts cost O(n) copies; never beyond max. */
static size_t next_cap(const struct buf *b, size_t needed)
{
	size_t cap = b->cap > b->max / 2 ? b->max : b->cap * 2;

	cap = max_of(cap, (size_t)BUF_FIRST_BYTES);
	cap = max_of(cap, needed);
	return min_of(cap, b->max);
}

uint8_t *buf_grow(struct buf *b, size_t n)
{
	uint8_t *at;

	if (b->error)
		return NULL;
	if (n > b->max - b->len) {
		b->error = ERR_LIMIT;
		return NULL;
	}
	if (!b->data || n > b->cap - b->len) {
		b->error = move_to(b, next_cap(b, b->len + n));
		if (b->error)
			return NULL;
	}
	at = b->data + b->len;
	b->len += n;
	return at;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
	uint8_t *at = buf_grow(b, sizeof(v));

	if (at)
		*at = v;
}

void buf_put_u16(struct buf *b, uint16_t v)
{
	uint8_t *at = buf_grow(b, sizeof(v));

	if (at)
		le16_put(at, v);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
	uint8_t *at = buf_grow(b, sizeof(v));

	if (at)
		le32_put(at, v);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	uint8_t *at = buf_grow(b, sizeof(v));

	if (at)
		le64_put(at, v);
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	uint8_t *at;

	if (n == 0)
		return;
	at = buf_grow(b, n);
	if (at)
		memcpy(at, p, n);
}

void buf_put_zeros(struct buf *b, size_t n)
{
	uint8_t *at;

	if (n == 0)
		return;
	at = buf_grow(b, n);
	if (at)
		memset(at, 0, n);
}

/* NULL after an error: then bytes meant to be patched may be missing. */
static uint8_t *patch_at(struct buf *b, size_t at, size_t n)
{
	if (b->error)
		return NULL;
	assert(at <= b->len && n <= b->len - at);
	return b->data + at;
}

void buf_patch_u32(struct buf *b, size_t at, uint32_t v)
{
	uint8_t *to = patch_at(b, at, sizeof(v));

	if (to)
		le32_put(to, v);
}

void buf_patch_u64(struct buf *b, size_t at, uint64_t v)
{
	uint8_t *to = patch_at(b, at, sizeof(v));

	if (to)
		le64_put(to, v);
}

uint8_t *buf_take(struct buf *b, size_t *ret_len)
{
	uint8_t *data = b->data;

	assert(!b->error);
	*ret_len = b->len;
	buf_init(b, b->max);
	return data;
}
