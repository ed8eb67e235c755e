/* SPDX-License-Identifier: ISC */
/* Attributes. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vault/content/content.h"
#include "vault/log/commit.h"
#include "vault/merge/born.h"
#include "vault/merge/merge.h"
#include "vault/merge/settle.h"
#include "vault/tree.h"
#include "vault/tree/holds.h"
#include "vault/tree/privileges.h"
#include "vault/tree/tree_priv.h"

#define DIR_BYTES 4096 /* what stat says of a directory's size */

static const uint32_t type_bits[] = {
	[KIND_NONE] = 0,	  [KIND_FILE] = S_IFREG,
	[KIND_DIR] = S_IFDIR,	  [KIND_SYMLINK] = S_IFLNK,
	[KIND_FIFO] = S_IFIFO,	  [KIND_SOCKET] = S_IFSOCK,
	[KIND_CHAR] = S_IFCHR,	  [KIND_BLOCK] = S_IFBLK,
};

uint32_t tree_type_bits(unsigned kind)
{
	return kind <= KIND_BLOCK ? type_bits[kind] : 0;
}

unsigned tree_kind(uint32_t mode)
{
	for (unsigned k = KIND_FILE; k <= KIND_BLOCK; k++)
		if ((mode & S_IFMT) == type_bits[k])
			return k;
	return KIND_NONE;
}

/* Blocks of data that is still in memory count as if written. */
static uint64_t blocks_of(struct vault *v, const struct node *n)
{
	uint64_t bytes;

	if (n->kind == KIND_DIR)
		return DIR_BYTES / 512;
	if (n->kind != KIND_FILE)
		return 0;
	if (!content_count_data(v, n->ino, &bytes))
		bytes = n->data_bytes;
	return (bytes + 511) / 512;
}

void tree_fill_attr(struct vault *v, const struct node *n,
		    struct vault_attr *ret)
{
	*ret = (struct vault_attr){
		.ino = n->ino,
		.mode = tree_type_bits(n->kind) | n->mode,
		.nlink = n->kind == KIND_DIR ?
				 (merge_is_logged(n) ?
					  2 + (uint32_t)n->n_subdirs : 0) :
				 merge_n_links(n),
		.uid = n->uid,
		.gid = n->gid,
		.rdev = makedev(n->rdev_major, n->rdev_minor),
		.size = n->kind == KIND_DIR ? DIR_BYTES : n->size,
		.blocks = blocks_of(v, n),
		.atime_ns = n->atime_ns,
		.mtime_ns = n->mtime_ns,
		.ctime_ns = n->ctime_ns,
		.btime_ns = n->btime_ns,
	};
}

int vault_getattr(struct vault *v, uint64_t ino, struct vault_attr *ret)
{
	struct node *n;
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	r = tree_node(v, ino, &n);
	if (r == 0) {
		tree_fill_attr(v, n, ret);
		node_put(n);
	}
	core_leave(v);
	return r;
}

/* ---------------------------------------------------------------- setting */

/* The mode without what a write or a change of owner takes away: suid, and
 * sgid where the group may execute (inode(7)). */
static void fill_op(const struct node *n, unsigned mask,
		    const struct vault_attr *a, struct op_attr *o)
{
	uint32_t mode = mask & VAULT_SET_MODE ? a->mode & 07777 : n->mode;

	if (mask & VAULT_DROP_PRIVILEGES)
		mode = privileges_drop_mode(n->kind, mode,
					    mask & VAULT_DROP_SGID);
	if (mask & VAULT_SET_MODE || mode != n->mode) {
		o->mask |= ATTR_MODE;
		o->mode = mode;
	}
	if (mask & (VAULT_SET_UID | VAULT_SET_GID)) {
		o->mask |= ATTR_OWNER;
		o->uid = mask & VAULT_SET_UID ? a->uid : n->uid;
		o->gid = mask & VAULT_SET_GID ? a->gid : n->gid;
	}
	if (mask & VAULT_SET_ATIME) {
		o->mask |= ATTR_ATIME;
		o->atime_ns = a->atime_ns;
	}
	if (mask & VAULT_SET_MTIME) {
		o->mask |= ATTR_MTIME;
		o->mtime_ns = a->mtime_ns;
	}
	if (mask & VAULT_KEEP_CTIME)
		return;
	if (o->mask || mask & VAULT_SET_CTIME) {
		o->mask |= ATTR_CTIME;
		o->ctime_ns = mask & VAULT_SET_CTIME ? a->ctime_ns :
						       clock_file_ns();
	}
}

static int set_locked(struct vault *v, uint64_t ino, unsigned mask,
		      const struct vault_attr *attr, struct vault_attr *ret)
{
	auto_node struct node *n = NULL;
	struct op op = { .type = OP_ATTR };
	int r = tree_node(v, ino, &n);

	if (r == 0)
		r = settle_inode(v, ino);
	if (r < 0)
		return r;
	fill_op(n, mask, attr, &op.attr);
	op.inode = n->id;
	if (op.attr.mask)
		r = merge_emit(v, &op);
	if (r == 0 && mask & VAULT_DROP_PRIVILEGES && n->kind == KIND_FILE)
		r = min_of(privileges_drop_capability(v, n), 0);
	if (r == 0)
		tree_fill_attr(v, n, ret);
	return r;
}

int vault_setattr(struct vault *v, uint64_t ino, unsigned mask,
		  const struct vault_attr *attr, struct vault_attr *ret)
{
	int r = 0;

	if (mask & VAULT_SET_SIZE) {
		if (atomic_load(&v->is_read_only))
			return ERR_READ_ONLY;
		r = content_truncate(v, ino, attr->size);
	}
	if (r == 0)
		r = tree_enter(v);
	if (r < 0)
		return r;
	r = set_locked(v, ino, mask, attr, ret);
	return tree_leave(v, r);
}

/* Lets go of `n`, and of what it is if that fails. */
static int dress_unnamed(struct vault *v, const struct vault_new *what,
			 struct node *n, struct vault_attr *ret)
{
	int r = tree_add_xattrs(v, n, what), e;

	if (r == 0) {
		tree_fill_attr(v, n, ret);
		node_put(n);
		return 0;
	}
	(void)holds_drop(v->holds, n->ino, 1);
	e = born_never(v, n);
	return e < 0 ? e : r;
}

int vault_make_unnamed(struct vault *v, const struct vault_new *what,
		       struct vault_attr *ret)
{
	struct node *n;
	int r = tree_kind(what->mode) == KIND_FILE ? 0 : -EINVAL;

	if (r == 0)
		r = tree_enter(v);
	if (r < 0)
		return r;
	r = born_new(v, what, &n);
	if (r == 0)
		r = dress_unnamed(v, what, n, ret);
	return tree_leave(v, r);
}
