/* SPDX-License-Identifier: ISC */
/*
 * Dropping dead packs: those of this device of which no chunk is needed any
 * more, by anybody (vault/collect/garbage.h), or each that is stands in a newer one.
 * Found by the references the index counts *and* by a walk over all extents;
 * never more than a quarter of the packs in one run; the drop is published, and
 * looked at once more, before a file goes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/hex.h"
#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/collect/garbage.h"
#include "vault/content/content_priv.h"
#include "vault/log/apply.h"
#include "vault/log/commit_priv.h"
#include "vault/packs/packs.h"

/* Inodes walked in one go under the index lock. */
#define SLICE 128u

/* One run drops less than one in so many, and no more than so many. */
#define DROP_SHARE 4u
#define DROP_MOST 1024u

/* A pack of which, as the index counts, nothing is needed. */
struct candidate {
	struct index_pack pack;
	bool is_alive; /* an extent names a chunk of it */
};

/* A chunk of one. */
struct marked {
	uint64_t chunk;
	uint32_t candidate;
};

struct marking {
	struct vault *v;
	struct garbage g;
	struct candidate *candidates;
	struct marked *chunks; /* ascending by chunk */
	size_t n_candidates, cap_candidates, n_chunks, cap_chunks;
	uint64_t n_own; /* packs of this device */
	uint64_t next_ino;
	unsigned n_walked;
};

static void marking_release(struct marking *m)
{
	garbage_end(&m->g);
	mem_free(m->candidates);
	mem_free(m->chunks);
}

/* ---------------------------------------------------------------- candidates */

static int collect_candidate(void *arg, const struct index_pack *p)
{
	struct marking *m = arg;

	/* Packs of snapshots go by their own rule (snap_tidy.c). */
	if (p->is_stage || p->type != PACK_DATA || p->writer != m->v->writer)
		return 0;
	m->n_own++;
	if (p->live_bytes > 0 || p->flags & PACK_FLAG_ABSENT)
		return 0;
	if (m->n_candidates == m->cap_candidates) {
		size_t cap = m->cap_candidates ? m->cap_candidates * 2 : 16;
		struct candidate *grown =
			mem_realloc_array(m->candidates, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		m->candidates = grown;
		m->cap_candidates = cap;
	}
	m->candidates[m->n_candidates++] = (struct candidate){ .pack = *p };
	return 0;
}

static int mark_chunk(struct marking *m, uint64_t chunk)
{
	if (m->n_chunks == m->cap_chunks) {
		size_t cap = m->cap_chunks ? m->cap_chunks * 2 : 256;
		struct marked *grown =
			mem_realloc_array(m->chunks, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		m->chunks = grown;
		m->cap_chunks = cap;
	}
	m->chunks[m->n_chunks++] = (struct marked){
		.chunk = chunk,
		.candidate = (uint32_t)(m->n_candidates - 1),
	};
	return 0;
}

/* Chunks that are copied elsewhere have their place there. */
static int collect_chunk(void *arg, const struct index_chunk *c)
{
	return mark_chunk(arg, c->chunk);
}

static int compare_marked(const void *a, const void *b)
{
	const struct marked *x = a, *y = b;

	return x->chunk < y->chunk ? -1 : x->chunk > y->chunk;
}

/* 1 if the whole pack may go, as it is judged now.  Index lock held. */
static int judge_locked(struct vault *v, const struct garbage *g,
			const struct index_pack *p, const uint8_t *entries)
{
	struct garbage_sums sums = { 0 };
	int r = core_index_state(v);

	if (r == 0)
		r = garbage_of_pack(g, p, entries, &sums);
	if (r == 0)
		return 0; /* not known without its trailer */
	return r < 0 ? r : garbage_may_go(&sums);
}

/* The trailer of a pack that is not known by its chunks alone; a trailer that
 * cannot be read keeps the pack where it is. */
static int read_entries(struct vault *v, const struct garbage *g,
			const struct index_pack *p, uint8_t **ret)
{
	struct garbage_sums sums = { 0 };

	lock_take(&v->index_lock);
	int r = garbage_of_pack(g, p, NULL, &sums);
	lock_drop(&v->index_lock);
	if (r != 0 || !garbage_may_go(&sums))
		return min_of(r, 0);
	r = garbage_entries(v, p, ret);
	if (r == 0 || r == -ENOMEM)
		return r;
	suspects_add(&v->content->suspects, p->writer, p->name, r);
	return 0;
}

static int judge(struct marking *m, const struct index_pack *p)
{
	auto_free uint8_t *entries = NULL;
	struct vault *v = m->v;
	int r = read_entries(v, &m->g, p, &entries);

	if (r < 0)
		return r;
	lock_take(&v->index_lock);
	r = judge_locked(v, &m->g, p, entries);
	lock_drop(&v->index_lock);
	return r;
}

/* Less than a quarter, and one where there are few. */
static size_t most_of(const struct marking *m)
{
	uint64_t quarter = (m->n_own - min_of(m->n_own, 1u)) / DROP_SHARE;

	return (size_t)min_of(max_of(quarter, UINT64_C(1)),
			      (uint64_t)DROP_MOST);
}

/* Of those that seem dead the ones that are, as many as one run may drop, and
 * their chunks. */
static int find_candidates(struct marking *m)
{
	struct vault *v = m->v;
	size_t n_seen, most, at = 0;
	int r;

	lock_take(&v->index_lock);
	r = index_pack_each(v->index, collect_candidate, m);
	lock_drop(&v->index_lock);
	n_seen = m->n_candidates;
	most = most_of(m);
	for (m->n_candidates = 0; r >= 0 && at < n_seen && m->n_candidates < most;
	     at++) {
		struct candidate s = m->candidates[at];

		r = judge(m, &s.pack);
		if (r <= 0)
			continue;
		m->candidates[m->n_candidates++] = s;
		lock_take(&v->index_lock);
		r = index_chunk_each_of_pack(v->index, s.pack.pack,
					     collect_chunk, m);
		lock_drop(&v->index_lock);
	}
	if (m->n_chunks > 0)
		qsort(m->chunks, m->n_chunks, sizeof(*m->chunks),
		      compare_marked);
	return min_of(r, 0);
}

/* ---------------------------------------------------------------- the walk */

static int mark_extent(void *arg, const struct index_extent *e)
{
	struct marking *m = arg;
	struct marked key = { .chunk = e->chunk };
	const struct marked *found;

	if (e->kind != EXTENT_CHUNK || m->n_chunks == 0)
		return 0;
	found = bsearch(&key, m->chunks, m->n_chunks, sizeof(key),
			compare_marked);
	if (found)
		m->candidates[found->candidate].is_alive = true;
	return 0;
}

static int mark_node(void *arg, uint64_t ino, const uint8_t *rec, size_t bytes)
{
	struct marking *m = arg;

	(void)rec;
	(void)bytes;
	m->next_ino = ino + 1;
	int r = index_extent_each(m->v->index, ino, 0, INT64_MAX, mark_extent,
				  m);
	return r < 0 ? r : ++m->n_walked == SLICE;
}

static int walk(struct marking *m)
{
	struct vault *v = m->v;
	int r = 1;

	lock_take(&v->index_lock);
	int flushed = node_cache_flush(v->nodes);
	lock_drop(&v->index_lock);
	if (flushed < 0)
		return flushed;
	while (r > 0) {
		m->n_walked = 0;
		lock_take(&v->index_lock);
		r = index_node_each(v->index, m->next_ino, mark_node, m);
		lock_drop(&v->index_lock);
	}
	return r;
}

/* ---------------------------------------------------------------- the drop */

/* Judged again and logged in one critical section: nobody can come to need a
 * chunk of it in between, nor find one after. */
static int log_one(struct commit *c, const struct garbage *g,
		   const struct index_pack *p)
{
	auto_free uint8_t *entries = NULL;
	struct vault *v = c->v;
	struct op op = { .type = OP_PACK_DROP };
	int r = read_entries(v, g, p, &entries);

	if (r == 0)
		r = core_enter(v, true);
	if (r < 0)
		return r;
	r = judge_locked(v, g, p, entries);
	if (r > 0) {
		memcpy(op.pack_drop.pack, p->name, sizeof(op.pack_drop.pack));
		r = apply_new(v, &op);
		if (r == 0) {
			buf_put(&c->dropped, p->name, sizeof(p->name));
			r = buf_error(&c->dropped);
		}
	}
	core_leave(v);
	return r;
}

static int log_dead(struct commit *c, const struct marking *m)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_candidates; i++) {
		if (!m->candidates[i].is_alive)
			r = log_one(c, &m->g, &m->candidates[i].pack);
		else
			diag(DIAG_ERROR, "the index counts the references to a "
					 "pack wrongly; rebuild it");
	}
	return r;
}

