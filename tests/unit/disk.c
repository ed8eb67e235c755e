/* SPDX-License-Identifier: ISC */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct disk *disk_of(struct env *env)
{
	return container_of(env, struct disk, env);
}

static struct env *real(void)
{
	return env_posix();
}

static int fails(struct disk *d, enum disk_call call)
{
	d->n[call]++;
	if (d->fail != call || --d->fail_at > 0)
		return 0;
	return d->fail_err;
}

static int disk_open(struct env *env, int dirfd, const char *name, int flags,
		     mode_t mode)
{
	struct disk *d = disk_of(env);
	int r = fails(d, DISK_OPEN), max;

	if (r < 0)
		return r;
	if ((flags & O_TMPFILE) == O_TMPFILE && d->no_tmpfile)
		return d->no_tmpfile;
	r = real()->ops->open(real(), dirfd, name, flags, mode);
	if (r < 0)
		return r;
	max = d->max_open;
	d->n_open++;
	while (d->n_open > max &&
	       !atomic_compare_exchange_weak(&d->max_open, &max, d->n_open))
		;
	if (d->on_open)
		d->on_open();
	return r;
}

static int disk_close(struct env *env, int fd)
{
	disk_of(env)->n_open--;
	return real()->ops->close(real(), fd);
}

static ssize_t disk_pread(struct env *env, int fd, void *to, size_t len,
			  uint64_t offset)
{
	(void)env;
	return real()->ops->pread(real(), fd, to, len, offset);
}

static ssize_t disk_pread_nowait(struct env *env, int fd, void *to, size_t len,
				 uint64_t offset)
{
	struct disk *d = disk_of(env);

	if (d->nowait_err)
		return d->nowait_err;
	if (d->nowait_max > 0)
		len = min_of(len, d->nowait_max);
	return real()->ops->pread_nowait(real(), fd, to, len, offset);
}

/* How much of a write there is room for. */
static size_t take_room(struct disk *d, int fd, size_t len, uint64_t offset)
{
	uint64_t size = 0, needed, standing = 0;
	struct stat st;
	int64_t left;

	if (!d->copies && real()->ops->fstat(real(), fd, &st) == 0)
		size = (uint64_t)st.st_size;
	if (offset < size)
		standing = min_of(size - offset, (uint64_t)len);
	needed = len - standing;
	left = atomic_fetch_sub(&d->room, (int64_t)needed);
	if (left >= (int64_t)needed)
		return len;
	d->room = 0;
	return (size_t)(standing + (uint64_t)max_of(left, 0));
}

static int write_flipped(int fd, const void *from, size_t len, uint64_t offset,
			 uint64_t flip_at)
{
	uint8_t *copy = malloc(len);
	int r;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, from, len);
	copy[flip_at - offset] ^= 1;
	r = real()->ops->pwrite(real(), fd, copy, len, offset);
	free(copy);
	return r;
}

static int disk_pwrite(struct env *env, int fd, const void *from, size_t len,
		       uint64_t offset)
{
	struct disk *d = disk_of(env);
	size_t room;
	int r, err;

	if (d->on_pwrite)
		d->on_pwrite();
	err = fails(d, DISK_PWRITE);
	if (err < 0 && !d->fail_late)
		return err;
	room = take_room(d, fd, len, offset);
	if (d->flip_at > 0 && offset <= d->flip_at && d->flip_at - offset < len)
		r = write_flipped(fd, from, len, offset, d->flip_at);
	else
		r = real()->ops->pwrite(real(), fd, from, room, offset);
	if (r == 0 && room < len)
		r = -ENOSPC;
	return err < 0 ? err : r;
}

static int disk_fsync(struct env *env, int fd)
{
	int r = fails(disk_of(env), DISK_FSYNC);

	return r < 0 ? r : real()->ops->fsync(real(), fd);
}

static int disk_fdatasync(struct env *env, int fd)
{
	int r = fails(disk_of(env), DISK_FDATASYNC);

	return r < 0 ? r : real()->ops->fdatasync(real(), fd);
}

static int disk_truncate(struct env *env, int fd, uint64_t len)
{
	int r = fails(disk_of(env), DISK_TRUNCATE);

	return r < 0 ? r : real()->ops->truncate(real(), fd, len);
}

static int disk_allocate(struct env *env, int fd, uint64_t offset, uint64_t len)
{
	struct disk *d = disk_of(env);
	int r = fails(d, DISK_ALLOCATE);

	if (r < 0)
		return r;
	if (d->no_allocate)
		return d->no_allocate;
	return real()->ops->allocate(real(), fd, offset, len);
}

static int disk_link_fd(struct env *env, int fd, int dirfd, const char *name)
{
	(void)env;
	return real()->ops->link_fd(real(), fd, dirfd, name);
}

static int disk_rename(struct env *env, int from_dirfd, const char *from,
		       int to_dirfd, const char *to, unsigned flags)
{
	int r = fails(disk_of(env), DISK_RENAME);

	if (r < 0)
		return r;
	return real()->ops->rename(real(), from_dirfd, from, to_dirfd, to,
				   flags);
}

static int disk_unlink(struct env *env, int dirfd, const char *name, int flags)
{
	int r = fails(disk_of(env), DISK_UNLINK);

	return r < 0 ? r : real()->ops->unlink(real(), dirfd, name, flags);
}

static int disk_mkdir(struct env *env, int dirfd, const char *name, mode_t mode)
{
	(void)env;
	return real()->ops->mkdir(real(), dirfd, name, mode);
}

static int disk_fstat(struct env *env, int fd, struct stat *ret_st)
{
	(void)env;
	return real()->ops->fstat(real(), fd, ret_st);
}

static int disk_list(struct env *env, int dirfd, env_entry_fn *fn, void *arg)
{
	(void)env;
	return real()->ops->list(real(), dirfd, fn, arg);
}

static int disk_statvfs(struct env *env, int fd, struct statvfs *ret_st)
{
	struct disk *d = disk_of(env);
	int r = real()->ops->statvfs(real(), fd, ret_st);

	if (r == 0 && d->blocks_free > 0)
		ret_st->f_bavail = d->blocks_free;
	return r;
}

static int disk_lock(struct env *env, int fd)
{
	(void)env;
	return real()->ops->lock(real(), fd);
}

static const struct env_ops disk_ops = {
	.open = disk_open,
	.close = disk_close,
	.pread = disk_pread,
	.pread_nowait = disk_pread_nowait,
	.pwrite = disk_pwrite,
	.fsync = disk_fsync,
	.fdatasync = disk_fdatasync,
	.truncate = disk_truncate,
	.allocate = disk_allocate,
	.link_fd = disk_link_fd,
	.rename = disk_rename,
	.unlink = disk_unlink,
	.mkdir = disk_mkdir,
	.fstat = disk_fstat,
	.list = disk_list,
	.statvfs = disk_statvfs,
	.lock = disk_lock,
};

void disk_init(struct disk *d)
{
	memset(d, 0, sizeof(*d));
	d->env.ops = &disk_ops;
	d->room = DISK_PLENTY;
}

void disk_fail(struct disk *d, enum disk_call call, int nth, int err)
{
	d->fail_at = nth;
	d->fail_err = err;
	d->fail = call;
}

void disk_mend(struct disk *d)
{
	d->fail = DISK_NONE;
	d->room = DISK_PLENTY;
}
