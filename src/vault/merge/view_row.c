/* SPDX-License-Identifier: ISC */
/* Directory rows of the index and the entries they stand for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "vault/merge/touched.h"
#include "vault/merge/view_priv.h"

/* A name that finds its cookie taken by another takes the next of 16. */
#define COOKIE_SLOTS 16u
#define COOKIE_MASK ((((uint64_t)1 << 63) - 1) & ~(uint64_t)(COOKIE_SLOTS - 1))

enum extra_bit {
	EXTRA_GENERATED = 1,
	EXTRA_DISPLACED = 2,
};

enum member_bit {
	MEMBER_VIRTUAL = 1,
	MEMBER_SPLIT_FIRST = 4,
};

/* ---------------------------------------------------------------- lists */

void member_release(struct member *m)
{
	if (!m->borrows_name)
		mem_free(m->name);
	m->name = NULL;
}

void member_list_release(struct member_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		member_release(&l->m[i]);
	mem_free(l->m);
	mem_free(l->names);
	*l = (struct member_list){ 0 };
}

int member_reserve(struct member_list *l, unsigned n)
{
	struct member *m;

	if (n <= l->cap - l->n)
		return 0;
	n = max_of(l->n + n, l->cap * 2);
	m = mem_realloc_array(l->m, n, sizeof(*m));
	if (!m)
		return -ENOMEM;
	l->m = m;
	l->cap = n;
	return 0;
}

int member_add(struct member_list *l, struct member **ret)
{
	int r = member_reserve(l, 1);

	if (r < 0)
		return r;
	l->m[l->n] = (struct member){ 0 };
	*ret = &l->m[l->n++];
	return 0;
}

int member_copy(struct member_list *l, const struct member *m)
{
	struct member *to;
	uint8_t *name = mem_dup(m->name, m->name_len);
	int r;

	if (!name)
		return -ENOMEM;
	r = member_add(l, &to);
	if (r < 0) {
		mem_free(name);
		return r;
	}
	*to = *m;
	to->name = name;
	to->borrows_name = false;
	return 0;
}

void member_remove(struct member_list *l, unsigned i)
{
	member_release(&l->m[i]);
	l->n--;
	memmove(&l->m[i], &l->m[i + 1], (l->n - i) * sizeof(l->m[0]));
}

bool member_equal(const struct member *a, const struct member *b)
{
	return a->ino == b->ino && a->shown == b->shown &&
	       a->is_virtual == b->is_virtual && dot_equal(a->dot, b->dot) &&
	       a->parent == b->parent && a->name_len == b->name_len &&
	       memcmp(a->name, b->name, a->name_len) == 0;
}

void entry_release(struct entry *e)
{
	mem_free(e->name);
	member_list_release(&e->members);
	*e = (struct entry){ 0 };
}

void entry_list_release(struct entry_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		entry_release(&l->e[i]);
	mem_free(l->e);
	*l = (struct entry_list){ 0 };
}

int entry_add(struct entry_list *l, struct entry **ret)
{
	if (l->n == l->cap) {
		unsigned cap = l->cap ? l->cap * 2 : 4;
		struct entry *e = mem_realloc_array(l->e, cap, sizeof(*e));

		if (!e)
			return -ENOMEM;
		l->e = e;
		l->cap = cap;
	}
	l->e[l->n] = (struct entry){ 0 };
	*ret = &l->e[l->n++];
	return 0;
}

int entry_by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int d = memcmp(x->name, y->name, min_of(x->name_len, y->name_len));

	return d ? d : (x->name_len > y->name_len) -
			       (x->name_len < y->name_len);
}

void entry_list_sort(struct entry_list *l)
{
	if (l->n)
		qsort(l->e, l->n, sizeof(l->e[0]), entry_by_name);
}

bool entry_is_special(const struct entry *e)
{
	if (e->is_generated)
		return true;
	for (unsigned i = 0; i < e->members.n; i++)
		if (e->members.m[i].is_virtual)
			return true;
	return false;
}

bool entry_is_simple(const struct entry *e)
{
	const struct member *m = &e->members.m[0];

	return e->members.n == 1 && !entry_is_special(e) &&
	       m->parent == e->dir;
}

/* ---------------------------------------------------------------- codec */

uint64_t view_cookie(const struct vault *v, const void *name, size_t len)
{
	uint64_t c = hash_short(&v->name_key, name, len) & COOKIE_MASK;

	return c ? c : COOKIE_SLOTS;
}

