/* SPDX-License-Identifier: ISC */
/* The sealed file: what it shows, what it accepts, what it touches. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "index/vfs_priv.h"
#include "index_fixture.h"
#include "tempdir.h"

/* --- Helpers ------------------------------------------------------------- */

/* Creates, fills, commits and closes the index; its file. */
static uint8_t *made_file(size_t *ret_n)
{
	struct index *ix = index_create();

	ck_assert_int_eq(fill_index(ix), 0);
	index_must_commit(ix);
	index_close(ix);
	return file_bytes(ret_n);
}

/* Opens the file and reads everything in it; wrong data ends the case. */
static int read_file_whole(void)
{
	struct index_pack p = { .is_stage = true, .stage_file = 1 };
	struct index *ix = NULL;
	int r;

	r = index_try(&ix);
	if (r == 0)
		r = check_index(ix);
	/* The one page that is only read to give a number. */
	if (r == 0)
		r = index_pack_add(ix, &p);
	if (r < 0 && ix) {
		/* Bad stays bad. */
		ck_assert_int_eq(check_index(ix), ERR_BAD_INDEX);
		ck_assert_int_eq(index_commit(ix), ERR_BAD_INDEX);
		ck_assert_int_eq(index_state(ix), ERR_BAD_INDEX);
	}
	index_close(ix);
	return r;
}

/* Over a part of the file, leaving the rest. */
static void patch(size_t at, const void *bytes, size_t n)
{
	int fd = openat(tempdir_fd(), INDEX_FILE_NAME, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, n, (off_t)at), (ssize_t)n);
	ck_assert_int_eq(close(fd), 0);
}

static int read_bytes_whole(const uint8_t *bytes, size_t n)
{
	file_replace(bytes, n);
	return read_file_whole();
}

/* Opens one page by the layout in the specification. */
static int page_open(const uint8_t *page, uint64_t number, uint8_t *plain)
{
	uint8_t ad[24], sealed[4072];

	memcpy(ad, "cofr-idx", 8);
	le64_put(ad + 8, fx.opts.generation);
	le64_put(ad + 16, number);
	memcpy(sealed, page, 4056);
	memcpy(sealed + 4056, page + 4080, 16);
	return aead_open(&fx.opts.key, page + 4056, ad, sizeof(ad), sealed,
			 sizeof(sealed), plain);
}

static void expect_all_sealed(void)
{
	uint8_t plain[4056];
	size_t n, i;
	uint8_t *file = file_bytes(&n);

	ck_assert_uint_gt(n, 0);
	ck_assert_uint_eq(n % 4096, 0);
	for (i = 0; i < n / 4096; i++)
		ck_assert_msg(page_open(file + i * 4096, i + 1, plain) == 0,
			      "page %zu is not sealed", i + 1);
	free(file);
}

static bool contains(const uint8_t *bytes, size_t n, const char *text)
{
	return memmem(bytes, n, text, strlen(text)) != NULL;
}

/* --- What the file shows ------------------------------------------------- */

START_TEST(test_vfs_file_shows_no_plaintext)
{
	static const char *const texts[] = { NEEDLE, "SQLite format", "CREATE",
					     "extra" };
	size_t n, i;
	uint8_t *file = made_file(&n);

	ck_assert_uint_gt(n, 20 * 4096);
	for (i = 0; i < array_len(texts); i++)
		ck_assert_msg(!contains(file, n, texts[i]), "%s", texts[i]);
	free(file);
}
END_TEST

START_TEST(test_vfs_page_layout_is_that_of_the_specification)
{
	uint8_t plain[4056];
	size_t n;
	uint8_t *file = made_file(&n);

	expect_all_sealed();
	ck_assert_int_eq(page_open(file, 1, plain), 0);
	ck_assert_mem_eq(plain, "SQLite format 3", 16);
	ck_assert_uint_eq(plain[20], 40);
	ck_assert_int_eq(page_open(file + 4096, 3, plain), ERR_BAD_SEAL);
	free(file);
}
END_TEST

