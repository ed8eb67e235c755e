/* SPDX-License-Identifier: ISC */
#include "vault/content/budget.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vault/content/databuf.h"

/* Nobody sleeps longer without looking again. */
#define WAIT_NS (200 * NS_PER_MS)

/* Large buffers are kept for the next writer, so that their page faults are
 * paid once (they were a fifth of a stream's time).  The chunks in them leave by
 * the pack, two of them at a time: as much as that; and at rest a few. */
#define IDLE_PART 3u
#define IDLE_AT_REST 4u

void budget_init(struct budget *b, size_t hard_bytes, uint32_t big_bytes)
{
	*b = (struct budget){
		.hard_bytes = hard_bytes,
		.big_bytes = big_bytes,
		.max_idle = (unsigned)(hard_bytes / IDLE_PART / big_bytes),
	};
	lock_init(&b->lock, LOCK_LEAF, 0);
	cond_init(&b->changed);
}

void budget_release(struct budget *b)
{
	assert(atomic_load(&b->charged) == 0);
	while (b->idle) {
		struct databuf *d = b->idle;

		b->idle = d->next;
		mem_free(d);
	}
	cond_release(&b->changed);
	lock_release(&b->lock);
}

void budget_charge(struct budget *b, uint64_t bytes)
{
	atomic_fetch_add(&b->charged, bytes);
}

void budget_give_back(struct budget *b, uint64_t bytes)
{
	atomic_fetch_sub(&b->charged, bytes);
	if (atomic_load(&b->n_waiting) == 0)
		return;
	lock_take(&b->lock);
	cond_broadcast(&b->changed);
	lock_drop(&b->lock);
}

uint64_t budget_charged(const struct budget *b)
{
	return atomic_load(&b->charged);
}

bool budget_has_room(const struct budget *b)
{
	return budget_charged(b) < b->hard_bytes;
}

void budget_wait(struct budget *b)
{
	uint64_t until = clock_mono_ns() + (uint64_t)WAIT_NS;
	uint64_t pokes;

	/* Counted before looking: who gives back after that wakes us. */
	atomic_fetch_add(&b->n_waiting, 1);
	lock_take(&b->lock);
	pokes = b->n_pokes;
	while (!budget_has_room(b) && b->n_pokes == pokes)
		if (!cond_wait_until(&b->changed, &b->lock, until))
			break;
	lock_drop(&b->lock);
	atomic_fetch_sub(&b->n_waiting, 1);
}

void budget_rest(struct budget *b)
{
	struct databuf *first = NULL;

	lock_take(&b->lock);
	while (b->n_idle > IDLE_AT_REST) {
		struct databuf *d = b->idle;

		b->idle = d->next;
		b->n_idle--;
		d->next = first;
		first = d;
	}
	lock_drop(&b->lock);
	while (first) {
		struct databuf *d = first;

		first = d->next;
		mem_free(d);
	}
}

void budget_poke(struct budget *b)
{
	lock_take(&b->lock);
	b->n_pokes++;
	cond_broadcast(&b->changed);
	lock_drop(&b->lock);
}
