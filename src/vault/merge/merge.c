/* SPDX-License-Identifier: ISC */
/* What each operation does to the state (vault-format/09-merging.md). */
#include "vault/merge/merge.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "vault/collect/order.h"
#include "vault/merge/dot_set.h"
#include "vault/merge/merge_priv.h"
#include "vault/merge/node_edit.h"
#include "vault/merge/view.h"
#include "vault/tree/holds.h"

int merge_known(struct vault *v, struct inode_id id, struct node **ret)
{
	int r = node_get_by_id(v->nodes, id, ret);

	return r == 0 ? ERR_MALFORMED : r < 0 ? r : 0;
}

static struct op_key key_of(const struct op *op)
{
	return (struct op_key){ op->clock, op->dot.writer };
}

static int64_t clock_ns(hlc_t clock)
{
	return (int64_t)HLC_MS(clock) * NS_PER_MS;
}

/* Last writer wins: true if the register takes the new value. */
static bool takes(struct node *n, enum node_register reg, struct op_key key)
{
	if (op_key_compare(n->regs[reg], key) >= 0)
		return false;
	n->regs[reg] = key;
	node_dirty(n);
	return true;
}

static void touch_ctime(struct node *n, struct op_key key)
{
	if (takes(n, REG_CTIME, key))
		n->ctime_ns = clock_ns(key.clock);
}

/* The directory whose entries an operation changed. */
static int touch_dir(struct vault *v, uint64_t dir, struct op_key key)
{
	auto_node struct node *n = NULL;
	int r = node_get(v->nodes, dir, &n);

	if (r <= 0)
		return r;
	if (takes(n, REG_MTIME, key))
		n->mtime_ns = clock_ns(key.clock);
	touch_ctime(n, key);
	return 0;
}

/* The number of a directory the log must know. */
static int dir_number(struct vault *v, struct inode_id id, uint64_t *ret)
{
	auto_node struct node *n = NULL;
	int r = merge_known(v, id, &n);

	if (r < 0)
		return r;
	if (n->kind != KIND_DIR)
		return ERR_MALFORMED;
	*ret = n->ino;
	return 0;
}

/* ---------------------------------------------------------------- MKNOD */

static int apply_mknod(struct vault *v, const struct op *op)
{
	const struct op_mknod *m = &op->mknod;
	auto_node struct node *n = NULL;
	int r = node_new(v->nodes, op->inode, &n);

	if (r < 0)
		return r == -EEXIST ? ERR_MALFORMED : r;
	n->kind = m->kind;
	n->mode = m->mode;
	n->uid = m->uid;
	n->gid = m->gid;
	n->rdev_major = m->rdev_major;
	n->rdev_minor = m->rdev_minor;
	n->atime_ns = m->atime_ns;
	n->mtime_ns = m->mtime_ns;
	n->ctime_ns = n->btime_ns = m->ctime_ns;
	for (unsigned i = 0; i < N_REGS; i++)
		n->regs[i] = key_of(op);
	if (m->kind == KIND_DIR) {
		n->rep = n->ino;
		n->n_united = 1;
		return 0;
	}
	if (m->target.len) {
		r = node_name_set(&n->target, m->target.bytes, m->target.len);
		if (r < 0)
			return r;
		n->size = m->target.len;
	}
	struct node_version *ver;
	r = node_add_version(n, &ver);
	if (r < 0)
		return r;
	ver->dot = op->dot;
	ver->clock = op->clock;
	ver->holder = n->ino;
	ver->size = n->size;
	return 0;
}

/* ---------------------------------------------------------------- PLACE */

/* The clock of the operation that made a link. */
static hlc_t link_clock(const struct node *n, struct dot link, hlc_t fallback)
{
	for (unsigned i = 0; i < n->n_places; i++)
		if (dot_equal(n->places[i].link, link))
			return n->places[i].link_clock;
	for (unsigned i = 0; i < n->n_old_links; i++)
		if (dot_equal(n->old_links[i].link, link))
			return n->old_links[i].clock;
	return fallback;
}

/* Takes a dot away that will never show again, nor say where an inode was.
 * Only the age of a link that loses its last dot is kept. */
