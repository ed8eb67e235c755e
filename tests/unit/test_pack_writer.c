/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/hex.h"
#include "base/mem.h"
#include "store/store_priv.h"
#include "store_fixture.h"
#include "tempdir.h"

static const uint32_t sizes[] = { 1, 100, 16384, 16385, 65536, 300000 };
#define N_SIZES ((uint32_t)array_len(sizes))

static struct pack_writer *open_writer(void)
{
	struct pack_writer *w = NULL;

	ck_assert_int_eq(
		pack_writer_open(fx.store, PACK_DATA, &fx.epochs[1], &w), 0);
	return w;
}

static int add(struct pack_writer *w, uint64_t seed, uint32_t n,
	       struct pack_entry *ret)
{
	uint8_t *plain = make_bytes(seed, n);
	struct content_id id = id_of(plain, n);
	int r = pack_writer_add(w, &id, plain, n, ret);

	free(plain);
	return r;
}

/* Files below the own data folder, whatever their folder. */
static int count_entry(void *arg, bool is_pack, const uint8_t *pack,
		       const char *path)
{
	int *n = arg;

	(void)pack;
	(void)path;
	n[is_pack ? 0 : 1]++;
	return 0;
}

static void count_packs(int *ret_packs, int *ret_others)
{
	int n[2] = { 0, 0 };

	ck_assert_int_eq(store_list_packs(fx.store, OWN_WRITER, count_entry, n),
			 0);
	*ret_packs = n[0];
	*ret_others = n[1];
}

static void assert_no_files(void)
{
	int packs, others;

	count_packs(&packs, &others);
	ck_assert_int_eq(packs, 0);
	ck_assert_int_eq(others, 0);
}

START_TEST(what_was_added_is_read_back)
{
	struct made_pack p;

	make_pack(&fx.epochs[1], 10, sizes, N_SIZES, &p);
	for (uint32_t i = 0; i < N_SIZES; i++)
		ck_assert_int_eq(read_pack_chunk(&p, i), 0);
	ck_assert_int_eq(store_verify_pack(fx.store, OWN_WRITER, p.name,
					   &p.announced, true, NULL, NULL),
			 0);
	ck_assert_int_eq(store_verify_pack(fx.store, OWN_WRITER, p.name, NULL,
					   true, NULL, NULL),
			 0);
}
END_TEST

START_TEST(largest_chunk_fits)
{
	static const uint32_t large[] = { CHUNK_MAX_BYTES, 5, CHUNK_MAX_BYTES };
	struct made_pack p;

	make_pack(&fx.epochs[1], 20, large, 3, &p);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(read_pack_chunk(&p, i), 0);
}
END_TEST

