/* SPDX-License-Identifier: ISC */
/* Reading: a map of the range under locks, the bytes without. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "vault/content/load.h"
#include "vault/content/map.h"
#include "vault/content/readahead.h"
#include "vault/file.h"

#define READ_BYTES_MAX ((size_t)1 << 20)

/* A chunk may be placed elsewhere, and the file it was in go, between the map
 * and the reading: the map is made again, so often. */
#define TRIES 5

/* Holes.  Never written: pages that are read only cost nothing. */
static uint8_t zeros[READ_BYTES_MAX];

/* One part of what was asked for. */
struct want {
	enum map_kind kind;
	uint32_t at, length; /* in the request */
	uint64_t chunk;	     /* MAP_CHUNK */
	uint32_t chunk_offset;
	struct chunk *held; /* a reference, if a layer names it; NULL */
};

#define WANTS_INLINE 16u

struct reader {
	struct content *c;
	uint64_t offset;
	size_t len; /* up to the end of the file */
	struct want few[WANTS_INLINE];
	struct want *wants; /* few, or owned */
	size_t n, cap;
	uint8_t *copy;	/* len bytes, made at first need; owned */
	bool is_copied; /* all goes through the copy */
	struct vault_read *ret;
};

static int need_copy(struct reader *r)
{
	if (!r->copy)
		r->copy = mem_alloc(r->len);
	return r->copy ? 0 : -ENOMEM;
}

/* ---------------------------------------------------------------- the map */

static struct want *add_want(struct reader *r)
{
	if (r->n == r->cap) {
		size_t cap = 4 * r->cap;
		struct want *w = r->wants == r->few ? NULL : r->wants;

		w = mem_realloc_array(w, cap, sizeof(*w));
		if (!w)
			return NULL;
		if (r->wants == r->few)
			memcpy(w, r->few, sizeof(r->few));
		r->wants = w;
		r->cap = cap;
	}
	return &r->wants[r->n++];
}

static int take_part(void *arg, const struct map_part *part)
{
	struct reader *r = arg;
	struct want *last = r->n > 0 ? &r->wants[r->n - 1] : NULL;
	uint32_t at = (uint32_t)(part->offset - r->offset);
	struct want *w;

	if (part->kind == MAP_BYTES) {
		if (need_copy(r) < 0)
			return -ENOMEM;
		memcpy(r->copy + at, part->bytes, (size_t)part->length);
	}
	if (last && part->kind != MAP_CHUNK && last->kind == part->kind) {
		last->length += (uint32_t)part->length;
		return 0;
	}
	w = add_want(r);
	if (!w)
		return -ENOMEM;
	*w = (struct want){
		.kind = part->kind,
		.at = at,
		.length = (uint32_t)part->length,
		.chunk = part->chunk,
		.chunk_offset = part->chunk_offset,
	};
	if (part->kind == MAP_CHUNK && part->run)
		w->held = chunk_get(part->run->part.chunk);
	return 0;
}

static int check_file(struct vault *v, uint64_t ino, uint64_t *ret_size)
{
	struct node *n;
	int r = core_index_state(v);

	if (r == 0)
		r = node_get(v->nodes, ino, &n);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*ret_size = n->size;
	if (n->kind == KIND_NONE || n->flags & NODE_GONE)
		r = -ENOENT;
	else if (n->kind == KIND_DIR)
		r = -EISDIR;
	else
		r = n->kind == KIND_FILE ? 0 : -EINVAL;
	node_put(n);
	return r;
}

/* Cuts the request to the file and maps it. */
static int map_locked(struct reader *r, struct file *f, size_t len,
		      uint64_t *ret_size)
	LOCK_ATTR_(requires_capability(f->lock))
{
	struct vault *v = r->c->v;
	uint64_t size = 0;
	int err;

	lock_take(&v->index_lock);
	err = check_file(v, f->ino, &size);
	if (err == 0 && r->offset < size) {
		r->len = (size_t)min_of((uint64_t)len, size - r->offset);
		err = map_walk(v, f, r->offset, r->offset + r->len, take_part,
			       r);
	}
	lock_drop(&v->index_lock);
	*ret_size = size;
	return err;
}

