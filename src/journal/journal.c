/* SPDX-License-Identifier: ISC */
#include "journal/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/random.h"
#include "journal/journal_priv.h"

/* Written with zeros at once, so that the frames after are overwrites, whose
 * sync needs no metadata. */
#define STEP_BYTES (UINT64_C(1) << 20)
/* A longer file is removed rather than kept as the spare one. */
#define SPARE_MAX_BYTES (4 * STEP_BYTES)
/* A frame buffer above this is not kept. */
#define KEPT_FRAME_BYTES ((size_t)1 << 20)
#define FRAME_FILE_MAX                                                         \
	(FRAME_HEADER_BYTES + (size_t)FRAME_BODY_MAX + TAG_BYTES + FRAME_ALIGN)

static const uint8_t zeros[64 * 1024];

void journal_name_format(uint64_t number, char out[static JOURNAL_NAME_LEN + 1])
{
	snprintf(out, JOURNAL_NAME_LEN + 1, "%016" PRIx64, number);
}

void journal_close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

static bool is_disk_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

static int die(struct journal *j, int err)
{
	j->is_dead = true;
	return err;
}

/* ---- opening and closing ---- */

int journal_open(struct env *env, int dirfd, const struct local_keys *keys,
		 journal_frame_fn *fn, void *arg, struct journal **ret)
{
	struct journal *j = mem_alloc(sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	*j = (struct journal){
		.env = env,
		.dirfd = dirfd,
		.keys = keys,
		.next = 1,
		.fd = -1,
		.frame = BUF_INIT(FRAME_FILE_MAX),
	};
	r = journal_replay(j, fn, arg);
	if (r < 0) {
		journal_close(j);
		return r;
	}
	*ret = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		journal_close_quietly(j->env, &j->fd);
	buf_release(&j->frame);
	mem_free(j->files);
	mem_free(j);
}

/* ---- frames ---- */

/* Writes zeros from `from` up to `to`. */
static int write_zeros(struct env *env, int fd, uint64_t from, uint64_t to)
{
	size_t n;
	int r;

	for (; from < to; from += n) {
		n = (size_t)min_of(to - from, (uint64_t)sizeof(zeros));
		r = env->ops->pwrite(env, fd, zeros, n, from);
		if (r < 0)
			return r;
	}
	return 0;
}

static uint64_t step_above(uint64_t n)
{
	return (n + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
}

/* Makes the present file long enough for the frame: what the disk has no room
 * for is found out before the first byte of it is written. */
static int make_room(struct journal *j)
{
	uint64_t needed = j->end + j->frame.len, to = step_above(needed);
	int r;

	if (needed <= j->written)
		return 0;
	r = write_zeros(j->env, j->fd, j->written, to);
	if (r == 0) {
		j->written = to;
		return 0;
	}
	if (!is_disk_full(r))
		return die(j, r);
	if (j->env->ops->truncate(j->env, j->fd, j->written) < 0)
		return die(j, r);
	return r;
}

static int seal(struct journal *j, const struct local_keys *keys,
		const uint8_t id[static JOURNAL_ID_BYTES], uint64_t number,
		enum frame_type type, const void *body, size_t body_bytes)
{
	struct frame_header h = { .number = number, .type = type };

	if (body_bytes > FRAME_BODY_MAX)
		return ERR_LIMIT;
	memcpy(h.journal_id, id, sizeof(h.journal_id));
	buf_reset(&j->frame);
	return frame_seal(keys, &h, body, body_bytes, &j->frame);
}

static int write_frame(struct journal *j)
{
	int r;

	r = make_room(j);
	if (r < 0)
		return r;
	r = j->env->ops->pwrite(j->env, j->fd, j->frame.data, j->frame.len,
				j->end);
	/* On a disk that copies on write even zeros may be refused
	 * replacement.  The next frame is written to the same place under the
	 * same number, so a part of this one does no harm. */
	if (is_disk_full(r))
		return r;
	if (r == 0)
		r = j->env->ops->fdatasync(j->env, j->fd);
	return r < 0 ? die(j, r) : 0;
}

static void trim_buffer(struct journal *j)
{
	if (j->frame.cap > KEPT_FRAME_BYTES)
		buf_release(&j->frame);
}

int journal_append(struct journal *j, enum frame_type type, const void *body,
		   size_t body_bytes, uint64_t *ret_number)
{
	int r;

	if (j->is_dead)
		return ERR_DEAD_WRITER;
	assert(j->fd >= 0);
	r = seal(j, j->keys, j->id, j->next, type, body, body_bytes);
	if (r == 0)
		r = write_frame(j);
	if (r == 0) {
		j->end += j->frame.len;
		*ret_number = j->next++;
	}
	trim_buffer(j);
	return r;
}

bool journal_is_dead(const struct journal *j)
{
	return j->is_dead;
}

uint64_t journal_next_number(const struct journal *j)
{
	return j->next;
}

uint64_t journal_file_number(const struct journal *j)
{
	assert(j->fd >= 0);
	return j->files[j->n_files - 1];
}

uint64_t journal_file_bytes(const struct journal *j)
{
	return j->end;
}

/* ---- files ---- */

/* A file in the making; `written` as in struct journal. */
struct fresh_file {
	int fd;
	uint8_t id[JOURNAL_ID_BYTES];
	uint64_t written;
};

/* The spare file, or a new one.  What it holds from its former use stays: it
 * carries another journal id. */
static int open_spare(struct journal *j, struct fresh_file *f)
{
	struct stat st;
	int r;

	f->fd = j->env->ops->open(j->env, j->dirfd, JOURNAL_SPARE,
				  O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
				  0600);
	if (f->fd < 0)
		return f->fd == -ELOOP ? ERR_DAMAGED : f->fd;
	r = j->env->ops->fstat(j->env, f->fd, &st);
	if (r == 0 && !S_ISREG(st.st_mode))
		r = ERR_DAMAGED;
	if (r == 0)
		f->written = (uint64_t)st.st_size / FRAME_ALIGN * FRAME_ALIGN;
	return r;
}

/* The first frame, in j->frame, and zeros behind it; not durable. */
static int fill_spare(struct journal *j, struct fresh_file *f)
{
	uint64_t to = max_of(step_above(j->frame.len), f->written);
	int r;

	r = write_zeros(j->env, f->fd, f->written, to);
	if (r < 0)
		return r;
	f->written = to;
	return j->env->ops->pwrite(j->env, f->fd, j->frame.data, j->frame.len,
				   0);
}

/* Gives the spare file up, and its space back. */
static void drop_spare(struct journal *j, struct fresh_file *f)
{
	if (f->fd >= 0)
		journal_close_quietly(j->env, &f->fd);
	(void)j->env->ops->unlink(j->env, j->dirfd, JOURNAL_SPARE, 0);
}

/* Once it may have its name, frames in the present file no longer count: a
 * failure from here on is for good. */
static int name_spare(struct journal *j, struct fresh_file *f, uint64_t number)
{
	char name[JOURNAL_NAME_LEN + 1];
	int r;

	journal_name_format(number, name);
	r = j->env->ops->fdatasync(j->env, f->fd);
	if (r == 0)
		r = j->env->ops->rename(j->env, j->dirfd, JOURNAL_SPARE,
					j->dirfd, name, 0);
	if (r == 0)
		r = j->env->ops->fsync(j->env, j->dirfd);
	return r < 0 ? die(j, r) : 0;
}

static int make_file(struct journal *j, uint64_t number, struct fresh_file *f)
{
	int r;

	r = open_spare(j, f);
	if (r == 0)
		r = fill_spare(j, f);
	if (r < 0) {
		drop_spare(j, f);
		return r;
	}
	r = name_spare(j, f, number);
	if (r < 0)
		journal_close_quietly(j->env, &f->fd);
	return r;
}

/* Before files follow that do not take its place: in the middle it would be
 * damage. */
static int drop_unbegun(struct journal *j)
{
	char name[JOURNAL_NAME_LEN + 1];
	int r;

	journal_name_format(j->unbegun, name);
	r = j->env->ops->unlink(j->env, j->dirfd, name, 0);
	if (r == 0 || r == -ENOENT)
		r = j->env->ops->fsync(j->env, j->dirfd);
	if (r == 0)
		j->unbegun = 0;
	return r;
}

static int begin_file(struct journal *j, const struct local_keys *keys,
		      uint64_t number, const void *marks, size_t marks_bytes)
{
	struct fresh_file f = { .fd = -1 };
	uint64_t *files;
	int r;

	if (j->is_dead)
		return ERR_DEAD_WRITER;
	r = j->unbegun && j->unbegun != number ? drop_unbegun(j) : 0;
	if (r < 0)
		return r;
	files = mem_realloc_array(j->files, j->n_files + 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	j->files = files;
	random_bytes(f.id, sizeof(f.id));
	r = seal(j, keys, f.id, number, FRAME_MARKS, marks, marks_bytes);
	if (r == 0)
		r = make_file(j, number, &f);
	if (r < 0)
		return r;
	if (j->fd >= 0)
		journal_close_quietly(j->env, &j->fd);
	j->files[j->n_files++] = number;
	j->keys = keys;
	j->fd = f.fd;
	memcpy(j->id, f.id, sizeof(j->id));
	j->end = j->frame.len;
	j->written = f.written;
	j->next = number + 1;
	trim_buffer(j);
	return 0;
}

int journal_begin_file(struct journal *j, const void *marks, size_t marks_bytes)
{
	return begin_file(j, j->keys, j->next, marks, marks_bytes);
}

int journal_rekey(struct journal *j, const struct local_keys *keys,
		  const void *marks, size_t marks_bytes)
{
	uint64_t next_era = (j->next >> JOURNAL_ERA_BITS) + 1;

	return begin_file(j, keys, next_era << JOURNAL_ERA_BITS, marks,
			  marks_bytes);
}

static int remove_file(struct journal *j, const char *name)
{
	uint64_t bytes;
	int fd, r;

	fd = env_open_untrusted(j->env, j->dirfd, name, 0, SPARE_MAX_BYTES,
				&bytes);
	if (fd < 0) {
		r = j->env->ops->unlink(j->env, j->dirfd, name, 0);
	} else {
		journal_close_quietly(j->env, &fd);
		r = j->env->ops->rename(j->env, j->dirfd, name, j->dirfd,
					JOURNAL_SPARE, 0);
	}
	return r == -ENOENT ? 0 : r;
}

/* The folder is synced after each: were the second gone and the first still
 * there, a gap would be seen. */
static int drop_first(struct journal *j)
{
	char name[JOURNAL_NAME_LEN + 1];
	int r;

	journal_name_format(j->files[0], name);
	r = remove_file(j, name);
	if (r == 0)
		r = j->env->ops->fsync(j->env, j->dirfd);
	if (r < 0)
		return r;
	j->n_files--;
	memmove(j->files, j->files + 1, j->n_files * sizeof(*j->files));
	return 0;
}

int journal_drop_below(struct journal *j, uint64_t number)
{
	int r = 0;

	assert(j->fd >= 0);
	while (r == 0 && j->n_files > 1 && j->files[1] <= number)
		r = drop_first(j);
	return r;
}
