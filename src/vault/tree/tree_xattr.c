/* SPDX-License-Identifier: ISC */
/* Extended attributes. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vault/merge/merge.h"
#include "vault/merge/merge_priv.h"
#include "vault/merge/settle.h"
#include "vault/tree.h"
#include "vault/tree/tree_priv.h"

#define LIST_MAX 65536u /* XATTR_LIST_MAX: a longer list cannot be read */

static int check_name(const char *name)
{
	size_t len = strlen(name);

	return len == 0 || len > XATTR_NAME_MAX_BYTES ? -ERANGE : 0;
}

/* 1 with the value, 0 absent or removed. */
static int find(struct vault *v, uint64_t ino, const char *name,
		const uint8_t **ret, size_t *ret_bytes)
{
	struct index_xattr x;
	int r = index_xattr_get(v->index, ino, (const uint8_t *)name,
				(uint16_t)strlen(name), &x);

	if (r <= 0)
		return r;
	if (x.rec_bytes < XATTR_REC_HEADER)
		return ERR_BAD_INDEX;
	*ret = x.rec + XATTR_REC_HEADER;
	*ret_bytes = x.rec_bytes - XATTR_REC_HEADER;
	return !x.rec[XATTR_REC_HEADER - 1];
}

static ssize_t get_locked(struct vault *v, uint64_t ino, const char *name,
			  void *to, size_t cap)
{
	auto_node struct node *n = NULL;
	const uint8_t *value;
	size_t bytes;
	int r = tree_node(v, ino, &n);

	if (r == 0)
		r = find(v, ino, name, &value, &bytes);
	if (r <= 0)
		return r < 0 ? r : -ENODATA;
	if (cap == 0)
		return (ssize_t)bytes;
	if (bytes > cap)
		return -ERANGE;
	if (bytes)
		memcpy(to, value, bytes);
	return (ssize_t)bytes;
}

ssize_t vault_getxattr(struct vault *v, uint64_t ino, const char *name,
		       void *to, size_t cap)
{
	int r = check_name(name);

	if (r == 0)
		r = core_enter(v, false);
	if (r < 0)
		return r;
	ssize_t n = get_locked(v, ino, name, to, cap);
	core_leave(v);
	return n;
}

/* ---------------------------------------------------------------- listing */

struct lister {
	char *to;
	size_t cap, len;
};

static int list_fn(void *arg, const struct index_xattr *x)
{
	struct lister *l = arg;

	if (x->rec_bytes < XATTR_REC_HEADER)
		return ERR_BAD_INDEX;
	if (x->rec[XATTR_REC_HEADER - 1])
		return 0;
	if (l->cap) {
		if (l->len + x->name_len + 1u > l->cap)
			return -ERANGE;
		memcpy(l->to + l->len, x->name, x->name_len);
		l->to[l->len + x->name_len] = '\0';
	}
	l->len += x->name_len + 1u;
	return l->len > LIST_MAX ? -E2BIG : 0;
}

ssize_t vault_listxattr(struct vault *v, uint64_t ino, char *to, size_t cap)
{
	struct lister l = { to, cap, 0 };
	struct node *n;
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	r = tree_node(v, ino, &n);
	if (r == 0) {
		r = index_xattr_each(v->index, ino, list_fn, &l);
		node_put(n);
	}
	core_leave(v);
	return r < 0 ? r : (ssize_t)l.len;
}

/* ---------------------------------------------------------------- setting */

static int change_locked(struct vault *v, uint64_t ino, struct op_xattr *x,
			 unsigned flags)
{
	auto_node struct node *n = NULL;
	auto_free char *name = mem_zalloc(x->name.len + 1u);
	struct op op = { .type = OP_XATTR };
	const uint8_t *value;
	size_t bytes;

	if (!name)
		return -ENOMEM;
	memcpy(name, x->name.bytes, x->name.len);
	int r = tree_node(v, ino, &n);
	if (r == 0)
		r = find(v, ino, name, &value, &bytes);
	if (r < 0)
		return r;
	if (r > 0 && flags & VAULT_XATTR_CREATE)
		return -EEXIST;
	if (r == 0 && (x->remove || flags & VAULT_XATTR_REPLACE))
		return -ENODATA;
	r = settle_inode(v, ino);
	if (r < 0)
		return r;
	op.inode = n->id;
	op.xattr = *x;
	op.xattr.ctime_ns = clock_file_ns();
	return merge_emit(v, &op);
}

static struct op_name name_of(const char *name)
{
	return (struct op_name){ (const uint8_t *)name,
				 (uint16_t)strlen(name) };
}

static int emit_value(struct vault *v, const struct node *n,
		      const struct vault_xattr *x)
{
	struct op op = { .type = OP_XATTR, .inode = n->id };

	op.xattr.remove = !x->value;
	op.xattr.name = name_of(x->name);
	op.xattr.value = x->value;
	op.xattr.value_bytes = x->value ? (uint32_t)x->bytes : 0;
	op.xattr.ctime_ns = clock_file_ns();
	return merge_emit(v, &op);
}

int tree_add_xattrs(struct vault *v, const struct node *n,
		    const struct vault_new *what)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < what->n_xattrs; i++)
		r = emit_value(v, n, &what->xattrs[i]);
	return r;
}

static int emit_mode(struct vault *v, const struct node *n, uint32_t mode)
{
	struct op op = { .type = OP_ATTR, .inode = n->id };

	op.attr.mask = ATTR_MODE | ATTR_CTIME;
	op.attr.mode = mode & 07777;
	op.attr.ctime_ns = clock_file_ns();
	return merge_emit(v, &op);
}

static int change_with_mode(struct vault *v, uint64_t ino,
			    const struct vault_xattr *x, uint32_t mode)
{
	auto_node struct node *n = NULL;
	const uint8_t *value;
	size_t bytes;
	int found, r = tree_node(v, ino, &n);

	if (r == 0)
		r = settle_inode(v, ino);
	if (r < 0)
		return r;
	found = find(v, ino, x->name, &value, &bytes);
	if (found < 0)
		return found;
	if (x->value || found)
		r = emit_value(v, n, x);
	if (r == 0 && (mode & 07777) != n->mode)
		r = emit_mode(v, n, mode);
	return r;
}

int vault_setxattr_and_mode(struct vault *v, uint64_t ino,
			    const struct vault_xattr *x, uint32_t mode)
{
	int r = check_name(x->name);

	if (r == 0 && x->bytes > XATTR_VALUE_MAX)
		r = -E2BIG;
	if (r == 0)
		r = tree_enter(v);
	if (r < 0)
		return r;
	r = change_with_mode(v, ino, x, mode);
	return tree_leave(v, r);
}

static int change(struct vault *v, uint64_t ino, struct op_xattr *x,
		  unsigned flags)
{
	int r = tree_enter(v);

	if (r < 0)
		return r;
	r = change_locked(v, ino, x, flags);
	return tree_leave(v, r);
}

int vault_setxattr(struct vault *v, uint64_t ino, const char *name,
		   const void *value, size_t size, unsigned flags)
{
	struct op_xattr x = {
		.name = name_of(name),
		.value = value,
		.value_bytes = (uint32_t)size,
	};
	int r = check_name(name);

	if (r < 0)
		return r;
	if (size > XATTR_VALUE_MAX)
		return -E2BIG;
	return change(v, ino, &x, flags);
}

int vault_removexattr(struct vault *v, uint64_t ino, const char *name)
{
	struct op_xattr x = {
		.remove = true,
		.name = name_of(name),
	};
	int r = check_name(name);

	return r < 0 ? r : change(v, ino, &x, 0);
}
