/* SPDX-License-Identifier: ISC */
#include "vault/content/content.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/mem.h"
#include "vault/content/content_priv.h"
#include "vault/content/map.h"
#include "vault/file.h"
#include "vault/log/commit.h"
#include "vault/merge/merge.h"
#include "vault/tree/privileges.h"
#include "vault/tree/tree_priv.h"

/* Beside one for each core: so many may wait until a pack is on the disk, and
 * the others go on hashing. */
#define WAITING_WORKERS 2u

/* Packs are smaller where there is no memory for larger ones. */
#define PACK_LEAST_BYTES ((uint64_t)1 << 20)

/* ---------------------------------------------------------------- life */

static uint64_t pack_bytes(size_t hard_bytes)
{
	return min_of((uint64_t)PACK_TARGET_BYTES,
		      max_of((uint64_t)hard_bytes / 4, PACK_LEAST_BYTES));
}

/* Chunks of a stream shall lie in one buffer, most of them. */
static uint32_t big_bytes(const struct vault *v, size_t hard_bytes)
{
	return (uint32_t)max_of(min_of((size_t)v->header.chunk_max,
				       hard_bytes / 8),
				(size_t)4096);
}

int content_new(struct vault *v, struct content **ret)
{
	size_t hard = v->opts.dirty_bytes ? v->opts.dirty_bytes
					  : BUDGET_DEFAULT_BYTES;
	auto_free struct content *c = mem_zalloc(sizeof(*c));
	struct cache_stats cache;
	int r;

	if (!c)
		return -ENOMEM;
	c->v = v;
	r = workers_new(&c->workers);
	if (r < 0)
		return r;
	r = file_table_init(&c->files);
	if (r < 0) {
		workers_free(c->workers);
		return r;
	}
	workers_set_timer_fn(c->workers, flush_aged, c);
	budget_init(&c->budget, hard, big_bytes(v, hard));
	chunk_table_init(&c->chunks);
	suspects_init(&c->suspects);
	pool_init(&c->pool, pack_bytes(hard));
	room_init(&c->room);
	content_durable_init(&c->durable);
	cache_get_stats(v->cache, &cache);
	c->cache_bytes = cache.blocks_total * CACHE_BLOCK_BYTES;
	*ret = mem_take(c);
	return 0;
}

void content_free(struct content *c)
{
	if (!c)
		return;
	workers_free(c->workers);
	file_table_release(&c->files);
	pool_release(&c->pool);
	suspects_release(&c->suspects);
	chunk_table_release(&c->chunks);
	room_release(&c->room);
	content_durable_release(&c->durable);
	budget_release(&c->budget);
	mem_free(c);
}

int content_start(struct content *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = c->v->opts.n_workers;

	if (n == 0)
		n = (cores > 0 ? (unsigned)cores : 1) + WAITING_WORKERS;
	return workers_start(c->workers, n);
}

void content_stop(struct content *c)
{
	workers_stop(c->workers);
}

/* ---------------------------------------------------------------- state */

bool content_is_dirty(struct vault *v, uint64_t ino)
{
	return file_has_layers(&v->content->files, ino);
}

bool content_count_data(struct vault *v, uint64_t ino, uint64_t *ret)
{
	return file_get_data_bytes(&v->content->files, ino, ret);
}

uint64_t content_dirty_bytes(struct vault *v)
{
	return budget_charged(&v->content->budget);
}

size_t content_dirty_files(struct vault *v)
{
	return file_count_dirty(&v->content->files);
}

void content_packs_waiting(struct vault *v, uint64_t *ret_n,
			   uint64_t *ret_bytes)
{
	struct pool *p = &v->content->pool;

	lock_take(&p->lock);
	*ret_n = p->n_packs;
	*ret_bytes = p->packs.len;
	lock_drop(&p->lock);
}

bool content_names_chunk(struct vault *v, uint64_t chunk)
{
	return chunk_is_named(&v->content->chunks, chunk);
}

void content_forget(struct vault *v, uint64_t ino)
{
	struct content *c = v->content;
	struct layer *dirty, *flushing;
	struct file *f = file_find(&c->files, ino);

	if (!f)
		return;
	lock_take(&f->lock);
	dirty = f->dirty;
	flushing = f->flushing;
	f->dirty = f->flushing = NULL;
	f->stream = (struct file_stream){ .start = 0 };
	content_set_error(f, 0);
	file_note_layers(&c->files, f);
	lock_drop(&f->lock);
	layer_put(dirty);
	layer_put(flushing);
	file_put(&c->files, f);
}

void content_set_error(struct file *f, int err)
{
	atomic_store(&f->error, err);
}

int vault_take_error(struct vault *v, uint64_t ino)
{
	struct file_table *t = &v->content->files;
	struct file *f = file_find(t, ino);
	int err;

	if (!f)
		return 0;
	err = atomic_exchange(&f->error, 0);
	file_put(t, f);
	return err;
}

int vault_fsync(struct vault *v, uint64_t ino)
{
	int r, err;

	block_soon();
	r = commit_cut(v, &ino, 1);
	/* Told now: not once more at the next close. */
	err = vault_take_error(v, ino);
	return r < 0 ? r : err;
}

/* ---------------------------------------------------------------- changes */