static void put_member(struct buf *b, const struct member *m)
{
	buf_put_u8(b, (uint8_t)((m->is_virtual ? MEMBER_VIRTUAL : 0) |
				(m->is_split_first ? MEMBER_SPLIT_FIRST : 0)));
	buf_put_u8(b, m->kind);
	buf_put_u64(b, m->ino);
	buf_put_u64(b, m->shown);
	inode_id_put(b, m->id);
	dot_put(b, m->dot);
	dot_put(b, m->link);
	buf_put_u64(b, m->clock);
	buf_put_u64(b, m->parent);
	buf_put_u16(b, m->name_len);
	buf_put(b, m->name, m->name_len);
}

static int read_member(struct cursor *c, struct member_list *l)
{
	struct member *m;
	int r = member_add(l, &m);

	if (r < 0)
		return r;
	unsigned bits = cursor_u8(c);
	m->is_virtual = bits & MEMBER_VIRTUAL;
	m->is_split_first = bits & MEMBER_SPLIT_FIRST;
	m->kind = cursor_u8(c);
	m->ino = cursor_u64(c);
	m->shown = cursor_u64(c);
	m->id = inode_id_read(c);
	m->dot = dot_read(c);
	m->link = dot_read(c);
	m->clock = cursor_u64(c);
	m->parent = cursor_u64(c);
	m->name_len = cursor_u16(c);
	const uint8_t *name = cursor_take(c, m->name_len);
	if (!name)
		return ERR_BAD_INDEX;
	m->name = mem_dup(name, m->name_len);
	return m->name ? 0 : -ENOMEM;
}

static int read_extra(const struct index_link *row, struct entry *e)
{
	struct cursor c;
	int r = 0;

	cursor_init(&c, row->extra, row->extra_bytes);
	unsigned bits = cursor_u8(&c);
	e->is_generated = bits & EXTRA_GENERATED;
	e->is_displaced = bits & EXTRA_DISPLACED;
	while (r == 0 && cursor_left(&c) > 0 && !c.error)
		r = read_member(&c, &e->members);
	return r < 0 ? r : cursor_finish(&c) < 0 ? ERR_BAD_INDEX : 0;
}

/* The row of an inode that is changing: it stands for the place the inode had,
 * and its own update comes next. */
static int stale_member(const struct entry *e, const struct node *n,
			struct member_list *ret)
{
	struct member *m;
	int r = member_add(ret, &m);

	if (r < 0)
		return r;
	m->name = mem_dup(e->name, e->name_len);
	if (!m->name)
		return -ENOMEM;
	m->name_len = e->name_len;
	m->ino = m->shown = n->ino;
	m->id = n->id;
	m->kind = e->kind;
	m->parent = e->dir;
	return 0;
}

/* A row without a list: the one member its inode has right there. */
static int derive_member(struct vault *v, const struct entry *e, uint64_t ino,
			 struct member_list *ret)
{
	auto_node struct node *n = NULL;
	auto_members struct member_list all = { 0 };
	int r = node_get(v->nodes, ino, &n);

	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	r = view_members(v, n, &all);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < all.n; i++) {
		const struct member *m = &all.m[i];

		if (!m->is_virtual && m->parent == e->dir &&
		    m->name_len == e->name_len &&
		    memcmp(m->name, e->name, e->name_len) == 0)
			return member_copy(ret, m);
	}
	return stale_member(e, n, ret);
}

/* The parts of a row that need no other table. */
struct row {
	struct entry e;
	uint64_t ino;
	bool has_extra;
};

static int read_row(const struct index_link *l, struct row *ret)
{
	ret->e.name = mem_dup(l->name, l->name_len);
	if (!ret->e.name)
		return -ENOMEM;
	ret->e.name_len = l->name_len;
	ret->e.dir = l->parent;
	ret->e.cookie = l->cookie;
	ret->e.kind = l->kind;
	ret->ino = l->ino;
	ret->has_extra = l->extra_bytes > 0;
	return ret->has_extra ? read_extra(l, &ret->e) : 0;
}

/* ---------------------------------------------------------------- finding */

struct finder {
	const void *name;
	size_t len;
	uint64_t last;	 /* cookie */
	struct row *row; /* filled when the name is met; may be NULL */
	struct row_peek peek;
	bool found;
	uint16_t taken; /* slots in use */
};

static int find_fn(void *arg, const struct index_link *l)
{
	struct finder *f = arg;

	if (l->cookie > f->last)
		return 1;
	f->taken |= (uint16_t)(1u << (l->cookie & (COOKIE_SLOTS - 1)));
	if (l->name_len != f->len || memcmp(l->name, f->name, f->len) != 0)
		return 0;
	f->found = true;
	f->peek = (struct row_peek){ .cookie = l->cookie,
				     .ino = l->ino,
				     .kind = l->kind,
				     .has_extra = l->extra_bytes > 0 };
	int r = f->row ? read_row(l, f->row) : 0;
	return r < 0 ? r : 1;
}

