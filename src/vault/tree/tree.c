/* SPDX-License-Identifier: ISC */
/* Calls that change names. */
#include "vault/tree.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/random.h"
#include "vault/log/commit.h"
#include "vault/merge/born.h"
#include "vault/merge/merge.h"
#include "vault/merge/settle.h"
#include "vault/merge/view.h"
#include "vault/tree/held.h"
#include "vault/tree/holds.h"
#include "vault/tree/tree_priv.h"

int tree_enter(struct vault *v)
{
	int r = commit_relieve(v);

	return r < 0 ? r : core_enter(v, true);
}

int tree_leave(struct vault *v, int r)
{
	r = core_end_transaction(v, r);
	core_leave(v);
	commit_wake(v);
	return r;
}

int tree_check_name(struct vault_name name)
{
	const char *s = name.bytes;

	if (name.len == 0)
		return -ENOENT;
	if (name.len > NAME_BYTES_MAX)
		return -ENAMETOOLONG;
	if (memchr(s, '/', name.len) || memchr(s, '\0', name.len) ||
	    (name.len == 1 && s[0] == '.') ||
	    (name.len == 2 && s[0] == '.' && s[1] == '.'))
		return -EINVAL;
	return 0;
}

int tree_node(struct vault *v, uint64_t ino, struct node **ret)
{
	struct node *n;
	int r = node_get(v->nodes, ino, &n);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (n->kind != KIND_NONE &&
	    (merge_is_logged(n) || n->flags & NODE_VIRTUAL ||
	     held_is(v, ino))) {
		*ret = n;
		return 0;
	}
	node_put(n);
	return -ENOENT;
}

int tree_dir(struct vault *v, uint64_t ino, struct node **ret)
{
	struct node *n;
	int r = node_get(v->nodes, ino, &n);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = n->kind != KIND_DIR ? -ENOTDIR : merge_is_logged(n) ? 0 : -ENOENT;
	if (r < 0)
		node_put(n);
	else
		*ret = n;
	return r;
}

/* 1, 0. */
static int find_entry(struct vault *v, uint64_t dir, struct vault_name name,
		      struct entry *ret)
{
	return view_find(v, dir, name.bytes, name.len, ret);
}

/* Did settling record anything, so that entries found before are out of date? */
static bool has_settled(const struct vault *v)
{
	return v->oplog.in_transaction;
}

/* The entry after settling: it is still there. */
static int find_again(struct vault *v, uint64_t dir, struct vault_name name,
		      struct entry *e)
{
	if (!has_settled(v))
		return 0;
	entry_release(e);
	int r = find_entry(v, dir, name, e);
	return r < 0 ? r : r ? 0 : ERR_BAD_INDEX;
}

/* ---------------------------------------------------------------- making */

static int emit_mknod(struct vault *v, const struct vault_new *what,
		      struct inode_id *ret_id)
{
	struct op op = { .type = OP_MKNOD };
	int64_t now = clock_file_ns();

	op.mknod.kind = tree_kind(what->mode);
	op.mknod.mode = what->mode & 07777;
	op.mknod.uid = what->uid;
	op.mknod.gid = what->gid;
	op.mknod.atime_ns = op.mknod.mtime_ns = op.mknod.ctime_ns = now;
	if (op.mknod.kind == KIND_CHAR || op.mknod.kind == KIND_BLOCK) {
		op.mknod.rdev_major = major(what->rdev);
		op.mknod.rdev_minor = minor(what->rdev);
	}
	if (op.mknod.kind == KIND_SYMLINK)
		op.mknod.target = (struct op_name){ what->target.bytes,
						    (uint16_t)what->target.len };
	op.inode.tail = v->writer << 32 | (uint32_t)random_u64();
	int r = merge_emit(v, &op);
	if (r == 0)
		*ret_id = op.inode;
	return r;
}

