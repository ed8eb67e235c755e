/* SPDX-License-Identifier: ISC */
/*
 * R4: directories that contain themselves (vault-format/09-merging.md).
 *
 * Recorded places make a function from directory to parent.  While nothing is
 * displaced it has no cycle, so a change can only make one that goes through
 * the directory changed: a walk upwards tells.  Otherwise, which is rare, all
 * directories are taken together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vault/merge/node_edit.h"
#include "vault/merge/view_priv.h"

#define MOVED_TABLE "moved"
#define RECOVERED "recovered-"

/* A directory while the cycles are sought. */
struct dir_place {
	uint64_t ino;
	struct inode_id id;
	struct op_key key;
	uint64_t parent;
	unsigned fallback; /* how often it fell back: from, then the root */
	bool has_from;
	unsigned seen; /* the walk that met it, from 1 */
};

struct dir_table {
	struct dir_place *d;
	size_t n, cap;
};

static int recorded_place(struct vault *v, uint64_t ino, struct node **ret_n,
			  const struct node_place **ret_p)
{
	bool is_ghost;
	int r = node_get(v->nodes, ino, ret_n);

	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	*ret_p = merge_dir_place(*ret_n, &is_ghost);
	return 0;
}

/* Does following recorded places from `n` come back to it?  1, 0. */
static int is_in_cycle(struct vault *v, const struct node *n)
{
	uint64_t at = n->ino;

	do {
		auto_node struct node *d = NULL;
		const struct node_place *p;
		const struct node_name *name;
		int r = recorded_place(v, at, &d, &p);

		if (r < 0)
			return r;
		at = p ? merge_where(p, &name) : VAULT_ROOT_INO;
	} while (at != n->ino && at != VAULT_ROOT_INO);
	return at == n->ino;
}

/* ---------------------------------------------------------------- all of them */

static int add_dir(struct dir_table *t, uint64_t ino)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct dir_place *d = mem_realloc_array(t->d, cap, sizeof(*d));

		if (!d)
			return -ENOMEM;
		t->d = d;
		t->cap = cap;
	}
	t->d[t->n++] = (struct dir_place){ .ino = ino };
	return 0;
}

static int collect_dir(void *arg, uint64_t ino, const uint8_t *rec,
		       size_t bytes)
{
	return node_rec_kind(rec, bytes) == KIND_DIR ? add_dir(arg, ino) : 0;
}

/* Every directory that has a place, by number. */
static int load_dirs(struct vault *v, struct dir_table *t)
{
	size_t kept = 0;
	int r = node_cache_flush(v->nodes);

	if (r == 0)
		r = index_node_each(v->index, 0, collect_dir, t);
	for (size_t i = 0; r == 0 && i < t->n; i++) {
		struct dir_place d = t->d[i];
		auto_node struct node *n = NULL;
		const struct node_place *p;
		const struct node_name *name;

		r = recorded_place(v, d.ino, &n, &p);
		if (r < 0 || !p || d.ino == VAULT_ROOT_INO)
			continue;
		d.id = n->id;
		d.key = merge_place_key(p);
		d.parent = merge_where(p, &name);
		d.has_from = p->from_parent != 0;
		t->d[kept++] = d;
	}
	t->n = kept;
	return r;
}

