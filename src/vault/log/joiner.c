/* SPDX-License-Identifier: ISC */
#include "vault/log/joiner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/log/devices.h"
#include "vault/log/writers.h"
#include "vault/packs/packs.h"

/* Operations looked at in one go under the index lock. */
#define SLICE 64u

/* ---------------------------------------------------------------- admitted? */

struct votes {
	struct vault *v;
	unsigned n_live; /* others, as the log tells of them */
	unsigned n_acknowledged, n_live_acknowledged;
};

/* Does a writer's last segment acknowledge one of this device? 1, 0. */
static int acknowledges(struct vault *v, uint64_t writer)
{
	auto_free uint8_t *raw = NULL;
	size_t bytes = 0;
	struct cursor c;
	int r = writer_get_vector(v, writer, &raw, &bytes);

	if (r < 0)
		return r;
	cursor_init(&c, raw, bytes);
	while (cursor_left(&c) > 0) {
		struct segment_vv vv;

		segment_vv_read(&c, &vv);
		if (c.error)
			return ERR_BAD_INDEX;
		if (vv.writer == v->writer)
			return vv.ack > 0;
	}
	return 0;
}

static int count_vote(void *arg, const struct writer_state *w)
{
	struct votes *t = arg;
	struct vault_device d = { .is_retired = false };
	int r;

	if (w->writer == t->v->writer || w->seq == 0)
		return 0;
	r = device_get(t->v, w->writer, &d);
	if (r == 0)
		t->n_live++; /* live from its first segment */
	if (r >= 0)
		r = acknowledges(t->v, w->writer);
	if (r < 0)
		return r;
	t->n_acknowledged += r > 0;
	t->n_live_acknowledged += r > 0 && !d.is_retired;
	return 0;
}

/* The writer table's records are copies, so that others may be asked for. */
static int is_acknowledged(struct vault *v)
{
	struct votes t = { .v = v };
	struct vault_device self;
	unsigned n = 0;
	int r;

	lock_take(&v->index_lock);
	r = device_count_live(v, &n);
	if (r == 0)
		r = device_get(v, v->writer, &self);
	if (r > 0 && !self.is_retired)
		n--;
	if (r >= 0)
		r = writer_each(v, count_vote, &t);
	lock_drop(&v->index_lock);
	if (r < 0)
		return r;
	return t.n_acknowledged > 0 && t.n_live_acknowledged >= n + t.n_live;
}

/* The first transaction of who made the vault adds the keys it was made with
 * (init.c); of anyone else it only tells of the device. */
static int is_founder(struct vault *v)
{
	auto_log_names struct log_names l = { 0 };
	auto_log_segment struct log_segment s = { .plain = NULL };
	const struct log_name *name;
	bool more = true;
	struct cursor at;
	int r = logdir_list(v, v->writer, 1, &l);

	name = r == 0 ? log_names_find(&l, 1) : NULL;
	if (!name)
		return r;
	r = logdir_read(v, v->writer, name, &s);
	/* What cannot be read says nothing for it. */
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	at = s.body.ops;
	while (more && cursor_left(&at) > 0) {
		struct op op;

		r = op_decode(&at, &op);
		if (r < 0)
			return 0;
		if (r > 0 && op.type == OP_SLOT_ADD)
			return 1;
		more = r > 0 && op.flags & OP_FLAG_MORE;
	}
	return 0;
}

int joiner_update(struct commit *c)
{
	struct vault *v = c->v;
	int r;

	/* It writes nothing. */
	if (!v->writer)
		return 0;
	r = is_acknowledged(v);
	if (r == 0)
		r = is_founder(v);
	if (r < 0)
		return r;
	lock_take(&v->index_lock);
	v->is_joining = r == 0;
	lock_drop(&v->index_lock);
	return 0;
}

/* ---------------------------------------------------------------- what it keeps */

static int note_extent(void *arg, const struct index_extent *e)
{
	struct buf *b = arg;

	if (e->kind == EXTENT_CHUNK)
		buf_put_u64(b, e->chunk);
	return buf_error(b);
}

static int note_inode(struct vault *v, struct inode_id id, struct buf *b)
{
	auto_node struct node *n = NULL;
	int r = node_get_by_id(v->nodes, id, &n);

	if (r <= 0 || n->kind != KIND_FILE)
		return r < 0 ? r : 0;
	return index_extent_each(v->index, n->ino, 0, INT64_MAX, note_extent,
				 b);
}

