/* SPDX-License-Identifier: ISC */
/*
 * S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for
 * cache eviction, SOSP 2023, section 4 and algorithm 1): new blocks enter a
 * small queue of a tenth of the blocks; who leaves it without having been hit
 * more than once goes, and only its id is kept in a ghost queue; the others,
 * and who comes back while its id is known, enter the main queue, a clock with
 * the frequency's two bits.
 *
 * "More than once" is what keeps a scan out here: reading ahead loads a block
 * and the read that wanted it hits it, once.
 *
 * What the paper need not handle: a pinned block (a loading one is pinned, too)
 * is passed over, to the head of its queue.
 */
#include <assert.h>

#include "base/mem.h"
#include "cache/cache_priv.h"

#define SMALL_ONE_IN 10	 /* the paper's 10 % */
#define SMALL_MIN_FREQ 2 /* to enter the main queue; below: out */
#define MAIN_MIN_FREQ 1	 /* to stay in the main queue; below: out */
#define SPARE_NONE (CACHE_FREQ_MAX + 1)

static_assert((uint64_t)CACHE_FREQ_MAX * CACHE_FREQ_ONE == CACHE_FREQ,
	      "the frequency fills its bits");

static void queue_push(struct cache_shard *s, struct cache_queue *q,
		       struct cache_block *b)
{
	uint32_t index = cache_block_index(s, b);

	b->prev = CACHE_NONE;
	b->next = q->head;
	if (q->head == CACHE_NONE)
		q->tail = index;
	else
		s->blocks[q->head].prev = index;
	q->head = index;
	q->count++;
}

static void queue_remove(struct cache_shard *s, struct cache_queue *q,
			 struct cache_block *b)
{
	if (b->prev == CACHE_NONE)
		q->head = b->next;
	else
		s->blocks[b->prev].next = b->next;
	if (b->next == CACHE_NONE)
		q->tail = b->prev;
	else
		s->blocks[b->next].prev = b->prev;
	q->count--;
}

/* The ids of the ghost queue: as many as the main queue has blocks. */
static uint32_t n_ghosts(uint32_t n_blocks)
{
	return n_blocks - n_blocks / SMALL_ONE_IN;
}

/* At most half of the places are in use, so that few ids are lost early. */
uint32_t cache_s3_ghost_rows(uint32_t n_blocks)
{
	uint32_t n = 1;

	while ((uint64_t)n * CACHE_GHOST_WAYS <
	       2 * (uint64_t)n_ghosts(n_blocks))
		n *= 2;
	return n;
}

void cache_s3_init(struct cache_shard *s)
{
	s->small = (struct cache_queue){ CACHE_NONE, CACHE_NONE, 0 };
	s->main = s->small;
	s->small_target = max_of(s->n_blocks / SMALL_ONE_IN, 1);
	s->n_ghosts = n_ghosts(s->n_blocks);
	/* A place never used, all zero, is then too old to count. */
	s->ghost_clock = s->n_ghosts + 1;
}

/*
 * The ghost queue is a table of ids with the time they came: the one that is
 * n_ghosts arrivals old has left the queue, without anything to do (the paper,
 * section 4.2).  The clock wraps: an id that old would count again for a
 * moment, as a wrong guess of the policy and no more.
 */
static uint32_t ghost_age(const struct cache_shard *s,
			  const struct cache_ghost *g, unsigned way)
{
	return s->ghost_clock - g->at[way];
}

static struct cache_ghost *ghost_row(struct cache_shard *s, uint64_t hash)
{
	return &s->ghosts[hash & s->ghost_mask];
}

static void ghost_add(struct cache_shard *s, uint64_t hash)
{
	struct cache_ghost *g = ghost_row(s, hash);
	unsigned oldest = 0;

	for (unsigned i = 1; i < CACHE_GHOST_WAYS; i++) {
		if (ghost_age(s, g, i) > ghost_age(s, g, oldest))
			oldest = i;
	}
	g->tag[oldest] = cache_hash_tag(hash);
	g->at[oldest] = s->ghost_clock++;
}

