/* SPDX-License-Identifier: ISC */
/* Where data is, and sharing it between files. */
#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "format/extent.h"
#include "vault/content/content_priv.h"
#include "vault/content/map.h"
#include "vault/file.h"

/* One call copies at most so much: the caller asks again. */
#define COPY_BYTES_MAX ((uint64_t)1 << 30)
#define COPY_RUNS_MAX 2048u
/* What cannot be shared is read and written, so much at once. */
#define COPY_BUF_BYTES ((size_t)1 << 20)

/* Parts looked at before the locks are dropped for others. */
#define SEEK_PARTS 4096u

/* ---------------------------------------------------------------- seeking */

struct seek {
	bool wants_data;
	unsigned n;
	uint64_t pos; /* looked at up to here */
	bool found;
};

static int look(void *arg, const struct map_part *part)
{
	struct seek *s = arg;

	if ((part->kind != MAP_ZERO) == s->wants_data) {
		s->pos = part->offset;
		s->found = true;
		return 1;
	}
	s->pos = part->offset + part->length;
	return ++s->n == SEEK_PARTS;
}

static int file_size(struct vault *v, uint64_t ino, uint64_t *ret)
	LOCK_ATTR_(requires_capability(v->index_lock))
{
	struct node *n;
	int r = core_index_state(v);

	if (r == 0)
		r = node_get(v->nodes, ino, &n);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = n->kind == KIND_FILE ? 0 : n->kind == KIND_DIR ? -EISDIR : -EINVAL;
	*ret = n->size;
	node_put(n);
	return r;
}

/* From s->pos on; -ENXIO beyond the end.  The end is a hole. */
static int seek_some(struct vault *v, struct file *f, struct seek *s)
{
	uint64_t size = 0;
	int r;

	s->n = 0;
	rwlock_take_shared(&v->session);
	lock_take(&f->lock);
	lock_take(&v->index_lock);
	r = file_size(v, f->ino, &size);
	if (r == 0 && s->pos >= size) {
		s->found = !s->wants_data;
		s->pos = size;
		r = s->wants_data ? -ENXIO : 0;
	} else if (r == 0) {
		r = map_walk(v, f, s->pos, size, look, s);
	}
	lock_drop(&v->index_lock);
	lock_drop(&f->lock);
	rwlock_drop_shared(&v->session);
	return r < 0 ? r : 0;
}

static int check_seek(struct vault *v, uint64_t ino, uint64_t offset)
{
	uint64_t size = 0;
	int r;

	lock_take(&v->index_lock);
	r = file_size(v, ino, &size);
	lock_drop(&v->index_lock);
	return r == 0 && offset >= size ? -ENXIO : r;
}

int vault_seek(struct vault *v, uint64_t ino, uint64_t offset, int whence,
	       uint64_t *ret_offset)
{
	struct file_table *t = &v->content->files;
	struct seek s = { .wants_data = whence == SEEK_DATA, .pos = offset };
	struct file *f;
	int r;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	r = check_seek(v, ino, offset);
	if (r == 0)
		r = file_get(t, ino, &f);
	if (r < 0)
		return r;
	while (r == 0 && !s.found)
		r = seek_some(v, f, &s);
	file_put(t, f);
	if (r == 0)
		*ret_offset = s.pos;
	return r;
}

/* ---------------------------------------------------------------- sharing */

/* Runs that show in one file what another shows. */
struct copy {
	struct content *c;
	struct file *source;
	uint64_t from, to; /* offsets of the range in both files */
	struct run *runs;  /* each with a reference of its own */
	unsigned n;
	uint64_t done;	  /* bytes of the range they cover */
	/* What follows must be read and written: so much. */
	uint64_t unshared_bytes;
};

static void copy_release(struct copy *cp)
{
	for (unsigned i = 0; i < cp->n; i++)
		if (cp->runs[i].kind == RUN_CHUNK)
			chunk_put(cp->runs[i].part.chunk);
		else if (cp->runs[i].kind != RUN_HOLE)
			databuf_put(cp->runs[i].bytes.buf);
	mem_free(cp->runs);
}

/* Bytes in memory are shared too; nobody changes them from now on. */
static void share_bytes(const struct file *from, const struct map_part *part,
			struct run *run)
{
	*run = *part->run;
	databuf_get(run->bytes.buf);
	databuf_freeze(run->bytes.buf, from,
		       run->bytes.at + (uint32_t)part->length);
}

/* Inline bytes of a row. */
static int copy_bytes(struct copy *cp, const struct map_part *part,
		      struct run *run)
{
	struct databuf *buf =
		databuf_new(&cp->c->budget, NULL, (uint32_t)part->length);

	if (!buf)
		return -ENOMEM;
	databuf_append(buf, part->bytes, (uint32_t)part->length);
	run->kind = RUN_DATA;
	run->bytes = (struct run_bytes){ .buf = buf };
	return 0;
}

/* A chunk that the index names: 1; 0 if it may not be referred to. */
static int share_chunk(struct copy *cp, const struct map_part *part,
		       struct run *run)
{
	struct chunk *ch;
	int r = pool_name(cp->c, part->chunk, &ch);

	if (r > 0) {
		run->kind = RUN_CHUNK;
		run->part = (struct run_chunk){ ch, part->chunk_offset };
	}
	return r;
}

