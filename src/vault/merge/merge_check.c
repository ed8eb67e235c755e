/* SPDX-License-Identifier: ISC */
/*
 * What an operation must be before it changes anything: the rules of "A reader
 * rejects" that need the state (vault-format/08-operations.md).
 *
 * Dots that were replaced are forgotten here, so their absence proves nothing;
 * then the log is asked (struct merge_past), where the caller has one.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/merge/dot_set.h"
#include "vault/merge/merge_priv.h"
#include "vault/merge/node_edit.h"

/* ---------------------------------------------------------------- the past */

#define VV_ENTRY_BYTES 56u /* writer 8, context 8, ack 8, head 32 */

/* Rule 5: did who made the operation know this one? */
static bool is_past(const struct merge_past *past, const struct op *op,
		    struct dot d)
{
	uint32_t low = 0, high = past->n_vv;

	if (d.writer == op->dot.writer)
		return dot_compare(d, op->dot) < 0;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const uint8_t *at = past->vv + (size_t)mid * VV_ENTRY_BYTES;
		uint64_t writer = le64_get(at);

		if (writer == d.writer)
			return d.seq <= le64_get(at + 8);
		if (writer < d.writer)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static int check_past(struct vault *v, const struct op *op, struct dot d)
{
	return !v->past || is_past(v->past, op, d) ? 0 : ERR_MALFORMED;
}

enum dot_kind { DOT_PLACE, DOT_VERSION };

/* What the log says of a dot the state has forgotten: is it a place (or claim),
 * a version, of this inode? */
static int check_forgotten(struct vault *v, const struct node *n, struct dot d,
			   enum dot_kind kind)
{
	struct merge_named was;
	bool fits;

	if (!v->past || !v->past->find)
		return 0;
	int r = v->past->find(v->past->arg, d, &was);
	if (r <= 0)
		return r < 0 ? r : ERR_MALFORMED;
	if (was.is_unknown)
		return 0;
	bool is_version = was.type == OP_CONTENT ||
			  (was.type == OP_MKNOD && !was.is_dir);
	/* A version's dot is also its split inode's first place. */
	bool is_split = is_version && n->flags & NODE_SPLIT &&
			inode_id_equal(inode_id_split(d), n->id);
	if (kind == DOT_VERSION)
		fits = is_version &&
		       (is_split || inode_id_equal(was.inode, n->id));
	else
		fits = is_split ||
		       ((was.type == OP_PLACE || was.is_claim) &&
			inode_id_equal(was.inode, n->id));
	return fits ? 0 : ERR_MALFORMED;
}

/* ---------------------------------------------------------------- pieces */

static bool was_placed(const struct node *n)
{
	return n->n_places > 0 || n->n_old_links > 0;
}

/* Rule 4. */
static int check_parent(struct vault *v, struct inode_id id)
{
	auto_node struct node *n = NULL;
	int r = merge_known(v, id, &n);

	if (r < 0)
		return r;
	return n->kind == KIND_DIR &&
			       (inode_id_is_root(id) || was_placed(n)) ?
		       0 : ERR_MALFORMED;
}

static int check_link(struct vault *v, const struct node *n,
		      const struct op *op, struct dot link)
{
	bool known = false;

	for (unsigned i = 0; !known && i < n->n_places; i++)
		known = dot_equal(n->places[i].link, link);
	for (unsigned i = 0; !known && i < n->n_old_links; i++)
		known = dot_equal(n->old_links[i].link, link);
	return known ? check_past(v, op, link) : ERR_MALFORMED;
}

/* Above so many a list is not compared each with each. */
#define FEW_DOTS 16u

static int check_kills(struct vault *v, struct node *n, const struct op *op,
		       const struct dot_list *l)
{
	auto_dots struct dot_set have = DOT_SET_INIT;
	bool is_long = l->n > FEW_DOTS;
	int r = 0;

	for (unsigned i = 0; is_long && i < n->n_places; i++)
		dot_set_add(&have, n->places[i].dot);
	if (is_long)
		r = dot_set_close(&have);
	for (uint32_t i = 0; r == 0 && i < l->n; i++) {
		struct dot d = dot_list_get(l, i);

		r = check_past(v, op, d);
		if (r == 0 && v->past &&
		    !(is_long ? dot_set_has(&have, d) :
				node_find_place(n, d) != NULL))
			r = check_forgotten(v, n, d, DOT_PLACE);
	}
	return r;
}

static int check_version(struct vault *v, struct node *n, const struct op *op,
			 struct dot d)
{
	int r = check_past(v, op, d);

