/* SPDX-License-Identifier: ISC */
#include "base/cursor.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"

/* What a cursor over nothing points at, so that NULL always means error. */
static const uint8_t nothing[1];

static void fail(struct cursor *c, int err)
{
	if (!c->error)
		c->error = err;
}

void cursor_init(struct cursor *c, const void *data, size_t len)
{
	c->at = data ? data : nothing;
	c->end = c->at + len;
	c->error = 0;
	assert(data || len == 0);
}

size_t cursor_left(const struct cursor *c)
{
	return c->error ? 0 : (size_t)(c->end - c->at);
}

const uint8_t *cursor_take(struct cursor *c, size_t n)
{
	const uint8_t *at = c->at;

	if (c->error)
		return NULL;
	if (n > cursor_left(c)) {
		fail(c, ERR_TRUNCATED);
		return NULL;
	}
	c->at += n;
	return at;
}

uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, sizeof(uint8_t));

	return p ? *p : 0;
}

uint16_t cursor_u16(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, sizeof(uint16_t));

	return p ? le16_get(p) : 0;
}

uint32_t cursor_u32(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, sizeof(uint32_t));

	return p ? le32_get(p) : 0;
}

uint64_t cursor_u64(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, sizeof(uint64_t));

	return p ? le64_get(p) : 0;
}

void cursor_copy(struct cursor *c, void *to, size_t n)
{
	const uint8_t *p = cursor_take(c, n);

	if (n == 0)
		return;
	if (p)
		memcpy(to, p, n);
	else
		memset(to, 0, n);
}

void cursor_zeros(struct cursor *c, size_t n)
{
	const uint8_t *p = cursor_take(c, n);

	for (size_t i = 0; p && i < n; i++)
		if (p[i] != 0) {
			fail(c, ERR_MALFORMED);
			return;
		}
}

void cursor_require(struct cursor *c, bool ok)
{
	if (!ok)
		fail(c, ERR_MALFORMED);
}

bool cursor_fits(struct cursor *c, uint64_t count, size_t item_bytes)
{
	assert(item_bytes > 0);
	if (count > cursor_left(c) / item_bytes)
		fail(c, ERR_TRUNCATED);
	return !c->error;
}

int cursor_finish(struct cursor *c)
{
	cursor_require(c, c->at == c->end);
	return c->error;
}
