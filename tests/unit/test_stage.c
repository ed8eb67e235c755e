/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "stage_fixture.h"
#include "store/stage_priv.h"

/* ---- the common way ---- */

START_TEST(what_was_appended_is_read_back)
{
	static const uint32_t sizes[] = { 1, 16384, 16385, 500000,
					  CHUNK_MAX_BYTES };
	struct staged s[array_len(sizes)];

	for (uint32_t i = 0; i < array_len(sizes); i++)
		append_well(i, sizes[i], &s[i]);
	for (uint32_t i = 0; i < array_len(sizes); i++) {
		ck_assert_uint_eq(s[i].file, 1);
		ck_assert_int_eq(read_staged(&s[i]), 0);
	}
	ck_assert_int_eq(stage_sync(stage), 0);
	reopen_stage(2);
	for (uint32_t i = 0; i < array_len(sizes); i++)
		ck_assert_int_eq(read_staged(&s[i]), 0);
}
END_TEST

START_TEST(file_is_made_at_the_first_append)
{
	struct staged s;

	ck_assert_uint_eq(stage_file(stage), 1);
	ck_assert(!stage_exists(1));
	ck_assert_int_eq(stage_sync(stage), 0);
	ck_assert_uint_eq(stage_bytes(stage), 0);
	append_well(1, 100, &s);
	ck_assert(stage_exists(1));
	ck_assert_uint_eq(stage_bytes(stage), PACK_HEADER_BYTES + 116);
	ck_assert_uint_eq(stage_file(stage), 1);
}
END_TEST

START_TEST(header_names_no_epoch_and_no_key)
{
	struct pack_header h;
	struct staged s;
	uint8_t *data;
	size_t n;

	append_well(1, 100, &s);
	data = read_stage_file(1, &n);
	ck_assert_int_eq(pack_header_decode(data, &h), 0);
	ck_assert_uint_eq(h.epoch, 0);
	ck_assert_uint_eq(h.writer, OWN_WRITER);
	ck_assert_int_eq(h.type, PACK_DATA);
	ck_assert_mem_eq(&h.vault, &fx.opts.vault, sizeof(h.vault));
	free(data);
}
END_TEST

START_TEST(sync_makes_file_and_name_durable_once)
{
	struct staged s;

	append_well(1, 100, &s);
	ck_assert_int_eq(stage_sync(stage), 0);
	ck_assert_int_eq(fx.disk.n[DISK_FDATASYNC], 1);
	ck_assert_int_eq(fx.disk.n[DISK_FSYNC], 1);
	/* Nothing new: nothing to do. */
	ck_assert_int_eq(stage_sync(stage), 0);
	ck_assert_int_eq(fx.disk.n[DISK_FDATASYNC], 1);
	append_well(2, 100, &s);
	ck_assert_int_eq(stage_sync(stage), 0);
	ck_assert_int_eq(fx.disk.n[DISK_FDATASYNC], 2);
	ck_assert_int_eq(fx.disk.n[DISK_FSYNC], 1);
}
END_TEST

START_TEST(rotate_closes_the_file_and_opens_the_next)
{
	struct staged a, b, c;
	size_t n;

	append_well(1, 1000, &a);
	append_well(2, 20000, &b);
	ck_assert_uint_eq(rotate(), 2);
	ck_assert_int_eq(check_tail(1), 2);
	free(read_stage_file(1, &n));
	/* No padding. */
	ck_assert_uint_eq(n, PACK_HEADER_BYTES + a.e.stored_bytes +
				     b.e.stored_bytes + 2 * PACK_ENTRY_BYTES +
				     TAG_BYTES + PACK_FOOTER_BYTES);
	append_well(3, 1000, &c);
	ck_assert_uint_eq(c.file, 2);
	ck_assert_int_eq(read_staged(&a), 0);
	ck_assert_int_eq(read_staged(&b), 0);
	ck_assert_int_eq(read_staged(&c), 0);
}
END_TEST