static struct dir_place *find_dir(struct dir_table *t, uint64_t ino)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->d[mid].ino == ino)
			return &t->d[mid];
		if (t->d[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int fall_back(struct vault *v, struct dir_place *d)
{
	auto_node struct node *n = NULL;
	const struct node_place *p;
	int r = recorded_place(v, d->ino, &n, &p);

	if (r < 0)
		return r;
	d->fallback = d->has_from && d->fallback == 0 ? 1 : 2;
	d->parent = d->fallback == 1 ? p->from_parent : VAULT_ROOT_INO;
	return 0;
}

/* The greatest edge of a cycle that can still fall back. */
static struct dir_place *greatest_edge(struct dir_table *t,
				       struct dir_place *start)
{
	struct dir_place *best = NULL, *d = start;

	do {
		if (d->fallback < 2 &&
		    (!best || op_key_compare(best->key, d->key) < 0))
			best = d;
		d = find_dir(t, d->parent);
	} while (d && d != start);
	return best;
}

/* One round: each cycle's greatest edge falls back.  Returns how many. */
static int break_round(struct vault *v, struct dir_table *t)
{
	int broken = 0;
	unsigned walk = 0;

	for (size_t i = 0; i < t->n; i++)
		t->d[i].seen = 0;
	for (size_t i = 0; i < t->n; i++) {
		struct dir_place *d = &t->d[i];

		walk++;
		while (d && !d->seen) {
			d->seen = walk;
			d = find_dir(t, d->parent);
		}
		if (!d || d->seen != walk)
			continue;
		/* Met again in its own walk: d is on a cycle. */
		struct dir_place *edge = greatest_edge(t, d);
		int r = edge ? fall_back(v, edge) : ERR_MALFORMED;
		if (r < 0)
			return r;
		broken++;
	}
	return broken;
}

/* ---------------------------------------------------------------- the outcome */

static int set_moved(struct vault *v, struct node *n, const struct dir_place *d)
{
	const struct node_place *p;
	const struct node_name *name;
	auto_node struct node *again = NULL;
	uint8_t id[8];
	int r = recorded_place(v, n->ino, &again, &p);

	if (r < 0)
		return r;
	le64_put(id, n->ino);
	node_dirty(n);
	if (!d || d->fallback == 0) {
		n->flags &= ~(unsigned)NODE_MOVED;
		n->r4_parent = 0;
		node_name_clear(&n->r4_name);
		return index_value_delete(v->index, MOVED_TABLE, id, 8);
	}
	n->flags |= NODE_MOVED;
	n->r4_parent = d->parent;
	if (d->fallback == 1) {
		r = node_name_set(&n->r4_name, p->from_name.bytes,
				  p->from_name.len);
	} else {
		uint8_t text[NAME_BYTES_MAX];
		size_t lead = strlen(RECOVERED);

		merge_where(p, &name);
		size_t keep = view_cut_name(name->bytes, name->len,
					    NAME_BYTES_MAX - lead);
		memcpy(text, RECOVERED, lead);
		memcpy(text + lead, name->bytes, keep);
		r = node_name_set(&n->r4_name, text, lead + keep);
	}
	return r < 0 ? r : index_value_put(v->index, MOVED_TABLE, id, 8, "", 0);
}

static bool is_as_before(const struct node *n, const struct dir_place *d)
{
	if (!(n->flags & NODE_MOVED))
		return d->fallback == 0;
	/* Falling back to the same place may still mean another name. */
	return false;
}

static int remember_dir(struct vault *v, struct node *n, struct moved_list *ret)
{
	if (ret->n == ret->cap) {
		unsigned cap = ret->cap ? ret->cap * 2 : 4;
		struct moved_dir *d = mem_realloc_array(ret->d, cap, sizeof(*d));

		if (!d)
			return -ENOMEM;
		ret->d = d;
		ret->cap = cap;
	}
	ret->d[ret->n] = (struct moved_dir){ .ino = n->ino };
	int r = view_members(v, n, &ret->d[ret->n].old);
	if (r == 0)
		ret->n++;
	return r;
}

static int break_all(struct vault *v, const struct node *changed,
		     struct moved_list *ret)
{
	struct dir_table t = { 0 };
	uint64_t n_moved = 0;
	int r = load_dirs(v, &t);

	while (r == 0) {
		r = break_round(v, &t);
		if (r == 0)
			break;
		r = r < 0 ? r : 0;
	}
	for (size_t i = 0; r == 0 && i < t.n; i++) {
		auto_node struct node *n = NULL;

		n_moved += t.d[i].fallback > 0;
		r = node_get(v->nodes, t.d[i].ino, &n);
		r = r == 0 ? ERR_BAD_INDEX : r < 0 ? r : 0;
		if (r < 0 || is_as_before(n, &t.d[i]))
			continue;
		if (n != changed)
			r = remember_dir(v, n, ret);
		if (r == 0)
			r = set_moved(v, n, &t.d[i]);
	}
	mem_free(t.d);
	if (r == 0)
		v->n_moved = n_moved;
	return r;
}

int view_break_cycles(struct vault *v, struct node *n, struct moved_list *ret)
{
	int r = v->n_moved ? 1 : is_in_cycle(v, n);

	return r <= 0 ? r : break_all(v, n, ret);
}

int view_break_all(struct vault *v)
{
	auto_moved struct moved_list moved = { 0 };

	return break_all(v, NULL, &moved);
}

static int collect_moved(void *arg, const uint8_t *id, size_t id_bytes,
			 const uint8_t *rec, size_t bytes)
{
	(void)rec;
	(void)bytes;
	return id_bytes == 8 ? add_dir(arg, le64_get(id)) : ERR_BAD_INDEX;
}

static int by_id(const void *a, const void *b)
{
	const struct dir_place *x = a, *y = b;

	return inode_id_compare(x->id, y->id);
}

int view_moved(struct vault *v, uint64_t **ret_inos, unsigned *ret_n)
{
	struct dir_table t = { 0 };
	auto_free struct dir_place *all = NULL;
	unsigned n = 0;
	int r = v->n_moved ? index_value_each(v->index, MOVED_TABLE,
					      collect_moved, &t) : 0;

	all = t.d;
	for (size_t i = 0; r == 0 && i < t.n; i++) {
		auto_node struct node *d = NULL;
		auto_members struct member_list shown = { 0 };

		r = node_get(v->nodes, all[i].ino, &d);
		if (r <= 0)
			return r < 0 ? r : ERR_BAD_INDEX;
		all[i].id = d->id;
		r = view_members(v, d, &shown);
		if (r == 0 && shown.n)
			all[n++] = all[i];
	}
	if (r < 0)
		return r;
	uint64_t *inos = mem_zalloc_array(n + 1u, sizeof(*inos));
	if (!inos)
		return -ENOMEM;
	if (n)
		qsort(all, n, sizeof(*all), by_id);
	for (unsigned i = 0; i < n; i++)
		inos[i] = all[i].ino;
	*ret_inos = inos;
	*ret_n = n;
	return 0;
}