	if (r < 0 || !v->past || node_find_version(n, d) ||
	    node_find_sibling(n, d))
		return r;
	return check_forgotten(v, n, d, DOT_VERSION);
}

static int check_versions(struct vault *v, struct node *n, const struct op *op,
			  const struct dot_list *l)
{
	auto_dots struct dot_set have = DOT_SET_INIT;
	int r = 0;

	if (l->n > FEW_DOTS) {
		for (unsigned i = 0; i < n->n_versions; i++)
			dot_set_add(&have, n->versions[i].dot);
		for (unsigned i = 0; i < n->n_siblings; i++)
			dot_set_add(&have, n->siblings[i].version);
		r = dot_set_close(&have);
	}
	for (uint32_t i = 0; r == 0 && i < l->n; i++) {
		struct dot d = dot_list_get(l, i);

		r = dot_set_has(&have, d) ? check_past(v, op, d) :
					    check_version(v, n, op, d);
	}
	return r;
}

/* ---------------------------------------------------------------- operations */

static int check_place(struct vault *v, struct node *n, const struct op *op)
{
	const struct op_place *o = &op->place;
	bool is_new = dot_is_zero(o->link) || dot_equal(o->link, op->dot);
	int r;

	if (is_new)
		r = n->kind == KIND_DIR && was_placed(n) ? ERR_MALFORMED : 0;
	else
		r = check_link(v, n, op, o->link);
	if (r == 0)
		r = check_parent(v, o->parent);
	if (r == 0 && o->has_from)
		r = check_parent(v, o->from_parent);
	return r < 0 ? r : check_kills(v, n, op, &o->kills);
}

static int check_unlink(struct vault *v, struct node *n, const struct op *op)
{
	const struct op_unlink *o = &op->unlink;
	int r = check_link(v, n, op, o->link);

	if (r == 0)
		r = check_parent(v, o->parent);
	if (r == 0)
		r = check_kills(v, n, op, &o->kills);
	return r < 0 || !o->last ? r : check_versions(v, n, op, &o->deletes);
}

/* Rule 7: one content id has one length. */
static int check_chunks(struct vault *v, const struct extent_list *l)
{
	struct cursor c;

	extent_list_cursor(l, &c);
	for (uint32_t i = 0; i < l->n; i++) {
		struct index_chunk known;
		struct extent e;

		extent_read(&c, &e);
		if (c.error)
			return c.error;
		if (e.kind != EXTENT_CHUNK)
			continue;
		int r = index_chunk_find(v->index, &e.id, &known);
		if (r < 0)
			return r;
		if (r > 0 && known.entry.plain_bytes != e.chunk_length)
			return ERR_MALFORMED;
	}
	return 0;
}

static int check_content(struct vault *v, struct node *n, const struct op *op)
{
	const struct op_content *o = &op->content;

	if (n->kind != KIND_FILE)
		return ERR_MALFORMED;
	int r = check_versions(v, n, op, &o->replaces);
	if (r == 0 && !o->whole)
		r = check_version(v, n, op, o->base);
	return r < 0 || !v->past ? r : check_chunks(v, &o->extents);
}

/* The clock of a version, wherever it is: 1, 0. */
static int version_clock(struct vault *v, struct node *n, struct dot d,
			 hlc_t *ret)
{
	struct node_version *ver = node_find_version(n, d);
	struct node_sibling *sib = node_find_sibling(n, d);
	auto_node struct node *s = NULL;
	struct merge_named was;
	int r = 0;

	if (!ver && sib) {
		r = node_get(v->nodes, sib->ino, &s);
		if (r > 0)
			ver = node_find_version(s, d);
	}
	if (r < 0)
		return r;
	if (ver) {
		*ret = ver->clock;
		return 1;
	}
	if (!v->past || !v->past->find)
		return 0;
	r = v->past->find(v->past->arg, d, &was);
	if (r <= 0 || was.is_unknown)
		return r < 0 ? r : 0;
	*ret = was.clock;
	return 1;
}

/* Rule 8. */
static int check_split(struct vault *v, struct node *n, const struct op *op)
{
	const struct op_split *o = &op->split;
	struct inode_id id = inode_id_split(o->version);
	auto_node struct node *s = NULL;
	hlc_t clock = 0;

	if (n->kind == KIND_DIR)
		return ERR_MALFORMED;
	int r = check_version(v, n, op, o->version);
	if (r == 0)
		r = version_clock(v, n, o->version, &clock);
	if (r < 0 || (r > 0 && clock != o->version_clock))
		return r < 0 ? r : ERR_MALFORMED;
	if (inode_id_equal(id, n->id))
		return n->flags & NODE_SPLIT ? 0 : ERR_MALFORMED;
	r = node_get_by_id(v->nodes, id, &s);
	if (r <= 0)
		return r;
	return s->origin == n->ino ? 0 : ERR_MALFORMED;
}

static int check_pin(struct vault *v, const struct op *op)
{
	int r = check_past(v, op, op->pin.target);

	return r < 0 ? r : check_parent(v, op->pin.parent);
}

int merge_check(struct vault *v, struct node *n, const struct op *op)
{
	/* Inodes only this device has: nobody else can mean them. */
	if (v->past && n->flags & (NODE_UNBORN | NODE_VIRTUAL))
		return ERR_MALFORMED;
	if (inode_id_is_root(n->id) &&
	    (op->type == OP_PLACE || op->type == OP_UNLINK))
		return ERR_MALFORMED;
	switch (op->type) {
	case OP_PLACE:
		return check_place(v, n, op);
	case OP_UNLINK:
		return check_unlink(v, n, op);
	case OP_CONTENT:
		return check_content(v, n, op);
	case OP_PIN:
		return check_pin(v, op);
	case OP_SPLIT:
		return check_split(v, n, op);
	case OP_ATTR:
	case OP_XATTR:
		return 0;
	default:
		return ERR_MALFORMED;
	}
}

/* ---------------------------------------------------------------- pins */

static int place_of_id(struct vault *v, struct inode_id id, struct dot target,
		       struct node **ret)
{
	struct node *n;
	int r = node_get_by_id(v->nodes, id, &n);

