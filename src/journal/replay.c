/* SPDX-License-Identifier: ISC */
/*
 * Replaying: which files count, which frames count, and what is damage.
 *
 * The frames of a file run from its start without gap.  The first place that
 * holds none ends them; behind it may stand zeros, a torn frame, or frames of
 * the file's former use, which carry another journal id.  A good frame of its
 * own id there means that one before it was lost.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/hex.h"
#include "base/mem.h"
#include "journal/journal_priv.h"

/* A sector, the unit a disk writes as a whole. */
#define SECTOR_BYTES 512u

struct file {
	struct journal *j;
	int fd;
	uint64_t bytes;
	uint64_t number;
};

struct frame {
	uint8_t raw[FRAME_HEADER_BYTES];
	struct frame_header h;
	uint64_t bytes; /* in the file, up to the next frame */
	uint8_t *body;	/* owned */
};

static void frame_release(struct frame *f)
{
	if (f->body)
		mem_wipe(f->body, f->h.body_bytes);
	mem_free(f->body);
	f->body = NULL;
}

static uint64_t sealed_bytes(const struct frame_header *h)
{
	return FRAME_HEADER_BYTES + (uint64_t)h->body_bytes + TAG_BYTES;
}

static uint64_t aligned(uint64_t n)
{
	return (n + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

/* 1 if a frame's header stands at `at` and its seal could fit the file. */
static int read_header(const struct file *f, uint64_t at, struct frame *ret)
{
	struct env *env = f->j->env;
	int r;

	if (at > f->bytes || f->bytes - at < FRAME_HEADER_BYTES)
		return 0;
	r = env_read_exact(env, f->fd, ret->raw, sizeof(ret->raw), at);
	if (r < 0)
		return r;
	if (frame_header_decode(ret->raw, &ret->h) < 0)
		return 0;
	ret->bytes = aligned(sealed_bytes(&ret->h));
	return f->bytes - at >= sealed_bytes(&ret->h);
}

/* 1 and the body if the frame whose header was read is authentic. */
static int open_body(const struct file *f, uint64_t at, struct frame *ret)
{
	size_t n = (size_t)ret->h.body_bytes + TAG_BYTES;
	auto_free uint8_t *sealed = mem_alloc(n), *body = mem_alloc(n);
	int r;

	if (!sealed || !body)
		return -ENOMEM;
	r = env_read_exact(f->j->env, f->fd, sealed, n,
			   at + FRAME_HEADER_BYTES);
	if (r < 0)
		return r;
	r = frame_open(f->j->keys, ret->raw, &ret->h, sealed, body);
	if (r < 0)
		return r == ERR_BAD_SEAL ? 0 : r;
	ret->body = mem_take(body);
	return 1;
}

static int read_frame(const struct file *f, uint64_t at, struct frame *ret)
{
	int r = read_header(f, at, ret);

	return r == 1 ? open_body(f, at, ret) : r;
}

/* 1 if from `at` on stands a good frame numbered above `number`, of the
 * journal id given unless that is NULL. */
static int find_later_frame(const struct file *f, uint64_t at, uint64_t number,
			    const uint8_t *id)
{
	struct frame frame = { .body = NULL };
	int r = 0;

	for (; r == 0 && at < f->bytes; at += FRAME_ALIGN) {
		r = read_header(f, at, &frame);
		if (r != 1)
			continue;
		if (frame.h.number <= number ||
		    (id && memcmp(frame.h.journal_id, id, JOURNAL_ID_BYTES) !=
				   0))
			r = 0;
		else
			r = open_body(f, at, &frame);
		frame_release(&frame);
	}
	return r;
}

/* ---- one file ---- */

static int open_file(struct journal *j, uint64_t number, struct file *ret)
{
	char name[JOURNAL_NAME_LEN + 1];

	*ret = (struct file){ .j = j, .number = number };
	journal_name_format(number, name);
	ret->fd = env_open_untrusted(j->env, j->dirfd, name, 0, INT64_MAX,
				     &ret->bytes);
	if (ret->fd == -ENOENT)
		return ERR_DAMAGED; /* listed a moment ago */
	return ret->fd < 0 ? ret->fd : 0;
}

struct replay {
	journal_frame_fn *fn;
	void *arg;
	uint64_t limit; /* number of the next file; UINT64_MAX for the last */
};

/* 1: delivered; 0: the file's frames end here. */
static int replay_frame(const struct file *f, const struct replay *r,
			uint64_t at, uint64_t number, const uint8_t *id,
			struct frame *frame)
{
	int n = read_frame(f, at, frame);

	if (n != 1)
		return n;
	if (frame->h.number != number ||
	    (at > 0 && memcmp(frame->h.journal_id, id, JOURNAL_ID_BYTES) != 0))
		return 0;
	if (at == 0 && frame->h.type != FRAME_MARKS)
		return ERR_DAMAGED;
	n = r->fn(r->arg, number, frame->h.type, frame->body,
		  frame->h.body_bytes);
	return n < 0 ? n : 1;
}

/* Its frames in order; j->next is the number after the last. */
static int replay_file(const struct file *f, const struct replay *r)
{
	struct frame frame = { .body = NULL };
	uint8_t id[JOURNAL_ID_BYTES] = { 0 };
	uint64_t at = 0, number = f->number;
	int n;

	while (number < r->limit) {
		n = replay_frame(f, r, at, number, id, &frame);
		frame_release(&frame);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		memcpy(id, frame.h.journal_id, sizeof(id));
		at += frame.bytes;
		number++;
	}
	f->j->next = number;
	if (r->limit != UINT64_MAX)
		return number == r->limit ? 0 : ERR_DAMAGED;
	if (at == 0)
		return ERR_DAMAGED;
	n = find_later_frame(f, at, number - 1, id);
	return n == 1 ? ERR_DAMAGED : n;
}

static int replay_number(struct journal *j, uint64_t number,
			 const struct replay *r)
{
	struct file f;
	int n;

	n = open_file(j, number, &f);
	if (n < 0)
		return n;
	n = replay_file(&f, r);
	journal_close_quietly(j->env, &f.fd);
	return n;
}

/* ---- which files count ---- */

enum file_state {
	FILE_OPENS,   /* its first frame is good */
	FILE_DAMAGED, /* only a later one is */
	FILE_FOREIGN, /* none is, but something was written */
	FILE_UNBEGUN, /* zeros, or a first frame torn before it was durable */
};

static bool is_zero(const uint8_t *p, size_t n)
{
	struct cursor c;

	cursor_init(&c, p, n);
	cursor_zeros(&c, n);
	return cursor_finish(&c) == 0;
}

/* 1 if a sector of the first `bytes` is missing or was never written.  A frame
 * has no such sector. */
static int has_unwritten_sector(const struct file *f, uint64_t bytes)
{
	uint8_t sector[SECTOR_BYTES];
	uint64_t at;
	size_t n;
	int r;

	if (f->bytes < bytes)
		return 1;
	for (at = 0; at < bytes; at += n) {
		n = (size_t)min_of(bytes - at, (uint64_t)SECTOR_BYTES);
		r = env_read_exact(f->j->env, f->fd, sector, n, at);
		if (r < 0)
			return r;
		if (is_zero(sector, n))
			return 1;
	}
	return 0;
}

static int inspect(const struct file *f)
{
	struct frame frame = { .body = NULL };
	uint64_t bytes;
	int r;

	r = read_frame(f, 0, &frame);
	if (r == 1) {
		r = frame.h.number == f->number ? FILE_OPENS : FILE_DAMAGED;
		frame_release(&frame);
		return r;
	}
	if (r == 0)
		r = find_later_frame(f, FRAME_ALIGN, f->number, NULL);
	if (r != 0)
		return r < 0 ? r : FILE_DAMAGED;
	/* Without a header only its own sector can be asked for. */
	bytes = frame_header_decode(frame.raw, &frame.h) < 0
			? FRAME_HEADER_BYTES
			: sealed_bytes(&frame.h);
	r = has_unwritten_sector(f, bytes);
	if (r < 0)
		return r;
	return r == 1 ? FILE_UNBEGUN : FILE_FOREIGN;
}

/* A file_state, or an error. */
static int inspect_number(struct journal *j, uint64_t number)
{
	struct file f;
	int r;

	r = open_file(j, number, &f);
	if (r < 0)
		return r;
	r = inspect(&f);
	journal_close_quietly(j->env, &f.fd);
	return r;
}

/* Those that open: files[first] up to files[end - 1]; none if equal. */
struct range {
	size_t first, end;
};

static int find_range(struct journal *j, uint8_t *states, struct range *ret)
{
	struct range range = { 0, 0 };
	int r;

	for (size_t i = 0; i < j->n_files; i++) {
		r = inspect_number(j, j->files[i]);
		if (r < 0)
			return r;
		if (r == FILE_DAMAGED)
			return ERR_DAMAGED;
		states[i] = (uint8_t)r;
		if (r != FILE_OPENS)
			continue;
		if (range.end == 0)
			range.first = i;
		range.end = i + 1;
	}
	*ret = range;
	return 0;
}

static uint64_t era(uint64_t number)
{
	return number >> JOURNAL_ERA_BITS;
}

static bool begins_era(uint64_t number)
{
	return number == era(number) << JOURNAL_ERA_BITS;
}

/*
 * A change of keys begins an era.  Interrupted, it leaves files of two: under
 * the new keys the older ones are waiting to be dropped, under the old keys
 * the newest does not count yet.  Any other file that does not open is a
 * matter for the caller; but the very last may never have been begun.
 */
static int check_unopened(const struct journal *j, const uint8_t *states,
			  const struct range *range)
{
	const uint64_t *n = j->files;
	bool any = range->end > 0;

	for (size_t i = 0; any && i < range->first; i++)
		if (!begins_era(n[range->first]) ||
		    era(n[i]) >= era(n[range->first]))
			return ERR_BAD_SEAL;
	for (size_t i = range->first; i < range->end; i++)
		if (states[i] != FILE_OPENS)
			return ERR_DAMAGED;
	for (size_t i = range->end; i < j->n_files; i++) {
		if (any && era(n[i]) > era(n[range->end - 1]))
			continue;
		if (i + 1 != j->n_files || states[i] != FILE_UNBEGUN)
			return ERR_BAD_SEAL;
	}
	return 0;
}

static int replay_range(struct journal *j, const struct range *range,
			journal_frame_fn *fn, void *arg)
{
	struct replay r = { .fn = fn, .arg = arg };
	int n;

	for (size_t i = range->first; i < range->end; i++) {
		r.limit = i + 1 < range->end ? j->files[i + 1] : UINT64_MAX;
		n = replay_number(j, j->files[i], &r);
		if (n < 0)
			return n;
	}
	return 0;
}

/* ---- the folder ---- */

static int collect_number(void *arg, const char *name, unsigned char type)
{
	struct journal *j = arg;
	uint8_t bytes[sizeof(uint64_t)];
	uint64_t number = 0, *grown;

	(void)type; /* what has such a name must be a journal file */
	if (hex_decode(name, sizeof(bytes), bytes) < 0 ||
	    name[JOURNAL_NAME_LEN] != '\0')
		return 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		number = number << 8 | bytes[i];
	grown = mem_realloc_array(j->files, j->n_files + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[j->n_files++] = number;
	j->files = grown;
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

int journal_replay(struct journal *j, journal_frame_fn *fn, void *arg)
{
	auto_free uint8_t *states = NULL;
	struct range range = { 0, 0 };
	int r;

	r = j->env->ops->list(j->env, j->dirfd, collect_number, j);
	if (r < 0)
		return r;
	if (j->n_files == 0)
		return 0;
	qsort(j->files, j->n_files, sizeof(*j->files), compare_numbers);
	states = mem_zalloc(j->n_files);
	if (!states)
		return -ENOMEM;
	r = find_range(j, states, &range);
	if (r == 0)
		r = check_unopened(j, states, &range);
	if (r == 0)
		r = replay_range(j, &range, fn, arg);
	if (r < 0)
		return r;
	if (range.end == 0)
		j->next = j->files[0]; /* numbers never go back */
	if (range.end < j->n_files && states[j->n_files - 1] == FILE_UNBEGUN)
		j->unbegun = j->files[j->n_files - 1];
	/* Files not begun, or of an era that did not come to be: the next file
	 * may take their place. */
	j->n_files = range.end;
	return 0;
}