/* Is the id in the ghost queue?  It leaves it. */
static bool ghost_take(struct cache_shard *s, uint64_t hash)
{
	struct cache_ghost *g = ghost_row(s, hash);

	for (unsigned i = 0; i < CACHE_GHOST_WAYS; i++) {
		if (g->tag[i] == cache_hash_tag(hash) &&
		    ghost_age(s, g, i) <= s->n_ghosts) {
			g->at[i] = s->ghost_clock - s->n_ghosts - 1;
			return true;
		}
	}
	return false;
}

void cache_s3_add_locked(struct cache_shard *s, struct cache_block *b,
			 uint64_t hash)
{
	b->in_main = ghost_take(s, hash);
	queue_push(s, b->in_main ? &s->main : &s->small, b);
}

void cache_s3_remove_locked(struct cache_shard *s, struct cache_block *b)
{
	queue_remove(s, b->in_main ? &s->main : &s->small, b);
}

enum verdict { TAKEN, PINNED, SPARED };

/*
 * Takes an unpinned block that was hit less than `spare_from` times, else
 * lowers its frequency by up to `cost`.  Acquire on taking: the readers' unpins
 * happen before what the next owner does with the block.  A swap that failed
 * looks again: a reader came or went.
 */
static enum verdict block_judge(struct cache_shard *s, struct cache_block *b,
				unsigned spare_from, unsigned cost)
{
	uint64_t w = atomic_load_explicit(&b->word, memory_order_relaxed);
	uint64_t to;

	do {
		unsigned freq = cache_word_freq(w);

		if (cache_word_pins(w) != 0)
			return PINNED;
		assert((w & (CACHE_READY | CACHE_DOOMED)) == CACHE_READY);
		to = freq < spare_from
			     ? 0
			     : w - min_of(cost, freq) * CACHE_FREQ_ONE;
	} while (!atomic_compare_exchange_weak_explicit(
		&b->word, &w, to, memory_order_acquire, memory_order_relaxed));
	if (to != 0)
		return SPARED;
	atomic_fetch_add_explicit(&s->past_hits, cache_word_hits(w),
				  memory_order_relaxed);
	return TAKEN;
}

/* One look at each block of the small queue. */
static struct cache_block *evict_small(struct cache_shard *s,
				       unsigned spare_from)
{
	for (uint32_t n = s->small.count; n > 0; n--) {
		struct cache_block *b = &s->blocks[s->small.tail];
		enum verdict v = block_judge(s, b, spare_from, CACHE_FREQ_MAX);

		queue_remove(s, &s->small, b);
		if (v == TAKEN) {
			ghost_add(s, cache_hash(cache_block_key(b)));
			return b;
		}
		b->in_main = v == SPARED;
		queue_push(s, b->in_main ? &s->main : &s->small, b);
	}
	return NULL;
}

/* As many looks at each block of the main queue as it takes to use up its
 * frequency. */
static struct cache_block *evict_main(struct cache_shard *s,
				      unsigned spare_from)
{
	for (uint64_t n = (uint64_t)s->main.count * (CACHE_FREQ_MAX + 1); n > 0;
	     n--) {
		struct cache_block *b = &s->blocks[s->main.tail];
		enum verdict v = block_judge(s, b, spare_from, 1);

		queue_remove(s, &s->main, b);
		if (v == TAKEN)
			return b;
		queue_push(s, &s->main, b);
	}
	return NULL;
}

struct cache_block *cache_s3_evict_locked(struct cache_shard *s)
{
	struct cache_block *b = NULL;

	if (s->small.count >= s->small_target)
		b = evict_small(s, SMALL_MIN_FREQ);
	if (b == NULL)
		b = evict_main(s, MAIN_MIN_FREQ);
	/* Nothing yet: a small queue below its share before a main queue that
	 * is empty or pinned, or readers hit faster than this looks. */
	if (b == NULL)
		b = evict_small(s, SPARE_NONE);
	if (b == NULL)
		b = evict_main(s, SPARE_NONE);
	return b;
}
