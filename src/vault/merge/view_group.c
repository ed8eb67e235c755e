/* SPDX-License-Identifier: ISC */
/*
 * R5: directories of one name are one (vault-format/09-merging.md).  Which of
 * them are to stand together, and bringing that about.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vault/merge/view_priv.h"

/* ---------------------------------------------------------------- groups */

/* Which group a directory is in: open addressing, linear probing (Knuth, TAOCP
 * 3, 6.4, Algorithm L).  Groups dissolved stay in it, marked by n == 0. */
static struct group_slot *slot_of(const struct group_list *l, uint64_t ino)
{
	size_t i = (ino * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (l->n_slots - 1);

	while (l->slots[i].ino && l->slots[i].ino != ino)
		i = (i + 1) & (l->n_slots - 1);
	return &l->slots[i];
}

static int grow_slots(struct group_list *l)
{
	struct group_list bigger = { .n_slots = max_of(l->n_slots * 2,
						       (size_t)16) };

	bigger.slots = mem_zalloc_array(bigger.n_slots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < l->n_slots; i++)
		if (l->slots[i].ino)
			*slot_of(&bigger, l->slots[i].ino) = l->slots[i];
	mem_free(l->slots);
	l->slots = bigger.slots;
	l->n_slots = bigger.n_slots;
	return 0;
}

static int slot_set(struct group_list *l, uint64_t ino, unsigned group)
{
	if ((l->n_used + 1) * 4 > l->n_slots * 3) {
		int r = grow_slots(l);

		if (r < 0)
			return r;
	}
	struct group_slot *s = slot_of(l, ino);
	l->n_used += s->ino == 0;
	*s = (struct group_slot){ ino, group };
	return 0;
}

/* The living group of a directory, or NULL. */
static struct group *group_of(const struct group_list *l, uint64_t ino)
{
	const struct group_slot *s = l->n_slots ? slot_of(l, ino) : NULL;

	return s && s->ino && l->g[s->group].n ? &l->g[s->group] : NULL;
}

static void group_dissolve(struct group *g)
{
	mem_free(g->inos);
	*g = (struct group){ 0 };
}

void group_list_release(struct group_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		mem_free(l->g[i].inos);
	mem_free(l->g);
	mem_free(l->slots);
	*l = (struct group_list){ 0 };
}

/* What was noted of these directories before is out of date. */
static void group_forget(struct group_list *l, const struct member *dirs,
			 unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct group *g = group_of(l, dirs[i].ino);

		if (g)
			group_dissolve(g);
	}
}

