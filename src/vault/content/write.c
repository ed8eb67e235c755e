/* SPDX-License-Identifier: ISC */
/* Changes of contents: writing, truncating, allocating. */
#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"
#include "format/extent.h"
#include "vault/content/content_priv.h"
#include "vault/file.h"
#include "vault/log/commit.h"

/* A longer write is several, each all or nothing. */
#define WRITE_BYTES ((size_t)1 << 20)

/* ---------------------------------------------------------------- writing */

/* True if a worker should look at the stream. */
static bool note_stream(struct content *c, struct file *f, uint64_t offset,
			size_t len) LOCK_ATTR_(requires_capability(f->lock))
{
	struct file_stream *s = &f->stream;

	if (offset != s->end)
		s->start = offset;
	s->end = offset + len;
	if (s->is_queued || s->end - s->start < c->v->header.chunk_max ||
	    workers_count(c->workers) == 0)
		return false;
	s->is_queued = true;
	return true;
}

static int write_locked(struct vault *v, struct file *f, const void *from,
			size_t len, uint64_t offset)
	LOCK_ATTR_(requires_capability(f->lock))
{
	uint64_t had = 0;
	int r;

	if (offset > FILE_SIZE_MAX || len > FILE_SIZE_MAX - offset)
		return -EFBIG;
	r = content_count_range(v, f, offset, offset + len, &had);
	if (r == 0)
		r = layer_write(f->dirty, f, offset, from, len,
				clock_mono_ns());
	if (r < 0)
		return r;
	f->size = max_of(f->size, offset + len);
	content_count_change(f, had, len);
	return 0;
}

/* *offset moves on.  enum vault_wrote. */
static int write_some(struct vault *v, uint64_t ino, const void *from,
		      size_t len, uint64_t *offset, unsigned flags)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	struct content *c = v->content;
	struct change ch;
	bool is_stream = false;
	int r;

	r = content_make_room(c, len);
	if (r == 0)
		r = content_change_begin(v, ino, NULL, &ch);
	if (r < 0)
		return r;
	if (flags & VAULT_WRITE_APPEND)
		*offset = ch.f->size;
	r = write_locked(v, ch.f, from, len, *offset);
	if (r == 0)
		is_stream = note_stream(c, ch.f, *offset, len);
	ch.drops_privileges = flags & VAULT_WRITE_DROP_PRIVILEGES;
	r = content_change_end(&ch, r);
	if (is_stream)
		flush_queue_stream(c, ino);
	*offset += len;
	return r < 0 ? r : ch.wrote;
}

int vault_write(struct vault *v, uint64_t ino, const void *from, size_t len,
		uint64_t offset, unsigned flags)
{
	const uint8_t *bytes = from;
	int r = 0, wrote = 0;

	if (atomic_load(&v->is_read_only))
		return ERR_READ_ONLY;
	if (!(flags & VAULT_WRITE_APPEND) &&
	    (offset > FILE_SIZE_MAX || len > FILE_SIZE_MAX - offset))
		return -EFBIG;
	while (len > 0 && r >= 0) {
		size_t n = min_of(len, WRITE_BYTES);

		r = commit_relieve(v);
		if (r == 0)
			r = write_some(v, ino, bytes, n, &offset, flags);
		wrote |= max_of(r, 0);
		if (r >= 0)
			counters_add(&v->counters, COUNT_WRITTEN_BYTES, n);
		/* Appending goes on at the end there is then. */
		bytes += n;
		len -= n;
	}
	return r < 0 ? r : wrote;
}

/* ---------------------------------------------------------------- sizes */

static int truncate_locked(struct vault *v, struct file *f, uint64_t size)
	LOCK_ATTR_(requires_capability(f->lock))
{
	uint64_t had = 0;

	if (size < f->size) {
		int r = content_count_range(v, f, size, f->size, &had);

		if (r < 0)
			return r;
		layer_truncate(f->dirty, size);
	}
	f->size = size;
	content_count_change(f, had, 0);
	return 0;
}

int content_truncate(struct vault *v, uint64_t ino, uint64_t size)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	struct change ch;
	int r;

	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	r = content_make_room(v->content, 0);
	if (r == 0)
		r = content_change_begin(v, ino, NULL, &ch);
	if (r < 0)
		return r;
	r = truncate_locked(v, ch.f, size);
	return content_change_end(&ch, r);
}

