/* SPDX-License-Identifier: ISC */
/* The tables: what is put is found, in which order it is walked, what a commit
 * keeps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "index_open_fixture.h"

/* --- Inodes -------------------------------------------------------------- */

static void expect_node(uint64_t ino, const char *text)
{
	const uint8_t *rec;
	size_t n;

	ck_assert_int_eq(index_node_get(ix, ino, &rec, &n), 1);
	ck_assert_uint_eq(n, strlen(text));
	ck_assert_mem_eq(rec, text, n);
}

static void expect_no_node(uint64_t ino)
{
	const uint8_t *rec = NULL;
	size_t n = 7;

	ck_assert_int_eq(index_node_get(ix, ino, &rec, &n), 0);
	ck_assert_ptr_null(rec);
	ck_assert_uint_eq(n, 7);
}

START_TEST(test_index_node_is_put_replaced_and_deleted)
{
	expect_no_node(5);
	ok(index_node_put(ix, 5, "five", 4));
	expect_node(5, "five");
	ok(index_node_put(ix, 5, "another five", 12));
	expect_node(5, "another five");
	ok(index_node_put(ix, 6, NULL, 0));
	expect_node(6, "");
	ok(index_node_delete(ix, 5));
	ok(index_node_delete(ix, 5));
	expect_no_node(5);
	expect_node(6, "");
}
END_TEST

static int see_node(void *arg, uint64_t ino, const uint8_t *rec, size_t n)
{
	ck_assert_uint_eq(n, 3);
	ck_assert_mem_eq(rec, "rec", 3);
	return see(arg, ino);
}

START_TEST(test_index_nodes_are_walked_ascending_from_a_number)
{
	static const uint64_t all[] = { 1, 2, 300, 70000, INT64_MAX };
	struct seen s = { 0 };
	int i;

	for (i = array_len(all) - 1; i >= 0; i--)
		ok(index_node_put(ix, all[i], "rec", 3));
	ok(index_node_each(ix, 0, see_node, &s));
	expect_seen(&s, all, 5);
	ok(index_node_each(ix, 3, see_node, &s));
	expect_seen(&s, all + 2, 3);
	ok(index_node_each(ix, INT64_MAX, see_node, &s));
	expect_seen(&s, all + 4, 1);
	s.stop_at = 2;
	s.stop = 42;
	ck_assert_int_eq(index_node_each(ix, 0, see_node, &s), 42);
	expect_seen(&s, all, 2);
	s.stop = -EINTR;
	ck_assert_int_eq(index_node_each(ix, 0, see_node, &s), -EINTR);
	ok(index_state(ix));
}
END_TEST

START_TEST(test_index_numbers_from_2_63_on_are_refused)
{
	const uint64_t big = (uint64_t)INT64_MAX + 1;
	struct index_extent e = { .length = 1,
				  .kind = EXTENT_CHUNK,
				  .chunk = big };
	const uint8_t *rec;
	size_t n;

	ck_assert_int_eq(index_node_put(ix, big, "", 0), ERR_LIMIT);
	ck_assert_int_eq(index_node_get(ix, big, &rec, &n), ERR_LIMIT);
	ck_assert_int_eq(index_node_each(ix, big, see_node, NULL), ERR_LIMIT);
	ck_assert_int_eq(index_extent_put(ix, 1, &e), ERR_LIMIT);
	ok(index_state(ix));
}
END_TEST

START_TEST(test_index_empty_record_is_found)
{
	ok(index_node_put(ix, 6, NULL, 0));
	expect_node(6, "");
}
END_TEST

START_TEST(test_index_large_record_is_kept_whole)
{
	static uint8_t big[300000];
	const uint8_t *rec;
	size_t n;

	text_make(1, big, sizeof(big));
	ok(index_node_put(ix, 1, big, sizeof(big)));
	ok(index_node_put(ix, 2, "small", 5));
	reopen();
	expect_node(2, "small");
	ck_assert_int_eq(index_node_get(ix, 1, &rec, &n), 1);
	ck_assert_uint_eq(n, sizeof(big));
	ck_assert_mem_eq(rec, big, n);
	expect_node(2, "small");
}
END_TEST

START_TEST(test_index_record_from_a_get_may_be_put_again)
{
	const uint8_t *rec;
	size_t n;

	ok(index_node_put(ix, 1, "copied", 6));
	ck_assert_int_eq(index_node_get(ix, 1, &rec, &n), 1);
	ok(index_node_put(ix, 2, rec, n));
	expect_node(2, "copied");
}
END_TEST

/* --- Directory entries --------------------------------------------------- */

