/* SPDX-License-Identifier: ISC */
#include "cache/cache.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/block.h"
#include "base/lock.h"
#include "base/mem.h"
#include "cache/cache_priv.h"

/* A shard with fewer blocks would have a small queue too short to tell a
 * block's second use from its first. */
#define SHARD_WANTED_BLOCKS 128

struct cache {
	struct cache_shard *shards;
	unsigned n_shards;
	uint32_t n_blocks;
	uint8_t *arena;
	size_t arena_bytes;
	struct cache_block *blocks;
	/* What to free: the arrays of lines as they were allocated. */
	void *raw_shards, *raw_blocks, *raw_buckets;
	struct cache_ghost *ghosts;
};

static_assert(sizeof(struct cache_block) == CACHE_LINE_BYTES,
	      "a header is one line");
static_assert(CACHE_MAX_SHARDS == 64, "cache_hash: six bits choose the shard");

static struct cache_shard *shard_of(const struct cache *c, uint64_t hash)
{
	return &c->shards[(hash >> 58) & (c->n_shards - 1)];
}

/* --- Making and freeing -------------------------------------------------- */

/* n zeroed elements, each a multiple of a line, starting at a line. */
static void *lines_alloc(size_t n, size_t size, void **ret_raw)
{
	char *raw = mem_zalloc_array(n + 1, size);

	if (raw == NULL)
		return NULL;
	*ret_raw = raw;
	return raw + (-(uintptr_t)raw & (CACHE_LINE_BYTES - 1));
}

static unsigned default_shards(uint32_t n_blocks)
{
	unsigned n = 1;

	while (n < CACHE_MAX_SHARDS &&
	       n_blocks / (2 * n) >= SHARD_WANTED_BLOCKS)
		n *= 2;
	return n;
}

static int options_check(const struct cache_options *opts,
			 uint32_t *ret_n_blocks, unsigned *ret_n_shards)
{
	size_t n_blocks = opts->bytes / CACHE_BLOCK_BYTES;
	unsigned n_shards = opts->n_shards;

	if (n_blocks < CACHE_MIN_BLOCKS || n_blocks > INT32_MAX)
		return -EINVAL;
	if (n_shards > CACHE_MAX_SHARDS || (n_shards & (n_shards - 1)) != 0)
		return -EINVAL;
	*ret_n_blocks = (uint32_t)n_blocks;
	*ret_n_shards =
		n_shards != 0 ? n_shards : default_shards(*ret_n_blocks);
	return 0;
}

/*
 * The memory of the blocks: every page present from the start, so that no
 * reader takes a page fault, and never in a core dump.  Huge pages are left to
 * the system's setting.
 */
static int arena_map(size_t n_bytes, bool lock_memory, uint8_t **ret)
{
	void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int err;

	if (p == MAP_FAILED)
		return -ENOMEM;
	err = madvise(p, n_bytes, MADV_DONTDUMP) < 0 ? -errno : 0;
	if (err == 0 && lock_memory && mlock(p, n_bytes) < 0)
		err = -EPERM;
	if (err < 0) {
		munmap(p, n_bytes);
		return err;
	}
	*ret = p;
	return 0;
}

static void cache_release_memory(struct cache *c)
{
	if (c->arena != NULL)
		munmap(c->arena, c->arena_bytes);
	mem_free(c->ghosts);
	mem_free(c->raw_buckets);
	mem_free(c->raw_blocks);
	mem_free(c->raw_shards);
	mem_free(c);
}

/* Divides blocks, buckets and ghosts among the shards; the first ones take one
 * block more each where the division leaves a rest. */