static int forget_place(struct node *n, unsigned i, struct dot kept_link)
{
	struct dot link = n->places[i].link;
	hlc_t clock = n->places[i].link_clock;
	bool seen = dot_equal(link, kept_link);

	for (unsigned k = 0; k < n->n_places && !seen; k++)
		seen = k != i && dot_equal(n->places[k].link, link);
	for (unsigned k = 0; k < n->n_old_links && !seen; k++)
		seen = dot_equal(n->old_links[k].link, link);
	int r = seen ? 0 : node_add_old_link(n, link, clock);
	if (r == 0)
		node_remove_place(n, i);
	return r;
}

/* Dots a PLACE replaced. */
static int forget_moved(struct node *n, const struct dot_list *kills,
			struct dot kept_link)
{
	auto_dots struct dot_set gone = DOT_SET_INIT;
	int r = dot_set_from(&gone, kills);

	for (unsigned i = 0; r == 0 && i < n->n_places;)
		if (dot_set_has(&gone, n->places[i].dot))
			r = forget_place(n, i, kept_link);
		else
			i++;
	return r;
}

static int apply_place(struct vault *v, struct node *n, const struct op *op)
{
	const struct op_place *o = &op->place;
	uint64_t parent, from = 0;
	struct node_place *p;
	hlc_t age = link_clock(n, o->link, op->clock);
	int r = dir_number(v, o->parent, &parent);

	if (r == 0 && o->has_from)
		r = dir_number(v, o->from_parent, &from);
	if (r == 0)
		r = forget_moved(n, &o->kills, o->link);
	if (r == 0)
		r = node_add_place(n, &p);
	if (r < 0)
		return r;
	p->dot = op->dot;
	p->clock = op->clock;
	p->link = o->link;
	p->link_clock = age;
	p->parent = parent;
	r = node_name_set(&p->name, o->name.bytes, o->name.len);
	if (r == 0 && o->has_from && n->kind == KIND_DIR) {
		p->from_parent = from;
		r = node_name_set(&p->from_name, o->from_name.bytes,
				  o->from_name.len);
	}
	if (r < 0)
		return r;
	touch_ctime(n, key_of(op));
	r = touch_dir(v, parent, key_of(op));
	if (r == 0 && from && from != parent)
		r = touch_dir(v, from, key_of(op));
	return r;
}

/* ---------------------------------------------------------------- UNLINK */

/* Places stay, as where the inode was last; claims are nothing without life. */
static int kill_places(struct node *n, const struct dot_list *kills)
{
	auto_dots struct dot_set gone = DOT_SET_INIT;
	int r = dot_set_from(&gone, kills);

	for (unsigned i = 0; r == 0 && i < n->n_places;) {
		struct node_place *p = &n->places[i];
		bool is_hit = dot_set_has(&gone, p->dot);

		p->is_killed |= is_hit && !p->is_claim;
		if (is_hit && p->is_claim)
			r = forget_place(n, i, (struct dot){ 0 });
		else
			i++;
	}
	return r;
}

static int apply_unlink(struct vault *v, struct node *n, const struct op *op)
{
	const struct op_unlink *o = &op->unlink;
	hlc_t age = link_clock(n, o->link, op->clock);
	uint64_t parent;
	int r = dir_number(v, o->parent, &parent);

	if (r < 0)
		return r;
	r = kill_places(n, &o->kills);
	if (r < 0)
		return r;
	if (o->claim) {
		struct node_place *p;

		r = node_add_place(n, &p);
		if (r < 0)
			return r;
		p->dot = op->dot;
		p->clock = op->clock;
		p->link = o->link;
		p->link_clock = age;
		p->parent = parent;
		p->is_claim = true;
		r = node_name_set(&p->name, o->name.bytes, o->name.len);
	}
	if (r == 0 && o->last)
		r = merge_delete_versions(v, n, &o->deletes, key_of(op));
	if (r < 0)
		return r;
	if (n->kind != KIND_DIR)
		touch_ctime(n, key_of(op));
	return touch_dir(v, parent, key_of(op));
}

/* ---------------------------------------------------------------- PIN */