START_TEST(test_vfs_page_is_sealed_anew_at_each_write)
{
	size_t n, n_again, i;
	uint8_t *before, *after;
	struct index *ix = index_create();

	ck_assert_int_eq(index_node_put(ix, 1, "a", 1), 0);
	index_must_commit(ix);
	before = file_bytes(&n);
	ck_assert_int_eq(index_node_put(ix, 1, "b", 1), 0);
	ck_assert_int_eq(index_node_put(ix, 1, "a", 1), 0);
	index_must_commit(ix);
	after = file_bytes(&n_again);
	ck_assert_uint_eq(n, n_again);
	/* The node table's root is page 2; what was not touched stays. */
	ck_assert_mem_ne(before + 4096, after + 4096, 4096);
	ck_assert_mem_ne(before + 4096 + 4056, after + 4096 + 4056, 24);
	for (i = 2; i < n / 4096; i++)
		ck_assert_mem_eq(before + i * 4096, after + i * 4096, 4096);
	free(before);
	free(after);
	index_close(ix);
}
END_TEST

/* --- What is not accepted ------------------------------------------------ */

START_TEST(test_vfs_unchanged_file_reads_back)
{
	size_t n;
	uint8_t *file = made_file(&n);

	ck_assert_int_eq(read_bytes_whole(file, n), 0);
	free(file);
}
END_TEST

START_TEST(test_vfs_any_flipped_byte_makes_the_index_bad)
{
	/* Each part of a page at its bounds, and one place at random. */
	static const size_t at[] = { 0,	   16,	 20,   24,   28,   99,	    100,
				     4055, 4056, 4079, 4080, 4095, SIZE_MAX };
	size_t n, i, k;
	uint8_t *file = made_file(&n);

	for (i = 0; i < n / 4096; i++) {
		for (k = 0; k < array_len(at); k++) {
			size_t byte = i * 4096;
			uint8_t flipped;
			int r;

			byte += at[k] < 4096 ? at[k] : random_u64() % 4096;
			flipped = file[byte];
			flipped ^= (uint8_t)(1u << random_u64() % 8);
			patch(byte, &flipped, 1);
			r = read_file_whole();
			ck_assert_msg(r == ERR_BAD_INDEX, "page %zu byte %zu",
				      i + 1, byte % 4096);
			patch(byte, &file[byte], 1);
		}
	}
	ck_assert_int_eq(read_file_whole(), 0);
	free(file);
}
END_TEST

START_TEST(test_vfs_every_byte_of_page_1_counts)
{
	size_t n, i;
	uint8_t *file = made_file(&n), flipped;
	struct index *ix;

	for (i = 0; i < 4096; i++) {
		flipped = file[i] ^ 0x10;
		patch(i, &flipped, 1);
		ix = NULL;
		ck_assert_int_eq(index_try(&ix), ERR_BAD_INDEX);
		ck_assert_ptr_null(ix);
		patch(i, &file[i], 1);
	}
	free(file);
}
END_TEST

START_TEST(test_vfs_swapped_pages_make_the_index_bad)
{
	size_t n, i;
	uint8_t *file = made_file(&n);

	for (i = 1; i < n / 4096; i++) {
		patch((i - 1) * 4096, file + i * 4096, 4096);
		patch(i * 4096, file + (i - 1) * 4096, 4096);
		ck_assert_int_eq(read_file_whole(), ERR_BAD_INDEX);
		patch((i - 1) * 4096, file + (i - 1) * 4096, 8192);
	}
	free(file);
}
END_TEST

START_TEST(test_vfs_page_of_another_generation_makes_the_index_bad)
{
	size_t n, n_old, i;
	uint8_t *old = made_file(&n_old), *file;

	/* The same key: the generation alone must tell. */
	fx.opts.generation++;
	file = made_file(&n);
	ck_assert_uint_eq(n, n_old);
	for (i = 0; i < n / 4096; i++) {
		patch(i * 4096, old + i * 4096, 4096);
		ck_assert_int_eq(read_file_whole(), ERR_BAD_INDEX);
		patch(i * 4096, file + i * 4096, 4096);
	}
	ck_assert_int_eq(read_file_whole(), 0);
	ck_assert_int_eq(read_bytes_whole(old, n), ERR_BAD_INDEX);
	free(file);
	free(old);
}
END_TEST

START_TEST(test_vfs_other_key_makes_the_index_bad)
{
	size_t n;

	free(made_file(&n));
	fx.opts.key.b[31] ^= 0x80;
	ck_assert_int_eq(read_file_whole(), ERR_BAD_INDEX);
}
END_TEST

START_TEST(test_vfs_zeroed_page_makes_the_index_bad)
{
	size_t n, i;
	static const uint8_t zeros[4096];
	uint8_t *file = made_file(&n);

	for (i = 0; i < n / 4096; i++) {
		patch(i * 4096, zeros, 4096);
		ck_assert_int_eq(read_file_whole(), ERR_BAD_INDEX);
		patch(i * 4096, file + i * 4096, 4096);
	}
	free(file);
}
END_TEST

