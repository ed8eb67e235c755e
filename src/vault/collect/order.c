/* SPDX-License-Identifier: ISC */
#include "vault/collect/order.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "vault/collect/stable.h"
#include "vault/core.h"

/* Position, big-endian so that ids ascend as numbers -> writer, seq. */
#define ORDER_TABLE "order"
#define ORDER_REC_BYTES 16u
/* "" -> position. */
#define REVIVED_TABLE "order-revived"

/* Entries forgotten in one go. */
#define PRUNE_MOST 256u

static void put_be64(uint8_t to[static 8], uint64_t n)
{
	for (unsigned i = 0; i < 8; i++)
		to[i] = (uint8_t)(n >> (56 - 8 * i));
}

static uint64_t get_be64(const uint8_t *from)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < 8; i++)
		n = n << 8 | from[i];
	return n;
}

/* ---------------------------------------------------------------- loading */

static int load_entry(void *arg, const uint8_t *id, size_t id_bytes,
		      const uint8_t *rec, size_t bytes)
{
	struct vault *v = arg;
	struct order *o = &v->order;

	if (id_bytes != 8 || bytes != ORDER_REC_BYTES)
		return ERR_BAD_INDEX;
	o->position = get_be64(id);
	if (le64_get(rec) == v->writer) {
		o->own_seq = max_of(o->own_seq, le64_get(rec + 8));
	} else {
		o->other_writer = le64_get(rec);
		o->other_seq = le64_get(rec + 8);
	}
	return 0;
}

int order_load(struct vault *v)
{
	const uint8_t *rec;
	size_t bytes;
	int r;

	v->order = (struct order){ 0 };
	r = index_value_each(v->index, ORDER_TABLE, load_entry, v);
	if (r < 0)
		return r;
	index_chunk_set_stamp(v->index, v->order.position);
	r = index_value_get(v->index, REVIVED_TABLE, "", 0, &rec, &bytes);
	if (r <= 0)
		return r;
	if (bytes != 8)
		return ERR_BAD_INDEX;
	v->order.revived = le64_get(rec);
	return 0;
}

/* ---------------------------------------------------------------- noting */

static bool is_noted(const struct vault *v, struct dot d)
{
	const struct order *o = &v->order;

	if (v->writer && d.writer == v->writer)
		return d.seq <= o->own_seq;
	return d.writer == o->other_writer && d.seq == o->other_seq;
}

int order_note(struct vault *v, struct dot d)
{
	struct order *o = &v->order;
	uint8_t id[8], rec[ORDER_REC_BYTES];

	if (d.seq == 0 || is_noted(v, d))
		return 0;
	put_be64(id, o->position + 1);
	le64_put(rec, d.writer);
	le64_put(rec + 8, d.seq);
	int r = index_value_put(v->index, ORDER_TABLE, id, sizeof(id), rec,
				sizeof(rec));
	if (r < 0)
		return r;
	o->position++;
	if (v->writer && d.writer == v->writer) {
		o->own_seq = d.seq;
	} else {
		o->other_writer = d.writer;
		o->other_seq = d.seq;
	}
	index_chunk_set_stamp(v->index, o->position);
	return 0;
}

static bool has_given_up(const struct node *n)
{
	for (unsigned i = 0; i < n->n_versions; i++)
		if (n->versions[i].is_deleted &&
		    (!n->versions[i].holder || n->flags & NODE_GONE))
			return true;
	return false;
}

int order_note_revival(struct vault *v, const struct node *n)
{
	if (n->kind != KIND_FILE || v->order.revived == v->order.position ||
	    !has_given_up(n))
		return 0;
	return order_note_state(v);
}

int order_note_state(struct vault *v)
{
	uint8_t rec[8];

	le64_put(rec, v->order.position);
	int r = index_value_put(v->index, REVIVED_TABLE, "", 0, rec,
				sizeof(rec));
	if (r == 0)
		v->order.revived = v->order.position;
	return r;
}

/* ---------------------------------------------------------------- S */

struct prefix {
	const struct stable_cut *s;
	uint64_t position; /* all up to here are in S */
	unsigned n;
};

static int add_entry(void *arg, const uint8_t *id, size_t id_bytes,
		     const uint8_t *rec, size_t bytes)
{
	struct prefix *p = arg;

	if (id_bytes != 8 || bytes != ORDER_REC_BYTES)
		return ERR_BAD_INDEX;
	if (!stable_cut_has(p->s, le64_get(rec), le64_get(rec + 8)))
		return 1;
	p->position = get_be64(id);
	p->n++;
	return 0;
}

static int first_entry(void *arg, const uint8_t *id, size_t id_bytes,
		       const uint8_t *rec, size_t bytes)
{
	uint64_t *first = arg;

	(void)rec;
	(void)bytes;
	if (id_bytes != 8)
		return ERR_BAD_INDEX;
	*first = get_be64(id);
	return 1;
}

/* The newest entry stays: it tells the next position. */
static int forget_through(struct vault *v, uint64_t first, uint64_t position)
{
	uint64_t end = min_of(position, v->order.position - 1);
	int r = 0;

	for (unsigned n = 0; r >= 0 && n < PRUNE_MOST && first + n <= end;
	     n++) {
		uint8_t id[8];

		put_be64(id, first + n);
		r = index_value_delete(v->index, ORDER_TABLE, id, sizeof(id));
	}
	return r < 0 ? r : 0;
}

int order_stable(struct vault *v, const struct stable_cut *s,
		 uint64_t *ret_position)
{
	struct prefix p = { .s = s };
	uint64_t first = 0;
	int r = index_value_each(v->index, ORDER_TABLE, first_entry, &first);

	if (r < 0)
		return r;
	if (first == 0) {
		*ret_position = v->order.position;
		return 0;
	}
	/* Those before it were in S once, and forgotten. */
	p.position = first - 1;
	r = index_value_each(v->index, ORDER_TABLE, add_entry, &p);
	if (r >= 0 && p.n > 0)
		r = forget_through(v, first, p.position);
	if (r < 0)
		return r;
	*ret_position = p.position;
	return 0;
}

struct beyond {
	uint64_t writer, seq;
};

static int take_entry(void *arg, const uint8_t *id, size_t id_bytes,
		      const uint8_t *rec, size_t bytes)
{
	struct beyond *b = arg;

	(void)id;
	if (id_bytes != 8 || bytes != ORDER_REC_BYTES)
		return ERR_BAD_INDEX;
	*b = (struct beyond){ le64_get(rec), le64_get(rec + 8) };
	return 1;
}

int order_first_beyond(struct vault *v, uint64_t position, uint64_t *ret_writer,
		       uint64_t *ret_seq)
{
	struct beyond b = { 0 };
	uint8_t id[8];

	put_be64(id, position + 1);
	int r = index_value_each_from(v->index, ORDER_TABLE, id, sizeof(id),
				      take_entry, &b);
	if (r <= 0)
		return r;
	*ret_writer = b.writer;
	*ret_seq = b.seq;
	return 1;
}
