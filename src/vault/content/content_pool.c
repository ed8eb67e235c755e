/* SPDX-License-Identifier: ISC */
#include "vault/content/content_pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "vault/content/content_pool_priv.h"
#include "vault/content/content_priv.h"
#include "vault/log/commit.h"
#include "vault/packs/packs.h"
#include "vault/tree/held.h"

/* Index work done in one go under its lock. */
#define SLICE 64u

/* After a pack could not be written the stage takes the chunks for a while. */
#define PACK_RETRY_NS ((uint64_t)30 * NS_PER_S)

/* ---------------------------------------------------------------- the pool */

void pool_init(struct pool *p, uint64_t pack_bytes)
{
	*p = (struct pool){ .pack_bytes = pack_bytes, .next_order = 1 };
	buf_init(&p->packs, MEM_MAX);
	lock_init(&p->lock, LOCK_LEAF, 0);
	cond_init(&p->stored);
}

static void add_locked(struct pool *p, struct chunk *ch)
	LOCK_ATTR_(requires_capability(p->lock))
{
	ch->order = p->next_order++;
	ch->next = NULL;
	ch->prev = p->last;
	*(p->last ? &p->last->next : &p->first) = ch;
	p->last = ch;
	p->n_pending++;
	p->waiting_bytes += ch->length;
}

/* Its bytes, to be put; the pool's reference is the caller's then. */
static struct databuf *remove_locked(struct pool *p, struct chunk *ch)
	LOCK_ATTR_(requires_capability(p->lock))
{
	struct databuf *buf = ch->buf;

	*(ch->prev ? &ch->prev->next : &p->first) = ch->next;
	*(ch->next ? &ch->next->prev : &p->last) = ch->prev;
	p->n_pending--;
	if (!ch->is_storing)
		p->waiting_bytes -= ch->length;
	ch->is_storing = false;
	ch->is_needed = false;
	ch->buf = NULL;
	ch->plain = NULL;
	return buf;
}

void pool_release(struct pool *p)
{
	while (p->first) {
		struct chunk *ch = p->first;
		struct databuf *buf;

		lock_take(&p->lock);
		buf = remove_locked(p, ch);
		lock_drop(&p->lock);
		databuf_put(buf);
		chunk_put(ch);
	}
	buf_release(&p->packs);
	cond_release(&p->stored);
	lock_release(&p->lock);
}

struct databuf *pool_bytes(struct pool *p, const struct chunk *ch,
			   const uint8_t **ret_plain)
{
	struct databuf *buf;

	lock_take(&p->lock);
	buf = ch->buf ? databuf_get(ch->buf) : NULL;
	*ret_plain = ch->plain;
	lock_drop(&p->lock);
	return buf;
}

void pool_need(struct pool *p, struct chunk *ch)
{
	lock_take(&p->lock);
	ch->is_needed = ch->buf != NULL;
	lock_drop(&p->lock);
}

int pool_may_reuse(struct vault *v, const struct index_chunk *ic)
{
	struct index_pack pack;
	int r;

	if (ic->pack == 0)
		return 0;
	r = index_pack_get(v->index, ic->pack, &pack);
	if (r <= 0)
		return r;
	if (pack.is_stage)
		return 1;
	if (suspects_has(&v->content->suspects, pack.writer, pack.name))
		return 0;
	if (pack.writer == v->writer)
		return 1;
	if (v->is_joining)
		return 0;
	/* Another device's: only what is known to be here and whole, and what
	 * its owner knows to be in use, for it is shown here
	 * (vault-format/10-ordering.md, Referring; 05-slots.md, Epochs, rule
	 * 6).  What lingers is counted in refs too, and may be all there is. */
	return pack.flags & PACK_FLAG_WHOLE &&
	       !(pack.flags & PACK_FLAG_ABSENT) && ic->refs > 0 &&
	       !held_any_lingers(v);
}

int pool_name(struct content *c, uint64_t chunk, struct chunk **ret)
{
	struct chunk *ch = chunk_find(&c->chunks, chunk);
	struct index_chunk ic;
	int r = 1;

	if (!ch) {
		r = index_chunk_get(c->v->index, chunk, &ic);
		if (r > 0)
			r = pool_may_reuse(c->v, &ic);
		if (r > 0 && chunk_name(&c->chunks, ic.chunk, &ic.id,
					ic.entry.plain_bytes, &ch) < 0)
			r = -ENOMEM;
	}
	if (r > 0)
		*ret = ch;
	return r;
}

