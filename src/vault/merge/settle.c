/* SPDX-License-Identifier: ISC */
#include "vault/merge/settle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vault/content/content.h"
#include "vault/content/extents.h"
#include "vault/merge/dot_set.h"
#include "vault/merge/merge_priv.h"
#include "vault/merge/node_edit.h"

/* ---------------------------------------------------------------- dots */

static void add_claims(struct dot_set *d, const struct node *n)
{
	for (unsigned i = 0; i < n->n_places; i++)
		if (n->places[i].is_claim)
			dot_set_add(d, n->places[i].dot);
}

static void add_alive(struct dot_set *d, const struct node *n, struct dot link)
{
	for (unsigned i = 0; i < n->n_places; i++)
		if (dot_equal(n->places[i].link, link) &&
		    merge_place_is_alive(n, &n->places[i]))
			dot_set_add(d, n->places[i].dot);
}

/* The versions a member shows: those that equal the newest. */
static int add_versions(struct dot_set *d, struct node *n, const struct member *m)
{
	auto_free struct node_version **shown = NULL;
	unsigned n_shown;

	if (m->is_virtual) {
		dot_set_add(d, m->dot);
		return 0;
	}
	int r = merge_file_versions(n, &shown, &n_shown);
	for (unsigned i = 0; r == 0 && i < n_shown; i++)
		if (i == 0 || n->kind != KIND_FILE ||
		    memcmp(shown[i]->digest, shown[0]->digest, 32) == 0)
			dot_set_add(d, shown[i]->dot);
	return r;
}

static int load(struct vault *v, uint64_t ino, struct node **ret)
{
	int r = node_get(v->nodes, ino, ret);

	return r == 0 ? ERR_BAD_INDEX : r < 0 ? r : 0;
}

static int id_of(struct vault *v, uint64_t ino, struct inode_id *ret)
{
	auto_node struct node *n = NULL;
	int r = load(v, ino, &n);

	if (r == 0)
		*ret = n->id;
	return r;
}

/* ---------------------------------------------------------------- S1 */

static int emit_pin(struct vault *v, struct inode_id inode, struct dot target,
		    uint64_t parent, const void *name, size_t len)
{
	struct op op = { .type = OP_PIN, .inode = inode };
	int r = id_of(v, parent, &op.pin.parent);

	op.pin.target = target;
	op.pin.name = (struct op_name){ name, (uint16_t)len };
	return r < 0 ? r : merge_emit(v, &op);
}

/* A name a rule generated is recorded; a version beside becomes an inode. */
static int record(struct vault *v, const struct member *m,
		  const struct entry *e)
{
	struct inode_id inode = m->id;
	int r = 0;

	if (m->is_virtual) {
		struct op op = { .type = OP_SPLIT, .inode = m->id };

		op.split.version = m->dot;
		op.split.version_clock = m->clock;
		r = merge_emit(v, &op);
		inode = inode_id_split(m->dot);
	}
	if (r < 0 || (!m->is_virtual && !e->is_generated))
		return r;
	return emit_pin(v, inode, m->dot, m->parent, e->name, e->name_len);
}

static int emit_place(struct vault *v, const struct node *n,
		      const struct member *m, uint64_t parent, const void *name,
		      size_t len, bool with_from, struct dot_set *kills)
{
	struct op op = { .type = OP_PLACE, .inode = n->id };
	int r = id_of(v, parent, &op.place.parent);

	if (r == 0 && with_from) {
		op.place.has_from = true;
		op.place.from_name = (struct op_name){ m->name, m->name_len };
		r = id_of(v, m->parent, &op.place.from_parent);
	}
	if (r == 0)
		r = dot_set_list(kills, &op.place.kills);
	if (r < 0)
		return r;
	op.place.link = m->link;
	op.place.name = (struct op_name){ name, (uint16_t)len };
	return merge_emit(v, &op);
}