static int note_content(struct vault *v, const struct op_content *o,
			struct buf *b)
{
	struct cursor c;
	int r = 0;

	extent_list_cursor(&o->extents, &c);
	for (uint32_t i = 0; r >= 0 && i < o->extents.n; i++) {
		struct index_chunk known;
		struct extent e;

		extent_read(&c, &e);
		if (e.kind != EXTENT_CHUNK)
			continue;
		r = index_chunk_find(v->index, &e.id, &known);
		if (r > 0)
			buf_put_u64(b, known.chunk);
	}
	return r < 0 ? r : buf_error(b);
}

static int note_op(struct vault *v, const struct op *op, struct buf *b)
{
	int r;

	switch (op->type) {
	case OP_CONTENT:
		r = note_content(v, &op->content, b);
		return r < 0 ? r : note_inode(v, op->inode, b);
	case OP_PLACE:
	case OP_PIN:
		return note_inode(v, op->inode, b);
	case OP_UNLINK: /* one that leaves another name keeps the file, too */
		return op->unlink.last ? 0 : note_inode(v, op->inode, b);
	case OP_SPLIT:
		r = note_inode(v, op->inode, b);
		return r < 0 ? r :
			       note_inode(v, inode_id_split(op->split.version),
					  b);
	default:
		return 0;
	}
}

static int note_piece(struct vault *v, const struct oplog_piece *p,
		      struct buf *b)
{
	struct cursor at;
	int r = 0;

	cursor_init(&at, p->raw.data, p->raw.len);
	while (r == 0 && cursor_left(&at) > 0) {
		lock_take(&v->index_lock);
		r = core_index_state(v);
		for (unsigned i = 0; r == 0 && i < SLICE && cursor_left(&at);
		     i++) {
			struct op op;

			r = op_decode(&at, &op);
			if (r > 0)
				r = note_op(v, &op, b);
		}
		lock_drop(&v->index_lock);
	}
	return r;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = le64_get(a), y = le64_get(b);

	return x < y ? -1 : x > y;
}

static void keep_each_once(struct buf *b)
{
	size_t kept = 0;

	if (b->len)
		qsort(b->data, b->len / 8, 8, compare_numbers);
	for (size_t at = 0; at < b->len; at += 8)
		if (kept == 0 ||
		    memcmp(b->data + kept - 8, b->data + at, 8) != 0) {
			memmove(b->data + kept, b->data + at, 8);
			kept += 8;
		}
	b->len = kept;
}

int joiner_collect(struct commit *c, uint64_t seq, struct buf *ret)
{
	struct vault *v = c->v;
	int r = 0;

	lock_take(&v->index_lock);
	bool is_joining = v->is_joining;
	lock_drop(&v->index_lock);
	if (!is_joining)
		return 0;
	/* Pieces of a batch that is closed do not change. */
	for (const struct oplog_piece *p = v->oplog.first;
	     r == 0 && p && p->seq <= seq; p = p->next)
		r = note_piece(v, p, ret);
	if (r == 0)
		keep_each_once(ret);
	return r;
}

/* ---------------------------------------------------------------- where */

int joiner_place(struct vault *v, uint64_t chunk, struct store_place *ret)
{
	struct index_chunk ic, other;
	struct index_pack p, q;
	int r = index_chunk_get(v->index, chunk, &ic);

	if (r > 0)
		r = ic.pack ? index_pack_get(v->index, ic.pack, &p) : 0;
	if (r <= 0)
		return r;
	if (p.is_stage || p.writer == v->writer)
		return 0;
	for (unsigned n = 0; r > 0; n++) {
		r = packs_other_place(v, &ic.id, n, &other, &q);
		if (r > 0 && q.writer == v->writer)
			return 0;
	}
	if (r < 0)
		return r;
	*ret = (struct store_place){
		.writer = p.writer,
		.pack_bytes = p.size,
		.epoch = p.epoch,
		.key_id = p.key_id,
		.type = p.type,
		.entry = ic.entry,
	};
	memcpy(ret->pack, p.name, sizeof(ret->pack));
	return 1;
}