static void shards_init(struct cache *c, struct cache_bucket *buckets,
			uint32_t n_buckets, uint32_t n_rows)
{
	uint32_t at = 0;

	for (unsigned i = 0; i < c->n_shards; i++) {
		struct cache_shard *s = &c->shards[i];

		s->buckets = &buckets[(size_t)i * n_buckets];
		s->bucket_mask = n_buckets - 1;
		s->ghosts = &c->ghosts[(size_t)i * n_rows];
		s->ghost_mask = n_rows - 1;
		s->blocks = &c->blocks[at];
		s->n_blocks = c->n_blocks / c->n_shards +
			      (i < c->n_blocks % c->n_shards);
		lock_init(&s->lock, LOCK_LEAF, 0);
		cond_init(&s->load_ended);
		cache_s3_init(s);
		atomic_init(&s->returned, CACHE_NONE);
		s->free = CACHE_NONE;
		for (uint32_t j = s->n_blocks; j-- > 0;) {
			struct cache_block *b = &s->blocks[j];

			b->data =
				c->arena + (at + j) * (size_t)CACHE_BLOCK_BYTES;
			b->shard = (uint16_t)i;
			b->next = s->free;
			s->free = j;
		}
		s->n_free = s->n_blocks;
		at += s->n_blocks;
	}
}

static int cache_alloc(struct cache *c, bool lock_memory)
{
	uint32_t most = c->n_blocks / c->n_shards + 1;
	uint32_t n_buckets = cache_table_buckets(most);
	uint32_t n_rows = cache_s3_ghost_rows(most);
	struct cache_bucket *buckets;
	int err;

	c->shards =
		lines_alloc(c->n_shards, sizeof(*c->shards), &c->raw_shards);
	c->blocks =
		lines_alloc(c->n_blocks, sizeof(*c->blocks), &c->raw_blocks);
	buckets = lines_alloc((size_t)c->n_shards * n_buckets, sizeof(*buckets),
			      &c->raw_buckets);
	c->ghosts = mem_zalloc_array((size_t)c->n_shards * n_rows,
				     sizeof(*c->ghosts));
	if (c->shards == NULL || c->blocks == NULL || buckets == NULL ||
	    c->ghosts == NULL)
		return -ENOMEM;
	err = arena_map(c->arena_bytes, lock_memory, &c->arena);
	if (err < 0)
		return err;
	shards_init(c, buckets, n_buckets, n_rows);
	return 0;
}

int cache_new(const struct cache_options *opts, struct cache **ret)
{
	uint32_t n_blocks;
	unsigned n_shards;
	struct cache *c;
	int err = options_check(opts, &n_blocks, &n_shards);

	if (err < 0)
		return err;
	c = mem_zalloc(sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->n_shards = n_shards;
	c->n_blocks = n_blocks;
	c->arena_bytes = (size_t)n_blocks * CACHE_BLOCK_BYTES;
	err = cache_alloc(c, opts->lock_memory);
	if (err < 0) {
		cache_release_memory(c);
		return err;
	}
	*ret = c;
	return 0;
}

void cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->n_blocks; i++)
		assert(cache_word_pins(atomic_load_explicit(
			       &c->blocks[i].word, memory_order_acquire)) == 0);
	mem_wipe(c->arena, c->arena_bytes);
	for (unsigned i = 0; i < c->n_shards; i++) {
		cond_release(&c->shards[i].load_ended);
		lock_release(&c->shards[i].lock);
	}
	cache_release_memory(c);
}

/* --- Pins, and blocks that go -------------------------------------------- */

/*
 * Wipes a doomed block and gives it back, without a lock: readers come here.
 * This thread is its only owner.  The list is emptied all at once and never
 * popped singly, so an index that comes back while a push is under way does no
 * harm (Treiber: Systems programming: coping with parallelism, IBM RJ 5118,
 * 1986).  Release: who empties the list reads `next` and the wiped data.
 */