START_TEST(file_stands_under_its_name_in_its_folder)
{
	struct made_pack p;
	struct stat st;

	make_pack(&fx.epochs[1], 10, sizes, N_SIZES, &p);
	ck_assert_int_eq(fstatat(fx.vault_fd, pack_path(&p), &st, 0), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, p.size);
	ck_assert_uint_eq(p.size % PACK_MIN_BYTES, 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_uint_eq(st.st_nlink, 1);
}
END_TEST

START_TEST(names_differ)
{
	struct made_pack a, b;

	make_pack(&fx.epochs[1], 10, sizes, 1, &a);
	make_pack(&fx.epochs[1], 10, sizes, 1, &b);
	ck_assert_mem_ne(a.name, b.name, sizeof(a.name));
}
END_TEST

START_TEST(entries_follow_each_other_without_gap)
{
	struct pack_writer *w = open_writer();
	uint64_t at = PACK_HEADER_BYTES;
	struct pack_entry e;

	for (uint32_t i = 0; i < N_SIZES; i++) {
		ck_assert_int_eq(add(w, i, sizes[i], &e), 0);
		ck_assert_uint_eq(e.offset, at);
		at += e.stored_bytes;
		ck_assert_uint_eq(pack_writer_entries(w), i + 1);
	}
	pack_writer_close(w);
}
END_TEST

START_TEST(bytes_are_those_of_the_finished_file)
{
	struct pack_writer *w = open_writer();
	struct segment_pack a;
	uint64_t before;

	ck_assert_int_eq(add(w, 1, 100000, NULL), 0);
	before = pack_writer_bytes(w);
	ck_assert_int_eq(pack_writer_finish(w, false), 0);
	ck_assert_uint_eq(pack_writer_bytes(w), before);
	pack_writer_announcement(w, &a);
	ck_assert_uint_eq(a.size, before);
	pack_writer_close(w);
}
END_TEST

START_TEST(sealed_elsewhere_is_the_same)
{
	uint8_t *plain = make_bytes(3, 50000), *sealed = malloc(60000);
	struct content_id id = id_of(plain, 50000);
	struct pack_writer *w = open_writer();
	struct store_place place = { .writer = OWN_WRITER, .type = PACK_DATA };
	const struct epoch_keys *k = pack_writer_keys(w);
	struct segment_pack a;

	ck_assert_ptr_nonnull(sealed);
	ck_assert_ptr_eq(k, &fx.epochs[1]);
	ck_assert_int_eq(add(w, 1, 100, NULL), 0);
	record_seal(&k->chk, &k->hdg, &fx.opts.vault, PACK_DATA, &id, plain,
		    50000, sealed, &place.entry);
	ck_assert_int_eq(pack_writer_add_sealed(w, &place.entry, sealed), 0);
	ck_assert_uint_eq(place.entry.offset, PACK_HEADER_BYTES + 116);
	ck_assert_int_eq(pack_writer_finish(w, true), 0);
	pack_writer_announcement(w, &a);
	ck_assert_int_eq(pack_writer_publish(w), 0);
	place.pack_bytes = a.size;
	place.epoch = a.epoch;
	place.key_id = a.key_id;
	memcpy(place.pack, a.name, sizeof(place.pack));
	ck_assert_int_eq(read_chunk(&place, 2, 3), 0);
	pack_writer_close(w);
	free(sealed);
	free(plain);
}
END_TEST

START_TEST(closed_unpublished_leaves_nothing)
{
	struct pack_writer *w = open_writer();

	ck_assert_int_eq(add(w, 1, 3000000, NULL), 0);
	pack_writer_close(w);
	assert_no_files();
	w = open_writer();
	ck_assert_int_eq(add(w, 1, 3000, NULL), 0);
	ck_assert_int_eq(pack_writer_finish(w, true), 0);
	pack_writer_close(w);
	assert_no_files();
	pack_writer_close(NULL);
}
END_TEST

START_TEST(without_records_there_is_no_pack)
{
	struct pack_writer *w = open_writer();

	ck_assert_int_eq(pack_writer_finish(w, true), -EINVAL);
	pack_writer_close(w);
	assert_no_files();
}
END_TEST

START_TEST(full_by_bytes_it_can_still_be_finished)
{
	uint8_t *plain = make_bytes(9, CHUNK_MAX_BYTES);
	struct content_id id = id_of(plain, CHUNK_MAX_BYTES);
	struct pack_writer *w = open_writer();
	uint32_t n = 0;
	int r;

	while ((r = pack_writer_add(w, &id, plain, CHUNK_MAX_BYTES, NULL)) == 0)
		n++;
	ck_assert_int_eq(r, ERR_LIMIT);
	ck_assert_uint_eq(n, PACK_MAX_BYTES / CHUNK_MAX_BYTES - 1);
	/* What is smaller may still fit. */
	ck_assert_int_eq(add(w, 1, 2 << 20, NULL), 0);
	ck_assert_int_eq(pack_writer_finish(w, false), 0);
	ck_assert_uint_le(pack_writer_bytes(w), PACK_MAX_BYTES);
	ck_assert_int_eq(pack_writer_publish(w), 0);
	pack_writer_close(w);
	free(plain);
}
END_TEST

START_TEST(full_by_entries_it_can_still_be_finished)
{
	struct content_id id = id_of((const uint8_t *)"x", 1);
	struct pack_writer *w = open_writer();

	for (uint32_t i = 0; i < PACK_MAX_ENTRIES; i++)
		ck_assert_int_eq(pack_writer_add(w, &id, (const uint8_t *)"x",
						 1, NULL),
				 0);
	ck_assert_int_eq(pack_writer_add(w, &id, (const uint8_t *)"x", 1, NULL),
			 ERR_LIMIT);
	ck_assert_uint_eq(pack_writer_entries(w), PACK_MAX_ENTRIES);
	ck_assert_int_eq(pack_writer_finish(w, false), 0);
	pack_writer_close(w);
}
END_TEST

/* The disk writes one byte wrong; wherever that is, the pack never gets a
 * name. */
START_TEST(what_the_disk_got_wrong_is_found_before_publishing)
{
	static const uint32_t two[] = { 40000, 70000 };
	struct made_pack good;

	make_pack(&fx.epochs[1], 1, two, 2, &good);
	ck_assert_int_eq(store_remove_pack(fx.store, good.name), 0);
	for (uint64_t at = 1; at < good.size; at += 1 + good.size / 97) {
		struct pack_writer *w = open_writer();

		fx.disk.flip_at = at;
		ck_assert_int_eq(add(w, 1, two[0], NULL), 0);
		ck_assert_int_eq(add(w, 2, two[1], NULL), 0);
		ck_assert_int_lt(pack_writer_finish(w, true), 0);
		ck_assert_int_lt(pack_writer_publish(w), 0);
		pack_writer_close(w);
	}
	assert_no_files();
}
END_TEST

START_TEST(wrong_content_id_is_found_when_reading_back)
{
	struct pack_writer *w = open_writer();
	uint8_t *plain = make_bytes(1, 5000);
	struct content_id id = id_of(plain, 4999);

	ck_assert_int_eq(pack_writer_add(w, &id, plain, 5000, NULL), 0);
	ck_assert_int_eq(pack_writer_finish(w, true), ERR_BAD_SEAL);
	pack_writer_close(w);
	free(plain);
	assert_no_files();
}
END_TEST

START_TEST(full_disk_is_told_and_leaves_nothing)
{
	for (int64_t room = 0; room < 3 << 20; room += 700001) {
		struct pack_writer *w = open_writer();
		int r = 0;

		fx.disk.room = room;
		for (uint64_t i = 0; i < 6 && r == 0; i++)
			r = add(w, i, 500000, NULL);
		if (r == 0)
			r = pack_writer_finish(w, true);
		ck_assert_int_eq(r, -ENOSPC);
		/* Not even once there is room again. */
		disk_mend(&fx.disk);
		ck_assert_int_eq(add(w, 1, 10, NULL), -ENOSPC);
		ck_assert_int_eq(pack_writer_finish(w, true), -ENOSPC);
		pack_writer_close(w);
	}
	assert_no_files();
}
END_TEST

START_TEST(failed_sync_is_not_published)
{
	struct pack_writer *w = open_writer();

	ck_assert_int_eq(add(w, 1, 1000, NULL), 0);
	disk_fail(&fx.disk, DISK_FSYNC, 1, -EIO);
	ck_assert_int_eq(pack_writer_finish(w, true), -EIO);
	disk_mend(&fx.disk);
	ck_assert_int_eq(pack_writer_publish(w), -EIO);
	pack_writer_close(w);
	assert_no_files();
}
END_TEST

START_TEST(file_and_folder_are_synced)
{
	struct pack_writer *w = open_writer();
	int before;

	ck_assert_int_eq(add(w, 1, 1000, NULL), 0);
	before = fx.disk.n[DISK_FSYNC];
	ck_assert_int_eq(pack_writer_finish(w, true), 0);
	ck_assert_int_eq(fx.disk.n[DISK_FSYNC], before + 1);
	ck_assert_int_eq(pack_writer_publish(w), 0);
	ck_assert_int_eq(fx.disk.n[DISK_FSYNC], before + 2);
	pack_writer_close(w);
}
END_TEST

START_TEST(folders_are_made_again_when_they_vanish)
{
	static const uint32_t one[] = { 10 };
	char command[512];
	struct made_pack p;

	make_pack(&fx.epochs[1], 1, one, 1, &p);
	for (unsigned i = 0; i < 256; i++)
		atomic_store(&fx.store->is_folder_durable[i], true);
	snprintf(command, sizeof(command), "rm -rf '%s/vault/w'",
		 tempdir_path());
	ck_assert_int_eq(system(command), 0);
	make_pack(&fx.epochs[1], 1, one, 1, &p);
	ck_assert_int_eq(read_pack_chunk(&p, 0), 0);
}
END_TEST

START_TEST(link_in_place_of_a_folder_is_not_followed)
{
	struct pack_writer *w = NULL;
	char path[300];

	ck_assert_int_eq(mkdirat(tempdir_fd(), "elsewhere", 0700), 0);
	snprintf(path, sizeof(path), "%s/elsewhere", tempdir_path());
	ck_assert_int_eq(symlinkat(path, fx.vault_fd, "w"), 0);
	ck_assert_int_eq(pack_writer_open(fx.store, PACK_DATA, &fx.epochs[1],
					  &w),
			 ERR_DAMAGED);
	ck_assert_ptr_null(w);
	ck_assert_int_eq(unlinkat(fx.vault_fd, "w", 0), 0);
}
END_TEST

START_TEST(works_without_unnamed_temporaries)
{
	static const uint32_t one[] = { 10000 };
	struct made_pack p;
	int packs, others;

	fx.disk.no_tmpfile = -EOPNOTSUPP;
	make_pack(&fx.epochs[1], 1, one, 1, &p);
	ck_assert_int_eq(read_pack_chunk(&p, 0), 0);
	count_packs(&packs, &others);
	ck_assert_int_eq(packs, 1);
	ck_assert_int_eq(others, 0);
}
END_TEST

START_TEST(temporaries_of_a_crash_are_swept)
{
	static const uint32_t one[] = { 10000 };
	char path[300], folder[200];
	struct made_pack p;
	int packs, others;

	make_pack(&fx.epochs[1], 1, one, 1, &p);
	snprintf(folder, sizeof(folder), "%s", pack_path(&p));
	*strrchr(folder, '/') = '\0';
	snprintf(path, sizeof(path), "%s/~%032x", folder, 5);
	write_path(path, "left", 4);
	/* Not the pattern: somebody else's. */
	snprintf(path, sizeof(path), "%s/~%031x", folder, 5);
	write_path(path, "kept", 4);
	count_packs(&packs, &others);
	ck_assert_int_eq(others, 2);
	ck_assert_int_eq(store_sweep_temporaries(fx.store), 0);
	count_packs(&packs, &others);
	ck_assert_int_eq(packs, 1);
	ck_assert_int_eq(others, 1);
	ck_assert_int_eq(faccessat(fx.vault_fd, path, F_OK, 0), 0);
}
END_TEST

START_TEST(sweeping_nothing_is_no_error)
{
	ck_assert_int_eq(store_sweep_temporaries(fx.store), 0);
}
END_TEST

START_TEST(metadata_packs_need_their_own_content_key)
{
	uint8_t *plain = make_bytes(1, 5000);
	struct pack_writer *w;
	struct content_id id;

	keys_content_id(&fx.vault_keys.cid_meta, plain, 5000, &id);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(pack_writer_open(fx.store, PACK_METADATA,
						  &fx.epochs[1], &w),
				 0);
		ck_assert_int_eq(pack_writer_add(w, &id, plain, 5000, NULL), 0);
		ck_assert_int_eq(pack_writer_finish(w, true),
				 i == 0 ? ERR_NEWER : 0);
		pack_writer_close(w);
		fx.opts.cid_meta = &fx.vault_keys.cid_meta;
		fixture_reopen();
	}
	free(plain);
}
END_TEST

