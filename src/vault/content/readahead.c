/* SPDX-License-Identifier: ISC */
#include "vault/content/readahead.h"

#include <errno.h>

#include "base/mem.h"
#include "vault/content/load.h"
#include "vault/content/map.h"

#define READS_IN_ORDER 3u
#define WINDOW_MAX 8u

/* Never more of the cache than this part of it. */
#define CACHE_PART 8u

/* Chunks of one job; a file of tiny ones is read ahead in more jobs. */
#define JOB_CHUNKS 64u

static uint64_t window_bytes(const struct content *c, unsigned window)
{
	return min_of((uint64_t)window * c->v->header.chunk_average,
		      c->cache_bytes / CACHE_PART);
}

bool readahead_note(struct content *c, struct file *f, uint64_t offset,
		    size_t len, uint64_t size, struct readahead *ret)
{
	struct file_reading *r = &f->reading;
	uint64_t end = offset + len, window;

	if (offset != r->next) {
		r->n_in_order = 0;
		r->window /= 2;
		r->ahead = 0;
	}
	r->next = end;
	if (++r->n_in_order < READS_IN_ORDER || r->is_queued || end >= size ||
	    workers_count(c->workers) == 0)
		return false;
	/* Asked for again when half of it has been read. */
	window = window_bytes(c, max_of(r->window, 1u));
	if (r->ahead > end + window / 2)
		return false;
	if (atomic_load(&c->ahead_bytes) >= c->cache_bytes / CACHE_PART)
		return false;
	r->window = min_of(max_of(2 * r->window, 1u), WINDOW_MAX);
	ret->from = max_of(end, r->ahead);
	ret->to = min_of(end + window_bytes(c, r->window), size);
	if (ret->from >= ret->to)
		return false;
	r->ahead = ret->to;
	r->is_queued = true;
	return true;
}

struct ahead_job {
	struct job job;
	struct content *c;
	struct file *f; /* a reference */
	struct readahead ra;
	uint64_t chunks[JOB_CHUNKS];
	unsigned n;
};

static int collect(void *arg, const struct map_part *part)
{
	struct ahead_job *aj = arg;

	if (part->kind != MAP_CHUNK)
		return 0;
	if (aj->n > 0 && aj->chunks[aj->n - 1] == part->chunk)
		return 0;
	if (aj->n == JOB_CHUNKS)
		return 1;
	aj->chunks[aj->n++] = part->chunk;
	return 0;
}

static void run_ahead_job(struct job *j)
{
	struct ahead_job *aj = container_of(j, struct ahead_job, job);
	struct content *c = aj->c;
	struct vault *v = c->v;
	uint64_t bytes = aj->ra.to - aj->ra.from;
	int r;

	rwlock_take_shared(&v->session);
	lock_take(&aj->f->lock);
	lock_take(&v->index_lock);
	r = index_state(v->index);
	if (r == 0)
		r = map_walk(v, aj->f, aj->ra.from, aj->ra.to, collect, aj);
	lock_drop(&v->index_lock);
	aj->f->reading.is_queued = false;
	lock_drop(&aj->f->lock);
	rwlock_drop_shared(&v->session);
	for (unsigned i = 0; i < aj->n && r >= 0; i++)
		load_ahead(c, aj->chunks[i]);
	atomic_fetch_sub(&c->ahead_bytes, bytes);
	file_put(&c->files, aj->f);
	mem_free(aj);
}

void readahead_start(struct content *c, uint64_t ino,
		     const struct readahead *ra)
{
	struct ahead_job *aj = mem_zalloc(sizeof(*aj));

	/* Without, the next seek begins anew. */
	if (!aj || file_get(&c->files, ino, &aj->f) < 0) {
		mem_free(aj);
		return;
	}
	aj->job.run = run_ahead_job;
	aj->c = c;
	aj->ra = *ra;
	atomic_fetch_add(&c->ahead_bytes, ra->to - ra->from);
	counters_add(&c->v->counters, COUNT_AHEAD, 1);
	counters_add(&c->v->counters, COUNT_AHEAD_BYTES, ra->to - ra->from);
	workers_add(c->workers, NULL, &aj->job);
}
