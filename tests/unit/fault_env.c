/* SPDX-License-Identifier: ISC */
#include "fault_env.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum call { CALL_OTHER, CALL_GROWS, CALL_LINK, CALL_SYNC };

static bool fails(struct env *e, enum call call)
{
	struct fault_env *f = (struct fault_env *)e;

	if ((f->only_link && call != CALL_LINK) ||
	    (f->only_sync && call != CALL_SYNC) ||
	    (f->is_full && (call == CALL_OTHER || call == CALL_SYNC)))
		return false;
	if (f->has_failed && f->sticky)
		return true;
	if (f->nth == 0 || --f->nth > 0)
		return false;
	f->has_failed = true;
	return true;
}

static int err(struct env *e)
{
	return ((struct fault_env *)e)->error;
}

static struct env *disk(void)
{
	return env_posix();
}

static int f_open(struct env *e, int dirfd, const char *name, int flags,
		  mode_t mode)
{
	bool makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;

	return fails(e, makes ? CALL_GROWS : CALL_OTHER) ?
		       err(e) :
				 disk()->ops->open(disk(), dirfd, name, flags,
						   mode);
}

static int f_close(struct env *e, int fd)
{
	int r = disk()->ops->close(disk(), fd);

	if (((struct fault_env *)e)->close_too && fails(e, CALL_OTHER))
		return err(e);
	return r;
}

static ssize_t f_pread(struct env *e, int fd, void *to, size_t len,
		       uint64_t offset)
{
	return fails(e, CALL_OTHER) ?
		       err(e) : disk()->ops->pread(disk(), fd, to, len, offset);
}

static ssize_t f_pread_nowait(struct env *e, int fd, void *to, size_t len,
			      uint64_t offset)
{
	return fails(e, CALL_OTHER) ?
		       err(e) :
		       disk()->ops->pread_nowait(disk(), fd, to, len, offset);
}

static int f_pwrite(struct env *e, int fd, const void *from, size_t len,
		    uint64_t offset)
{
	if (fails(e, CALL_GROWS)) {
		/* A part of it may have been written. */
		(void)!disk()->ops->pwrite(disk(), fd, from, len / 2, offset);
		return err(e);
	}
	return disk()->ops->pwrite(disk(), fd, from, len, offset);
}

static int f_sync(struct env *e, int fd)
{
	(void)fd;
	return fails(e, CALL_SYNC) ? err(e) : 0;
}

static int f_truncate(struct env *e, int fd, uint64_t len)
{
	return fails(e, CALL_OTHER) ? err(e) :
				 disk()->ops->truncate(disk(), fd, len);
}

static int f_allocate(struct env *e, int fd, uint64_t offset, uint64_t len)
{
	return fails(e, CALL_GROWS) ?
		       err(e) : disk()->ops->allocate(disk(), fd, offset, len);
}

static int f_link_fd(struct env *e, int fd, int dirfd, const char *name)
{
	return fails(e, CALL_LINK) ? err(e) :
				disk()->ops->link_fd(disk(), fd, dirfd, name);
}

static int f_rename(struct env *e, int from_dirfd, const char *from,
		    int to_dirfd, const char *to, unsigned flags)
{
	return fails(e, CALL_GROWS) ? err(e) :
				 disk()->ops->rename(disk(), from_dirfd, from,
						     to_dirfd, to, flags);
}

static int f_unlink(struct env *e, int dirfd, const char *name, int flags)
{
	return fails(e, CALL_OTHER) ?
		       err(e) : disk()->ops->unlink(disk(), dirfd, name, flags);
}

static int f_mkdir(struct env *e, int dirfd, const char *name, mode_t mode)
{
	return fails(e, CALL_GROWS) ?
		       err(e) : disk()->ops->mkdir(disk(), dirfd, name, mode);
}

static int f_fstat(struct env *e, int fd, struct stat *st)
{
	return fails(e, CALL_OTHER) ? err(e) : disk()->ops->fstat(disk(), fd, st);
}

static int f_list(struct env *e, int dirfd, env_entry_fn *fn, void *arg)
{
	return fails(e, CALL_OTHER) ? err(e) :
				 disk()->ops->list(disk(), dirfd, fn, arg);
}

static int f_statvfs(struct env *e, int fd, struct statvfs *st)
{
	return fails(e, CALL_OTHER) ? err(e) : disk()->ops->statvfs(disk(), fd, st);
}

static int f_lock(struct env *e, int fd)
{
	return fails(e, CALL_OTHER) ? err(e) : disk()->ops->lock(disk(), fd);
}

static const struct env_ops ops = {
	.open = f_open,
	.close = f_close,
	.pread = f_pread,
	.pread_nowait = f_pread_nowait,
	.pwrite = f_pwrite,
	.fsync = f_sync,
	.fdatasync = f_sync,
	.truncate = f_truncate,
	.allocate = f_allocate,
	.link_fd = f_link_fd,
	.rename = f_rename,
	.unlink = f_unlink,
	.mkdir = f_mkdir,
	.fstat = f_fstat,
	.list = f_list,
	.statvfs = f_statvfs,
	.lock = f_lock,
};

void fault_env_init(struct fault_env *f)
{
	memset(f, 0, sizeof(*f));
	f->env.ops = &ops;
	f->error = -EIO;
}
