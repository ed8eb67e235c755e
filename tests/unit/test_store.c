/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "base/hex.h"
#include "base/mem.h"
#include "store_fixture.h"

/* Two steps of padding, so that a pack may be announced smaller. */
static const uint32_t sizes[] = { 40000, 16384, 1, 40000 };
#define N_SIZES ((uint32_t)array_len(sizes))

static struct made_pack pack;

static void setup(void)
{
	fixture_make();
	make_pack(&fx.epochs[1], 10, sizes, N_SIZES, &pack);
}

/* ---- reading ---- */

START_TEST(every_range_of_sub_blocks_reads_its_bytes)
{
	static const uint32_t large[] = { 20 * 16384 + 77 };
	uint8_t *want = make_bytes(99, large[0]), *got = malloc(large[0]);
	struct store_place place;
	struct made_pack p;

	ck_assert_ptr_nonnull(got);
	make_pack(&fx.epochs[1], 99, large, 1, &p);
	place = place_of(&p, 0);
	for (uint32_t first = 0; first < 21; first++)
		for (uint32_t count = 1; first + count <= 21; count++) {
			size_t from = (size_t)first * 16384, n;

			n = min_of((size_t)count * 16384, large[0] - from);
			memset(got, 0xaa, large[0]);
			ck_assert_int_eq(store_read(fx.store, &place, 2, first,
						    count, false, got),
					 0);
			ck_assert_mem_eq(got, want + from, n);
			if (n < large[0])
				ck_assert_uint_eq(got[n], 0xaa);
		}
	free(got);
	free(want);
}
END_TEST

START_TEST(ranges_outside_the_chunk_are_refused)
{
	struct store_place place = place_of(&pack, 0);
	uint8_t out[4 * RECORD_SUB_BYTES];

	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 0, false, out),
			 -EINVAL);
	ck_assert_int_eq(store_read(fx.store, &place, 2, 3, 1, false, out),
			 -EINVAL);
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 4, false, out),
			 -EINVAL);
	ck_assert_int_eq(store_read(fx.store, &place, 2, 1, UINT32_MAX, false,
				    out),
			 -EINVAL);
}
END_TEST

/* What an index gone wrong might say; all before the disk is asked. */
START_TEST(places_no_pack_can_have_are_refused)
{
	struct store_place good = place_of(&pack, 0), p;
	uint8_t out[4 * RECORD_SUB_BYTES];
	int opens = fx.disk.n[DISK_OPEN];

#define REFUSED(change, err)                                                   \
	do {                                                                   \
		p = good;                                                      \
		change;                                                        \
		ck_assert_int_eq(                                              \
			store_read(fx.store, &p, 2, 0, 1, false, out), err);   \
	} while (0)
	REFUSED(p.entry.plain_bytes = 0, ERR_MALFORMED);
	REFUSED(p.entry.plain_bytes = CHUNK_MAX_BYTES + 1, ERR_MALFORMED);
	REFUSED(p.entry.stored_bytes++, ERR_MALFORMED);
	REFUSED(p.entry.offset = PACK_HEADER_BYTES - 1, ERR_MALFORMED);
	REFUSED(p.entry.offset = (uint32_t)p.pack_bytes, ERR_MALFORMED);
	REFUSED(p.entry.offset = UINT32_MAX, ERR_MALFORMED);
	REFUSED(p.pack_bytes = 0, ERR_MALFORMED);
	REFUSED(p.pack_bytes = UINT64_MAX, ERR_MALFORMED);
	REFUSED(p.entry.codec = 1, ERR_NEWER);
	REFUSED(p.type = 3, ERR_NEWER);
#undef REFUSED
	ck_assert_int_eq(fx.disk.n[DISK_OPEN], opens);
}
END_TEST

