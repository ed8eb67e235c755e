/* SPDX-License-Identifier: ISC */
#include "vault/log/oplog.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"

static int piece_new(struct oplog *l, struct oplog_piece **ret)
{
	struct oplog_piece *p = mem_zalloc(sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->seq = l->seq;
	p->first_index = l->next_index;
	buf_init(&p->raw, MEM_MAX);
	*ret = p;
	return 0;
}

static void piece_append(struct oplog *l, struct oplog_piece *p)
{
	if (l->last)
		l->last->next = p;
	else
		l->first = p;
	l->last = p;
	l->held_bytes += OPLOG_PIECE_BYTES;
}

static void count_bytes(struct oplog *l, size_t bytes)
{
	l->raw_bytes += bytes;
	l->held_bytes += bytes;
}

static void piece_free(struct oplog_piece *p)
{
	buf_release(&p->raw);
	mem_free(p);
}

int oplog_init(struct oplog *l, uint64_t next_seq)
{
	struct oplog_piece *p;

	*l = (struct oplog){ .seq = next_seq };
	int r = piece_new(l, &p);
	if (r < 0)
		return r;
	piece_append(l, p);
	l->unframed = p;
	return 0;
}

void oplog_release(struct oplog *l)
{
	while (l->first) {
		struct oplog_piece *p = l->first;

		l->first = p->next;
		piece_free(p);
	}
	mem_free(l->placed);
	*l = (struct oplog){ 0 };
}

hlc_t oplog_tick(struct oplog *l)
{
	hlc_t now = (hlc_t)(clock_wall_ns() / NS_PER_MS) << 16;

	l->clock = max_of(now, l->clock + 1);
	return l->clock;
}

void oplog_see(struct oplog *l, hlc_t clock)
{
	l->clock = max_of(l->clock, clock);
}

/* ---------------------------------------------------------------- appending */

int oplog_make_room(struct oplog *l)
{
	if (l->raw_bytes < OPLOG_BATCH_BYTES && l->next_index < OPLOG_BATCH_OPS)
		return 0;
	return oplog_seal(l);
}

int oplog_note_placed(struct oplog *l, uint64_t ino)
{
	if (l->n_placed == l->cap_placed) {
		size_t cap = l->cap_placed ? l->cap_placed * 2 : 64;
		uint64_t *a = mem_realloc_array(l->placed, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		l->placed = a;
		l->cap_placed = cap;
	}
	l->placed[l->n_placed++] = ino;
	return 0;
}

int oplog_append(struct oplog *l, struct op *op)
{
	struct oplog_piece *p = l->last;
	size_t before = p->raw.len;

	op->clock = oplog_tick(l);
	op->dot = (struct dot){ l->writer, l->seq, l->next_index };
	op->flags |= OP_FLAG_MORE;
	/* What is named by its own operation. */
	if (op->type == OP_MKNOD && op->inode.time == 0)
		op->inode.time = op->clock;
	if (op->type == OP_PLACE && dot_is_zero(op->place.link))
		op->place.link = op->dot;
	int r = op_encode(op, &p->raw);
	if (r < 0) {
		/* What a failed encoder left must not count. */
		p->raw.len = before;
		p->raw.error = 0;
		return r;
	}
	if (!l->in_transaction) {
		l->in_transaction = true;
		l->began_at = before;
		l->began_ops = p->n_ops;
	}
	p->last_at = before;
	p->n_ops++;
	l->next_index++;
	l->n_unsealed++;
	count_bytes(l, p->raw.len - before);
	l->last_change_ns = clock_mono_ns();
	if (!l->first_change_ns)
		l->first_change_ns = l->last_change_ns;
	return 0;
}

void oplog_end_transaction(struct oplog *l)
{
	struct oplog_piece *p = l->last;

	/* The flags stand after length 4 and type 1. */
	if (l->in_transaction && p->n_ops > 0)
		p->raw.data[p->last_at + 5] &= (uint8_t)~OP_FLAG_MORE;
	l->in_transaction = false;
}

int oplog_abandon(struct oplog *l)
{
	struct oplog_piece *p = l->last;

	if (!l->in_transaction)
		return 0;
	uint32_t n = p->n_ops - l->began_ops;
	l->raw_bytes -= p->raw.len - l->began_at;
	l->held_bytes -= p->raw.len - l->began_at;
	l->next_index -= n;
	l->n_unsealed -= n;
	p->raw.len = l->began_at;
	p->n_ops = l->began_ops;
	l->in_transaction = false;
	return 1;
}

/* ---------------------------------------------------------------- cutting */

/* Closes the open piece and begins the next at the log's present place. */
static int next_piece(struct oplog *l, struct oplog_piece **ret)
{
	struct oplog_piece *p;
	int r = piece_new(l, &p);

	if (r < 0)
		return r;
	piece_append(l, p);
	*ret = p;
	return 0;
}

int oplog_cut(struct oplog *l, uint32_t n_reserved,
	      struct oplog_piece **ret_reserved)
{
	struct oplog_piece *reserved = NULL, *open = NULL;
	int r = oplog_make_room(l);

	if (r == 0 && n_reserved)
		r = piece_new(l, &reserved);
	if (r == 0)
		r = piece_new(l, &open);
	if (r < 0) {
		if (reserved)
			piece_free(reserved);
		return r;
	}
	if (reserved) {
		reserved->is_reserved = true;
		reserved->first_clock = oplog_tick(l);
		reserved->n_reserved = n_reserved;
		l->clock += n_reserved - 1;
		l->next_index += n_reserved;
		l->n_unsealed += n_reserved;
		open->first_index = l->next_index;
		piece_append(l, reserved);
	}
	piece_append(l, open);
	l->n_placed = 0;
	if (ret_reserved)
		*ret_reserved = reserved;
	return 0;
}

int oplog_fill(struct oplog *l, struct oplog_piece *p, struct op *op)
{
	assert(p->is_reserved && p->n_ops < p->n_reserved);
	op->clock = p->first_clock + p->n_ops;
	op->dot = (struct dot){ l->writer, p->seq, p->first_index + p->n_ops };
	size_t before = p->raw.len;
	int r = op_encode(op, &p->raw);
	if (r < 0) {
		p->raw.len = before;
		p->raw.error = 0;
		return r;
	}
	p->last_at = before;
	p->n_ops++;
	count_bytes(l, p->raw.len - before);
	return 0;
}

int oplog_fill_rest(struct oplog *l, struct oplog_piece *p)
{
	int r = 0;

	while (r == 0 && p->n_ops < p->n_reserved) {
		struct op op = { .type = OP_NOP };

		r = oplog_fill(l, p, &op);
	}
	return r;
}

/* ---------------------------------------------------------------- batches */

int oplog_seal(struct oplog *l)
{
	struct oplog_piece *p;
	uint64_t seq = l->seq;
	uint32_t index = l->next_index;

	l->seq++;
	l->next_index = 0;
	int r = next_piece(l, &p);
	if (r < 0) {
		l->seq = seq;
		l->next_index = index;
		return r;
	}
	l->raw_bytes = 0;
	return 0;
}

void oplog_drop_through(struct oplog *l, uint64_t seq)
{
	while (l->first && l->first->seq <= seq && l->first != l->last) {
		struct oplog_piece *p = l->first;

		l->first = p->next;
		if (l->unframed == p)
			l->unframed = p->next;
		l->n_unsealed -= p->n_ops;
		l->held_bytes -= p->raw.len + OPLOG_PIECE_BYTES;
		piece_free(p);
	}
	if (l->n_unsealed == 0)
		l->first_change_ns = 0;
	else
		l->first_change_ns = l->last_change_ns;
}

int oplog_restore(struct oplog *l, uint64_t seq, uint32_t first_index,
		  uint32_t n_ops, const uint8_t *raw, size_t raw_bytes)
{
	struct oplog_piece *p;

	if (seq < l->seq || (seq == l->seq && first_index != l->next_index) ||
	    (seq > l->seq && first_index != 0))
		return ERR_DAMAGED;
	if (seq > l->seq)
		l->raw_bytes = 0;
	l->seq = seq;
	l->next_index = first_index;
	int r = next_piece(l, &p);
	if (r < 0)
		return r;
	buf_put(&p->raw, raw, raw_bytes);
	p->n_ops = n_ops;
	p->in_frame = true;
	r = buf_error(&p->raw);
	if (r < 0)
		return r;
	l->next_index += n_ops;
	l->n_unsealed += n_ops;
	count_bytes(l, raw_bytes);
	l->first_change_ns = l->last_change_ns = clock_mono_ns();
	return next_piece(l, &p);
}
