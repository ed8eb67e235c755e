/* SPDX-License-Identifier: ISC */
#include "vault/content/flush_batch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "format/extent.h"
#include "vault/content/tail.h"

/* A batch: enough for all workers, not so much that its data is held back. */
#define BATCH_BYTES ((uint64_t)16 << 20)
#define BATCH_PIECES 8192u

/* A job hashes so much, and interns so many in one go under the index lock. */
#define JOB_BYTES ((uint64_t)256 << 10)
#define JOB_PIECES 16u

void batch_init(struct batch *b, struct content *c)
{
	uint64_t chunk_max = c->v->header.chunk_max;

	*b = (struct batch){ .c = c };
	/* A range that is taken in part must hold a whole chunk. */
	b->max_bytes = max_of(2 * chunk_max,
			      min_of(BATCH_BYTES, c->budget.hard_bytes / 4));
}

void batch_release(struct batch *b)
{
	for (size_t i = 0; i < b->n_sources; i++)
		databuf_put(b->sources[i].buf);
	for (size_t i = 0; i < b->n_pieces; i++) {
		databuf_put(b->pieces[i].buf);
		chunk_put(b->pieces[i].chunk);
	}
	for (size_t i = 0; i < b->n_files; i++)
		layer_put(b->files[i].layer);
	for (size_t i = 0; i < b->n_ranges; i++)
		tail_free(b->ranges[i].tail);
	if (b->scratch)
		mem_wipe(b->scratch, b->c->v->header.chunk_max);
	mem_free(b->scratch);
	mem_free(b->files);
	mem_free(b->sources);
	mem_free(b->ranges);
	mem_free(b->pieces);
	batch_init(b, b->c);
}

bool batch_is_full(const struct batch *b)
{
	return b->bytes >= b->max_bytes || b->n_sources >= BATCH_PIECES ||
	       b->n_files >= BATCH_PIECES;
}

/* One zeroed element more of an array whose pointer stands at `array`; NULL if
 * out of memory. */
static void *add_one(void *array, size_t *n, size_t *cap, size_t size)
{
	uint8_t *a;

	/* A pointer of any type: memcpy, not a cast, keeps to the aliasing
	 * rules (C17, 6.5 paragraph 7). */
	memcpy(&a, array, sizeof(a));
	if (*n == *cap) {
		size_t bigger = *cap ? 2 * *cap : 8;

		a = mem_realloc_array(a, bigger, size);
		if (!a)
			return NULL;
		memcpy(array, &a, sizeof(a));
		*cap = bigger;
	}
	a += *n * size;
	memset(a, 0, size);
	(*n)++;
	return a;
}

#define ADD_ONE(b, what)                                                       \
	add_one(&(b)->what, &(b)->n_##what, &(b)->cap_##what,                  \
		sizeof(*(b)->what))

/* ---------------------------------------------------------------- taking */

/* A range of data of a layer: its runs, first to last. */
struct data_range {
	const struct run *first;
	uint64_t bytes;
	uint64_t touched_ns;
	const struct run *after; /* the run behind it; NULL */
};

/* The first at or after a run; false if there is none. */
static bool find_range(const struct run *r, struct data_range *ret)
{
	while (r && r->kind != RUN_DATA)
		r = layer_next(r);
	if (!r)
		return false;
	*ret = (struct data_range){ .first = r };
	do {
		uint64_t end = run_end(r);

		ret->bytes += r->length;
		ret->touched_ns = max_of(ret->touched_ns, r->bytes.touched_ns);
		r = layer_next(r);
		if (r && r->offset != end)
			break;
	} while (r && r->kind == RUN_DATA);
	ret->after = r;
	return true;
}

static bool is_chosen(const struct data_range *d,
		      const struct flush_choice *choice)
{
	if (choice->is_cut)
		return true;
	return d->bytes > OP_INLINE_MAX && d->bytes >= choice->min_bytes &&
	       (choice->before_ns == 0 || d->touched_ns <= choice->before_ns);
}

static int add_source(struct batch *b, const struct file *f,
		      const struct run *r)
{
	struct source *s = ADD_ONE(b, sources);

	if (!s)
		return -ENOMEM;
	s->offset = r->offset;
	s->length = r->length;
	s->buf = databuf_get(r->bytes.buf);
	s->at = r->bytes.at;
	databuf_freeze(s->buf, f, (uint32_t)(s->at + s->length));
	b->bytes += s->length;
	return 0;
}

