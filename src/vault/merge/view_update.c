/* SPDX-License-Identifier: ISC */
/* Keeping the rows of directories in step with nodes that change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vault/merge/node_edit.h"
#include "vault/merge/touched.h"
#include "vault/merge/view_priv.h"

/* ---------------------------------------------------------------- updating */

/* A directory whose visibility (R3) may change, with what it showed. */
static int remember(struct vault *v, struct moved_list *l, struct node *dir)
{
	struct moved_dir *d;

	for (unsigned i = 0; i < l->n; i++)
		if (l->d[i].ino == dir->ino)
			return 0;
	if (l->n == l->cap) {
		unsigned cap = l->cap ? l->cap * 2 : 4;

		d = mem_realloc_array(l->d, cap, sizeof(*d));
		if (!d)
			return -ENOMEM;
		l->d = d;
		l->cap = cap;
	}
	d = &l->d[l->n];
	*d = (struct moved_dir){ .ino = dir->ino };
	int r = view_members(v, dir, &d->old);
	if (r < 0)
		return r;
	l->n++;
	return 0;
}

void moved_list_release(struct moved_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		member_list_release(&l->d[i].old);
	mem_free(l->d);
	*l = (struct moved_list){ 0 };
}

/* R3: one member more or less below its directory. */
static int count_member(struct vault *v, const struct member *m, int sign,
			struct moved_list *pending)
{
	auto_node struct node *dir = NULL;
	bool is_ghost;
	int r = view_need_dir(v, m->parent, &dir);

	if (r < 0)
		return r;
	merge_dir_place(dir, &is_ghost);
	if (is_ghost && dir->ino != VAULT_ROOT_INO &&
	    dir->n_members == (sign > 0 ? 0 : 1)) {
		r = remember(v, pending, dir);
		if (r < 0)
			return r;
	}
	dir->n_members += sign > 0 ? 1 : UINT64_MAX;
	node_dirty(dir);
	return 0;
}

/* ---------------------------------------------------------------- rows */

static struct entry *find_by_name(const struct entry_list *sorted,
				  const struct entry *e)
{
	return sorted->n ? bsearch(e, sorted->e, sorted->n, sizeof(*e),
				   entry_by_name) : NULL;
}

static bool same_entry(const struct entry *a, const struct entry *b)
{
	if (a->kind != b->kind || a->is_generated != b->is_generated ||
	    a->is_displaced != b->is_displaced || a->members.n != b->members.n)
		return false;
	for (unsigned i = 0; i < a->members.n; i++)
		if (!member_equal(&a->members.m[i], &b->members.m[i]))
			return false;
	return true;
}

int view_replace_rows(struct vault *v, struct node *dir,
		      struct entry_list *have, struct entry_list *want,
		      struct group_list *groups)
{
	int r = 0;

	entry_list_sort(have);
	entry_list_sort(want);
	for (unsigned i = 0; r == 0 && i < have->n; i++)
		if (!find_by_name(want, &have->e[i]))
			r = view_row_delete(v, dir, &have->e[i]);
	for (unsigned i = 0; r == 0 && i < want->n; i++) {
		const struct entry *old = find_by_name(have, &want->e[i]);

		if (old && same_entry(old, &want->e[i]))
			continue;
		want->e[i].cookie = old ? old->cookie : 0;
		r = view_row_put(v, dir, &want->e[i], old);
	}
	for (unsigned i = 0; r == 0 && i < want->n; i++)
		r = group_note(v, &want->e[i], groups);
	for (unsigned i = 0; r == 0 && i < have->n; i++)
		r = group_note_left(v, &have->e[i], want, groups);
	return r;
}

/* ---------------------------------------------------------------- contests */

static bool same_name(const struct member *a, const struct member *b)
{
	return a->name_len == b->name_len &&
	       memcmp(a->name, b->name, a->name_len) == 0;
}

static int member_by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int d = memcmp(x->name, y->name, min_of(x->name_len, y->name_len));

	return d ? d : (x->name_len > y->name_len) -
			       (x->name_len < y->name_len);
}

/* Rows that are changed together, as they are gathered. */
struct concern {
	struct vault *v;
	uint64_t rep;
	struct entry_list *have;
	struct hash_set rows;	/* cookies of those in the list */
	struct hash_set *names; /* all that belongs to these names */
};

