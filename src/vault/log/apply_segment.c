/* SPDX-License-Identifier: ISC */
#include "vault/log/apply_segment.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vault/log/apply.h"
#include "vault/merge/past_log.h"
#include "vault/merge/touched.h"
#include "vault/packs/announced.h"
#include "vault/packs/packs.h"

/* ---------------------------------------------------------------- checks */

/* A version vector never goes back (vault-format/07-segments.md). */
static int check_vector(struct vault *v, const struct log_segment *s)
{
	auto_free uint8_t *old = NULL;
	size_t old_bytes = 0;
	struct cursor before, now = s->body.vv;
	struct segment_vv have = { .writer = 0 };
	uint32_t left = s->body.n_vv;
	int r = writer_get_vector(v, s->header.writer, &old, &old_bytes);

	if (r < 0)
		return r;
	cursor_init(&before, old, old_bytes);
	while (cursor_left(&before) > 0) {
		struct segment_vv had;

		segment_vv_read(&before, &had);
		while (have.writer < had.writer && left > 0) {
			segment_vv_read(&now, &have);
			left--;
		}
		if (have.writer != had.writer || have.context < had.context ||
		    have.ack < had.ack)
			return ERR_MALFORMED;
	}
	return before.error ? ERR_BAD_INDEX : 0;
}

/* What it says of other histories must be what is applied of them. */
static int check_causes(struct vault *v, const struct log_segment *s,
			struct cause *ret_cause)
{
	struct cursor c = s->body.vv;

	for (uint32_t i = 0; i < s->body.n_vv; i++) {
		struct file_hash known;
		struct segment_vv vv;

		segment_vv_read(&c, &vv);
		int r = writer_get_hash(v, vv.writer, vv.context, &known);
		if (r < 0)
			return r;
		if (r == 0) {
			*ret_cause = (struct cause){ vv.writer, vv.context };
			return 0;
		}
		if (memcmp(&known, &vv.head, sizeof(known)) != 0) {
			*ret_cause = (struct cause){ vv.writer, vv.context };
			return ERR_FORKED;
		}
	}
	return 1;
}

static int check_epoch(struct vault *v, const struct log_segment *s)
{
	const struct epoch_keys *k =
		core_epoch_keys(v, s->header.epoch, &s->header.key_id);

	if (!k)
		return ERR_NEW_EPOCH;
	int r = known_epoch(v, s->header.epoch, &k->id);
	return r < 0 ? r : r > 0 ? 0 : ERR_NEW_EPOCH;
}

int segment_is_next(struct vault *v, const struct log_segment *s,
		    struct cause *ret_cause)
{
	struct writer_state w;
	int r = writer_load(v, s->header.writer, &w);

	if (r < 0)
		return r;
	if (s->header.seq > 1 &&
	    memcmp(&s->body.previous, &w.head, sizeof(w.head)) != 0) {
		*ret_cause = (struct cause){ w.writer, w.seq };
		return ERR_FORKED;
	}
	if (s->header.epoch < w.epoch || s->body.first < w.last)
		return ERR_MALFORMED;
	r = check_vector(v, s);
	if (r == 0)
		r = check_causes(v, s, ret_cause);
	if (r <= 0)
		return r;
	/* Announced by one of the causes, so asked for last. */
	r = check_epoch(v, s);
	return r < 0 ? r : 1;
}

/* ---------------------------------------------------------------- applying */

int segment_begin(struct commit *c, const struct log_segment *s)
{
	struct vault *v = c->v;
	bool is_own = s->header.writer == v->writer;
	struct cursor at = s->body.packs;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < s->body.n_packs; i++) {
		struct segment_pack p;

		segment_pack_read(&at, &p);
		r = packs_announce(v, s->header.writer, &p,
				   is_own ? PACK_FLAG_WHOLE : 0);
		if (r == 0 && is_own)
			r = announced_note(v, s->header.seq, p.name);
	}
	if (r == 0 && is_own)
		r = seal_note_required(v, s->header.seq, &s->body);
	return r;
}

/* What this device acknowledged before it need not find out again. */
static int take_acks(struct vault *v, const struct log_segment *s)
{
	struct cursor c = s->body.vv;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < s->body.n_vv; i++) {
		struct writer_state w;
		struct segment_vv vv;

		segment_vv_read(&c, &vv);
		r = writer_load(v, vv.writer, &w);
		if (r < 0 || w.ack >= vv.ack)
			continue;
		w.ack = vv.ack;
		r = writer_put(v, &w);
	}
	return r;
}

int segment_end(struct commit *c, const struct log_segment *s)
{
	struct vault *v = c->v;
	struct writer_state w;
	const struct marks_head head = {
		.writer = s->header.writer,
		.seq = s->header.seq,
		.head = s->hash,
	};
	int r = writer_load(v, s->header.writer, &w);

	if (r < 0)
		return r;
	if (w.seq == 0)
		w.first = s->body.first;
	w.seq = s->header.seq;
	w.head = s->hash;
	w.epoch = s->header.epoch;
	w.last = max_of(w.last, s->body.last);
	w.stopped = 0;
	r = writer_put(v, &w);
	if (r == 0)
		r = writer_put_hash(v, w.writer, w.seq, &s->hash);
	if (r == 0)
		r = writer_put_vector(v, w.writer, s->body.vv.at,
				      cursor_left(&s->body.vv));
	if (r == 0 && w.writer == v->writer)
		r = take_acks(v, s);
	if (r == 0)
		r = heads_raise(&c->heads, &head);
	return r;
}

/* Attributes and data of the inode, and of the directories it is or was in. */
static int touch_inodes(struct vault *v, const struct op *op)
{
	const struct inode_id *ids[3] = { &op->inode, NULL, NULL };

	if (!v->touched || op->type > OP_XATTR)
		return 0;
	if (op->type == OP_PLACE) {
		ids[1] = &op->place.parent;
		ids[2] = op->place.has_from ? &op->place.from_parent : NULL;
	} else if (op->type == OP_UNLINK) {
		ids[1] = &op->unlink.parent;
	}
	for (unsigned i = 0; i < array_len(ids); i++) {
		auto_node struct node *n = NULL;
		int r = ids[i] ? node_get_by_id(v->nodes, *ids[i], &n) : 0;

		if (r < 0)
			return r;
		if (r > 0)
			touched_inode(v, n->ino);
	}
	return 0;
}

int segment_apply(struct commit *c, const struct log_segment *s,
		  struct past_log *past, struct cursor *at, uint32_t *index,
		  uint64_t until_ns)
{
	struct vault *v = c->v;
	int r = 0;

	past_begin(past);
	while (r >= 0 && cursor_left(at) > 0) {
		bool more = at->at[5] & OP_FLAG_MORE;
		struct op op = { .flags = 0 };

		r = op_decode(at, &op);
		op.dot = (struct dot){ s->header.writer, s->header.seq,
				       (*index)++ };
		if (r > 0)
			r = apply_op(v, &op);
		if (r == 0)
			r = touch_inodes(v, &op);
		/* Every few operations, for the clock costs as much. */
		if (r >= 0 && !more && until_ns && (*index & 7) == 0 &&
		    clock_mono_ns() >= until_ns)
			break;
	}
	past_end(past);
	if (r < 0)
		return r;
	return cursor_left(at) > 0;
}