static int apply_pin(struct vault *v, struct node *n, const struct op *op)
{
	struct node_place *p = node_find_place(n, op->pin.target);
	struct op_key key = key_of(op);
	uint64_t parent;
	int r = dir_number(v, op->pin.parent, &parent);

	/* A pin dies with its dot. */
	if (r < 0 || !p || op_key_compare(p->pin, key) >= 0)
		return r;
	r = node_name_set(&p->pin_name, op->pin.name.bytes, op->pin.name.len);
	if (r < 0)
		return r;
	/* What a split inode's first place waited for. */
	if (p->name.len == 0 && !p->pin.clock && v->n_open_splits > 0)
		v->n_open_splits--;
	p->pin = key;
	p->pin_parent = parent;
	return 0;
}

/* ---------------------------------------------------------------- registers */

static int apply_attr(struct vault *v, struct node *n, const struct op *op)
{
	const struct op_attr *a = &op->attr;
	struct op_key key = key_of(op);

	if (a->mask & ATTR_MODE && takes(n, REG_MODE, key))
		n->mode = a->mode;
	if (a->mask & ATTR_OWNER && takes(n, REG_OWNER, key)) {
		n->uid = a->uid;
		n->gid = a->gid;
	}
	if (a->mask & ATTR_ATIME && takes(n, REG_ATIME, key))
		n->atime_ns = a->atime_ns;
	if (a->mask & ATTR_MTIME && takes(n, REG_MTIME, key))
		n->mtime_ns = a->mtime_ns;
	if (a->mask & ATTR_CTIME && takes(n, REG_CTIME, key))
		n->ctime_ns = a->ctime_ns;
	return n->n_siblings ? merge_inherit(v, n) : 0;
}

static int apply_xattr(struct vault *v, struct node *n, const struct op *op)
{
	const struct op_xattr *x = &op->xattr;
	struct op_key key = key_of(op);
	struct index_xattr old;
	auto_buf struct buf rec = BUF_INIT(XATTR_REC_HEADER + XATTR_VALUE_MAX);
	int r = index_xattr_get(v->index, n->ino, x->name.bytes, x->name.len,
				&old);

	if (r < 0)
		return r;
	if (r > 0) {
		struct op_key had = { le64_get(old.rec), le64_get(old.rec + 8) };

		if (op_key_compare(had, key) >= 0)
			return 0;
	}
	buf_put_u64(&rec, key.clock);
	buf_put_u64(&rec, key.writer);
	buf_put_u8(&rec, x->remove);
	buf_put(&rec, x->value, x->value_bytes);
	r = buf_error(&rec);
	if (r < 0)
		return r;
	struct index_xattr now = { x->name.bytes, x->name.len, rec.data,
				   rec.len };
	r = index_xattr_put(v->index, n->ino, &now);
	if (r < 0)
		return r;
	if (takes(n, REG_CTIME, key))
		n->ctime_ns = x->ctime_ns;
	if (!n->n_siblings)
		return 0;
	r = merge_inherit(v, n);
	return r < 0 ? r : merge_inherit_xattr(v, n, &x->name);
}

/* ---------------------------------------------------------------- all */

static int change_state(struct vault *v, struct node *n, const struct op *op)
{
	switch (op->type) {
	case OP_PLACE:
		return apply_place(v, n, op);
	case OP_UNLINK:
		return apply_unlink(v, n, op);
	case OP_CONTENT:
		return merge_apply_content(v, n, op);
	case OP_PIN:
		return apply_pin(v, n, op);
	case OP_SPLIT:
		return merge_apply_split(v, n, op);
	default:
		return ERR_MALFORMED;
	}
}

/* Changes that move nothing in the view. */
static int apply_registers(struct vault *v, struct node *n, const struct op *op)
{
	node_dirty(n);
	return op->type == OP_ATTR ? apply_attr(v, n, op) :
				     apply_xattr(v, n, op);
}

/* The inode an operation is applied to: 1; 0: a pin that comes too late. */
static int subject(struct vault *v, const struct op *op, struct node **ret)
{
	if (op->type == OP_PIN)
		return merge_pinned(v, op, ret);
	int r = merge_known(v, op->inode, ret);
	return r < 0 ? r : 1;
}