/* What was cut before its time in front of the range: read later. */
static int add_tail(struct batch *b, struct range *range, struct file *f,
		    const struct data_range *d)
{
	uint64_t offset = d->first->offset;
	struct source *s;

	range->tail = tail_take(b->c, f, offset, d->bytes);
	if (!range->tail)
		return 0;
	s = ADD_ONE(b, sources);
	if (!s)
		return -ENOMEM;
	s->offset = tail_start(range->tail);
	s->length = offset - s->offset;
	b->bytes += s->length;
	range->n++;
	return 0;
}

static int add_range(struct batch *b, const struct data_range *d, size_t file,
		     bool is_stream)
{
	const struct run *r = d->first;
	struct range *range = ADD_ONE(b, ranges);
	uint64_t taken = 0;
	int r_add;

	if (!range)
		return -ENOMEM;
	range->first = b->n_sources;
	range->file = file;
	r_add = add_tail(b, range, b->files[file].f, d);
	if (r_add < 0)
		return r_add;
	while (taken < d->bytes && !(taken > 0 && batch_is_full(b) &&
				     taken >= b->c->v->header.chunk_max)) {
		r_add = add_source(b, b->files[file].f, r);
		if (r_add < 0)
			return r_add;
		range->n++;
		taken += r->length;
		r = layer_next(r);
	}
	range->is_end = taken == d->bytes && !is_stream;
	return 0;
}

static int add_file(struct batch *b, struct file *f, struct layer *l)
{
	struct batch_file *bf = ADD_ONE(b, files);

	if (!bf)
		return -ENOMEM;
	bf->f = f;
	bf->layer = layer_get(l);
	return 0;
}

int batch_add(struct batch *b, struct file *f, struct layer *l,
	      const struct flush_choice *choice, bool *ret_any)
{
	const struct run *r = layer_find(l, 0);
	struct data_range d;
	size_t file = b->n_files;
	int err = 0;

	*ret_any = false;
	while (err == 0 && !batch_is_full(b) && find_range(r, &d)) {
		r = d.after;
		if (!is_chosen(&d, choice))
			continue;
		if (!*ret_any)
			err = add_file(b, f, l);
		*ret_any = true;
		if (err == 0)
			err = add_range(b, &d, file, choice->is_stream);
	}
	if (err < 0 && b->n_files > file)
		b->files[file].err = err;
	return b->n_files > file ? 0 : err;
}

/* ---------------------------------------------------------------- cutting */

/* A place in a range. */
struct place {
	const struct source *s; /* the source it is in, */
	uint64_t skip;		/* and how far */
	const struct source *end;
	uint64_t left; /* bytes of the range from here on */
};

static void advance(struct place *p, uint64_t n)
{
	p->left -= n;
	p->skip += n;
	while (p->s < p->end && p->skip >= p->s->length) {
		p->skip -= p->s->length;
		p->s++;
	}
}

static void copy_from(struct place p, uint8_t *to, size_t n)
{
	while (n > 0) {
		size_t k = (size_t)min_of((uint64_t)n, p.s->length - p.skip);

		memcpy(to, p.s->buf->bytes + p.s->at + p.skip, k);
		to += k;
		n -= k;
		advance(&p, k);
	}
}

/* Length of the next chunk; 0 if more may belong to it. */
static int cut_next(struct batch *b, const struct place *p, bool is_end,
		    size_t *ret_n)
{
	const struct chunker *ch = &b->c->v->chunker;
	uint64_t in_one = p->s->length - p->skip;
	size_t want = (size_t)min_of(p->left, (uint64_t)ch->max);
	bool is_all = want == p->left && is_end;

	in_one = min_of(in_one, (uint64_t)want);
	*ret_n = chunker_next(ch, p->s->buf->bytes + p->s->at + p->skip,
			      (size_t)in_one, in_one == want && is_all);
	if (*ret_n > 0 || in_one == want)
		return 0;
	if (!b->scratch)
		b->scratch = mem_alloc(ch->max);
	if (!b->scratch)
		return -ENOMEM;
	copy_from(*p, b->scratch, want);
	*ret_n = chunker_next(ch, b->scratch, want, is_all);
	return 0;
}

