/* SPDX-License-Identifier: ISC */
/*
 * Versions: which of them an inode has, which inode's rows hold the extents of
 * each, splitting (vault-format/09-merging.md, R2, R6, S3).
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/random.h"
#include "vault/collect/order.h"
#include "vault/content/content.h"
#include "vault/merge/merge_priv.h"
#include "vault/merge/node_edit.h"
#include "vault/tree/held.h"

/* ---------------------------------------------------------------- inodes beside */

static int new_beside(struct vault *v, struct node *n, struct dot version,
		      struct node **ret)
{
	struct inode_id id = inode_id_split(version);
	struct node *s;
	struct node_sibling *sib;
	int r = node_new(v->nodes, id, &s);

	/* Somebody made an inode of that very id: shown all the same, but
	 * never to be split. */
	while (r == -EEXIST) {
		id.tail = random_u64();
		r = node_new(v->nodes, id, &s);
	}
	if (r < 0)
		return r;
	s->kind = n->kind;
	s->origin = n->ino;
	s->flags = NODE_VIRTUAL;
	s->rdev_major = n->rdev_major;
	s->rdev_minor = n->rdev_minor;
	if (n->target.len)
		r = node_name_set(&s->target, n->target.bytes, n->target.len);
	if (r == 0)
		r = node_add_sibling(n, &sib);
	if (r < 0) {
		node_put(s);
		return r;
	}
	sib->version = version;
	sib->ino = s->ino;
	sib->is_split = false;
	node_dirty(n);
	merge_inherit_one(n, s);
	r = merge_inherit_all_xattrs(v, n, s);
	if (r < 0) {
		node_put(s);
		return r;
	}
	*ret = s;
	return 0;
}

int merge_beside(struct vault *v, struct node *n, struct dot version,
		 struct node **ret)
{
	struct node_sibling *sib = node_find_sibling(n, version);

	if (!sib)
		return new_beside(v, n, version, ret);
	int r = node_get(v->nodes, sib->ino, ret);
	return r == 0 ? ERR_BAD_INDEX : r < 0 ? r : 0;
}

/* The one version of a file without a name, as born_new makes it. */
static int give_version(struct node *s)
{
	struct node_version *ver;
	int r = node_add_version(s, &ver);

	if (r < 0)
		return r;
	ver->holder = s->ino;
	ver->size = s->size;
	return 0;
}

/* A virtual inode nothing shows any more.  One that a program holds stays,
 * without a name, until it is let go. */
static int drop_virtual(struct vault *v, struct node *n, struct dot version)
{
	struct node_sibling *sib = node_find_sibling(n, version);
	struct node *s;

	if (!sib || sib->is_split)
		return 0;
	int r = node_get(v->nodes, sib->ino, &s);
	if (r < 0)
		return r;
	node_remove_sibling(n, (unsigned)(sib - n->siblings));
	node_dirty(n);
	if (r == 0)
		return 0;
	r = held_linger(v, s->ino);
	if (r < 0) {
		node_put(s);
		return r;
	}
	if (r > 0) {
		/* Not the version's inode any more, should that come back. */
		s->id = (struct inode_id){ s->ino, v->writer << 32 |
						   (uint32_t)random_u64() };
		s->flags = NODE_UNBORN;
		s->origin = 0;
		node_dirty(s);
		r = give_version(s);
		node_put(s);
		return r;
	}
	r = extents_drop(v, s->ino);
	if (r == 0)
		r = index_xattr_delete_all(v->index, s->ino);
	if (r < 0) {
		node_put(s);
		return r;
	}
	return node_delete(v->nodes, s);
}

/* ---------------------------------------------------------------- deletes, replaces */

static void delete_version(struct node_version *ver, struct op_key key)
{
	if (ver->is_deleted && op_key_compare(ver->deleted, key) >= 0)
		return;
	ver->is_deleted = true;
	ver->deleted = key;
}

/* A version that went to an inode of its own: that inode, or NULL. */
static int split_node(struct vault *v, struct node *n, struct dot version,
		      struct node **ret)
{
	struct node_sibling *sib = node_find_sibling(n, version);

	*ret = NULL;
	if (!sib || !sib->is_split)
		return 0;
	int r = node_get(v->nodes, sib->ino, ret);
	return r < 0 ? r : 0;
}