static void block_bury(struct cache_shard *s, struct cache_block *b)
{
	uint32_t head;

	mem_wipe(b->data, CACHE_BLOCK_BYTES);
	b->n_bytes = 0;
	atomic_fetch_add_explicit(&s->past_hits,
				  cache_word_hits(atomic_load_explicit(
					  &b->word, memory_order_relaxed)),
				  memory_order_relaxed);
	atomic_store_explicit(&b->word, 0, memory_order_relaxed);
	head = atomic_load_explicit(&s->returned, memory_order_relaxed);
	do {
		b->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&s->returned, &head, cache_block_index(s, b),
		memory_order_release, memory_order_relaxed));
}

/* Release: this thread's reading of the data happens before the block is
 * taken; acquire: if this is who takes it, all others' does. */
void cache_block_put(struct cache_shard *s, struct cache_block *b,
		     uint64_t amount)
{
	uint64_t w = atomic_fetch_sub_explicit(&b->word, amount,
					       memory_order_acq_rel);

	assert(cache_word_pins(w) > 0);
	if (cache_word_pins(w) == 1 && (w & CACHE_DOOMED) != 0)
		block_bury(s, b);
}

/* Takes a block out of table and queue for good. */
static void block_forget_locked(struct cache_shard *s, struct cache_block *b)
	LOCK_ATTR_(requires_capability(s->lock))
{
	cache_table_remove_locked(s, b, cache_hash(cache_block_key(b)));
	cache_s3_remove_locked(s, b);
}

static void returned_collect_locked(struct cache_shard *s)
	LOCK_ATTR_(requires_capability(s->lock))
{
	uint32_t at = atomic_exchange_explicit(&s->returned, CACHE_NONE,
					       memory_order_acquire);

	while (at != CACHE_NONE) {
		struct cache_block *b = &s->blocks[at];
		uint32_t next = b->next;

		b->next = s->free;
		s->free = at;
		s->n_free++;
		at = next;
	}
}

/* --- Getting ------------------------------------------------------------- */

/* A block to load into, in no list; NULL if all are pinned.  What was evicted
 * is not wiped yet: its n_bytes tells. */
static struct cache_block *block_take_locked(struct cache_shard *s)
	LOCK_ATTR_(requires_capability(s->lock))
{
	struct cache_block *b;

	if (s->free == CACHE_NONE)
		returned_collect_locked(s);
	if (s->free != CACHE_NONE) {
		b = &s->blocks[s->free];
		s->free = b->next;
		s->n_free--;
		return b;
	}
	b = cache_s3_evict_locked(s);
	if (b == NULL)
		return NULL;
	cache_table_remove_locked(s, b, cache_hash(cache_block_key(b)));
	s->evictions++;
	return b;
}

static int load_begin_locked(struct cache_shard *s, struct cache_key key,
			     uint64_t hash, struct cache_block **ret)
	LOCK_ATTR_(requires_capability(s->lock))
{
	struct cache_block *b = block_take_locked(s);

	s->misses++;
	if (b == NULL)
		return CACHE_FULL;
	atomic_store_explicit(&b->key_chunk, key.chunk, memory_order_relaxed);
	atomic_store_explicit(&b->key_block, key.block, memory_order_relaxed);
	atomic_store_explicit(&b->word, CACHE_LOADING + CACHE_PIN_ONE,
			      memory_order_relaxed);
	cache_table_add_locked(s, b, hash);
	cache_s3_add_locked(s, b, hash);
	*ret = b;
	return CACHE_LOAD;
}

/* What is left to do for CACHE_LOAD, without the lock. */
static int load_begun(int result, struct cache_block *b,
		      struct cache_block **ret)
{
	if (result != CACHE_LOAD)
		return result;
	if (b->n_bytes != 0) {
		mem_wipe(b->data, CACHE_BLOCK_BYTES);
		b->n_bytes = 0;
	}
	*ret = b;
	return result;
}

/*
 * Pins a block found under the lock: LOADING or READY, for what is doomed is
 * not found, and eviction needs the lock.  True if it is LOADING; WAITERS is
 * then set, so its loader takes the lock and wakes this thread.
 */