/* Puts the bytes of a chunk into the pool unless they are there. */
static void make_pending(struct pool *p, struct chunk *ch, struct databuf *buf,
			 const uint8_t *plain)
{
	lock_take(&p->lock);
	if (!ch->buf) {
		ch->buf = databuf_get(buf);
		ch->plain = plain;
		chunk_get(ch);
		add_locked(p, ch);
	}
	lock_drop(&p->lock);
}

static bool is_pending(struct pool *p, const struct chunk *ch)
{
	const uint8_t *plain;
	auto_databuf struct databuf *buf = pool_bytes(p, ch, &plain);

	return buf != NULL;
}

int pool_intern(struct content *c, const struct content_id *id,
		struct databuf *buf, const uint8_t *plain, uint32_t length,
		struct chunk **ret)
{
	struct index_chunk ic = { .chunk = 0 };
	struct chunk *ch;
	bool is_there = false;
	int r = index_chunk_find(c->v->index, id, &ic);

	if (r == 0) {
		ic = (struct index_chunk){
			.id = *id,
			.entry = { .plain_bytes = length },
		};
		r = index_chunk_place(c->v->index, &ic);
	} else if (r > 0) {
		r = pool_may_reuse(c->v, &ic);
		is_there = r > 0;
	}
	if (r >= 0)
		r = chunk_name(&c->chunks, ic.chunk, id, length, &ch);
	if (r < 0)
		return r;
	is_there = is_there || is_pending(&c->pool, ch);
	if (!is_there)
		make_pending(&c->pool, ch, buf, plain);
	counters_add(&c->v->counters,
		     is_there ? COUNT_DUPLICATES : COUNT_CHUNKS, 1);
	counters_add(&c->v->counters,
		     is_there ? COUNT_DUPLICATE_BYTES : COUNT_CHUNK_BYTES,
		     length);
	*ret = ch;
	return 0;
}

/* ---------------------------------------------------------------- taking out */

static void claim_locked(struct pool *p, struct chunk *ch)
	LOCK_ATTR_(requires_capability(p->lock))
{
	ch->is_storing = true;
	p->waiting_bytes -= ch->length;
}

void pool_give_back(struct pool *p, struct chunk *const *list, size_t n)
{
	lock_take(&p->lock);
	for (size_t i = 0; i < n; i++) {
		list[i]->is_storing = false;
		p->waiting_bytes += list[i]->length;
	}
	cond_broadcast(&p->stored);
	lock_drop(&p->lock);
}

/* At most SLICE chunks, out of the pool. */
static void drop(struct pool *p, struct chunk *const *list, size_t n)
{
	struct databuf *bufs[SLICE];

	assert(n <= SLICE);
	lock_take(&p->lock);
	for (size_t i = 0; i < n; i++)
		bufs[i] = remove_locked(p, list[i]);
	cond_broadcast(&p->stored);
	lock_drop(&p->lock);
	for (size_t i = 0; i < n; i++) {
		databuf_put(bufs[i]);
		chunk_put(list[i]);
	}
}

/* Where a walk through the pool goes on: a reference; NULL: at the start. */
static struct chunk *resume_locked(const struct pool *p, struct chunk *at,
				   uint64_t order)
	LOCK_ATTR_(requires_capability(p->lock))
{
	struct chunk *ch = p->first;

	if (at && at->buf)
		return at;
	/* It has left the pool. */
	while (ch && ch->order < order)
		ch = ch->next;
	return ch;
}

/*
 * Claims up to SLICE chunks that only the pool names, from *at on, which it
 * moves on to the next not looked at; NULL: there is none.  `order`: that of
 * *at.
 */
static size_t claim_unnamed(struct pool *p, struct chunk **at, uint64_t *order,
			    struct chunk *ret[static SLICE])
{
	struct chunk *from = *at, *ch;
	size_t n = 0;

	lock_take(&p->lock);
	for (ch = resume_locked(p, from, *order); ch && n < SLICE;
	     ch = ch->next) {
		/* The pool's, and ours. */
		unsigned own = ch == from ? 2 : 1;

		if (ch->is_storing || atomic_load(&ch->refs) > own)
			continue;
		claim_locked(p, ch);
		ret[n++] = ch;
	}
	*at = ch ? chunk_get(ch) : NULL;
	*order = ch ? ch->order : 0;
	lock_drop(&p->lock);
	chunk_put(from);
	return n;
}

/* Sorts the chunks that no row names out to the front. */
static int sort_dead(struct index *ix, struct chunk *list[static SLICE],
		     size_t n, size_t *ret_dead)
{
	size_t n_dead = 0;

	for (size_t i = 0; i < n; i++) {
		struct chunk *ch = list[i];
		struct index_chunk ic;
		int r = index_chunk_get(ix, ch->number, &ic);

		if (r > 0 && ic.refs > 0)
			continue;
		/* The row goes with it, unless it tells of another place. */
		if (r > 0 && ic.pack == 0)
			r = index_chunk_delete(ix, ch->number);
		if (r < 0)
			return r;
		list[i] = list[n_dead];
		list[n_dead++] = ch;
	}
	*ret_dead = n_dead;
	return 0;
}

