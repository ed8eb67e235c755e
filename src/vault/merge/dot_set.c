/* SPDX-License-Identifier: ISC */
#include "vault/merge/dot_set.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

void dot_set_release(struct dot_set *s)
{
	mem_free(s->d);
	buf_release(&s->raw);
	*s = (struct dot_set)DOT_SET_INIT;
}

static bool make_room(struct dot_set *s, uint32_t n)
{
	if (n > s->cap) {
		uint32_t cap = max_of(n, s->cap * 2);
		struct dot *d = mem_realloc_array(s->d, cap, sizeof(*d));

		if (!d) {
			s->error = -ENOMEM;
			return false;
		}
		s->d = d;
		s->cap = cap;
	}
	return true;
}

void dot_set_add(struct dot_set *s, struct dot dot)
{
	if (s->error == 0 && make_room(s, s->n + 1))
		s->d[s->n++] = dot;
}

static int ascending(const void *a, const void *b)
{
	const struct dot *x = a, *y = b;

	return dot_compare(*x, *y);
}

int dot_set_close(struct dot_set *s)
{
	uint32_t kept = 0;

	if (s->error < 0 || s->n < 2)
		return s->error;
	qsort(s->d, s->n, sizeof(s->d[0]), ascending);
	for (uint32_t i = 0; i < s->n; i++)
		if (i == 0 || !dot_equal(s->d[kept - 1], s->d[i]))
			s->d[kept++] = s->d[i];
	s->n = kept;
	return 0;
}

int dot_set_list(struct dot_set *s, struct dot_list *ret)
{
	int r = dot_set_close(s);

	if (r < 0)
		return r;
	buf_reset(&s->raw);
	for (uint32_t i = 0; i < s->n; i++)
		dot_put(&s->raw, s->d[i]);
	r = buf_error(&s->raw);
	if (r < 0)
		return r;
	*ret = (struct dot_list){ s->raw.data, s->n };
	return 0;
}

int dot_set_from(struct dot_set *s, const struct dot_list *l)
{
	if (l->n && !make_room(s, l->n))
		return s->error;
	for (uint32_t i = 0; i < l->n; i++)
		s->d[i] = dot_list_get(l, i);
	s->n = l->n;
	return dot_set_close(s);
}

bool dot_set_has(const struct dot_set *s, struct dot dot)
{
	return s->n && bsearch(&dot, s->d, s->n, sizeof(s->d[0]), ascending);
}