static bool block_pin_found(struct cache_block *b)
{
	uint64_t w = atomic_load_explicit(&b->word, memory_order_relaxed);
	uint64_t to;

	do {
		to = (w & CACHE_LOADING) != 0
			     ? (w + CACHE_PIN_ONE) | CACHE_WAITERS
			     : cache_word_hit(w);
		assert((to & CACHE_PINS) != 0);
	} while (!atomic_compare_exchange_weak_explicit(
		&b->word, &w, to, memory_order_acquire, memory_order_relaxed));
	return (w & CACHE_LOADING) != 0;
}

/* Waits, with a pin, until a block's loading has ended. */
static int block_wait(struct cache_shard *s, struct cache_block *b,
		      struct cache_block **ret)
{
	uint64_t w;
	int err;

	block_soon();
	lock_take(&s->lock);
	while (((w = atomic_load_explicit(&b->word, memory_order_acquire)) &
		CACHE_LOADING) != 0)
		cond_wait(&s->load_ended, &s->lock);
	lock_drop(&s->lock);
	if ((w & CACHE_FAILED) != 0) {
		err = b->err;
		cache_block_put(s, b, CACHE_PIN_ONE);
		return err;
	}
	*ret = b;
	return CACHE_HIT;
}

static int get_slowly(struct cache_shard *s, struct cache_key key,
		      uint64_t hash, struct cache_block **ret)
{
	struct cache_block *b;
	bool loading;
	int result;

	lock_take(&s->lock);
	b = cache_table_find_locked(s, key, hash);
	if (b == NULL) {
		result = load_begin_locked(s, key, hash, &b);
		lock_drop(&s->lock);
		return load_begun(result, b, ret);
	}
	loading = block_pin_found(b);
	s->waits += loading;
	lock_drop(&s->lock);
	if (loading)
		return block_wait(s, b, ret);
	*ret = b;
	return CACHE_HIT;
}

int cache_get(struct cache *c, struct cache_key key, struct cache_block **ret)
{
	uint64_t hash = cache_hash(key);
	struct cache_shard *s = shard_of(c, hash);
	struct cache_block *b = cache_table_pin(s, key, hash);

	if (b == NULL)
		return get_slowly(s, key, hash, ret);
	*ret = b;
	return CACHE_HIT;
}

int cache_peek(struct cache *c, struct cache_key key, struct cache_block **ret)
{
	uint64_t hash = cache_hash(key);
	struct cache_block *b = cache_table_pin(shard_of(c, hash), key, hash);

	if (b == NULL)
		return CACHE_ABSENT;
	*ret = b;
	return CACHE_HIT;
}

int cache_claim(struct cache *c, struct cache_key key, struct cache_block **ret)
{
	uint64_t hash = cache_hash(key);
	struct cache_shard *s = shard_of(c, hash);
	struct cache_block *b = NULL;
	int result = CACHE_BUSY;

	lock_take(&s->lock);
	if (cache_table_find_locked(s, key, hash) == NULL)
		result = load_begin_locked(s, key, hash, &b);
	lock_drop(&s->lock);
	return load_begun(result, b, ret);
}

uint8_t *cache_block_data(struct cache_block *b)
{
	return b->data;
}

uint32_t cache_block_bytes(const struct cache_block *b)
{
	return b->n_bytes;
}

/* --- The end of a loading, and of a pin ---------------------------------- */

/*
 * The lock is taken only if somebody waits.  Nobody is missed: a waiter whose
 * WAITERS comes after this exchange sees READY instead and does not wait; any
 * other looks at the word under the lock before it sleeps, so it either sees
 * LOADING gone or sleeps before the broadcast.
 */
