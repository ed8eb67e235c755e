/* SPDX-License-Identifier: ISC */
/* Inodes, directory entries, extents. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "index/db_priv.h"

/* --- Inodes -------------------------------------------------------------- */

int index_node_get(struct index *ix, uint64_t ino, const uint8_t **ret_rec,
		   size_t *ret_bytes)
{
	auto_query struct query q = QUERY_INIT;
	int r;

	query_begin(&q, ix, STMT_NODE_GET);
	query_bind_num(&q, ino);
	r = query_row(&q);
	if (r <= 0)
		return r;
	r = query_keep(&q, 0, ret_rec, ret_bytes);
	return r < 0 ? r : 1;
}

int index_node_put(struct index *ix, uint64_t ino, const void *rec,
		   size_t bytes)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_NODE_PUT);
	query_bind_num(&q, ino);
	query_bind_blob(&q, rec, bytes);
	return query_run(&q);
}

int index_node_delete(struct index *ix, uint64_t ino)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_NODE_DELETE);
	query_bind_num(&q, ino);
	return query_run(&q);
}

int index_node_each(struct index *ix, uint64_t from, index_node_fn *fn,
		    void *arg)
{
	auto_query struct query q = QUERY_INIT;
	int r;

	query_begin(&q, ix, STMT_NODE_EACH);
	query_bind_num(&q, from);
	while ((r = query_row(&q)) > 0) {
		size_t n;
		const uint8_t *rec = query_blob(&q, 1, &n);

		r = fn(arg, query_u64(&q, 0), rec, n);
		if (r != 0)
			break;
	}
	return r;
}

/* --- Directory entries --------------------------------------------------- */

/* Names and extra bytes point into the query's row. */
static int link_from_row(const struct query *q, uint64_t parent,
			 struct index_link *ret)
{
	size_t name_len;
	struct index_link l = {
		.parent = parent,
		.cookie = query_u64(q, 0),
		.ino = query_u64(q, 1),
		.kind = (uint8_t)query_u32(q, 2),
	};

	l.name = query_blob(q, 3, &name_len);
	l.extra = query_blob(q, 4, &l.extra_bytes);
	if (name_len > UINT16_MAX)
		return index_fail(q->ix, ERR_BAD_INDEX);
	l.name_len = (uint16_t)name_len;
	if (l.extra_bytes == 0)
		l.extra = NULL;
	*ret = l;
	return 0;
}

static int link_keep(struct index *ix, struct index_link *l)
{
	uint8_t *kept = index_keep(ix, l->name_len + l->extra_bytes);

	if (!kept)
		return -ENOMEM;
	memcpy(kept, l->name, l->name_len);
	l->name = kept;
	if (l->extra_bytes > 0) {
		memcpy(kept + l->name_len, l->extra, l->extra_bytes);
		l->extra = kept + l->name_len;
	}
	return 0;
}

int index_link_get(struct index *ix, uint64_t parent, uint64_t cookie,
		   struct index_link *ret)
{
	auto_query struct query q = QUERY_INIT;
	struct index_link l;
	int r;

	query_begin(&q, ix, STMT_LINK_GET);
	query_bind_num(&q, parent);
	query_bind_num(&q, cookie);
	r = query_row(&q);
	if (r <= 0)
		return r;
	r = link_from_row(&q, parent, &l);
	if (r == 0)
		r = link_keep(ix, &l);
	if (r < 0)
		return r;
	*ret = l;
	return 1;
}

int index_link_put(struct index *ix, const struct index_link *l)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_LINK_PUT);
	query_bind_num(&q, l->parent);
	query_bind_num(&q, l->cookie);
	query_bind_num(&q, l->ino);
	query_bind_num(&q, l->kind);
	query_bind_blob(&q, l->name, l->name_len);
	query_bind_blob(&q, l->extra, l->extra_bytes);
	return query_run(&q);
}

int index_link_delete(struct index *ix, uint64_t parent, uint64_t cookie)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_LINK_DELETE);
	query_bind_num(&q, parent);
	query_bind_num(&q, cookie);
	return query_run(&q);
}

