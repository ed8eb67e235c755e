/* SPDX-License-Identifier: ISC */
/* Chunks, packs, and the sums that tie them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "index_open_fixture.h"

static struct index_chunk place(uint64_t seed, uint64_t pack, uint32_t offset,
				uint32_t stored)
{
	struct index_chunk c = {
		.id = content_id_of(seed),
		.refs = 77,
		.pack = pack,
		.entry = { .offset = offset,
			   .stored_bytes = stored,
			   .plain_bytes = stored - 16,
			   .codec = 0 },
	};

	text_make(seed, c.entry.r16.b, sizeof(c.entry.r16.b));
	ok(index_chunk_place(ix, &c));
	return c;
}

static uint64_t add_pack(uint64_t writer, const char *name)
{
	struct index_pack p = { .writer = writer,
				.live_bytes = 5,
				.total_bytes = 6,
				.type = PACK_DATA };

	memcpy(p.name, name, strlen(name));
	ok(index_pack_add(ix, &p));
	return p.pack;
}

static void expect_sums(uint64_t pack, uint64_t live, uint64_t total)
{
	struct index_pack p;

	ck_assert_int_eq(index_pack_get(ix, pack, &p), 1);
	ck_assert_uint_eq(p.live_bytes, live);
	ck_assert_uint_eq(p.total_bytes, total);
}

START_TEST(test_index_chunk_is_found_by_id_and_number)
{
	struct index_chunk c, d, got;
	struct content_id id = content_id_of(3);

	ck_assert_int_eq(index_chunk_find(ix, &id, &got), 0);
	ck_assert_int_eq(index_chunk_get(ix, 1, &got), 0);
	c = place(3, 0, 64, 100);
	/* The same first eight bytes. */
	d = place(19, 0, 164, 200);
	ck_assert_mem_eq(c.id.b, d.id.b, 8);
	ck_assert_uint_eq(c.chunk, 1);
	ck_assert_uint_eq(c.refs, 77);
	ck_assert_uint_eq(d.chunk, 2);
	ck_assert_int_eq(index_chunk_find(ix, &id, &got), 1);
	ck_assert_uint_eq(got.chunk, 1);
	ck_assert_uint_eq(got.refs, 0);
	ck_assert_uint_eq(got.entry.stored_bytes, 100);
	ck_assert_mem_eq(got.entry.id.b, id.b, sizeof(id.b));
	ck_assert_int_eq(index_chunk_get(ix, 2, &got), 1);
	ck_assert_mem_eq(got.id.b, d.id.b, sizeof(d.id.b));
	ck_assert_uint_eq(got.entry.offset, 164);
	ck_assert_uint_eq(got.entry.plain_bytes, 184);
	ck_assert_mem_eq(got.entry.r16.b, d.entry.r16.b, 16);
}
END_TEST

START_TEST(test_index_chunk_placed_again_moves_and_keeps_its_refs)
{
	uint64_t stage = add_pack(1, "stage"), pack = add_pack(1, "pack");
	struct index_chunk c = place(3, stage, 64, 100), again, got;

	ok(index_chunk_ref(ix, c.chunk, 2));
	expect_sums(stage, 100, 100);
	again = place(3, pack, 7000, 120);
	ck_assert_uint_eq(again.chunk, c.chunk);
	ck_assert_int_eq(index_chunk_get(ix, c.chunk, &got), 1);
	ck_assert_uint_eq(got.refs, 2);
	ck_assert_uint_eq(got.pack, pack);
	ck_assert_uint_eq(got.entry.offset, 7000);
	expect_sums(stage, 0, 0);
	expect_sums(pack, 120, 120);
}
END_TEST