/* Changes a split inode's version with its view. */
static int change_split(struct vault *v, struct node *s, struct dot version,
			const struct op_key *deleted)
{
	auto_members struct member_list old = { 0 };
	int r = view_members(v, s, &old);

	if (r == 0)
		r = order_note_revival(v, s);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < s->n_versions; i++) {
		if (!dot_equal(s->versions[i].dot, version))
			continue;
		if (deleted)
			delete_version(&s->versions[i], *deleted);
		else
			node_remove_version(s, i);
		break;
	}
	node_dirty(s);
	r = merge_settle_holders(v, s);
	return r < 0 ? r : view_update(v, s, &old, true);
}

int merge_delete_versions(struct vault *v, struct node *n,
			  const struct dot_list *dots, struct op_key key)
{
	for (uint32_t i = 0; i < dots->n; i++) {
		struct dot d = dot_list_get(dots, i);
		struct node_version *ver = node_find_version(n, d);
		auto_node struct node *s = NULL;
		int r = split_node(v, n, d, &s);

		if (r == 0 && s)
			r = change_split(v, s, d, &key);
		if (r < 0)
			return r;
		if (ver)
			delete_version(ver, key);
	}
	return 0;
}

int merge_replace_versions(struct vault *v, struct node *n,
			   const struct dot_list *dots)
{
	for (uint32_t i = 0; i < dots->n; i++) {
		struct dot d = dot_list_get(dots, i);
		struct node_version *ver = node_find_version(n, d);
		auto_node struct node *s = NULL;
		int r = split_node(v, n, d, &s);

		if (r == 0 && s)
			r = change_split(v, s, d, NULL);
		if (r == 0 && ver) {
			node_remove_version(n, (unsigned)(ver - n->versions));
			r = drop_virtual(v, n, d);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---------------------------------------------------------------- CONTENT */

static bool lists(const struct dot_list *l, struct dot d)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (dot_equal(dot_list_get(l, i), d))
			return true;
	return false;
}

static struct node_version *held_here(struct node *n)
{
	for (unsigned i = 0; i < n->n_versions; i++)
		if (n->versions[i].holder == n->ino)
			return &n->versions[i];
	return NULL;
}

/* Brings the extents of a version into the rows of `to`, which has none. */
static int copy_version(struct vault *v, struct node *n, struct dot version,
			uint64_t to, uint64_t *ret_data_bytes)
{
	struct node_version *ver = node_find_version(n, version);
	auto_node struct node *s = NULL;
	uint64_t size;

	if (!ver) {
		int r = split_node(v, n, version, &s);

		if (r < 0)
			return r;
		ver = s ? node_find_version(s, version) : NULL;
	}
	if (!ver || !ver->holder)
		return extents_rebuild(v, version, to, &size, ret_data_bytes);
	auto_node struct node *holder = NULL;
	int r = node_get(v->nodes, ver->holder, &holder);
	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	*ret_data_bytes = holder->data_bytes;
	return extents_copy(v, ver->holder, to);
}

/* The extents of a CONTENT operation, in the rows of `to`. */
static int fill_rows(struct vault *v, struct node *n, const struct op *op,
		     struct node *to, bool base_is_there)
{
	const struct op_content *c = &op->content;
	uint64_t had = to->data_bytes;
	int r = 0;

	if (!c->whole && !base_is_there) {
		r = extents_drop(v, to->ino);
		if (r == 0)
			r = copy_version(v, n, c->base, to->ino, &had);
		if (r < 0)
			return r;
	}
	r = extents_apply(v, to->ino, c->whole, c->size, &c->extents, had,
			  &to->data_bytes);
	node_dirty(to);
	return r;
}

/* A version made by an operation of this device's log or another's.  Where the
 * inode's own rows hold what it replaces, they take it; else it stands beside
 * until merge_settle_holders decides. */
static int add_version(struct vault *v, struct node *n, const struct op *op)
{
	const struct op_content *c = &op->content;
	struct node_version *here = held_here(n);
	bool takes_over = !here || lists(&c->replaces, here->dot);
	auto_node struct node *s = NULL;
	struct node_version *ver;
	int r;

	if (takes_over) {
		bool base_is_there =
			here && !c->whole && dot_equal(here->dot, c->base);

		r = fill_rows(v, n, op, n, base_is_there);
	} else {
		r = new_beside(v, n, op->dot, &s);
		if (r == 0)
			r = fill_rows(v, n, op, s, false);
	}
	if (r < 0)
		return r;
	if (here && takes_over)
		here->holder = 0;
	r = node_add_version(n, &ver);
	if (r < 0)
		return r;
	ver->dot = op->dot;
	ver->clock = op->clock;
	ver->size = c->size;
	ver->holder = s ? s->ino : n->ino;
	return 0;
}

static void take_times(struct node *n, const struct op *op)
{
	struct op_key key = { op->clock, op->dot.writer };

	if (op_key_compare(n->regs[REG_MTIME], key) < 0) {
		n->regs[REG_MTIME] = key;
		n->mtime_ns = op->content.mtime_ns;
	}
	if (op_key_compare(n->regs[REG_CTIME], key) < 0) {
		n->regs[REG_CTIME] = key;
		n->ctime_ns = op->content.ctime_ns;
	}
}

int merge_apply_content(struct vault *v, struct node *n, const struct op *op)
{
	bool was_gone = n->flags & NODE_GONE;
	int r;

	/* A tombstone's rows are gone: nothing here is held. */
	if (was_gone)
		for (unsigned i = 0; i < n->n_versions; i++)
			n->versions[i].holder = 0;
	r = add_version(v, n, op);
	if (r == 0)
		r = merge_replace_versions(v, n, &op->content.replaces);
	if (r < 0)
		return r;
	take_times(n, op);
	return n->n_siblings ? merge_inherit(v, n) : 0;
}

/* ---------------------------------------------------------------- SPLIT */

static int born_of_split(struct node *s, struct dot version, hlc_t clock)
{
	struct node_place *p;
	int r = node_add_place(s, &p);

	if (r < 0)
		return r;
	p->dot = p->link = version;
	p->clock = p->link_clock = clock;
	return 0;
}

int merge_apply_split(struct vault *v, struct node *n, const struct op *op)
{
	struct dot d = op->split.version;
	struct node_sibling *sib = node_find_sibling(n, d);
	struct node_version *ver = node_find_version(n, d), *moved;
	auto_node struct node *s = NULL;
	int r;

	if ((sib && sib->is_split) || inode_id_equal(inode_id_split(d), n->id))
		return 0;
	r = merge_beside(v, n, d, &s);
	if (r < 0)
		return r;
	sib = node_find_sibling(n, d);
	sib->is_split = true;
	s->flags = (s->flags & ~(unsigned)NODE_VIRTUAL) | NODE_SPLIT;
	node_dirty(s);
	r = born_of_split(s, d, op->split.version_clock);
	if (r == 0)
		v->n_open_splits++;
	if (r < 0 || !ver)
		return r;
	if (ver->holder == n->ino) {
		r = extents_move(v, n->ino, s->ino);
		if (r < 0)
			return r;
		s->data_bytes = n->data_bytes;
		n->data_bytes = 0;
		ver->holder = s->ino;
	}
	r = node_add_version(s, &moved);
	if (r < 0)
		return r;
	*moved = *ver;
	node_remove_version(n, (unsigned)(ver - n->versions));
	s->size = moved->size;
	return merge_settle_holders(v, s);
}

/* ---------------------------------------------------------------- holders */

/* Nobody sees it and nobody holds it: the bytes go, what merging needs stays. */
static int drop_contents(struct vault *v, struct node *n)
{
	if (n->flags & NODE_GONE)
		return 0;
	for (unsigned i = 0; i < n->n_versions; i++) {
		n->versions[i].holder = 0;
		int r = drop_virtual(v, n, n->versions[i].dot);

		if (r < 0)
			return r;
	}
	bool has_rows = n->data_bytes > 0;
	n->data_bytes = 0;
	n->flags |= NODE_GONE;
	node_dirty(n);
	core_note_gone(v, n->ino);
	return has_rows ? extents_drop(v, n->ino) : 0;
}

/* Makes the inode's own rows those of `ver`. */
static int hold_here(struct vault *v, struct node *n, struct dot version)
{
	struct node_version *here = held_here(n);
	struct node_version *ver = node_find_version(n, version);
	int r = 0;

	if (ver->holder == n->ino)
		return 0;
	if (here) {
		auto_node struct node *s = NULL;

		r = merge_beside(v, n, here->dot, &s);
		if (r == 0)
			r = extents_move(v, n->ino, s->ino);
		if (r < 0)
			return r;
		s->data_bytes = n->data_bytes;
		s->size = here->size;
		here->holder = s->ino;
		node_dirty(s);
	} else {
		r = extents_drop(v, n->ino);
	}
	n->data_bytes = 0;
	if (r < 0)
		return r;
	if (!ver->holder) {
		uint64_t size;

		r = extents_rebuild(v, version, n->ino, &size, &n->data_bytes);
	} else {
		auto_node struct node *s = NULL;

		r = node_get(v->nodes, ver->holder, &s);
		if (r <= 0)
			return r < 0 ? r : ERR_BAD_INDEX;
		n->data_bytes = s->data_bytes;
		/* Whoever has it open goes on reading it. */
		if (held_is(v, s->ino)) {
			r = extents_copy(v, s->ino, n->ino);
		} else {
			s->data_bytes = 0;
			r = extents_move(v, s->ino, n->ino);
		}
	}
	if (r < 0)
		return r;
	ver->holder = n->ino;
	return drop_virtual(v, n, version);
}

/* A version that is not the shown one stands beside, with what tells equal
 * data.  `ver` stays where it is: siblings are another list. */
static int hold_beside(struct vault *v, struct node *n,
		       struct node_version *ver)
{
	auto_node struct node *s = NULL;
	int r;

	if (ver->holder && ver->holder != n->ino && ver->has_digest)
		return 0;
	r = merge_beside(v, n, ver->dot, &s);
	if (r < 0)
		return r;
	if (!ver->holder) {
		uint64_t size;

		r = extents_rebuild(v, ver->dot, s->ino, &size, &s->data_bytes);
		if (r < 0)
			return r;
		ver->holder = s->ino;
	}
	s->size = ver->size;
	node_dirty(s);
	return 0;
}

int merge_digest_versions(struct vault *v, struct node *n)
{
	for (unsigned i = 0; i < n->n_versions; i++) {
		struct node_version *ver = &n->versions[i];
		int r;

		if (ver->has_digest || !ver->holder)
			continue;
		r = extents_digest(v, ver->holder, ver->size, ver->digest);
		if (r < 0)
			return r;
		ver->has_digest = true;
	}
	return 0;
}

/* Nearly all inodes: one version, in its own rows. */
static bool is_simple(const struct node *n)
{
	return n->n_versions == 1 && n->versions[0].holder == n->ino;
}

static void take_size(struct vault *v, struct node *n, uint64_t size)
{
	if (n->kind == KIND_FILE && !content_is_dirty(v, n->ino))
		n->size = size;
}

/* The version shown into its own rows, every other beside. */
static int hold_all(struct vault *v, struct node *n)
{
	auto_free struct node_version **shown = NULL;
	unsigned n_shown;
	int r = merge_file_versions(n, &shown, &n_shown);

	if (r < 0)
		return r;
	struct dot top = shown[0]->dot;
	r = hold_here(v, n, top);
	for (unsigned i = 0; r == 0 && i < n->n_versions; i++)
		if (!dot_equal(n->versions[i].dot, top))
			r = hold_beside(v, n, &n->versions[i]);
	if (r == 0 && n->n_versions > 1)
		r = merge_digest_versions(v, n);
	if (r == 0)
		take_size(v, n, node_find_version(n, top)->size);
	return r;
}

int merge_settle_holders(struct vault *v, struct node *n)
{
	if (n->flags & NODE_VIRTUAL)
		return 0;
	if (!merge_is_shown(n) && !(n->flags & NODE_UNBORN) &&
	    (n->n_places > 0 || n->flags & NODE_SPLIT)) {
		int r = held_linger(v, n->ino);

		return r == 0 ? drop_contents(v, n) : min_of(r, 0);
	}
	n->flags &= ~(unsigned)NODE_GONE;
	if (!(n->flags & NODE_UNBORN))
		held_end(v, n->ino);
	if (n->n_versions == 0)
		return 0;
	if (is_simple(n)) {
		take_size(v, n, n->versions[0].size);
		return 0;
	}
	if (n->kind == KIND_FILE)
		return hold_all(v, n);
	for (unsigned i = 0; i < n->n_versions; i++)
		n->versions[i].holder = n->ino;
	return 0;
}