static int share_part(void *arg, const struct map_part *part)
{
	struct copy *cp = arg;
	struct run *run = &cp->runs[cp->n];
	int r = 1;

	if (cp->n == COPY_RUNS_MAX)
		return 1;
	*run = (struct run){ .kind = RUN_HOLE };
	if (part->kind == MAP_BYTES && part->run)
		share_bytes(cp->source, part, run);
	else if (part->kind == MAP_BYTES)
		r = copy_bytes(cp, part, run) < 0 ? -ENOMEM : 1;
	else if (part->kind == MAP_CHUNK)
		r = share_chunk(cp, part, run);
	if (r <= 0) {
		cp->unshared_bytes = r == 0 ? part->length : 0;
		return r < 0 ? r : 1;
	}
	run->offset = cp->to + (part->offset - cp->from);
	run->length = part->length;
	cp->n++;
	cp->done += part->length;
	return 0;
}

/* Both files' locks are held.  Cuts the range to the source. */
static int map_source(struct copy *cp, uint64_t len)
{
	struct vault *v = cp->c->v;
	struct file *from = cp->source;
	uint64_t size = 0;
	int r;

	cp->runs = mem_zalloc_array(COPY_RUNS_MAX, sizeof(*cp->runs));
	if (!cp->runs)
		return -ENOMEM;
	lock_take(&v->index_lock);
	r = file_size(v, from->ino, &size);
	if (r == 0 && cp->from < size)
		r = map_walk(v, from, cp->from,
			     cp->from + min_of(len, size - cp->from),
			     share_part, cp);
	lock_drop(&v->index_lock);
	return r < 0 ? r : 0;
}

static int put_runs(struct copy *cp, struct file *to)
{
	uint64_t had = 0, data = 0;
	int r = content_count_range(cp->c->v, to, cp->to, cp->to + cp->done,
				    &had);

	if (r == 0)
		r = layer_reserve(to->dirty, cp->n);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < cp->n; i++) {
		if (cp->runs[i].kind != RUN_HOLE)
			data += cp->runs[i].length;
		r = layer_set(to->dirty, &cp->runs[i]);
		assert(r == 0);
	}
	to->size = max_of(to->size, cp->to + cp->done);
	content_count_change(to, had, data);
	return 0;
}

/* A change of one file with another's lock held too: the one with the smaller
 * number first. */
static int begin_both(struct vault *v, uint64_t from_ino, uint64_t to_ino,
		      struct file **ret_from, struct change *ret)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	struct file_table *t = &v->content->files;
	struct file *from;
	int r = file_get(t, from_ino, &from);

	if (r < 0)
		return r;
	r = content_change_begin(v, to_ino, from_ino == to_ino ? NULL : from,
				 ret);
	if (r < 0)
		file_put(t, from);
	else
		*ret_from = from;
	return r;
}

static int end_both(struct vault *v, struct file *from, struct change *ch,
		    int err) LOCK_ATTR_(no_thread_safety_analysis)
{
	if (from != ch->f)
		lock_drop(&from->lock);
	err = content_change_end(ch, err);
	file_put(&v->content->files, from);
	return err;
}

/* Shares what can be; *ret_unshared: how many bytes after that cannot. */
static ssize_t share_some(struct vault *v, uint64_t from_ino, uint64_t from,
			  uint64_t to_ino, uint64_t to, uint64_t len,
			  uint64_t *ret_unshared)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	struct copy cp = { .c = v->content, .from = from, .to = to };
	struct change ch;
	int r = content_make_room(v->content, 0);

	if (r == 0)
		r = begin_both(v, from_ino, to_ino, &cp.source, &ch);
	if (r < 0)
		return r;
	r = map_source(&cp, len);
	if (r == 0 && cp.n > 0)
		r = put_runs(&cp, ch.f);
	ch.is_none = cp.n == 0;
	r = end_both(v, cp.source, &ch, r);
	copy_release(&cp);
	*ret_unshared = cp.unshared_bytes;
	return r < 0 ? r : (ssize_t)cp.done;
}

static ssize_t copy_some(struct vault *v, uint64_t from_ino, uint64_t from,
			 uint64_t to_ino, uint64_t to, uint64_t len)
{
	auto_free uint8_t *buf = mem_alloc(COPY_BUF_BYTES);
	ssize_t n;
	int r;

	if (!buf)
		return -ENOMEM;
	n = vault_pread(v, from_ino, buf,
			(size_t)min_of(len, (uint64_t)COPY_BUF_BYTES), from);
	if (n <= 0)
		return n;
	r = vault_write(v, to_ino, buf, (size_t)n, to, 0);
	mem_wipe(buf, COPY_BUF_BYTES);
	return r < 0 ? r : n;
}

ssize_t vault_copy_range(struct vault *v, uint64_t from_ino,
			 uint64_t from_offset, uint64_t to_ino,
			 uint64_t to_offset, uint64_t len)
{
	uint64_t unshared = 0;
	ssize_t n;

	if (from_offset > FILE_SIZE_MAX || to_offset > FILE_SIZE_MAX)
		return -EFBIG;
	len = min_of(len, COPY_BYTES_MAX);
	len = min_of(len, FILE_SIZE_MAX - max_of(from_offset, to_offset));
	if (len == 0)
		return 0;
	if (from_ino == to_ino && from_offset < to_offset + len &&
	    to_offset < from_offset + len)
		return -EINVAL;
	n = share_some(v, from_ino, from_offset, to_ino, to_offset, len,
		       &unshared);
	if (n != 0 || unshared == 0)
		return n;
	/* No further: a hole behind it stays one. */
	return copy_some(v, from_ino, from_offset, to_ino, to_offset, unshared);
}
