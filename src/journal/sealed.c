/* SPDX-License-Identifier: ISC */
/*
 * Sealed segments: whole files of their own, since nothing of them may be
 * written twice to the journal.  They are what publishing repeats byte for
 * byte after a crash, so they are replaced atomically or not at all.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "format/segment.h"
#include "journal/journal_priv.h"

#define SEALED_NAME_LEN (1 + 10)
#define SEALED_TEMP "sealing"

static void format_name(uint64_t seq, char out[static SEALED_NAME_LEN + 1])
{
	assert(seq <= SEGMENT_SEQ_MAX);
	snprintf(out, SEALED_NAME_LEN + 1, "s%010" PRIu64, seq);
}

/* Written and durable, without its name. */
static int write_temp(struct journal *j, const void *file, size_t file_bytes)
{
	struct env *env = j->env;
	int fd, r, closed;

	fd = env->ops->open(env, j->dirfd, SEALED_TEMP,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	r = env->ops->pwrite(env, fd, file, file_bytes, 0);
	if (r == 0)
		r = env->ops->fsync(env, fd);
	closed = env_close(env, &fd);
	return r < 0 ? r : closed;
}

static int remove_name(struct journal *j, const char *name)
{
	int r = j->env->ops->unlink(j->env, j->dirfd, name, 0);

	return r == -ENOENT ? 0 : r;
}

int journal_sealed_write(struct journal *j, uint64_t seq, const void *file,
			 size_t file_bytes)
{
	char name[SEALED_NAME_LEN + 1];
	int r;

	format_name(seq, name);
	r = remove_name(j, SEALED_TEMP); /* of a writer that was killed */
	if (r < 0)
		return r;
	r = write_temp(j, file, file_bytes);
	if (r == 0)
		r = j->env->ops->rename(j->env, j->dirfd, SEALED_TEMP, j->dirfd,
					name, 0);
	if (r < 0) {
		(void)j->env->ops->unlink(j->env, j->dirfd, SEALED_TEMP, 0);
		return r;
	}
	return j->env->ops->fsync(j->env, j->dirfd);
}

int journal_sealed_read(struct journal *j, uint64_t seq, uint8_t **ret_file,
			size_t *ret_bytes)
{
	char name[SEALED_NAME_LEN + 1];

	format_name(seq, name);
	return env_read_file(j->env, j->dirfd, name, SEGMENT_HEADER_BYTES,
			     SEGMENT_FILE_MAX, ret_file, ret_bytes);
}

int journal_sealed_remove(struct journal *j, uint64_t seq)
{
	char name[SEALED_NAME_LEN + 1];
	int r;

	format_name(seq, name);
	r = remove_name(j, name);
	return r < 0 ? r : j->env->ops->fsync(j->env, j->dirfd);
}
