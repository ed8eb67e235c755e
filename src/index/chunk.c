/* SPDX-License-Identifier: ISC */
/* Chunks: number, content id, place. */
#include "index/index_chunk.h"

#include "base/mem.h"
#include "index/db_priv.h"

/* How many bytes of the id the index of ids holds (schema in stmt.c). */
#define ID_PREFIX_BYTES 8

static int chunk_from_row(const struct query *q, struct index_chunk *ret)
{
	struct index_chunk c = {
		.chunk = query_u64(q, 0),
		.refs = query_u64(q, 2),
		.pack = query_u64(q, 3),
		.stamp = query_u64(q, 9),
		.entry = {
			.offset = query_u32(q, 4),
			.stored_bytes = query_u32(q, 6),
			.plain_bytes = query_u32(q, 7),
			.codec = (uint8_t)query_u32(q, 8),
		},
	};
	int err;

	err = query_copy(q, 1, c.id.b, sizeof(c.id.b));
	if (err == 0)
		err = query_copy(q, 5, c.entry.r16.b, sizeof(c.entry.r16.b));
	if (err < 0)
		return err;
	c.entry.id = c.id;
	*ret = c;
	return 0;
}

/* Ends with the one row the query has, or with none. */
static int chunk_one(struct query *q, struct index_chunk *ret)
{
	int r = query_row(q);

	if (r > 0) {
		int err = chunk_from_row(q, ret);

		r = err < 0 ? err : 1;
	}
	return r;
}

int index_chunk_find(struct index *ix, const struct content_id *id,
		     struct index_chunk *ret)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_CHUNK_FIND);
	query_bind_blob(&q, id->b, ID_PREFIX_BYTES);
	query_bind_blob(&q, id->b, sizeof(id->b));
	return chunk_one(&q, ret);
}

int index_chunk_get(struct index *ix, uint64_t chunk, struct index_chunk *ret)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_CHUNK_GET);
	query_bind_num(&q, chunk);
	return chunk_one(&q, ret);
}

/* max() of no row is NULL, which reads as 0. */
static int chunk_number(struct index *ix, uint64_t *ret)
{
	auto_query struct query q = QUERY_INIT;
	int r;

	if (ix->next_chunk == 0) {
		query_begin(&q, ix, STMT_CHUNK_LAST);
		r = query_row(&q);
		if (r < 0)
			return r;
		ix->next_chunk = query_u64(&q, 0) + 1;
		query_end(&q);
	}
	*ret = ix->next_chunk;
	return 0;
}

static void bind_place(struct query *q, const struct index_chunk *c)
{
	query_bind_num(q, c->pack);
	query_bind_num(q, c->entry.offset);
	query_bind_blob(q, c->entry.r16.b, sizeof(c->entry.r16.b));
	query_bind_num(q, c->entry.stored_bytes);
	query_bind_num(q, c->entry.plain_bytes);
	query_bind_num(q, c->entry.codec);
}

static int chunk_add(struct index *ix, struct index_chunk *c)
{
	auto_query struct query q = QUERY_INIT;
	uint64_t chunk;
	int err;

	err = chunk_number(ix, &chunk);
	if (err < 0)
		return err;
	query_begin(&q, ix, STMT_CHUNK_ADD);
	query_bind_num(&q, chunk);
	query_bind_blob(&q, c->id.b, sizeof(c->id.b));
	bind_place(&q, c);
	query_bind_num(&q, ix->stamp);
	err = query_run(&q);
	if (err < 0)
		return err;
	ix->next_chunk = chunk + 1;
	c->chunk = chunk;
	return pack_account(ix, c->pack, 0, c->entry.stored_bytes);
}

/* What a chunk that is referred to takes. */
static uint64_t used_by(const struct index_chunk *c)
{
	return c->pack ? c->entry.stored_bytes : c->entry.plain_bytes;
}

/* What the chunk gives to the sums of its pack, times `sign`. */
static int chunk_account(struct index *ix, const struct index_chunk *c,
			 uint64_t refs, int sign)
{
	const int64_t stored = (int64_t)c->entry.stored_bytes * sign;

	if (refs > 0)
		ix->used_bytes += used_by(c) * (uint64_t)(int64_t)sign;
	return pack_account(ix, c->pack, refs > 0 ? stored : 0, stored);
}

