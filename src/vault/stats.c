/* SPDX-License-Identifier: ISC */
#include "vault/stats.h"

#include <string.h>

#include "vault/content/content_priv.h"
#include "vault/core.h"

static void get_counters(const struct counters *c, struct vault_stats *s)
{
	s->read_bytes = counters_get(c, COUNT_READ_BYTES);
	s->written_bytes = counters_get(c, COUNT_WRITTEN_BYTES);
	s->ahead = counters_get(c, COUNT_AHEAD);
	s->ahead_bytes = counters_get(c, COUNT_AHEAD_BYTES);
	s->chunks = counters_get(c, COUNT_CHUNKS);
	s->chunk_bytes = counters_get(c, COUNT_CHUNK_BYTES);
	s->duplicates = counters_get(c, COUNT_DUPLICATES);
	s->duplicate_bytes = counters_get(c, COUNT_DUPLICATE_BYTES);
	s->staged = counters_get(c, COUNT_STAGED);
	s->staged_bytes = counters_get(c, COUNT_STAGED_BYTES);
	s->packs = counters_get(c, COUNT_PACKS);
	s->pack_bytes = counters_get(c, COUNT_PACK_BYTES);
	s->segments = counters_get(c, COUNT_SEGMENTS);
	s->segment_bytes = counters_get(c, COUNT_SEGMENT_BYTES);
	s->cuts = counters_get(c, COUNT_CUTS);
	s->cut_ns = counters_get(c, COUNT_CUT_NS);
	s->room_waits = counters_get(c, COUNT_ROOM_WAITS);
}

static void get_cache(const struct cache *cache, struct vault_stats *s)
{
	struct cache_stats c;

	cache_get_stats(cache, &c);
	s->cache_hits = c.hits;
	s->cache_misses = c.misses;
	s->cache_waits = c.waits;
	s->cache_evictions = c.evictions;
	s->cache_failures = c.loads_failed;
	s->cache_used_bytes = c.blocks_used * CACHE_BLOCK_BYTES;
	s->cache_total_bytes = c.blocks_total * CACHE_BLOCK_BYTES;
}

static void get_queues(struct content *c, struct vault_stats *s)
{
	struct pool *p = &c->pool;
	unsigned queued, running;

	s->ahead_now_bytes = atomic_load(&c->ahead_bytes);
	s->dirty_bytes = content_dirty_bytes(c->v);
	s->dirty_limit_bytes = c->budget.hard_bytes;
	workers_depth(c->workers, &queued, &running);
	s->jobs_queued = queued;
	s->jobs_running = running;
	s->workers = workers_count(c->workers);
	lock_take(&p->lock);
	s->pending_chunks = p->n_pending;
	s->pending_bytes = p->waiting_bytes;
	s->packing = p->n_packing;
	lock_drop(&p->lock);
}

void vault_get_stats(struct vault *v, struct vault_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	get_counters(&v->counters, ret);
	get_cache(v->cache, ret);
	get_queues(v->content, ret);
	ret->stage_bytes = v->stage ? stage_bytes(v->stage) : 0;
	lock_take(&v->index_lock);
	ret->unpublished_ops = v->oplog.n_unsealed;
	lock_drop(&v->index_lock);
}
