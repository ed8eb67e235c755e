/* SPDX-License-Identifier: ISC */
#include "vault/content/layer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "format/extent.h"

/* Levels of the list: with a quarter of the nodes on each further one, enough
 * for 4^12 runs. */
#define HEIGHT_MAX 12u

/* Encoded bytes of an extent without inline bytes, at most. */
#define EXTENT_BYTES_MAX 60u

/* layer_set takes one for the run and one for the rest of a run cut in two. */
#define NODES_PER_SET 2u

/* Buffers grow in these steps, so that small appends find room. */
#define BUF_STEP 256u

struct node {
	struct run run; /* first: a run stands for its node */
	unsigned height;
	struct node *next[];
};

struct layer {
	atomic_uint refs;
	struct budget *budget;
	uint64_t cut;
	uint64_t n_runs;
	uint64_t n_byte_runs; /* RUN_DATA and RUN_INLINE */
	uint64_t data_bytes, inline_bytes;
	uint64_t random;
	struct node *head; /* no run; every level */
	struct node *spare;
	unsigned n_spare;
};

/* ---------------------------------------------------------------- runs */

static bool has_bytes(const struct run *r)
{
	return r->kind == RUN_DATA || r->kind == RUN_INLINE;
}

static void run_get(struct run *r)
{
	if (has_bytes(r))
		databuf_get(r->bytes.buf);
	else if (r->kind == RUN_CHUNK)
		chunk_get(r->part.chunk);
}

static void run_put(struct run *r)
{
	if (has_bytes(r))
		databuf_put(r->bytes.buf);
	else if (r->kind == RUN_CHUNK)
		chunk_put(r->part.chunk);
}

struct run run_part(const struct run *r, uint64_t from, uint64_t to)
{
	struct run ret = *r;
	uint64_t skip = from - r->offset;

	assert(from >= r->offset && from < to && to <= run_end(r));
	ret.offset = from;
	ret.length = to - from;
	if (has_bytes(r))
		ret.bytes.at += (uint32_t)skip;
	else if (r->kind == RUN_CHUNK)
		ret.part.offset += (uint32_t)skip;
	return ret;
}

/* Does `b` go on where `a` ends? */
static bool continues(const struct run *a, const struct run *b)
{
	if (a->kind != b->kind || run_end(a) != b->offset)
		return false;
	if (a->kind == RUN_HOLE)
		return true;
	return a->kind == RUN_CHUNK && a->part.chunk == b->part.chunk &&
	       a->part.offset + a->length == b->part.offset;
}

/* ---------------------------------------------------------------- nodes */

static uint64_t node_bytes(unsigned height)
{
	return sizeof(struct node) + height * sizeof(struct node *);
}

static struct node *node_new(struct budget *b, unsigned height)
{
	struct node *n = mem_zalloc(node_bytes(height));

	if (!n)
		return NULL;
	n->height = height;
	budget_charge(b, node_bytes(height));
	return n;
}

static void node_free(struct budget *b, struct node *n)
{
	uint64_t bytes = node_bytes(n->height);

	mem_free(n);
	budget_give_back(b, bytes);
}

/* Each level with a quarter of the nodes of the one below.  The numbers need
 * not be unpredictable: who writes a file only slows his own down.
 * (xorshift64: Marsaglia, Xorshift RNGs, Journal of Statistical Software 8,
 * 2003.) */
static unsigned random_height(struct layer *l)
{
	unsigned height = 1;
	uint64_t x = l->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	l->random = x;
	while (height < HEIGHT_MAX && (x & 3) == 0) {
		height++;
		x >>= 2;
	}
	return height;
}

static int reserve_nodes(struct layer *l, unsigned n)
{
	while (l->n_spare < n) {
		struct node *s = node_new(l->budget, random_height(l));

		if (!s)
			return -ENOMEM;
		s->next[0] = l->spare;
		l->spare = s;
		l->n_spare++;
	}
	return 0;
}

static void drop_spare(struct layer *l, unsigned kept)
{
	while (l->n_spare > kept) {
		struct node *s = l->spare;

		l->spare = s->next[0];
		l->n_spare--;
		node_free(l->budget, s);
	}
}

static void account(struct layer *l, const struct run *r, bool add)
{
	uint64_t sign = add ? 1 : UINT64_MAX; /* modulo 2^64: -1 */

	if (r->kind != RUN_HOLE)
		atomic_fetch_add_explicit(&l->budget->layered, sign * r->length,
					  memory_order_relaxed);
	l->n_runs += sign;
	if (has_bytes(r))
		l->n_byte_runs += sign;
	if (r->kind == RUN_DATA)
		l->data_bytes += sign * r->length;
	if (r->kind == RUN_INLINE)
		l->inline_bytes += sign * r->length;
}

