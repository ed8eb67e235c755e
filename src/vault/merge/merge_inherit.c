/* SPDX-License-Identifier: ISC */
/* What an inode beside another has from it: registers and extended attributes
 * it has no value of its own for (vault-format/09-merging.md, R6). */
#include <errno.h>

#include "base/buf.h"
#include "base/mem.h"
#include "vault/merge/merge_priv.h"

/* ---------------------------------------------------------------- registers */

void merge_inherit_one(const struct node *from, struct node *to)
{
	if (!to->regs[REG_MODE].clock)
		to->mode = from->mode;
	if (!to->regs[REG_OWNER].clock) {
		to->uid = from->uid;
		to->gid = from->gid;
	}
	if (!to->regs[REG_ATIME].clock)
		to->atime_ns = from->atime_ns;
	if (!to->regs[REG_MTIME].clock)
		to->mtime_ns = from->mtime_ns;
	if (!to->regs[REG_CTIME].clock)
		to->ctime_ns = from->ctime_ns;
	to->btime_ns = from->btime_ns;
	node_dirty(to);
}

/* Siblings of siblings: a work list, since depth is another device's choice. */
typedef int sibling_fn(struct vault *v, struct node *from, struct node *to,
		       const void *arg);

static int each_below(struct vault *v, struct node *n, sibling_fn *fn,
		      const void *arg)
{
	auto_buf struct buf todo = BUF_INIT(MEM_MAX);
	size_t at = 0;

	buf_put_u64(&todo, n->ino);
	while (at < todo.len) {
		auto_node struct node *from = NULL;
		int r = node_get(v->nodes, le64_get(todo.data + at), &from);

		at += 8;
		if (r < 0)
			return r;
		for (unsigned i = 0; r > 0 && i < from->n_siblings; i++) {
			auto_node struct node *to = NULL;

			r = node_get(v->nodes, from->siblings[i].ino, &to);
			if (r > 0 && to->n_siblings)
				buf_put_u64(&todo, to->ino);
			if (r > 0) {
				int e = fn(v, from, to, arg);

				if (e < 0)
					return e;
			}
			if (r < 0)
				return r;
			r = 1;
		}
		r = buf_error(&todo);
		if (r < 0)
			return r;
	}
	return 0;
}

static int inherit_registers(struct vault *v, struct node *from,
			     struct node *to, const void *arg)
{
	(void)v;
	(void)arg;
	merge_inherit_one(from, to);
	return 0;
}

int merge_inherit(struct vault *v, struct node *n)
{
	return each_below(v, n, inherit_registers, NULL);
}

/* ---------------------------------------------------------------- extended attributes */

/* An inherited value stands with key zero, so that any own one wins. */
static int inherit_value(struct vault *v, struct node *to,
			 const struct index_xattr *x)
{
	struct index_xattr own;
	auto_buf struct buf rec = BUF_INIT(XATTR_REC_HEADER + XATTR_VALUE_MAX);
	int r = index_xattr_get(v->index, to->ino, x->name, x->name_len, &own);

	if (r < 0)
		return r;
	if (r > 0 && le64_get(own.rec) != 0)
		return 0;
	buf_put_zeros(&rec, 16);
	buf_put(&rec, x->rec + 16, x->rec_bytes - 16);
	r = buf_error(&rec);
	if (r < 0)
		return r;
	struct index_xattr now = { x->name, x->name_len, rec.data, rec.len };
	return index_xattr_put(v->index, to->ino, &now);
}

static int inherit_xattr(struct vault *v, struct node *from, struct node *to,
			 const void *arg)
{
	const struct op_name *name = arg;
	struct index_xattr x;
	int r = index_xattr_get(v->index, from->ino, name->bytes, name->len,
				&x);

	if (r <= 0)
		return r;
	/* inherit_value reads the same table: what x points to goes. */
	auto_free uint8_t *rec = mem_dup(x.rec, x.rec_bytes);
	if (!rec)
		return -ENOMEM;
	struct index_xattr copy = { name->bytes, name->len, rec, x.rec_bytes };
	return inherit_value(v, to, &copy);
}

int merge_inherit_xattr(struct vault *v, struct node *n,
			const struct op_name *name)
{
	return each_below(v, n, inherit_xattr, name);
}

struct copy_xattrs {
	struct vault *v;
	struct node *to;
};

static int copy_xattr(void *arg, const struct index_xattr *x)
{
	struct copy_xattrs *c = arg;
	auto_free uint8_t *name = mem_dup(x->name, x->name_len);
	auto_free uint8_t *rec = mem_dup(x->rec, x->rec_bytes);

	if (!name || !rec)
		return -ENOMEM;
	struct index_xattr copy = { name, x->name_len, rec, x->rec_bytes };
	return inherit_value(c->v, c->to, &copy);
}

int merge_inherit_all_xattrs(struct vault *v, struct node *from,
			     struct node *to)
{
	struct copy_xattrs c = { v, to };

	return index_xattr_each(v->index, from->ino, copy_xattr, &c);
}