/* Takes rows that are not there yet, and the names their members want. */
static int take_new(struct concern *c, struct entry_list *found)
{
	struct entry *to;

	for (unsigned i = 0; i < found->n; i++) {
		struct entry *e = &found->e[i];
		int r = hash_set_add(&c->rows, e->cookie);

		if (r == 0)
			continue;
		for (unsigned k = 0; r >= 0 && k < e->members.n; k++)
			r = hash_set_add(c->names,
					 view_cookie(c->v, e->members.m[k].name,
						     e->members.m[k].name_len));
		if (r >= 0)
			r = entry_add(c->have, &to);
		if (r < 0)
			return r;
		*to = *e;
		*e = (struct entry){ 0 };
	}
	return 0;
}

static int take_name(struct concern *c, uint64_t hash)
{
	auto_entries struct entry_list found = { 0 };
	int r = view_row_of_hash(c->v, c->rep, hash, &found);

	if (r == 0)
		r = view_row_special_of(c->v, c->rep, hash, &found);
	return r < 0 ? r : take_new(c, &found);
}

static int take_displaced(struct concern *c)
{
	auto_entries struct entry_list found = { 0 };
	int r = view_row_displaced(c->v, c->rep, &found);

	return r < 0 ? r : take_new(c, &found);
}

/*
 * The rows that may change with the members of these names: their own, those
 * that were generated from them, and so on with the names these were made from.
 * Whatever could not get the first name it wanted may want any that comes free.
 */
static int rows_concerned(struct vault *v, const struct node *dir,
			  struct hash_set *names, struct entry_list *have)
{
	struct concern c = { .v = v, .rep = dir->ino, .have = have,
			     .names = names };
	int r = 0;

	if (dir->n_special == 0) {
		/* Nothing was generated from anything. */
		for (unsigned i = 0; r == 0 && i < names->n; i++)
			r = view_row_of_hash(v, dir->ino, names->hashes[i],
					     have);
		return r;
	}
	r = take_displaced(&c);
	for (unsigned i = 0; r == 0 && i < names->n; i++)
		r = take_name(&c, names->hashes[i]);
	hash_set_release(&c.rows);
	return r;
}

/* The members the rows have but those of `n`, and those of `n` now that want
 * one of the rows' names or that of `like`. */
static int collect(struct vault *v, const struct node *dir,
		   const struct node *n, const struct member *like,
		   const struct member_list *now,
		   const struct entry_list *have, struct member_list *ret)
{
	auto_members struct member_list before = { 0 };
	int r = member_copy(&before, like);

	for (unsigned i = 0; r == 0 && i < have->n; i++)
		for (unsigned k = 0; r == 0 && k < have->e[i].members.n; k++)
			r = member_copy(&before, &have->e[i].members.m[k]);
	if (r < 0)
		return r;
	for (unsigned i = 1; r == 0 && i < before.n; i++)
		if (before.m[i].ino != n->ino)
			r = member_copy(ret, &before.m[i]);
	qsort(before.m, before.n, sizeof(before.m[0]), member_by_name);
	for (unsigned i = 0; r == 0 && i < now->n; i++) {
		uint64_t rep;

		if (!bsearch(&now->m[i], before.m, before.n,
			     sizeof(before.m[0]), member_by_name))
			continue;
		r = view_rep(v, now->m[i].parent, &rep);
		if (r == 0 && rep == dir->ino)
			r = member_copy(ret, &now->m[i]);
	}
	return r;
}

/* The same with names whose rows must be looked at too: 1 if there are more of
 * them, and nothing was changed. */
static int try_refill(struct vault *v, struct node *dir, const struct node *n,
		      const struct member *like, const struct member_list *now,
		      struct hash_set *names, struct group_list *groups)
{
	auto_entries struct entry_list have = { 0 }, want = { 0 };
	auto_members struct member_list all = { 0 };
	auto_hashes struct hash_set unsure = { 0 };
	struct taken taken = { dir->ino, &have, &unsure };
	int r = rows_concerned(v, dir, names, &have);

	entry_list_sort(&have);
	if (r == 0)
		r = collect(v, dir, n, like, now, &have, &all);
	if (r == 0)
		r = view_resolve(v, &all, &taken, &want);
	for (unsigned i = 0; r >= 0 && i < unsure.n; i++)
		r = hash_set_add(names, unsure.hashes[i]);
	if (r < 0 || unsure.n)
		return r < 0 ? r : 1;
	return view_replace_rows(v, dir, &have, &want, groups);
}

