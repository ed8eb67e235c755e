/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "content_fixture.h"
#include "vault/content/flush_batch.h"
#include "vault/log/commit.h"
#include "vault/packs/packs.h"

/* ---- writing and reading ---- */

START_TEST(what_is_written_is_read_at_once_and_after_a_cut)
{
	uint8_t *bytes = make_bytes(1, 100000);
	uint64_t ino = new_file("f");

	put(ino, 0, bytes, 100000);
	check_bytes(cf.v, ino, bytes, 100000);
	ck_assert(content_is_dirty(cf.v, ino));
	cut();
	ck_assert(!content_is_dirty(cf.v, ino));
	check_bytes(cf.v, ino, bytes, 100000);
	free(bytes);
}
END_TEST

START_TEST(a_write_beyond_the_end_leaves_zeros)
{
	uint8_t want[9000] = { 0 };
	uint64_t ino = new_file("f");

	memset(want, 'a', 10);
	memset(want + 8990, 'b', 10);
	put(ino, 0, "aaaaaaaaaa", 10);
	cut();
	put(ino, 8990, "bbbbbbbbbb", 10);
	check_bytes(cf.v, ino, want, sizeof(want));
	cut();
	check_bytes(cf.v, ino, want, sizeof(want));
}
END_TEST

START_TEST(a_file_cut_and_grown_shows_zeros)
{
	uint8_t *bytes = make_bytes(2, 50000);
	uint64_t ino = new_file("f");

	put(ino, 0, bytes, 50000);
	cut();
	ck_assert_int_eq(content_truncate(cf.v, ino, 20000), 0);
	ck_assert_int_eq(content_truncate(cf.v, ino, 40000), 0);
	memset(bytes + 20000, 0, 20000);
	check_bytes(cf.v, ino, bytes, 40000);
	cut();
	check_bytes(cf.v, ino, bytes, 40000);
	free(bytes);
}
END_TEST

START_TEST(appending_goes_to_the_end)
{
	uint64_t ino = new_file("f");

	put(ino, 0, "0123456789", 10);
	ck_assert_int_eq(
		vault_write(cf.v, ino, "abc", 3, 2, VAULT_WRITE_APPEND), 0);
	cut();
	ck_assert_int_eq(
		vault_write(cf.v, ino, "def", 3, 2, VAULT_WRITE_APPEND), 0);
	check_bytes(cf.v, ino, (const uint8_t *)"0123456789abcdef", 16);
}
END_TEST

START_TEST(a_write_takes_privileges_away_when_asked)
{
	const struct vault_attr set = { .mode = 06755 };
	const struct vault_attr shared = { .mode = 06644 };
	struct vault_attr attr;
	uint64_t ino = new_file("f");

	ck_assert_int_eq(vault_setattr(cf.v, ino, VAULT_SET_MODE, &set, &attr),
			 0);
	ck_assert_int_eq(
		vault_setxattr(cf.v, ino, "security.capability", "x", 1, 0), 0);
	put(ino, 0, "a", 1);
	ck_assert_int_eq(vault_getattr(cf.v, ino, &attr), 0);
	ck_assert_uint_eq(attr.mode & 07777, 06755);
	ck_assert_int_eq(vault_write(cf.v, ino, "a", 1, 0,
				     VAULT_WRITE_DROP_PRIVILEGES),
			 VAULT_WROTE_DROPPED);
	ck_assert_int_eq(vault_write(cf.v, ino, "a", 1, 0,
				     VAULT_WRITE_DROP_PRIVILEGES),
			 0);
	ck_assert_int_eq(vault_getattr(cf.v, ino, &attr), 0);
	ck_assert_uint_eq(attr.mode & 07777, 0755);
	ck_assert_int_eq(vault_getxattr(cf.v, ino, "security.capability", NULL,
					0),
			 -ENODATA);
	/* Whether it may keep this one the caller knows. */
	ck_assert_int_eq(vault_setattr(cf.v, ino, VAULT_SET_MODE, &shared,
				       &attr),
			 0);
	ck_assert_int_eq(vault_write(cf.v, ino, "a", 1, 0,
				     VAULT_WRITE_DROP_PRIVILEGES),
			 VAULT_WROTE_DROPPED | VAULT_WROTE_KEPT_SGID);
	ck_assert_int_eq(vault_getattr(cf.v, ino, &attr), 0);
	ck_assert_uint_eq(attr.mode & 07777, 02644);
}
END_TEST

