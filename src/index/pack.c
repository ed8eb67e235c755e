/* SPDX-License-Identifier: ISC */
/* Packs and stage files, and the sums of their chunks. */
#include <errno.h>

#include "base/mem.h"
#include "index/db_priv.h"
#include "index/index_chunk.h"

/* --- Sums ---------------------------------------------------------------- */

static int delta_flush(struct index *ix, struct pack_delta *d)
{
	auto_query struct query q = QUERY_INIT;
	int err;

	if (d->live_bytes == 0 && d->total_bytes == 0)
		return 0;
	query_begin(&q, ix, STMT_PACK_ACCOUNT);
	query_bind_num(&q, d->pack);
	query_bind_i64(&q, d->live_bytes);
	query_bind_i64(&q, d->total_bytes);
	err = query_run(&q);
	if (err == 0)
		*d = (struct pack_delta){ 0 };
	return err;
}

int pack_flush(struct index *ix)
{
	size_t i;
	int err;

	for (i = 0; i < array_len(ix->deltas); i++) {
		err = delta_flush(ix, &ix->deltas[i]);
		if (err < 0)
			return err;
	}
	return 0;
}

int pack_account(struct index *ix, uint64_t pack, int64_t live_bytes,
		 int64_t total_bytes)
{
	struct pack_delta *d = &ix->deltas[pack % PACK_DELTAS];
	int err;

	if (pack == 0)
		return 0;
	if (d->pack != pack) {
		err = delta_flush(ix, d);
		if (err < 0)
			return err;
		*d = (struct pack_delta){ .pack = pack };
	}
	d->live_bytes += live_bytes;
	d->total_bytes += total_bytes;
	return 0;
}

/* --- Rows ---------------------------------------------------------------- */

static int pack_from_row(const struct query *q, struct index_pack *ret)
{
	struct index_pack p = {
		.pack = query_u64(q, 0),
		.is_stage = query_u64(q, 1) != 0,
		.stage_file = query_u64(q, 2),
		.writer = query_u64(q, 3),
		.size = query_u64(q, 5),
		.epoch = query_u32(q, 6),
		.type = (enum pack_type)query_u32(q, 8),
		.n_entries = query_u32(q, 9),
		.live_bytes = query_u64(q, 10),
		.total_bytes = query_u64(q, 11),
		.flags = query_u32(q, 12),
	};
	int err;

	err = query_copy(q, 4, p.name, sizeof(p.name));
	if (err == 0)
		err = query_copy(q, 7, p.key_id.b, sizeof(p.key_id.b));
	if (err < 0)
		return err;
	*ret = p;
	return 0;
}

static int pack_one(struct query *q, struct index_pack *ret)
{
	int r = query_row(q);

	if (r > 0) {
		int err = pack_from_row(q, ret);

		r = err < 0 ? err : 1;
	}
	return r;
}

int index_pack_get(struct index *ix, uint64_t pack, struct index_pack *ret)
{
	auto_query struct query q = QUERY_INIT;
	int err;

	err = pack_flush(ix);
	if (err < 0)
		return err;
	query_begin(&q, ix, STMT_PACK_GET);
	query_bind_num(&q, pack);
	return pack_one(&q, ret);
}

int index_pack_find(struct index *ix, uint64_t writer,
		    const uint8_t name[static PACK_NAME_BYTES],
		    struct index_pack *ret)
{
	auto_query struct query q = QUERY_INIT;
	int err;

	err = pack_flush(ix);
	if (err < 0)
		return err;
	query_begin(&q, ix, STMT_PACK_FIND);
	query_bind_blob(&q, name, PACK_NAME_BYTES);
	query_bind_u64(&q, writer);
	return pack_one(&q, ret);
}

int index_pack_find_stage(struct index *ix, uint64_t stage_file,
			  struct index_pack *ret)
{
	auto_query struct query q = QUERY_INIT;
	int err;

	err = pack_flush(ix);
	if (err < 0)
		return err;
	query_begin(&q, ix, STMT_PACK_FIND_STAGE);
	query_bind_num(&q, stage_file);
	return pack_one(&q, ret);
}

/* --- Changes ------------------------------------------------------------- */

static int pack_is_known(struct index *ix, const struct index_pack *p)
{
	struct index_pack known;

	if (p->is_stage)
		return index_pack_find_stage(ix, p->stage_file, &known);
	return index_pack_find(ix, p->writer, p->name, &known);
}

int index_pack_add(struct index *ix, struct index_pack *p)
{
	auto_query struct query q = QUERY_INIT;
	int r;

	r = pack_is_known(ix, p);
	if (r != 0)
		return r < 0 ? r : -EEXIST;
	query_begin(&q, ix, STMT_PACK_ADD);
	query_bind_num(&q, p->is_stage);
	query_bind_num(&q, p->stage_file);
	query_bind_u64(&q, p->writer);
	query_bind_blob(&q, p->name, sizeof(p->name));
	query_bind_num(&q, p->size);
	query_bind_num(&q, p->epoch);
	query_bind_blob(&q, p->key_id.b, sizeof(p->key_id.b));
	query_bind_num(&q, p->type);
	query_bind_num(&q, p->n_entries);
	query_bind_num(&q, p->flags);
	r = query_run(&q);
	if (r == 0)
		p->pack = (uint64_t)sqlite3_last_insert_rowid(ix->db);
	return r;
}

int index_pack_set_flags(struct index *ix, uint64_t pack, uint32_t flags)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_PACK_SET_FLAGS);
	query_bind_num(&q, pack);
	query_bind_num(&q, flags);
	return query_run(&q);
}

int index_pack_delete(struct index *ix, uint64_t pack)
{
	auto_query struct query used = QUERY_INIT;
	auto_query struct query q = QUERY_INIT;
	int r;

	query_begin(&used, ix, STMT_PACK_IN_USE);
	query_bind_num(&used, pack);
	r = query_row(&used);
	query_end(&used);
	if (r == 0)
		r = pack_flush(ix);
	if (r != 0)
		return r < 0 ? r : -ENOTEMPTY;
	query_begin(&q, ix, STMT_PACK_DELETE);
	query_bind_num(&q, pack);
	return query_run(&q);
}

int index_pack_each(struct index *ix, index_pack_fn *fn, void *arg)
{
	auto_query struct query q = QUERY_INIT;
	struct index_pack p;
	int r;

	r = pack_flush(ix);
	if (r < 0)
		return r;
	query_begin(&q, ix, STMT_PACK_EACH);
	while ((r = query_row(&q)) > 0) {
		r = pack_from_row(&q, &p);
		if (r == 0)
			r = fn(arg, &p);
		if (r != 0)
			break;
	}
	return r;
}