static int refill(struct vault *v, struct node *dir, const struct node *n,
		  const struct member *like, const struct member_list *now,
		  struct group_list *groups)
{
	auto_hashes struct hash_set names = { 0 };
	int r = hash_set_add(&names,
			     view_cookie(v, like->name, like->name_len));

	if (r < 0)
		return r;
	do {
		r = try_refill(v, dir, n, like, now, &names, groups);
	} while (r > 0);
	return r;
}

/* ---------------------------------------------------------------- one row */

/* How many of the members of now want the name of `like` in the directory, all
 * placed right there; the last of them. */
static unsigned count_wants(const struct node *dir, const struct member *like,
			    const struct member_list *now,
			    const struct member **ret)
{
	unsigned count = 0;

	for (unsigned i = 0; i < now->n; i++)
		if (now->m[i].parent == dir->ino && same_name(&now->m[i], like)) {
			count++;
			*ret = &now->m[i];
		}
	return count;
}

/* The way of a lone device: a name that only this inode wants, in a directory
 * where nothing is generated or united.  1: done, 0: not that simple. */
static int touch_simple(struct vault *v, struct node *dir, const struct node *n,
			const struct member *like,
			const struct member_list *now)
{
	const struct member *want = NULL;
	struct row_peek row;

	if (dir->n_special || dir->n_united != 1 ||
	    (n->kind == KIND_DIR && (n->rep != n->ino || n->n_united != 1)))
		return 0;
	unsigned n_wants = count_wants(dir, like, now, &want);
	if (n_wants > 1 || (want && want->is_virtual))
		return 0;
	int r = view_row_peek(v, dir->ino, like->name, like->name_len, &row);
	if (r < 0)
		return r;
	if (r > 0 && (row.has_extra || row.ino != n->ino))
		return 0;
	if (r > 0 && !want) {
		touched_entry(v, dir->ino, like->name, like->name_len);
		r = view_row_delete_simple(v, dir, &row);
	} else if (r == 0 && want) {
		r = view_row_put_simple(v, dir, want, &row);
	}
	return r < 0 ? r : 1;
}

/* Was this (directory, name) seen to at an earlier member of the list? */
static bool seen_before(const struct member_list *l, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (!l->m[k].is_kept && l->m[k].parent == l->m[i].parent &&
		    same_name(&l->m[k], &l->m[i]))
			return true;
	return false;
}

static int touch_row(struct vault *v, struct node *n, const struct member *like,
		     const struct member_list *now, struct group_list *groups)
{
	auto_node struct node *dir = NULL;
	uint64_t rep;
	int r = view_rep(v, like->parent, &rep);

	if (r == 0)
		r = view_need_dir(v, rep, &dir);
	if (r == 0)
		r = touch_simple(v, dir, n, like, now);
	if (r != 0)
		return min_of(r, 0);
	return refill(v, dir, n, like, now, groups);
}

/* Brings the rows a list's members touch in step. */
static int touch_rows(struct vault *v, struct node *n,
		      const struct member_list *l,
		      const struct member_list *now, struct group_list *groups)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < l->n; i++)
		if (!l->m[i].is_kept && !seen_before(l, i))
			r = touch_row(v, n, &l->m[i], now, groups);
	return r;
}

/* ---------------------------------------------------------------- one node */

static int by_all(const void *a, const void *b)
{
	const struct member *const *x = a, *const *y = b;
	int d = dot_compare((*x)->dot, (*y)->dot);

	if (d == 0)
		d = ((*x)->parent > (*y)->parent) - ((*x)->parent < (*y)->parent);
	return d ? d : member_by_name(*x, *y);
}

static struct member **sorted_members(struct member *m, unsigned n)
{
	struct member **p = mem_zalloc_array(n, sizeof(struct member *));

	for (unsigned i = 0; p && i < n; i++)
		p[i] = &m[i];
	if (p)
		qsort(p, n, sizeof(struct member *), by_all);
	return p;
}

/* Marks what stands in the same place of both lists, counted from their starts
 * and from their ends: nearly all, for an operation changes few.  *ret_from,
 * *ret_old, *ret_now: the parts between. */
static void mark_ends(const struct member_list *old,
		      const struct member_list *now, unsigned *ret_from,
		      unsigned *ret_old, unsigned *ret_now)
{
	unsigned from = 0, a = old->n, b = now->n;

	while (from < a && from < b &&
	       member_equal(&old->m[from], &now->m[from])) {
		old->m[from].is_kept = now->m[from].is_kept = true;
		from++;
	}
	while (a > from && b > from &&
	       member_equal(&old->m[a - 1], &now->m[b - 1])) {
		a--;
		b--;
		old->m[a].is_kept = now->m[b].is_kept = true;
	}
	*ret_from = from;
	*ret_old = a;
	*ret_now = b;
}