START_TEST(rotate_of_an_unused_stage_changes_nothing)
{
	struct staged s;

	ck_assert_uint_eq(rotate(), 1);
	ck_assert_uint_eq(rotate(), 1);
	/* Nor does one that is only reserved. */
	ck_assert_int_eq(stage_reserve(stage, 1000), 0);
	ck_assert_uint_eq(rotate(), 1);
	append_well(1, 10, &s);
	ck_assert_uint_eq(s.file, 1);
	ck_assert_uint_eq(rotate(), 2);
	ck_assert_uint_eq(rotate(), 2);
	ck_assert(!stage_exists(2));
}
END_TEST

START_TEST(rotate_makes_durable_what_no_sync_had)
{
	struct staged s;

	append_well(1, 10, &s);
	rotate();
	ck_assert_int_eq(fx.disk.n[DISK_FDATASYNC], 1);
	ck_assert_int_eq(fx.disk.n[DISK_FSYNC], 1);
}
END_TEST

START_TEST(drop_removes_the_files_below)
{
	struct staged s[4];
	uint64_t bytes;

	for (uint64_t i = 0; i < 4; i++) {
		append_well(i, 5000, &s[i]);
		ck_assert_int_eq(read_staged(&s[i]), 0);
		if (i < 3)
			rotate();
	}
	bytes = stage_bytes(stage);
	ck_assert_int_eq(stage_drop_below(stage, 3), 0);
	ck_assert(!stage_exists(1) && !stage_exists(2) && stage_exists(3) &&
		  stage_exists(4));
	ck_assert_int_eq(read_staged(&s[0]), ERR_MISSING);
	ck_assert_int_eq(read_staged(&s[2]), 0);
	ck_assert_int_eq(read_staged(&s[3]), 0);
	ck_assert_uint_eq(stage_bytes(stage), bytes / 2);
	/* The present file, and two descriptors kept for reading. */
	ck_assert_int_eq(fx.disk.n_open, 3);
	ck_assert_int_eq(stage_drop_below(stage, 3), 0);
}
END_TEST

START_TEST(drop_that_fails_can_be_repeated)
{
	struct staged s;

	append_well(1, 5000, &s);
	rotate();
	disk_fail(&fx.disk, DISK_UNLINK, 1, -EIO);
	ck_assert_int_eq(stage_drop_below(stage, 2), -EIO);
	ck_assert_uint_gt(stage_bytes(stage), 0);
	disk_mend(&fx.disk);
	ck_assert_int_eq(stage_drop_below(stage, 2), 0);
	ck_assert_uint_eq(stage_bytes(stage), 0);
	ck_assert(!stage_exists(1));
}
END_TEST

START_TEST(numbers_are_never_used_again)
{
	struct staged s;

	append_well(1, 10, &s);
	stage_close(stage);
	stage = NULL;
	ck_assert_int_eq(stage_open(fx.store, 1, &stage), -EEXIST);
	ck_assert_ptr_null(stage);
	open_stage(2);
	append_well(1, 10, &s);
	ck_assert_uint_eq(s.file, 2);
}
END_TEST

START_TEST(file_planted_under_the_next_number_is_passed_over)
{
	struct staged s;

	write_stage_file(1, "x", 1);
	append_well(1, 10, &s);
	ck_assert_uint_eq(s.file, 2);
	ck_assert_uint_eq(stage_file(stage), 2);
	ck_assert_int_eq(read_staged(&s), 0);
}
END_TEST

/* Too many entries for one file's trailer. */
START_TEST(full_file_is_followed_by_the_next)
{
	struct content_id id = id_of((const uint8_t *)"x", 1);
	uint64_t file = 0, below;
	struct pack_entry e;

	for (uint32_t i = 0; i < PACK_MAX_ENTRIES; i++) {
		ck_assert_int_eq(stage_append(stage, &id, (const uint8_t *)"x",
					      1, &file, &e),
				 0);
		ck_assert_uint_eq(file, 1);
	}
	ck_assert_int_eq(stage_append(stage, &id, (const uint8_t *)"x", 1,
				      &file, &e),
			 0);
	ck_assert_uint_eq(file, 2);
	ck_assert_uint_eq(e.offset, PACK_HEADER_BYTES);
	/* A sync closes what is full. */
	ck_assert_int_eq(stage_sync(stage), 0);
	ck_assert_int_eq(check_tail(1), (int)PACK_MAX_ENTRIES);
	ck_assert_int_eq(fx.disk.n_open, 1);
	below = rotate();
	ck_assert_uint_eq(below, 3);
	ck_assert_int_eq(check_tail(2), 1);
}
END_TEST

