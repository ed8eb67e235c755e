/* SPDX-License-Identifier: ISC */
#include "store/stage.h"

#include <assert.h>
#include <errno.h>

#include "base/block.h"
#include "base/mem.h"
#include "store/stage_priv.h"

int stage_enter_locked(struct stage *st)
{
	while (st->is_maintaining)
		cond_wait(&st->changed, &st->lock);
	if (st->is_dead)
		return ERR_DEAD_WRITER;
	st->is_maintaining = true;
	return 0;
}

void stage_leave_locked(struct stage *st)
{
	st->is_maintaining = false;
	cond_broadcast(&st->changed);
}

/* ---- opening and closing ---- */

struct found {
	struct stage *st;
	uint64_t next_file;
};

static int add_found(void *arg, uint64_t number, uint64_t bytes)
{
	const struct found *found = arg;
	struct stage *st = found->st;
	struct stage_file *f;

	if (number >= found->next_file)
		return -EEXIST;
	f = stage_file_new(number);
	if (!f)
		return -ENOMEM;
	f->end = bytes;
	f->has_gap = true;
	lock_take(&st->lock);
	stage_file_add_locked(st, f);
	lock_drop(&st->lock);
	return 0;
}

int stage_open(struct store *s, uint64_t next_file, struct stage **ret)
{
	struct stage *st = mem_zalloc(sizeof(*st));
	struct found found = { .st = st, .next_file = next_file };
	int r;

	assert(s->opts.local && s->opts.stage_dirfd >= 0);
	if (!st)
		return -ENOMEM;
	st->store = s;
	st->number = next_file;
	lock_init(&st->lock, LOCK_STORE, 0);
	cond_init(&st->changed);
	store_stage_header(s, st->header);
	r = stage_list(s, add_found, &found);
	if (r < 0) {
		stage_close(st);
		return r;
	}
	*ret = st;
	return 0;
}

/* Gives reserved space back.  No harm if it fails: the length is right either
 * way, and the file will be dropped. */
static void release_reserved(struct stage *st, struct stage_file *f)
{
	struct env *env = st->store->opts.env;

	if (f->reserved > f->end)
		(void)env->ops->truncate(env, f->fd, f->end);
	f->reserved = 0;
}

void stage_close(struct stage *st)
{
	struct stage_file *f;

	if (!st)
		return;
	while ((f = st->files)) {
		assert(f->n_writing == 0);
		st->files = f->next;
		if (f->fd >= 0) {
			release_reserved(st, f);
			store_close_quietly(st->store->opts.env, &f->fd);
		}
		stage_file_free(f);
	}
	cond_release(&st->changed);
	lock_release(&st->lock);
	mem_free(st);
}

/* ---- appending ---- */

static void retire_present_locked(struct stage *st)
	LOCK_ATTR_(requires_capability(st->lock))
{
	if (!st->present)
		return;
	st->present = NULL;
	st->number++;
}

static void stop_using_locked(struct stage *st, struct stage_file *f)
	LOCK_ATTR_(requires_capability(st->lock))
{
	if (--f->n_writing == 0)
		cond_broadcast(&st->changed);
}

/* The new file, and what was reserved in the one before. */
static int make_file(struct stage *st, struct stage_file *old, uint64_t carried,
		     struct stage_file *fresh)
{
	int r;

	if (old)
		release_reserved(st, old);
	r = stage_file_create(st, fresh);
	if (r < 0 || carried == 0)
		return r;
	/* A failure is told when the space is asked for or written to. */
	if (stage_file_reserve(st, fresh, fresh->end, carried) == 0)
		fresh->reserved = fresh->end + carried;
	return 0;
}

/* Replaces the present file, if any, by the next.  Drops the lock meanwhile:
 * is_making keeps other makers out. */
static int make_file_locked(struct stage *st)
	LOCK_ATTR_(requires_capability(st->lock))
{
	struct stage_file *old = st->present, *fresh;
	uint64_t carried = 0;
	int r;

	retire_present_locked(st);
	fresh = stage_file_new(st->number);
	if (!fresh)
		return -ENOMEM;
	if (old) {
		old->n_writing++;
		if (old->reserved > old->end)
			carried = old->reserved - old->end;
	}
	st->is_making = true;
	lock_drop(&st->lock);
	r = make_file(st, old, carried, fresh);
	lock_take(&st->lock);
	st->is_making = false;
	cond_broadcast(&st->changed);
	if (old)
		stop_using_locked(st, old);
	if (r < 0) {
		stage_file_free(fresh);
		return r;
	}
	stage_file_add_locked(st, fresh);
	st->is_dir_dirty = true;
	st->present = fresh;
	return 0;
}

static bool has_room(const struct stage_file *f, uint64_t bytes)
{
	return f->n_entries < PACK_MAX_ENTRIES &&
	       bytes <= STAGE_FILE_MAX_BYTES - f->end;
}

