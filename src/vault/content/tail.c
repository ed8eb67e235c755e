/* SPDX-License-Identifier: ISC */
#include "vault/content/tail.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/content/load.h"
#include "vault/content/map.h"

/* So many pieces are put together however little they hold: a map of them is
 * made under the index lock. */
#define PIECES_MAX 512u

struct tail_part {
	uint32_t at, length; /* in the tail */
	struct chunk *chunk; /* a reference; NULL: the bytes are there */
	uint32_t offset;     /* in the chunk */
};

struct tail {
	uint64_t start, end; /* in the file */
	struct databuf *buf; /* end - start bytes, once read */
	struct tail_part parts[2 * PIECES_MAX];
	size_t n;
};

uint64_t tail_start(const struct tail *t)
{
	return t->start;
}

void tail_free(struct tail *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		chunk_put(t->parts[i].chunk);
	databuf_put(t->buf);
	mem_free(t);
}

void tail_note(struct file *f, uint64_t offset, uint64_t last, uint64_t end,
	       uint64_t max)
{
	struct file_tail *t = &f->tail;

	if (t->end == offset && t->start < offset && end - t->start < max) {
		t->end = end;
		t->n_pieces++;
		return;
	}
	*t = (struct file_tail){ .start = last, .joined = end, .end = end };
}

static bool pays(const struct content *c, const struct file_tail *t, uint64_t n)
{
	return t->end + n - t->start >= c->v->header.chunk_max ||
	       t->end + n - t->joined >= t->joined - t->start ||
	       t->n_pieces >= PIECES_MAX;
}

/* ---------------------------------------------------------------- taking */

struct taking {
	struct content *c;
	struct tail *t;
};

/* -EAGAIN: not a tail any more. */
static int take_part(void *arg, const struct map_part *part)
{
	struct taking *tk = arg;
	struct tail *t = tk->t;
	struct tail_part *p = &t->parts[t->n];
	int r;

	if (t->n == array_len(t->parts) || part->kind == MAP_ZERO ||
	    (part->run && part->run->kind == RUN_DATA))
		return -EAGAIN;
	*p = (struct tail_part){
		.at = (uint32_t)(part->offset - t->start),
		.length = (uint32_t)part->length,
	};
	if (part->kind == MAP_BYTES) {
		memcpy(t->buf->bytes + p->at, part->bytes, p->length);
	} else {
		r = pool_name(tk->c, part->chunk, &p->chunk);
		if (r <= 0)
			return r < 0 ? r : -EAGAIN;
		p->offset = part->chunk_offset;
	}
	t->n++;
	return 0;
}

static int map_tail(struct content *c, struct file *f, struct tail *t)
{
	struct taking tk = { c, t };
	struct vault *v = c->v;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = map_walk(v, f, t->start, t->end, take_part, &tk);
	lock_drop(&v->index_lock);
	return r;
}

struct tail *tail_take(struct content *c, struct file *f, uint64_t offset,
		       uint64_t n)
{
	const struct file_tail *known = &f->tail;
	struct tail *t;

	if (known->end != offset || known->start >= offset ||
	    offset - known->start >= c->v->header.chunk_max ||
	    !pays(c, known, n))
		return NULL;
	t = mem_zalloc(sizeof(*t));
	if (!t)
		return NULL;
	t->start = known->start;
	t->end = offset;
	t->buf = databuf_new(&c->budget, NULL, (uint32_t)(offset - t->start));
	if (t->buf) {
		t->buf->used = (uint32_t)(offset - t->start);
		budget_charge(&c->budget, t->buf->used);
		if (map_tail(c, f, t) == 0)
			return t;
	}
	tail_free(t);
	return NULL;
}

/* ---------------------------------------------------------------- reading */

static int read_blocks(struct content *c, const struct tail_part *p,
		       uint32_t from, uint32_t n, uint8_t *to)
{
	const uint32_t size = CACHE_BLOCK_BYTES;
	uint32_t first = from / size, n_blocks, end = from + n;
	struct loaded l;
	int r;

	n_blocks = (end - 1) / size - first + 1;
	r = load_blocks(c, p->chunk->number, p->chunk, first, n_blocks, end,
			&l);
	if (r < 0)
		return r;
	if (l.buf)
		memcpy(to, l.plain + from, n);
	for (uint32_t i = 0; i < n_blocks && !l.buf && r == 0; i++) {
		uint32_t skip = from % size,
			 k = min_of(end - from, size - skip);
		const uint8_t *b;

		if (l.blocks[i]) {
			b = cache_block_data(l.blocks[i]);
			if (skip + k > cache_block_bytes(l.blocks[i]))
				r = ERR_MALFORMED;
		} else {
			b = l.spare + (size_t)i * size;
		}
		if (r == 0)
			memcpy(to, b + skip, k);
		from += k;
		to += k;
	}
	loaded_release(c, &l, n_blocks);
	return r;
}

static int read_part(struct content *c, const struct tail_part *p, uint8_t *to)
{
	/* However it begins. */
	const uint32_t most = (LOAD_BLOCKS_MAX - 1) * CACHE_BLOCK_BYTES;
	uint32_t done = 0;
	int r = 0;

	while (r == 0 && done < p->length) {
		uint32_t n = min_of(p->length - done, most);

		r = read_blocks(c, p, p->offset + done, n, to + done);
		done += n;
	}
	return r;
}

int tail_read(struct content *c, struct tail *t, struct databuf **ret)
{
	int r = 0;

	for (size_t i = 0; i < t->n && r == 0; i++)
		if (t->parts[i].chunk)
			r = read_part(c, &t->parts[i],
				      t->buf->bytes + t->parts[i].at);
	if (r < 0)
		return r;
	databuf_freeze(t->buf, NULL, t->buf->used);
	*ret = t->buf;
	return 0;
}

/* ---------------------------------------------------------------- comparing */

struct comparing {
	const struct tail *t;
	size_t i; /* the next part */
};

static int compare_part(void *arg, const struct map_part *part)
{
	struct comparing *cp = arg;
	const struct tail_part *p = &cp->t->parts[cp->i];

	if (cp->i == cp->t->n || part->offset != cp->t->start + p->at ||
	    part->length != p->length ||
	    (part->run && part->run->kind == RUN_DATA))
		return 1;
	cp->i++;
	if (p->chunk)
		return part->kind != MAP_CHUNK ||
		       part->chunk != p->chunk->number ||
		       part->chunk_offset != p->offset;
	return part->kind != MAP_BYTES ||
	       memcmp(part->bytes, cp->t->buf->bytes + p->at, p->length) != 0;
}

bool tail_stands(struct content *c, const struct file *f, const struct tail *t)
{
	struct comparing cp = { .t = t };
	struct vault *v = c->v;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = map_walk(v, f, t->start, t->end, compare_part, &cp);
	lock_drop(&v->index_lock);
	return r == 0 && cp.i == t->n;
}