static int emit_first_place(struct vault *v, struct inode_id id,
			    struct inode_id parent, struct vault_name name)
{
	struct op op = { .type = OP_PLACE, .inode = id };

	op.place.parent = parent;
	op.place.name = (struct op_name){ name.bytes, (uint16_t)name.len };
	return merge_emit(v, &op);
}

static int check_new(const struct vault_new *what)
{
	unsigned kind = tree_kind(what->mode);
	const void *target = what->target.bytes;

	if (kind == KIND_NONE)
		return -EINVAL;
	if (kind != KIND_SYMLINK)
		return 0;
	if (what->target.len == 0)
		return -ENOENT;
	if (what->target.len > LINK_TARGET_MAX)
		return -ENAMETOOLONG;
	return memchr(target, '\0', what->target.len) ? -EINVAL : 0;
}

static int make_locked(struct vault *v, uint64_t parent,
		       struct vault_name name, const struct vault_new *what,
		       bool hold, struct vault_attr *ret)
{
	auto_node struct node *dir = NULL, *n = NULL;
	struct inode_id id;
	uint64_t ino;
	uint8_t kind;
	int r = tree_dir(v, parent, &dir);

	if (r == 0)
		r = view_lookup(v, parent, name.bytes, name.len, &ino, &kind);
	if (r != 0)
		return r < 0 ? r : -EEXIST;
	r = settle_dir(v, parent);
	if (r < 0)
		return r;
	auto_node struct node *rep = NULL;
	r = node_get(v->nodes, dir->rep, &rep);
	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	r = emit_mknod(v, what, &id);
	if (r == 0)
		r = emit_first_place(v, id, rep->id, name);
	if (r < 0)
		return r;
	r = node_get_by_id(v->nodes, id, &n);
	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	r = tree_add_xattrs(v, n, what);
	if (r < 0)
		return r;
	tree_fill_attr(v, n, ret);
	return hold ? holds_add(v->holds, n->ino, 1) : 0;
}

int vault_make(struct vault *v, uint64_t parent, struct vault_name name,
	       const struct vault_new *what, bool hold, struct vault_attr *ret)
{
	int r = tree_check_name(name);

	if (r == 0)
		r = check_new(what);
	if (r == 0)
		r = tree_enter(v);
	if (r < 0)
		return r;
	r = make_locked(v, parent, name, what, hold, ret);
	return tree_leave(v, r);
}

/* ---------------------------------------------------------------- unlinking */

static int unlink_locked(struct vault *v, uint64_t parent,
			 struct vault_name name)
{
	auto_entry struct entry e = { 0 };
	auto_node struct node *dir = NULL;
	int r = tree_dir(v, parent, &dir);

	if (r == 0)
		r = find_entry(v, parent, name, &e);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (e.kind == KIND_DIR)
		return -EISDIR;
	r = settle_dir(v, parent);
	if (r == 0)
		r = find_again(v, parent, name, &e);
	return r < 0 ? r : settle_remove(v, &e, (struct removal){ 0 });
}

int vault_unlink(struct vault *v, uint64_t parent, struct vault_name name)
{
	int r = tree_check_name(name);

	if (r == 0)
		r = tree_enter(v);
	if (r < 0)
		return r;
	r = unlink_locked(v, parent, name);
	return tree_leave(v, r);
}

static int rmdir_locked(struct vault *v, uint64_t parent,
			struct vault_name name)
{
	auto_entry struct entry e = { 0 };
	auto_node struct node *dir = NULL;
	int r = tree_dir(v, parent, &dir);

	if (r == 0)
		r = find_entry(v, parent, name, &e);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (e.kind != KIND_DIR)
		return -ENOTDIR;
	r = view_is_empty(v, e.members.m[0].ino);
	if (r <= 0)
		return r < 0 ? r : -ENOTEMPTY;
	r = settle_cycles(v);
	if (r == 0)
		r = settle_dir(v, parent);
	if (r == 0)
		r = find_again(v, parent, name, &e);
	return r < 0 ? r : settle_remove(v, &e, (struct removal){ 0 });
}

