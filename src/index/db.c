/* SPDX-License-Identifier: ISC */
/* The life of an index: open, commit, close. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "index/db_priv.h"
#include "index/heap_priv.h"

#define CACHE_MIN_BYTES ((size_t)64 * 1024)

/*
 * PRAGMA cache_spill = N tells from how many pages in memory on SQLite may
 * write changed ones.  The number works at once; switching it OFF would not
 * inside a transaction (setAllPagerFlags in SQLite's pragma.c), and there is
 * always one.
 */
#define SPILL_NEVER "PRAGMA cache_spill = 2147483647"
#define SPILL_WHEN_FULL "PRAGMA cache_spill = 1"

/* --- Small statements run once ------------------------------------------- */

static int exec(struct index *ix, const char *sql)
{
	int rc = sqlite3_exec(ix->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : index_fail_sqlite(ix, rc);
}

static int pragma_set(struct index *ix, const char *name, int64_t n)
{
	auto_free char *sql =
		mem_printf("PRAGMA %s = %lld", name, (long long)n);

	if (!sql)
		return index_fail(ix, -ENOMEM);
	return exec(ix, sql);
}

/* The value a pragma answers. */
static int pragma_get(struct index *ix, const char *sql, int64_t *ret)
{
	sqlite3_stmt *st = NULL;
	int rc;

	rc = sqlite3_prepare_v2(ix->db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : index_fail_sqlite(ix, rc);
}

/* Would there be a rollback journal?  A pragma that was refused answers with
 * the mode that stays. */
static int journal_off(struct index *ix)
{
	sqlite3_stmt *st = NULL;
	const unsigned char *mode = NULL;
	bool off;
	int rc;

	rc = sqlite3_prepare_v2(ix->db, "PRAGMA journal_mode = OFF", -1, &st,
				NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		mode = sqlite3_column_text(st, 0);
	off = mode && strcmp((const char *)mode, "off") == 0;
	(void)sqlite3_finalize(st);
	return off ? 0 : index_fail_sqlite(ix, rc);
}

/* --- Opening ------------------------------------------------------------- */

static int settings_apply(struct index *ix)
{
	static const char *const pragmas[] = {
		"PRAGMA page_size = 4096",
		"PRAGMA auto_vacuum = NONE",
		"PRAGMA locking_mode = EXCLUSIVE",
		"PRAGMA synchronous = OFF",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA mmap_size = 0",
		"PRAGMA secure_delete = OFF", /* what is deleted is sealed too */
		SPILL_NEVER,
	};
	const size_t kib = ix->cache_bytes / 1024;
	size_t i;
	int err;

	for (i = 0; i < array_len(pragmas); i++) {
		err = exec(ix, pragmas[i]);
		if (err < 0)
			return err;
	}
	/* Negative: KiB, not pages. */
	err = pragma_set(ix, "cache_size",
			 -(int64_t)min_of(kib, (size_t)INT_MAX));
	return err < 0 ? err : journal_off(ix);
}

/* After settings_apply: DEFENSIVE refuses journal_mode = OFF. */
static int hardening_apply(struct index *ix)
{
	static const struct {
		int op, value;
	} switches[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 },
	};
	size_t i;
	int rc;

	for (i = 0; i < array_len(switches); i++) {
		rc = sqlite3_db_config(ix->db, switches[i].op,
				       switches[i].value, NULL);
		if (rc != SQLITE_OK)
			return index_fail_sqlite(ix, rc);
	}
	sqlite3_limit(ix->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(ix->db, SQLITE_LIMIT_WORKER_THREADS, 0);
	return 0;
}

static int schema_create(struct index *ix)
{
	int err;

	err = exec(ix, stmt_schema());
	if (err == 0)
		err = pragma_set(ix, "application_id", DB_APPLICATION_ID);
	if (err == 0)
		err = pragma_set(ix, "user_version", DB_SCHEMA_VERSION);
	return err;
}

/* Is it ours, of this version, and neither cut nor extended by whole pages? */
static int schema_check(struct index *ix)
{
	int64_t id, version, pages;
	int err;

	err = pragma_get(ix, "PRAGMA application_id", &id);
	if (err == 0)
		err = pragma_get(ix, "PRAGMA user_version", &version);
	if (err == 0)
		err = pragma_get(ix, "PRAGMA page_count", &pages);
	if (err < 0)
		return err;
	if (id != DB_APPLICATION_ID || version != DB_SCHEMA_VERSION ||
	    (uint64_t)pages != vfs_pages(ix->vfs))
		return index_fail(ix, ERR_BAD_INDEX);
	return 0;
}

static int connect(struct index *ix, bool in_memory)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
			  SQLITE_OPEN_PRIVATECACHE;
	int reserve = VFS_RESERVED_BYTES;
	int rc;

	/* The caller's lock serializes the calls of one index; several indexes
	 * in as many threads need SQLite's own locks for what they share. */
	assert(sqlite3_threadsafe() != 0);
	rc = sqlite3_open_v2(in_memory ? ":memory:" : INDEX_FILE_NAME, &ix->db,
			     in_memory ? flags | SQLITE_OPEN_MEMORY : flags,
			     vfs_name(ix->vfs));
	if (rc != SQLITE_OK)
		return index_fail_sqlite(ix, rc);
	if (!in_memory)
		rc = sqlite3_file_control(ix->db, "main",
					  SQLITE_FCNTL_RESERVE_BYTES, &reserve);
	return rc == SQLITE_OK ? 0 : index_fail_sqlite(ix, rc);
}

static int transaction_begin(struct index *ix)
{
	auto_query struct query q = QUERY_INIT;

	query_begin(&q, ix, STMT_BEGIN);
	return query_run(&q);
}

static int index_start(struct index *ix, const struct index_options *opts)
{
	const bool in_memory = opts->dirfd < 0;
	int err;

	err = connect(ix, in_memory);
	if (err == 0)
		err = settings_apply(ix);
	if (err == 0)
		err = hardening_apply(ix);
	if (err == 0)
		err = transaction_begin(ix);
	if (err < 0)
		return err;
	return in_memory || opts->create ? schema_create(ix) : schema_check(ix);
}

/* What index_open returns: an index that cannot be read is made anew whatever
 * the cause, but for want of memory that would fail as well. */
static int open_error(const struct index_options *opts, int cause)
{
	if (cause == -ENOENT && opts->dirfd >= 0 && !opts->create)
		return ERR_BAD_INDEX;
	if (cause == -EIO && !opts->create)
		return ERR_BAD_INDEX;
	return cause;
}

int index_open(const struct index_options *opts, struct index **ret)
{
	struct index *ix;
	int err;

	err = heap_start();
	if (err < 0)
		return err;
	ix = mem_zalloc(sizeof(*ix));
	if (!ix)
		return -ENOMEM;
	ix->cache_bytes = max_of(opts->cache_bytes, CACHE_MIN_BYTES);
	err = vfs_open(opts, &ix->vfs);
	if (err == 0) {
		err = index_start(ix, opts);
		if (err == ERR_BAD_INDEX)
			err = ix->error;
	}
	if (err < 0) {
		index_close(ix);
		return open_error(opts, err);
	}
	*ret = ix;
	return 0;
}

/* --- After that ---------------------------------------------------------- */

void index_close(struct index *ix)
{
	int rc;

	if (!ix)
		return;
	stmt_finalize_all(ix);
	/* The open transaction ends with nothing written. */
	rc = sqlite3_close(ix->db);
	assert(rc == SQLITE_OK);
	vfs_close(ix->vfs);
	if (ix->kept)
		mem_wipe(ix->kept, ix->kept_cap);
	mem_free(ix->kept);
	mem_free(ix);
}

int index_write(struct index *ix)
{
	auto_query struct query q = QUERY_INIT;
	int err;

	err = pack_flush(ix);
	if (err < 0)
		return err;
	query_begin(&q, ix, STMT_COMMIT);
	err = query_run(&q);
	if (err < 0)
		return err;
	err = vfs_seal(ix->vfs);
	if (err < 0)
		return index_fail(ix, err);
	return transaction_begin(ix);
}

int index_fsync(struct index *ix)
{
	return vfs_fsync(ix->vfs);
}

int index_synced(struct index *ix, int fsynced)
{
	int err = vfs_synced(ix->vfs, fsynced);

	return err < 0 ? index_fail(ix, err) : 0;
}

int index_commit(struct index *ix)
{
	int err = index_write(ix);

	return err < 0 ? err : index_synced(ix, index_fsync(ix));
}

int index_allow_spill(struct index *ix, bool yes)
{
	if (ix->error < 0)
		return ERR_BAD_INDEX;
	ix->may_spill = yes;
	return exec(ix, yes ? SPILL_WHEN_FULL : SPILL_NEVER);
}

/* It may be full, and a little more, without any change. */
bool index_wants_spill(const struct index *ix)
{
	return !ix->may_spill &&
	       index_cache_bytes(ix) > ix->cache_bytes + ix->cache_bytes / 8;
}

uint64_t index_cache_bytes(const struct index *ix)
{
	int now = 0, highest;

	(void)sqlite3_db_status(ix->db, SQLITE_DBSTATUS_CACHE_USED, &now,
				&highest, 0);
	/* SQLite counts in an int. */
	return now >= 0 ? (uint64_t)now : UINT32_MAX;
}

int index_state(const struct index *ix)
{
	return ix->error;
}