/* A directory that stays only for what is in it is placed again. */
static int place_again(struct vault *v, struct node *dir)
{
	auto_entries struct entry_list shown = { 0 };
	auto_dots struct dot_set kills = DOT_SET_INIT;
	int r = settle_cycles(v);

	if (r == 0)
		r = view_entries_of(v, dir, &shown);
	if (r < 0 || shown.n == 0)
		return r;
	for (unsigned i = 0; i < shown.e[0].members.n; i++) {
		const struct member *m = &shown.e[0].members.m[i];

		if (m->ino != dir->ino)
			continue;
		dot_set_add(&kills, m->dot);
		return emit_place(v, dir, m, m->parent, shown.e[0].name,
				  shown.e[0].name_len, false, &kills);
	}
	return ERR_BAD_INDEX;
}

int settle_dir(struct vault *v, uint64_t dir)
{
	auto_entries struct entry_list special = { 0 };
	auto_node struct node *n = NULL;
	bool is_ghost = false;
	uint64_t rep;
	int r = view_rep(v, dir, &rep);

	if (r == 0)
		r = load(v, rep, &n);
	if (r == 0 && n->n_special)
		r = view_special(v, rep, &special);
	for (unsigned i = 0; r == 0 && i < special.n; i++)
		for (unsigned k = 0; r == 0 && k < special.e[i].members.n; k++)
			r = record(v, &special.e[i].members.m[k], &special.e[i]);
	if (r < 0 || n->ino == VAULT_ROOT_INO)
		return r;
	merge_dir_place(n, &is_ghost);
	return is_ghost ? place_again(v, n) : 0;
}

struct dir_order {
	struct inode_id id;
	uint64_t ino;
};

static int by_dir_id(const void *a, const void *b)
{
	const struct dir_order *x = a, *y = b;

	return inode_id_compare(x->id, y->id);
}

/* A version not yet split is shown in one directory. */
static int settle_virtual(struct vault *v, const struct node *n)
{
	auto_node struct node *origin = NULL;
	auto_members struct member_list shown = { 0 };
	int r = node_get(v->nodes, n->origin, &origin);

	if (r > 0)
		r = view_members(v, origin, &shown);
	for (unsigned i = 0; r == 0 && i < shown.n; i++)
		if (shown.m[i].shown == n->ino)
			return settle_dir(v, shown.m[i].parent);
	return r < 0 ? r : 0;
}

int settle_inode(struct vault *v, uint64_t ino)
{
	auto_node struct node *n = NULL;
	auto_members struct member_list shown = { 0 };
	auto_free struct dir_order *dirs = NULL;
	unsigned n_dirs = 0;
	int r = load(v, ino, &n);

	if (r == 0 && n->flags & NODE_VIRTUAL)
		return settle_virtual(v, n);
	if (r == 0)
		r = view_members(v, n, &shown);
	if (r < 0 || shown.n == 0)
		return r;
	if (shown.n == 1)
		return settle_dir(v, shown.m[0].parent);
	dirs = mem_zalloc_array(shown.n, sizeof(*dirs));
	if (!dirs)
		return -ENOMEM;
	for (unsigned i = 0; r == 0 && i < shown.n; i++) {
		uint64_t rep;
		unsigned k = 0;

		r = view_rep(v, shown.m[i].parent, &rep);
		while (k < n_dirs && dirs[k].ino != rep)
			k++;
		if (r < 0 || k < n_dirs)
			continue;
		dirs[n_dirs].ino = rep;
		r = id_of(v, rep, &dirs[n_dirs++].id);
	}
	if (r == 0)
		qsort(dirs, n_dirs, sizeof(*dirs), by_dir_id);
	for (unsigned i = 0; r == 0 && i < n_dirs; i++)
		r = settle_dir(v, dirs[i].ino);
	return r;
}

struct displaced {
	struct inode_id id;
	struct dot dot;
	uint64_t parent;
	struct node_name name;
};