	if (r <= 0)
		return r;
	if (!node_find_place(n, target)) {
		node_put(n);
		return 0;
	}
	*ret = n;
	return 1;
}

int merge_pinned(struct vault *v, const struct op *op, struct node **ret)
{
	struct dot d = op->pin.target;
	struct merge_named was;
	int r = check_pin(v, op);

	if (r < 0)
		return r;
	r = place_of_id(v, op->inode, d, ret);
	if (r == 0)
		r = place_of_id(v, inode_id_split(d), d, ret);
	if (r != 0 || !v->past || !v->past->find)
		return r;
	r = v->past->find(v->past->arg, d, &was);
	if (r <= 0)
		return r < 0 ? r : ERR_MALFORMED;
	if (was.is_unknown)
		return 0;
	if (was.type == OP_PLACE || was.is_claim)
		return place_of_id(v, was.inode, d, ret);
	/* The first place of a split inode, gone since: was it split? */
	bool is_version = was.type == OP_CONTENT ||
			  (was.type == OP_MKNOD && !was.is_dir);
	auto_node struct node *s = NULL;
	r = is_version ? node_get_by_id(v->nodes, inode_id_split(d), &s) : 0;
	if (r < 0)
		return r;
	return s && s->flags & NODE_SPLIT ? 0 : ERR_MALFORMED;
}