static void put_link(uint64_t parent, uint64_t cookie, const char *name,
		     const char *extra)
{
	struct index_link l = {
		.parent = parent,
		.cookie = cookie,
		.ino = (cookie + 1) % 1000003,
		.kind = 2,
		.name = (const uint8_t *)name,
		.name_len = (uint16_t)strlen(name),
		.extra = (const uint8_t *)extra,
		.extra_bytes = extra ? strlen(extra) : 0,
	};

	ok(index_link_put(ix, &l));
}

START_TEST(test_index_link_is_put_replaced_and_deleted)
{
	struct index_link l;

	ck_assert_int_eq(index_link_get(ix, 1, 2, &l), 0);
	put_link(1, 2, "name", NULL);
	put_link(2, 2, "elsewhere", NULL);
	ck_assert_int_eq(index_link_get(ix, 1, 2, &l), 1);
	ck_assert_uint_eq(l.parent, 1);
	ck_assert_uint_eq(l.cookie, 2);
	ck_assert_uint_eq(l.ino, 3);
	ck_assert_uint_eq(l.kind, 2);
	ck_assert_uint_eq(l.name_len, 4);
	ck_assert_mem_eq(l.name, "name", 4);
	ck_assert_ptr_null(l.extra);
	ck_assert_uint_eq(l.extra_bytes, 0);
	put_link(1, 2, "other", "dots");
	ck_assert_int_eq(index_link_get(ix, 1, 2, &l), 1);
	ck_assert_mem_eq(l.name, "other", 5);
	ck_assert_uint_eq(l.extra_bytes, 4);
	ck_assert_mem_eq(l.extra, "dots", 4);
	ok(index_link_delete(ix, 1, 2));
	ok(index_link_delete(ix, 1, 2));
	ck_assert_int_eq(index_link_get(ix, 1, 2, &l), 0);
	ck_assert_int_eq(index_link_get(ix, 2, 2, &l), 1);
}
END_TEST

static int see_link(void *arg, const struct index_link *l)
{
	ck_assert_uint_eq(l->parent, 1);
	return see(arg, l->cookie);
}

START_TEST(test_index_links_are_walked_ascending_from_a_cookie)
{
	static const uint64_t all[] = { 0, 9, 500, 1ull << 40, INT64_MAX };
	struct seen s = { .stop = 1 };
	int i;

	for (i = array_len(all) - 1; i >= 0; i--) {
		put_link(1, all[i], "x", "");
		put_link(0, (uint64_t)i, "y", NULL);
		put_link(2, (uint64_t)i, "z", NULL);
	}
	ok(index_link_each(ix, 1, 0, see_link, &s));
	expect_seen(&s, all, 5);
	ok(index_link_each(ix, 1, 10, see_link, &s));
	ck_assert_int_eq(s.n, 3);
	s.n = 0;
	ok(index_link_each(ix, 3, 0, see_link, &s));
	ck_assert_int_eq(s.n, 0);
	s.stop_at = 1;
	ck_assert_int_eq(index_link_each(ix, 1, 9, see_link, &s), 1);
	expect_seen(&s, all + 1, 1);
}
END_TEST

/* --- Extents ------------------------------------------------------------- */

static void put_extent(uint64_t ino, uint64_t offset, uint64_t length)
{
	struct index_extent e = { .offset = offset,
				  .length = length,
				  .kind = EXTENT_CHUNK,
				  .chunk = offset + 1,
				  .chunk_offset = 3 };

	ok(index_extent_put(ix, ino, &e));
}

static int see_extent(void *arg, const struct index_extent *e)
{
	ck_assert_uint_eq(e->chunk, e->offset + 1);
	ck_assert_uint_eq(e->chunk_offset, 3);
	ck_assert_ptr_null(e->bytes);
	return see(arg, e->offset);
}

static int see_any_extent(void *arg, uint64_t ino, const struct index_extent *e)
{
	return see(arg, ino * 1000 + e->offset);
}