static int displace(struct vault *v, uint64_t ino, struct displaced *ret)
{
	auto_node struct node *n = NULL;
	bool is_ghost;
	int r = load(v, ino, &n);

	if (r < 0)
		return r;
	const struct node_place *p = merge_dir_place(n, &is_ghost);
	if (!p)
		return ERR_BAD_INDEX;
	ret->id = n->id;
	ret->dot = p->dot;
	ret->parent = n->r4_parent;
	return node_name_set(&ret->name, n->r4_name.bytes, n->r4_name.len);
}

int settle_cycles(struct vault *v)
{
	auto_free uint64_t *inos = NULL;
	auto_free struct displaced *all = NULL;
	unsigned n;

	if (!v->n_moved)
		return 0;
	int r = view_moved(v, &inos, &n);
	if (r < 0)
		return r;
	all = mem_zalloc_array(n + 1u, sizeof(*all));
	if (!all)
		return -ENOMEM;
	/* All as they are shown now: each pin may free others. */
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = displace(v, inos[i], &all[i]);
	for (unsigned i = 0; i < n; i++) {
		if (r == 0)
			r = emit_pin(v, all[i].id, all[i].dot, all[i].parent,
				     all[i].name.bytes, all[i].name.len);
		node_name_clear(&all[i].name);
	}
	return r;
}

/* ---------------------------------------------------------------- removing */

/* Does another entry show the inode? */
static int is_elsewhere(struct vault *v, struct node *n, const struct entry *e)
{
	auto_members struct member_list shown = { 0 };
	int r = view_members(v, n, &shown);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < shown.n; i++) {
		bool mine = shown.m[i].is_virtual;

		for (unsigned k = 0; !mine && k < e->members.n; k++)
			mine = dot_equal(e->members.m[k].dot, shown.m[i].dot);
		if (!mine)
			return 1;
	}
	return 0;
}

/* Unlinks the members of one inode in an entry; `first`: the first of them. */
static int remove_inode(struct vault *v, const struct entry *e, unsigned first,
			bool is_last, bool absorb)
{
	const struct member *m = &e->members.m[first];
	auto_dots struct dot_set kills = DOT_SET_INIT, deletes = DOT_SET_INIT;
	auto_node struct node *n = NULL;
	struct op op = { .type = OP_UNLINK, .inode = m->id };
	int r = load(v, m->ino, &n);

	if (r < 0)
		return r;
	is_last |= n->kind == KIND_DIR;
	if (is_last || !absorb)
		add_claims(&kills, n);
	for (unsigned i = first; r == 0 && i < e->members.n; i++) {
		const struct member *x = &e->members.m[i];

		if (x->ino != m->ino)
			continue;
		if (!x->is_virtual)
			add_alive(&kills, n, x->link);
		if (n->kind != KIND_DIR)
			r = add_versions(&deletes, n, x);
	}
	if (r == 0)
		r = dot_set_list(&kills, &op.unlink.kills);
	if (r == 0 && is_last)
		r = dot_set_list(&deletes, &op.unlink.deletes);
	if (r == 0)
		r = id_of(v, m->parent, &op.unlink.parent);
	if (r < 0)
		return r;
	op.unlink.link = m->link;
	op.unlink.last = is_last;
	op.unlink.claim = !is_last && !absorb;
	if (op.unlink.claim)
		op.unlink.name = (struct op_name){ e->name, e->name_len };
	return merge_emit(v, &op);
}

