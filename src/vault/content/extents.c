/* SPDX-License-Identifier: ISC */
#include "vault/content/extents.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/hash.h"

/* Rows changed in one go: they are copied first, for a walk must not meet its
 * own changes. */
#define BATCH 128u

#define ROW_END ((uint64_t)INT64_MAX)

/* ---------------------------------------------------------------- carving */

struct row {
	uint64_t offset, length;
	uint64_t chunk; /* 0: inline */
	uint32_t chunk_offset;
	uint8_t *bytes; /* owned copy; NULL */
};

struct rows {
	struct row r[BATCH];
	unsigned n;
};

static void rows_clear(struct rows *rows)
{
	for (unsigned i = 0; i < rows->n; i++)
		mem_free(rows->r[i].bytes);
	rows->n = 0;
}

static int collect(void *arg, const struct index_extent *e)
{
	struct rows *rows = arg;
	struct row *r;

	if (rows->n == BATCH)
		return 1;
	r = &rows->r[rows->n];
	*r = (struct row){ .offset = e->offset, .length = e->length };
	if (e->kind == EXTENT_CHUNK) {
		r->chunk = e->chunk;
		r->chunk_offset = e->chunk_offset;
	} else {
		r->bytes = mem_dup(e->bytes, (size_t)e->length);
		if (!r->bytes)
			return -ENOMEM;
	}
	rows->n++;
	return 0;
}

/* The part [from, to) of a row as a row of its own. */
static int put_part(struct vault *v, uint64_t ino, const struct row *r,
		    uint64_t from, uint64_t to)
{
	uint64_t skip = from - r->offset;
	struct index_extent e = {
		.offset = from,
		.length = to - from,
		.kind = r->chunk ? EXTENT_CHUNK : EXTENT_INLINE,
		.chunk = r->chunk,
		.chunk_offset = r->chunk_offset + (uint32_t)skip,
	};

	if (!r->chunk) {
		e.chunk_offset = 0;
		e.bytes = r->bytes + skip;
	}
	return index_extent_put(v->index, ino, &e);
}

/* Takes [from, to) out of one row. */
static int carve_row(struct vault *v, uint64_t ino, const struct row *r,
		     uint64_t from, uint64_t to, uint64_t *data_bytes)
{
	uint64_t end = r->offset + r->length;
	uint64_t gone = min_of(end, to) - max_of(r->offset, from);
	int parts = 0, err = 0;

	*data_bytes -= gone;
	if (!r->chunk)
		v->inline_bytes -= gone;
	if (r->offset < from) {
		/* In place of the whole row. */
		err = put_part(v, ino, r, r->offset, from);
		parts++;
	} else {
		err = index_extent_delete(v->index, ino, r->offset);
	}
	if (err == 0 && end > to) {
		err = put_part(v, ino, r, to, end);
		parts++;
	}
	if (err == 0 && r->chunk && parts != 1)
		err = index_chunk_ref(v->index, r->chunk, parts - 1);
	return err;
}

/* Nothing stands in [from, to) afterwards. */
static int carve(struct vault *v, uint64_t ino, uint64_t from, uint64_t to,
		 uint64_t *data_bytes)
{
	struct rows rows = { .n = 0 };
	bool more = from < to;
	int r = 0;

	while (more && r == 0) {
		r = index_extent_each(v->index, ino, from, to, collect, &rows);
		more = r > 0;
		for (unsigned i = 0; i < rows.n && r >= 0; i++)
			r = carve_row(v, ino, &rows.r[i], from, to, data_bytes);
		rows_clear(&rows);
		r = min_of(r, 0);
	}
	return r;
}

/* ---------------------------------------------------------------- applying */

static int chunk_number(struct index *ix, const struct extent *e, uint64_t *ret)
{
	struct index_chunk c;
	int r = index_chunk_find(ix, &e->id, &c);

	if (r == 0) {
		c = (struct index_chunk){
			.id = e->id,
			.entry = { .plain_bytes = e->chunk_length },
		};
		r = index_chunk_place(ix, &c);
	}
	if (r < 0)
		return r;
	*ret = c.chunk;
	return 0;
}

static int put_extent(struct vault *v, uint64_t ino, const struct extent *e,
		      uint64_t *data_bytes)
{
	struct index_extent row = {
		.offset = e->offset,
		.length = e->length,
		.kind = e->kind,
		.chunk_offset = e->chunk_offset,
		.bytes = e->bytes,
	};
	int r = 0;

	if (e->kind == EXTENT_HOLE)
		return 0;
	if (e->kind == EXTENT_CHUNK) {
		r = chunk_number(v->index, e, &row.chunk);
		if (r == 0)
			r = index_chunk_ref(v->index, row.chunk, 1);
	}
	if (r == 0)
		r = index_extent_put(v->index, ino, &row);
	if (r < 0)
		return r;
	*data_bytes += e->length;
	if (e->kind == EXTENT_INLINE)
		v->inline_bytes += e->length;
	return 0;
}

/* End of the extents that follow each other without gap from `e` on; the
 * cursor stays. */
static uint64_t group_end(struct cursor at, const struct extent *e)
{
	uint64_t end = e->offset + e->length;
	struct extent next;

	while (cursor_left(&at) > 0) {
		extent_read(&at, &next);
		if (at.error || next.offset != end)
			break;
		end += next.length;
	}
	return end;
}

/* One look for old rows a group, not one an extent. */
static int put_list(struct vault *v, uint64_t ino,
		    const struct extent_list *list, uint64_t *data_bytes)
{
	uint64_t carved = 0;
	struct cursor c;
	int r = 0;

	extent_list_cursor(list, &c);
	for (uint32_t i = 0; i < list->n && r == 0; i++) {
		struct extent e;

		extent_read(&c, &e);
		if (c.error)
			return c.error;
		if (e.offset >= carved) {
			carved = group_end(c, &e);
			r = carve(v, ino, e.offset, carved, data_bytes);
		}
		if (r == 0)
			r = put_extent(v, ino, &e, data_bytes);
	}
	return r;
}