START_TEST(test_index_extents_that_overlap_a_range_are_met)
{
	static const struct {
		uint64_t from, to;
		uint64_t met[3];
		int n;
	} table[] = {
		{ 0, UINT64_MAX, { 10, 20, 50 }, 3 },
		{ 0, 10, { 0 }, 0 },
		{ 0, 11, { 10 }, 1 },
		{ 10, 20, { 10 }, 1 },
		{ 19, 20, { 10 }, 1 },
		{ 15, 25, { 10, 20 }, 2 },
		{ 20, 50, { 20 }, 1 },
		{ 29, 51, { 20, 50 }, 2 },
		{ 30, 50, { 0 }, 0 }, /* the hole between */
		{ 59, 60, { 50 }, 1 },
		{ 60, UINT64_MAX, { 0 }, 0 },
		{ UINT64_MAX, UINT64_MAX, { 0 }, 0 },
		{ 15, 15, { 0 }, 0 },
	};
	struct seen s = { 0 };
	size_t i;

	put_extent(7, 20, 10);
	put_extent(7, 10, 10);
	put_extent(7, 50, 10);
	put_extent(6, 0, 100);
	put_extent(8, 0, 100);
	for (i = 0; i < array_len(table); i++) {
		ok(index_extent_each(ix, 7, table[i].from, table[i].to,
				     see_extent, &s));
		expect_seen(&s, table[i].met, table[i].n);
	}
}
END_TEST

START_TEST(test_index_extents_of_all_inodes_are_walked_and_deleted)
{
	static const uint64_t all[] = { 1000, 7010, 7020, 8000 };
	static const uint64_t fewer[] = { 1000, 7020, 8000 };
	static const uint64_t rest[] = { 1000, 8000 };
	struct seen s = { 0 };

	put_extent(8, 0, 5);
	put_extent(7, 20, 5);
	put_extent(7, 10, 5);
	put_extent(1, 0, 5);
	ok(index_extent_all(ix, see_any_extent, &s));
	expect_seen(&s, all, 4);
	ok(index_extent_delete(ix, 7, 10));
	ok(index_extent_delete(ix, 7, 11));
	ok(index_extent_all(ix, see_any_extent, &s));
	expect_seen(&s, fewer, 3);
	ok(index_extent_delete_all(ix, 7));
	ok(index_extent_delete_all(ix, 7));
	ok(index_extent_all(ix, see_any_extent, &s));
	expect_seen(&s, rest, 2);
}
END_TEST

static int see_inline(void *arg, const struct index_extent *e)
{
	ck_assert_int_eq(e->kind, EXTENT_INLINE);
	ck_assert_uint_eq(e->length, OP_INLINE_MAX);
	ck_assert_mem_eq(e->bytes, arg, OP_INLINE_MAX);
	return 1;
}

START_TEST(test_index_inline_extent_keeps_its_bytes)
{
	uint8_t bytes[OP_INLINE_MAX];
	struct index_extent e = { .offset = 5,
				  .length = sizeof(bytes),
				  .kind = EXTENT_INLINE,
				  .bytes = bytes };

	text_make(3, bytes, sizeof(bytes));
	put_extent(1, 5, 10);
	ok(index_extent_put(ix, 1, &e));
	reopen();
	ck_assert_int_eq(index_extent_each(ix, 1, 0, 10, see_inline, bytes), 1);
}
END_TEST

/* --- The smaller tables -------------------------------------------------- */

static void put_xattr(uint64_t ino, const char *name, const char *rec)
{
	struct index_xattr x = { .name = (const uint8_t *)name,
				 .name_len = (uint16_t)strlen(name),
				 .rec = (const uint8_t *)rec,
				 .rec_bytes = strlen(rec) };

	ok(index_xattr_put(ix, ino, &x));
}

static int see_xattr(void *arg, const struct index_xattr *x)
{
	return see(arg, x->name[0]);
}

START_TEST(test_index_xattrs_are_kept_by_name)
{
	static const uint64_t all[] = { 'a', 'b', 0xff };
	struct seen s = { 0 };
	struct index_xattr x;

	put_xattr(1, "\xff", "last");
	put_xattr(1, "b", "");
	put_xattr(1, "a", "one");
	put_xattr(2, "c", "other inode");
	put_xattr(1, "a", "two");
	ck_assert_int_eq(index_xattr_get(ix, 1, (const uint8_t *)"a", 1, &x),
			 1);
	ck_assert_uint_eq(x.name_len, 1);
	ck_assert_uint_eq(x.name[0], 'a');
	ck_assert_uint_eq(x.rec_bytes, 3);
	ck_assert_mem_eq(x.rec, "two", 3);
	ck_assert_int_eq(index_xattr_get(ix, 1, (const uint8_t *)"b", 1, &x),
			 1);
	ck_assert_uint_eq(x.rec_bytes, 0);
	ck_assert_int_eq(index_xattr_get(ix, 1, (const uint8_t *)"c", 1, &x),
			 0);
	ok(index_xattr_each(ix, 1, see_xattr, &s));
	expect_seen(&s, all, 3);
	ok(index_xattr_delete(ix, 1, (const uint8_t *)"a", 1));
	ok(index_xattr_each(ix, 1, see_xattr, &s));
	expect_seen(&s, all + 1, 2);
	ok(index_xattr_delete_all(ix, 1));
	ok(index_xattr_each(ix, 1, see_xattr, &s));
	ck_assert_int_eq(s.n, 0);
	ok(index_xattr_each(ix, 2, see_xattr, &s));
	ck_assert_int_eq(s.n, 1);
}
END_TEST

