/* SPDX-License-Identifier: ISC */
#include "vault/content/load.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/block.h"
#include "base/mem.h"
#include "vault/content/content_priv.h"
#include "vault/packs/packs.h"

static_assert(CACHE_BLOCK_BYTES == RECORD_SUB_BYTES,
	      "a block of the cache is a sub-block of a record");

/* Where a chunk's record is read from. */
struct loader {
	struct content *c;
	uint64_t chunk;
	unsigned n_others; /* places tried beside the first */
	struct store_place place;
	uint32_t newest_epoch;
	bool may_wait;	/* the disk has been waited for already */
	uint8_t *whole; /* all of it, if it had to be opened so; NULL */
};

/* ---------------------------------------------------------------- places */

static struct store_place place_of(const struct index_chunk *ic,
				   const struct index_pack *p)
{
	struct store_place place = {
		.is_stage = p->is_stage,
		.stage_file = p->stage_file,
		.writer = p->writer,
		.pack_bytes = p->size,
		.epoch = p->epoch,
		.key_id = p->key_id,
		.type = p->type,
		.entry = ic->entry,
	};

	memcpy(place.pack, p->name, sizeof(place.pack));
	return place;
}

static int place_locked(struct vault *v, uint64_t chunk,
			struct store_place *ret)
	LOCK_ATTR_(requires_capability(v->index_lock))
{
	struct index_chunk ic;
	struct index_pack p;
	int r = index_state(v->index);

	if (r == 0)
		r = index_chunk_get(v->index, chunk, &ic);
	if (r > 0)
		r = ic.pack ? index_pack_get(v->index, ic.pack, &p) : 0;
	if (r < 0)
		return r;
	if (r == 0)
		return ERR_MISSING;
	*ret = place_of(&ic, &p);
	return 0;
}

/* Under the index lock a chunk without a place is in the pool. */
static int locate(struct content *c, uint64_t chunk, struct loader *l,
		  struct loaded *ret)
{
	struct vault *v = c->v;
	struct chunk *ch;
	int r = 0;

	lock_take(&v->index_lock);
	ch = chunk_find(&c->chunks, chunk);
	if (ch)
		ret->buf = pool_bytes(&c->pool, ch, &ret->plain);
	if (!ret->buf)
		r = place_locked(v, chunk, &l->place);
	lock_drop(&v->index_lock);
	chunk_put(ch);
	l->c = c;
	l->chunk = chunk;
	l->newest_epoch = core_newest_keys(v)->epoch;
	return r;
}

/* ---------------------------------------------------------------- reading */

static uint32_t n_blocks(uint32_t plain_bytes)
{
	return (plain_bytes - 1) / CACHE_BLOCK_BYTES + 1;
}

static uint32_t block_bytes(const struct loader *l, uint32_t block)
{
	uint32_t plain = l->place.entry.plain_bytes;

	return min_of(plain - block * CACHE_BLOCK_BYTES, CACHE_BLOCK_BYTES);
}

/* Without waiting for the disk, then with. */
static int read_record(struct loader *l, uint32_t first, uint32_t n,
		       uint8_t *out)
{
	struct store *s = l->c->v->store;
	int r;

	r = store_read(s, &l->place, l->newest_epoch, first, n, !l->may_wait,
		       out);
	if (r != -EAGAIN || l->may_wait)
		return r;
	l->may_wait = true;
	block_soon();
	return store_read(s, &l->place, l->newest_epoch, first, n, false, out);
}

/* Of an older epoch: only the whole record can be believed. */
static bool is_whole_only(const struct loader *l)
{
	return !l->place.is_stage && l->place.epoch < l->newest_epoch;
}

static void forget_whole(struct loader *l)
{
	if (l->whole)
		mem_wipe(l->whole, l->place.entry.plain_bytes);
	mem_free(l->whole);
	l->whole = NULL;
}