/* The present file, with room for one more record and for `bytes`. */
static int find_room_locked(struct stage *st, uint64_t bytes,
			    struct stage_file **ret)
	LOCK_ATTR_(requires_capability(st->lock))
{
	int r;

	for (;;) {
		if (st->is_dead)
			return ERR_DEAD_WRITER;
		if (st->present && has_room(st->present, bytes))
			break;
		if (st->is_making) {
			cond_wait(&st->changed, &st->lock);
			continue;
		}
		r = make_file_locked(st);
		/* One that could be neither begun nor removed. */
		if (r == -EEXIST)
			st->number++;
		else if (r < 0)
			return r;
	}
	*ret = st->present;
	return 0;
}

/* All of the entry or nothing; want of memory does not stick. */
static int add_entry(struct stage_file *f, const struct pack_entry *e)
{
	size_t len = f->entries.len;
	int r;

	pack_entry_put(&f->entries, e);
	r = buf_error(&f->entries);
	if (r < 0) {
		f->entries.len = len;
		f->entries.error = 0;
		return r;
	}
	f->n_entries++;
	return 0;
}

/* Hands out the record's offset. */
static int place_record(struct stage *st, struct pack_entry *e,
			struct stage_file **ret)
{
	struct stage_file *f;
	int r;

	lock_take(&st->lock);
	r = find_room_locked(st, e->stored_bytes, &f);
	if (r == 0) {
		e->offset = (uint32_t)f->end;
		r = add_entry(f, e);
	}
	if (r == 0) {
		f->n_writing++;
		f->end += e->stored_bytes;
		st->bytes += e->stored_bytes;
		*ret = f;
	}
	lock_drop(&st->lock);
	return r;
}

/* Takes a record back that could not be written.  The last one gives its place
 * back; behind another it leaves a gap, and the file does without trailer. */
static void take_back_locked(struct stage *st, struct stage_file *f,
			     const struct pack_entry *e)
	LOCK_ATTR_(requires_capability(st->lock))
{
	if (f->end != (uint64_t)e->offset + e->stored_bytes) {
		f->has_gap = true;
		return;
	}
	f->end -= e->stored_bytes;
	st->bytes -= e->stored_bytes;
	f->entries.len -= PACK_ENTRY_BYTES;
	f->n_entries--;
}

static int write_record(struct stage *st, struct stage_file *f,
			const struct pack_entry *e, const uint8_t *sealed)
{
	struct env *env = st->store->opts.env;
	int r;

	r = env->ops->pwrite(env, f->fd, sealed, e->stored_bytes, e->offset);
	lock_take(&st->lock);
	f->is_dirty = true;
	if (r < 0)
		take_back_locked(st, f, e);
	stop_using_locked(st, f);
	lock_drop(&st->lock);
	return r;
}

int stage_append(struct stage *st, const struct content_id *id,
		 const uint8_t *plain, uint32_t len, uint64_t *ret_file,
		 struct pack_entry *ret_entry)
{
	const struct store_options *o = &st->store->opts;
	auto_free uint8_t *sealed = mem_alloc(record_stored_bytes(len));
	struct pack_entry e = { .offset = 0 };
	struct stage_file *f = NULL;
	uint64_t number;
	int r;

	if (!sealed)
		return -ENOMEM;
	record_seal(&o->local->stg, &o->local->hdg, &o->vault, PACK_DATA, id,
		    plain, len, sealed, &e);
	r = place_record(st, &e, &f);
	if (r < 0)
		return r;
	/* Once written, the file may be closed and dropped by others. */
	number = f->number;
	r = write_record(st, f, &e, sealed);
	if (r < 0)
		return r;
	*ret_file = number;
	*ret_entry = e;
	return 0;
}

static int reserve_locked(struct stage *st, uint64_t bytes)
	LOCK_ATTR_(requires_capability(st->lock))
{
	struct stage_file *f;
	uint64_t from, to;
	int r;

	r = find_room_locked(st, bytes, &f);
	if (r < 0)
		return r;
	from = max_of(f->end, f->reserved);
	to = f->end + bytes;
	if (to <= from)
		return 0;
	f->n_writing++;
	lock_drop(&st->lock);
	r = stage_file_reserve(st, f, from, to - from);
	lock_take(&st->lock);
	if (r == 0)
		f->reserved = max_of(f->reserved, to);
	stop_using_locked(st, f);
	return r < 0 ? r : 0;
}

int stage_reserve(struct stage *st, uint64_t bytes)
{
	int r;

	if (bytes > STAGE_FILE_MAX_BYTES - PACK_HEADER_BYTES)
		return ERR_LIMIT;
	lock_take(&st->lock);
	r = reserve_locked(st, bytes);
	lock_drop(&st->lock);
	return r;
}

/* ---- maintenance ---- */