static int map_request(struct reader *r, uint64_t ino, size_t len,
		       bool is_first_try)
{
	struct content *c = r->c;
	struct readahead ra;
	bool is_ahead = false;
	uint64_t size;
	struct file *f;
	int err = file_get(&c->files, ino, &f);

	if (err < 0)
		return err;
	rwlock_take_shared(&c->v->session);
	lock_take(&f->lock);
	err = map_locked(r, f, len, &size);
	if (err == 0 && is_first_try && r->len > 0)
		is_ahead = readahead_note(c, f, r->offset, r->len, size, &ra);
	lock_drop(&f->lock);
	rwlock_drop_shared(&c->v->session);
	if (is_ahead)
		readahead_start(c, ino, &ra);
	file_put(&c->files, f);
	return err;
}

/* ---------------------------------------------------------------- pieces */

static void add_piece(struct vault_read *ret, const uint8_t *p, size_t n)
{
	struct iovec *last = NULL;

	if (ret->n_pieces > 0)
		last = &ret->pieces[ret->n_pieces - 1];
	if (last && (const uint8_t *)last->iov_base + last->iov_len == p) {
		last->iov_len += n;
	} else {
		assert(ret->n_pieces < VAULT_READ_PIECES);
		/* Nobody writes through it: an iovec has no const. */
		ret->pieces[ret->n_pieces++] = (struct iovec){
			.iov_base = (void *)(uintptr_t)p,
			.iov_len = n,
		};
	}
	ret->n_bytes += n;
}

static int put_copied(struct reader *r, size_t at, const uint8_t *from,
		      size_t n)
{
	int err = need_copy(r);

	if (err < 0)
		return err;
	memcpy(r->copy + at, from, n);
	add_piece(r->ret, r->copy + at, n);
	return 0;
}

static uint32_t blocks_between(uint32_t first_byte, uint32_t end)
{
	return (end - 1) / CACHE_BLOCK_BYTES - first_byte / CACHE_BLOCK_BYTES +
	       1;
}

/* The part of one block that is wanted. */
static int put_block(struct reader *r, size_t at, struct loaded *l, uint32_t i,
		     uint32_t skip, uint32_t n)
{
	struct cache_block *b = l->blocks[i];

	if (!b)
		return put_copied(
			r, at, l->spare + (size_t)i * CACHE_BLOCK_BYTES + skip,
			n);
	if (skip + n > cache_block_bytes(b))
		return ERR_MALFORMED;
	if (r->is_copied)
		return put_copied(r, at, cache_block_data(b) + skip, n);
	add_piece(r->ret, cache_block_data(b) + skip, n);
	r->ret->pins[r->ret->n_pins++] = b;
	l->blocks[i] = NULL;
	return 0;
}

static int put_chunk(struct reader *r, const struct want *w)
{
	uint32_t pos = w->chunk_offset, end = pos + w->length;
	uint32_t first = pos / CACHE_BLOCK_BYTES;
	uint32_t n = blocks_between(pos, end);
	size_t at = w->at;
	struct loaded l;
	int err = load_blocks(r->c, w->chunk, w->held, first, n, end, &l);

	if (err < 0)
		return err;
	if (l.buf)
		err = put_copied(r, at, l.plain + pos, w->length);
	for (uint32_t i = 0; i < n && !l.buf && err == 0; i++) {
		uint32_t skip = pos % CACHE_BLOCK_BYTES;
		uint32_t k = min_of(end - pos, CACHE_BLOCK_BYTES - skip);

		err = put_block(r, at, &l, i, skip, k);
		pos += k;
		at += k;
	}
	loaded_release(r->c, &l, n);
	return err;
}