static int read_here(struct loader *l, uint32_t block, uint8_t *out)
{
	uint32_t plain = l->place.entry.plain_bytes;
	int r;

	if (!is_whole_only(l))
		return read_record(l, block, 1, out);
	if (!l->whole) {
		l->whole = mem_alloc(plain);
		if (!l->whole)
			return -ENOMEM;
		r = read_record(l, 0, n_blocks(plain), l->whole);
		if (r < 0) {
			forget_whole(l);
			return r;
		}
	}
	memcpy(out, l->whole + (size_t)block * CACHE_BLOCK_BYTES,
	       block_bytes(l, block));
	return 0;
}

/* Does an error tell of the pack rather than of this moment? */
static bool is_pack_at_fault(const struct loader *l, int err)
{
	return !l->place.is_stage && err < 0 && err != -EAGAIN &&
	       err != -ENOMEM && err != -EMFILE && err != -ENFILE &&
	       err != -EINTR && err != ERR_NEW_EPOCH;
}

static bool is_same_pack(const struct store_place *a,
			 const struct store_place *b)
{
	return !a->is_stage && !b->is_stage && a->writer == b->writer &&
	       memcmp(a->pack, b->pack, sizeof(a->pack)) == 0;
}

/*
 * Where else is the chunk?  1: l->place is another pack; 0: nowhere.  A chunk
 * that was placed anew meanwhile is no sign of damage: ERR_MISSING, and the
 * caller maps again.
 */
static int next_place(struct loader *l, int err)
{
	struct vault *v = l->c->v;
	struct index_chunk ic;
	struct index_pack p;
	struct store_place now;
	uint32_t plain = l->place.entry.plain_bytes;
	int r = 0;

	lock_take(&v->index_lock);
	if (l->n_others == 0)
		r = place_locked(v, l->chunk, &now);
	if (r == 0 && l->n_others == 0 && !is_same_pack(&now, &l->place))
		r = ERR_MISSING;
	do
		if (r >= 0)
			r = packs_other_place(v, &l->place.entry.id,
					      l->n_others++, &ic, &p);
	while (r > 0 && ic.entry.plain_bytes != plain);
	lock_drop(&v->index_lock);
	if (r >= 0)
		suspects_add(&l->c->suspects, l->place.writer, l->place.pack,
			     err);
	if (r > 0) {
		forget_whole(l);
		l->place = place_of(&ic, &p);
	}
	return r;
}

/* From whichever pack has it; else the first error. */
static int read_block(struct loader *l, uint32_t block, uint8_t *out)
{
	int first = 0, r, next = 1;

	do {
		r = read_here(l, block, out);
		if (first == 0)
			first = r;
		if (is_pack_at_fault(l, r))
			next = next_place(l, r);
		else
			return r;
	} while (next > 0);
	return next < 0 ? next : first;
}

static void loader_release(struct loader *l)
{
	forget_whole(l);
}

/* Fills a block taken for loading. */
static int fill_block(struct loader *l, uint32_t block, struct cache_block *b)
{
	int r = read_block(l, block, cache_block_data(b));

	if (r < 0)
		cache_load_failed(l->c->v->cache, b, r);
	else
		cache_loaded(l->c->v->cache, b, block_bytes(l, block));
	return r;
}

static int fill_spare(struct loader *l, uint32_t block, struct loaded *ret,
		      uint32_t i, uint32_t n)
{
	if (!ret->spare)
		ret->spare = mem_alloc((size_t)n * CACHE_BLOCK_BYTES);
	if (!ret->spare)
		return -ENOMEM;
	return read_block(l, block, ret->spare + (size_t)i * CACHE_BLOCK_BYTES);
}

/* ---------------------------------------------------------------- blocks */

static bool peek_all(struct cache *cache, uint64_t chunk, uint32_t first,
		     uint32_t n, struct loaded *ret)
{
	bool all = true;

	for (uint32_t i = 0; i < n; i++) {
		struct cache_key key = { chunk, first + i };

		if (cache_peek(cache, key, &ret->blocks[i]) != CACHE_HIT) {
			ret->blocks[i] = NULL;
			all = false;
		}
	}
	return all;
}

/* One block by what the cache says of it. */
static int take_block(struct loader *l, int result, uint32_t block,
		      struct loaded *ret, uint32_t i, uint32_t n)
{
	int r = 0;

