/* SPDX-License-Identifier: ISC */
#include "vault/log/frames.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/log/commit_priv.h"

/* What a frame takes before the next is begun; its fixed part fits between. */
#define FRAME_SOFT_MAX ((size_t)FRAME_BODY_MAX - 4096u)
#define STAGE_ENTRY_BYTES (8u + PACK_ENTRY_BYTES)

/* A frame in the making: the encoded lists. */
struct draft {
	struct commit *c;
	struct buf runs, packs, stage, chunks;
	uint32_t n_runs, n_packs, n_stage, n_chunks;
};

static void draft_init(struct draft *d, struct commit *c)
{
	*d = (struct draft){ .c = c };
	buf_init(&d->runs, MEM_MAX);
	buf_init(&d->packs, MEM_MAX);
	buf_init(&d->stage, MEM_MAX);
	buf_init(&d->chunks, MEM_MAX);
}

static void draft_release(struct draft *d)
{
	buf_release(&d->runs);
	buf_release(&d->packs);
	buf_release(&d->stage);
	buf_release(&d->chunks);
}

static size_t draft_bytes(const struct draft *d)
{
	return d->runs.len + d->packs.len + d->stage.len + d->chunks.len;
}

/* Writes it, durable, and begins anew. */
static int draft_write(struct draft *d)
{
	auto_buf struct buf body = BUF_INIT(FRAME_BODY_MAX);
	struct cut cut = {
		.n_runs = d->n_runs,
		.n_packs = d->n_packs,
		.n_stage = d->n_stage,
		.n_chunks = d->n_chunks,
	};
	uint64_t number;
	int r;

	if (d->n_runs + d->n_packs + d->n_stage + d->n_chunks == 0)
		return 0;
	cursor_init(&cut.runs, d->runs.data, d->runs.len);
	cursor_init(&cut.packs, d->packs.data, d->packs.len);
	cursor_init(&cut.stage, d->stage.data, d->stage.len);
	cursor_init(&cut.chunks, d->chunks.data, d->chunks.len);
	cut_encode(&cut, &body);
	r = buf_error(&body);
	if (r == 0)
		r = journal_append(d->c->v->journal, FRAME_CUT, body.data,
				   body.len, &number);
	if (r < 0)
		return r;
	buf_reset(&d->runs);
	buf_reset(&d->packs);
	buf_reset(&d->stage);
	buf_reset(&d->chunks);
	d->n_runs = d->n_packs = d->n_stage = d->n_chunks = 0;
	return 0;
}

static int draft_room(struct draft *d, size_t bytes)
{
	return draft_bytes(d) + bytes <= FRAME_SOFT_MAX ? 0 : draft_write(d);
}

/* ---------------------------------------------------------------- lists */

static int add_packs(struct draft *d, const struct buf *packs, uint32_t n)
{
	struct cursor c;
	int r = 0;

	cursor_init(&c, packs->data, packs->len);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		const uint8_t *from = c.at;
		struct segment_pack p;

		segment_pack_read(&c, &p);
		if (c.error)
			return c.error;
		r = draft_room(d, (size_t)(c.at - from));
		buf_put(&d->packs, from, (size_t)(c.at - from));
		d->n_packs++;
	}
	return r < 0 ? r : buf_error(&d->packs);
}

static int add_stage(struct draft *d, const struct buf *stage)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < stage->len) {
		r = draft_room(d, STAGE_ENTRY_BYTES);
		buf_put(&d->stage, stage->data + at, STAGE_ENTRY_BYTES);
		d->n_stage++;
		at += STAGE_ENTRY_BYTES;
	}
	return r < 0 ? r : buf_error(&d->stage);
}

static int add_chunks(struct draft *d, const struct buf *chunks, uint32_t n)
{
	struct cursor c;
	int r = 0;

	cursor_init(&c, chunks->data, chunks->len);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		const uint8_t *from = c.at;
		struct cut_chunk e;

		cut_chunk_read(&c, &e);
		if (c.error)
			return c.error;
		r = draft_room(d, (size_t)(c.at - from));
		buf_put(&d->chunks, from, (size_t)(c.at - from));
		d->n_chunks++;
	}
	return r < 0 ? r : buf_error(&d->chunks);
}