/* The last node on each level that begins before `offset`. */
static void find_before(const struct layer *l, uint64_t offset,
			struct node *before[static HEIGHT_MAX])
{
	struct node *n = l->head;

	for (unsigned i = HEIGHT_MAX; i-- > 0;) {
		while (n->next[i] && n->next[i]->run.offset < offset)
			n = n->next[i];
		before[i] = n;
	}
}

/* A spare node, with references of its own to what the run holds. */
static void insert(struct layer *l, const struct run *r)
{
	struct node *before[HEIGHT_MAX];
	struct node *n = l->spare;

	assert(n);
	l->spare = n->next[0];
	l->n_spare--;
	n->run = *r;
	run_get(&n->run);
	find_before(l, r->offset, before);
	for (unsigned i = 0; i < n->height; i++) {
		n->next[i] = before[i]->next[i];
		before[i]->next[i] = n;
	}
	account(l, r, true);
}

static void remove_node(struct layer *l, struct node *n)
{
	struct node *before[HEIGHT_MAX];

	find_before(l, n->run.offset, before);
	for (unsigned i = 0; i < n->height; i++)
		before[i]->next[i] = n->next[i];
	account(l, &n->run, false);
	run_put(&n->run);
	node_free(l->budget, n);
}

/* Makes a node hold a part of what it held; its place in the list stays. */
static void shrink(struct layer *l, struct node *n, uint64_t from, uint64_t to)
{
	account(l, &n->run, false);
	n->run = run_part(&n->run, from, to);
	account(l, &n->run, true);
}

/* ---------------------------------------------------------------- life */

struct layer *layer_new(struct budget *b)
{
	struct layer *l = mem_zalloc(sizeof(*l));

	if (!l)
		return NULL;
	l->head = node_new(b, HEIGHT_MAX);
	if (!l->head) {
		mem_free(l);
		return NULL;
	}
	atomic_init(&l->refs, 1);
	l->budget = b;
	l->cut = LAYER_NO_CUT;
	l->random = UINT64_C(88172645463325252);
	return l;
}