static int put_want(struct reader *r, const struct want *w)
{
	switch (w->kind) {
	case MAP_CHUNK:
		return put_chunk(r, w);
	case MAP_BYTES:
		add_piece(r->ret, r->copy + w->at, w->length);
		return 0;
	case MAP_ZERO:
		break;
	}
	if (r->is_copied)
		return put_copied(r, w->at, zeros, w->length);
	add_piece(r->ret, zeros, w->length);
	return 0;
}

/* Do all pieces fit, if none is copied that need not be? */
static bool fits(const struct reader *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct want *w = &r->wants[i];

		n += w->kind == MAP_CHUNK
			     ? blocks_between(w->chunk_offset,
					      w->chunk_offset + w->length)
			     : 1;
	}
	return n <= VAULT_READ_PIECES;
}

/* ---------------------------------------------------------------- reading */

static void release_wants(struct reader *r)
{
	for (size_t i = 0; i < r->n; i++)
		chunk_put(r->wants[i].held);
	if (r->wants != r->few)
		mem_free(r->wants);
}

static int read_once(struct vault *v, uint64_t ino, uint64_t offset, size_t len,
		     bool is_first_try, struct vault_read *ret)
{
	struct reader r = {
		.c = v->content,
		.offset = offset,
		.cap = WANTS_INLINE,
		.ret = ret,
	};
	int err;

	r.wants = r.few;
	err = map_request(&r, ino, len, is_first_try);
	r.is_copied = !fits(&r);
	for (size_t i = 0; i < r.n && err == 0; i++)
		err = put_want(&r, &r.wants[i]);
	release_wants(&r);
	ret->copy = r.copy;
	if (err < 0) {
		/* What the copy holds so far is at most len bytes. */
		ret->n_bytes = r.len;
		vault_read_release(v, ret);
	}
	return err;
}

int vault_read(struct vault *v, uint64_t ino, uint64_t offset, size_t len,
	       struct vault_read *ret)
{
	int r = ERR_MISSING;

	len = min_of(len, READ_BYTES_MAX);
	for (int i = 0; i < TRIES && r == ERR_MISSING; i++) {
		ret->n_pieces = ret->n_pins = 0;
		ret->n_bytes = 0;
		ret->copy = NULL;
		r = read_once(v, ino, offset, len, i == 0, ret);
	}
	if (r == 0)
		counters_add(&v->counters, COUNT_READ_BYTES, ret->n_bytes);
	if (r < 0 && r != -ENOENT && r != -EISDIR && r != -EINVAL)
		diag_err(DIAG_ERROR, r, "inode %llu: reading at %llu",
			 (unsigned long long)ino, (unsigned long long)offset);
	return r;
}

void vault_read_release(struct vault *v, struct vault_read *r)
{
	for (unsigned i = 0; i < r->n_pins; i++)
		cache_unpin(v->cache, r->pins[i]);
	if (r->copy)
		mem_wipe(r->copy, r->n_bytes);
	mem_free(r->copy);
	r->n_pieces = r->n_pins = 0;
	r->n_bytes = 0;
	r->copy = NULL;
}

ssize_t vault_pread(struct vault *v, uint64_t ino, void *to, size_t len,
		    uint64_t offset)
{
	uint8_t *out = to;
	size_t done = 0;

	len = min_of(len, (size_t)SSIZE_MAX);
	while (done < len) {
		struct vault_read rd;
		size_t n;
		int r = vault_read(v, ino, offset + done, len - done, &rd);

		if (r < 0)
			return r;
		n = rd.n_bytes;
		for (unsigned i = 0; i < rd.n_pieces; i++) {
			memcpy(out + done, rd.pieces[i].iov_base,
			       rd.pieces[i].iov_len);
			done += rd.pieces[i].iov_len;
		}
		vault_read_release(v, &rd);
		if (n == 0)
			break;
	}
	return (ssize_t)done;
}
