/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "index/db_priv.h"

int index_fail(struct index *ix, int err)
{
	assert(err < 0);
	if (ix->error == 0)
		ix->error = err;
	/* Nothing of it may reach the file any more, not even at close. */
	vfs_stop(ix->vfs, err);
	return ERR_BAD_INDEX;
}

int index_fail_sqlite(struct index *ix, int rc)
{
	int err = vfs_state(ix->vfs);

	if (err == 0 && (rc & 0xff) == SQLITE_NOMEM)
		err = -ENOMEM;
	if (err == 0 && (rc & 0xff) == SQLITE_FULL)
		err = -ENOSPC;
	return index_fail(ix, err < 0 ? err : ERR_BAD_INDEX);
}

/* --- Begin and end ------------------------------------------------------- */

static int stmt_prepare(struct index *ix, enum stmt_id id, sqlite3_stmt **ret)
{
	int rc;

	rc = sqlite3_prepare_v3(ix->db, stmt_sql(id), -1,
				SQLITE_PREPARE_PERSISTENT, ret, NULL);
	return rc == SQLITE_OK ? 0 : index_fail_sqlite(ix, rc);
}

void query_begin(struct query *q, struct index *ix, enum stmt_id id)
{
	*q = (struct query){ .ix = ix, .id = id };
	if (ix->error < 0) {
		q->error = ERR_BAD_INDEX;
		return;
	}
	if (!ix->stmt[id])
		q->error = stmt_prepare(ix, id, &ix->stmt[id]);
	if (q->error < 0)
		return;
	q->st = ix->stmt[id];
	/* A walk of the same kind goes on above this one: it keeps its own. */
	if (sqlite3_stmt_busy(q->st)) {
		q->st = NULL;
		q->error = stmt_prepare(ix, id, &q->st);
	}
}

/* A reset repeats the error that the last step has told already. */
void query_end(struct query *q)
{
	if (q->st && q->st == q->ix->stmt[q->id])
		(void)sqlite3_reset(q->st);
	else
		(void)sqlite3_finalize(q->st);
	q->st = NULL;
}

/* --- Parameters ---------------------------------------------------------- */

static void bound(struct query *q, int rc)
{
	if (rc != SQLITE_OK)
		q->error = index_fail_sqlite(q->ix, rc);
}

void query_bind_i64(struct query *q, int64_t v)
{
	if (q->error == 0)
		bound(q, sqlite3_bind_int64(q->st, ++q->n_bound, v));
}

void query_bind_u64(struct query *q, uint64_t v)
{
	query_bind_i64(q, (int64_t)v);
}

void query_bind_num(struct query *q, uint64_t v)
{
	if (v > INT64_MAX && q->error == 0)
		q->error = ERR_LIMIT;
	query_bind_u64(q, v);
}

/* A null pointer would be bound as NULL, not as an empty blob. */
void query_bind_blob(struct query *q, const void *p, size_t n)
{
	if (n > MEM_MAX && q->error == 0)
		q->error = ERR_LIMIT;
	if (q->error == 0)
		bound(q, sqlite3_bind_blob64(q->st, ++q->n_bound,
					     n > 0 ? p : "", n, SQLITE_STATIC));
}

void query_bind_text(struct query *q, const char *text)
{
	if (q->error == 0)
		bound(q, sqlite3_bind_text(q->st, ++q->n_bound, text, -1,
					   SQLITE_STATIC));
}

/* --- Rows ---------------------------------------------------------------- */

int query_row(struct query *q)
{
	int rc;

	if (q->error < 0)
		return q->error;
	/* The walk's own callback may have made it bad. */
	if (q->ix->error < 0)
		return ERR_BAD_INDEX;
	rc = sqlite3_step(q->st);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	q->error = index_fail_sqlite(q->ix, rc);
	return q->error;
}

int query_run(struct query *q)
{
	int r = query_row(q);

	assert(r <= 0);
	query_end(q);
	return r;
}

uint64_t query_u64(const struct query *q, int column)
{
	return (uint64_t)sqlite3_column_int64(q->st, column);
}

uint32_t query_u32(const struct query *q, int column)
{
	return (uint32_t)sqlite3_column_int64(q->st, column);
}

const uint8_t *query_blob(const struct query *q, int column, size_t *ret_n)
{
	const void *p = sqlite3_column_blob(q->st, column);
	const int n = sqlite3_column_bytes(q->st, column);

	*ret_n = p ? (size_t)n : 0;
	return p ? p : (const void *)"";
}

int query_copy(const struct query *q, int column, void *to, size_t n)
{
	size_t have;
	const uint8_t *p = query_blob(q, column, &have);

	if (have != n)
		return index_fail(q->ix, ERR_BAD_INDEX);
	memcpy(to, p, n);
	return 0;
}

/* --- What a get returns -------------------------------------------------- */

uint8_t *index_keep(struct index *ix, size_t n)
{
	size_t cap = max_of(ix->kept_cap, (size_t)256);
	uint8_t *p;

	if (ix->kept && n <= ix->kept_cap)
		return ix->kept;
	while (cap < n)
		cap *= 2;
	p = mem_alloc(cap);
	if (!p)
		return NULL;
	if (ix->kept)
		mem_wipe(ix->kept, ix->kept_cap);
	mem_free(ix->kept);
	ix->kept = p;
	ix->kept_cap = cap;
	return p;
}

int query_keep(const struct query *q, int column, const uint8_t **ret,
	       size_t *ret_n)
{
	size_t n;
	const uint8_t *p = query_blob(q, column, &n);
	uint8_t *kept = index_keep(q->ix, n);

	if (!kept)
		return -ENOMEM;
	memcpy(kept, p, n);
	*ret = kept;
	*ret_n = n;
	return 0;
}