/* Bytes of several sources are put together. */
static int fill_piece(struct batch *b, struct piece *pc, const struct place *p)
{
	if (pc->length <= p->s->length - p->skip) {
		pc->buf = databuf_get(p->s->buf);
		pc->at = (uint32_t)(p->s->at + p->skip);
		return 0;
	}
	pc->buf = databuf_new(&b->c->budget, NULL, pc->length);
	if (!pc->buf)
		return -ENOMEM;
	for (struct place q = *p; pc->buf->used < pc->length;) {
		uint64_t k = min_of((uint64_t)(pc->length - pc->buf->used),
				    q.s->length - q.skip);

		databuf_append(pc->buf, q.s->buf->bytes + q.s->at + q.skip,
			       (uint32_t)k);
		advance(&q, k);
	}
	return 0;
}

/* What cannot be read is left as it is. */
static void read_tail(struct batch *b, struct range *rg)
{
	struct databuf *buf;

	if (!rg->tail)
		return;
	if (tail_read(b->c, rg->tail, &buf) < 0) {
		tail_free(rg->tail);
		rg->tail = NULL;
		rg->first++;
		rg->n--;
		return;
	}
	b->sources[rg->first].buf = databuf_get(buf);
}

static int cut_range(struct batch *b, size_t range, bool is_cut)
{
	struct range *rg = &b->ranges[range];
	struct place p;

	read_tail(b, rg);
	/* Without memory for its first source. */
	if (rg->n == 0)
		return 0;
	p = (struct place){ b->sources + rg->first, 0,
			    b->sources + rg->first + rg->n, 0 };
	for (size_t i = 0; i < rg->n; i++)
		p.left += p.s[i].length;
	while (p.left > 0) {
		uint64_t offset = p.s->offset + p.skip;
		struct piece *pc;
		size_t n;
		int r = cut_next(b, &p, rg->is_end, &n);

		if (r < 0)
			return r;
		/* Not cut yet, or too short to be stored by itself: it stays
		 * as it is. */
		if (n == 0 || (n <= OP_INLINE_MAX && !is_cut))
			return 0;
		pc = ADD_ONE(b, pieces);
		if (!pc)
			return -ENOMEM;
		pc->offset = offset;
		pc->length = (uint32_t)n;
		pc->range = range;
		pc->is_inline = n <= OP_INLINE_MAX;
		r = fill_piece(b, pc, &p);
		if (r < 0)
			return r;
		advance(&p, n);
		rg->last = offset;
	}
	rg->is_cut_short = rg->is_end;
	return 0;
}

/* ---------------------------------------------------------------- hashing */

struct hash_job {
	struct job job;
	struct batch *b;
	size_t first, n;
	int err;
};

static int intern_some(struct batch *b, struct piece *pieces, size_t n)
{
	struct vault *v = b->c->v;
	int r;

	lock_take(&v->index_lock);
	r = index_state(v->index);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct piece *pc = &pieces[i];

		if (!pc->is_inline)
			r = pool_intern(b->c, &pc->id, pc->buf,
					pc->buf->bytes + pc->at, pc->length,
					&pc->chunk);
	}
	lock_drop(&v->index_lock);
	return r;
}

static void run_hash_job(struct job *j)
{
	struct hash_job *hj = container_of(j, struct hash_job, job);
	const struct key *cid = &hj->b->c->v->keys->vault.cid_data;
	struct piece *pieces = hj->b->pieces + hj->first;

	for (size_t i = 0; i < hj->n; i++)
		if (!pieces[i].is_inline)
			keys_content_id(cid,
					pieces[i].buf->bytes + pieces[i].at,
					pieces[i].length, &pieces[i].id);
	hj->err = intern_some(hj->b, pieces, hj->n);
}

static void fail_file(struct batch *b, size_t range, int err)
{
	struct batch_file *bf = &b->files[b->ranges[range].file];

	if (bf->err == 0)
		bf->err = err;
}

