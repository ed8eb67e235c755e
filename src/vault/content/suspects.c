/* SPDX-License-Identifier: ISC */
#include "vault/content/suspects.h"

#include <inttypes.h>
#include <string.h>

#include "base/diag.h"
#include "base/hex.h"
#include "base/mem.h"

void suspects_init(struct suspects *s)
{
	*s = (struct suspects){ .n = 0 };
	lock_init(&s->lock, LOCK_LEAF, 0);
}

void suspects_release(struct suspects *s)
{
	mem_free(s->list);
	lock_release(&s->lock);
}

static int compare(const struct suspect *a, uint64_t writer,
		   const uint8_t *name)
{
	if (a->writer != writer)
		return a->writer < writer ? -1 : 1;
	return memcmp(a->name, name, sizeof(a->name));
}

/* Where it is, or would be. */
static size_t find_locked(const struct suspects *s, uint64_t writer,
			  const uint8_t *name, bool *ret_is_there)
	LOCK_ATTR_(requires_capability(s->lock))
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(&s->list[mid], writer, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_is_there = low < s->n && compare(&s->list[low], writer, name) == 0;
	return low;
}

static bool make_room_locked(struct suspects *s)
	LOCK_ATTR_(requires_capability(s->lock))
{
	size_t cap = s->cap ? s->cap * 2 : 16;
	struct suspect *list;

	if (s->n < s->cap)
		return true;
	list = mem_realloc_array(s->list, cap, sizeof(*list));
	if (!list)
		return false;
	s->list = list;
	s->cap = cap;
	return true;
}

void suspects_add(struct suspects *s, uint64_t writer,
		  const uint8_t name[static PACK_NAME_BYTES], int err)
{
	char hex[2 * PACK_NAME_BYTES + 1];
	bool is_there;
	size_t at;

	lock_take(&s->lock);
	at = find_locked(s, writer, name, &is_there);
	if (!is_there && make_room_locked(s)) {
		memmove(s->list + at + 1, s->list + at,
			(s->n - at) * sizeof(*s->list));
		s->list[at].writer = writer;
		memcpy(s->list[at].name, name, sizeof(s->list[at].name));
		s->n++;
	}
	lock_drop(&s->lock);
	if (is_there)
		return;
	hex_encode(name, PACK_NAME_BYTES, hex);
	diag_err(DIAG_ERROR, err, "w/%016" PRIx64 "/d/%.2s/%s: reading a chunk",
		 writer, hex, hex);
}

bool suspects_has(struct suspects *s, uint64_t writer,
		  const uint8_t name[static PACK_NAME_BYTES])
{
	bool is_there;

	lock_take(&s->lock);
	(void)find_locked(s, writer, name, &is_there);
	lock_drop(&s->lock);
	return is_there;
}

size_t suspects_count(struct suspects *s)
{
	lock_take(&s->lock);
	size_t n = s->n;
	lock_drop(&s->lock);
	return n;
}