int vault_rmdir(struct vault *v, uint64_t parent, struct vault_name name)
{
	int r = tree_check_name(name);

	if (r == -EINVAL && name.len == 2 && memcmp(name.bytes, "..", 2) == 0)
		r = -ENOTEMPTY;
	if (r == 0)
		r = tree_enter(v);
	if (r < 0)
		return r;
	r = rmdir_locked(v, parent, name);
	return tree_leave(v, r);
}

/* ---------------------------------------------------------------- renaming */

/* Is `dir` the directory `top` or below it?  1, 0. */
static int is_below(struct vault *v, uint64_t dir, uint64_t top)
{
	uint64_t at = dir;

	for (;;) {
		auto_node struct node *n = NULL;
		auto_members struct member_list shown = { 0 };

		int r = view_rep(v, at, &at);
		if (r < 0)
			return r;
		if (at == top)
			return 1;
		if (at == VAULT_ROOT_INO)
			return 0;
		r = node_get(v->nodes, at, &n);
		if (r <= 0)
			return r < 0 ? r : ERR_BAD_INDEX;
		r = view_members(v, n, &shown);
		if (r < 0)
			return r;
		if (shown.n == 0)
			return 0;
		at = shown.m[0].parent;
	}
}

struct rename {
	uint64_t from, to;
	struct vault_name from_name, to_name;
	struct entry e, old; /* as found; old.name NULL if absent */
};

static void rename_release(struct rename *m)
{
	entry_release(&m->e);
	entry_release(&m->old);
}

static int rename_find(struct vault *v, struct rename *m)
{
	entry_release(&m->e);
	entry_release(&m->old);
	int r = find_entry(v, m->from, m->from_name, &m->e);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = find_entry(v, m->to, m->to_name, &m->old);
	return r < 0 ? r : 0;
}

static uint64_t shown_ino(const struct entry *e)
{
	return e->members.m[0].shown;
}

/* What POSIX says before anything changes.  1: nothing to do. */
static int rename_check(struct vault *v, struct rename *m, unsigned flags)
{
	int r;

	if (m->e.kind == KIND_DIR) {
		r = is_below(v, m->to, shown_ino(&m->e));
		if (r != 0)
			return r < 0 ? r : -EINVAL;
	}
	if (!m->old.name)
		return flags & VAULT_RENAME_EXCHANGE ? -ENOENT : 0;
	if (flags & VAULT_RENAME_NOREPLACE)
		return -EEXIST;
	if (shown_ino(&m->old) == shown_ino(&m->e))
		return 1;
	if (flags & VAULT_RENAME_EXCHANGE) {
		r = m->old.kind == KIND_DIR ?
			    is_below(v, m->from, shown_ino(&m->old)) : 0;
		return r > 0 ? -EINVAL : r;
	}
	if (m->old.kind == KIND_DIR && m->e.kind != KIND_DIR)
		return -EISDIR;
	if (m->old.kind != KIND_DIR && m->e.kind == KIND_DIR)
		return -ENOTDIR;
	if (m->old.kind == KIND_DIR) {
		r = view_is_empty(v, shown_ino(&m->old));
		/* An ancestor of the source is never empty. */
		return r < 0 ? r : r ? 0 : -ENOTEMPTY;
	}
	return 0;
}

