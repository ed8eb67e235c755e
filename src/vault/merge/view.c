/* SPDX-License-Identifier: ISC */
#include "vault/merge/view.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vault/merge/node_edit.h"
#include "vault/merge/view_priv.h"

/* ---------------------------------------------------------------- members */

/* `room`: memory of l->names for names, or NULL. */
static int set_name(struct member *m, const struct node_name *name,
		    uint8_t **room)
{
	if (room) {
		memcpy(*room, name->bytes, name->len);
		m->name = *room;
		m->borrows_name = true;
		*room += name->len;
	} else {
		m->name = mem_dup(name->bytes, name->len);
	}
	m->name_len = name->len;
	return m->name ? 0 : -ENOMEM;
}

static int fill_member(struct member_list *l, const struct node *n,
		       const struct node_place *p, uint64_t parent,
		       const struct node_name *name, uint8_t **room,
		       struct member **ret)
{
	struct member *m;
	int r;

	if (name->len == 0) /* split, and not pinned yet */
		return 0;
	r = member_add(l, &m);
	if (r == 0)
		r = set_name(m, name, room);
	if (r < 0)
		return r;
	m->ino = m->shown = n->ino;
	m->id = n->id;
	m->kind = (uint8_t)n->kind;
	m->dot = p->dot;
	m->link = p->link;
	m->clock = p->clock;
	m->parent = parent;
	*ret = m;
	return 1;
}

static int dir_member(const struct node *n, struct member_list *ret)
{
	bool is_ghost;
	const struct node_place *p = merge_dir_place(n, &is_ghost);
	const struct node_name *name;
	struct member *m;

	if (!p || (is_ghost && n->n_members == 0))
		return 0;
	uint64_t parent = merge_where(p, &name);
	if (n->flags & NODE_MOVED) {
		parent = n->r4_parent;
		name = &n->r4_name;
	}
	int r = fill_member(ret, n, p, parent, name, NULL, &m);
	if (r > 0)
		m->is_ghost = is_ghost;
	return r < 0 ? r : 0;
}

/* R6: versions whose data differs stand beside the oldest link's place. */
static int virtual_members(struct node *n, const struct node_place *first,
			   struct member_list *ret)
{
	auto_free struct node_version **shown = NULL;
	unsigned n_shown;
	const struct node_name *name;
	uint64_t parent = merge_where(first, &name);
	int r = merge_file_versions(n, &shown, &n_shown);

	for (unsigned i = 1; r == 0 && i < n_shown; i++) {
		const struct node_version *ver = shown[i];
		const struct node_sibling *sib = node_find_sibling(n, ver->dot);
		struct member *m;

		if (memcmp(ver->digest, shown[0]->digest, 32) == 0)
			continue;
		int e = fill_member(ret, n, first, parent, name, NULL, &m);
		if (e <= 0)
			return e;
		m->is_virtual = true;
		m->dot = ver->dot;
		m->clock = ver->clock;
		m->link = (struct dot){ 0 };
		m->shown = sib ? sib->ino : n->ino;
	}
	return r;
}

/* Room for the names of all places in one piece: a file may have thousands. */
static int reserve_names(const struct shown_place *places, unsigned n,
			 struct member_list *ret)
{
	const struct node_name *name;
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		merge_where(places[i].place, &name);
		bytes += name->len;
	}
	ret->names = mem_alloc(max_of(bytes, (size_t)1));
	return ret->names ? member_reserve(ret, n) : -ENOMEM;
}

static int file_members(struct node *n, struct member_list *ret)
{
	auto_free struct shown_place *places = NULL;
	const struct node_place *first = NULL;
	uint8_t *room;
	unsigned n_places;
	int r = merge_file_places(n, &places, &n_places);

	assert(!ret->names);
	if (r == 0 && n_places > 0)
		r = reserve_names(places, n_places, ret);
	room = ret->names;
	for (unsigned i = 0; room && r >= 0 && i < n_places; i++) {
		const struct node_place *p = places[i].place;
		const struct node_name *name;
		struct member *m;
		uint64_t parent = merge_where(p, &name);

		r = fill_member(ret, n, p, parent, name, &room, &m);
		if (r > 0) {
			m->is_ghost = places[i].is_ghost;
			m->is_split_first = n->flags & NODE_SPLIT &&
					    p->name.len == 0 &&
					    dot_equal(p->link, p->dot);
		}
		struct op_key age = { p->link_clock, p->link.writer };
		if (!first || op_key_compare(age, (struct op_key){
				      first->link_clock,
				      first->link.writer }) < 0)
			first = p;
	}
	if (r < 0)
		return r;
	return first && n->kind == KIND_FILE && n->n_versions > 1 ?
		       virtual_members(n, first, ret) : 0;
}

int view_members(struct vault *v, struct node *n, struct member_list *ret)
{
	(void)v;
	if (n->kind == KIND_NONE || n->flags & (NODE_UNBORN | NODE_VIRTUAL) ||
	    n->ino == VAULT_ROOT_INO)
		return 0;
	return n->kind == KIND_DIR ? dir_member(n, ret) :
				     file_members(n, ret);
}