START_TEST(calls_that_cannot_be_are_refused)
{
	struct vault_attr attr;
	struct vault_read rd;
	struct vault_new what = { .mode = S_IFIFO | 0600 };
	uint64_t ino = new_file("f"), at;

	ck_assert_int_eq(vault_make(cf.v, VAULT_ROOT_INO,
				    (struct vault_name){ "p", 1 }, &what, false,
				    &attr),
			 0);
	ck_assert_int_eq(vault_write(cf.v, VAULT_ROOT_INO, "a", 1, 0, 0),
			 -EISDIR);
	ck_assert_int_eq(vault_write(cf.v, attr.ino, "a", 1, 0, 0), -EINVAL);
	ck_assert_int_eq(vault_write(cf.v, 12345, "a", 1, 0, 0), -ENOENT);
	ck_assert_int_eq(vault_write(cf.v, ino, "a", 1, INT64_MAX, 0), -EFBIG);
	ck_assert_int_eq(vault_read(cf.v, VAULT_ROOT_INO, 0, 1, &rd), -EISDIR);
	ck_assert_int_eq(vault_read(cf.v, attr.ino, 0, 1, &rd), -EINVAL);
	ck_assert_int_eq(vault_read(cf.v, 12345, 0, 1, &rd), -ENOENT);
	ck_assert_int_eq(vault_seek(cf.v, ino, 0, SEEK_DATA, &at), -ENXIO);
	ck_assert_int_eq(vault_fallocate(cf.v, ino, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(vault_fallocate(cf.v, ino, VAULT_ALLOCATE_PUNCH, 0, 1),
			 -EOPNOTSUPP);
	atomic_store(&cf.v->is_read_only, true);
	ck_assert_int_eq(vault_write(cf.v, ino, "a", 1, 0, 0), ERR_READ_ONLY);
	ck_assert(!content_is_dirty(cf.v, ino));
}
END_TEST

START_TEST(an_unlinked_file_stays_as_long_as_it_is_held)
{
	uint8_t *bytes = make_bytes(3, 30000);
	struct vault_read rd;
	uint64_t ino = new_file("f");

	put(ino, 0, bytes, 10000);
	ck_assert_int_eq(vault_unlink(cf.v, VAULT_ROOT_INO,
				      (struct vault_name){ "f", 1 }),
			 0);
	put(ino, 10000, bytes + 10000, 20000);
	cut();
	check_bytes(cf.v, ino, bytes, 30000);
	put(ino, 0, "x", 1);
	vault_unhold(cf.v, ino, 1);
	ck_assert(!content_is_dirty(cf.v, ino));
	ck_assert_int_eq(vault_read(cf.v, ino, 0, 1, &rd), -ENOENT);
	cut();
	/* Nothing names its chunks any more. */
	ck_assert_uint_eq(content_dirty_bytes(cf.v), 0);
	free(bytes);
}
END_TEST

START_TEST(holes_and_data_are_told_apart)
{
	uint8_t *bytes = make_bytes(4, 200000);
	uint64_t ino = new_file("f"), at;

	put(ino, 0, bytes, 20000);
	put(ino, 100000, bytes, 5000);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(vault_seek(cf.v, ino, 0, SEEK_HOLE, &at), 0);
		ck_assert_uint_eq(at, 20000);
		ck_assert_int_eq(vault_seek(cf.v, ino, 30000, SEEK_DATA, &at),
				 0);
		ck_assert_uint_eq(at, 100000);
		ck_assert_int_eq(vault_seek(cf.v, ino, 100001, SEEK_HOLE, &at),
				 0);
		ck_assert_uint_eq(at, 105000);
		ck_assert_int_eq(vault_seek(cf.v, ino, 105000, SEEK_HOLE, &at),
				 -ENXIO);
		cut();
	}
	ck_assert_int_eq(vault_fallocate(cf.v, ino,
					 VAULT_ALLOCATE_PUNCH |
						 VAULT_ALLOCATE_KEEP_SIZE,
					 5000, 5000),
			 0);
	ck_assert_int_eq(vault_seek(cf.v, ino, 0, SEEK_HOLE, &at), 0);
	ck_assert_uint_eq(at, 5000);
	ck_assert_int_eq(vault_seek(cf.v, ino, 5000, SEEK_DATA, &at), 0);
	ck_assert_uint_eq(at, 10000);
	free(bytes);
}
END_TEST

/* ---- storing ---- */

START_TEST(equal_data_is_stored_once)
{
	uint8_t *bytes = make_bytes(5, 60000);
	uint64_t a = new_file("a"), b = new_file("b"), before;

	put(a, 0, bytes, 60000);
	cut();
	before = staged();
	put(b, 0, bytes, 60000);
	cut();
	ck_assert_uint_eq(staged(), before);
	check_bytes(cf.v, b, bytes, 60000);
	free(bytes);
}
END_TEST

static void note_nothing(void *arg, struct file *f, struct layer *l, int err)
{
	(void)arg;
	(void)f;
	(void)l;
	ck_assert_int_eq(err, 0);
}

/* Bytes by which what is durable goes with each append. */
static const size_t appends[] = { 100, 900, 3000, 5000, 13000, 40000, 150000 };

#define SLOW_BYTES ((size_t)300000)

START_TEST(what_is_written_slowly_is_what_is_written_fast)
{
	const size_t step = appends[_i];
	uint8_t *bytes = make_bytes(60, SLOW_BYTES);
	uint64_t slow = new_file("slow"), fast = new_file("fast"), before;
	struct vault *other;

	for (size_t at = 0; at < SLOW_BYTES; at += step) {
		put(slow, at, bytes + at, min_of(step, SLOW_BYTES - at));
		if (at / step % 3 == 1)
			ck_assert_int_eq(flush_for_room(cf.v->content), 0);
		cut();
	}
	before = staged();
	/* Cutting again has its price, and it is bounded. */
	ck_assert_uint_lt(before, 5 * SLOW_BYTES);
	put(fast, 0, bytes, SLOW_BYTES);
	cut();
	/* Only at the end they differ. */
	ck_assert_uint_le(staged() - before, 2 * tiny_sizes.chunk_max);
	check_bytes(cf.v, slow, bytes, SLOW_BYTES);
	check_bytes(cf.v, fast, bytes, SLOW_BYTES);
	other = replay();
	check_bytes(other, slow, bytes, SLOW_BYTES);
	free_replayed(other);
	free(bytes);
}
END_TEST

START_TEST(a_tail_that_is_changed_while_it_is_cut_again_stays_changed)
{
	uint8_t *bytes = make_bytes(61, 30000);
	const struct flush_choice all = { .min_bytes = 0 };
	uint64_t ino = new_file("f");
	struct batch b;
	struct file *f;
	bool any;

	put(ino, 0, bytes, 10000);
	cut();
	put(ino, 10000, bytes + 10000, 20000);
	f = file_find(&cf.v->content->files, ino);
	ck_assert_ptr_nonnull(f);
	batch_init(&b, cf.v->content);
	lock_take(&f->lock);
	ck_assert_int_eq(batch_add(&b, f, f->dirty, &all, &any), 0);
	lock_drop(&f->lock);
	ck_assert(any);
	ck_assert_ptr_nonnull(b.ranges[0].tail);
	if (_i == 0) {
		bytes[9000] ^= 1;
		put(ino, 9000, bytes + 9000, 1);
	} else if (_i == 1) {
		ck_assert_int_eq(content_truncate(cf.v, ino, 5000), 0);
		memset(bytes + 5000, 0, 15000);
		put(ino, 20000, bytes + 20000, 10000);
	}
	batch_run(&b, false);
	batch_apply(&b, note_nothing, NULL);
	batch_release(&b);
	file_put(&cf.v->content->files, f);
	check_bytes(cf.v, ino, bytes, 30000);
	cut();
	check_bytes(cf.v, ino, bytes, 30000);
	free(bytes);
}
END_TEST

START_TEST(a_copy_stores_nothing)
{
	uint8_t *bytes = make_bytes(6, 60000);
	uint64_t a = new_file("a"), b = new_file("b"), before;

	put(a, 0, bytes, 60000);
	cut();
	before = staged();
	ck_assert_int_eq(vault_copy_range(cf.v, a, 100, b, 0, 100000), 59900);
	check_bytes(cf.v, b, bytes + 100, 59900);
	cut();
	ck_assert_uint_eq(staged(), before);
	check_bytes(cf.v, b, bytes + 100, 59900);
	free(bytes);
}
END_TEST

START_TEST(ranges_of_one_file_that_overlap_are_not_copied)
{
	uint64_t ino = new_file("f");

	put(ino, 0, "0123456789", 10);
	ck_assert_int_eq(vault_copy_range(cf.v, ino, 0, ino, 5, 6), -EINVAL);
	ck_assert_int_eq(vault_copy_range(cf.v, ino, 0, ino, 5, 5), 5);
	check_bytes(cf.v, ino, (const uint8_t *)"0123401234", 10);
	/* The bytes are shared; changing one copy leaves the other. */
	put(ino, 5, "x", 1);
	check_bytes(cf.v, ino, (const uint8_t *)"01234x1234", 10);
	put(ino, 1, "y", 1);
	check_bytes(cf.v, ino, (const uint8_t *)"0y234x1234", 10);
}
END_TEST

START_TEST(data_overwritten_before_the_cut_is_not_stored)
{
	uint8_t *bytes = make_bytes(7, 900000);
	uint64_t ino = new_file("f"), small;

	put(ino, 0, bytes, 10000);
	cut();
	small = staged();
	/* Enough to be chunked for want of room, then gone. */
	put(ino, 0, bytes, 900000);
	ck_assert_int_eq(flush_for_room(cf.v->content), 0);
	ck_assert_int_eq(content_truncate(cf.v, ino, 0), 0);
	cut();
	ck_assert_uint_eq(staged(), small);
	ck_assert_uint_eq(content_dirty_bytes(cf.v), 0);
	free(bytes);
}
END_TEST

START_TEST(short_data_travels_in_the_operation)
{
	uint64_t ino = new_file("f"), before;
	uint8_t want[1024];

	memset(want, 'x', sizeof(want));
	put(ino, 0, want, sizeof(want));
	before = staged();
	cut();
	ck_assert_uint_eq(staged(), before);
	check_bytes(cf.v, ino, want, sizeof(want));
}
END_TEST

START_TEST(a_full_pack_goes_to_the_vault_before_the_cut)
{
	/* A pack's worth is 1 MiB with so small a budget. */
	uint8_t *bytes = make_bytes(8, 3 << 20);
	uint64_t ino = new_file("f");

	for (size_t at = 0; at < 3 << 20; at += 1 << 16)
		put(ino, at, bytes + at, 1 << 16);
	ck_assert(cf.v->content->pool.n_packs > 0 || cf.packs.len > 0);
	check_bytes(cf.v, ino, bytes, 3 << 20);
	cut();
	check_bytes(cf.v, ino, bytes, 3 << 20);
	ck_assert_uint_gt(cf.packs.len, 0);
	ck_assert_uint_eq(content_dirty_bytes(cf.v), 0);
	free(bytes);
}
END_TEST

START_TEST(memory_stays_within_the_budget)
{
	uint8_t *bytes = make_bytes(9, 4096);
	uint64_t ino = new_file("f"), most = 0;

	for (uint64_t i = 0; i < 2000; i++) {
		memcpy(bytes, &i, sizeof(i));
		put(ino, (i * 7919 % 2000) * 8192, bytes, 4096);
		most = max_of(most, content_dirty_bytes(cf.v));
	}
	ck_assert_uint_gt(most, tiny_sizes.dirty_bytes / 2);
	ck_assert_uint_lt(most, tiny_sizes.dirty_bytes + 65536);
	ck_assert_uint_gt(atomic_load(&cf.n_cuts), 0);
	free(bytes);
}
END_TEST

/* Inline data cannot be chunked: only cuts make room. */
START_TEST(tiny_files_stay_within_the_budget)
{
	uint64_t most = 0;
	char name[16];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(new_file(name), 0, name, sizeof(name));
		most = max_of(most, content_dirty_bytes(cf.v));
	}
	ck_assert_uint_lt(most, tiny_sizes.dirty_bytes + 65536);
	ck_assert_uint_gt(atomic_load(&cf.n_cuts), 0);
}
END_TEST

