/* SPDX-License-Identifier: ISC */
#include "vault/log/heads.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

void heads_release(struct heads *h)
{
	mem_free(h->list);
	*h = (struct heads){ 0 };
}

/* Where the writer's head stands, or would. */
static size_t place_of(const struct heads *h, uint64_t writer)
{
	size_t low = 0, high = h->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (h->list[mid].writer < writer)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int heads_raise(struct heads *h, const struct marks_head *m)
{
	size_t at = place_of(h, m->writer);

	if (at < h->n && h->list[at].writer == m->writer) {
		if (h->list[at].seq < m->seq)
			h->list[at] = *m;
		return 0;
	}
	if (h->n == h->cap) {
		size_t cap = h->cap ? h->cap * 2 : 16;
		struct marks_head *grown =
			mem_realloc_array(h->list, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		h->list = grown;
		h->cap = cap;
	}
	memmove(h->list + at + 1, h->list + at,
		(h->n - at) * sizeof(*h->list));
	h->list[at] = *m;
	h->n++;
	return 0;
}

const struct marks_head *heads_find(const struct heads *h, uint64_t writer)
{
	size_t at = place_of(h, writer);

	return at < h->n && h->list[at].writer == writer ? &h->list[at] : NULL;
}

int heads_add_all(struct heads *h, const struct marks *m)
{
	struct cursor c = m->heads;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < m->n_heads; i++) {
		struct marks_head head;

		marks_head_read(&c, &head);
		r = heads_raise(h, &head);
	}
	return r;
}