/*
 * Under the index lock nobody can come to name an unnamed chunk: names are made
 * of others, or under that lock.
 */
int pool_discard_dead(struct content *c)
{
	struct pool *p = &c->pool;
	struct chunk *list[SLICE], *at = NULL;
	uint64_t order = 0;
	size_t n, n_dead;
	int r;

	do {
		n_dead = 0;
		lock_take(&c->v->index_lock);
		n = claim_unnamed(p, &at, &order, list);
		r = sort_dead(c->v->index, list, n, &n_dead);
		pool_give_back(p, list + n_dead, n - n_dead);
		drop(p, list, n_dead);
		lock_drop(&c->v->index_lock);
	} while (r == 0 && at);
	chunk_put(at);
	return r;
}

int pool_claim(struct pool *p, bool needed_only, uint64_t max_bytes,
	       struct chunk ***ret, size_t *ret_n)
{
	struct chunk **list;
	uint64_t bytes = 0;
	size_t n = 0, max;

	lock_take(&p->lock);
	max = p->n_pending;
	lock_drop(&p->lock);
	list = mem_zalloc_array(max_of(max, (size_t)1), sizeof(*list));
	if (!list)
		return -ENOMEM;
	lock_take(&p->lock);
	for (struct chunk *ch = p->first; ch && n < max && bytes < max_bytes;
	     ch = ch->next) {
		if (ch->is_storing || (needed_only && !ch->is_needed))
			continue;
		claim_locked(p, ch);
		bytes += ch->length;
		list[n++] = ch;
	}
	lock_drop(&p->lock);
	*ret = list;
	*ret_n = n;
	return 0;
}

/* ---------------------------------------------------------------- places */

static int place_slice(struct content *c, uint64_t pack,
		       struct chunk *const *list,
		       const struct pack_entry *entries, size_t n)
{
	int r = 0;

	lock_take(&c->v->index_lock);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct index_chunk ic = {
			.id = list[i]->id,
			.pack = pack,
			.entry = entries[i],
		};

		r = index_chunk_place(c->v->index, &ic);
	}
	lock_drop(&c->v->index_lock);
	return r;
}

int pool_place(struct content *c, uint64_t pack, struct chunk *const *list,
	       const struct pack_entry *entries, size_t n, size_t *ret_placed)
{
	size_t done = 0;
	int r = 0;

	while (done < n && r == 0) {
		size_t k = min_of(n - done, (size_t)SLICE);

		r = place_slice(c, pack, list + done, entries + done, k);
		if (r < 0)
			break;
		drop(&c->pool, list + done, k);
		done += k;
	}
	*ret_placed = done;
	return r;
}

/* ---------------------------------------------------------------- packs */

/* Seals as many as fit; *ret_n of them. */
static int fill_pack(struct pack_writer *w, struct chunk *const *list, size_t n,
		     struct pack_entry *entries, size_t *ret_n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		int r = pack_writer_add(w, &list[i]->id, list[i]->plain,
					list[i]->length, &entries[i]);

		if (r == ERR_LIMIT && i > 0)
			break;
		if (r < 0)
			return r;
	}
	*ret_n = i;
	return 0;
}

int pool_undo_list(struct buf *b, size_t before)
{
	int r = buf_error(b);

	if (r < 0) {
		b->len = before;
		b->error = 0;
	}
	return r;
}

/* The pack stands in the vault: the next frame tells of it. */
static int announce(struct content *c, const struct segment_pack *a)
{
	struct pool *p = &c->pool;
	size_t before;
	int r;

	lock_take(&p->lock);
	before = p->packs.len;
	segment_pack_put(&p->packs, a);
	r = pool_undo_list(&p->packs, before);
	if (r == 0)
		p->n_packs++;
	lock_drop(&p->lock);
	if (r == 0)
		commit_note_pack(c->v);
	return r;
}

static int register_pack(struct content *c, const struct segment_pack *a,
			 uint64_t *ret_pack)
{
	struct index_pack row = {
		.writer = c->v->writer,
		.size = a->size,
		.epoch = a->epoch,
		.key_id = a->key_id,
		.type = a->type,
		.n_entries = a->n_entries,
		.flags = PACK_FLAG_WHOLE,
	};
	int r;

	memcpy(row.name, a->name, sizeof(row.name));
	lock_take(&c->v->index_lock);
	r = index_pack_add(c->v->index, &row);
	lock_drop(&c->v->index_lock);
	if (r == 0)
		*ret_pack = row.pack;
	return r;
}

