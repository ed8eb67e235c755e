/* SPDX-License-Identifier: ISC */
#include "vault/tree/holds.h"

#include <errno.h>

#include "base/mem.h"

/* Open addressing, linear probing, deletion by shifting back (Knuth, TAOCP 3,
 * 6.4, Algorithm R). */
struct hold {
	uint64_t ino; /* 0: free */
	uint64_t n;
};

struct holds {
	struct hold *slots;
	uint64_t mask;
	uint64_t used;
};

static uint64_t start_of(const struct holds *h, uint64_t ino)
{
	return (ino * UINT64_C(0x9E3779B97F4A7C15) >> 20) & h->mask;
}

int holds_new(struct holds **ret)
{
	struct holds *h = mem_zalloc(sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->mask = 1023;
	h->slots = mem_zalloc_array(h->mask + 1, sizeof(struct hold));
	if (!h->slots) {
		mem_free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

void holds_free(struct holds *h)
{
	if (!h)
		return;
	mem_free(h->slots);
	mem_free(h);
}

/* The slot of an inode, or the free one where it belongs. */
static struct hold *slot_of(const struct holds *h, uint64_t ino)
{
	uint64_t i = start_of(h, ino);

	while (h->slots[i].ino && h->slots[i].ino != ino)
		i = (i + 1) & h->mask;
	return &h->slots[i];
}

static int grow(struct holds *h)
{
	struct holds bigger = { .mask = h->mask * 2 + 1, .used = h->used };

	bigger.slots = mem_zalloc_array(bigger.mask + 1, sizeof(struct hold));
	if (!bigger.slots)
		return -ENOMEM;
	for (uint64_t i = 0; i <= h->mask; i++)
		if (h->slots[i].ino)
			*slot_of(&bigger, h->slots[i].ino) = h->slots[i];
	mem_free(h->slots);
	*h = bigger;
	return 0;
}

int holds_add(struct holds *h, uint64_t ino, uint64_t n)
{
	struct hold *s = slot_of(h, ino);

	if (!s->ino && (h->used + 1) * 4 > h->mask * 3) {
		int r = grow(h);

		if (r < 0)
			return r;
		s = slot_of(h, ino);
	}
	if (!s->ino) {
		s->ino = ino;
		h->used++;
	}
	s->n += n;
	return 0;
}

static void remove_slot(struct holds *h, uint64_t i)
{
	uint64_t j = i;

	for (;;) {
		h->slots[i] = (struct hold){ 0 };
		for (;;) {
			j = (j + 1) & h->mask;
			if (!h->slots[j].ino) {
				h->used--;
				return;
			}
			uint64_t k = start_of(h, h->slots[j].ino);
			if (i <= j ? (k <= i || k > j) : (k <= i && k > j))
				break;
		}
		h->slots[i] = h->slots[j];
		i = j;
	}
}

uint64_t holds_drop(struct holds *h, uint64_t ino, uint64_t n)
{
	struct hold *s = slot_of(h, ino);

	if (!s->ino)
		return 0;
	s->n -= n < s->n ? n : s->n;
	uint64_t left = s->n;
	if (left == 0)
		remove_slot(h, (uint64_t)(s - h->slots));
	return left;
}

uint64_t holds_count(const struct holds *h, uint64_t ino)
{
	return slot_of(h, ino)->n;
}

uint64_t holds_inodes(const struct holds *h)
{
	return h->used;
}
