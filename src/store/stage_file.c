/* SPDX-License-Identifier: ISC */
/* One file of the stage: made, finished, put back together after a crash. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "store/stage_priv.h"

struct stage_file *stage_file_new(uint64_t number)
{
	struct stage_file *f = mem_alloc(sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct stage_file){
		.number = number,
		.fd = -1,
		.entries = BUF_INIT(PACK_MAX_ENTRIES * PACK_ENTRY_BYTES),
	};
	return f;
}

void stage_file_free(struct stage_file *f)
{
	buf_release(&f->entries);
	mem_free(f);
}

void stage_file_add_locked(struct stage *st, struct stage_file *f)
{
	struct stage_file **at = &st->files;

	while (*at && (*at)->number < f->number)
		at = &(*at)->next;
	f->next = *at;
	*at = f;
	st->bytes += f->end;
}

/* Leaves nothing behind, or an empty file that no frame names. */
static int abandon(struct stage *st, struct stage_file *f, const char *name,
		   int err)
{
	const struct store_options *o = &st->store->opts;

	store_close_quietly(o->env, &f->fd);
	(void)o->env->ops->unlink(o->env, o->stage_dirfd, name, 0);
	return err;
}

int stage_file_create(struct stage *st, struct stage_file *f)
{
	const struct store_options *o = &st->store->opts;
	char name[STORE_NUMBER_LEN + 1];
	int fd, r;

	store_number_format(f->number, name);
	fd = o->env->ops->open(o->env, o->stage_dirfd, name,
			       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	f->fd = fd;
	r = o->env->ops->pwrite(o->env, fd, st->header, sizeof(st->header), 0);
	if (r < 0)
		return abandon(st, f, name, r);
	f->end = sizeof(st->header);
	f->is_dirty = true;
	return 0;
}

static int check_free_space(struct env *env, int fd, uint64_t bytes)
{
	struct statvfs st;
	int r;

	r = env->ops->statvfs(env, fd, &st);
	if (r < 0)
		return r;
	return bytes / st.f_frsize < st.f_bavail ? 0 : -ENOSPC;
}

int stage_file_reserve(struct stage *st, struct stage_file *f, uint64_t offset,
		       uint64_t bytes)
{
	struct env *env = st->store->opts.env;
	int r;

	r = env->ops->allocate(env, f->fd, offset, bytes);
	if (r != -EOPNOTSUPP)
		return r;
	r = check_free_space(env, f->fd, bytes);
	return r < 0 ? r : 1;
}

/* *ret_total: the file's length, with trailer and footer unless there is no
 * room for them. */
static int write_tail(struct stage *st, struct stage_file *f,
		      uint64_t *ret_total)
{
	const struct store_options *o = &st->store->opts;
	auto_buf struct buf tail =
		BUF_INIT(STAGE_FILE_MAX_TOTAL - STAGE_FILE_MAX_BYTES);
	uint64_t total = 0;
	int r;

	*ret_total = f->end;
	if (f->has_gap)
		return 0;
	r = pack_tail_seal(&o->local->stg_trailer, &o->local->hdg, st->header,
			   f->end, f->entries.data, f->n_entries, &tail,
			   &total);
	if (r == 0)
		r = o->env->ops->pwrite(o->env, f->fd, tail.data, tail.len,
					f->end);
	if (r == -ENOSPC || r == -ENOMEM)
		return 0;
	if (r == 0)
		*ret_total = total;
	return r;
}

int stage_file_finish(struct stage *st, struct stage_file *f)
{
	struct env *env = st->store->opts.env;
	uint64_t total;
	int r;

	r = write_tail(st, f, &total);
	/* What a failed write left behind the end, and what is reserved. */
	if (r == 0)
		r = env->ops->truncate(env, f->fd, total);
	if (r == 0)
		r = env->ops->fdatasync(env, f->fd);
	if (r < 0)
		return r;
	buf_release(&f->entries);
	return env_close(env, &f->fd);
}

/* ---- after a crash ---- */

struct numbers {
	uint64_t *n;
	size_t count, room;
};

static int collect_number(void *arg, const char *name, unsigned char type)
{
	struct numbers *all = arg;
	uint64_t number, *grown;

	(void)type; /* what has such a name must be a stage file */
	if (store_number_parse(name, &number) < 0)
		return 0;
	if (all->count == all->room) {
		size_t room = all->room ? 2 * all->room : 16;

		grown = mem_realloc_array(all->n, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		all->n = grown;
		all->room = room;
	}
	all->n[all->count++] = number;
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static int list_sorted(struct store *s, const struct numbers *all,
		       stage_list_fn *fn, void *arg)
{
	uint64_t bytes;
	int fd, r;

	for (size_t i = 0; i < all->count; i++) {
		fd = store_open_stage_file(s, all->n[i], 0, &bytes);
		if (fd < 0)
			return fd;
		store_close_quietly(s->opts.env, &fd);
		r = fn(arg, all->n[i], bytes);
		if (r != 0)
			return r;
	}
	return 0;
}

int stage_list(struct store *s, stage_list_fn *fn, void *arg)
{
	struct env *env = s->opts.env;
	struct numbers all = { .n = NULL };
	int r;

	r = env->ops->list(env, s->opts.stage_dirfd, collect_number, &all);
	if (r == 0 && all.count > 0) {
		qsort(all.n, all.count, sizeof(*all.n), compare_numbers);
		r = list_sorted(s, &all, fn, arg);
	}
	mem_free(all.n);
	return r;
}

static int check_restored(const struct stage *st, const struct pack_entry *e,
			  const uint8_t *plain)
{
	struct content_id id;

	if ((uint64_t)e->offset + e->stored_bytes > STAGE_FILE_MAX_BYTES)
		return ERR_LIMIT;
	/* The nonce is used again: only ever for the same bytes. */
	keys_content_id(st->store->opts.cid_data, plain, e->plain_bytes, &id);
	return memcmp(&id, &e->id, sizeof(id)) == 0 ? 0 : ERR_DAMAGED;
}

/* Opens a file to be mended; a crash may have left any of its bytes out, its
 * header and itself included. */
static int open_restored(struct stage *st, struct stage_file *f)
{
	const struct store_options *o = &st->store->opts;
	char name[STORE_NUMBER_LEN + 1];
	struct stat stat;
	int r;

	store_number_format(f->number, name);
	f->fd = o->env->ops->open(o->env, o->stage_dirfd, name,
				  O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
				  0600);
	if (f->fd < 0) {
		r = f->fd == -ELOOP ? ERR_DAMAGED : f->fd;
		f->fd = -1;
		return r;
	}
	r = o->env->ops->fstat(o->env, f->fd, &stat);
	if (r == 0 && !S_ISREG(stat.st_mode))
		r = ERR_DAMAGED;
	if (r == 0)
		r = o->env->ops->pwrite(o->env, f->fd, st->header,
					sizeof(st->header), 0);
	if (r < 0)
		store_close_quietly(o->env, &f->fd);
	return r;
}

/* Seals as it was sealed: with the entry's R16 the same bytes result. */
static int write_restored(struct stage *st, struct stage_file *f,
			  const struct pack_entry *e, const uint8_t *plain)
{
	const struct store_options *o = &st->store->opts;
	auto_free uint8_t *sealed = mem_alloc(e->stored_bytes);
	uint8_t ad[64];

	if (!sealed)
		return -ENOMEM;
	record_ad(&o->vault, &e->id, e->plain_bytes, PACK_DATA, ad);
	aead_chain_seal(&o->local->stg, &e->r16, ad, sizeof(ad),
			RECORD_SUB_BYTES, plain, e->plain_bytes, sealed);
	return o->env->ops->pwrite(o->env, f->fd, sealed, e->stored_bytes,
				   e->offset);
}

static int restore(struct stage *st, struct stage_file *f,
		   const struct pack_entry *e, const uint8_t *plain)
{
	int r = 0;

	if (f->fd < 0)
		r = open_restored(st, f);
	return r < 0 ? r : write_restored(st, f, e, plain);
}

static struct stage_file *find_locked(struct stage *st, uint64_t number)
	LOCK_ATTR_(requires_capability(st->lock))
{
	struct stage_file *f = st->files;

	while (f && f->number != number)
		f = f->next;
	return f;
}

static int restore_locked(struct stage *st, uint64_t number,
			  const struct pack_entry *e, const uint8_t *plain)
	LOCK_ATTR_(requires_capability(st->lock))
{
	uint64_t end = (uint64_t)e->offset + e->stored_bytes;
	struct stage_file *f = find_locked(st, number);
	int r;

	if (number >= st->number)
		return -EINVAL;
	if (!f) {
		f = stage_file_new(number);
		if (!f)
			return -ENOMEM;
		stage_file_add_locked(st, f);
	}
	lock_drop(&st->lock);
	r = restore(st, f, e, plain);
	lock_take(&st->lock);
	f->has_gap = true;
	f->is_dirty = true;
	st->is_dir_dirty = true;
	if (r == 0 && end > f->end) {
		st->bytes += end - f->end;
		f->end = end;
	}
	return r;
}

int stage_restore(struct stage *st, uint64_t file, const struct pack_entry *e,
		  const uint8_t *plain)
{
	int r;

	r = check_restored(st, e, plain);
	if (r < 0)
		return r;
	block_soon();
	lock_take(&st->lock);
	r = stage_enter_locked(st);
	if (r == 0) {
		r = restore_locked(st, file, e, plain);
		stage_leave_locked(st);
	}
	lock_drop(&st->lock);
	return r;
}