START_TEST(test_index_refs_decide_a_packs_live_bytes)
{
	uint64_t pack = add_pack(1, "pack");
	struct index_chunk a = place(1, pack, 64, 100);
	struct index_chunk b = place(2, pack, 164, 1000), got;

	expect_sums(pack, 0, 1100);
	ok(index_chunk_ref(ix, a.chunk, 1));
	ok(index_chunk_ref(ix, b.chunk, 3));
	ok(index_chunk_ref(ix, b.chunk, -1));
	expect_sums(pack, 1100, 1100);
	ok(index_chunk_ref(ix, b.chunk, -2));
	expect_sums(pack, 100, 1100);
	ok(index_chunk_ref(ix, b.chunk, -5));
	ck_assert_int_eq(index_chunk_get(ix, b.chunk, &got), 1);
	ck_assert_uint_eq(got.refs, 0);
	ok(index_chunk_ref(ix, b.chunk, 1));
	ok(index_chunk_ref(ix, 999, 1));
	expect_sums(pack, 1100, 1100);
	ok(index_chunk_delete(ix, b.chunk));
	ok(index_chunk_delete(ix, b.chunk));
	expect_sums(pack, 100, 100);
	reopen();
	expect_sums(pack, 100, 100);
}
END_TEST

START_TEST(test_index_sums_of_many_packs_are_kept_apart)
{
	uint64_t packs[40];
	char name[8] = "pack ";
	int i, k;

	for (i = 0; i < 40; i++) {
		name[4] = (char)('0' + i);
		packs[i] = add_pack(1, name);
	}
	for (k = 0; k < 3; k++) {
		for (i = 0; i < 40; i++)
			place((uint64_t)(100 * k + i), packs[i],
			      64 + 2000 * (uint32_t)k, 1000 + (uint32_t)i);
	}
	reopen();
	for (i = 0; i < 40; i++)
		expect_sums(packs[i], 0, 3 * (1000 + (uint64_t)i));
}
END_TEST

START_TEST(test_index_chunk_number_is_not_given_again)
{
	struct index_chunk c;

	place(1, 0, 64, 100);
	c = place(2, 0, 64, 100);
	ck_assert_uint_eq(c.chunk, 2);
	ok(index_chunk_delete(ix, 2));
	c = place(3, 0, 64, 100);
	ck_assert_uint_eq(c.chunk, 3);
	reopen();
	c = place(4, 0, 64, 100);
	ck_assert_uint_eq(c.chunk, 4);
}
END_TEST

static int see_chunk(void *arg, const struct index_chunk *c)
{
	return see(arg, c->entry.offset);
}

START_TEST(test_index_chunks_of_a_pack_are_walked_by_offset)
{
	static const uint64_t all[] = { 64, 100, 4000000000 };
	struct seen s = { .stop = 9 };

	place(1, 5, 4000000000, 100);
	place(2, 5, 64, 100);
	place(3, 4, 1, 100);
	place(4, 6, 1, 100);
	place(5, 5, 100, 100);
	ok(index_chunk_each_of_pack(ix, 5, see_chunk, &s));
	expect_seen(&s, all, 3);
	s.stop_at = 2;
	ck_assert_int_eq(index_chunk_each_of_pack(ix, 5, see_chunk, &s), 9);
	expect_seen(&s, all, 2);
}
END_TEST

static struct index_pack sample_pack(void)
{
	struct index_pack p = {
		.writer = 0xfedcba9876543210,
		.size = 1 << 24,
		.epoch = UINT32_MAX,
		.type = PACK_METADATA,
		.n_entries = 65536,
		.flags = UINT32_MAX,
	};

	memset(p.name, 0xab, sizeof(p.name));
	memset(p.key_id.b, 0xcd, sizeof(p.key_id.b));
	return p;
}

START_TEST(test_index_pack_is_found_with_all_its_fields)
{
	struct index_pack p = sample_pack(), got;

	ck_assert_int_eq(index_pack_find(ix, p.writer, p.name, &got), 0);
	ok(index_pack_add(ix, &p));
	reopen();
	ck_assert_int_eq(index_pack_find(ix, p.writer, p.name, &got), 1);
	ck_assert_uint_eq(got.pack, p.pack);
	ck_assert(!got.is_stage);
	ck_assert_uint_eq(got.writer, p.writer);
	ck_assert_mem_eq(got.name, p.name, sizeof(p.name));
	ck_assert_uint_eq(got.size, p.size);
	ck_assert_uint_eq(got.epoch, p.epoch);
	ck_assert_mem_eq(got.key_id.b, p.key_id.b, sizeof(p.key_id.b));
	ck_assert_int_eq(got.type, p.type);
	ck_assert_uint_eq(got.n_entries, p.n_entries);
	ck_assert_uint_eq(got.flags, p.flags);
	ck_assert_int_eq(index_pack_find(ix, 1, p.name, &got), 0);
	ck_assert_int_eq(index_pack_find_stage(ix, 0, &got), 0);
	ok(index_pack_set_flags(ix, p.pack, 5));
	ck_assert_int_eq(index_pack_get(ix, p.pack, &got), 1);
	ck_assert_uint_eq(got.flags, 5);
}
END_TEST