static int zero_locked(struct vault *v, struct file *f, uint64_t offset,
		       uint64_t len) LOCK_ATTR_(requires_capability(f->lock))
{
	uint64_t end = min_of(offset + len, f->size), had = 0;
	struct run hole = { .offset = offset, .kind = RUN_HOLE };
	int r;

	if (offset >= end)
		return 0;
	hole.length = end - offset;
	r = content_count_range(v, f, offset, end, &had);
	if (r == 0)
		r = layer_set(f->dirty, &hole);
	if (r == 0)
		content_count_change(f, had, 0);
	return r;
}

static int check_allocate(unsigned flags, uint64_t offset, uint64_t len)
{
	const unsigned all = VAULT_ALLOCATE_KEEP_SIZE | VAULT_ALLOCATE_PUNCH |
			     VAULT_ALLOCATE_ZERO;

	if (len == 0)
		return -EINVAL;
	if (flags & ~all ||
	    (flags & VAULT_ALLOCATE_PUNCH &&
	     flags != (VAULT_ALLOCATE_PUNCH | VAULT_ALLOCATE_KEEP_SIZE)))
		return -EOPNOTSUPP;
	if (offset > FILE_SIZE_MAX || len > FILE_SIZE_MAX - offset)
		return -EFBIG;
	return 0;
}

/* Room on the disks, and what the quota leaves. */
struct free_room {
	uint64_t bytes;
	bool is_quota; /* it is the quota that says so */
};

static int find_room(struct vault *v, struct free_room *ret)
{
	struct free_room room = { .is_quota = v->opts.quota_bytes > 0 };
	struct statvfs st;
	int r = vault_statvfs(v, &st);

	if (r < 0)
		return r;
	room.bytes = (uint64_t)st.f_bavail * st.f_frsize;
	room.is_quota = room.is_quota && st.f_bavail == st.f_bfree;
	*ret = room;
	return 0;
}

/* A cut frees what was cut off or overwritten. */
static int find_room_for(struct vault *v, uint64_t len, struct free_room *ret)
{
	int r = find_room(v, ret);

	if (r < 0 || len <= ret->bytes ||
	    file_count_dirty(&v->content->files) == 0)
		return r;
	r = commit_cut(v, NULL, 0);
	return r < 0 ? r : find_room(v, ret);
}

/* Nothing is allocated, for where data will lie is not known before it is
 * there: what could not be written now is refused. */
static int check_room_locked(struct vault *v, struct file *f, uint64_t offset,
			     uint64_t len, const struct free_room *room)
	LOCK_ATTR_(requires_capability(f->lock))
{
	uint64_t had = 0;
	int r;

	if (len <= room->bytes)
		return 0;
	r = content_count_range(v, f, offset, offset + len, &had);
	if (r < 0 || len - had <= room->bytes)
		return r;
	return room->is_quota ? -EDQUOT : -ENOSPC;
}

int vault_fallocate(struct vault *v, uint64_t ino, unsigned flags,
		    uint64_t offset, uint64_t len)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	struct free_room room = { .bytes = UINT64_MAX };
	struct change ch;
	int r = check_allocate(flags, offset, len);

	if (r == 0)
		r = content_make_room(v->content, 0);
	if (r == 0 && !(flags & VAULT_ALLOCATE_PUNCH))
		r = find_room_for(v, len, &room);
	if (r == 0)
		r = content_change_begin(v, ino, NULL, &ch);
	if (r < 0)
		return r;
	r = check_room_locked(v, ch.f, offset, len, &room);
	if (r < 0)
		return content_change_end(&ch, r);
	if (flags & (VAULT_ALLOCATE_PUNCH | VAULT_ALLOCATE_ZERO))
		r = zero_locked(v, ch.f, offset, len);
	else
		ch.is_none = flags & VAULT_ALLOCATE_KEEP_SIZE ||
			     offset + len <= ch.f->size;
	if (r == 0 && !(flags & VAULT_ALLOCATE_KEEP_SIZE))
		ch.f->size = max_of(ch.f->size, offset + len);
	return content_change_end(&ch, r);
}