START_TEST(chunks_of_an_unknown_key_ask_for_a_newer_keyring)
{
	struct store_place p = place_of(&pack, 0);
	uint8_t out[RECORD_SUB_BYTES];

	p.epoch = 3;
	ck_assert_int_eq(store_read(fx.store, &p, 3, 0, 1, false, out),
			 ERR_NEW_EPOCH);
	p = place_of(&pack, 0);
	p.key_id.b[0] ^= 1;
	ck_assert_int_eq(store_read(fx.store, &p, 3, 0, 1, false, out),
			 ERR_NEW_EPOCH);
}
END_TEST

START_TEST(missing_files_are_told)
{
	struct store_place p = place_of(&pack, 0);
	uint8_t out[RECORD_SUB_BYTES];

	p.pack[15] ^= 1; /* the folder is there */
	ck_assert_int_eq(store_read(fx.store, &p, 2, 0, 1, false, out),
			 ERR_MISSING);
	p.writer++; /* not even that */
	ck_assert_int_eq(store_read(fx.store, &p, 2, 0, 1, false, out),
			 ERR_MISSING);
	ck_assert_int_eq(unlinkat(fx.vault_fd, pack_path(&pack), 0), 0);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_MISSING);
	ck_assert_int_eq(store_verify_pack(fx.store, OWN_WRITER, pack.name,
					   NULL, true, NULL, NULL),
			 ERR_MISSING);
}
END_TEST

/* ---- not waiting ---- */

START_TEST(nowait_reads_what_is_open_and_in_memory)
{
	struct store_place place = place_of(&pack, 0);
	uint8_t *want = make_bytes(10, sizes[0]), out[3 * RECORD_SUB_BYTES];

	fixture_reopen();
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 3, true, out),
			 -EAGAIN);
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 3, false, out), 0);
	memset(out, 0, sizeof(out));
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 3, true, out), 0);
	ck_assert_mem_eq(out, want, sizes[0]);
	free(want);
}
END_TEST

START_TEST(nowait_says_again_where_the_disk_would_be_waited_for)
{
	static const int errors[] = { -EAGAIN, -EOPNOTSUPP };
	struct store_place place = place_of(&pack, 0);
	uint8_t out[3 * RECORD_SUB_BYTES];

	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 3, false, out), 0);
	for (size_t i = 0; i < array_len(errors); i++) {
		int opens = fx.disk.n[DISK_OPEN];

		fx.disk.nowait_err = errors[i];
		ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 3, true,
					    out),
				 -EAGAIN);
		/* And the file stays open for the reader that may wait. */
		ck_assert_int_eq(
			store_read(fx.store, &place, 2, 0, 3, false, out), 0);
		ck_assert_int_eq(fx.disk.n[DISK_OPEN], opens);
	}
	fx.disk.nowait_err = 0;
	fx.disk.nowait_max = 20000;
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 3, true, out),
			 -EAGAIN);
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 1, true, out), 0);
	fx.disk.nowait_err = -EIO;
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 3, true, out),
			 -EIO);
}
END_TEST

/* ---- descriptors ---- */

#define N_PACKS 10

START_TEST(descriptors_are_kept_and_bounded)
{
	static const uint32_t one[] = { 100 };
	struct made_pack packs[N_PACKS];
	int opens;

	for (uint64_t i = 0; i < N_PACKS; i++)
		make_pack(&fx.epochs[1], i, one, 1, &packs[i]);
	fx.opts.max_open_files = 3;
	fixture_reopen();
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < N_PACKS; i++) {
			ck_assert_int_eq(read_pack_chunk(&packs[i], 0), 0);
			ck_assert_int_le(fx.disk.n_open, 3);
		}
	/* The three used last are open still. */
	opens = fx.disk.n[DISK_OPEN];
	for (size_t i = N_PACKS - 3; i < N_PACKS; i++)
		ck_assert_int_eq(read_pack_chunk(&packs[i], 0), 0);
	ck_assert_int_eq(fx.disk.n[DISK_OPEN], opens);
	/* Used again, the oldest of them outlives the others. */
	ck_assert_int_eq(read_pack_chunk(&packs[N_PACKS - 3], 0), 0);
	ck_assert_int_eq(read_pack_chunk(&packs[0], 0), 0);
	opens = fx.disk.n[DISK_OPEN];
	ck_assert_int_eq(read_pack_chunk(&packs[N_PACKS - 3], 0), 0);
	ck_assert_int_eq(fx.disk.n[DISK_OPEN], opens);
	ck_assert_int_eq(read_pack_chunk(&packs[N_PACKS - 2], 0), 0);
	ck_assert_int_gt(fx.disk.n[DISK_OPEN], opens);
}
END_TEST