static int sync_dir_locked(struct stage *st)
	LOCK_ATTR_(requires_capability(st->lock))
{
	const struct store_options *o = &st->store->opts;
	int r;

	if (!st->is_dir_dirty)
		return 0;
	st->is_dir_dirty = false;
	lock_drop(&st->lock);
	r = o->env->ops->fsync(o->env, o->stage_dirfd);
	lock_take(&st->lock);
	return r;
}

/* A retired file is closed once nobody writes to it: so many entries need not
 * stay in memory until the next rotate. */
static int sync_file_locked(struct stage *st, struct stage_file *f)
	LOCK_ATTR_(requires_capability(st->lock))
{
	struct env *env = st->store->opts.env;
	bool close_it = f != st->present && f->n_writing == 0;
	int r;

	if (f->fd < 0 || (!close_it && !f->is_dirty))
		return 0;
	f->is_dirty = false;
	lock_drop(&st->lock);
	if (close_it)
		r = stage_file_finish(st, f);
	else
		r = env->ops->fdatasync(env, f->fd);
	lock_take(&st->lock);
	return r;
}

static int sync_files_locked(struct stage *st)
	LOCK_ATTR_(requires_capability(st->lock))
{
	struct stage_file *f;
	int r = 0;

	for (f = st->files; f && r == 0; f = f->next)
		r = sync_file_locked(st, f);
	if (r == 0)
		r = sync_dir_locked(st);
	if (r < 0)
		st->is_dead = true;
	return r;
}

int stage_sync(struct stage *st)
{
	int r;

	block_soon();
	lock_take(&st->lock);
	r = stage_enter_locked(st);
	if (r == 0) {
		r = sync_files_locked(st);
		stage_leave_locked(st);
	}
	lock_drop(&st->lock);
	return r;
}

bool stage_is_dead(struct stage *st)
{
	lock_take(&st->lock);
	bool dead = st->is_dead;
	lock_drop(&st->lock);
	return dead;
}

/* An unused file stays: closing it would only use up a number. */
static void retire_used_locked(struct stage *st)
	LOCK_ATTR_(requires_capability(st->lock))
{
	if (st->present && st->present->end > PACK_HEADER_BYTES)
		retire_present_locked(st);
}

static void wait_for_writers_locked(struct stage *st)
	LOCK_ATTR_(requires_capability(st->lock))
{
	struct stage_file *f = st->files;

	while (f) {
		if (f != st->present && f->n_writing > 0)
			cond_wait(&st->changed, &st->lock);
		else
			f = f->next;
	}
}

static int rotate_locked(struct stage *st, uint64_t *ret_closed_below)
	LOCK_ATTR_(requires_capability(st->lock))
{
	uint64_t below;
	int r;

	retire_used_locked(st);
	below = st->number;
	wait_for_writers_locked(st);
	r = sync_files_locked(st);
	if (r == 0)
		*ret_closed_below = below;
	return r;
}

int stage_rotate(struct stage *st, uint64_t *ret_closed_below)
{
	int r;

	block_soon();
	lock_take(&st->lock);
	r = stage_enter_locked(st);
	if (r == 0) {
		r = rotate_locked(st, ret_closed_below);
		stage_leave_locked(st);
	}
	lock_drop(&st->lock);
	return r;
}

/* Closed files only; their readers keep what they have open. */
static int remove_file(struct stage *st, struct stage_file *f)
{
	const struct store_options *o = &st->store->opts;
	const struct store_file_key key = { .is_stage = true,
					    .number = f->number };
	char name[STORE_NUMBER_LEN + 1];
	int r;

	if (f->fd >= 0)
		store_close_quietly(o->env, &f->fd);
	store_number_format(f->number, name);
	r = o->env->ops->unlink(o->env, o->stage_dirfd, name, 0);
	file_cache_forget(st->store, &key);
	return r == -ENOENT ? 0 : r;
}

static int drop_locked(struct stage *st, uint64_t below)
	LOCK_ATTR_(requires_capability(st->lock))
{
	struct stage_file *f;
	int r;

	assert(below <= st->number);
	while ((f = st->files) && f->number < below) {
		assert(f != st->present && f->n_writing == 0);
		lock_drop(&st->lock);
		r = remove_file(st, f);
		lock_take(&st->lock);
		if (r < 0)
			return r;
		st->files = f->next;
		st->bytes -= f->end;
		st->is_dir_dirty = true;
		stage_file_free(f);
	}
	r = sync_dir_locked(st);
	if (r < 0)
		st->is_dead = true;
	return r;
}

int stage_drop_below(struct stage *st, uint64_t file)
{
	int r;

	block_soon();
	lock_take(&st->lock);
	r = stage_enter_locked(st);
	if (r == 0) {
		r = drop_locked(st, file);
		stage_leave_locked(st);
	}
	lock_drop(&st->lock);
	return r;
}

uint64_t stage_bytes(const struct stage *st)
{
	return st->bytes;
}

uint64_t stage_file(const struct stage *st)
{
	return st->number;
}
