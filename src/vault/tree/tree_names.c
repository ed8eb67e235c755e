/* SPDX-License-Identifier: ISC */
/* Calls that read names. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/merge/merge.h"
#include "vault/merge/view.h"
#include "vault/tree.h"
#include "vault/tree/tree_priv.h"

static int lookup_locked(struct vault *v, uint64_t parent,
			 struct vault_name name, struct vault_attr *ret)
{
	auto_node struct node *dir = NULL, *n = NULL;
	uint64_t ino;
	uint8_t kind;
	int r = tree_dir(v, parent, &dir);

	if (r == 0)
		r = view_lookup(v, parent, name.bytes, name.len, &ino, &kind);
	if (r <= 0)
		return r;
	r = node_get(v->nodes, ino, &n);
	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	tree_fill_attr(v, n, ret);
	return 1;
}

int vault_lookup(struct vault *v, uint64_t parent, struct vault_name name,
		 struct vault_attr *ret)
{
	int r = tree_check_name(name);

	if (r == 0)
		r = core_enter(v, false);
	if (r < 0)
		return r;
	r = lookup_locked(v, parent, name, ret);
	core_leave(v);
	return r;
}

int vault_parent(struct vault *v, uint64_t ino, uint64_t *ret)
{
	auto_members struct member_list shown = { 0 };
	struct node *n;
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	r = tree_dir(v, ino, &n);
	if (r == 0) {
		r = view_members(v, n, &shown);
		node_put(n);
	}
	if (r == 0 && shown.n)
		r = view_rep(v, shown.m[0].parent, ret);
	else if (r == 0)
		*ret = VAULT_ROOT_INO;
	core_leave(v);
	return r;
}

int vault_walk(struct vault *v, const char *path, struct vault_attr *ret)
{
	struct vault_attr at;
	int r = vault_getattr(v, VAULT_ROOT_INO, &at);

	while (r == 0) {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if (len == 0)
			break;
		r = vault_lookup(v, at.ino, (struct vault_name){ path, len },
				 &at);
		if (r <= 0)
			return r;
		path += len;
		r = 0;
	}
	if (r < 0)
		return r;
	*ret = at;
	return 1;
}

ssize_t vault_readlink(struct vault *v, uint64_t ino, char *to, size_t cap)
{
	struct node *n;
	ssize_t len = 0;
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	r = tree_node(v, ino, &n);
	if (r == 0) {
		if (n->kind != KIND_SYMLINK) {
			r = -EINVAL;
		} else {
			len = (ssize_t)min_of(cap, (size_t)n->target.len);
			memcpy(to, n->target.bytes, (size_t)len);
		}
		node_put(n);
	}
	core_leave(v);
	return r < 0 ? r : len;
}

/* ---------------------------------------------------------------- readdir */

#define BATCH 64

struct listed {
	struct vault_attr attr;
	uint64_t cookie;
	uint64_t ino;
	uint8_t kind;
	uint16_t name_len;
	uint8_t name[NAME_BYTES_MAX];
};

struct listing {
	struct listed *l;
	unsigned n;
};

static int list_fn(void *arg, const struct index_link *l)
{
	struct listing *b = arg;
	struct listed *e = &b->l[b->n];

	if (l->name_len > sizeof(e->name))
		return ERR_BAD_INDEX;
	e->cookie = l->cookie;
	e->ino = l->ino;
	e->kind = l->kind;
	e->name_len = l->name_len;
	memcpy(e->name, l->name, l->name_len);
	return ++b->n == BATCH;
}

static int list_locked(struct vault *v, uint64_t dir, uint64_t from,
		       bool want_attr, struct listing *b)
{
	auto_node struct node *d = NULL;
	int r = node_get(v->nodes, dir, &d);

	b->n = 0;
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (d->kind != KIND_DIR)
		return -ENOTDIR;
	/* One that was removed while it is open is empty. */
	if (!merge_is_logged(d))
		return 0;
	r = index_link_each(v->index, d->rep, from, list_fn, b);
	for (unsigned i = 0; r >= 0 && want_attr && i < b->n; i++) {
		auto_node struct node *n = NULL;

		r = node_get(v->nodes, b->l[i].ino, &n);
		if (r == 0)
			r = ERR_BAD_INDEX;
		if (r > 0)
			tree_fill_attr(v, n, &b->l[i].attr);
	}
	return r < 0 ? r : 0;
}

static uint8_t dtype_of(unsigned kind)
{
	return (uint8_t)(tree_type_bits(kind) >> 12);
}

int vault_readdir(struct vault *v, uint64_t dir, uint64_t from,
		  bool want_attr, vault_entry_fn *fn, void *arg)
{
	auto_free struct listed *room = mem_zalloc_array(BATCH, sizeof(*room));
	struct listing b = { .l = room };

	if (!room)
		return -ENOMEM;
	do {
		int r = core_enter(v, false);

		if (r < 0)
			return r;
		r = list_locked(v, dir, from, want_attr, &b);
		core_leave(v);
		for (unsigned i = 0; r == 0 && i < b.n; i++) {
			struct vault_entry e = {
				.name = { b.l[i].name, b.l[i].name_len },
				.ino = b.l[i].ino,
				.next = b.l[i].cookie + 1,
				.dtype = dtype_of(b.l[i].kind),
				.attr = want_attr ? &b.l[i].attr : NULL,
			};

			from = e.next;
			r = fn(arg, &e);
		}
		if (r != 0)
			return r < 0 ? r : 0;
	} while (b.n == BATCH);
	return 0;
}