static int see_writer(void *arg, uint64_t writer, const uint8_t *rec, size_t n)
{
	ck_assert_uint_eq(n, 8);
	ck_assert_mem_eq(rec, &writer, 8);
	return see(arg, writer);
}

START_TEST(test_index_writers_are_walked_in_unsigned_order)
{
	static const uint64_t all[] = { 0,
					1,
					INT64_MAX,
					(uint64_t)INT64_MAX + 1,
					UINT64_MAX - 1,
					UINT64_MAX };
	struct seen s = { 0 };
	const uint8_t *rec;
	size_t n;
	int i;

	for (i = 5; i >= 0; i--)
		ok(index_writer_put(ix, all[i], "x", 1));
	for (i = 0; i < 6; i++)
		ok(index_writer_put(ix, all[i], &all[i], 8));
	ok(index_writer_each(ix, see_writer, &s));
	expect_seen(&s, all, 6);
	ck_assert_int_eq(index_writer_get(ix, UINT64_MAX, &rec, &n), 1);
	ck_assert_uint_eq(n, 8);
	ck_assert_mem_eq(rec, &all[5], 8);
	ck_assert_int_eq(index_writer_get(ix, 2, &rec, &n), 0);
}
END_TEST

static int see_value(void *arg, const uint8_t *id, size_t id_bytes,
		     const uint8_t *rec, size_t n)
{
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(rec[0], id_bytes);
	return see(arg, id_bytes > 0 ? id[0] : 0);
}

START_TEST(test_index_values_are_kept_by_table_and_id)
{
	static const uint8_t ids[] = { 0x00, 0x7f, 0x80, 0xff };
	static const uint64_t met[] = { 0, 0, 0x7f, 0x80, 0xff };
	struct seen s = { 0 };
	const uint8_t *rec;
	size_t n;
	int i;

	for (i = 3; i >= 0; i--)
		ok(index_value_put(ix, "one", &ids[i], 1, "\1", 1));
	ok(index_value_put(ix, "one", "", 0, "\0", 1));
	ok(index_value_put(ix, "two", "", 0, "two", 3));
	ok(index_value_each(ix, "one", see_value, &s));
	expect_seen(&s, met, 5);
	ck_assert_int_eq(index_value_get(ix, "two", "", 0, &rec, &n), 1);
	ck_assert_uint_eq(n, 3);
	ck_assert_mem_eq(rec, "two", 3);
	ck_assert_int_eq(index_value_get(ix, "tw", "", 0, &rec, &n), 0);
	ok(index_value_delete(ix, "one", "", 0));
	ok(index_value_delete(ix, "two", "\x7f", 1));
	ok(index_value_each(ix, "one", see_value, &s));
	expect_seen(&s, met + 1, 4);
}
END_TEST

/* --- Calls inside a walk ------------------------------------------------- */

static int count_below(void *arg, const struct index_link *l)
{
	(void)l;
	++*(int *)arg;
	return 0;
}

static int walk_nested(void *arg, const struct index_link *l)
{
	char name[8];
	const uint8_t *rec;
	size_t n;

	memcpy(name, l->name, l->name_len);
	/* The same table, a get, and a put into another one. */
	ok(index_link_each(ix, 1, 0, count_below, arg));
	ck_assert_int_eq(index_node_get(ix, l->ino, &rec, &n), 0);
	ok(index_node_put(ix, l->ino, l->name, l->name_len));
	put_link(2, l->cookie, "elsewhere", NULL);
	/* What was given holds. */
	ck_assert_mem_eq(name, l->name, l->name_len);
	return 0;
}

START_TEST(test_index_walks_may_be_nested)
{
	int i, n = 0;

	for (i = 0; i < 20; i++)
		put_link(1, (uint64_t)i, "name", NULL);
	ok(index_link_each(ix, 1, 0, walk_nested, &n));
	ck_assert_int_eq(n, 400);
	expect_node(1, "name");
	expect_node(20, "name");
	n = 0;
	ok(index_link_each(ix, 2, 0, count_below, &n));
	ck_assert_int_eq(n, 20);
	reopen();
	expect_node(20, "name");
}
END_TEST