struct layer *layer_get(struct layer *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

void layer_put(struct layer *l)
{
	struct node *n;

	if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	while ((n = l->head->next[0])) {
		l->head->next[0] = n->next[0];
		account(l, &n->run, false);
		run_put(&n->run);
		node_free(l->budget, n);
	}
	drop_spare(l, 0);
	node_free(l->budget, l->head);
	mem_free(l);
}

/* ---------------------------------------------------------------- reading */

static const struct node *node_of(const struct run *r)
{
	return (const struct node *)(const void *)r;
}

/* The node that holds `offset`, else the first after it. */
static struct node *find_node(const struct layer *l, uint64_t offset)
{
	struct node *before[HEIGHT_MAX];
	struct node *n;

	find_before(l, offset, before);
	n = before[0];
	if (n != l->head && run_end(&n->run) > offset)
		return n;
	return n->next[0];
}

const struct run *layer_find(const struct layer *l, uint64_t offset)
{
	const struct node *n = find_node(l, offset);

	return n ? &n->run : NULL;
}

const struct run *layer_next(const struct run *r)
{
	const struct node *n = node_of(r)->next[0];

	return n ? &n->run : NULL;
}

uint64_t layer_cut(const struct layer *l)
{
	return l->cut;
}

bool layer_is_empty(const struct layer *l)
{
	return l->n_runs == 0;
}

uint64_t layer_data_bytes(const struct layer *l)
{
	return l->data_bytes;
}

/*
 * A range of data becomes at most data / chunk_min chunks and one shorter
 * piece; data that was on its way to a chunk while parts of it were
 * overwritten is cut once more at the chunks' borders.  Holes may stand
 * between any two runs and behind the last.
 */
void layer_bound(const struct layer *l, uint32_t chunk_min,
		 uint64_t *ret_extents, uint64_t *ret_bytes)
{
	uint64_t extents =
		2 * l->n_runs + 1 + l->n_byte_runs + l->data_bytes / chunk_min;
	uint64_t tails = l->n_byte_runs * OP_INLINE_MAX;

	*ret_extents = extents;
	*ret_bytes = extents * EXTENT_BYTES_MAX +
		     min_of(l->data_bytes + l->inline_bytes, tails);
}

/* ---------------------------------------------------------------- changing */

/* Nothing stands in [from, to) afterwards.  Takes a spare node if a run is cut
 * in two. */
static void punch(struct layer *l, uint64_t from, uint64_t to)
{
	struct node *n = find_node(l, from);

	if (n && n->run.offset < from) {
		struct run old = n->run;
		struct node *next = n->next[0];

		/* The rest first: it takes a reference before one may go. */
		if (run_end(&old) > to) {
			struct run rest = run_part(&old, to, run_end(&old));

			insert(l, &rest);
		}
		shrink(l, n, old.offset, from);
		n = next;
	}
	while (n && n->run.offset < to) {
		struct node *next = n->next[0];

		if (run_end(&n->run) <= to)
			remove_node(l, n);
		else
			shrink(l, n, to, run_end(&n->run));
		n = next;
	}
}

static void extend(struct layer *l, struct node *n, uint64_t bytes)
{
	account(l, &n->run, false);
	n->run.length += bytes;
	account(l, &n->run, true);
}

static struct node *find_ending_at(const struct layer *l, uint64_t offset)
{
	struct node *before[HEIGHT_MAX];
	struct node *n;

	find_before(l, offset, before);
	n = before[0];
	return n != l->head && run_end(&n->run) == offset ? n : NULL;
}

/* The range is free. */
static void put_run(struct layer *l, const struct run *r)
{
	struct node *prev = find_ending_at(l, r->offset);
	struct node *next;

	if (prev && continues(&prev->run, r)) {
		extend(l, prev, r->length);
	} else {
		insert(l, r);
		prev = find_node(l, r->offset);
	}
	next = prev->next[0];
	if (next && continues(&prev->run, &next->run)) {
		uint64_t bytes = next->run.length;

		remove_node(l, next);
		extend(l, prev, bytes);
	}
}

int layer_reserve(struct layer *l, unsigned n)
{
	return reserve_nodes(l, n * NODES_PER_SET);
}

int layer_set(struct layer *l, const struct run *r)
{
	int err = reserve_nodes(l, NODES_PER_SET);

	if (err < 0)
		return err;
	punch(l, r->offset, run_end(r));
	put_run(l, r);
	return 0;
}

void layer_truncate(struct layer *l, uint64_t size)
{
	punch(l, size, UINT64_MAX);
	l->cut = min_of(l->cut, size);
}

/* Is the byte at `offset` of the file that at `at` of `buf`? */
static bool is_data_at(const struct run *r, uint64_t offset,
		       const struct databuf *buf, uint64_t at)
{
	return r->kind == RUN_DATA && r->bytes.buf == buf &&
	       r->bytes.at + (offset - r->offset) == at;
}

int layer_replace_data(struct layer *l, uint64_t offset, uint64_t length,
		       const struct databuf *buf, uint32_t at,
		       const struct run *as)
{
	uint64_t pos = offset, end = offset + length;
	const struct run *r;

	while (pos < end && (r = layer_find(l, pos)) && r->offset < end) {
		uint64_t from = max_of(r->offset, pos);
		uint64_t to = min_of(run_end(r), end);

		if (is_data_at(r, from, buf, at + (from - offset))) {
			struct run part = run_part(as, from, to);
			int err = layer_set(l, &part);

			if (err < 0)
				return err;
		}
		pos = to;
	}
	return 0;
}

int layer_lay_over(struct layer *l, const struct layer *top)
{
	int err = layer_reserve(l, (unsigned)top->n_runs);

	if (err < 0)
		return err;
	if (top->cut != LAYER_NO_CUT)
		layer_truncate(l, top->cut);
	for (struct node *n = top->head->next[0]; n; n = n->next[0]) {
		err = layer_set(l, &n->run);
		assert(err == 0);
	}
	drop_spare(l, NODES_PER_SET);
	return 0;
}

/* ---------------------------------------------------------------- writing */

/* One write: first bytes that are changed in place, then bytes added to the
 * buffer of the run before, then a run of their own. */
struct write {
	struct node *into; /* bytes changed in it; NULL */
	size_t n_into;
	struct node *behind; /* grows by n_behind; NULL */
	size_t n_behind;
	struct databuf *fresh; /* the rest; NULL */
	size_t n_fresh;
};

static bool is_own_data(const struct node *n, const void *owner)
{
	return n->run.kind == RUN_DATA && n->run.bytes.buf->owner == owner;
}

/* How many bytes from `offset` on, in a run that holds it, may be changed. */
static size_t changeable(const struct node *n, const void *owner,
			 uint64_t offset, size_t len)
{
	const struct run *r = &n->run;
	uint64_t skip = offset - r->offset;

	if (!is_own_data(n, owner) || r->bytes.at + skip < r->bytes.buf->frozen)
		return 0;
	return (size_t)min_of((uint64_t)len, r->length - skip);
}

/* How many bytes may be added behind a run. */
static size_t growable(const struct node *n, const void *owner, size_t len)
{
	const struct run *r = &n->run;
	const struct databuf *d = r->bytes.buf;

	if (!is_own_data(n, owner) || r->bytes.at + r->length != d->used)
		return 0;
	return min_of(len, (size_t)(d->cap - d->used));
}

/* A stream that goes on gets twice the room it had, so that its chunks lie
 * in one piece; anything else what it needs. */
static uint32_t buffer_bytes(const struct layer *l, const struct node *behind,
			     size_t n)
{
	size_t cap = (n + BUF_STEP - 1) / BUF_STEP * BUF_STEP;

	if (behind && behind->run.kind == RUN_DATA)
		cap = max_of(cap, min_of((size_t)2 * behind->run.bytes.buf->cap,
					 (size_t)l->budget->big_bytes));
	return (uint32_t)cap;
}

static int plan(struct layer *l, const void *owner, uint64_t offset,
		const uint8_t *from, size_t len, struct write *w)
{
	struct node *n = find_node(l, offset);
	uint64_t at = offset;

	if (n && n->run.offset <= offset) {
		w->n_into = changeable(n, owner, offset, len);
		if (w->n_into > 0) {
			w->into = n;
			at += w->n_into;
			len -= w->n_into;
		}
	}
	if (len == 0)
		return 0;
	w->behind = find_ending_at(l, at);
	if (w->behind)
		w->n_behind = growable(w->behind, owner, len);
	w->n_fresh = len - w->n_behind;
	if (w->n_fresh == 0)
		return 0;
	w->fresh = databuf_new(l->budget, owner,
			       buffer_bytes(l, w->behind, w->n_fresh));
	if (!w->fresh)
		return -ENOMEM;
	databuf_append(w->fresh, from + w->n_into + w->n_behind,
		       (uint32_t)w->n_fresh);
	return 0;
}

/* A run that is written to has no reader but under the file's lock. */
static void change(struct run *r, uint64_t offset, const uint8_t *from,
		   size_t n, uint64_t now_ns)
{
	struct databuf *d = r->bytes.buf;

	memcpy(d->bytes + r->bytes.at + (offset - r->offset), from, n);
	r->bytes.touched_ns = now_ns;
}

static void grow(struct layer *l, struct node *n, const uint8_t *from,
		 size_t bytes, uint64_t now_ns)
{
	uint64_t end = run_end(&n->run);

	punch(l, end, end + bytes);
	databuf_append(n->run.bytes.buf, from, (uint32_t)bytes);
	extend(l, n, bytes);
	n->run.bytes.touched_ns = now_ns;
}

static void put_fresh(struct layer *l, struct databuf *fresh, uint64_t offset,
		      size_t n, uint64_t now_ns)
{
	struct run r = {
		.offset = offset,
		.length = n,
		.kind = RUN_DATA,
		.bytes = { .buf = fresh, .touched_ns = now_ns },
	};

	punch(l, offset, offset + n);
	insert(l, &r);
}

int layer_write(struct layer *l, const void *owner, uint64_t offset,
		const void *from, size_t len, uint64_t now_ns)
{
	const uint8_t *bytes = from;
	struct write w = { 0 };
	/* Growing may cut a run in two, and so may a fresh one. */
	int err = reserve_nodes(l, NODES_PER_SET + 1);

	assert(len > 0 && len <= UINT32_MAX / 4);
	if (err == 0)
		err = plan(l, owner, offset, bytes, len, &w);
	if (err < 0)
		return err;
	if (w.into)
		change(&w.into->run, offset, bytes, w.n_into, now_ns);
	offset += w.n_into;
	bytes += w.n_into;
	if (w.n_behind > 0)
		grow(l, w.behind, bytes, w.n_behind, now_ns);
	offset += w.n_behind;
	if (w.fresh)
		put_fresh(l, w.fresh, offset, w.n_fresh, now_ns);
	databuf_put(w.fresh);
	return 0;
}
