/* SPDX-License-Identifier: ISC */
#include "cli/hardlinks.h"

#include <errno.h>
#include <stddef.h>

#include "base/mem.h"

struct slot {
	uint64_t dev, ino;
	char *path; /* NULL: free */
};

/* Open addressing with linear probing; a power of two, half full at most. */
struct hardlinks {
	struct slot *slots;
	size_t n, cap;
};

#define CAP_START 64

int hardlinks_new(struct hardlinks **ret)
{
	struct hardlinks *h = mem_zalloc(sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->cap = CAP_START;
	h->slots = mem_zalloc_array(h->cap, sizeof(*h->slots));
	if (!h->slots) {
		mem_free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

void hardlinks_free(struct hardlinks *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->cap; i++)
		mem_free(h->slots[i].path);
	mem_free(h->slots);
	mem_free(h);
}

/* The slot of the file, or the free one where it would stand.  Multiplicative
 * hashing (Knuth: The Art of Computer Programming 3, 1998, 6.4). */
static struct slot *find(struct slot *slots, size_t cap, uint64_t dev,
			 uint64_t ino)
{
	uint64_t hash = (ino ^ dev << 40) * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(hash >> 32) & (cap - 1);

	while (slots[i].path && (slots[i].dev != dev || slots[i].ino != ino))
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

static int grow(struct hardlinks *h)
{
	size_t cap = 2 * h->cap;
	struct slot *slots = mem_zalloc_array(cap, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < h->cap; i++) {
		if (h->slots[i].path)
			*find(slots, cap, h->slots[i].dev, h->slots[i].ino) =
				h->slots[i];
	}
	mem_free(h->slots);
	h->slots = slots;
	h->cap = cap;
	return 0;
}

int hardlinks_add(struct hardlinks *h, uint64_t dev, uint64_t ino,
		  const char *path)
{
	struct slot *s;

	if (2 * h->n >= h->cap && grow(h) < 0)
		return -ENOMEM;
	s = find(h->slots, h->cap, dev, ino);
	if (s->path)
		return 0;
	s->path = mem_strdup(path);
	if (!s->path)
		return -ENOMEM;
	s->dev = dev;
	s->ino = ino;
	h->n++;
	return 0;
}

const char *hardlinks_find(const struct hardlinks *h, uint64_t dev,
			   uint64_t ino)
{
	return find(h->slots, h->cap, dev, ino)->path;
}