int settle_remove(struct vault *v, const struct entry *e, struct removal how)
{
	auto_free bool *last = mem_zalloc_array(e->members.n, sizeof(bool));

	if (!last)
		return -ENOMEM;
	/* All told before anything goes: the first removal changes the rest. */
	for (unsigned i = 0; i < e->members.n; i++) {
		auto_node struct node *n = NULL;
		int r = load(v, e->members.m[i].ino, &n);

		if (r == 0)
			r = is_elsewhere(v, n, e);
		if (r < 0)
			return r;
		last[i] = !r;
	}
	for (unsigned i = 0; i < e->members.n; i++) {
		uint64_t ino = e->members.m[i].ino;
		bool seen = false;

		for (unsigned k = 0; k < i; k++)
			seen |= e->members.m[k].ino == ino;
		if (seen || ino == how.skip || (how.only && ino != how.only))
			continue;
		int r = remove_inode(v, e, i, last[i], how.absorb);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---------------------------------------------------------------- moving */

/* A split inode that the user names gets a version of its own, so that a write
 * to the file it came from leaves it alone. */
static int own(struct vault *v, struct node *n, const struct member *m)
{
	auto_dots struct dot_set shown = DOT_SET_INIT;
	struct op op = { .type = OP_CONTENT, .inode = n->id };
	struct node_version *born = NULL;

	if (!(n->flags & NODE_SPLIT) || n->kind != KIND_FILE)
		return 0;
	int r = add_versions(&shown, n, m);
	if (r == 0)
		r = dot_set_list(&shown, &op.content.replaces);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < shown.n; i++) {
		struct dot d = dot_list_get(&op.content.replaces, i);

		if (inode_id_equal(inode_id_split(d), n->id))
			born = node_find_version(n, d);
	}
	if (!born)
		return 0;
	op.content.base = born->dot;
	op.content.size = born->size;
	op.content.mtime_ns = n->mtime_ns;
	op.content.ctime_ns = n->ctime_ns;
	return merge_emit(v, &op);
}

/* Places one member elsewhere, with the inode's other links in the entry (none
 * for NULL). */
static int move_member(struct vault *v, const struct entry *e,
		       const struct member *m, uint64_t parent,
		       const void *name, size_t len)
{
	auto_dots struct dot_set kills = DOT_SET_INIT;
	auto_node struct node *n = NULL;
	int r = load(v, m->ino, &n);

	if (r == 0)
		r = own(v, n, m);
	if (r < 0)
		return r;
	add_claims(&kills, n);
	dot_set_add(&kills, m->dot);
	add_alive(&kills, n, m->link);
	for (unsigned i = 0; e && i < e->members.n; i++)
		if (e->members.m[i].ino == m->ino &&
		    !e->members.m[i].is_virtual)
			add_alive(&kills, n, e->members.m[i].link);
	return emit_place(v, n, m, parent, name, len, true, &kills);
}

int settle_move(struct vault *v, const struct entry *e, uint64_t parent,
		const void *name, size_t len)
{
	const struct member *top = &e->members.m[0];
	int r = 0;

	if (e->kind == KIND_DIR) {
		for (unsigned i = 0; r == 0 && i < e->members.n; i++)
			r = move_member(v, e, &e->members.m[i], parent, name,
					len);
		return r;
	}
	if (e->members.n > 1)
		r = settle_remove(v, e, (struct removal){ .skip = top->ino,
							  .absorb = true });
	return r < 0 ? r : move_member(v, e, top, parent, name, len);
}

/* The entry's name for a member of an inode, which a rule may have generated. */
static const struct entry *entry_with(const struct entry_list *l,
				      const struct member *m)
{
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->e[i].members.n; k++)
			if (dot_equal(l->e[i].members.m[k].dot, m->dot))
				return &l->e[i];
	return NULL;
}

int settle_before_link(struct vault *v, uint64_t ino)
{
	auto_node struct node *n = NULL;
	auto_members struct member_list shown = { 0 };
	auto_entries struct entry_list entries = { 0 };
	const struct member *lost = NULL;
	int r = load(v, ino, &n);

	if (r == 0)
		r = view_members(v, n, &shown);
	if (r < 0 || shown.n == 0)
		return r;
	for (unsigned i = 0; !lost && i < shown.n; i++)
		if (!shown.m[i].is_virtual &&
		    (shown.m[i].is_ghost || shown.m[i].is_split_first))
			lost = &shown.m[i];
	if (!lost)
		return own(v, n, &shown.m[0]);
	r = view_entries_of(v, n, &entries);
	if (r < 0)
		return r;
	const struct entry *e = entry_with(&entries, lost);
	return e ? move_member(v, NULL, lost, lost->parent, e->name,
			       e->name_len) : ERR_BAD_INDEX;
}

