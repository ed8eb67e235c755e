/* SPDX-License-Identifier: ISC */
/* The body of a frame that makes operations and contents durable. */
#include <string.h>

#include "format/format_priv.h"
#include "format/local.h"
#include "format/local_priv.h"
#include "format/op.h"
#include "format/segment.h"
#include "format/segment_priv.h"

void cut_ops_put(struct buf *b, const struct cut_ops *r)
{
	buf_put_u64(b, r->seq);
	buf_put_u32(b, r->first_index);
	buf_put_u32(b, r->n_ops);
	buf_put_u32(b, r->raw_bytes);
	buf_put_zeros(b, 4);
	buf_put(b, r->raw, r->raw_bytes);
}

void cut_ops_read(struct cursor *c, struct cut_ops *ret)
{
	ret->seq = cursor_u64(c);
	ret->first_index = cursor_u32(c);
	ret->n_ops = cursor_u32(c);
	ret->raw_bytes = cursor_u32(c);
	cursor_zeros(c, 4);
	ret->raw = cursor_take(c, ret->raw_bytes);
}

void cut_stage_entry_put(struct buf *b, const struct cut_stage_entry *e)
{
	buf_put_u64(b, e->file);
	pack_entry_put(b, &e->entry);
}

/* A broken entry shows in the cursor; *ret is zeros then. */
void cut_stage_entry_read(struct cursor *c, struct cut_stage_entry *ret)
{
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->file = cursor_u64(c);
	err = pack_entry_read(c, &ret->entry);
	format_require(c, err >= 0, err);
}

void cut_chunk_put(struct buf *b, const struct cut_chunk *e)
{
	buf_put_u64(b, e->file);
	pack_entry_put(b, &e->entry);
	buf_put(b, e->bytes, e->entry.plain_bytes);
}

void cut_chunk_read(struct cursor *c, struct cut_chunk *ret)
{
	struct cut_stage_entry e;

	cut_stage_entry_read(c, &e);
	ret->file = e.file;
	ret->entry = e.entry;
	ret->bytes = cursor_take(c, e.entry.plain_bytes);
}

void cut_encode(const struct cut *cut, struct buf *b)
{
	buf_put_u32(b, cut->n_runs);
	buf_put_u32(b, cut->n_packs);
	buf_put_u32(b, cut->n_stage);
	buf_put_u32(b, cut->n_chunks);
	buf_put(b, cut->runs.at, cursor_left(&cut->runs));
	buf_put(b, cut->packs.at, cursor_left(&cut->packs));
	buf_put(b, cut->stage.at, cursor_left(&cut->stage));
	buf_put(b, cut->chunks.at, cursor_left(&cut->chunks));
}

/* What follows the last dot of a run; the first dot that may come next. */
struct next_dot {
	uint64_t seq;
	uint32_t index;
};

static void check_run_place(struct cursor *c, const struct cut_ops *run,
			    struct next_dot *next)
{
	cursor_require(c, run->seq >= 1 && run->seq <= SEGMENT_SEQ_MAX);
	cursor_require(c, run->n_ops >= 1 && run->n_ops <= SEGMENT_MAX_OPS &&
				  run->first_index <=
					  SEGMENT_MAX_OPS - run->n_ops);
	cursor_require(c, run->seq > next->seq ||
				  (run->seq == next->seq &&
				   run->first_index >= next->index));
	next->seq = run->seq;
	next->index = run->first_index + run->n_ops;
}

static void check_run_ops(struct cursor *c, const struct cut_ops *run)
{
	struct cursor ops;
	uint32_t i;
	int err = 0;

	if (c->error)
		return;
	cursor_init(&ops, run->raw, run->raw_bytes);
	for (i = 0; i < run->n_ops && err >= 0; i++) {
		struct op op;

		op.dot = (struct dot){ 0 };
		err = op_decode(&ops, &op);
	}
	if (err >= 0)
		err = cursor_finish(&ops);
	format_require(c, err >= 0, err);
}

static void check_runs(struct cursor *c, uint32_t n)
{
	struct next_dot next = { 0 };
	uint32_t i;

	if (!cursor_fits(c, n, CUT_RUN_FIXED_BYTES))
		return;
	for (i = 0; i < n && !c->error; i++) {
		struct cut_ops run;

		cut_ops_read(c, &run);
		check_run_place(c, &run, &next);
		check_run_ops(c, &run);
	}
}

static void check_packs(struct cursor *c, uint32_t n)
{
	uint32_t i;

	if (!cursor_fits(c, n, SEGMENT_PACK_FIXED_BYTES))
		return;
	for (i = 0; i < n && !c->error; i++) {
		struct segment_pack p;

		segment_pack_check(c, &p);
	}
}

static void check_stage(struct cursor *c, uint32_t n)
{
	uint32_t i;

	if (!cursor_fits(c, n, CUT_STAGE_ENTRY_BYTES))
		return;
	for (i = 0; i < n && !c->error; i++) {
		struct cut_stage_entry e;

		cut_stage_entry_read(c, &e);
	}
}

static void check_chunks(struct cursor *c, uint32_t n)
{
	uint32_t i;

	if (!cursor_fits(c, n, CUT_STAGE_ENTRY_BYTES))
		return;
	for (i = 0; i < n && !c->error; i++) {
		struct cut_chunk e;

		cut_chunk_read(c, &e);
	}
}

int cut_decode(struct cursor *c, struct cut *ret)
{
	struct cut cut;
	int err;

	cut.n_runs = cursor_u32(c);
	cut.n_packs = cursor_u32(c);
	cut.n_stage = cursor_u32(c);
	cut.n_chunks = cursor_u32(c);
	cut.runs = *c;
	check_runs(c, cut.n_runs);
	cut.runs.end = c->at;
	cut.packs = *c;
	check_packs(c, cut.n_packs);
	cut.packs.end = c->at;
	cut.stage = *c;
	check_stage(c, cut.n_stage);
	cut.stage.end = c->at;
	cut.chunks = *c;
	check_chunks(c, cut.n_chunks);
	err = cursor_finish(c);
	if (err < 0)
		return err;
	*ret = cut;
	return 0;
}