START_TEST(a_cut_of_one_file_leaves_the_others)
{
	uint64_t a = new_file("a"), b = new_file("b");

	put(a, 0, "a", 1);
	put(b, 0, "b", 1);
	ck_assert_int_eq(vault_fsync(cf.v, a), 0);
	ck_assert(!content_is_dirty(cf.v, a));
	ck_assert(content_is_dirty(cf.v, b));
}
END_TEST

START_TEST(a_large_file_takes_several_operations)
{
	uint64_t ino = new_file("f"), n_content = 0;
	struct vault *v;
	uint8_t byte = 'x';

	for (uint64_t i = 0; i < 1500; i++)
		put(ino, 2 * i, &byte, 1);
	cut();
	for (uint64_t i = 0; i < 40000; i++) {
		put(ino, 2 * i, &byte, 1);
		ck_assert_int_eq(content_make_room(cf.v->content, 0), 0);
	}
	cut();
	v = replay();
	ck_assert_uint_eq(size_of(v, ino), 79999);
	for (uint64_t i = 0; i < 79999; i += 997) {
		ck_assert_int_eq(vault_pread(v, ino, &byte, 1, i), 1);
		ck_assert_uint_eq(byte, i % 2 ? 0 : 'x');
	}
	(void)n_content;
	free_replayed(v);
}
END_TEST