/* ---- threads ---- */

#define N_THREADS 4
#define N_APPENDS 200

static struct staged all[N_THREADS][N_APPENDS];
static atomic_bool appending;

static void *append_many(void *arg)
{
	size_t t = (size_t)(uintptr_t)arg;

	for (size_t i = 0; i < N_APPENDS; i++) {
		uint64_t seed = t * N_APPENDS + i;

		if (append(seed, 1 + (uint32_t)(seed * 7919 % 30000),
			   &all[t][i]) < 0)
			return &appending;
	}
	return NULL;
}

static void *sync_often(void *arg)
{
	uint64_t below;

	(void)arg;
	for (unsigned i = 0; appending; i++) {
		int r = i % 4 == 0 ? stage_rotate(stage, &below)
				   : stage_sync(stage);

		if (r < 0)
			return &appending;
	}
	return NULL;
}

static int compare_staged(const void *a, const void *b)
{
	const struct staged *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->e.offset < y->e.offset ? -1 : x->e.offset > y->e.offset;
}

START_TEST(threads_append_beside_sync_and_rotate)
{
	pthread_t threads[N_THREADS], syncer;
	struct staged *s = &all[0][0];
	uint64_t below, end = 0, file = 0;
	int in_file = 0;
	void *bad;

	appending = true;
	for (uintptr_t i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, append_many,
						(void *)i),
				 0);
	ck_assert_int_eq(pthread_create(&syncer, NULL, sync_often, NULL), 0);
	for (size_t i = 0; i < N_THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &bad), 0);
		ck_assert_ptr_null(bad);
	}
	appending = false;
	ck_assert_int_eq(pthread_join(syncer, &bad), 0);
	ck_assert_ptr_null(bad);
	below = rotate();

	for (size_t i = 0; i < N_THREADS * N_APPENDS; i++)
		ck_assert_int_eq(read_staged(&s[i]), 0);
	/* No two share a byte, none is missing, and every trailer is good. */
	qsort(s, N_THREADS * N_APPENDS, sizeof(*s), compare_staged);
	for (size_t i = 0; i < N_THREADS * N_APPENDS; i++) {
		if (s[i].file != file) {
			if (file > 0)
				ck_assert_int_eq(check_tail(file), in_file);
			file = s[i].file;
			end = PACK_HEADER_BYTES;
			in_file = 0;
		}
		ck_assert_uint_eq(s[i].e.offset, end);
		end += s[i].e.stored_bytes;
		in_file++;
	}
	ck_assert_int_eq(check_tail(file), in_file);
	ck_assert_uint_eq(file + 1, below);
}
END_TEST

static pthread_t rotator;

static void *rotate_once(void *arg)
{
	uint64_t below = 0;

	(void)arg;
	return stage_rotate(stage, &below) == 0 && below == 2 ? NULL : &rotator;
}

/* Once the number has changed and the lock can be had, the rotate waits for
 * this very write. */
static void rotate_meanwhile(void)
{
	fx.disk.on_pwrite = NULL;
	ck_assert_int_eq(pthread_create(&rotator, NULL, rotate_once, NULL), 0);
	while (stage_file(stage) == 1)
		sched_yield();
	lock_take(&stage->lock);
	lock_drop(&stage->lock);
}

START_TEST(rotate_waits_for_the_writes_under_way)
{
	struct staged a, b;
	void *bad;

	append_well(1, 100, &a);
	fx.disk.on_pwrite = rotate_meanwhile;
	append_well(2, 100, &b);
	ck_assert_int_eq(pthread_join(rotator, &bad), 0);
	ck_assert_ptr_null(bad);
	ck_assert_uint_eq(b.file, 1);
	ck_assert_int_eq(check_tail(1), 2);
	ck_assert_int_eq(read_staged(&b), 0);
}
END_TEST

/* ---- a full disk ---- */

