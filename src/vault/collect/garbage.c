/* SPDX-License-Identifier: ISC */
#include "vault/collect/garbage.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "vault/content/content.h"
#include "vault/content/content_priv.h"
#include "vault/core.h"
#include "vault/packs/announced.h"
#include "vault/packs/packs.h"

/* ---------------------------------------------------------------- knowledge */

int garbage_begin(struct vault *v, struct garbage *ret)
{
	struct garbage g = { .v = v };
	int r = stable_cut_read(v, &g.cut);

	if (r < 0)
		return r;
	g.is_alone = g.cut.is_alone;
	g.may_drop = v->writer && !v->is_joining && !g.cut.is_retired &&
		     g.cut.n_live > 0;
	r = order_stable(v, &g.cut, &g.position);
	g.is_settled = v->order.revived <= g.position;
	if (r < 0)
		garbage_end(&g);
	else
		*ret = g;
	return r;
}

void garbage_end(struct garbage *g)
{
	stable_cut_release(&g->cut);
}

enum garbage_fate garbage_of_chunk(const struct garbage *g,
				   const struct index_chunk *c)
{
	if (c->refs > 0 || content_names_chunk(g->v, c->chunk))
		return GARBAGE_NEEDED;
	if (g->is_alone)
		return GARBAGE_DEAD;
	return g->is_settled && c->stamp <= g->position ? GARBAGE_DEAD :
							   GARBAGE_WAITS;
}

/* ---------------------------------------------------------------- copies */

/* 1: all devices know of the pack. */
static int is_announced(const struct garbage *g, const struct index_pack *p)
{
	struct vault *v = g->v;
	uint64_t seq;
	int r = announced_get(v, p->name, &seq);

	return r > 0 ? stable_cut_has(&g->cut, v->writer, seq) : r;
}

enum copy { COPY_NONE, COPY_WAITS, COPY_STANDS };

/* Is `q` a newer pack of this device that can take the place of `p`? */
static int judge_copy(const struct garbage *g, const struct index_pack *p,
		      const struct index_pack *q, enum copy *copy)
{
	struct vault *v = g->v;

	if (q->is_stage || q->writer != v->writer || q->pack <= p->pack ||
	    q->flags & PACK_FLAG_ABSENT ||
	    suspects_has(&v->content->suspects, q->writer, q->name))
		return 0;
	int r = is_announced(g, q);
	if (r >= 0 && *copy != COPY_STANDS)
		*copy = r > 0 ? COPY_STANDS : COPY_WAITS;
	return r < 0 ? r : 0;
}

static int find_copy(const struct garbage *g, const struct index_pack *p,
		     const struct index_chunk *c, enum copy *ret)
{
	struct vault *v = g->v;
	struct index_chunk other;
	struct index_pack q;
	int r = c->pack ? index_pack_get(v->index, c->pack, &q) : 0;

	*ret = COPY_NONE;
	if (r > 0)
		r = judge_copy(g, p, &q, ret);
	for (unsigned n = 0; r >= 0 && *ret != COPY_STANDS; n++) {
		r = packs_other_place(v, &c->id, n, &other, &q);
		if (r <= 0)
			break;
		r = judge_copy(g, p, &q, ret);
	}
	return r < 0 ? r : 0;
}

/* ---------------------------------------------------------------- packs */

struct judging {
	const struct garbage *g;
	const struct index_pack *p;
	struct garbage_sums *sums;
	uint32_t n;
};

static int judge_chunk(const struct judging *j, const struct index_chunk *c,
		       uint32_t bytes)
{
	enum copy copy = COPY_NONE;
	int r = 0;

	switch (garbage_of_chunk(j->g, c)) {
	case GARBAGE_DEAD:
		j->sums->dead += bytes;
		return 0;
	case GARBAGE_WAITS:
		j->sums->waiting += bytes;
		return 0;
	case GARBAGE_NEEDED:
		r = find_copy(j->g, j->p, c, &copy);
	}
	if (copy == COPY_STANDS)
		j->sums->copied += bytes;
	else if (copy == COPY_WAITS)
		j->sums->waiting += bytes;
	else
		j->sums->needed += bytes;
	return r;
}

static int judge_placed(void *arg, const struct index_chunk *c)
{
	struct judging *j = arg;

	j->n++;
	/* Who has its place here has no newer one (packs.c). */
	switch (garbage_of_chunk(j->g, c)) {
	case GARBAGE_NEEDED:
		j->sums->needed += c->entry.stored_bytes;
		break;
	case GARBAGE_WAITS:
		j->sums->waiting += c->entry.stored_bytes;
		break;
	case GARBAGE_DEAD:
		j->sums->dead += c->entry.stored_bytes;
	}
	return 0;
}

static int judge_entries(const struct judging *j, const uint8_t *entries)
{
	struct vault *v = j->g->v;
	struct cursor at;
	int r = 0;

	cursor_init(&at, entries, (size_t)j->p->n_entries * PACK_ENTRY_BYTES);
	while (r >= 0 && cursor_left(&at) > 0) {
		struct index_chunk c;
		struct pack_entry e;

		r = pack_entry_read(&at, &e);
		if (r == 0)
			r = index_chunk_find(v->index, &e.id, &c);
		if (r > 0)
			r = judge_chunk(j, &c, e.stored_bytes);
		else if (r == 0)
			j->sums->dead += e.stored_bytes;
	}
	return r < 0 ? r : 0;
}

int garbage_of_pack(const struct garbage *g, const struct index_pack *p,
		    const uint8_t *entries, struct garbage_sums *ret)
{
	struct garbage_sums sums = { 0 };
	struct judging j = { g, p, &sums, 0 };
	int r;

	if (entries)
		r = judge_entries(&j, entries);
	else
		r = index_chunk_each_of_pack(g->v->index, p->pack,
					     judge_placed, &j);
	if (r < 0)
		return r;
	*ret = sums;
	return entries || j.n >= p->n_entries;
}

int garbage_entries(struct vault *v, const struct index_pack *p, uint8_t **ret)
{
	auto_free uint8_t *entries = NULL;
	uint32_t n = 0;
	int r = store_pack_entries(v->store, p->writer, p->name, &entries, &n);

	if (r < 0)
		return r;
	/* Not the pack that was announced. */
	if (n != p->n_entries)
		return ERR_DAMAGED;
	*ret = entries;
	entries = NULL;
	return 0;
}