static int delete_met(void *arg, uint64_t ino, const uint8_t *rec, size_t n)
{
	ok(index_node_delete(ix, ino));
	return see_node(arg, ino, rec, n);
}

START_TEST(test_index_walk_may_delete_what_it_meets)
{
	struct seen s = { 0 };
	uint64_t i;

	for (i = 0; i < 60; i++)
		ok(index_node_put(ix, i, "rec", 3));
	ok(index_node_each(ix, 0, delete_met, &s));
	ck_assert_int_eq(s.n, 60);
	s.n = 0;
	ok(index_node_each(ix, 0, see_node, &s));
	ck_assert_int_eq(s.n, 0);
}
END_TEST

/* --- Commits ------------------------------------------------------------- */

START_TEST(test_index_commit_keeps_and_close_loses)
{
	ok(index_node_put(ix, 1, "kept", 4));
	reopen();
	ok(index_node_put(ix, 1, "lost", 4));
	ok(index_node_put(ix, 2, "lost", 4));
	ok(index_node_delete(ix, 3));
	reopen_uncommitted();
	expect_node(1, "kept");
	expect_no_node(2);
}
END_TEST

START_TEST(test_index_without_a_commit_does_not_open)
{
	struct index *none = NULL;

	ok(fill_index(ix));
	index_close(ix);
	ck_assert_int_eq(index_try(&none), ERR_BAD_INDEX);
	ck_assert_ptr_null(none);
	ix = index_create();
}
END_TEST

START_TEST(test_index_is_the_same_after_many_commits)
{
	int i;

	ok(fill_index(ix));
	for (i = 0; i < 5; i++) {
		ok(check_index(ix));
		reopen();
	}
	ok(index_commit(ix));
	ok(index_commit(ix));
	ok(check_index(ix));
	ck_assert_int_eq(fx.disk.n_truncate, 0);
}
END_TEST

START_TEST(test_index_created_anew_is_empty)
{
	ok(fill_index(ix));
	reopen();
	index_close(ix);
	ix = index_create();
	expect_no_node(100);
	reopen();
	expect_no_node(100);
}
END_TEST

START_TEST(test_index_in_memory_touches_no_disk)
{
	struct index *mem = NULL;
	struct index_options opts = fx.opts;
	int n_calls = fx.disk.n_calls;

	opts.dirfd = -1;
	ok(index_open(&opts, &mem));
	ok(fill_index(mem));
	ok(check_index(mem));
	ok(index_commit(mem));
	ok(index_allow_spill(mem, true));
	ok(check_index(mem));
	index_close(mem);
	ck_assert_int_eq(fx.disk.n_calls, n_calls);
	opts.env = NULL;
	ok(index_open(&opts, &mem));
	index_close(mem);
}
END_TEST

static Suite *index_suite(void)
{
	Suite *s = suite_create("index");
	TCase *t = tcase_create("index");

	tcase_add_checked_fixture(t, open_fixture_make, open_fixture_remove);
	suite_add_tcase(s, t);
	tcase_add_test(t, test_index_node_is_put_replaced_and_deleted);
	tcase_add_test(t, test_index_nodes_are_walked_ascending_from_a_number);
	tcase_add_test(t, test_index_numbers_from_2_63_on_are_refused);
	tcase_add_test(t, test_index_empty_record_is_found);
	tcase_add_test(t, test_index_large_record_is_kept_whole);
	tcase_add_test(t, test_index_record_from_a_get_may_be_put_again);
	tcase_add_test(t, test_index_link_is_put_replaced_and_deleted);
	tcase_add_test(t, test_index_links_are_walked_ascending_from_a_cookie);
	tcase_add_test(t, test_index_extents_that_overlap_a_range_are_met);
	tcase_add_test(t,
		       test_index_extents_of_all_inodes_are_walked_and_deleted);
	tcase_add_test(t, test_index_inline_extent_keeps_its_bytes);
	tcase_add_test(t, test_index_xattrs_are_kept_by_name);
	tcase_add_test(t, test_index_writers_are_walked_in_unsigned_order);
	tcase_add_test(t, test_index_values_are_kept_by_table_and_id);
	tcase_add_test(t, test_index_walks_may_be_nested);
	tcase_add_test(t, test_index_walk_may_delete_what_it_meets);
	tcase_add_test(t, test_index_commit_keeps_and_close_loses);
	tcase_add_test(t, test_index_without_a_commit_does_not_open);
	tcase_add_test(t, test_index_is_the_same_after_many_commits);
	tcase_add_test(t, test_index_created_anew_is_empty);
	tcase_add_test(t, test_index_in_memory_touches_no_disk);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(index_suite());
	int n_failed;

	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