START_TEST(append_to_a_full_disk_leaves_no_trace)
{
	struct staged a, b, c;

	append_well(1, 1000, &a);
	fx.disk.copies = true; /* what an earlier one wrote is no help */
	for (int64_t room = 0; room < 50000; room += 9999) {
		uint64_t bytes = stage_bytes(stage);

		fx.disk.room = room;
		ck_assert_int_eq(append(2, 50000, &b), -ENOSPC);
		ck_assert_uint_eq(stage_bytes(stage), bytes);
		disk_mend(&fx.disk);
	}
	append_well(3, 300, &c);
	ck_assert_uint_eq(c.e.offset, a.e.offset + a.e.stored_bytes);
	ck_assert_int_eq(read_staged(&a), 0);
	ck_assert_int_eq(read_staged(&c), 0);
	/* What the failed ones wrote further back is cut away. */
	rotate();
	ck_assert_int_eq(check_tail(1), 2);
}
END_TEST

START_TEST(file_that_cannot_be_begun_is_tried_again)
{
	struct staged s;

	fx.disk.room = 63;
	ck_assert_int_eq(append(1, 10, &s), -ENOSPC);
	ck_assert(!stage_exists(1));
	disk_mend(&fx.disk);
	append_well(1, 10, &s);
	ck_assert_uint_eq(s.file, 1);
	/* Nor is one that cannot even be removed in the way. */
	rotate();
	fx.disk.room = 63;
	disk_fail(&fx.disk, DISK_UNLINK, 1, -EIO);
	ck_assert_int_eq(append(1, 10, &s), -ENOSPC);
	disk_mend(&fx.disk);
	append_well(1, 10, &s);
	ck_assert_uint_eq(s.file, 3);
}
END_TEST

static struct staged inner;

static void append_inner(void)
{
	fx.disk.on_pwrite = NULL;
	disk_mend(&fx.disk);
	append_well(50, 500, &inner);
	disk_fail(&fx.disk, DISK_PWRITE, 1, -ENOSPC);
}

START_TEST(failed_append_behind_which_another_stands_leaves_a_gap)
{
	struct staged a, b, c;

	append_well(1, 1000, &a);
	fx.disk.on_pwrite = append_inner;
	ck_assert_int_eq(append(2, 50000, &b), -ENOSPC);
	disk_mend(&fx.disk);
	append_well(3, 100, &c);
	ck_assert_uint_gt(inner.e.offset, a.e.offset + 50000);
	ck_assert_uint_eq(c.e.offset, inner.e.offset + inner.e.stored_bytes);
	rotate();
	/* Frames find the records; a trailer with a gap would be malformed. */
	ck_assert_int_lt(check_tail(1), 0);
	fixture_reopen();
	ck_assert_int_eq(read_staged(&a), 0);
	ck_assert_int_eq(read_staged(&inner), 0);
	ck_assert_int_eq(read_staged(&c), 0);
}
END_TEST

START_TEST(full_disk_does_not_keep_a_file_from_being_closed)
{
	struct staged s;

	append_well(1, 1000, &s);
	fx.disk.room = 10;
	ck_assert_uint_eq(rotate(), 2);
	ck_assert_int_lt(check_tail(1), 0);
	ck_assert_int_eq(read_staged(&s), 0);
	ck_assert_int_eq(stage_drop_below(stage, 2), 0);
}
END_TEST

START_TEST(reserved_room_is_allocated)
{
	struct stat st;
	struct staged s;

	ck_assert_int_eq(stage_reserve(stage, 1 << 20), 0);
	ck_assert(stage_exists(1));
	ck_assert_int_eq(fstatat(fx.stage_fd, stage_name(1), &st, 0), 0);
	ck_assert_int_eq(st.st_size, PACK_HEADER_BYTES);
	ck_assert_int_ge(st.st_blocks * 512, 1 << 20);
	/* Once is enough. */
	ck_assert_int_eq(stage_reserve(stage, 1 << 20), 0);
	ck_assert_int_eq(stage_reserve(stage, 1 << 10), 0);
	ck_assert_int_eq(fx.disk.n[DISK_ALLOCATE], 1);
	/* What is not used is given back. */
	append_well(1, 1000, &s);
	rotate();
	ck_assert_int_eq(fstatat(fx.stage_fd, stage_name(1), &st, 0), 0);
	ck_assert_int_lt(st.st_blocks * 512, 1 << 16);
	ck_assert_int_eq(check_tail(1), 1);
}
END_TEST