START_TEST(test_index_stage_file_is_found_by_its_number_only)
{
	struct index_pack p = { .is_stage = true, .stage_file = 9 }, got;

	ok(index_pack_add(ix, &p));
	ck_assert_int_eq(index_pack_find_stage(ix, 9, &got), 1);
	ck_assert(got.is_stage);
	ck_assert_uint_eq(got.stage_file, 9);
	ck_assert_int_eq(index_pack_find_stage(ix, 8, &got), 0);
	ck_assert_int_eq(index_pack_find(ix, 0, p.name, &got), 0);
}
END_TEST

START_TEST(test_index_pack_known_already_is_refused)
{
	struct index_pack p = sample_pack(), q = p;
	struct index_pack stage = { .is_stage = true, .stage_file = 9 };

	ok(index_pack_add(ix, &p));
	ck_assert_int_eq(index_pack_add(ix, &q), -EEXIST);
	q.writer++;
	ok(index_pack_add(ix, &q));
	ok(index_pack_add(ix, &stage));
	ck_assert_int_eq(index_pack_add(ix, &stage), -EEXIST);
	ok(index_state(ix));
}
END_TEST

static int see_pack(void *arg, const struct index_pack *p)
{
	return see(arg, p->pack);
}

START_TEST(test_index_pack_number_is_never_given_again)
{
	static const uint64_t left[] = { 1, 3 };
	struct seen s = { 0 };

	ck_assert_uint_eq(add_pack(1, "a"), 1);
	ck_assert_uint_eq(add_pack(1, "b"), 2);
	ok(index_pack_delete(ix, 2));
	ok(index_pack_delete(ix, 2));
	reopen();
	ck_assert_uint_eq(add_pack(1, "b"), 3);
	ok(index_pack_each(ix, see_pack, &s));
	expect_seen(&s, left, 2);
}
END_TEST

START_TEST(test_index_pack_in_use_is_not_deleted)
{
	uint64_t pack = add_pack(1, "a");
	struct index_chunk c = place(1, pack, 64, 100);
	struct index_pack got;

	ck_assert_int_eq(index_pack_delete(ix, pack), -ENOTEMPTY);
	ck_assert_int_eq(index_pack_get(ix, pack, &got), 1);
	ok(index_chunk_delete(ix, c.chunk));
	ok(index_pack_delete(ix, pack));
	ck_assert_int_eq(index_pack_get(ix, pack, &got), 0);
	ok(index_commit(ix));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("index chunks");
	TCase *t = tcase_create("chunks");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(t, open_fixture_make, open_fixture_remove);
	tcase_add_test(t, test_index_chunk_is_found_by_id_and_number);
	tcase_add_test(t,
		       test_index_chunk_placed_again_moves_and_keeps_its_refs);
	tcase_add_test(t, test_index_refs_decide_a_packs_live_bytes);
	tcase_add_test(t, test_index_sums_of_many_packs_are_kept_apart);
	tcase_add_test(t, test_index_chunk_number_is_not_given_again);
	tcase_add_test(t, test_index_chunks_of_a_pack_are_walked_by_offset);
	tcase_add_test(t, test_index_pack_is_found_with_all_its_fields);
	tcase_add_test(t, test_index_stage_file_is_found_by_its_number_only);
	tcase_add_test(t, test_index_pack_known_already_is_refused);
	tcase_add_test(t, test_index_pack_number_is_never_given_again);
	tcase_add_test(t, test_index_pack_in_use_is_not_deleted);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
