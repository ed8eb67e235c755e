/* SPDX-License-Identifier: ISC */
#include "vault/content/map.h"

#include "base/mem.h"

#define N_LEVELS 3 /* dirty, flushing, rows */

struct walk {
	struct vault *v;
	uint64_t ino;
	const struct layer *layers[N_LEVELS - 1];
	map_fn *fn;
	void *arg;
};

static int walk_level(struct walk *w, unsigned level, uint64_t from,
		      uint64_t to);

static int give_zeros(struct walk *w, uint64_t from, uint64_t to)
{
	const struct map_part part = {
		.offset = from,
		.length = to - from,
		.kind = MAP_ZERO,
	};

	return from < to ? w->fn(w->arg, &part) : 0;
}

/* ---------------------------------------------------------------- rows */

struct row_walk {
	struct walk *w;
	uint64_t pos, to;
};

static int give_row(void *arg, const struct index_extent *e)
{
	struct row_walk *rw = arg;
	uint64_t from = max_of(e->offset, rw->pos);
	uint64_t to = min_of(e->offset + e->length, rw->to);
	uint64_t skip = from - e->offset;
	struct map_part part = { .offset = from, .length = to - from };
	int r;

	if (from >= to)
		return 0;
	r = give_zeros(rw->w, rw->pos, from);
	if (r != 0)
		return r;
	if (e->kind == EXTENT_CHUNK) {
		part.kind = MAP_CHUNK;
		part.chunk = e->chunk;
		part.chunk_offset = e->chunk_offset + (uint32_t)skip;
	} else {
		part.kind = MAP_BYTES;
		part.bytes = e->bytes + skip;
	}
	rw->pos = to;
	return rw->w->fn(rw->w->arg, &part);
}

static int walk_rows(struct walk *w, uint64_t from, uint64_t to)
{
	struct row_walk rw = { w, from, to };
	int r = index_extent_each(w->v->index, w->ino, from, to, give_row, &rw);

	return r != 0 ? r : give_zeros(w, rw.pos, to);
}

/* ---------------------------------------------------------------- layers */

static int give_run(struct walk *w, const struct run *r, uint64_t from,
		    uint64_t to)
{
	const struct run cut = run_part(r, from, to);
	struct map_part part = {
		.offset = from,
		.length = to - from,
		.run = &cut,
	};

	switch (r->kind) {
	case RUN_DATA:
	case RUN_INLINE:
		part.kind = MAP_BYTES;
		part.bytes = cut.bytes.buf->bytes + cut.bytes.at;
		break;
	case RUN_CHUNK:
		part.kind = MAP_CHUNK;
		part.chunk = cut.part.chunk->number;
		part.chunk_offset = cut.part.offset;
		break;
	case RUN_HOLE:
		part.kind = MAP_ZERO;
		break;
	}
	return w->fn(w->arg, &part);
}

/* Where the layer has no run: what is below, up to its cut. */
static int walk_gap(struct walk *w, unsigned level, const struct layer *l,
		    uint64_t from, uint64_t to)
{
	uint64_t middle = max_of(from, min_of(to, layer_cut(l)));
	int r = 0;

	if (from < middle)
		r = walk_level(w, level + 1, from, middle);
	return r != 0 ? r : give_zeros(w, middle, to);
}

/* Calls itself once a level. */
static int walk_level(struct walk *w, unsigned level, uint64_t from,
		      uint64_t to)
{
	const struct layer *l;
	const struct run *run;
	int r = 0;

	while (level < N_LEVELS - 1 && !w->layers[level])
		level++;
	if (level == N_LEVELS - 1)
		return walk_rows(w, from, to);
	l = w->layers[level];
	run = layer_find(l, from);
	while (r == 0 && from < to) {
		uint64_t gap_end = run ? min_of(run->offset, to) : to;
		uint64_t end = run ? min_of(run_end(run), to) : to;

		if (from < gap_end)
			r = walk_gap(w, level, l, from, gap_end);
		from = max_of(from, gap_end);
		if (r == 0 && from < end)
			r = give_run(w, run, from, end);
		from = end;
		run = run ? layer_next(run) : NULL;
	}
	return r;
}

int map_walk(struct vault *v, const struct file *f, uint64_t from, uint64_t to,
	     map_fn *fn, void *arg)
{
	struct walk w = {
		.v = v,
		.ino = f->ino,
		.layers = { f->dirty, f->flushing },
		.fn = fn,
		.arg = arg,
	};

	return from < to ? walk_level(&w, 0, from, to) : 0;
}