START_TEST(reserving_on_a_full_disk_is_told)
{
	struct staged s;

	fx.disk.no_allocate = -ENOSPC;
	ck_assert_int_eq(stage_reserve(stage, 1 << 20), -ENOSPC);
	append_well(1, 100, &s);
	ck_assert_int_eq(stage_reserve(stage, STAGE_FILE_MAX_BYTES), ERR_LIMIT);
}
END_TEST

START_TEST(where_nothing_can_be_reserved_free_space_is_asked_for)
{
	fx.disk.no_allocate = -EOPNOTSUPP;
	ck_assert_int_eq(stage_reserve(stage, 1 << 20), 0);
	fx.disk.blocks_free = 10;
	ck_assert_int_eq(stage_reserve(stage, 1 << 20), -ENOSPC);
	ck_assert_int_eq(stage_reserve(stage, 100), 0);
}
END_TEST

/* What does not fit the present file any more goes to the next, and the room
 * reserved goes with it. */
START_TEST(reserved_room_moves_to_the_next_file)
{
	struct staged a, b;
	struct stat st;

	append_well(1, 100, &a);
	stage->present->n_entries = PACK_MAX_ENTRIES - 1;
	ck_assert_int_eq(stage_reserve(stage, 4 << 20), 0);
	append_well(2, 100, &a);
	ck_assert_uint_eq(a.file, 1);
	append_well(3, 100, &b);
	ck_assert_uint_eq(b.file, 2);
	ck_assert_int_eq(fstatat(fx.stage_fd, stage_name(1), &st, 0), 0);
	ck_assert_int_lt(st.st_blocks * 512, 1 << 20);
	ck_assert_int_eq(fstatat(fx.stage_fd, stage_name(2), &st, 0), 0);
	ck_assert_int_ge(st.st_blocks * 512, (4 << 20) - 4096);
	ck_assert_int_eq(fx.disk.n[DISK_ALLOCATE], 2);
	ck_assert_int_eq(stage_reserve(stage, 3 << 20), 0);
	ck_assert_int_eq(fx.disk.n[DISK_ALLOCATE], 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stage");
	TCase *tc = tcase_create("stage");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, stage_fixture_make, stage_fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_was_appended_is_read_back);
	tcase_add_test(tc, file_is_made_at_the_first_append);
	tcase_add_test(tc, header_names_no_epoch_and_no_key);
	tcase_add_test(tc, sync_makes_file_and_name_durable_once);
	tcase_add_test(tc, rotate_closes_the_file_and_opens_the_next);
	tcase_add_test(tc, rotate_of_an_unused_stage_changes_nothing);
	tcase_add_test(tc, rotate_makes_durable_what_no_sync_had);
	tcase_add_test(tc, drop_removes_the_files_below);
	tcase_add_test(tc, drop_that_fails_can_be_repeated);
	tcase_add_test(tc, numbers_are_never_used_again);
	tcase_add_test(tc, file_planted_under_the_next_number_is_passed_over);
	tcase_add_test(tc, full_file_is_followed_by_the_next);
	tcase_add_test(tc, threads_append_beside_sync_and_rotate);
	tcase_add_test(tc, rotate_waits_for_the_writes_under_way);
	tcase_add_test(tc, append_to_a_full_disk_leaves_no_trace);
	tcase_add_test(tc, file_that_cannot_be_begun_is_tried_again);
	tcase_add_test(tc,
		       failed_append_behind_which_another_stands_leaves_a_gap);
	tcase_add_test(tc, full_disk_does_not_keep_a_file_from_being_closed);
	tcase_add_test(tc, reserved_room_is_allocated);
	tcase_add_test(tc, reserving_on_a_full_disk_is_told);
	tcase_add_test(tc,
		       where_nothing_can_be_reserved_free_space_is_asked_for);
	tcase_add_test(tc, reserved_room_moves_to_the_next_file);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