START_TEST(test_vfs_cut_or_extended_file_is_bad)
{
	size_t n, i;
	uint8_t *file = made_file(&n);

	file = realloc(file, n + 8192);
	ck_assert_ptr_nonnull(file);
	memset(file + n, 0, 8192);
	for (i = 0; i < n; i += 4096) {
		ck_assert_int_eq(read_bytes_whole(file, i), ERR_BAD_INDEX);
		ck_assert_int_eq(read_bytes_whole(file, i + 1), ERR_BAD_INDEX);
	}
	ck_assert_int_eq(read_bytes_whole(file, n - 1), ERR_BAD_INDEX);
	ck_assert_int_eq(read_bytes_whole(file, n + 1), ERR_BAD_INDEX);
	ck_assert_int_eq(read_bytes_whole(file, n + 4096), ERR_BAD_INDEX);
	/* Not even a page that once stood elsewhere. */
	memcpy(file + n, file + n - 4096, 4096);
	ck_assert_int_eq(read_bytes_whole(file, n + 4096), ERR_BAD_INDEX);
	ck_assert_int_eq(read_bytes_whole(file, n), 0);
	free(file);
}
END_TEST

START_TEST(test_vfs_file_cut_while_open_is_bad)
{
	size_t n;
	struct index *ix;
	int fd;

	free(made_file(&n));
	ix = index_reopen();
	fd = openat(tempdir_fd(), INDEX_FILE_NAME, O_RDWR);
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	close(fd);
	ck_assert_int_eq(check_index(ix), ERR_BAD_INDEX);
	index_close(ix);
}
END_TEST

START_TEST(test_vfs_absent_file_is_a_bad_index)
{
	struct index *ix = NULL;

	ck_assert_int_eq(index_try(&ix), ERR_BAD_INDEX);
	ck_assert_ptr_null(ix);
	ck_assert_int_eq(tempdir_count(), 0);
}
END_TEST

START_TEST(test_vfs_only_a_regular_file_is_opened)
{
	struct index *ix = NULL;
	size_t n;
	uint8_t *file = made_file(&n);

	tempdir_put("elsewhere", file, n);
	ck_assert_int_eq(unlinkat(tempdir_fd(), INDEX_FILE_NAME, 0), 0);
	ck_assert_int_eq(symlinkat("elsewhere", tempdir_fd(), INDEX_FILE_NAME),
			 0);
	ck_assert_int_eq(index_try(&ix), ERR_BAD_INDEX);
	ck_assert_int_eq(unlinkat(tempdir_fd(), INDEX_FILE_NAME, 0), 0);
	ck_assert_int_eq(mkdirat(tempdir_fd(), INDEX_FILE_NAME, 0700), 0);
	ck_assert_int_eq(index_try(&ix), ERR_BAD_INDEX);
	ck_assert_int_eq(unlinkat(tempdir_fd(), INDEX_FILE_NAME, AT_REMOVEDIR),
			 0);
	ck_assert_int_eq(mkfifoat(tempdir_fd(), INDEX_FILE_NAME, 0600), 0);
	ck_assert_int_eq(index_try(&ix), ERR_BAD_INDEX);
	ck_assert_ptr_null(ix);
	free(file);
}
END_TEST

START_TEST(test_vfs_create_replaces_a_link_and_leaves_its_target)
{
	struct index *ix;

	tempdir_put("elsewhere", "kept", 4);
	ck_assert_int_eq(symlinkat("elsewhere", tempdir_fd(), INDEX_FILE_NAME),
			 0);
	ix = index_create();
	index_must_commit(ix);
	index_close(ix);
	ck_assert(tempdir_has("elsewhere", "kept", 4));
	index_close(index_reopen());
}
END_TEST

/* --- Nothing else is touched --------------------------------------------- */

#define JOURNAL_SECTOR 512
#define JOURNAL_BYTES (JOURNAL_SECTOR + 4 + 4096 + 4)