void cache_loaded(struct cache *c, struct cache_block *b, uint32_t n_bytes)
{
	struct cache_shard *s = &c->shards[b->shard];
	uint64_t w;

	assert(n_bytes > 0 && n_bytes <= CACHE_BLOCK_BYTES);
	b->n_bytes = n_bytes;
	w = atomic_fetch_xor_explicit(&b->word, CACHE_LOADING | CACHE_READY,
				      memory_order_release);
	assert((w & (CACHE_LOADING | CACHE_READY)) == CACHE_LOADING);
	if ((w & CACHE_WAITERS) == 0)
		return;
	lock_take(&s->lock);
	cond_broadcast(&s->load_ended);
	lock_drop(&s->lock);
}

void cache_load_failed(struct cache *c, struct cache_block *b, int err)
{
	struct cache_shard *s = &c->shards[b->shard];
	uint64_t w, change = CACHE_LOADING | CACHE_FAILED;

	assert(err < 0);
	lock_take(&s->lock);
	/* Only the lock's holder dooms, so this look stays true. */
	w = atomic_load_explicit(&b->word, memory_order_relaxed);
	assert((w & CACHE_LOADING) != 0);
	if ((w & CACHE_DOOMED) == 0) {
		block_forget_locked(s, b);
		change |= CACHE_DOOMED;
	}
	b->err = err;
	s->loads_failed++;
	/* Relaxed: waiters look at it under the lock. */
	w = atomic_fetch_xor_explicit(&b->word, change, memory_order_relaxed);
	if ((w & CACHE_WAITERS) != 0)
		cond_broadcast(&s->load_ended);
	lock_drop(&s->lock);
	cache_block_put(s, b, CACHE_PIN_ONE);
}

void cache_unpin(struct cache *c, struct cache_block *b)
{
	cache_block_put(&c->shards[b->shard], b, CACHE_PIN_ONE);
}

/*
 * No pin is raised on a doomed block, so either it is unpinned at the moment
 * of the fetch_or and this thread owns it, or the last unpin will see DOOMED.
 * Release: the last unpinner finds it out of its queue; acquire: as in
 * cache_block_put.
 */
static void block_drop(struct cache_shard *s, struct cache_key key,
		       uint64_t hash)
{
	struct cache_block *b;
	uint64_t w = CACHE_PIN_ONE;

	lock_take(&s->lock);
	b = cache_table_find_locked(s, key, hash);
	if (b != NULL) {
		block_forget_locked(s, b);
		w = atomic_fetch_or_explicit(&b->word, CACHE_DOOMED,
					     memory_order_acq_rel);
	}
	lock_drop(&s->lock);
	if (cache_word_pins(w) == 0)
		block_bury(s, b);
}

void cache_drop_chunk(struct cache *c, uint64_t chunk, uint32_t n_blocks)
{
	for (uint32_t i = 0; i < n_blocks; i++) {
		struct cache_key key = { .chunk = chunk, .block = i };
		uint64_t hash = cache_hash(key);

		block_drop(shard_of(c, hash), key, hash);
	}
}

/* --- Statistics ---------------------------------------------------------- */

static void shard_add_stats(struct cache_shard *s, struct cache_stats *st)
{
	lock_take(&s->lock);
	returned_collect_locked(s);
	st->misses += s->misses;
	st->waits += s->waits;
	st->evictions += s->evictions;
	st->loads_failed += s->loads_failed;
	st->blocks_used += s->n_blocks - s->n_free;
	st->blocks_total += s->n_blocks;
	st->hits += atomic_load_explicit(&s->past_hits, memory_order_relaxed);
	for (uint32_t i = 0; i < s->n_blocks; i++)
		st->hits += cache_word_hits(atomic_load_explicit(
			&s->blocks[i].word, memory_order_relaxed));
	lock_drop(&s->lock);
}

void cache_get_stats(const struct cache *c, struct cache_stats *ret)
{
	struct cache_stats st = { 0 };

	for (unsigned i = 0; i < c->n_shards; i++)
		shard_add_stats(&c->shards[i], &st);
	*ret = st;
}