int index_link_each(struct index *ix, uint64_t parent, uint64_t from,
		    index_link_fn *fn, void *arg)
{
	auto_query struct query q = QUERY_INIT;
	struct index_link l;
	int r;

	query_begin(&q, ix, STMT_LINK_EACH);
	query_bind_num(&q, parent);
	query_bind_num(&q, from);
	while ((r = query_row(&q)) > 0) {
		r = link_from_row(&q, parent, &l);
		if (r == 0)
			r = fn(arg, &l);
		if (r != 0)
			break;
	}
	return r;
}

/* --- Extents ------------------------------------------------------------- */

static bool extent_is_valid(const struct index_extent *e)
{
	switch (e->kind) {
	case EXTENT_CHUNK:
		return e->length > 0 && e->chunk > 0;
	case EXTENT_INLINE:
		return e->length > 0 && e->length <= OP_INLINE_MAX;
	default:
		return false;
	}
}

static int extent_from_row(const struct query *q, struct index_extent *ret)
{
	size_t n;
	struct index_extent e = {
		.offset = query_u64(q, 0),
		.length = query_u64(q, 1),
		.kind = EXTENT_CHUNK,
		.chunk = query_u64(q, 2),
		.chunk_offset = query_u32(q, 3),
	};

	e.bytes = query_blob(q, 4, &n);
	if (e.chunk == 0)
		e.kind = EXTENT_INLINE;
	else
		e.bytes = NULL;
	if (n != (e.kind == EXTENT_INLINE ? e.length : 0))
		return index_fail(q->ix, ERR_BAD_INDEX);
	*ret = e;
	return 0;
}

int index_extent_put(struct index *ix, uint64_t ino,
		     const struct index_extent *e)
{
	const bool is_chunk = e->kind == EXTENT_CHUNK;
	auto_query struct query q = QUERY_INIT;

	assert(extent_is_valid(e));
	query_begin(&q, ix, STMT_EXTENT_PUT);
	query_bind_num(&q, ino);
	query_bind_num(&q, e->offset);
	query_bind_num(&q, e->length);
	query_bind_num(&q, is_chunk ? e->chunk : 0);
	query_bind_num(&q, is_chunk ? e->chunk_offset : 0);
	query_bind_blob(&q, e->bytes, is_chunk ? 0 : (size_t)e->length);
	return query_run(&q);
}

int index_extent_delete(struct index *ix, uint64_t ino, uint64_t offset)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_EXTENT_DELETE);
	query_bind_num(&q, ino);
	query_bind_num(&q, offset);
	return query_run(&q);
}

int index_extent_delete_all(struct index *ix, uint64_t ino)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_EXTENT_DELETE_ALL);
	query_bind_num(&q, ino);
	return query_run(&q);
}

int index_extent_each(struct index *ix, uint64_t ino, uint64_t from,
		      uint64_t to, index_extent_fn *fn, void *arg)
{
	auto_query struct query q = QUERY_INIT;
	struct index_extent e;
	int r;

	query_begin(&q, ix, STMT_EXTENT_EACH);
	query_bind_num(&q, ino);
	query_bind_num(&q, min_of(from, (uint64_t)INT64_MAX));
	query_bind_num(&q, min_of(to, (uint64_t)INT64_MAX));
	while ((r = query_row(&q)) > 0) {
		r = extent_from_row(&q, &e);
		/* The first one may end before the range. */
		if (r == 0 && from < to && e.offset + e.length > from)
			r = fn(arg, &e);
		if (r != 0)
			break;
	}
	return r;
}

int index_extent_all(struct index *ix, index_any_extent_fn *fn, void *arg)
{
	auto_query struct query q = QUERY_INIT;
	struct index_extent e;
	int r;

	query_begin(&q, ix, STMT_EXTENT_ALL);
	while ((r = query_row(&q)) > 0) {
		r = extent_from_row(&q, &e);
		if (r == 0)
			r = fn(arg, query_u64(&q, 5), &e);
		if (r != 0)
			break;
	}
	return r;
}