static void hash_pieces(struct batch *b)
{
	auto_free struct hash_job *jobs =
		mem_zalloc_array(max_of(b->n_pieces, (size_t)1), sizeof(*jobs));
	struct job_group g = { 0 };
	size_t n_jobs = 0;

	for (size_t i = 0; !jobs && i < b->n_ranges; i++)
		fail_file(b, i, -ENOMEM);
	for (size_t i = 0; jobs && i < b->n_pieces;) {
		struct hash_job *hj = &jobs[n_jobs++];
		uint64_t bytes = 0;

		*hj = (struct hash_job){ .b = b, .first = i };
		hj->job.run = run_hash_job;
		while (i < b->n_pieces && bytes < JOB_BYTES &&
		       hj->n < JOB_PIECES) {
			bytes += b->pieces[i++].length;
			hj->n++;
		}
		workers_add(b->c->workers, &g, &hj->job);
	}
	workers_wait(b->c->workers, &g);
	for (size_t k = 0; k < n_jobs; k++)
		for (size_t i = 0; jobs[k].err < 0 && i < jobs[k].n; i++)
			fail_file(b, b->pieces[jobs[k].first + i].range,
				  jobs[k].err);
}

void batch_run(struct batch *b, bool is_cut)
{
	for (size_t i = 0; i < b->n_ranges; i++) {
		int r = cut_range(b, i, is_cut);

		if (r < 0)
			fail_file(b, i, r);
	}
	hash_pieces(b);
}

/* ---------------------------------------------------------------- putting back */

static struct run run_of(const struct piece *pc)
{
	struct run r = { .offset = pc->offset, .length = pc->length };

	if (pc->is_inline) {
		r.kind = RUN_INLINE;
		r.bytes = (struct run_bytes){ .buf = pc->buf, .at = pc->at };
	} else {
		r.kind = RUN_CHUNK;
		r.part = (struct run_chunk){ .chunk = pc->chunk };
	}
	return r;
}

/* What a tail consisted of is in no layer as data. */
static int put_part(struct batch *b, struct layer *l, const struct range *rg,
		    const struct source *s, uint64_t from, uint64_t to,
		    const struct run *as)
{
	struct run part;

	if (!rg->tail || s != &b->sources[rg->first])
		return layer_replace_data(
			l, from, to - from, s->buf,
			(uint32_t)(s->at + (from - s->offset)), as);
	if (!rg->tail_stands)
		return 0;
	part = run_part(as, from, to);
	return layer_set(l, &part);
}

/* A piece in place of the data it was made of, from source *at on. */
static int put_piece(struct batch *b, struct layer *l, const struct piece *pc,
		     size_t *at)
{
	const struct run as = run_of(pc);
	const struct range *rg = &b->ranges[pc->range];
	size_t last = rg->first + rg->n;

	*at = max_of(*at, rg->first);
	while (*at < last) {
		const struct source *s = &b->sources[*at];
		uint64_t from = max_of(s->offset, as.offset);
		uint64_t to = min_of(s->offset + s->length, run_end(&as));

		if (from < to) {
			int r = put_part(b, l, rg, s, from, to, &as);

			if (r < 0)
				return r;
		}
		if (s->offset + s->length > run_end(&as))
			break;
		++*at;
	}
	return 0;
}

/* Before anything of the file is put: a look at its map, once a range. */
static void compare_tails(struct batch *b, size_t file, size_t range)
{
	const struct file *f = b->files[file].f;

	for (; range < b->n_ranges && b->ranges[range].file == file; range++) {
		struct range *rg = &b->ranges[range];

		if (rg->tail)
			rg->tail_stands = tail_stands(b->c, f, rg->tail);
	}
}

static void note_tail(struct batch *b, const struct batch_file *bf,
		       const struct range *rg)
{
	const struct source *s, *last;

	if (bf->err != 0 || !rg->is_cut_short)
		return;
	s = &b->sources[rg->first];
	last = s + rg->n - 1;
	tail_note(bf->f, s->offset, rg->last, last->offset + last->length,
		  b->c->v->header.chunk_max);
}

void batch_apply(struct batch *b, batch_done_fn *fn, void *arg)
{
	size_t piece = 0, source = 0, range = 0;

	for (size_t i = 0; i < b->n_files; i++) {
		struct batch_file *bf = &b->files[i];

		lock_take(&bf->f->lock);
		compare_tails(b, i, range);
		while (piece < b->n_pieces &&
		       b->ranges[b->pieces[piece].range].file == i) {
			if (bf->err == 0)
				bf->err = put_piece(b, bf->layer,
						    &b->pieces[piece], &source);
			piece++;
		}
		for (; range < b->n_ranges && b->ranges[range].file == i;
		     range++)
			note_tail(b, bf, &b->ranges[range]);
		fn(arg, bf->f, bf->layer, bf->err);
		file_note_layers(&b->c->files, bf->f);
		lock_drop(&bf->f->lock);
	}
}
