/* SPDX-License-Identifier: ISC */
#include "base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

#define KEPT_SUFFIX ".damaged-"
#define COPY_BYTES ((size_t)64 << 10)
/* Names tried for files damaged at one time. */
#define NAME_TRIES 100

bool replace_is_kept_name(const char *name, size_t *ret_len)
{
	const char *at = strstr(name, KEPT_SUFFIX);

	if (!at || at == name)
		return false;
	if (ret_len)
		*ret_len = (size_t)(at - name);
	return true;
}

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* Its own time, so that who begins again after a crash finds what was put aside
 * before. */
static int format_kept(const char *name, const struct stat *st, int try,
		       char to[static NAME_MAX + 1])
{
	char when[32], nth[16] = "";
	struct tm tm;
	int n;

	if (!gmtime_r(&st->st_mtim.tv_sec, &tm) ||
	    strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm) == 0)
		snprintf(when, sizeof(when), "0");
	if (try > 0)
		snprintf(nth, sizeof(nth), "-%d", try);
	n = snprintf(to, NAME_MAX + 1, "%s" KEPT_SUFFIX "%s%s", name, when,
		     nth);
	return n < 0 || n > NAME_MAX ? -ENAMETOOLONG : 0;
}

/* ---------------------------------------------------------------- a copy */

static int copy_bytes(struct env *env, int from, int to)
{
	auto_free uint8_t *room = mem_alloc(COPY_BYTES);
	uint64_t at = 0;
	ssize_t n;
	int r = 0;

	if (!room)
		return -ENOMEM;
	do {
		n = env->ops->pread(env, from, room, COPY_BYTES, at);
		if (n > 0)
			r = env->ops->pwrite(env, to, room, (size_t)n, at);
		at += n > 0 ? (uint64_t)n : 0;
	} while (r == 0 && n > 0);
	return n < 0 ? (int)n : r;
}

static int copy_to(struct env *env, int fd, int dirfd, const char *kept)
{
	struct publish p = PUBLISH_INIT;
	int r = publish_begin(env, dirfd, &p);

	if (r < 0)
		return r;
	r = copy_bytes(env, fd, p.fd);
	if (r < 0) {
		publish_abort(&p);
		return r;
	}
	r = publish_commit(&p, kept, false);
	return r == ERR_STRANGER ? -EEXIST : r;
}

/* ---------------------------------------------------------------- the second name */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* 1: that name is the file's already. */
static int has_name(struct env *env, int dirfd, const char *kept,
		    const struct stat *st)
{
	struct stat other;
	uint64_t bytes;
	int fd = env_open_untrusted(env, dirfd, kept, 0, INT64_MAX, &bytes);
	int r;

	if (fd < 0)
		return 0;
	r = env->ops->fstat(env, fd, &other);
	close_quietly(env, &fd);
	return r < 0 ? r : is_same_file(st, &other);
}

/* No hard links on this file system, or not of this file. */
static bool is_link_refused(int err)
{
	return err == -EPERM || err == -EOPNOTSUPP || err == -EMLINK ||
	       err == -ENOSYS || err == -EXDEV || err == -ENOENT ||
	       err == -EACCES;
}

static int keep_open(struct env *env, int dirfd, const char *name, int fd,
		     char *kept)
{
	struct stat st;
	int r = env->ops->fstat(env, fd, &st);

	for (int i = 0; r == 0 && i < NAME_TRIES; i++) {
		r = format_kept(name, &st, i, kept);
		if (r == 0)
			r = env->ops->link_fd(env, fd, dirfd, kept);
		if (is_link_refused(r))
			r = copy_to(env, fd, dirfd, kept);
		if (r == 0)
			return env->ops->fsync(env, dirfd);
		if (r != -EEXIST)
			return r;
		r = has_name(env, dirfd, kept, &st);
		if (r != 0)
			return r < 0 ? r : env->ops->fsync(env, dirfd);
	}
	return r < 0 ? r : -EEXIST;
}

int replace_keep(struct env *env, int dirfd, const char *name,
		 char ret_kept[static NAME_MAX + 1])
{
	uint64_t bytes;
	int fd = env_open_untrusted(env, dirfd, name, 0, INT64_MAX, &bytes), r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = keep_open(env, dirfd, name, fd, ret_kept);
	close_quietly(env, &fd);
	return r < 0 ? r : 1;
}

/* What is no regular file has no bytes to lose by having no name for a
 * moment. */
static int move_away(struct env *env, int dirfd, const char *name, char *kept)
{
	const struct stat none = { 0 };
	int r = -EEXIST;

	for (int i = 0; r == -EEXIST && i < NAME_TRIES; i++) {
		r = format_kept(name, &none, i, kept);
		if (r == 0)
			r = env->ops->rename(env, dirfd, name, dirfd, kept,
					     RENAME_NOREPLACE);
	}
	return r;
}

/* ---------------------------------------------------------------- replacing */

/* A name that only a sweep of temporaries knows, for a file that has none. */
static int name_temp(struct publish *p)
{
	int r;

	if (p->temp[0] != '\0')
		return 0;
	r = publish_draw_temp(p);
	if (r == 0)
		r = p->env->ops->link_fd(p->env, p->fd, p->dirfd, p->temp);
	if (r < 0)
		p->temp[0] = '\0';
	return r;
}

static int rename_over(struct publish *p, const char *name)
{
	struct env *env = p->env;
	int r = name_temp(p);

	if (r == 0)
		r = env->ops->rename(env, p->dirfd, p->temp, p->dirfd, name, 0);
	if (r == 0) {
		p->temp[0] = '\0';
		r = env->ops->fsync(env, p->dirfd);
	}
	publish_abort(p);
	return r;
}

/* The bytes to be named are durable.  1: others stand there; 0: none, or
 * these. */
static int stands_otherwise(struct publish *p, const char *name)
{
	int r = publish_compare(p, name);

	if (r == -ENOENT)
		return 0;
	return r == ERR_STRANGER ? 1 : r;
}

int replace_commit(struct publish *p, const char *name,
		   char ret_kept[static NAME_MAX + 1])
{
	struct env *env = p->env;
	int r = publish_sync(p), kept;

	if (r == 0)
		r = stands_otherwise(p, name);
	if (r < 0) {
		publish_abort(p);
		return r;
	}
	if (r == 0)
		return publish_commit(p, name, true);
	kept = replace_keep(env, p->dirfd, name, ret_kept);
	if (kept == ERR_DAMAGED)
		kept = move_away(env, p->dirfd, name, ret_kept);
	if (kept < 0) {
		publish_abort(p);
		return kept;
	}
	r = rename_over(p, name);
	return r < 0 ? r : 1;
}
