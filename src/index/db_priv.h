/* SPDX-License-Identifier: ISC */
/*
 * What the tables share: the index itself, and running one of its statements.
 *
 * A query is begun, its parameters are bound in their order, then it is
 * stepped or run; errors stick, so that only the last call is checked.
 *
 *	auto_query struct query q = QUERY_INIT;
 *
 *	query_begin(&q, ix, STMT_NODE_DELETE);
 *	query_bind_num(&q, ino);
 *	return query_run(&q);
 */
#ifndef COFFER_INDEX_DB_PRIV_H
#define COFFER_INDEX_DB_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"
#include "index/index.h"
#include "index/vfs_priv.h"

/* Of PRAGMA application_id ("cfix") and user_version: raised with every change
 * of what the index holds (tests/lint/index_layout.py). */
#define DB_APPLICATION_ID 0x63666978
#define DB_SCHEMA_VERSION 8

enum stmt_id {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_NODE_GET,
	STMT_NODE_PUT,
	STMT_NODE_DELETE,
	STMT_NODE_EACH,
	STMT_LINK_GET,
	STMT_LINK_PUT,
	STMT_LINK_DELETE,
	STMT_LINK_EACH,
	STMT_EXTENT_PUT,
	STMT_EXTENT_DELETE,
	STMT_EXTENT_DELETE_ALL,
	STMT_EXTENT_EACH,
	STMT_EXTENT_ALL,
	STMT_CHUNK_FIND,
	STMT_CHUNK_GET,
	STMT_CHUNK_LAST,
	STMT_CHUNK_ADD,
	STMT_CHUNK_MOVE,
	STMT_CHUNK_SET_REFS,
	STMT_CHUNK_DELETE,
	STMT_CHUNK_EACH_OF_PACK,
	STMT_PACK_GET,
	STMT_PACK_FIND,
	STMT_PACK_FIND_STAGE,
	STMT_PACK_ADD,
	STMT_PACK_ACCOUNT,
	STMT_PACK_SET_FLAGS,
	STMT_PACK_IN_USE,
	STMT_PACK_DELETE,
	STMT_PACK_EACH,
	STMT_XATTR_GET,
	STMT_XATTR_PUT,
	STMT_XATTR_DELETE,
	STMT_XATTR_DELETE_ALL,
	STMT_XATTR_EACH,
	STMT_WRITER_GET,
	STMT_WRITER_PUT,
	STMT_WRITER_EACH,
	STMT_VALUE_GET,
	STMT_VALUE_PUT,
	STMT_VALUE_DELETE,
	STMT_VALUE_EACH,
	STMT_N_
};

/* Changes of a pack's sums not yet in its row: a chunk placed or referred to
 * touches the same pack as the one before it, nearly always. */
struct pack_delta {
	uint64_t pack; /* 0: unused */
	int64_t live_bytes;
	int64_t total_bytes;
};

#define PACK_DELTAS 16 /* slot: pack % PACK_DELTAS */

struct index {
	sqlite3 *db;
	struct vfs *vfs;
	sqlite3_stmt *stmt[STMT_N_]; /* prepared at first use */
	int error;		     /* what made it bad; 0 */
	bool may_spill;
	size_t cache_bytes;
	uint64_t next_chunk;	     /* 0: not known yet */
	uint64_t stamp;		     /* index_chunk_set_stamp */
	struct pack_delta deltas[PACK_DELTAS];
	bool is_used_known;
	uint64_t used_bytes; /* index_used_bytes, once known */
	/* What the last get returned. */
	uint8_t *kept;
	size_t kept_cap;
};

/* Marks the index bad for `err`; returns ERR_BAD_INDEX. */
int index_fail(struct index *ix, int err);
/* For a failed call of SQLite. */
int index_fail_sqlite(struct index *ix, int rc);

/* Room for what a get returns; NULL if out of memory. */
uint8_t *index_keep(struct index *ix, size_t n) must_check;

/* The text that creates all tables, and that of one statement. */
const char *stmt_schema(void);
const char *stmt_sql(enum stmt_id id);
void stmt_finalize_all(struct index *ix);

struct query {
	struct index *ix;
	sqlite3_stmt *st; /* the index's own, or an extra one for a nested walk */
	enum stmt_id id;
	int n_bound;
	int error; /* sticks */
};

/* For query_end where a query may not have begun. */
#define QUERY_INIT { .st = NULL }

void query_begin(struct query *q, struct index *ix, enum stmt_id id);
/* A number that sorts: ERR_LIMIT from 2^63 on. */
void query_bind_num(struct query *q, uint64_t v);
/* A number of 64 bits, as its two's complement. */
void query_bind_u64(struct query *q, uint64_t v);
void query_bind_i64(struct query *q, int64_t v);
/* The bytes must stay until the query ends. */
void query_bind_blob(struct query *q, const void *p, size_t n);
void query_bind_text(struct query *q, const char *text);

/* 1: a row; 0: no more. */
int query_row(struct query *q) must_check;
uint64_t query_u64(const struct query *q, int column);
uint32_t query_u32(const struct query *q, int column);
/* Until the next row; never NULL. */
const uint8_t *query_blob(const struct query *q, int column, size_t *ret_n);
/* A blob of just n bytes; ERR_BAD_INDEX otherwise. */
int query_copy(const struct query *q, int column, void *to, size_t n)
	must_check;
/* query_blob that holds until the next get. */
int query_keep(const struct query *q, int column, const uint8_t **ret,
	       size_t *ret_n) must_check;

/* Ends it; harmless before query_begin and again. */
void query_end(struct query *q);
#define auto_query __attribute__((cleanup(query_end)))
/* For statements without rows: to its end. */
int query_run(struct query *q) must_check;

/* Writes the pending sums of one pack's slot, or of all. */
int pack_flush(struct index *ix) must_check;
/* Adds to the sums of a pack. */
int pack_account(struct index *ix, uint64_t pack, int64_t live_bytes,
		 int64_t total_bytes) must_check;

#endif