/* ---- moving ---- */

static void link_unnamed(uint64_t ino, const char *name)
{
	struct vault_attr attr;

	ck_assert_int_eq(vault_link(cf.v, ino, VAULT_ROOT_INO,
				    (struct vault_name){ name, strlen(name) },
				    &attr),
			 0);
}

/* The cut has reserved its places before the file's first operation. */
START_TEST(a_file_born_during_a_cut_keeps_its_contents)
{
	const struct vault_new what = { .mode = S_IFREG | 0600 };
	struct oplog_piece *reserved = NULL;
	uint8_t *bytes = make_bytes(18, 30000);
	struct content_cut *taken;
	struct vault_attr attr;
	struct vault *v;
	uint32_t n;

	ck_assert_int_eq(vault_make_unnamed(cf.v, &what, &attr), 0);
	put(attr.ino, 0, bytes, 10000);
	cut();
	put(attr.ino, 10000, bytes + 10000, 20000);
	lock_take(&cf.v->cut_lock);
	ck_assert_int_eq(content_cut_take(cf.v, NULL, 0, &taken, &n), 0);
	lock_take(&cf.v->index_lock);
	ck_assert_int_eq(oplog_cut(&cf.v->oplog, n, &reserved), 0);
	lock_drop(&cf.v->index_lock);
	link_unnamed(attr.ino, "f");
	ck_assert_int_eq(content_cut_flush(cf.v, taken, reserved), 0);
	content_cut_free(taken);
	lock_drop(&cf.v->cut_lock);
	check_bytes(cf.v, attr.ino, bytes, 30000);
	cut();
	v = replay();
	check_bytes(v, attr.ino, bytes, 30000);
	free_replayed(v);
	free(bytes);
}
END_TEST

