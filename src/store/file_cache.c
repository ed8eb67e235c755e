/* SPDX-License-Identifier: ISC */
/*
 * Descriptors kept open: a hash table and a list by last use.  A file in use
 * is counted, so that one thread may push it out while another reads it; the
 * last put closes it.  The lock is never held over a call to the disk.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/block.h"
#include "base/buf.h"
#include "base/mem.h"
#include "store/store_priv.h"

static_assert((FILE_CACHE_BUCKETS & (FILE_CACHE_BUCKETS - 1)) == 0,
	      "a mask finds the bucket");

static bool key_equal(const struct store_file_key *a,
		      const struct store_file_key *b)
{
	return a->is_stage == b->is_stage && a->number == b->number &&
	       memcmp(a->pack, b->pack, sizeof(a->pack)) == 0;
}

/* Pack names are random and stage numbers run on: no more mixing needed. */
static struct store_file **bucket_of(struct file_cache *c,
				     const struct store_file_key *key)
{
	uint64_t h = key->is_stage ? key->number : le64_get(key->pack);

	return &c->buckets[h & (FILE_CACHE_BUCKETS - 1)];
}

static struct store_file *find_locked(struct file_cache *c,
				      const struct store_file_key *key)
	LOCK_ATTR_(requires_capability(c->lock))
{
	struct store_file *f = *bucket_of(c, key);

	while (f && !key_equal(&f->key, key))
		f = f->chain;
	return f;
}

static void unlist_locked(struct file_cache *c, struct store_file *f)
	LOCK_ATTR_(requires_capability(c->lock))
{
	*(f->newer ? &f->newer->older : &c->newest) = f->older;
	*(f->older ? &f->older->newer : &c->oldest) = f->newer;
}

static void list_newest_locked(struct file_cache *c, struct store_file *f)
	LOCK_ATTR_(requires_capability(c->lock))
{
	f->newer = NULL;
	f->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = f;
	c->newest = f;
}

static void keep_locked(struct file_cache *c, struct store_file *f)
	LOCK_ATTR_(requires_capability(c->lock))
{
	struct store_file **bucket = bucket_of(c, &f->key);

	f->chain = *bucket;
	*bucket = f;
	list_newest_locked(c, f);
	c->n_files++;
	f->is_kept = true;
}

/* Out of the table.  Adds it to `dead`, to be closed once the lock is dropped,
 * unless a reader still has it. */
static void unkeep_locked(struct file_cache *c, struct store_file *f,
			  struct store_file **dead)
	LOCK_ATTR_(requires_capability(c->lock))
{
	struct store_file **at = bucket_of(c, &f->key);

	while (*at != f)
		at = &(*at)->chain;
	*at = f->chain;
	unlist_locked(c, f);
	c->n_files--;
	f->is_kept = false;
	if (f->refs == 0) {
		f->chain = *dead;
		*dead = f;
	}
}

static void close_files(struct env *env, struct store_file *dead)
{
	while (dead) {
		struct store_file *f = dead;

		dead = f->chain;
		store_close_quietly(env, &f->fd);
		mem_free(f);
	}
}

void file_cache_init(struct file_cache *c, unsigned max_files)
{
	*c = (struct file_cache){ .max_files = max_files };
	lock_init(&c->lock, LOCK_LEAF, 0);
}

void file_cache_release(struct file_cache *c, struct env *env)
{
	struct store_file *dead = NULL;

	lock_take(&c->lock);
	while (c->oldest) {
		assert(c->oldest->refs == 0);
		unkeep_locked(c, c->oldest, &dead);
	}
	lock_drop(&c->lock);
	close_files(env, dead);
	lock_release(&c->lock);
}

static struct store_file_key key_of(const struct store_place *p)
{
	struct store_file_key key = {
		.is_stage = p->is_stage,
		.number = p->is_stage ? p->stage_file : p->writer,
	};

	if (!p->is_stage)
		memcpy(key.pack, p->pack, sizeof(key.pack));
	return key;
}

static int open_by_place(struct store *s, const struct store_place *p,
			 uint64_t *ret_bytes)
{
	if (p->is_stage)
		return store_open_stage_file(s, p->stage_file,
					     PACK_HEADER_BYTES, ret_bytes);
	return store_open_pack(s, p->writer, p->pack, p->pack_bytes,
			       p->pack_bytes, ret_bytes);
}

