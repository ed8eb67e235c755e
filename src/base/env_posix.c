/* SPDX-License-Identifier: ISC */
/* The real disk.  Called by nobody but through a struct env. */
#include "base/env.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/block.h"
#include "base/mem.h"

/* The value of a call that sets errno, tried again after a signal. */
#define RETRY(call)                                                            \
	__extension__({                                                        \
		__typeof__(call) retry_;                                       \
		do                                                             \
			retry_ = (call);                                       \
		while (retry_ == -1 && errno == EINTR);                        \
		retry_;                                                        \
	})

static int result(int r)
{
	return r < 0 ? -errno : r;
}

/* Does the range end where an off_t still reaches? */
static bool range_fits(uint64_t offset, uint64_t len)
{
	return offset <= INT64_MAX && len <= INT64_MAX - offset;
}

static int posix_open(struct env *env, int dirfd, const char *name, int flags,
		      mode_t mode)
{
	(void)env;
	return result(RETRY(openat(dirfd, name, flags | O_CLOEXEC, mode)));
}

/* Never tried again: Linux has released the descriptor even on EINTR, and
 * the number may be another thread's by now (close(2), Notes). */
static int posix_close(struct env *env, int fd)
{
	(void)env;
	if (close(fd) == 0 || errno == EINTR)
		return 0;
	return -errno;
}

/* All that there is of the range, which fits. */
static ssize_t read_range(int fd, void *to, size_t len, uint64_t offset)
{
	uint8_t *at = to;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = RETRY(pread(fd, at + done, len - done,
				(off_t)(offset + done)));
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static ssize_t posix_pread(struct env *env, int fd, void *to, size_t len,
			   uint64_t offset)
{
	(void)env;
	if (!range_fits(offset, len))
		return -EOVERFLOW;
	block_soon();
	return read_range(fd, to, len, offset);
}

/* These never wait for a disk, and do not support RWF_NOWAIT. */
static bool is_in_memory(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static ssize_t posix_pread_nowait(struct env *env, int fd, void *to, size_t len,
				  uint64_t offset)
{
	struct iovec iov = { .iov_base = to, .iov_len = len };
	ssize_t n;

	(void)env;
	if (!range_fits(offset, len))
		return -EOVERFLOW;
	n = RETRY(preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT));
	if (n >= 0)
		return n;
	if (errno != ENOSYS && errno != EOPNOTSUPP)
		return -errno;
	return is_in_memory(fd) ? read_range(fd, to, len, offset) : -EOPNOTSUPP;
}

static int posix_pwrite(struct env *env, int fd, const void *from, size_t len,
			uint64_t offset)
{
	const uint8_t *at = from;
	size_t done = 0;
	ssize_t n;

	(void)env;
	if (!range_fits(offset, len))
		return -EFBIG;
	while (done < len) {
		n = RETRY(pwrite(fd, at + done, len - done,
				 (off_t)(offset + done)));
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENOSPC;
		done += (size_t)n;
	}
	return 0;
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* File systems without a notion of syncing a directory (vboxsf, some of
 * FUSE) say EINVAL; there is nothing more to be done there. */
static int posix_fsync(struct env *env, int fd)
{
	int r;

	(void)env;
	block_soon();
	r = result(RETRY(fsync(fd)));
	return r == -EINVAL && is_directory(fd) ? 0 : r;
}

static int posix_fdatasync(struct env *env, int fd)
{
	(void)env;
	block_soon();
	return result(RETRY(fdatasync(fd)));
}

static int posix_truncate(struct env *env, int fd, uint64_t len)
{
	(void)env;
	if (!range_fits(len, 0))
		return -EFBIG;
	return result(RETRY(ftruncate(fd, (off_t)len)));
}

static int posix_allocate(struct env *env, int fd, uint64_t offset,
			  uint64_t len)
{
	(void)env;
	if (!range_fits(offset, len))
		return -EFBIG;
	return result(RETRY(
		fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len)));
}

/* By way of /proc, since AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH on kernels
 * before 6.10 (linkat(2)). */
static int posix_link_fd(struct env *env, int fd, int dirfd, const char *name)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(fd)];

	(void)env;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return result(
		RETRY(linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW)));
}

static int posix_rename(struct env *env, int from_dirfd, const char *from,
			int to_dirfd, const char *to, unsigned flags)
{
	(void)env;
	/* Without flags by the older call, which every kernel has. */
	if (flags == 0)
		return result(RETRY(renameat(from_dirfd, from, to_dirfd, to)));
	return result(RETRY(renameat2(from_dirfd, from, to_dirfd, to, flags)));
}

static int posix_unlink(struct env *env, int dirfd, const char *name, int flags)
{
	(void)env;
	return result(RETRY(unlinkat(dirfd, name, flags)));
}

static int posix_mkdir(struct env *env, int dirfd, const char *name,
		       mode_t mode)
{
	(void)env;
	return result(RETRY(mkdirat(dirfd, name, mode)));
}

static int posix_fstat(struct env *env, int fd, struct stat *ret_st)
{
	struct stat st;
	int r;

	(void)env;
	r = result(RETRY(fstat(fd, &st)));
	if (r == 0)
		*ret_st = st;
	return r;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int list_entries(DIR *dir, env_entry_fn *fn, void *arg)
{
	struct dirent *entry;
	int r;

	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (is_dot(entry->d_name))
			continue;
		r = fn(arg, entry->d_name, entry->d_type);
		if (r != 0)
			return r;
	}
}

/* On a descriptor of its own: fdopendir takes it over, and two listings of
 * one dirfd would share one position. */
static int posix_list(struct env *env, int dirfd, env_entry_fn *fn, void *arg)
{
	DIR *dir;
	int fd, r;

	fd = posix_open(env, dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	r = list_entries(dir, fn, arg);
	closedir(dir);
	return r;
}

static int posix_statvfs(struct env *env, int fd, struct statvfs *ret_st)
{
	struct statvfs st;
	int r;

	(void)env;
	r = result(RETRY(fstatvfs(fd, &st)));
	if (r == 0)
		*ret_st = st;
	return r;
}

static int posix_lock(struct env *env, int fd)
{
	(void)env;
	return result(RETRY(flock(fd, LOCK_EX | LOCK_NB)));
}

static const struct env_ops posix_ops = {
	.open = posix_open,
	.close = posix_close,
	.pread = posix_pread,
	.pread_nowait = posix_pread_nowait,
	.pwrite = posix_pwrite,
	.fsync = posix_fsync,
	.fdatasync = posix_fdatasync,
	.truncate = posix_truncate,
	.allocate = posix_allocate,
	.link_fd = posix_link_fd,
	.rename = posix_rename,
	.unlink = posix_unlink,
	.mkdir = posix_mkdir,
	.fstat = posix_fstat,
	.list = posix_list,
	.statvfs = posix_statvfs,
	.lock = posix_lock,
};

struct env *env_posix(void)
{
	static struct env posix = { .ops = &posix_ops };

	return &posix;
}