/* ---------------------------------------------------------------- writing */

static int absorb_twins(struct vault *v, struct node *n)
{
	auto_entries struct entry_list entries = { 0 };
	int r = view_entries_of(v, n, &entries);

	for (unsigned i = 0; r == 0 && i < entries.n; i++) {
		struct entry *e = &entries.e[i];
		struct removal how = { .absorb = true };

		if (e->members.n < 2)
			continue;
		if (e->members.m[0].ino == n->ino)
			how.skip = n->ino;
		else
			how.only = n->ino;
		r = settle_remove(v, e, how);
	}
	return r;
}

int merge_prepare_write(struct vault *v, uint64_t ino)
{
	auto_node struct node *n = NULL;
	int r = load(v, ino, &n);

	if (r < 0 || n->flags & NODE_UNBORN)
		return r;
	r = settle_inode(v, ino);
	if (r == 0 && merge_is_logged(n))
		r = absorb_twins(v, n);
	return core_end_transaction(v, r);
}

/* Rows of an inode the log does not tell of. */
static int apply_unlogged(struct vault *v, struct node *n,
			  const struct op_content *c)
{
	node_dirty(n);
	for (unsigned i = 0; i < n->n_versions; i++)
		if (n->versions[i].holder == n->ino)
			n->versions[i].size = c->size;
	return extents_apply(v, n->ino, false, c->size, &c->extents,
			     n->data_bytes, &n->data_bytes);
}

/* What the write replaces: all it showed, and what was deleted (S3). */
static int replaced(struct node *n, struct dot_set *ret)
{
	struct member shown = { .ino = n->ino };
	int r = add_versions(ret, n, &shown);

	for (unsigned i = 0; i < n->n_versions; i++)
		if (n->versions[i].is_deleted)
			dot_set_add(ret, n->versions[i].dot);
	return r;
}

int merge_emit_content(struct vault *v, struct oplog_piece *reserved,
		       uint64_t ino, const struct op_content *c, bool more)
{
	auto_dots struct dot_set seen = DOT_SET_INIT;
	auto_node struct node *n = NULL;
	struct op nop = { .type = OP_NOP };
	struct op op = { .type = OP_CONTENT, .content = *c };
	const struct node_version *base = NULL;
	int r = node_get(v->nodes, ino, &n);

	if (r < 0)
		return r;
	if (r == 0 || n->flags & NODE_GONE)
		return oplog_fill(&v->oplog, reserved, &nop);
	for (unsigned i = 0; i < n->n_versions; i++)
		if (n->versions[i].holder == ino)
			base = &n->versions[i];
	if (!merge_is_logged(n) || !base) {
		r = apply_unlogged(v, n, c);
		return r < 0 ? r : oplog_fill(&v->oplog, reserved, &nop);
	}
	r = replaced(n, &seen);
	if (r == 0)
		r = dot_set_list(&seen, &op.content.replaces);
	if (r < 0)
		return r;
	op.inode = n->id;
	op.flags = more ? OP_FLAG_MORE : 0;
	op.content.whole = false;
	op.content.base = base->dot;
	r = oplog_fill(&v->oplog, reserved, &op);
	if (r < 0)
		return r;
	/* The live values may be ahead of what the cut took. */
	uint64_t size = n->size;
	int64_t mtime = n->mtime_ns, ctime = n->ctime_ns;
	r = merge_apply(v, &op);
	n->size = size;
	n->mtime_ns = mtime;
	n->ctime_ns = ctime;
	if (r < 0) {
		v->is_torn = true;
		core_fail(v, r, "contents could not be applied to the index; "
				"open the vault again");
	}
	return r;
}
