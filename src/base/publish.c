/* SPDX-License-Identifier: ISC */
#include "base/publish.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/hex.h"
#include "base/mem.h"

#define TEMP_RANDOM_BYTES 16
#define COMPARE_BYTES ((size_t)64 << 10)
/* How often a name may stand at the link and be gone at the comparison. */
#define NAME_TRIES 8

static_assert(PUBLISH_TEMP_NAME_LEN == 1 + 2 * TEMP_RANDOM_BYTES,
	      "a tilde and the digits");

/* Not by crypto, which stands above base.  Reads of up to 256 bytes are never
 * short (getrandom(2)). */
static int draw_temp_name(char to[static PUBLISH_TEMP_NAME_LEN + 1])
{
	uint8_t bytes[TEMP_RANDOM_BYTES];
	ssize_t n;

	do
		n = getrandom(bytes, sizeof(bytes), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(bytes))
		return n < 0 ? -errno : -EIO;
	to[0] = '~';
	hex_encode(bytes, sizeof(bytes), to + 1);
	return 0;
}

bool publish_is_temp_name(const char *name)
{
	uint8_t bytes[TEMP_RANDOM_BYTES];

	return name[0] == '~' &&
	       hex_decode(name + 1, sizeof(bytes), bytes) == 0 &&
	       name[PUBLISH_TEMP_NAME_LEN] == '\0';
}

/* Does open(2) say that this file system or kernel has no O_TMPFILE?  A
 * kernel without it sees O_DIRECTORY | O_RDWR: EISDIR. */
static bool tmpfile_missing(int err)
{
	return err == -EOPNOTSUPP || err == -EISDIR || err == -ENOENT;
}

static int open_named_temp(struct publish *p)
{
	int r = draw_temp_name(p->temp);

	if (r < 0)
		return r;
	return p->env->ops->open(
		p->env, p->dirfd, p->temp,
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int publish_begin(struct env *env, int dirfd, struct publish *ret_p)
{
	struct publish p = { .env = env, .dirfd = dirfd };

	p.fd = env->ops->open(env, dirfd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC,
			      0600);
	if (tmpfile_missing(p.fd))
		p.fd = open_named_temp(&p);
	if (p.fd < 0)
		return p.fd;
	*ret_p = p;
	return 0;
}

int publish_sync(struct publish *p)
{
	return p->env->ops->fsync(p->env, p->fd);
}

/* 1: equal bytes in two files of `bytes` each; 0: different ones. */
static int compare_bytes(struct env *env, int a, int b, uint64_t bytes)
{
	auto_free uint8_t *both = mem_alloc(2 * COMPARE_BYTES);
	uint64_t at = 0;
	size_t n;
	int r;

	if (!both)
		return -ENOMEM;
	for (; at < bytes; at += n) {
		n = (size_t)min_of(bytes - at, (uint64_t)COMPARE_BYTES);
		r = env_read_exact(env, a, both, n, at);
		if (r == 0)
			r = env_read_exact(env, b, both + COMPARE_BYTES, n, at);
		if (r == ERR_TRUNCATED)
			return 0;
		if (r < 0)
			return r;
		if (memcmp(both, both + COMPARE_BYTES, n) != 0)
			return 0;
	}
	return 1;
}

static int accept_standing(struct publish *p, int fd, uint64_t bytes)
{
	int r = compare_bytes(p->env, p->fd, fd, bytes);

	if (r == 0)
		return ERR_STRANGER;
	/* Whoever brought it may not have synced it. */
	return r < 0 ? r : p->env->ops->fsync(p->env, fd);
}

/* `name` stands: 0 if it may count as ours, durable but for the directory. */
static int adopt_standing(struct publish *p, const char *name)
{
	struct stat ours;
	uint64_t bytes = 0;
	int fd, r, closed;

	r = p->env->ops->fstat(p->env, p->fd, &ours);
	if (r < 0)
		return r;
	fd = env_open_untrusted(p->env, p->dirfd, name, (uint64_t)ours.st_size,
				(uint64_t)ours.st_size, &bytes);
	if (fd == ERR_DAMAGED || fd == ERR_TRUNCATED || fd == ERR_LIMIT)
		return ERR_STRANGER;
	if (fd < 0)
		return fd;
	r = accept_standing(p, fd, bytes);
	closed = env_close(p->env, &fd);
	return r < 0 ? r : closed;
}

int publish_compare(struct publish *p, const char *name)
{
	return adopt_standing(p, name);
}

int publish_draw_temp(struct publish *p)
{
	return draw_temp_name(p->temp);
}

/* What the sweep at the next mount would remove, so a failure only leaves it
 * more to do. */
static void remove_temp(struct publish *p)
{
	if (p->temp[0] != '\0')
		(void)p->env->ops->unlink(p->env, p->dirfd, p->temp, 0);
	p->temp[0] = '\0';
}

/* Neither RENAME_NOREPLACE nor hard links: looking first is all that is
 * left.  The names are unique, so a collision takes a hostile writer. */
static int rename_after_looking(struct publish *p, const char *name)
{
	struct env *env = p->env;
	int fd, r;

	fd = env->ops->open(env, p->dirfd, name,
			    O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd >= 0) {
		r = env_close(env, &fd);
		return r < 0 ? r : -EEXIST;
	}
	if (fd != -ENOENT)
		return fd;
	return env->ops->rename(env, p->dirfd, p->temp, p->dirfd, name, 0);
}

static int rename_temp(struct publish *p, const char *name)
{
	struct env *env = p->env;
	int r;

	r = env->ops->rename(env, p->dirfd, p->temp, p->dirfd, name,
			     RENAME_NOREPLACE);
	if (r == -EINVAL || r == -ENOSYS) {
		r = env->ops->link_fd(env, p->fd, p->dirfd, name);
		if (r == 0)
			remove_temp(p);
		else if (r != -EEXIST)
			r = rename_after_looking(p, name);
	}
	if (r == 0)
		p->temp[0] = '\0';
	return r;
}

static int give_name(struct publish *p, const char *name)
{
	int r = -ENOENT;

	for (int i = 0; r == -ENOENT && i < NAME_TRIES; i++) {
		if (p->temp[0] != '\0')
			r = rename_temp(p, name);
		else
			r = p->env->ops->link_fd(p->env, p->fd, p->dirfd, name);
		if (r == -EEXIST)
			r = adopt_standing(p, name);
	}
	return r;
}

int publish_commit(struct publish *p, const char *name, bool synced)
{
	int r, closed;

	r = synced ? 0 : publish_sync(p);
	if (r == 0)
		r = give_name(p, name);
	remove_temp(p);
	if (r == 0)
		r = p->env->ops->fsync(p->env, p->dirfd);
	closed = env_close(p->env, &p->fd);
	return r < 0 ? r : closed;
}

void publish_abort(struct publish *p)
{
	int r;

	if (p->fd < 0)
		return;
	remove_temp(p);
	/* Nothing of the file is wanted any more. */
	r = env_close(p->env, &p->fd);
	(void)r;
}

int publish_bytes(struct env *env, int dirfd, const char *name,
		  const void *data, size_t len)
{
	struct publish p = PUBLISH_INIT;
	int r;

	r = publish_begin(env, dirfd, &p);
	if (r < 0)
		return r;
	r = env->ops->pwrite(env, p.fd, data, len, 0);
	if (r < 0) {
		publish_abort(&p);
		return r;
	}
	return publish_commit(&p, name, false);
}