START_TEST(chunks_named_only_in_memory_survive_a_publish)
{
	uint8_t *bytes = make_bytes(17, 60000);
	uint64_t a = new_file("a"), b = new_file("b");

	put(a, 0, bytes, 60000);
	cut();
	ck_assert_int_eq(vault_copy_range(cf.v, a, 0, b, 0, 60000), 60000);
	ck_assert_int_eq(content_truncate(cf.v, a, 0), 0);
	ck_assert_int_eq(vault_fsync(cf.v, a), 0);
	publish_stage();
	check_bytes(cf.v, b, bytes, 60000);
	cut();
	publish_stage();
	check_bytes(cf.v, b, bytes, 60000);
	free(bytes);
}
END_TEST

/* ---- chunks of others ---- */

/* Another device's pack that holds just these bytes. */
static void add_foreign(const uint8_t *bytes, uint32_t n, uint32_t flags,
			int refs)
{
	struct index_pack p = {
		.writer = 77,
		.name = { 1 },
		.size = 1 << 16,
		.epoch = 1,
		.type = PACK_DATA,
		.n_entries = 1,
		.flags = flags,
	};
	struct index_chunk c = {
		.id = id_of(bytes, n),
		.entry = { .offset = 64,
			   .plain_bytes = n,
			   .stored_bytes = record_stored_bytes(n) },
	};

	memcpy(p.key_id.b, fx.epochs[0].id.b, sizeof(p.key_id.b));
	lock_take(&cf.v->index_lock);
	ck_assert_int_eq(index_pack_add(cf.v->index, &p), 0);
	c.pack = p.pack;
	ck_assert_int_eq(index_chunk_place(cf.v->index, &c), 0);
	ck_assert_int_eq(index_chunk_ref(cf.v->index, c.chunk, refs), 0);
	lock_drop(&cf.v->index_lock);
}