	if (result < 0)
		return result;
	if (result == CACHE_LOAD)
		r = fill_block(l, block, ret->blocks[i]);
	else if (result == CACHE_FULL)
		r = fill_spare(l, block, ret, i, n);
	if (r < 0 || result == CACHE_FULL)
		ret->blocks[i] = NULL;
	return r;
}

/* Those others are loading come last: nobody may wait for another while he has
 * a block to load himself. */
static int load_missing(struct loader *l, uint64_t chunk, uint32_t first,
			uint32_t n, struct loaded *ret)
{
	struct cache *cache = l->c->v->cache;
	bool busy[LOAD_BLOCKS_MAX] = { false };
	int r = 0;

	for (uint32_t i = 0; i < n && r == 0; i++) {
		struct cache_key key = { chunk, first + i };

		if (ret->blocks[i])
			continue;
		r = cache_claim(cache, key, &ret->blocks[i]);
		busy[i] = r == CACHE_BUSY;
		if (busy[i]) {
			ret->blocks[i] = NULL;
			r = 0;
			continue;
		}
		r = take_block(l, r, first + i, ret, i, n);
	}
	for (uint32_t i = 0; i < n && r == 0; i++) {
		struct cache_key key = { chunk, first + i };

		if (!busy[i])
			continue;
		r = cache_get(cache, key, &ret->blocks[i]);
		if (r < 0)
			ret->blocks[i] = NULL;
		r = take_block(l, r, first + i, ret, i, n);
	}
	return r;
}

/* The extents and the chunk must fit each other. */
static int check_length(const struct loader *l, uint64_t needed)
{
	uint32_t plain = l->place.entry.plain_bytes;

	return plain <= CHUNK_MAX_BYTES && needed <= plain ? 0 : ERR_MALFORMED;
}

int load_blocks(struct content *c, uint64_t chunk, const struct chunk *held,
		uint32_t first, uint32_t n, uint64_t needed, struct loaded *ret)
{
	struct loader l = { .may_wait = false };
	int r;

	assert(n > 0 && n <= LOAD_BLOCKS_MAX);
	*ret = (struct loaded){ .buf = NULL };
	if (held) {
		ret->buf = pool_bytes(&c->pool, held, &ret->plain);
		if (ret->buf)
			return needed <= held->length ? 0 : ERR_MALFORMED;
	}
	if (peek_all(c->v->cache, chunk, first, n, ret))
		return 0;
	r = locate(c, chunk, &l, ret);
	if (r == 0 && !ret->buf) {
		r = check_length(&l, needed);
		if (r == 0)
			r = load_missing(&l, chunk, first, n, ret);
		loader_release(&l);
	}
	if (r < 0)
		loaded_release(c, ret, n);
	return r;
}

void loaded_release(struct content *c, struct loaded *l, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (l->blocks[i])
			cache_unpin(c->v->cache, l->blocks[i]);
	databuf_put(l->buf);
	if (l->spare)
		mem_wipe(l->spare, (size_t)n * CACHE_BLOCK_BYTES);
	mem_free(l->spare);
	*l = (struct loaded){ .buf = NULL };
}

/* ---------------------------------------------------------------- ahead */

void load_ahead(struct content *c, uint64_t chunk)
{
	struct cache *cache = c->v->cache;
	struct loader l = { .may_wait = true };
	struct loaded at = { .buf = NULL };
	int r = locate(c, chunk, &l, &at);
	uint32_t n = 0;

	if (r == 0 && !at.buf && check_length(&l, 1) == 0)
		n = n_blocks(l.place.entry.plain_bytes);
	for (uint32_t i = 0; i < n && r == 0; i++) {
		struct cache_key key = { chunk, i };
		struct cache_block *b;

		r = cache_claim(cache, key, &b);
		if (r == CACHE_BUSY) {
			r = 0;
			continue;
		}
		if (r == CACHE_LOAD) {
			r = fill_block(&l, i, b);
			if (r == 0)
				cache_unpin(cache, b);
		}
	}
	loader_release(&l);
	databuf_put(at.buf);
}