/* Every allocation in turn fails: an error, and nothing left behind. */
START_TEST(want_of_memory_leaves_nothing)
{
	bool hit = true;

	for (unsigned long nth = 1; hit; nth++) {
		struct pack_writer *w = NULL;
		int r;

		mem_fail_nth(nth, false);
		r = pack_writer_open(fx.store, PACK_DATA, &fx.epochs[1], &w);
		if (r == 0)
			r = add(w, 1, 40000, NULL);
		if (r == 0)
			r = pack_writer_finish(w, true);
		hit = mem_fail_hit();
		mem_fail_nth(0, false);
		ck_assert_int_eq(r, hit ? -ENOMEM : 0);
		pack_writer_close(w);
	}
	assert_no_files();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pack_writer");
	TCase *tc = tcase_create("pack_writer");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, fixture_make, fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_was_added_is_read_back);
	tcase_add_test(tc, largest_chunk_fits);
	tcase_add_test(tc, file_stands_under_its_name_in_its_folder);
	tcase_add_test(tc, names_differ);
	tcase_add_test(tc, entries_follow_each_other_without_gap);
	tcase_add_test(tc, bytes_are_those_of_the_finished_file);
	tcase_add_test(tc, sealed_elsewhere_is_the_same);
	tcase_add_test(tc, closed_unpublished_leaves_nothing);
	tcase_add_test(tc, without_records_there_is_no_pack);
	tcase_add_test(tc, full_by_bytes_it_can_still_be_finished);
	tcase_add_test(tc, full_by_entries_it_can_still_be_finished);
	tcase_add_test(tc, what_the_disk_got_wrong_is_found_before_publishing);
	tcase_add_test(tc, wrong_content_id_is_found_when_reading_back);
	tcase_add_test(tc, full_disk_is_told_and_leaves_nothing);
	tcase_add_test(tc, failed_sync_is_not_published);
	tcase_add_test(tc, file_and_folder_are_synced);
	tcase_add_test(tc, folders_are_made_again_when_they_vanish);
	tcase_add_test(tc, link_in_place_of_a_folder_is_not_followed);
	tcase_add_test(tc, works_without_unnamed_temporaries);
	tcase_add_test(tc, temporaries_of_a_crash_are_swept);
	tcase_add_test(tc, sweeping_nothing_is_no_error);
	tcase_add_test(tc, metadata_packs_need_their_own_content_key);
	tcase_add_test(tc, want_of_memory_leaves_nothing);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