/*
 * Announced before the index knows it: a cut that finds a chunk of it there
 * must find the announcement too.
 */
static int write_pack(struct content *c, struct pack_writer *w,
		      struct chunk *const *list, size_t n,
		      struct pack_entry *entries, size_t *ret_placed)
{
	struct segment_pack a;
	uint64_t pack = 0;
	size_t in_pack = 0;
	int r = fill_pack(w, list, n, entries, &in_pack);

	if (r == 0)
		r = pack_writer_finish(w, false);
	if (r == 0)
		r = pack_writer_publish(w);
	if (r < 0)
		return r;
	pack_writer_announcement(w, &a);
	counters_add(&c->v->counters, COUNT_PACKS, 1);
	counters_add(&c->v->counters, COUNT_PACK_BYTES, a.size);
	r = announce(c, &a);
	if (r == 0)
		r = register_pack(c, &a, &pack);
	if (r < 0)
		return r;
	return pool_place(c, pack, list, entries, in_pack, ret_placed);
}

int pool_store_pack(struct content *c, struct chunk *const *list, size_t n)
{
	auto_free struct pack_entry *entries =
		mem_zalloc_array(n, sizeof(*entries));
	struct pack_writer *w = NULL;
	size_t placed = 0;
	int r = entries ? 0 : -ENOMEM;

	if (r == 0)
		r = pack_writer_open(c->v->store, PACK_DATA,
				     core_newest_keys(c->v), &w);
	if (r == 0)
		r = write_pack(c, w, list, n, entries, &placed);
	pack_writer_close(w);
	pool_give_back(&c->pool, list + placed, n - placed);
	if (r < 0) {
		diag_err(DIAG_WARNING, r, "writing a pack into the vault");
		lock_take(&c->pool.lock);
		c->pool.no_packs_until_ns = clock_mono_ns() + PACK_RETRY_NS;
		lock_drop(&c->pool.lock);
	}
	return r;
}

struct pack_job {
	struct job job;
	struct content *c;
	struct chunk **list;
	size_t n;
};

static void end_packing(struct pool *p)
{
	lock_take(&p->lock);
	p->n_packing--;
	cond_broadcast(&p->stored);
	lock_drop(&p->lock);
}

/* A failure is told where the chunks are needed: they stay pending. */
static void run_pack_job(struct job *j)
{
	struct pack_job *pj = container_of(j, struct pack_job, job);
	struct pool *p = &pj->c->pool;

	if (pool_store_pack(pj->c, pj->list, pj->n) == 0)
		budget_poke(&pj->c->budget);
	mem_free(pj->list);
	mem_free(pj);
	end_packing(p);
}

static bool packs_work_locked(const struct pool *p)
	LOCK_ATTR_(requires_capability(p->lock))
{
	return p->no_packs_until_ns == 0 ||
	       clock_mono_ns() >= p->no_packs_until_ns;
}

bool pool_packs_work(struct pool *p)
{
	bool yes;

	lock_take(&p->lock);
	yes = packs_work_locked(p);
	lock_drop(&p->lock);
	return yes;
}

static bool has_pack(struct pool *p)
{
	bool yes;

	lock_take(&p->lock);
	yes = p->waiting_bytes >= p->pack_bytes;
	lock_drop(&p->lock);
	return yes;
}

/* Counts a pack in if there is a pack's worth. */
static bool begin_packing(struct pool *p)
{
	bool yes;

	lock_take(&p->lock);
	yes = p->waiting_bytes >= p->pack_bytes && packs_work_locked(p);
	if (yes)
		p->n_packing++;
	lock_drop(&p->lock);
	return yes;
}

/* A job for a pack's worth; NULL if it is gone or memory is short. */
static struct pack_job *make_job(struct content *c)
{
	auto_free struct pack_job *pj = mem_zalloc(sizeof(*pj));

	if (!pj || pool_claim(&c->pool, false, c->pool.pack_bytes, &pj->list,
			      &pj->n) < 0)
		return NULL;
	pj->job.run = run_pack_job;
	pj->c = c;
	if (pj->n > 0)
		return mem_take(pj);
	mem_free(pj->list);
	return NULL;
}

void pool_pack(struct content *c)
{
	/* A failure shows again where the index is needed. */
	if (has_pack(&c->pool) && pool_discard_dead(c) < 0)
		return;
	while (begin_packing(&c->pool)) {
		struct pack_job *pj = make_job(c);

		if (!pj) {
			end_packing(&c->pool);
			return;
		}
		workers_add(c->workers, NULL, &pj->job);
	}
}