START_TEST(removed_pack_is_gone_and_its_descriptor_too)
{
	struct stat st;

	ck_assert_int_eq(read_pack_chunk(&pack, 0), 0);
	ck_assert_int_eq(fx.disk.n_open, 1);
	ck_assert_int_eq(store_remove_pack(fx.store, pack.name), 0);
	ck_assert_int_eq(fx.disk.n_open, 0);
	ck_assert_int_eq(fstatat(fx.vault_fd, pack_path(&pack), &st, 0), -1);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_MISSING);
	ck_assert_int_eq(store_remove_pack(fx.store, pack.name), 0);
	pack.name[0] ^= 1;
	ck_assert_int_eq(store_remove_pack(fx.store, pack.name), 0);
}
END_TEST

START_TEST(forgotten_pack_is_opened_anew)
{
	ck_assert_int_eq(read_pack_chunk(&pack, 0), 0);
	store_forget_pack(fx.store, OWN_WRITER + 1, pack.name);
	ck_assert_int_eq(fx.disk.n_open, 1);
	store_forget_pack(fx.store, OWN_WRITER, pack.name);
	ck_assert_int_eq(fx.disk.n_open, 0);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), 0);
}
END_TEST

static void forget_meanwhile(void)
{
	store_forget_pack(fx.store, OWN_WRITER, pack.name);
}

/* It is being opened while it is removed: nobody would close it again. */
START_TEST(pack_forgotten_while_it_is_opened_is_not_kept)
{
	fx.disk.on_open = forget_meanwhile;
	ck_assert_int_eq(read_pack_chunk(&pack, 0), 0);
	ck_assert_int_eq(fx.disk.n_open, 0);
	fx.disk.on_open = NULL;
	ck_assert_int_eq(read_pack_chunk(&pack, 0), 0);
	ck_assert_int_eq(fx.disk.n_open, 1);
}
END_TEST

START_TEST(other_announcements_of_an_open_pack_are_not_believed)
{
	struct store_place place = place_of(&pack, 0);
	uint8_t out[RECORD_SUB_BYTES];

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(read_pack_chunk(&pack, 0), 0);
		place = place_of(&pack, 0);
		if (i == 0)
			place.pack_bytes += 65536;
		else if (i == 1)
			place.pack_bytes -= 65536;
		else
			place.type = PACK_METADATA;
		ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 1, false,
					    out),
				 i == 0	  ? ERR_TRUNCATED
				 : i == 1 ? ERR_DAMAGED
					  : ERR_BAD_NAME);
	}
	/* A key of the keyring, but another epoch's. */
	ck_assert_int_eq(read_pack_chunk(&pack, 0), 0);
	place = place_of(&pack, 0);
	place.epoch = 1;
	memcpy(place.key_id.b, fx.epochs[0].id.b, sizeof(place.key_id.b));
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 1, false, out),
			 ERR_BAD_NAME);
}
END_TEST

/* A sync tool replaces a damaged file by a good one: another inode. */
START_TEST(file_that_failed_is_opened_anew)
{
	size_t n;
	uint8_t *data = read_path(pack_path(&pack), &n);

	flip_path(pack_path(&pack), pack.entries[0].offset);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_BAD_SEAL);
	write_path("good", data, n);
	ck_assert_int_eq(renameat(fx.vault_fd, "good", fx.vault_fd,
				  pack_path(&pack)),
			 0);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), 0);
	free(data);
}
END_TEST

#define N_THREADS 4
#define N_READS 300

static struct made_pack shared[N_PACKS];