static int rename_apply(struct vault *v, struct rename *m, unsigned flags)
{
	uint64_t from, to;
	int r = 0;

	if (m->e.kind == KIND_DIR || flags & VAULT_RENAME_EXCHANGE)
		r = settle_cycles(v);
	if (r == 0)
		r = settle_dir(v, m->from);
	if (r == 0)
		r = settle_dir(v, m->to);
	if (r == 0)
		r = view_rep(v, m->from, &from);
	if (r == 0)
		r = view_rep(v, m->to, &to);
	if (r == 0 && has_settled(v))
		r = rename_find(v, m);
	if (r < 0)
		return r;
	if (flags & VAULT_RENAME_EXCHANGE) {
		r = settle_move(v, &m->e, to, m->to_name.bytes, m->to_name.len);
		return r < 0 ? r : settle_move(v, &m->old, from,
					       m->from_name.bytes,
					       m->from_name.len);
	}
	if (m->old.name)
		r = settle_remove(v, &m->old, (struct removal){ 0 });
	return r < 0 ? r : settle_move(v, &m->e, to, m->to_name.bytes,
				       m->to_name.len);
}

static int rename_locked(struct vault *v, struct rename *m, unsigned flags)
{
	auto_node struct node *from = NULL, *to = NULL;
	struct vault_attr attr;
	int r = tree_dir(v, m->from, &from);

	if (r == 0)
		r = tree_dir(v, m->to, &to);
	if (r == 0)
		r = rename_find(v, m);
	if (r == 0)
		r = rename_check(v, m, flags);
	if (r != 0)
		return r < 0 ? r : 0;
	r = rename_apply(v, m, flags);
	if (r < 0 || !(flags & VAULT_RENAME_WHITEOUT))
		return r;
	struct vault_new whiteout = { .mode = S_IFCHR };
	return make_locked(v, m->from, m->from_name, &whiteout, false, &attr);
}

int vault_rename(struct vault *v, uint64_t from, struct vault_name from_name,
		 uint64_t to, struct vault_name to_name, unsigned flags)
{
	struct rename m = { .from = from, .to = to, .from_name = from_name,
			    .to_name = to_name };
	int r = tree_check_name(from_name);

	if (r == 0)
		r = tree_check_name(to_name);
	if (r == 0 && flags & VAULT_RENAME_EXCHANGE &&
	    flags & (VAULT_RENAME_NOREPLACE | VAULT_RENAME_WHITEOUT))
		r = -EINVAL;
	if (r == 0)
		r = tree_enter(v);
	if (r < 0)
		return r;
	r = rename_locked(v, &m, flags);
	rename_release(&m);
	return tree_leave(v, r);
}

/* ---------------------------------------------------------------- linking */

static int link_locked(struct vault *v, uint64_t ino, uint64_t parent,
		       struct vault_name name, struct vault_attr *ret)
{
	auto_node struct node *n = NULL, *dir = NULL, *rep = NULL;
	uint64_t other;
	uint8_t kind;
	int r = tree_node(v, ino, &n);

	if (r == 0)
		r = tree_dir(v, parent, &dir);
	if (r < 0)
		return r;
	if (n->kind == KIND_DIR)
		return -EPERM;
	if (!merge_is_logged(n) && !(n->flags & (NODE_UNBORN | NODE_VIRTUAL)))
		return -ENOENT;
	r = view_lookup(v, parent, name.bytes, name.len, &other, &kind);
	if (r != 0)
		return r < 0 ? r : -EEXIST;
	if (n->flags & NODE_UNBORN)
		r = born_now(v, n);
	else
		r = settle_inode(v, ino);
	if (r == 0)
		r = settle_dir(v, parent);
	if (r == 0)
		r = settle_before_link(v, ino);
	if (r < 0)
		return r;
	r = node_get(v->nodes, dir->rep, &rep);
	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	r = emit_first_place(v, n->id, rep->id, name);
	if (r == 0)
		tree_fill_attr(v, n, ret);
	return r;
}

int vault_link(struct vault *v, uint64_t ino, uint64_t parent,
	       struct vault_name name, struct vault_attr *ret)
{
	int r = tree_check_name(name);

	if (r == 0)
		r = tree_enter(v);
	if (r < 0)
		return r;
	r = link_locked(v, ino, parent, name, ret);
	return tree_leave(v, r);
}