START_TEST(a_chunk_of_another_device_is_shared_once_it_is_known_whole)
{
	uint8_t *bytes = make_bytes(19, 4000);
	uint64_t ino = new_file("f");

	add_foreign(bytes, 4000, PACK_FLAG_WHOLE, 1);
	put(ino, 0, bytes, 4000);
	cut();
	ck_assert_uint_eq(cf.stage.len, 0);
	free(bytes);
}
END_TEST

static const struct {
	uint32_t flags;
	int refs;
} unsure[] = {
	{ 0, 1 },
	{ PACK_FLAG_WHOLE | PACK_FLAG_ABSENT, 1 },
	{ PACK_FLAG_WHOLE, 0 },
};

START_TEST(a_chunk_of_another_device_that_may_go_is_stored_again)
{
	uint8_t *bytes = make_bytes(20, 4000);
	uint64_t ino = new_file("f");

	add_foreign(bytes, 4000, unsure[_i].flags, unsure[_i].refs);
	put(ino, 0, bytes, 4000);
	cut();
	ck_assert_uint_gt(cf.stage.len, 0);
	check_bytes(cf.v, ino, bytes, 4000);
	free(bytes);
}
END_TEST

START_TEST(a_chunk_that_is_missing_is_an_error)
{
	uint8_t *bytes = make_bytes(21, 4000);
	uint64_t ino = new_file("f");
	struct vault_read rd;

	add_foreign(bytes, 4000, PACK_FLAG_WHOLE, 1);
	put(ino, 0, bytes, 4000);
	cut();
	ck_assert_int_eq(vault_read(cf.v, ino, 0, 1, &rd), ERR_MISSING);
	free(bytes);
}
END_TEST

START_TEST(chunks_of_an_older_epoch_are_read)
{
	uint8_t *bytes = make_bytes(22, 100000);
	uint64_t ino = new_file("f");

	put(ino, 0, bytes, 100000);
	cut();
	publish_stage();
	use_next_epoch();
	check_bytes(cf.v, ino, bytes, 100000);
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("content");
	TCase *tc = tcase_create("calls");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(tc, content_make_tiny, content_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_is_written_is_read_at_once_and_after_a_cut);
	tcase_add_test(tc, a_write_beyond_the_end_leaves_zeros);
	tcase_add_test(tc, a_file_cut_and_grown_shows_zeros);
	tcase_add_test(tc, appending_goes_to_the_end);
	tcase_add_test(tc, a_write_takes_privileges_away_when_asked);
	tcase_add_test(tc, calls_that_cannot_be_are_refused);
	tcase_add_test(tc, an_unlinked_file_stays_as_long_as_it_is_held);
	tcase_add_test(tc, holes_and_data_are_told_apart);
	tcase_add_test(tc, equal_data_is_stored_once);
	tcase_add_loop_test(tc, what_is_written_slowly_is_what_is_written_fast,
			    0, array_len(appends));
	tcase_add_loop_test(
		tc, a_tail_that_is_changed_while_it_is_cut_again_stays_changed,
		0, 3);
	tcase_add_test(tc, a_copy_stores_nothing);
	tcase_add_test(tc, ranges_of_one_file_that_overlap_are_not_copied);
	tcase_add_test(tc, data_overwritten_before_the_cut_is_not_stored);
	tcase_add_test(tc, short_data_travels_in_the_operation);
	tcase_add_test(tc, a_full_pack_goes_to_the_vault_before_the_cut);
	tcase_add_test(tc, memory_stays_within_the_budget);
	tcase_add_test(tc, tiny_files_stay_within_the_budget);
	tcase_add_test(tc, a_cut_of_one_file_leaves_the_others);
	tcase_add_test(tc, a_large_file_takes_several_operations);
	tcase_add_test(tc, a_file_born_during_a_cut_keeps_its_contents);
	tcase_add_test(tc, chunks_named_only_in_memory_survive_a_publish);
	tcase_add_test(
		tc, a_chunk_of_another_device_is_shared_once_it_is_known_whole);
	tcase_add_loop_test(
		tc, a_chunk_of_another_device_that_may_go_is_stored_again, 0,
		array_len(unsure));
	tcase_add_test(tc, a_chunk_that_is_missing_is_an_error);
	tcase_add_test(tc, chunks_of_an_older_epoch_are_read);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