struct dir_before view_dir_before(const struct node *n)
{
	bool is_ghost;
	const struct node_place *p = merge_dir_place(n, &is_ghost);

	return p ? (struct dir_before){ true, p->dot, p->pin } :
		   (struct dir_before){ 0 };
}

/* ---------------------------------------------------------------- reading */

int view_need_dir(struct vault *v, uint64_t ino, struct node **ret)
{
	int r = node_get(v->nodes, ino, ret);

	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	return (*ret)->kind == KIND_DIR ? 0 : ERR_BAD_INDEX;
}

int view_rep(struct vault *v, uint64_t dir, uint64_t *ret)
{
	auto_node struct node *n = NULL;
	int r = node_get(v->nodes, dir, &n);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (n->kind != KIND_DIR)
		return -ENOTDIR;
	*ret = n->rep;
	return 0;
}

int view_find(struct vault *v, uint64_t dir, const void *name, size_t len,
	      struct entry *ret)
{
	uint64_t rep;
	int r = view_rep(v, dir, &rep);

	return r < 0 ? r : view_row_find(v, rep, name, len, ret);
}

static int any_row(void *arg, const struct index_link *l)
{
	(void)l;
	*(bool *)arg = true;
	return 1;
}

int view_is_empty(struct vault *v, uint64_t dir)
{
	uint64_t rep;
	bool any = false;
	int r = view_rep(v, dir, &rep);

	if (r == 0)
		r = index_link_each(v->index, rep, 0, any_row, &any);
	return r < 0 ? r : !any;
}

int view_special(struct vault *v, uint64_t dir, struct entry_list *ret)
{
	auto_node struct node *n = NULL;
	uint64_t rep;
	int r = view_rep(v, dir, &rep);

	if (r == 0)
		r = view_need_dir(v, rep, &n);
	if (r < 0 || n->n_special == 0)
		return r;
	r = view_row_special(v, rep, ret);
	if (r == 0 && ret->n)
		qsort(ret->e, ret->n, sizeof(ret->e[0]), entry_by_name);
	return r;
}

static bool has_member(const struct member_list *l, const struct member *m)
{
	for (unsigned i = 0; i < l->n; i++)
		if (member_equal(&l->m[i], m))
			return true;
	return false;
}

/* Where a member's row is: at its name, or under a generated one. */
static int entry_of(struct vault *v, const struct member *m,
		    struct entry *ret)
{
	auto_entry struct entry at_name = { 0 };
	auto_entries struct entry_list special = { 0 };
	uint64_t rep;
	int r = view_rep(v, m->parent, &rep);

	if (r == 0)
		r = view_row_find(v, rep, m->name, m->name_len, &at_name);
	if (r > 0 && has_member(&at_name.members, m)) {
		*ret = at_name;
		at_name = (struct entry){ 0 };
		return 1;
	}
	if (r >= 0)
		r = view_row_special_of(v, rep,
					view_cookie(v, m->name, m->name_len),
					&special);
	for (unsigned i = 0; r == 0 && i < special.n; i++)
		if (has_member(&special.e[i].members, m)) {
			*ret = special.e[i];
			special.e[i] = (struct entry){ 0 };
			return 1;
		}
	return r;
}

struct entry_order {
	struct inode_id dir;
	struct entry e;
};

static int by_dir_and_name(const void *a, const void *b)
{
	const struct entry_order *x = a, *y = b;
	int d = inode_id_compare(x->dir, y->dir);

	return d ? d : entry_by_name(&x->e, &y->e);
}

static int sort_entries(struct vault *v, struct entry_list *l)
{
	auto_free struct entry_order *o = mem_zalloc_array(l->n + 1u, sizeof(*o));

	if (!o)
		return -ENOMEM;
	for (unsigned i = 0; i < l->n; i++) {
		auto_node struct node *dir = NULL;
		int r = view_need_dir(v, l->e[i].dir, &dir);

		if (r < 0)
			return r;
		o[i].dir = dir->id;
		o[i].e = l->e[i];
	}
	qsort(o, l->n, sizeof(*o), by_dir_and_name);
	for (unsigned i = 0; i < l->n; i++)
		l->e[i] = o[i].e;
	return 0;
}

int view_entries_of(struct vault *v, struct node *n, struct entry_list *ret)
{
	auto_members struct member_list now = { 0 };
	int r = view_members(v, n, &now);

	for (unsigned i = 0; r >= 0 && i < now.n; i++) {
		auto_entry struct entry e = { 0 };
		struct entry *to;
		bool twice = false;

		r = entry_of(v, &now.m[i], &e);
		if (r < 0)
			return r;
		for (unsigned k = 0; k < ret->n; k++)
			twice |= ret->e[k].dir == e.dir &&
				 ret->e[k].cookie == e.cookie;
		if (r == 0 || twice)
			continue;
		r = entry_add(ret, &to);
		if (r < 0)
			return r;
		*to = e;
		e = (struct entry){ 0 };
	}
	return r < 0 ? r : ret->n > 1 ? sort_entries(v, ret) : 0;
}