/* Marks what is in both lists; a member is in a list once. */
static int mark_kept(const struct member_list *old,
		     const struct member_list *now)
{
	auto_free struct member **a = NULL, **b = NULL;
	unsigned from, n_old, n_now;

	mark_ends(old, now, &from, &n_old, &n_now);
	n_old -= from;
	n_now -= from;
	if (n_old == 0 || n_now == 0)
		return 0;
	a = sorted_members(old->m + from, n_old);
	b = sorted_members(now->m + from, n_now);
	if (!a || !b)
		return -ENOMEM;
	for (unsigned i = 0, k = 0; i < n_old && k < n_now;) {
		int d = by_all(&a[i], &b[k]);

		if (d == 0)
			a[i]->is_kept = b[k]->is_kept =
				member_equal(a[i], b[k]);
		i += d <= 0;
		k += d >= 0;
	}
	return 0;
}

/* Other data may win, lose or unite where the place is the same. */
static void forget_kept(const struct member_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		l->m[i].is_kept = false;
}

static int count_members(struct vault *v, const struct member_list *old,
			 const struct member_list *now,
			 struct moved_list *pending)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < old->n; i++)
		if (!old->m[i].is_kept)
			r = count_member(v, &old->m[i], -1, pending);
	for (unsigned i = 0; r == 0 && i < now->n; i++)
		if (!now->m[i].is_kept)
			r = count_member(v, &now->m[i], 1, pending);
	return r;
}

static void count_inode(struct vault *v, const struct node *n, unsigned before,
			unsigned after)
{
	uint64_t one = after ? 1 : UINT64_MAX;

	if (!before == !after)
		return;
	v->n_inodes += one;
	if (n->kind == KIND_DIR)
		v->n_dirs += one;
}

static int update_rows(struct vault *v, struct node *n,
		       const struct member_list *old,
		       const struct member_list *now)
{
	auto_groups struct group_list groups = { 0 };
	int r = touch_rows(v, n, old, now, &groups);

	if (r == 0)
		r = touch_rows(v, n, now, now, &groups);
	return r < 0 ? r : view_regroup(v, &groups);
}

static int update_one(struct vault *v, struct node *n,
		      const struct member_list *old, bool has_new_data,
		      struct moved_list *pending)
{
	auto_members struct member_list now = { 0 };
	int r = view_members(v, n, &now);

	if (r == 0)
		r = mark_kept(old, &now);
	if (r == 0)
		r = count_members(v, old, &now, pending);
	if (r == 0 && has_new_data) {
		forget_kept(old);
		forget_kept(&now);
	}
	if (r == 0)
		r = update_rows(v, n, old, &now);
	if (r == 0)
		count_inode(v, n, old->n, now.n);
	return r;
}

int view_update(struct vault *v, struct node *n, const struct member_list *old,
		bool has_new_data)
{
	auto_moved struct moved_list pending = { 0 };
	int r = update_one(v, n, old, has_new_data, &pending);

	/* What appears or goes may show or hide the directory it is in, and so
	 * on upwards. */
	while (r == 0 && pending.n > 0) {
		struct moved_dir d = pending.d[--pending.n];
		auto_node struct node *dir = NULL;

		r = view_need_dir(v, d.ino, &dir);
		if (r == 0)
			r = update_one(v, dir, &d.old, false, &pending);
		member_list_release(&d.old);
	}
	return r;
}

int view_update_dir(struct vault *v, struct node *n,
		    const struct member_list *old, const struct dir_before *was)
{
	auto_moved struct moved_list moved = { 0 };
	struct dir_before is = view_dir_before(n);
	int r = 0;

	/* A directory placed for the first time has nothing in it yet; one
	 * that stays where it was closes no cycle. */
	if (was->is_placed &&
	    (!dot_equal(is.dot, was->dot) ||
	     op_key_compare(is.pin, was->pin) != 0))
		r = view_break_cycles(v, n, &moved);
	if (r == 0)
		r = view_update(v, n, old, false);
	for (unsigned i = 0; r == 0 && i < moved.n; i++) {
		auto_node struct node *dir = NULL;

		r = view_need_dir(v, moved.d[i].ino, &dir);
		if (r == 0)
			r = view_update(v, dir, &moved.d[i].old, false);
	}
	return r;
}