int extents_apply(struct vault *v, uint64_t ino, bool whole, uint64_t size,
		  const struct extent_list *list, uint64_t old_data_bytes,
		  uint64_t *ret_data_bytes)
{
	uint64_t data_bytes = old_data_bytes;
	int r;

	if (whole) {
		data_bytes = 0;
		r = extents_drop(v, ino);
	} else {
		r = carve(v, ino, size, ROW_END, &data_bytes);
	}
	if (r == 0)
		r = put_list(v, ino, list, &data_bytes);
	if (r == 0)
		*ret_data_bytes = data_bytes;
	return r;
}

/* ---------------------------------------------------------------- all rows */

struct transfer {
	struct vault *v;
	uint64_t to;
	bool is_copy;
};

static int drop_row(void *arg, const struct index_extent *e)
{
	struct vault *v = arg;

	if (e->kind == EXTENT_CHUNK)
		return index_chunk_ref(v->index, e->chunk, -1);
	v->inline_bytes -= e->length;
	return 0;
}

static int transfer_row(void *arg, const struct index_extent *e)
{
	const struct transfer *t = arg;
	struct index *ix = t->v->index;
	int r = index_extent_put(ix, t->to, e);

	if (r < 0 || !t->is_copy)
		return r;
	if (e->kind == EXTENT_CHUNK)
		return index_chunk_ref(ix, e->chunk, 1);
	t->v->inline_bytes += e->length;
	return 0;
}

int extents_drop(struct vault *v, uint64_t ino)
{
	int r = index_extent_each(v->index, ino, 0, ROW_END, drop_row, v);

	return r < 0 ? r : index_extent_delete_all(v->index, ino);
}

int extents_move(struct vault *v, uint64_t from, uint64_t to)
{
	struct transfer t = { v, to, false };
	int r = index_extent_each(v->index, from, 0, ROW_END, transfer_row, &t);

	return r < 0 ? r : index_extent_delete_all(v->index, from);
}

int extents_copy(struct vault *v, uint64_t from, uint64_t to)
{
	struct transfer t = { v, to, true };

	return index_extent_each(v->index, from, 0, ROW_END, transfer_row, &t);
}

/* ---------------------------------------------------------------- digests */

#define INLINE_HASH_BYTES 32u

/* The normalised extent that is being put together. */
struct digest {
	struct index *ix;
	struct hash h;
	uint64_t offset, length; /* length 0: none */
	uint64_t chunk;		 /* 0: inline, hashed into `bytes` */
	uint32_t chunk_offset;
	struct hash bytes;
};

/* offset 8, length 8, kind 1; a chunk: content id 32, chunk offset 4; inline:
 * BLAKE2b-256 of the bytes. */
static int finish_extent(struct digest *d)
{
	auto_buf struct buf b = BUF_INIT(64);
	uint8_t bytes_hash[INLINE_HASH_BYTES];
	struct index_chunk c;
	int r;

	if (d->length == 0)
		return 0;
	buf_put_u64(&b, d->offset);
	buf_put_u64(&b, d->length);
	if (d->chunk) {
		r = index_chunk_get(d->ix, d->chunk, &c);
		if (r <= 0)
			return r < 0 ? r : ERR_BAD_INDEX;
		buf_put_u8(&b, EXTENT_CHUNK);
		buf_put(&b, c.id.b, sizeof(c.id.b));
		buf_put_u32(&b, d->chunk_offset);
	} else {
		hash_end(&d->bytes, bytes_hash, sizeof(bytes_hash));
		buf_put_u8(&b, EXTENT_INLINE);
		buf_put(&b, bytes_hash, sizeof(bytes_hash));
	}
	r = buf_error(&b);
	if (r == 0)
		hash_add(&d->h, b.data, b.len);
	d->length = 0;
	return r;
}

static bool goes_on(const struct digest *d, const struct index_extent *e)
{
	if (d->length == 0 || d->offset + d->length != e->offset)
		return false;
	if (e->kind == EXTENT_INLINE)
		return d->chunk == 0;
	return d->chunk == e->chunk &&
	       d->chunk_offset + d->length == e->chunk_offset;
}

static int digest_row(void *arg, const struct index_extent *e)
{
	struct digest *d = arg;
	int r = 0;

	if (!goes_on(d, e)) {
		r = finish_extent(d);
		if (r < 0)
			return r;
		d->offset = e->offset;
		d->chunk = e->kind == EXTENT_CHUNK ? e->chunk : 0;
		d->chunk_offset = e->chunk_offset;
		if (!d->chunk)
			hash_begin(&d->bytes, NULL, INLINE_HASH_BYTES);
	}
	d->length += e->length;
	if (!d->chunk)
		hash_add(&d->bytes, e->bytes, (size_t)e->length);
	return 0;
}

int extents_digest(struct vault *v, uint64_t ino, uint64_t size,
		   uint8_t ret[static 32])
{
	struct digest d = { .ix = v->index };
	uint8_t raw_size[8], out[32];
	int r;

	le64_put(raw_size, size);
	hash_begin(&d.h, NULL, sizeof(out));
	hash_add(&d.h, raw_size, sizeof(raw_size));
	r = index_extent_each(v->index, ino, 0, ROW_END, digest_row, &d);
	if (r == 0)
		r = finish_extent(&d);
	hash_end(&d.h, out, sizeof(out));
	if (r == 0)
		memcpy(ret, out, sizeof(out));
	return r;
}
