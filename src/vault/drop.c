/* SPDX-License-Identifier: ISC */
/*
 * Dropping dead packs: those of this device whose chunks no version needs, as
 * long as it is the only one (vault-format/09-merging.md, Collecting).  Marked
 * by the references the index counts *and* by a walk over all extents; never
 * more than a quarter of the packs in one run; the drop is published before a
 * file goes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/apply.h"
#include "vault/commit_priv.h"
#include "vault/devices.h"
#include "vault/packs.h"

/* Inodes walked in one go under the index lock. */
#define SLICE 128u

/* One run at most drops one in so many. */
#define DROP_SHARE 4u

/* A pack that seems to be dead. */
struct suspect {
	uint64_t pack;
	bool is_alive; /* an extent names a chunk of it */
};

/* A chunk of one. */
struct marked {
	uint64_t chunk;
	uint32_t suspect;
};

struct marking {
	struct vault *v;
	struct suspect *suspects;
	struct marked *chunks; /* ascending by chunk */
	size_t n_suspects, cap_suspects, n_chunks, cap_chunks;
	uint64_t n_own; /* packs of this device */
	uint64_t next_ino;
	unsigned n_walked;
};

static void marking_release(struct marking *m)
{
	mem_free(m->suspects);
	mem_free(m->chunks);
}

/* ---------------------------------------------------------------- suspects */

static int collect_suspect(void *arg, const struct index_pack *p)
{
	struct marking *m = arg;

	if (p->is_stage || p->writer != m->v->writer)
		return 0;
	m->n_own++;
	if (p->live_bytes > 0 || p->flags & PACK_FLAG_ABSENT)
		return 0;
	if (m->n_suspects == m->cap_suspects) {
		size_t cap = m->cap_suspects ? m->cap_suspects * 2 : 16;
		struct suspect *grown =
			mem_realloc_array(m->suspects, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		m->suspects = grown;
		m->cap_suspects = cap;
	}
	m->suspects[m->n_suspects++] = (struct suspect){ .pack = p->pack };
	return 0;
}

static int collect_chunk(void *arg, const struct index_chunk *c)
{
	struct marking *m = arg;

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
		.chunk = c->chunk,
		.suspect = (uint32_t)(m->n_suspects - 1),
	};
	return 0;
}

static int compare_marked(const void *a, const void *b)
{
	const struct marked *x = a, *y = b;

	return x->chunk < y->chunk ? -1 : x->chunk > y->chunk;
}

/* Suspects, as many as one run may drop, and all their chunks. */
static int find_suspects(struct marking *m)
{
	struct vault *v = m->v;
	size_t most;
	int r;

	lock_take(&v->index_lock);
	r = index_pack_each(v->index, collect_suspect, m);
	most = (size_t)max_of((m->n_own - min_of(m->n_own, 1u)) / DROP_SHARE,
			      UINT64_C(1));
	most = min_of(most, m->n_suspects);
	m->n_suspects = 0;
	while (r == 0 && m->n_suspects < most) {
		m->n_suspects++;
		r = index_chunk_each_of_pack(
			v->index, m->suspects[m->n_suspects - 1].pack,
			collect_chunk, m);
	}
	lock_drop(&v->index_lock);
	if (m->n_chunks > 0)
		qsort(m->chunks, m->n_chunks, sizeof(*m->chunks),
		      compare_marked);
	return r;
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
		m->suspects[found->suspect].is_alive = true;
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

static int find_live(void *arg, const struct index_chunk *c)
{
	struct vault *v = arg;

	return c->refs > 0 || content_names_chunk(v, c->chunk);
}

/* Checked and logged in one critical section: nobody can come to need a chunk
 * of it in between, nor find one after. */
static int log_one(struct commit *c, uint64_t pack)
{
	struct vault *v = c->v;
	struct op op = { .type = OP_PACK_DROP };
	struct index_pack p;
	int r = core_enter(v, true);

	if (r < 0)
		return r;
	r = index_pack_get(v->index, pack, &p);
	if (r > 0)
		r = index_chunk_each_of_pack(v->index, pack, find_live, v) == 0;
	if (r > 0) {
		memcpy(op.pack_drop.pack, p.name, sizeof(op.pack_drop.pack));
		r = apply_new(v, &op);
		if (r == 0) {
			buf_put(&c->dropped, p.name, sizeof(p.name));
			r = buf_error(&c->dropped);
		}
	}
	core_leave(v);
	return r;
}

static int log_dead(struct commit *c, const struct marking *m)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_suspects; i++) {
		if (!m->suspects[i].is_alive)
			r = log_one(c, m->suspects[i].pack);
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
	unsigned n_live;
	int r;

	lock_take(&v->index_lock);
	r = device_count_live(v, &n_live);
	bool is_joining = v->is_joining;
	lock_drop(&v->index_lock);
	if (r < 0 || n_live != 1 || is_joining)
		return r;
	c->last_drop_ns = clock_mono_ns();
	r = find_suspects(&m);
	if (r == 0 && m.n_suspects > 0)
		r = walk(&m);
	if (r == 0 && m.n_suspects > 0)
		r = log_dead(c, &m);
	marking_release(&m);
	return r;
}

int drop_remove(struct commit *c)
{
	struct vault *v = c->v;
	int r = 0;

	for (size_t at = 0; r >= 0 && at < c->dropped.len;
	     at += PACK_NAME_BYTES) {
		const uint8_t *name = c->dropped.data + at;
		struct index_pack p;

		lock_take(&v->index_lock);
		r = index_pack_find(v->index, v->writer, name, &p);
		lock_drop(&v->index_lock);
		if (r == 0)
			r = store_remove_pack(v->store, name);
	}
	/* What is left goes at the next opening. */
	buf_reset(&c->dropped);
	return r < 0 ? r : 0;
}
