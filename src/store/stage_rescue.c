/* SPDX-License-Identifier: ISC */
/*
 * After a failed sync: nobody knows what of a file is on the disk, and syncing
 * its descriptor again would only hide that.  What is still in memory is written
 * to a new file once, which takes the old one's name, so that frames and index
 * need not be told (Rebello et al.: Can Applications Recover from fsync
 * Failures?, USENIX ATC 2020, section 6).
 */
#include <errno.h>
#include <fcntl.h>

#include "base/block.h"
#include "base/mem.h"
#include "store/stage_priv.h"

#define TEMP_NAME "rescued"
#define COPY_BYTES ((size_t)1 << 20)

static int copy_bytes(struct env *env, int from, int to, uint64_t bytes)
{
	auto_free uint8_t *room = mem_alloc(COPY_BYTES);
	int r = room ? 0 : -ENOMEM;

	for (uint64_t at = 0; r == 0 && at < bytes;) {
		size_t n = (size_t)min_of(bytes - at, (uint64_t)COPY_BYTES);

		r = env_read_exact(env, from, room, n, at);
		if (r == 0)
			r = env->ops->pwrite(env, to, room, n, at);
		at += n;
	}
	return r;
}

static int open_temp(const struct store_options *o)
{
	int r = o->env->ops->unlink(o->env, o->stage_dirfd, TEMP_NAME, 0);

	if (r < 0 && r != -ENOENT)
		return r;
	return o->env->ops->open(o->env, o->stage_dirfd, TEMP_NAME,
				 O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

/* The new file under the old one's name; its descriptor. */
static int replace(struct stage *st, const struct stage_file *f)
{
	const struct store_options *o = &st->store->opts;
	const struct store_file_key key = { .is_stage = true,
					    .number = f->number };
	char name[STORE_NUMBER_LEN + 1];
	int fd = open_temp(o), r;

	if (fd < 0)
		return fd;
	store_number_format(f->number, name);
	r = copy_bytes(o->env, f->fd, fd, f->end);
	if (r == 0)
		r = o->env->ops->fdatasync(o->env, fd);
	if (r == 0)
		r = o->env->ops->rename(o->env, o->stage_dirfd, TEMP_NAME,
					o->stage_dirfd, name, 0);
	if (r < 0) {
		store_close_quietly(o->env, &fd);
		(void)o->env->ops->unlink(o->env, o->stage_dirfd, TEMP_NAME, 0);
		return r;
	}
	file_cache_forget(st->store, &key);
	return fd;
}

/* What the page cache gave may be what the disk held before: only what its tag
 * vouches for was rescued. */
static int check_records(struct stage *st, const struct stage_file *f)
{
	auto_free uint8_t *plain = mem_alloc(CHUNK_MAX_BYTES);
	struct store_place place = {
		.is_stage = true,
		.stage_file = f->number,
		.type = PACK_DATA,
	};
	struct cursor c;
	int r = plain ? 0 : -ENOMEM;

	cursor_init(&c, f->entries.data, f->entries.len);
	while (r == 0 && cursor_left(&c) > 0) {
		r = pack_entry_read(&c, &place.entry);
		if (r == 0)
			r = store_read(st->store, &place, 0, 0,
				       (place.entry.plain_bytes - 1) /
						       RECORD_SUB_BYTES + 1,
				       false, plain);
	}
	if (plain)
		mem_wipe(plain, CHUNK_MAX_BYTES);
	return r;
}

static int rescue_file(struct stage *st, struct stage_file *f)
{
	struct env *env = st->store->opts.env;
	int fd;

	/* Put back after a crash: the frames have it, replaying does it again. */
	if (f->n_entries == 0 && f->end > PACK_HEADER_BYTES)
		return ERR_DEAD_WRITER;
	fd = replace(st, f);
	if (fd < 0)
		return fd;
	store_close_quietly(env, &f->fd);
	f->fd = fd;
	f->reserved = 0;
	return check_records(st, f);
}

/* Nobody appends to a dead stage: those who began to must have ended. */
static void wait_for_all_locked(struct stage *st)
	LOCK_ATTR_(requires_capability(st->lock))
{
	struct stage_file *f = st->files;

	while (st->is_making)
		cond_wait(&st->changed, &st->lock);
	while (f) {
		if (f->n_writing > 0)
			cond_wait(&st->changed, &st->lock);
		else
			f = f->next;
	}
}

static int rescue_locked(struct stage *st)
	LOCK_ATTR_(requires_capability(st->lock))
{
	const struct store_options *o = &st->store->opts;
	int r = 0;

	wait_for_all_locked(st);
	for (struct stage_file *f = st->files; f && r == 0; f = f->next) {
		if (f->fd < 0)
			continue;
		lock_drop(&st->lock);
		r = rescue_file(st, f);
		lock_take(&st->lock);
		f->is_dirty = false;
	}
	if (r == 0) {
		lock_drop(&st->lock);
		r = o->env->ops->fsync(o->env, o->stage_dirfd);
		lock_take(&st->lock);
	}
	st->is_dead = r < 0;
	st->is_dir_dirty = false;
	return r;
}

int stage_rescue(struct stage *st)
{
	int r = ERR_DEAD_WRITER;

	block_soon();
	lock_take(&st->lock);
	while (st->is_maintaining)
		cond_wait(&st->changed, &st->lock);
	if (!st->is_dead) {
		r = 0;
	} else if (!st->is_rescued) {
		st->is_rescued = st->is_maintaining = true;
		r = rescue_locked(st);
		stage_leave_locked(st);
	}
	lock_drop(&st->lock);
	return r;
}