static int chunk_move(struct index *ix, const struct index_chunk *old,
		      struct index_chunk *c)
{
	auto_query struct query q = QUERY_INIT;
	int err;

	query_begin(&q, ix, STMT_CHUNK_MOVE);
	query_bind_num(&q, old->chunk);
	bind_place(&q, c);
	err = query_run(&q);
	if (err == 0)
		err = chunk_account(ix, old, old->refs, -1);
	if (err == 0)
		err = chunk_account(ix, c, old->refs, 1);
	if (err == 0)
		c->chunk = old->chunk;
	return err;
}

int index_chunk_place(struct index *ix, struct index_chunk *c)
{
	struct index_chunk old;
	int r;

	r = index_chunk_find(ix, &c->id, &old);
	if (r < 0)
		return r;
	return r > 0 ? chunk_move(ix, &old, c) : chunk_add(ix, c);
}

void index_chunk_set_stamp(struct index *ix, uint64_t stamp)
{
	ix->stamp = stamp;
}

int index_chunk_ref(struct index *ix, uint64_t chunk, int delta)
{
	auto_query struct query q = QUERY_INIT;
	struct index_chunk c;
	uint64_t refs;
	int r;

	r = index_chunk_get(ix, chunk, &c);
	if (r <= 0)
		return r;
	refs = c.refs;
	if (delta < 0)
		refs -= min_of(refs, (uint64_t)(-(int64_t)delta));
	else
		refs += (uint64_t)delta;
	query_begin(&q, ix, STMT_CHUNK_SET_REFS);
	query_bind_num(&q, chunk);
	query_bind_num(&q, refs);
	query_bind_num(&q, ix->stamp);
	r = query_run(&q);
	if (r < 0 || (refs > 0) == (c.refs > 0))
		return r;
	if (refs > 0)
		ix->used_bytes += used_by(&c);
	else
		ix->used_bytes -= used_by(&c);
	return pack_account(ix, c.pack,
			    refs > 0 ? (int64_t)c.entry.stored_bytes
				     : -(int64_t)c.entry.stored_bytes,
			    0);
}

int index_chunk_delete(struct index *ix, uint64_t chunk)
{
	auto_query struct query q = QUERY_INIT;
	struct index_chunk c;
	int r;

	r = index_chunk_get(ix, chunk, &c);
	if (r <= 0)
		return r;
	query_begin(&q, ix, STMT_CHUNK_DELETE);
	query_bind_num(&q, chunk);
	r = query_run(&q);
	return r < 0 ? r : chunk_account(ix, &c, c.refs, -1);
}

int index_chunk_each_of_pack(struct index *ix, uint64_t pack,
			     index_chunk_fn *fn, void *arg)
{
	auto_query struct query q = QUERY_INIT;
	struct index_chunk c;
	int r;

	query_begin(&q, ix, STMT_CHUNK_EACH_OF_PACK);
	query_bind_num(&q, pack);
	while ((r = query_row(&q)) > 0) {
		r = chunk_from_row(&q, &c);
		if (r == 0)
			r = fn(arg, &c);
		if (r != 0)
			break;
	}
	return r;
}

static int add_pack(void *arg, const struct index_pack *p)
{
	uint64_t *sum = arg;

	*sum += p->live_bytes;
	return 0;
}

static int add_unplaced(void *arg, const struct index_chunk *c)
{
	uint64_t *sum = arg;

	*sum += c->refs > 0 ? used_by(c) : 0;
	return 0;
}

int index_used_bytes(struct index *ix, uint64_t *ret)
{
	uint64_t sum = 0;
	int r = 0;

	if (!ix->is_used_known) {
		r = index_pack_each(ix, add_pack, &sum);
		if (r == 0)
			r = index_chunk_each_of_pack(ix, 0, add_unplaced, &sum);
		if (r < 0)
			return r;
		ix->used_bytes = sum;
		ix->is_used_known = true;
	}
	*ret = ix->used_bytes;
	return 0;
}