/* May the versions it shows be others now? */
static bool gives_other_data(const struct node *n, const struct op *op)
{
	return n->kind == KIND_FILE &&
	       (op->type == OP_CONTENT || op->type == OP_SPLIT ||
		(op->type == OP_UNLINK && op->unlink.last));
}

static int apply_checked(struct vault *v, struct node *n, const struct op *op)
{
	auto_members struct member_list old = { 0 };
	struct dir_before was = { 0 };

	if (op->type == OP_ATTR || op->type == OP_XATTR)
		return apply_registers(v, n, op);
	if (n->kind == KIND_DIR)
		was = view_dir_before(n);
	int r = view_members(v, n, &old);
	if (r < 0)
		return r;
	node_dirty(n);
	r = order_note_revival(v, n);
	if (r == 0)
		r = change_state(v, n, op);
	/* Naming sets ctime, which inodes beside show too. */
	if (r == 0 && n->n_siblings &&
	    (op->type == OP_PLACE || op->type == OP_UNLINK))
		r = merge_inherit(v, n);
	if (r == 0 && n->kind != KIND_DIR)
		r = merge_settle_holders(v, n);
	if (r < 0)
		return r;
	return n->kind == KIND_DIR ?
		       view_update_dir(v, n, &old, &was) :
		       view_update(v, n, &old, gives_other_data(n, op));
}

static int apply_one(struct vault *v, const struct op *op)
{
	auto_node struct node *n = NULL;

	if (op->type == OP_NOP)
		return 0;
	if (op->type == OP_MKNOD)
		return apply_mknod(v, op);
	if (op->type > OP_NOP)
		return ERR_MALFORMED;
	int r = subject(v, op, &n);
	if (r <= 0)
		return r;
	r = merge_check(v, n, op);
	return r < 0 ? r : apply_checked(v, n, op);
}

int merge_apply(struct vault *v, const struct op *op)
{
	int r = order_note(v, op->dot);

	if (r == 0)
		r = apply_one(v, op);

	/* Rule 8: a split version that nobody named. */
	if (r == 0 && !(op->flags & OP_FLAG_MORE) && v->n_open_splits)
		r = ERR_MALFORMED;
	if (r < 0) {
		v->n_open_splits = 0;
		v->is_torn = true;
	}
	return r;
}

/* Is it the log's business? */
static bool is_for_log(const struct node *n, const struct op *op)
{
	return op->type == OP_PLACE || op->type == OP_PIN ||
	       op->type == OP_SPLIT || merge_is_logged(n);
}

/* What is checked here cannot fail once it is logged, but for memory and
 * index. */
static int check_own(struct vault *v, const struct op *op, struct node **ret_n,
		     bool *ret_is_logged)
{
	*ret_is_logged = true;
	if (op->type == OP_MKNOD || op->type > OP_XATTR)
		return 0;
	int r = merge_known(v, op->inode, ret_n);
	if (r == 0)
		r = merge_check(v, *ret_n, op);
	if (r == 0)
		*ret_is_logged = is_for_log(*ret_n, op);
	return r;
}

static int apply_own(struct vault *v, struct node *n, const struct op *op)
{
	if (op->type == OP_MKNOD)
		return apply_mknod(v, op);
	return n ? apply_checked(v, n, op) : 0;
}

int merge_emit(struct vault *v, struct op *op)
{
	auto_node struct node *n = NULL;
	bool is_logged;
	int r = check_own(v, op, &n, &is_logged);

	if (r < 0)
		return r;
	if (is_logged) {
		if (op->type == OP_PLACE)
			r = oplog_note_placed(&v->oplog, n->ino);
		if (r == 0)
			r = oplog_append(&v->oplog, op);
		if (r < 0)
			return r;
		r = order_note(v, op->dot);
	} else {
		op->clock = oplog_tick(&v->oplog);
		op->dot = (struct dot){ v->writer, 0, 0 };
	}
	if (r == 0)
		r = apply_own(v, n, op);
	if (r < 0) {
		v->is_torn = true;
		core_fail(v, r, "an operation could not be applied to the "
				"index; open the vault again");
	}
	return r;
}
