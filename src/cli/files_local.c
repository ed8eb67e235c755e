/* SPDX-License-Identifier: ISC */
/* A tree of files on the local disk, or in a mounted vault. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/files.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static struct timespec timespec_of(int64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / NS_PER_S),
			      .tv_nsec = (long)(ns % NS_PER_S) };

	if (t.tv_nsec < 0) {
		t.tv_sec--;
		t.tv_nsec += NS_PER_S;
	}
	return t;
}

static void convert(const struct stat *st, struct files_stat *ret)
{
	ret->dev = st->st_dev;
	ret->attr = (struct vault_attr){
		.ino = st->st_ino,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = st->st_rdev,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime_ns = clock_ns_of(&st->st_atim),
		.mtime_ns = clock_ns_of(&st->st_mtim),
		.ctime_ns = clock_ns_of(&st->st_ctim),
	};
}

static void local_close(struct files *f, struct files_at *at)
{
	(void)f;
	if (at->fd >= 0)
		close(at->fd);
	at->fd = -1;
}

static int local_stat_at(struct files *f, struct files_at at,
			 struct files_stat *ret)
{
	struct stat st;

	(void)f;
	if (fstat(at.fd, &st) < 0)
		return -errno;
	convert(&st, ret);
	return 0;
}

static int local_stat(struct files *f, struct files_at dir, const char *name,
		      struct files_stat *ret)
{
	struct stat st;

	(void)f;
	if (fstatat(dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	convert(&st, ret);
	return 1;
}

static int local_open_dir(struct files *f, struct files_at dir,
			  const char *name, struct files_at *ret)
{
	int fd = openat(dir.fd, name, DIR_FLAGS);

	(void)f;
	if (fd < 0)
		return errno == ELOOP ? -ENOTDIR : -errno;
	*ret = (struct files_at){ .fd = fd };
	return 0;
}

static int local_open_file(struct files *f, struct files_at dir,
			   const char *name, bool write, struct files_at *ret)
{
	struct stat st;
	/* A FIFO that takes the file's place must not hold us up. */
	int fd = openat(dir.fd, name,
			(write ? O_WRONLY : O_RDONLY) | O_NOFOLLOW |
				O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r = 0;

	(void)f;
	if (fd < 0)
		return errno == ELOOP ? -EINVAL : -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (r < 0)
		close(fd);
	else
		*ret = (struct files_at){ .fd = fd };
	return r;
}

static int local_list(struct files *f, struct files_at dir, files_entry_fn *fn,
		      void *arg)
{
	int fd = openat(dir.fd, ".", DIR_FLAGS);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int r = 0;

	(void)f;
	if (!d) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0) {
		errno = 0;
		e = readdir(d);
		if (!e) {
			r = -errno;
			break;
		}
		if (files_name_ok(e->d_name))
			r = fn(arg, e->d_name);
	}
	closedir(d);
	return r;
}

static ssize_t local_readlink(struct files *f, struct files_at dir,
			      const char *name, char *to, size_t cap)
{
	ssize_t n = readlinkat(dir.fd, name, to, cap);

	(void)f;
	return n < 0 ? -errno : n;
}

