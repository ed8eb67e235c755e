/* SPDX-License-Identifier: ISC */
/* Extended attributes, writers, named values. */
#include "index/index_kv.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "index/db_priv.h"

/* --- Extended attributes ------------------------------------------------- */

static int xattr_from_row(const struct query *q, struct index_xattr *ret)
{
	struct index_xattr x;
	size_t name_len;

	x.name = query_blob(q, 0, &name_len);
	x.rec = query_blob(q, 1, &x.rec_bytes);
	if (name_len > UINT16_MAX)
		return index_fail(q->ix, ERR_BAD_INDEX);
	x.name_len = (uint16_t)name_len;
	*ret = x;
	return 0;
}

static int xattr_keep(struct index *ix, struct index_xattr *x)
{
	uint8_t *kept = index_keep(ix, x->name_len + x->rec_bytes);

	if (!kept)
		return -ENOMEM;
	memcpy(kept, x->name, x->name_len);
	memcpy(kept + x->name_len, x->rec, x->rec_bytes);
	x->name = kept;
	x->rec = kept + x->name_len;
	return 0;
}

int index_xattr_get(struct index *ix, uint64_t ino, const uint8_t *name,
		    uint16_t name_len, struct index_xattr *ret)
{
	auto_query struct query q = QUERY_INIT;
	struct index_xattr x;
	int r;

	query_begin(&q, ix, STMT_XATTR_GET);
	query_bind_num(&q, ino);
	query_bind_blob(&q, name, name_len);
	r = query_row(&q);
	if (r <= 0)
		return r;
	r = xattr_from_row(&q, &x);
	if (r == 0)
		r = xattr_keep(ix, &x);
	if (r < 0)
		return r;
	*ret = x;
	return 1;
}

int index_xattr_put(struct index *ix, uint64_t ino, const struct index_xattr *x)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_XATTR_PUT);
	query_bind_num(&q, ino);
	query_bind_blob(&q, x->name, x->name_len);
	query_bind_blob(&q, x->rec, x->rec_bytes);
	return query_run(&q);
}

int index_xattr_delete(struct index *ix, uint64_t ino, const uint8_t *name,
		       uint16_t name_len)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_XATTR_DELETE);
	query_bind_num(&q, ino);
	query_bind_blob(&q, name, name_len);
	return query_run(&q);
}

int index_xattr_delete_all(struct index *ix, uint64_t ino)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_XATTR_DELETE_ALL);
	query_bind_num(&q, ino);
	return query_run(&q);
}

int index_xattr_each(struct index *ix, uint64_t ino, index_xattr_fn *fn,
		     void *arg)
{
	auto_query struct query q = QUERY_INIT;
	struct index_xattr x;
	int r;

	query_begin(&q, ix, STMT_XATTR_EACH);
	query_bind_num(&q, ino);
	while ((r = query_row(&q)) > 0) {
		r = xattr_from_row(&q, &x);
		if (r == 0)
			r = fn(arg, &x);
		if (r != 0)
			break;
	}
	return r;
}

/* --- Writers ------------------------------------------------------------- */

/* Signed order of the key is unsigned order of the writers; its own inverse. */
static uint64_t writer_key(uint64_t writer)
{
	return writer ^ ((uint64_t)1 << 63);
}

int index_writer_get(struct index *ix, uint64_t writer, const uint8_t **ret_rec,
		     size_t *ret_bytes)
{
	auto_query struct query q = QUERY_INIT;
	int r;

	query_begin(&q, ix, STMT_WRITER_GET);
	query_bind_u64(&q, writer_key(writer));
	r = query_row(&q);
	if (r <= 0)
		return r;
	r = query_keep(&q, 0, ret_rec, ret_bytes);
	return r < 0 ? r : 1;
}

int index_writer_put(struct index *ix, uint64_t writer, const void *rec,
		     size_t bytes)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_WRITER_PUT);
	query_bind_u64(&q, writer_key(writer));
	query_bind_blob(&q, rec, bytes);
	return query_run(&q);
}

int index_writer_each(struct index *ix, index_writer_fn *fn, void *arg)
{
	auto_query struct query q = QUERY_INIT;
	int r;

	query_begin(&q, ix, STMT_WRITER_EACH);
	while ((r = query_row(&q)) > 0) {
		size_t n;
		const uint8_t *rec = query_blob(&q, 1, &n);

		r = fn(arg, writer_key(query_u64(&q, 0)), rec, n);
		if (r != 0)
			break;
	}
	return r;
}

/* --- Named values -------------------------------------------------------- */

int index_value_get(struct index *ix, const char *table, const void *id,
		    size_t id_bytes, const uint8_t **ret_rec, size_t *ret_bytes)
{
	auto_query struct query q = QUERY_INIT;
	int r;

	query_begin(&q, ix, STMT_VALUE_GET);
	query_bind_text(&q, table);
	query_bind_blob(&q, id, id_bytes);
	r = query_row(&q);
	if (r <= 0)
		return r;
	r = query_keep(&q, 0, ret_rec, ret_bytes);
	return r < 0 ? r : 1;
}

int index_value_put(struct index *ix, const char *table, const void *id,
		    size_t id_bytes, const void *rec, size_t bytes)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_VALUE_PUT);
	query_bind_text(&q, table);
	query_bind_blob(&q, id, id_bytes);
	query_bind_blob(&q, rec, bytes);
	return query_run(&q);
}

int index_value_delete(struct index *ix, const char *table, const void *id,
		       size_t id_bytes)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_VALUE_DELETE);
	query_bind_text(&q, table);
	query_bind_blob(&q, id, id_bytes);
	return query_run(&q);
}

int index_value_each_from(struct index *ix, const char *table, const void *from,
			  size_t from_bytes, index_value_fn *fn, void *arg)
{
	auto_query struct query q = QUERY_INIT;
	int r;

	query_begin(&q, ix, STMT_VALUE_EACH);
	query_bind_text(&q, table);
	query_bind_blob(&q, from, from_bytes);
	while ((r = query_row(&q)) > 0) {
		size_t id_bytes, n;
		const uint8_t *id = query_blob(&q, 0, &id_bytes);
		const uint8_t *rec = query_blob(&q, 1, &n);

		r = fn(arg, id, id_bytes, rec, n);
		if (r != 0)
			break;
	}
	return r;
}

int index_value_each(struct index *ix, const char *table, index_value_fn *fn,
		     void *arg)
{
	return index_value_each_from(ix, table, "", 0, fn, arg);
}