static void *read_at_random(void *arg)
{
	uint64_t x = 77 + (uint64_t)(uintptr_t)arg;
	uint8_t *out = malloc(40000);
	long bad = 0;

	for (unsigned i = 0; i < N_READS; i++) {
		struct made_pack *p;
		struct store_place place;
		uint8_t *want;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p = &shared[x % N_PACKS];
		place = place_of(p, 0);
		if (i % 16 == 0)
			store_forget_pack(fx.store, OWN_WRITER, p->name);
		bad += store_read(fx.store, &place, 2, 0, 3, false, out) != 0;
		want = make_bytes(p->seed, 40000);
		bad += memcmp(out, want, 40000) != 0;
		free(want);
	}
	free(out);
	return (void *)bad;
}

START_TEST(readers_and_eviction_do_not_disturb_each_other)
{
	static const uint32_t one[] = { 40000 };
	pthread_t threads[N_THREADS];

	for (uint64_t i = 0; i < N_PACKS; i++)
		make_pack(&fx.epochs[1], 100 + i, one, 1, &shared[i]);
	fx.opts.max_open_files = 2;
	fixture_reopen();
	for (uintptr_t i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						read_at_random, (void *)i),
				 0);
	for (size_t i = 0; i < N_THREADS; i++) {
		void *bad;

		ck_assert_int_eq(pthread_join(threads[i], &bad), 0);
		ck_assert_ptr_null(bad);
	}
	ck_assert_int_le(fx.disk.n_open, 2);
	/* Nothing is kept that only a thread in between had needed. */
	ck_assert_int_le(fx.disk.max_open, 2 + N_THREADS * 3);
}
END_TEST

/* ---- listing ---- */

struct listing {
	int packs, others, stop_after;
	char last[256];
	uint8_t pack[PACK_NAME_BYTES];
};

static int note_entry(void *arg, bool is_pack, const uint8_t *name,
		      const char *path)
{
	struct listing *l = arg;

	if (is_pack) {
		l->packs++;
		memcpy(l->pack, name, sizeof(l->pack));
	} else {
		l->others++;
	}
	snprintf(l->last, sizeof(l->last), "%s", path);
	if (l->stop_after > 0 && l->packs + l->others == l->stop_after)
		return 1;
	return 0;
}

static struct listing list(uint64_t writer)
{
	struct listing l = { .packs = 0 };

	ck_assert_int_eq(store_list_packs(fx.store, writer, note_entry, &l), 0);
	return l;
}

START_TEST(packs_are_listed_with_their_paths)
{
	struct listing l = list(OWN_WRITER);

	ck_assert_int_eq(l.packs, 1);
	ck_assert_int_eq(l.others, 0);
	ck_assert_str_eq(l.last, pack_path(&pack));
	ck_assert_mem_eq(l.pack, pack.name, sizeof(pack.name));
	l = list(OWN_WRITER + 1);
	ck_assert_int_eq(l.packs + l.others, 0);
}
END_TEST

/* How much of a pack's path stands before the folder, the name, the end. */
#define DATA_PATH_LEN 21
#define FOLDER_PATH_LEN 24
#define PACK_PATH_LEN 56

START_TEST(foreign_names_are_listed_as_such)
{
	static const struct {
		int keep; /* of the pack's path */
		const char *name;
	} foreign[] = {
		{ DATA_PATH_LEN, ".stfolder" },
		{ DATA_PATH_LEN, "AB" },
		{ DATA_PATH_LEN, "zz" },
		{ DATA_PATH_LEN, "0" },
		{ PACK_PATH_LEN, ".sync-conflict-20240101" },
		{ PACK_PATH_LEN, " (conflicted copy)" },
		{ FOLDER_PATH_LEN, "~0123456789abcdef0123456789abcdef" },
		{ FOLDER_PATH_LEN, "0123" },
	};
	char path[256], folder[3];
	uint8_t other = pack.name[0] ^ 1;
	struct listing l;

	for (size_t i = 0; i < array_len(foreign); i++) {
		snprintf(path, sizeof(path), "%.*s%s", foreign[i].keep,
			 pack_path(&pack), foreign[i].name);
		write_path(path, "x", 1);
	}
	/* A pack's name, but for another folder. */
	hex_encode(&other, 1, folder);
	snprintf(path, sizeof(path), "%.*s%s%030d", FOLDER_PATH_LEN,
		 pack_path(&pack), folder, 0);
	write_path(path, "x", 1);
	l = list(OWN_WRITER);
	ck_assert_int_eq(l.packs, 1);
	ck_assert_int_eq(l.others, (int)array_len(foreign) + 1);
}
END_TEST