static void be32_put(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* A journal that rolls page 2 back to `page` (SQLite Database File Format,
 * section 3, "The Rollback Journal"). */
static void journal_make(uint8_t to[static JOURNAL_BYTES], const uint8_t *page,
			 uint32_t n_pages)
{
	static const uint8_t magic[8] = { 0xd9, 0xd5, 0x05, 0xf9,
					  0x20, 0xa1, 0x63, 0xd7 };
	const uint32_t nonce = 12345;
	uint32_t sum = nonce;
	int i;

	memset(to, 0, JOURNAL_BYTES);
	memcpy(to, magic, sizeof(magic));
	be32_put(to + 8, 1);
	be32_put(to + 12, nonce);
	be32_put(to + 16, n_pages);
	be32_put(to + 20, JOURNAL_SECTOR);
	be32_put(to + 24, 4096);
	be32_put(to + JOURNAL_SECTOR, 2);
	memcpy(to + JOURNAL_SECTOR + 4, page, 4096);
	for (i = 4096 - 200; i > 0; i -= 200)
		sum += page[i];
	be32_put(to + JOURNAL_BYTES - 4, sum);
}

static void plain_exec(sqlite3 *db, const char *sql)
{
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static sqlite3 *plain_open(void)
{
	sqlite3 *db = NULL;
	char path[512];

	snprintf(path, sizeof(path), "%s/plain.db", tempdir_path());
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

static int plain_value(void)
{
	sqlite3 *db = plain_open();
	sqlite3_stmt *st;
	int value;

	ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT x FROM t", -1, &st,
					    NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
	value = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return value;
}

/* The control of the next case: SQLite does replay such a journal. */
START_TEST(test_vfs_sqlite_replays_the_planted_journal)
{
	uint8_t page[4096], journal[JOURNAL_BYTES];
	sqlite3 *db = plain_open();
	int fd;

	plain_exec(db, "PRAGMA page_size = 4096; CREATE TABLE t(x);"
		       "INSERT INTO t VALUES(1)");
	fd = openat(tempdir_fd(), "plain.db", O_RDONLY);
	ck_assert_int_eq(pread(fd, page, 4096, 4096), 4096);
	close(fd);
	plain_exec(db, "UPDATE t SET x = 2");
	sqlite3_close(db);
	ck_assert_int_eq(plain_value(), 2);
	journal_make(journal, page, 2);
	tempdir_put("plain.db-journal", journal, sizeof(journal));
	ck_assert_int_eq(plain_value(), 1);
}
END_TEST

START_TEST(test_vfs_planted_files_are_neither_opened_nor_removed)
{
	static const uint8_t wal[64] = { 0x37, 0x7f, 0x06, 0x82, 0x00, 0x2d,
					 0xe2, 0x18, 0x00, 0x00, 0x10, 0x00 };
	uint8_t journal[JOURNAL_BYTES];
	size_t n;
	uint8_t *file = made_file(&n);
	struct index *ix;

	journal_make(journal, file + 2 * 4096, (uint32_t)(n / 4096));
	tempdir_put(INDEX_FILE_NAME "-journal", journal, sizeof(journal));
	tempdir_put(INDEX_FILE_NAME "-wal", wal, sizeof(wal));
	ck_assert_int_eq(read_file_whole(), 0);
	ck_assert(tempdir_has(INDEX_FILE_NAME, file, n));
	ix = index_reopen();
	ck_assert_int_eq(index_value_put(ix, "other", "", 0, "", 0), 0);
	index_must_commit(ix);
	index_close(ix);
	ck_assert_int_eq(read_file_whole(), 0);
	/* And beside a new index, whose file is empty at first. */
	ix = index_create();
	ck_assert_int_eq(fill_index(ix), 0);
	index_must_commit(ix);
	index_close(ix);
	ck_assert_int_eq(read_file_whole(), 0);
	ck_assert(tempdir_has(INDEX_FILE_NAME "-journal", journal,
			      sizeof(journal)));
	ck_assert(tempdir_has(INDEX_FILE_NAME "-wal", wal, sizeof(wal)));
	ck_assert_int_eq(tempdir_count(), 3);
	ck_assert_int_eq(fx.disk.n_foreign, 0);
	free(file);
}
END_TEST

START_TEST(test_vfs_opens_the_one_database_once)
{
	struct index *ix = index_create();
	sqlite3_vfs *vfs;
	union {
		sqlite3_file file;
		uint8_t room[1024];
	} f;
	int exists = 7;

	for (vfs = sqlite3_vfs_find(NULL); vfs; vfs = vfs->pNext) {
		if (strncmp(vfs->zName, "coffer-", 7) == 0)
			break;
	}
	ck_assert_ptr_nonnull(vfs);
	ck_assert_int_le(vfs->szOsFile, (int)sizeof(f));
	ck_assert_int_eq(vfs->xOpen(vfs, INDEX_FILE_NAME, &f.file,
				    SQLITE_OPEN_MAIN_DB, NULL),
			 SQLITE_CANTOPEN);
	ck_assert_ptr_null(f.file.pMethods);
	ck_assert_int_eq(vfs->xOpen(vfs, INDEX_FILE_NAME "-journal", &f.file,
				    SQLITE_OPEN_MAIN_JOURNAL, NULL),
			 SQLITE_CANTOPEN);
	ck_assert_int_eq(vfs->xOpen(vfs, NULL, &f.file, SQLITE_OPEN_TEMP_DB,
				    NULL),
			 SQLITE_CANTOPEN);
	ck_assert_int_eq(vfs->xAccess(vfs, INDEX_FILE_NAME,
				      SQLITE_ACCESS_EXISTS, &exists),
			 SQLITE_OK);
	ck_assert_int_eq(exists, 0);
	ck_assert_int_eq(vfs->xDelete(vfs, INDEX_FILE_NAME, 1), SQLITE_OK);
	ck_assert_int_eq(tempdir_count(), 1);
	index_close(ix);
}
END_TEST

/* --- Holes --------------------------------------------------------------- */

#define BIG_BYTES 30000

static void churn_put(struct index *ix, uint8_t id, size_t n)
{
	static uint8_t big[BIG_BYTES];

	ck_assert_uint_le(n, sizeof(big));
	memset(big, id, n);
	ck_assert_int_eq(index_value_put(ix, "churn", &id, 1, big, n), 0);
}

static void churn_delete(struct index *ix, uint8_t id)
{
	ck_assert_int_eq(index_value_delete(ix, "churn", &id, 1), 0);
}

static void churn(struct index *ix, unsigned seed)
{
	uint8_t id;
	int i;

	for (i = 0; i < 100; i++) {
		seed = seed * 1103515245u + 12345u;
		id = (uint8_t)((seed >> 16) % 60);
		if (seed >> 24 & 1)
			churn_put(ix, id, (seed >> 8) % BIG_BYTES);
		else
			churn_delete(ix, id);
	}
}

static int churn_is_right(void *arg, const uint8_t *id, size_t id_bytes,
			  const uint8_t *rec, size_t n)
{
	ck_assert_uint_eq(id_bytes, 1);
	if (n > 0) {
		ck_assert_uint_eq(rec[0], id[0]);
		ck_assert_mem_eq(rec, rec + 1, n - 1);
	}
	++*(int *)arg;
	return 0;
}

static void expect_churn(struct index *ix)
{
	int n_met = 0;

	ck_assert_int_eq(index_value_each(ix, "churn", churn_is_right, &n_met),
			 0);
	ck_assert_int_gt(n_met, 0);
}

/* Changes some 300 pages and takes no new one: rows that fit into a page are
 * overwritten where they are. */
static void fill_nodes(struct index *ix, int byte)
{
	uint8_t rec[1500];
	uint64_t ino;

	memset(rec, byte, sizeof(rec));
	for (ino = 0; ino < 600; ino++)
		ck_assert_int_eq(index_node_put(ix, ino, rec, sizeof(rec)), 0);
}

START_TEST(test_vfs_page_freed_unwritten_is_read_back)
{
	struct index *ix;
	uint8_t id, round;

	fx.opts.cache_bytes = 1 << 19;
	ix = index_create();
	fill_nodes(ix, 100);
	index_must_commit(ix);
	ck_assert_int_eq(index_allow_spill(ix, true), 0);
	for (round = 0; round < 3; round++) {
		/* New pages at the end, all still in the cache; some are freed
		 * there. */
		fx.disk.n_pwrite = 0;
		for (id = 0; id < 9; id++)
			churn_put(ix, (uint8_t)(round * 10 + id), BIG_BYTES);
		ck_assert_int_eq(fx.disk.n_pwrite, 0);
		churn_delete(ix, (uint8_t)(round * 10 + 4));
		/* The cache is wanted for others: those freed are dropped,
		 * those around them written.  Then they are taken again. */
		fill_nodes(ix, round);
		ck_assert_int_gt(fx.disk.n_pwrite, 100);
		churn_put(ix, (uint8_t)(round * 10 + 9), BIG_BYTES);
		expect_churn(ix);
		index_must_commit(ix);
		expect_all_sealed();
	}
	index_close(ix);
}
END_TEST

START_TEST(test_vfs_index_beyond_its_memory_wants_to_spill)
{
	const uint64_t limit = 640 * 1024;
	struct index *ix;

	fx.opts.cache_bytes = 512 * 1024;
	ix = index_create();
	index_must_commit(ix);
	ck_assert(!index_wants_spill(ix));
	fill_nodes(ix, 1);
	ck_assert_uint_gt(index_cache_bytes(ix), limit);
	ck_assert(index_wants_spill(ix));
	ck_assert_int_eq(index_allow_spill(ix, true), 0);
	ck_assert(!index_wants_spill(ix));
	index_must_commit(ix);
	fill_nodes(ix, 2);
	ck_assert_uint_lt(index_cache_bytes(ix), limit);
	ck_assert_int_eq(index_allow_spill(ix, false), 0);
	ck_assert(!index_wants_spill(ix));
	index_close(ix);
}
END_TEST

START_TEST(test_vfs_commit_seals_every_page)
{
	struct index *ix;
	int i;

	fx.opts.cache_bytes = 0;
	fx.disk.no_fsync = true;
	ix = index_create();
	index_must_commit(ix);
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(index_allow_spill(ix, i % 3 != 0), 0);
		churn(ix, (unsigned)i);
		expect_churn(ix);
		index_must_commit(ix);
		expect_all_sealed();
		if (i % 4 == 3) {
			index_close(ix);
			ix = index_reopen();
		}
		expect_churn(ix);
	}
	index_close(ix);
}
END_TEST

START_TEST(test_vfs_file_beyond_the_lock_byte_page)
{
	struct index *ix;
	size_t n;

	/* SQLite never uses the page that holds byte 2^30; here byte 2^16. */
	index_close(index_create());
	sqlite3_test_control(SQLITE_TESTCTRL_PENDING_BYTE, 0x10000);
	free(made_file(&n));
	ck_assert_uint_gt(n, 0x10000 + 2 * 4096);
	expect_all_sealed();
	ck_assert_int_eq(read_file_whole(), 0);
	ix = index_reopen();
	churn(ix, 1);
	index_must_commit(ix);
	index_close(ix);
	expect_all_sealed();
	ck_assert_int_eq(read_file_whole(), 0);
	sqlite3_test_control(SQLITE_TESTCTRL_PENDING_BYTE, 0x40000000);
}
END_TEST

static TCase *tcase(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, fixture_make, fixture_remove);
	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	return t;
}

static Suite *vfs_suite(void)
{
	Suite *s = suite_create("vfs");
	TCase *t = tcase(s, "file");

	tcase_add_test(t, test_vfs_file_shows_no_plaintext);
	tcase_add_test(t, test_vfs_page_layout_is_that_of_the_specification);
	tcase_add_test(t, test_vfs_page_is_sealed_anew_at_each_write);
	t = tcase(s, "attacks");
	tcase_add_test(t, test_vfs_unchanged_file_reads_back);
	tcase_add_test(t, test_vfs_any_flipped_byte_makes_the_index_bad);
	tcase_add_test(t, test_vfs_every_byte_of_page_1_counts);
	tcase_add_test(t, test_vfs_swapped_pages_make_the_index_bad);
	tcase_add_test(t,
		       test_vfs_page_of_another_generation_makes_the_index_bad);
	tcase_add_test(t, test_vfs_other_key_makes_the_index_bad);
	tcase_add_test(t, test_vfs_zeroed_page_makes_the_index_bad);
	tcase_add_test(t, test_vfs_cut_or_extended_file_is_bad);
	tcase_add_test(t, test_vfs_file_cut_while_open_is_bad);
	tcase_add_test(t, test_vfs_absent_file_is_a_bad_index);
	tcase_add_test(t, test_vfs_only_a_regular_file_is_opened);
	tcase_add_test(t,
		       test_vfs_create_replaces_a_link_and_leaves_its_target);
	t = tcase(s, "other files");
	tcase_add_test(t, test_vfs_sqlite_replays_the_planted_journal);
	tcase_add_test(t,
		       test_vfs_planted_files_are_neither_opened_nor_removed);
	tcase_add_test(t, test_vfs_opens_the_one_database_once);
	t = tcase(s, "holes");
	tcase_add_test(t, test_vfs_page_freed_unwritten_is_read_back);
	tcase_add_test(t, test_vfs_index_beyond_its_memory_wants_to_spill);
	tcase_add_test(t, test_vfs_commit_seals_every_page);
	tcase_add_test(t, test_vfs_file_beyond_the_lock_byte_page);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(vfs_suite());
	int n_failed;

	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