static ssize_t local_read(struct files *f, struct files_at file, void *to,
			  size_t len, uint64_t offset)
{
	ssize_t n;

	(void)f;
	do
		n = pread(file.fd, to, len, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int local_seek(struct files *f, struct files_at file, uint64_t offset,
		      int whence, uint64_t *ret)
{
	off_t at = lseek(file.fd, (off_t)offset, whence);

	(void)f;
	if (at < 0)
		return -errno;
	*ret = (uint64_t)at;
	return 0;
}

static int local_make(struct files *f, struct files_at dir, const char *name,
		      uint32_t mode, uint64_t rdev, const char *target)
{
	int fd;

	(void)f;
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return mkdirat(dir.fd, name, 0700) < 0 ? -errno : 0;
	case S_IFLNK:
		return symlinkat(target, dir.fd, name) < 0 ? -errno : 0;
	case S_IFREG:
		fd = openat(dir.fd, name,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
				    O_CLOEXEC,
			    0600);
		if (fd < 0)
			return -errno;
		return close(fd) < 0 ? -errno : 0;
	default:
		return mknodat(dir.fd, name, (mode & S_IFMT) | 0600,
			       (dev_t)rdev) < 0
			       ? -errno
			       : 0;
	}
}

static int local_write(struct files *f, struct files_at file, const void *from,
		       size_t len, uint64_t offset)
{
	const char *at = from;

	(void)f;
	while (len) {
		ssize_t n = pwrite(file.fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int local_truncate(struct files *f, struct files_at file, uint64_t size)
{
	(void)f;
	return ftruncate(file.fd, (off_t)size) < 0 ? -errno : 0;
}

static int local_link(struct files *f, struct files_at old_dir, const char *old,
		      struct files_at dir, const char *name)
{
	(void)f;
	return linkat(old_dir.fd, old, dir.fd, name, 0) < 0 ? -errno : 0;
}

static int local_rename(struct files *f, struct files_at dir, const char *from,
			const char *to, bool replace)
{
	int flags = replace ? 0 : RENAME_NOREPLACE;

	(void)f;
	if (renameat2(dir.fd, from, dir.fd, to, (unsigned)flags) == 0)
		return 0;
	/* A file system without RENAME_NOREPLACE: link(2) refuses too. */
	if (errno != EINVAL || replace)
		return -errno;
	if (linkat(dir.fd, from, dir.fd, to, 0) < 0)
		return -errno;
	return unlinkat(dir.fd, from, 0) < 0 ? -errno : 0;
}

static int local_unlink(struct files *f, struct files_at dir, const char *name)
{
	(void)f;
	return unlinkat(dir.fd, name, 0) < 0 ? -errno : 0;
}

/* Times last: the others change them.  Never through a link. */
static int local_set(struct files *f, struct files_at dir, const char *name,
		     unsigned mask, const struct vault_attr *attr)
{
	const struct timespec times[] = {
		mask & VAULT_SET_ATIME ? timespec_of(attr->atime_ns)
				       : (struct timespec){ 0, UTIME_OMIT },
		mask & VAULT_SET_MTIME ? timespec_of(attr->mtime_ns)
				       : (struct timespec){ 0, UTIME_OMIT },
	};

	(void)f;
	if (mask & (VAULT_SET_UID | VAULT_SET_GID) &&
	    fchownat(dir.fd, name, mask & VAULT_SET_UID ? attr->uid : (uid_t)-1,
		     mask & VAULT_SET_GID ? attr->gid : (gid_t)-1,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (mask & VAULT_SET_MODE &&
	    fchmodat(dir.fd, name, attr->mode & 07777, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (mask & (VAULT_SET_ATIME | VAULT_SET_MTIME) &&
	    utimensat(dir.fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* There is no setxattrat(2) before Linux 6.13. */
static char *xattr_path(struct files_at dir, const char *name)
{
	return mem_printf("/proc/self/fd/%d/%s", dir.fd, name);
}

static ssize_t local_list_xattr(struct files *f, struct files_at dir,
				const char *name, char *to, size_t cap)
{
	auto_free char *path = xattr_path(dir, name);
	ssize_t n;

	(void)f;
	if (!path)
		return -ENOMEM;
	n = llistxattr(path, to, cap);
	return n < 0 ? -errno : n;
}

static ssize_t local_get_xattr(struct files *f, struct files_at dir,
			       const char *name, const char *key, void *to,
			       size_t cap)
{
	auto_free char *path = xattr_path(dir, name);
	ssize_t n;

	(void)f;
	if (!path)
		return -ENOMEM;
	n = lgetxattr(path, key, to, cap);
	return n < 0 ? -errno : n;
}

static int local_set_xattr(struct files *f, struct files_at dir,
			   const char *name, const char *key, const void *value,
			   size_t size)
{
	auto_free char *path = xattr_path(dir, name);

	(void)f;
	if (!path)
		return -ENOMEM;
	return lsetxattr(path, key, value, size, 0) < 0 ? -errno : 0;
}

static const struct files_ops local_files = {
	.close = local_close,
	.stat_at = local_stat_at,
	.stat = local_stat,
	.open_dir = local_open_dir,
	.open_file = local_open_file,
	.list = local_list,
	.readlink = local_readlink,
	.read = local_read,
	.seek = local_seek,
	.make = local_make,
	.write = local_write,
	.truncate = local_truncate,
	.link = local_link,
	.rename = local_rename,
	.unlink = local_unlink,
	.set = local_set,
	.list_xattr = local_list_xattr,
	.get_xattr = local_get_xattr,
	.set_xattr = local_set_xattr,
};

int files_init_local(struct files *f, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	f->ops = &local_files;
	f->vault = NULL;
	f->root = (struct files_at){ .fd = fd };
	return 0;
}