static void add_run(struct draft *d, const struct cut_ops *run)
{
	cut_ops_put(&d->runs, run);
	d->n_runs++;
}

/* ---------------------------------------------------------------- operations */

/* Length and flags of the encoded operation at the start of `raw`. */
static uint32_t op_bytes(const uint8_t *raw)
{
	return le32_get(raw);
}

static bool op_ends_transaction(const uint8_t *raw)
{
	return !(raw[5] & OP_FLAG_MORE);
}

/* A piece too large for the frame, cut between transactions. */
static int add_in_parts(struct draft *d, const struct oplog_piece *p)
{
	struct cut_ops run = {
		.seq = p->seq,
		.first_index = p->first_index,
		.raw = p->raw.data,
	};
	uint32_t n_ops = 0; /* from run.raw up to `at` */
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < p->raw.len) {
		const uint8_t *op = p->raw.data + at;

		at += op_bytes(op);
		n_ops++;
		if (!op_ends_transaction(op))
			continue;
		size_t bytes = (size_t)(p->raw.data + at - run.raw);

		if (run.n_ops > 0 && draft_bytes(d) + bytes > FRAME_SOFT_MAX) {
			add_run(d, &run);
			r = draft_write(d);
			run.first_index += run.n_ops;
			run.raw += run.raw_bytes;
			n_ops -= run.n_ops;
			bytes -= run.raw_bytes;
		}
		run.n_ops = n_ops;
		run.raw_bytes = (uint32_t)bytes;
	}
	if (r == 0)
		add_run(d, &run);
	return r;
}

static int add_piece(struct draft *d, const struct oplog_piece *p)
{
	struct cut_ops run = {
		.seq = p->seq,
		.first_index = p->first_index,
		.n_ops = p->n_ops,
		.raw_bytes = (uint32_t)p->raw.len,
		.raw = p->raw.data,
	};
	int r = draft_room(d, p->raw.len + 64);

	if (r < 0)
		return r;
	if (p->raw.len + 64 > FRAME_SOFT_MAX)
		return add_in_parts(d, p);
	add_run(d, &run);
	return buf_error(&d->runs);
}

/* ---------------------------------------------------------------- all */

bool frames_are_needed(const struct commit *c, const struct content_durable *d,
		       const struct oplog_piece *end)
{
	if (d->n_packs || d->n_stage || d->n_chunks)
		return true;
	for (const struct oplog_piece *p = c->v->oplog.unframed; p && p != end;
	     p = p->next)
		if (!p->in_frame && p->n_ops > 0)
			return true;
	return false;
}

/* Pieces before `end` are closed: nobody changes them, and they stay in the
 * list as long as the caller holds cut_lock. */
int frames_write(struct commit *c, const struct content_durable *what,
		 const struct oplog_piece *end)
{
	struct oplog_piece *first = c->v->oplog.unframed;
	struct draft d;
	int r;

	draft_init(&d, c);
	r = add_packs(&d, &what->packs, what->n_packs);
	if (r == 0)
		r = add_stage(&d, &what->stage);
	if (r == 0)
		r = add_chunks(&d, &what->chunks, what->n_chunks);
	for (struct oplog_piece *p = first; r == 0 && p != end; p = p->next)
		if (!p->in_frame && p->n_ops > 0)
			r = add_piece(&d, p);
	if (r == 0)
		r = buf_error(&d.runs);
	if (r == 0)
		r = draft_write(&d);
	for (struct oplog_piece *p = first; r == 0 && p != end; p = p->next) {
		p->in_frame = true;
		c->v->oplog.unframed = p->next;
	}
	draft_release(&d);
	return r;
}

int frames_write_packs(struct commit *c, const struct buf *packs, uint32_t n)
{
	struct draft d;
	int r;

	draft_init(&d, c);
	r = add_packs(&d, packs, n);
	if (r == 0)
		r = draft_write(&d);
	draft_release(&d);
	return r;
}

int frames_write_staged(struct commit *c, const struct buf *stage)
{
	struct draft d;
	int r;

	draft_init(&d, c);
	r = add_stage(&d, stage);
	if (r == 0)
		r = draft_write(&d);
	draft_release(&d);
	return r;
}
