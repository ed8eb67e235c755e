/* SPDX-License-Identifier: ISC */
#include "base/env.h"

#include <errno.h>
#include <fcntl.h>

#include "base/mem.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define UNTRUSTED_FLAGS                                                        \
	(O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

int env_close(struct env *env, int *fd)
{
	int old = *fd;

	*fd = -1;
	return old == -1 ? 0 : env->ops->close(env, old);
}

/* For a path that already fails: the first error is the one to tell. */
static int close_failed(struct env *env, int fd, int err)
{
	int r = env_close(env, &fd);

	(void)r;
	return err;
}

int env_open_dir(struct env *env, int dirfd, const char *name, bool create)
{
	int fd, r;

	if (create) {
		r = env->ops->mkdir(env, dirfd, name, 0700);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	fd = env->ops->open(env, dirfd, name, DIR_FLAGS, 0);
	if (fd < 0 || !create)
		return fd;
	/* Also if it stood already: whoever made it may have been killed
	 * before its own sync. */
	r = env->ops->fsync(env, dirfd);
	return r < 0 ? close_failed(env, fd, r) : fd;
}

static int check_untrusted(struct env *env, int fd, uint64_t min_bytes,
			   uint64_t max_bytes, uint64_t *ret_bytes)
{
	struct stat st;
	uint64_t bytes;
	int r;

	r = env->ops->fstat(env, fd, &st);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return ERR_DAMAGED;
	bytes = (uint64_t)st.st_size;
	if (bytes < min_bytes)
		return ERR_TRUNCATED;
	if (bytes > max_bytes)
		return ERR_LIMIT;
	*ret_bytes = bytes;
	return 0;
}

int env_open_untrusted(struct env *env, int dirfd, const char *name,
		       uint64_t min_bytes, uint64_t max_bytes,
		       uint64_t *ret_bytes)
{
	int fd, r;

	fd = env->ops->open(env, dirfd, name, UNTRUSTED_FLAGS, 0);
	/* A symbolic link, a socket, a device without a driver. */
	if (fd == -ELOOP || fd == -ENXIO || fd == -ENODEV)
		return ERR_DAMAGED;
	if (fd < 0)
		return fd;
	r = check_untrusted(env, fd, min_bytes, max_bytes, ret_bytes);
	return r < 0 ? close_failed(env, fd, r) : fd;
}

int env_read_exact(struct env *env, int fd, void *to, size_t len,
		   uint64_t offset)
{
	ssize_t n = env->ops->pread(env, fd, to, len, offset);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : ERR_TRUNCATED;
}

int env_read_file(struct env *env, int dirfd, const char *name,
		  size_t min_bytes, size_t max_bytes, uint8_t **ret_data,
		  size_t *ret_len)
{
	auto_free uint8_t *data = NULL;
	uint64_t len = 0;
	int fd, r;

	fd = env_open_untrusted(env, dirfd, name, min_bytes, max_bytes, &len);
	if (fd < 0)
		return fd;
	data = mem_alloc((size_t)len);
	if (!data)
		return close_failed(env, fd, -ENOMEM);
	r = env_read_exact(env, fd, data, (size_t)len, 0);
	if (r < 0)
		return close_failed(env, fd, r);
	r = env_close(env, &fd);
	if (r < 0)
		return r;
	*ret_data = mem_take(data);
	*ret_len = (size_t)len;
	return 0;
}