static void memo_put(struct vault *v, uint64_t rep, uint64_t base,
		     const struct finder *f)
{
	struct row_memos *l = &v->rows_seen;
	struct row_memo *m = &l->m[l->next];

	if (f->len > sizeof(m->name))
		return;
	*m = (struct row_memo){ .rep = rep, .base = base, .peek = f->peek,
				.found = f->found,
				.name_len = (uint16_t)f->len };
	memcpy(m->name, f->name, f->len);
	l->next = (l->next + 1) % ROW_MEMOS;
}

static bool memo_get(const struct vault *v, uint64_t rep, uint64_t base,
		     struct finder *f)
{
	for (unsigned i = 0; i < ROW_MEMOS; i++) {
		const struct row_memo *m = &v->rows_seen.m[i];

		if (m->rep != rep || m->base != base || m->name_len != f->len ||
		    memcmp(m->name, f->name, f->len) != 0)
			continue;
		f->peek = m->peek;
		f->found = m->found;
		return true;
	}
	return false;
}

/* A row of that hash changes. */
static void memo_drop(struct vault *v, uint64_t rep, uint64_t cookie)
{
	for (unsigned i = 0; i < ROW_MEMOS; i++) {
		struct row_memo *m = &v->rows_seen.m[i];

		if (m->rep == rep && m->base == cookie - cookie % COOKIE_SLOTS)
			m->rep = 0;
	}
}

static int find(struct vault *v, uint64_t rep, struct finder *f)
{
	uint64_t base = view_cookie(v, f->name, f->len);
	unsigned slot = 0;

	if (!f->row && memo_get(v, rep, base, f))
		return f->found;
	f->last = base + COOKIE_SLOTS - 1;
	int r = index_link_each(v->index, rep, base, find_fn, f);
	if (r < 0)
		return r;
	while (slot < COOKIE_SLOTS && f->taken & 1u << slot)
		slot++;
	if (!f->found)
		f->peek.cookie = slot < COOKIE_SLOTS ? base + slot : 0;
	memo_put(v, rep, base, f);
	return f->found;
}

int view_row_find(struct vault *v, uint64_t rep, const void *name, size_t len,
		  struct entry *ret)
{
	struct row row = { 0 };
	struct finder f = { .name = name, .len = len, .row = &row };
	int r = find(v, rep, &f);

	if (r == 1 && !row.has_extra) {
		int e = derive_member(v, &row.e, row.ino, &row.e.members);

		r = e < 0 ? e : 1;
	}
	if (r <= 0) {
		entry_release(&row.e);
		return r;
	}
	*ret = row.e;
	return 1;
}

int view_row_peek(struct vault *v, uint64_t rep, const void *name, size_t len,
		  struct row_peek *ret)
{
	struct finder f = { .name = name, .len = len };
	int r = find(v, rep, &f);

	if (r >= 0)
		*ret = f.peek;
	return r;
}

int view_lookup(struct vault *v, uint64_t dir, const void *name, size_t len,
		uint64_t *ret_ino, uint8_t *ret_kind)
{
	struct row_peek row = { 0 };
	uint64_t rep;
	int r = view_rep(v, dir, &rep);

	if (r == 0)
		r = view_row_peek(v, rep, name, len, &row);
	if (r == 1) {
		*ret_ino = row.ino;
		*ret_kind = row.kind;
	}
	return r;
}

struct row_list {
	struct row *rows;
	unsigned n, cap;
	uint64_t last; /* cookie */
};

static void row_list_release(struct row_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		entry_release(&l->rows[i].e);
	mem_free(l->rows);
}