static int check_file(const struct node *n)
{
	if (n->kind == KIND_DIR)
		return -EISDIR;
	return n->kind == KIND_FILE ? 0 : -EINVAL;
}

/* The first change since the last cut: index and file lock held. */
static int prepare_locked(struct vault *v, struct file *f)
	LOCK_ATTR_(requires_capability(f->lock, v->index_lock))
{
	struct node *n;
	int r = core_index_state(v);

	if (r == 0)
		r = tree_node(v, f->ino, &n);
	if (r < 0)
		return r;
	r = check_file(n);
	if (r == 0)
		r = oplog_make_room(&v->oplog);
	if (r == 0)
		r = merge_prepare_write(v, f->ino);
	if (r == 0)
		f->size = n->size;
	if (r == 0 && !f->flushing)
		atomic_store(&f->data_bytes, n->data_bytes);
	node_put(n);
	return r;
}

static int prepare(struct content *c, struct file *f)
	LOCK_ATTR_(requires_capability(f->lock))
{
	struct vault *v = c->v;
	int r;

	lock_take(&v->index_lock);
	r = prepare_locked(v, f);
	lock_drop(&v->index_lock);
	if (r < 0)
		return r;
	f->dirty = layer_new(&c->budget);
	return f->dirty ? 0 : -ENOMEM;
}

static int add_data(void *arg, const struct map_part *part)
{
	uint64_t *bytes = arg;

	if (part->kind != MAP_ZERO)
		*bytes += part->length;
	return 0;
}

int content_count_range(struct vault *v, const struct file *f, uint64_t from,
			uint64_t to, uint64_t *ret)
{
	uint64_t bytes = 0;
	int r = 0;

	if (from < min_of(to, f->size)) {
		lock_take(&v->index_lock);
		r = core_index_state(v);
		if (r == 0)
			r = map_walk(v, f, from, min_of(to, f->size), add_data,
				     &bytes);
		lock_drop(&v->index_lock);
	}
	if (r == 0)
		*ret = bytes;
	return r;
}

void content_count_change(struct file *f, uint64_t before, uint64_t after)
{
	uint64_t now = atomic_load(&f->data_bytes);

	/* Rows of another device may have come below the layers. */
	atomic_store(&f->data_bytes, now - min_of(now, before) + after);
}

/* Unlinked twins may have become nobody's: core_leave forgets them. */
static void leave(struct vault *v, bool was_first)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	if (was_first) {
		lock_take(&v->index_lock);
		core_leave(v);
	} else {
		rwlock_drop_shared(&v->session);
	}
}

/* By ascending number. */
static void lock_files(struct file *f, struct file *other)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	if (other && other->ino < f->ino)
		lock_take(&other->lock);
	lock_take(&f->lock);
	if (other && other->ino > f->ino)
		lock_take(&other->lock);
}

static void unlock_files(struct file *f, struct file *other)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	lock_drop(&f->lock);
	if (other)
		lock_drop(&other->lock);
}

int content_change_begin(struct vault *v, uint64_t ino, struct file *other,
			 struct change *ret)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	struct content *c = v->content;
	struct change ch = { .v = v };
	int r;

	if (atomic_load(&v->is_read_only))
		return ERR_READ_ONLY;
	r = file_get(&c->files, ino, &ch.f);
	if (r < 0)
		return r;
	rwlock_take_shared(&v->session);
	lock_files(ch.f, other);
	ch.is_first = !ch.f->dirty;
	/* A cut may have failed while this call waited. */
	r = atomic_load(&v->is_read_only) ? ERR_READ_ONLY : 0;
	if (r == 0 && ch.is_first)
		r = prepare(c, ch.f);
	if (r < 0) {
		unlock_files(ch.f, other);
		leave(v, ch.is_first);
		file_put(&c->files, ch.f);
		return r;
	}
	ch.now_ns = clock_file_ns();
	*ret = ch;
	return 0;
}

/* The node says what the layers show. */
static int tell_node(struct change *ch)
{
	struct vault *v = ch->v;
	struct node *n;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = node_get(v->nodes, ch->f->ino, &n);
	if (r > 0) {
		n->size = ch->f->size;
		n->mtime_ns = n->ctime_ns = ch->now_ns;
		node_dirty(n);
		r = ch->drops_privileges ? privileges_drop(v, n) : 0;
		ch->wrote = max_of(r, 0);
		node_put(n);
	} else if (r == 0) {
		r = -ENOENT;
	}
	lock_drop(&v->index_lock);
	return min_of(r, 0);
}

int content_change_end(struct change *ch, int err)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	struct content *c = ch->v->content;
	struct file *f = ch->f;
	struct layer *unused = NULL;

	if (err == 0 && !ch->is_none)
		err = tell_node(ch);
	if ((err < 0 || ch->is_none) && ch->is_first &&
	    layer_is_empty(f->dirty) && layer_cut(f->dirty) == LAYER_NO_CUT) {
		unused = f->dirty;
		f->dirty = NULL;
	}
	file_note_layers(&c->files, f);
	lock_drop(&f->lock);
	layer_put(unused);
	leave(ch->v, ch->is_first);
	commit_wake(ch->v);
	flush_kick(c);
	file_put(&c->files, f);
	return err;
}