static int read_header(struct env *env, struct store_file *f)
{
	uint8_t raw[PACK_HEADER_BYTES];
	int r;

	r = env_read_exact(env, f->fd, raw, sizeof(raw), 0);
	if (r == 0)
		r = pack_header_decode(raw, &f->header);
	return r == ERR_MALFORMED ? ERR_DAMAGED : r;
}

static int open_file(struct store *s, const struct store_place *p,
		     struct store_file **ret)
{
	auto_free struct store_file *f = mem_zalloc(sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	block_soon();
	f->key = key_of(p);
	f->fd = open_by_place(s, p, &f->bytes);
	if (f->fd < 0)
		return f->fd;
	r = read_header(s->opts.env, f);
	if (r < 0) {
		store_close_quietly(s->opts.env, &f->fd);
		return r;
	}
	f->refs = 1;
	*ret = mem_take(f);
	return 0;
}

static bool header_fits(const struct store *s, const struct store_place *p,
			const struct pack_header *h)
{
	static const struct key_id8 none;

	if (memcmp(&h->vault, &s->opts.vault, sizeof(h->vault)) != 0)
		return false;
	if (p->is_stage)
		return h->type == PACK_DATA && h->writer == s->opts.writer &&
		       h->epoch == 0 &&
		       memcmp(&h->key_id, &none, sizeof(none)) == 0;
	return h->type == p->type && h->writer == p->writer &&
	       h->epoch == p->epoch &&
	       memcmp(&h->key_id, &p->key_id, sizeof(h->key_id)) == 0;
}

static int check_file(const struct store *s, const struct store_place *p,
		      const struct store_file *f)
{
	if (!header_fits(s, p, &f->header))
		return ERR_BAD_NAME;
	if (p->is_stage || f->bytes == p->pack_bytes)
		return 0;
	return f->bytes < p->pack_bytes ? ERR_TRUNCATED : ERR_DAMAGED;
}

/* NULL if there is none; *ret_forgotten for hand_in. */
static struct store_file *get_kept(struct file_cache *c,
				   const struct store_file_key *key,
				   uint64_t *ret_forgotten)
{
	struct store_file *f;

	lock_take(&c->lock);
	*ret_forgotten = c->n_forgotten;
	f = find_locked(c, key);
	if (f) {
		f->refs++;
		unlist_locked(c, f);
		list_newest_locked(c, f);
	}
	lock_drop(&c->lock);
	return f;
}

/* Keeps a file just opened, or returns the one another thread was quicker to
 * open. */
static struct store_file *hand_in(struct store *s, struct store_file *fresh,
				  uint64_t forgotten)
{
	struct file_cache *c = &s->files;
	struct store_file *dead = NULL, *f;

	lock_take(&c->lock);
	f = find_locked(c, &fresh->key);
	if (f) {
		f->refs++;
		fresh->chain = NULL;
		dead = fresh;
	} else {
		f = fresh;
		if (c->n_forgotten == forgotten)
			keep_locked(c, f);
		while (c->n_files > c->max_files)
			unkeep_locked(c, c->oldest, &dead);
	}
	lock_drop(&c->lock);
	close_files(s->opts.env, dead);
	return f;
}

int file_cache_get(struct store *s, const struct store_place *place,
		   bool nowait, struct store_file **ret)
{
	struct store_file_key key = key_of(place);
	struct store_file *f;
	uint64_t forgotten;
	int r;

	f = get_kept(&s->files, &key, &forgotten);
	if (!f) {
		if (nowait)
			return -EAGAIN;
		r = open_file(s, place, &f);
		if (r < 0)
			return r;
		f = hand_in(s, f, forgotten);
	}
	r = check_file(s, place, f);
	if (r < 0) {
		file_cache_put(s, f, true);
		return r;
	}
	*ret = f;
	return 0;
}

void file_cache_put(struct store *s, struct store_file *f, bool is_bad)
{
	struct file_cache *c = &s->files;
	struct store_file *dead = NULL;

	lock_take(&c->lock);
	f->refs--;
	if (is_bad && f->is_kept) {
		unkeep_locked(c, f, &dead);
	} else if (!f->is_kept && f->refs == 0) {
		f->chain = NULL;
		dead = f;
	}
	lock_drop(&c->lock);
	close_files(s->opts.env, dead);
}

void file_cache_forget(struct store *s, const struct store_file_key *key)
{
	struct file_cache *c = &s->files;
	struct store_file *dead = NULL, *f;

	lock_take(&c->lock);
	c->n_forgotten++;
	f = find_locked(c, key);
	if (f)
		unkeep_locked(c, f, &dead);
	lock_drop(&c->lock);
	close_files(s->opts.env, dead);
}