static int group_add(struct group_list *l, const struct member *dirs,
		     unsigned n)
{
	group_forget(l, dirs, n);
	if (l->n == l->cap) {
		unsigned cap = l->cap ? l->cap * 2 : 4;
		struct group *g = mem_realloc_array(l->g, cap, sizeof(*g));

		if (!g)
			return -ENOMEM;
		l->g = g;
		l->cap = cap;
	}
	struct group *g = &l->g[l->n];
	*g = (struct group){ .inos = mem_zalloc_array(n, sizeof(uint64_t)) };
	if (!g->inos)
		return -ENOMEM;
	g->n = n;
	l->n++;
	for (unsigned i = 0; i < n; i++) {
		g->inos[i] = dirs[i].ino;
		int r = slot_set(l, dirs[i].ino, l->n - 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Does the entry unite other directories than stand together now? */
int group_note(struct vault *v, const struct entry *e,
		      struct group_list *groups)
{
	const struct member_list *dirs = &e->members;
	auto_node struct node *first = NULL;
	int r;

	if (e->kind != KIND_DIR)
		return 0;
	r = view_need_dir(v, dirs->m[0].ino, &first);
	if (r < 0)
		return r;
	bool same = first->rep == first->ino && first->n_united == dirs->n;
	for (unsigned i = 1; same && i < dirs->n; i++) {
		auto_node struct node *d = NULL;

		r = view_need_dir(v, dirs->m[i].ino, &d);
		if (r < 0)
			return r;
		same = d->rep == first->ino;
	}
	if (same) {
		group_forget(groups, dirs->m, dirs->n);
		return 0;
	}
	return group_add(groups, dirs->m, dirs->n);
}

static bool entries_have(const struct entry_list *l, uint64_t ino)
{
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->e[i].members.n; k++)
			if (l->e[i].members.m[k].ino == ino)
				return true;
	return false;
}

/* Directories of an entry that was, and that stand in none of `now`. */
int group_note_left(struct vault *v, const struct entry *old,
		     const struct entry_list *now, struct group_list *groups)
{
	if (old->kind != KIND_DIR)
		return 0;
	for (unsigned i = 0; i < old->members.n; i++) {
		auto_node struct node *d = NULL;
		int r = view_need_dir(v, old->members.m[i].ino, &d);

		if (r < 0)
			return r;
		if ((d->rep == d->ino && d->n_united == 1) ||
		    group_of(groups, d->ino) || entries_have(now, d->ino))
			continue;
		r = group_add(groups, &old->members.m[i], 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---------------------------------------------------------------- regrouping */

/* Takes the rows of every directory of the groups away, into `all`. */
static int take_rows(struct vault *v, const struct group_list *groups,
		     struct member_list *all)
{
	for (unsigned i = 0; i < groups->n; i++)
		for (unsigned k = 0; k < groups->g[i].n; k++) {
			auto_node struct node *d = NULL, *rep = NULL;
			auto_entries struct entry_list rows = { 0 };
			int r = view_need_dir(v, groups->g[i].inos[k], &d);

			if (r == 0)
				r = view_need_dir(v, d->rep, &rep);
			if (r == 0)
				r = view_row_all(v, rep->ino, &rows);
			for (unsigned e = 0; r == 0 && e < rows.n; e++) {
				r = view_row_delete(v, rep, &rows.e[e]);
				for (unsigned m = 0;
				     r == 0 && m < rows.e[e].members.n; m++)
					r = member_copy(
						all, &rows.e[e].members.m[m]);
			}
			if (r < 0)
				return r;
		}
	return 0;
}

static int set_reps(struct vault *v, const struct group *g)
{
	for (unsigned k = 0; k < g->n; k++) {
		auto_node struct node *d = NULL;
		int r = view_need_dir(v, g->inos[k], &d);

		if (r < 0)
			return r;
		d->rep = g->inos[0];
		d->n_united = k == 0 ? g->n : 0;
		node_dirty(d);
	}
	return 0;
}

static int by_parent(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return (x->parent > y->parent) - (x->parent < y->parent);
}

/* Copies the members in one directory out of a list sorted by parent. */
static int copy_of_parent(const struct member_list *all, uint64_t parent,
			  struct member_list *ret)
{
	unsigned low = 0, high = all->n;
	int r = 0;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (all->m[mid].parent < parent)
			low = mid + 1;
		else
			high = mid;
	}
	for (; r == 0 && low < all->n && all->m[low].parent == parent; low++)
		r = member_copy(ret, &all->m[low]);
	return r;
}

static int fill_group(struct vault *v, const struct group *g,
		      const struct member_list *all, struct group_list *next)
{
	auto_node struct node *dir = NULL;
	auto_members struct member_list mine = { 0 };
	auto_entries struct entry_list have = { 0 }, want = { 0 };
	int r = view_need_dir(v, g->inos[0], &dir);

	for (unsigned k = 0; r == 0 && k < g->n; k++)
		r = copy_of_parent(all, g->inos[k], &mine);
	if (r == 0)
		r = view_resolve(v, &mine, NULL, &want);
	return r < 0 ? r : view_replace_rows(v, dir, &have, &want, next);
}

/* Does a group stand already?  (It may have been noted before a later one of
 * its level was filled.) */
static int is_current(struct vault *v, const struct group *g)
{
	for (unsigned k = 0; k < g->n; k++) {
		auto_node struct node *d = NULL;
		int r = view_need_dir(v, g->inos[k], &d);

		if (r < 0)
			return r;
		if (d->rep != g->inos[0] || (k == 0 && d->n_united != g->n))
			return 0;
	}
	return 1;
}

/* One level: first all rows of the groups go, then each is filled anew. */
static int regroup_level(struct vault *v, const struct group_list *groups,
			 struct group_list *next)
{
	auto_members struct member_list all = { 0 };
	int r = take_rows(v, groups, &all);

	if (all.n)
		qsort(all.m, all.n, sizeof(all.m[0]), by_parent);
	for (unsigned i = 0; r == 0 && i < groups->n; i++)
		r = set_reps(v, &groups->g[i]);
	for (unsigned i = 0; r == 0 && i < groups->n; i++)
		if (groups->g[i].n)
			r = fill_group(v, &groups->g[i], &all, next);
	return r;
}

/* United directories change together, level by level, for filling one may unite
 * or part directories below. */
int view_regroup(struct vault *v, struct group_list *groups)
{
	bool any = groups->n > 0;
	int r = 0;

	while (r == 0 && any) {
		struct group_list next = { 0 };

		any = false;
		r = regroup_level(v, groups, &next);
		for (unsigned i = 0; r == 0 && i < next.n; i++) {
			int current = next.g[i].n ?
					      is_current(v, &next.g[i]) : 1;

			if (current == 1)
				group_dissolve(&next.g[i]);
			any |= current == 0;
			r = min_of(current, 0);
		}
		group_list_release(groups);
		*groups = next;
	}
	return r;
}