int drop_log(struct commit *c)
{
	struct marking m = { .v = c->v };
	struct vault *v = c->v;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = garbage_begin(v, &m.g);
	lock_drop(&v->index_lock);
	if (r < 0)
		return r;
	if (m.g.may_drop) {
		c->last_drop_ns = clock_mono_ns();
		r = find_candidates(&m);
	}
	if (r == 0 && m.n_candidates > 0)
		r = walk(&m);
	if (r == 0 && m.n_candidates > 0)
		r = log_dead(c, &m);
	marking_release(&m);
	return r;
}

/* ---------------------------------------------------------------- the file */

static int needs_entry(struct vault *v, const struct pack_entry *e)
{
	struct index_chunk c;
	int r = index_chunk_find(v->index, &e->id, &c);

	/* With a place it is found there. */
	if (r <= 0 || c.pack != 0)
		return min_of(r, 0);
	return c.refs > 0 || content_names_chunk(v, c.chunk);
}

/* The last look, by what is known now: 1 if something needs the file. */
static int is_needed(struct vault *v, const uint8_t *name)
{
	auto_free uint8_t *entries = NULL;
	uint32_t n = 0;
	struct cursor at;
	int r = store_pack_entries(v->store, v->writer, name, &entries, &n);

	/* Damaged it is of no use to anybody: what was judged stands. */
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	cursor_init(&at, entries, (size_t)n * PACK_ENTRY_BYTES);
	lock_take(&v->index_lock);
	r = core_index_state(v);
	while (r == 0 && cursor_left(&at) > 0) {
		struct pack_entry e;

		r = pack_entry_read(&at, &e);
		if (r == 0)
			r = needs_entry(v, &e);
	}
	lock_drop(&v->index_lock);
	return r;
}

static int remove_one(struct commit *c, const uint8_t *name)
{
	struct vault *v = c->v;
	char text[2 * PACK_NAME_BYTES + 1];
	struct index_pack p;

	lock_take(&v->index_lock);
	int r = index_pack_find(v->index, v->writer, name, &p);
	lock_drop(&v->index_lock);
	if (r == 0)
		r = is_needed(v, name);
	if (r == 0)
		return store_remove_pack(v->store, name);
	hex_encode(name, PACK_NAME_BYTES, text);
	diag_err(DIAG_ERROR, r < 0 ? r : ERR_DAMAGED,
		 "pack %s was to be removed, and is kept", text);
	return min_of(r, 0);
}

int drop_remove(struct commit *c)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < c->dropped.len;
	     at += PACK_NAME_BYTES)
		r = remove_one(c, c->dropped.data + at);
	/* What is left goes at the next opening. */
	buf_reset(&c->dropped);
	return r;
}