START_TEST(links_and_folders_are_never_packs)
{
	char path[256];
	struct listing l;

	ck_assert_int_eq(unlinkat(fx.vault_fd, pack_path(&pack), 0), 0);
	plant((enum planted)_i, pack_path(&pack));
	snprintf(path, sizeof(path), "%.*s%02x", DATA_PATH_LEN,
		 pack_path(&pack), pack.name[0] ^ 1);
	ck_assert_int_eq(symlinkat("..", fx.vault_fd, path), 0);
	l = list(OWN_WRITER);
	ck_assert_int_eq(l.packs, 0);
	ck_assert_int_eq(l.others, 2);
}
END_TEST

START_TEST(listing_ends_when_it_is_told_to)
{
	struct listing l = { .stop_after = 1 };
	struct made_pack other;

	make_pack(&fx.epochs[1], 70, sizes, 1, &other);
	ck_assert_int_eq(store_list_packs(fx.store, OWN_WRITER, note_entry, &l),
			 1);
	ck_assert_int_eq(l.packs, 1);
}
END_TEST

/* ---- memory ---- */

START_TEST(want_of_memory_is_told)
{
	struct made_pack old;
	struct store_place place;
	bool hit = true;

	make_pack(&fx.epochs[0], 30, sizes, N_SIZES, &old);
	place = place_of(&old, 0);
	for (unsigned long nth = 1; hit; nth++) {
		uint8_t out[RECORD_SUB_BYTES];
		int r;

		fixture_reopen();
		mem_fail_nth(nth, false);
		r = store_read(fx.store, &place, 2, 0, 1, false, out);
		if (r == 0)
			r = store_verify_pack(fx.store, OWN_WRITER, old.name,
					      NULL, true, NULL, NULL);
		hit = mem_fail_hit();
		mem_fail_nth(0, false);
		ck_assert_int_eq(r, hit ? -ENOMEM : 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *tc = tcase_create("store");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, every_range_of_sub_blocks_reads_its_bytes);
	tcase_add_test(tc, ranges_outside_the_chunk_are_refused);
	tcase_add_test(tc, places_no_pack_can_have_are_refused);
	tcase_add_test(tc, chunks_of_an_unknown_key_ask_for_a_newer_keyring);
	tcase_add_test(tc, missing_files_are_told);
	tcase_add_test(tc, nowait_reads_what_is_open_and_in_memory);
	tcase_add_test(tc,
		       nowait_says_again_where_the_disk_would_be_waited_for);
	tcase_add_test(tc, descriptors_are_kept_and_bounded);
	tcase_add_test(tc, removed_pack_is_gone_and_its_descriptor_too);
	tcase_add_test(tc, forgotten_pack_is_opened_anew);
	tcase_add_test(tc, pack_forgotten_while_it_is_opened_is_not_kept);
	tcase_add_test(tc,
		       other_announcements_of_an_open_pack_are_not_believed);
	tcase_add_test(tc, file_that_failed_is_opened_anew);
	tcase_add_test(tc, readers_and_eviction_do_not_disturb_each_other);
	tcase_add_test(tc, packs_are_listed_with_their_paths);
	tcase_add_test(tc, foreign_names_are_listed_as_such);
	tcase_add_loop_test(tc, links_and_folders_are_never_packs, FIFO,
			    LINK_TO_NOTHING + 1);
	tcase_add_test(tc, listing_ends_when_it_is_told_to);
	tcase_add_test(tc, want_of_memory_is_told);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
