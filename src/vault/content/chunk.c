/* SPDX-License-Identifier: ISC */
#include "vault/content/chunk.h"

#include <assert.h>
#include <errno.h>

#include "base/mem.h"

static struct chunk **bucket_of(struct chunk_table *t, uint64_t number)
{
	/* Numbers run on: no mixing needed. */
	return &t->buckets[number & (CHUNK_BUCKETS - 1)];
}

void chunk_table_init(struct chunk_table *t)
{
	*t = (struct chunk_table){ .buckets = { NULL } };
	lock_init(&t->lock, LOCK_LEAF, 0);
}

void chunk_table_release(struct chunk_table *t)
{
	for (unsigned i = 0; i < CHUNK_BUCKETS; i++)
		assert(!t->buckets[i]);
	lock_release(&t->lock);
}

/* One without references is on its way out. */
static bool try_get(struct chunk *c)
{
	unsigned refs = atomic_load(&c->refs);

	while (refs > 0)
		if (atomic_compare_exchange_weak(&c->refs, &refs, refs + 1))
			return true;
	return false;
}

static struct chunk *find_locked(struct chunk_table *t, uint64_t number)
	LOCK_ATTR_(requires_capability(t->lock))
{
	struct chunk *c = *bucket_of(t, number);

	while (c && (c->number != number || !try_get(c)))
		c = c->hash_next;
	return c;
}

struct chunk *chunk_find(struct chunk_table *t, uint64_t number)
{
	struct chunk *c;

	lock_take(&t->lock);
	c = find_locked(t, number);
	lock_drop(&t->lock);
	return c;
}

bool chunk_is_named(struct chunk_table *t, uint64_t number)
{
	auto_chunk struct chunk *c = chunk_find(t, number);

	return c != NULL;
}

int chunk_name(struct chunk_table *t, uint64_t number,
	       const struct content_id *id, uint32_t length, struct chunk **ret)
{
	struct chunk *c = chunk_find(t, number);

	if (c) {
		*ret = c;
		return 0;
	}
	c = mem_zalloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	atomic_init(&c->refs, 1);
	c->table = t;
	c->number = number;
	c->id = *id;
	c->length = length;
	/* The index lock keeps others from making it meanwhile. */
	lock_take(&t->lock);
	c->hash_next = *bucket_of(t, number);
	*bucket_of(t, number) = c;
	lock_drop(&t->lock);
	*ret = c;
	return 0;
}

struct chunk *chunk_get(struct chunk *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void chunk_put(struct chunk *c)
{
	struct chunk_table *t;
	struct chunk **at;

	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	t = c->table;
	lock_take(&t->lock);
	at = bucket_of(t, c->number);
	while (*at != c)
		at = &(*at)->hash_next;
	*at = c->hash_next;
	lock_drop(&t->lock);
	assert(!c->buf);
	mem_wipe(&c->id, sizeof(c->id));
	mem_free(c);
}

void chunk_put_cleanup(struct chunk **c)
{
	chunk_put(*c);
}
