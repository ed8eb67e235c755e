/* SPDX-License-Identifier: ISC */
#include "vault/content/databuf.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

static struct databuf *take_idle(struct budget *b)
{
	struct databuf *d;

	lock_take(&b->lock);
	d = b->idle;
	if (d) {
		b->idle = d->next;
		b->n_idle--;
	}
	lock_drop(&b->lock);
	return d;
}

struct databuf *databuf_new(struct budget *b, const void *owner, uint32_t cap)
{
	struct databuf *d = NULL;

	if (cap > b->big_bytes / 2 && cap <= b->big_bytes) {
		cap = b->big_bytes;
		d = take_idle(b);
	}
	if (!d)
		d = mem_alloc(sizeof(*d) + cap);
	if (!d)
		return NULL;
	atomic_init(&d->refs, 1);
	d->cap = cap;
	d->used = 0;
	d->frozen = 0;
	d->owner = owner;
	d->budget = b;
	d->next = NULL;
	budget_charge(b, sizeof(*d));
	return d;
}

struct databuf *databuf_get(struct databuf *d)
{
	atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
	return d;
}

static bool keep_idle(struct budget *b, struct databuf *d)
{
	bool kept;

	lock_take(&b->lock);
	kept = b->n_idle < b->max_idle;
	if (kept) {
		d->next = b->idle;
		b->idle = d;
		b->n_idle++;
	}
	lock_drop(&b->lock);
	return kept;
}

void databuf_put(struct databuf *d)
{
	struct budget *b;
	uint64_t charged;

	if (!d || atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	b = d->budget;
	charged = sizeof(*d) + d->used;
	mem_wipe(d->bytes, d->used);
	if (d->cap != b->big_bytes || !keep_idle(b, d))
		mem_free(d);
	budget_give_back(b, charged);
}

void databuf_put_cleanup(struct databuf **d)
{
	databuf_put(*d);
}

void databuf_append(struct databuf *d, const void *from, uint32_t n)
{
	assert(n <= d->cap - d->used);
	memcpy(d->bytes + d->used, from, n);
	d->used += n;
	budget_charge(d->budget, n);
}

void databuf_freeze(struct databuf *d, const void *owner, uint32_t end)
{
	if (d->owner != owner)
		return;
	assert(end <= d->used);
	d->frozen = max_of(d->frozen, end);
}