static int collect_fn(void *arg, const struct index_link *l)
{
	struct row_list *c = arg;

	if (l->cookie > c->last)
		return 1;
	if (c->n == c->cap) {
		unsigned cap = c->cap ? c->cap * 2 : 16;
		struct row *rows = mem_realloc_array(c->rows, cap, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		c->rows = rows;
		c->cap = cap;
	}
	c->rows[c->n] = (struct row){ 0 };
	return read_row(l, &c->rows[c->n++]);
}

/* Finishes collected rows into the list. */
static int finish_rows(struct vault *v, struct row_list *l,
		       struct entry_list *ret)
{
	for (unsigned i = 0; i < l->n; i++) {
		struct row *row = &l->rows[i];
		struct entry *e;
		int r = row->has_extra ? 0 :
					 derive_member(v, &row->e, row->ino,
						       &row->e.members);

		if (r < 0)
			return r;
		r = entry_add(ret, &e);
		if (r < 0)
			return r;
		*e = row->e;
		row->e = (struct entry){ 0 };
	}
	return 0;
}

static int rows_between(struct vault *v, uint64_t rep, uint64_t first,
			uint64_t last, struct entry_list *ret)
{
	struct row_list l = { .last = last };
	int r = index_link_each(v->index, rep, first, collect_fn, &l);

	if (r >= 0)
		r = finish_rows(v, &l, ret);
	row_list_release(&l);
	return r;
}

int view_row_all(struct vault *v, uint64_t rep, struct entry_list *ret)
{
	return rows_between(v, rep, 0, UINT64_MAX, ret);
}

uint64_t view_hash_of(uint64_t cookie)
{
	return cookie - cookie % COOKIE_SLOTS;
}

int view_row_of_hash(struct vault *v, uint64_t rep, uint64_t hash,
		     struct entry_list *ret)
{
	return rows_between(v, rep, hash, hash + COOKIE_SLOTS - 1, ret);
}

int view_row_at(struct vault *v, uint64_t rep, uint64_t cookie,
		struct entry_list *ret)
{
	unsigned had = ret->n;
	int r = rows_between(v, rep, cookie, cookie, ret);

	return r < 0 ? r : ret->n > had ? 0 : ERR_BAD_INDEX;
}

/* ---------------------------------------------------------------- writing */

/* What the directory counts of a row that comes or goes. */
static void count_row(struct node *dir, unsigned kind, bool is_special,
		      int sign)
{
	uint64_t one = sign > 0 ? 1 : UINT64_MAX;

	if (kind == KIND_DIR)
		dir->n_subdirs += one;
	if (is_special)
		dir->n_special += one;
	node_dirty(dir);
}

static int find_cookie(struct vault *v, const struct node *dir, struct entry *e)
{
	struct row_peek at;
	int r = view_row_peek(v, dir->ino, e->name, e->name_len, &at);

	if (r < 0)
		return r;
	e->cookie = at.cookie;
	return e->cookie ? 0 : -ENOSPC;
}

static int encode_extra(const struct entry *e, struct buf *b)
{
	if (entry_is_simple(e))
		return 0;
	buf_put_u8(b, (uint8_t)((e->is_generated ? EXTRA_GENERATED : 0) |
				(e->is_displaced ? EXTRA_DISPLACED : 0)));
	for (unsigned i = 0; i < e->members.n; i++)
		put_member(b, &e->members.m[i]);
	return buf_error(b);
}

int view_row_put(struct vault *v, struct node *dir, struct entry *e,
		 const struct entry *old)
{
	auto_buf struct buf extra = BUF_INIT(MEM_MAX);
	bool was_special = old && entry_is_special(old);
	bool is_special = entry_is_special(e);

	e->dir = dir->ino;
	int r = e->cookie ? 0 : find_cookie(v, dir, e);
	if (r == 0)
		r = encode_extra(e, &extra);
	if (r < 0)
		return r;
	struct index_link l = {
		.parent = dir->ino,
		.cookie = e->cookie,
		.ino = e->members.m[0].shown,
		.kind = e->kind,
		.name = e->name,
		.name_len = e->name_len,
		.extra = extra.data,
		.extra_bytes = extra.len,
	};
	memo_drop(v, dir->ino, e->cookie);
	r = index_link_put(v->index, &l);
	if (r == 0 && was_special)
		r = view_special_drop(v, old);
	if (r == 0 && is_special)
		r = view_special_note(v, e);
	if (r < 0)
		return r;
	touched_entry(v, dir->ino, e->name, e->name_len);
	if (old)
		count_row(dir, old->kind, was_special, -1);
	count_row(dir, e->kind, is_special, 1);
	return 0;
}

int view_row_delete(struct vault *v, struct node *dir, const struct entry *e)
{
	bool is_special = entry_is_special(e);
	memo_drop(v, dir->ino, e->cookie);
	int r = index_link_delete(v->index, dir->ino, e->cookie);

	if (r == 0 && is_special)
		r = view_special_drop(v, e);
	if (r < 0)
		return r;
	touched_entry(v, dir->ino, e->name, e->name_len);
	count_row(dir, e->kind, is_special, -1);
	return 0;
}

int view_row_put_simple(struct vault *v, struct node *dir,
			const struct member *m, const struct row_peek *at)
{
	struct index_link l = {
		.parent = dir->ino,
		.cookie = at->cookie,
		.ino = m->shown,
		.kind = m->kind,
		.name = m->name,
		.name_len = m->name_len,
	};

	if (!at->cookie)
		return -ENOSPC;
	memo_drop(v, dir->ino, at->cookie);
	int r = index_link_put(v->index, &l);
	if (r < 0)
		return r;
	touched_entry(v, dir->ino, m->name, m->name_len);
	count_row(dir, m->kind, false, 1);
	return 0;
}

int view_row_delete_simple(struct vault *v, struct node *dir,
			   const struct row_peek *at)
{
	memo_drop(v, dir->ino, at->cookie);
	int r = index_link_delete(v->index, dir->ino, at->cookie);

	if (r < 0)
		return r;
	count_row(dir, at->kind, false, -1);
	return 0;
}
