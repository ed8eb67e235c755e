/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static int verify(bool announced, bool read_data)
{
	return store_verify_pack(fx.store, OWN_WRITER, pack.name,
				 announced ? &pack.announced : NULL, read_data,
				 NULL, NULL);
}

START_TEST(any_byte_of_the_header_changed_is_noticed)
{
	for (uint64_t at = 0; at < PACK_HEADER_BYTES; at++) {
		int r;

		flip_path(pack_path(&pack), at);
		fixture_reopen();
		r = read_pack_chunk(&pack, 0);
		ck_assert(r == ERR_DAMAGED || r == ERR_NEWER ||
			  r == ERR_BAD_NAME);
		ck_assert_int_lt(verify(true, false), 0);
		ck_assert_int_lt(verify(false, false), 0);
		flip_path(pack_path(&pack), at);
	}
	fixture_reopen();
	ck_assert_int_eq(read_pack_chunk(&pack, 0), 0);
}
END_TEST

#define SUB_STORED (RECORD_SUB_BYTES + TAG_BYTES)

struct bad_records {
	unsigned n;
	struct pack_entry last;
	uint32_t first, count; /* sub-blocks of it */
	int err;
};

static void note_bad(void *arg, const struct pack_entry *e, uint32_t first,
		     uint32_t count, int err)
{
	struct bad_records *bad = arg;

	bad->first = first;
	bad->count = count;
	bad->n++;
	bad->last = *e;
	bad->err = err;
}

/* Bytes of record i, at its rims and strewn over it. */
static void damage_record(uint32_t i)
{
	const struct pack_entry *e = &pack.entries[i];

	for (uint32_t k = 0; k < 40; k++) {
		uint64_t at =
			e->offset + (uint64_t)(e->stored_bytes - 1) * k / 39;
		struct bad_records bad = { .n = 0 };

		flip_path(pack_path(&pack), at);
		for (uint32_t j = 0; j < N_SIZES; j++)
			ck_assert_int_eq(read_pack_chunk(&pack, j),
					 i == j ? ERR_BAD_SEAL : 0);
		ck_assert_int_eq(store_verify_pack(fx.store, OWN_WRITER,
						   pack.name, &pack.announced,
						   true, note_bad, &bad),
				 ERR_BAD_SEAL);
		ck_assert_uint_eq(bad.n, 1);
		ck_assert_int_eq(bad.err, ERR_BAD_SEAL);
		ck_assert_mem_eq(&bad.last.id, &e->id, sizeof(e->id));
		ck_assert_uint_eq(bad.first, (at - e->offset) / SUB_STORED);
		ck_assert_uint_eq(bad.count, 1);
		ck_assert_int_eq(verify(true, true), ERR_BAD_SEAL);
		ck_assert_int_eq(verify(true, false), 0);
		flip_path(pack_path(&pack), at);
	}
}

START_TEST(damage_to_a_record_is_its_own)
{
	for (uint32_t i = 0; i < N_SIZES; i++)
		damage_record(i);
	ck_assert_int_eq(verify(true, true), 0);
}
END_TEST

START_TEST(damage_to_a_sub_block_leaves_the_others_readable)
{
	const struct pack_entry *e = &pack.entries[0];
	struct store_place place = place_of(&pack, 0);
	uint8_t out[RECORD_SUB_BYTES];

	flip_path(pack_path(&pack), e->offset + 16400 + 5);
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 1, false, out), 0);
	ck_assert_int_eq(store_read(fx.store, &place, 2, 1, 1, false, out),
			 ERR_BAD_SEAL);
	ck_assert_int_eq(store_read(fx.store, &place, 2, 2, 1, false, out), 0);
}
END_TEST

START_TEST(unauthentic_bytes_never_reach_the_reader)
{
	struct store_place place = place_of(&pack, 1);
	uint8_t out[RECORD_SUB_BYTES], none[RECORD_SUB_BYTES] = { 0 };

	memset(out, 0xaa, sizeof(out));
	flip_path(pack_path(&pack), pack.entries[1].offset + 16399);
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 1, false, out),
			 ERR_BAD_SEAL);
	ck_assert_mem_eq(out, none, sizeof(out));
}
END_TEST

START_TEST(any_damage_to_trailer_and_footer_is_noticed)
{
	const struct pack_entry *last = &pack.entries[N_SIZES - 1];
	uint64_t end = last->offset + last->stored_bytes, step;

	/* Every byte of entries and footer; the padding between by samples. */
	for (uint64_t at = end; at < pack.size; at += step) {
		bool dense =
			at < end + N_SIZES * PACK_ENTRY_BYTES + TAG_BYTES ||
			at >= pack.size - PACK_FOOTER_BYTES;

		step = dense ? 1 : 509;
		if (at + step > pack.size - PACK_FOOTER_BYTES)
			step = 1;
		flip_path(pack_path(&pack), at);
		ck_assert_int_lt(verify(true, false), 0);
		ck_assert_int_lt(verify(false, false), 0);
		/* Records do not need it. */
		ck_assert_int_eq(read_pack_chunk(&pack, 2), 0);
		flip_path(pack_path(&pack), at);
	}
	ck_assert_int_eq(verify(true, false), 0);
}
END_TEST

START_TEST(cut_and_grown_files_are_told)
{
	static const uint64_t cuts[] = { 0, 1, 63, 64, 65535 };
	size_t n;
	uint8_t *data = read_path(pack_path(&pack), &n);

	for (size_t i = 0; i < array_len(cuts); i++) {
		write_path(pack_path(&pack), data, cuts[i]);
		fixture_reopen();
		ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_TRUNCATED);
		ck_assert_int_eq(verify(true, false), ERR_TRUNCATED);
		ck_assert_int_eq(verify(false, false), ERR_TRUNCATED);
	}
	write_path(pack_path(&pack), data, n - 1);
	fixture_reopen();
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_TRUNCATED);
	ck_assert_int_eq(verify(true, false), ERR_TRUNCATED);
	ck_assert_int_lt(verify(false, false), 0);
	data[n] = 0;
	write_path(pack_path(&pack), data, n + 1);
	fixture_reopen();
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_DAMAGED);
	ck_assert_int_eq(verify(true, false), ERR_DAMAGED);
	ck_assert_int_lt(verify(false, false), 0);
	write_path(pack_path(&pack), data, n);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), 0);
	free(data);
}
END_TEST

/* Cut while it is open: the bytes are gone, and never served as zeros. */
START_TEST(file_cut_under_an_open_descriptor_is_told)
{
	size_t n;
	uint8_t *data = read_path(pack_path(&pack), &n);

	ck_assert_int_eq(read_pack_chunk(&pack, 3), 0);
	write_path(pack_path(&pack), data, pack.entries[3].offset + 100);
	ck_assert_int_eq(read_pack_chunk(&pack, 3), ERR_TRUNCATED);
	free(data);
}
END_TEST

START_TEST(swapped_records_are_noticed)
{
	const struct pack_entry *a = &pack.entries[0], *b = &pack.entries[3];
	struct bad_records bad = { .n = 0 };
	size_t n;
	uint8_t *data = read_path(pack_path(&pack), &n), *copy;

	ck_assert_uint_eq(a->stored_bytes, b->stored_bytes);
	copy = malloc(a->stored_bytes);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data + a->offset, a->stored_bytes);
	memcpy(data + a->offset, data + b->offset, a->stored_bytes);
	memcpy(data + b->offset, copy, a->stored_bytes);
	write_path(pack_path(&pack), data, n);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_BAD_SEAL);
	ck_assert_int_eq(read_pack_chunk(&pack, 1), 0);
	ck_assert_int_eq(read_pack_chunk(&pack, 3), ERR_BAD_SEAL);
	ck_assert_int_eq(store_verify_pack(fx.store, OWN_WRITER, pack.name,
					   &pack.announced, true, note_bad,
					   &bad),
			 ERR_BAD_SEAL);
	ck_assert_uint_eq(bad.n, 2);
	free(copy);
	free(data);
}
END_TEST

START_TEST(swapped_sub_blocks_are_noticed)
{
	const struct pack_entry *e = &pack.entries[0];
	size_t n, sub = RECORD_SUB_BYTES + TAG_BYTES;
	uint8_t *data = read_path(pack_path(&pack), &n), *copy = malloc(sub);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data + e->offset, sub);
	memcpy(data + e->offset, data + e->offset + sub, sub);
	memcpy(data + e->offset + sub, copy, sub);
	write_path(pack_path(&pack), data, n);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_BAD_SEAL);
	free(copy);
	free(data);
}
END_TEST

START_TEST(swapped_packs_are_noticed)
{
	struct made_pack other;
	size_t n, m;
	uint8_t *a, *b;

	make_pack(&fx.epochs[1], 50, sizes, N_SIZES, &other);
	ck_assert_uint_eq(other.size, pack.size);
	a = read_path(pack_path(&pack), &n);
	b = read_path(pack_path(&other), &m);
	write_path(pack_path(&pack), b, m);
	write_path(pack_path(&other), a, n);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_BAD_SEAL);
	ck_assert_int_eq(read_pack_chunk(&other, 0), ERR_BAD_SEAL);
	ck_assert_int_eq(verify(true, false), ERR_DAMAGED);
	free(a);
	free(b);
}
END_TEST

START_TEST(pack_of_another_epoch_is_noticed)
{
	struct made_pack old;
	size_t n;
	uint8_t *data;

	make_pack(&fx.epochs[0], 10, sizes, N_SIZES, &old);
	ck_assert_uint_eq(old.size, pack.size);
	data = read_path(pack_path(&old), &n);
	write_path(pack_path(&pack), data, n);
	fixture_reopen();
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_BAD_NAME);
	ck_assert_int_eq(verify(true, false), ERR_BAD_NAME);
	free(data);
}
END_TEST

static void make_folders(uint64_t writer)
{
	char path[64];

	snprintf(path, sizeof(path), "w/%016llx", (unsigned long long)writer);
	ck_assert_int_eq(mkdirat(fx.vault_fd, path, 0700), 0);
	strcat(path, "/d");
	ck_assert_int_eq(mkdirat(fx.vault_fd, path, 0700), 0);
	snprintf(path + strlen(path), 8, "/%02x", pack.name[0]);
	ck_assert_int_eq(mkdirat(fx.vault_fd, path, 0700), 0);
}

START_TEST(pack_under_another_writer_is_noticed)
{
	struct store_place place = place_of(&pack, 0);
	char path[128], name[2 * PACK_NAME_BYTES + 1];
	uint8_t out[RECORD_SUB_BYTES], *data;
	size_t n;

	data = read_path(pack_path(&pack), &n);
	make_folders(5);
	hex_encode(pack.name, sizeof(pack.name), name);
	snprintf(path, sizeof(path), "w/%016x/d/%.2s/%s", 5, name, name);
	write_path(path, data, n);
	place.writer = 5;
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 1, false, out),
			 ERR_BAD_NAME);
	ck_assert_int_eq(store_verify_pack(fx.store, 5, pack.name, NULL, false,
					   NULL, NULL),
			 ERR_BAD_NAME);
	free(data);
}
END_TEST

START_TEST(pack_of_another_vault_is_noticed)
{
	fx.opts.vault.b[3] ^= 1;
	fixture_reopen();
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_BAD_NAME);
	ck_assert_int_eq(verify(true, false), ERR_BAD_NAME);
}
END_TEST

START_TEST(announcement_that_differs_is_noticed)
{
	struct segment_pack a = pack.announced;
	uint8_t entries[sizeof(pack.raw_entries)];

	memcpy(entries, pack.raw_entries, sizeof(entries));
	a.entries = entries;
	entries[70] ^= 1;
	ck_assert_int_eq(store_verify_pack(fx.store, OWN_WRITER, pack.name, &a,
					   false, NULL, NULL),
			 ERR_DAMAGED);
	a = pack.announced;
	a.n_entries--;
	ck_assert_int_eq(store_verify_pack(fx.store, OWN_WRITER, pack.name, &a,
					   false, NULL, NULL),
			 ERR_DAMAGED);
	a = pack.announced;
	a.size += 65536;
	ck_assert_int_eq(store_verify_pack(fx.store, OWN_WRITER, pack.name, &a,
					   false, NULL, NULL),
			 ERR_TRUNCATED);
	a = pack.announced;
	a.type = PACK_METADATA;
	ck_assert_int_eq(store_verify_pack(fx.store, OWN_WRITER, pack.name, &a,
					   false, NULL, NULL),
			 ERR_BAD_NAME);
}
END_TEST

/* ---- what stands where a pack or folder belongs ---- */

/* A FIFO would block whoever opens it without care: the case's timeout. */
START_TEST(what_is_no_file_in_place_of_a_pack_is_damage)
{
	ck_assert_int_eq(unlinkat(fx.vault_fd, pack_path(&pack), 0), 0);
	plant((enum planted)_i, pack_path(&pack));
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_DAMAGED);
	ck_assert_int_eq(verify(true, true), ERR_DAMAGED);
	ck_assert_int_eq(verify(false, true), ERR_DAMAGED);
}
END_TEST

/* _i: how many components of the path are left. */
START_TEST(link_in_place_of_a_folder_is_damage)
{
	char path[128], moved[160];

	snprintf(path, sizeof(path), "%s", pack_path(&pack));
	for (int i = 0; i < 4 - _i; i++)
		*strrchr(path, '/') = '\0';
	snprintf(moved, sizeof(moved), "%s-moved", path);
	ck_assert_int_eq(renameat(fx.vault_fd, path, fx.vault_fd, moved), 0);
	ck_assert_int_eq(symlinkat(strrchr(moved, '/') ? strrchr(moved, '/') + 1
						       : moved,
				   fx.vault_fd, path),
			 0);
	/* Followed, the link would lead to the pack itself. */
	ck_assert_int_eq(faccessat(fx.vault_fd, pack_path(&pack), R_OK, 0), 0);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_DAMAGED);
	ck_assert_int_eq(verify(true, true), ERR_DAMAGED);
	ck_assert_int_eq(store_remove_pack(fx.store, pack.name), ERR_DAMAGED);
	ck_assert_int_eq(faccessat(fx.vault_fd, pack_path(&pack), R_OK, 0), 0);
}
END_TEST

START_TEST(file_in_place_of_a_folder_is_damage)
{
	ck_assert_int_eq(renameat(fx.vault_fd, "w", fx.vault_fd, "moved"), 0);
	write_path("w", "x", 1);
	ck_assert_int_eq(read_pack_chunk(&pack, 0), ERR_DAMAGED);
}
END_TEST

/* ---- old epochs ---- */

/* As its holder would forge it: every seal is right, the content is not. */
static void forge(struct made_pack *old, uint8_t *forged_plain)
{
	const struct pack_entry *e = &old->entries[0];
	uint8_t *sealed = malloc(e->stored_bytes), *data;
	struct pack_entry made;
	size_t n;

	ck_assert_ptr_nonnull(sealed);
	record_seal(&fx.epochs[0].chk, &fx.epochs[0].hdg, &fx.opts.vault,
		    PACK_DATA, &e->id, forged_plain, e->plain_bytes, sealed,
		    &made);
	data = read_path(pack_path(old), &n);
	memcpy(data + e->offset, sealed, e->stored_bytes);
	write_path(pack_path(old), data, n);
	old->entries[0].r16 = made.r16;
	free(data);
	free(sealed);
}

START_TEST(older_epochs_are_read_by_content_id)
{
	uint8_t *want = make_bytes(30, sizes[0]), out[RECORD_SUB_BYTES];
	struct store_place place;
	struct made_pack old;

	make_pack(&fx.epochs[0], 30, sizes, N_SIZES, &old);
	for (uint32_t i = 0; i < N_SIZES; i++) {
		place = place_of(&old, i);
		ck_assert_int_eq(read_chunk(&place, 2, 30 + i), 0);
		ck_assert_int_eq(read_chunk(&place, 1, 30 + i), 0);
	}
	/* In parts too; what follows `out` stays as it is. */
	place = place_of(&old, 0);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(
			store_read(fx.store, &place, 2, i, 1, false, out), 0);
		ck_assert_mem_eq(out, want + i * 16384,
				 min_of(16384u, sizes[0] - i * 16384));
	}
	free(want);
}
END_TEST

START_TEST(forgery_under_an_old_key_is_noticed)
{
	uint8_t *forged = make_bytes(31, sizes[0]), out[3 * RECORD_SUB_BYTES];
	uint8_t none[sizeof(out)] = { 0 };
	struct store_place place;
	struct made_pack old;

	make_pack(&fx.epochs[0], 30, sizes, N_SIZES, &old);
	forge(&old, forged);
	place = place_of(&old, 0);
	/* While epoch 1 is the newest, its seal is believed. */
	ck_assert_int_eq(store_read(fx.store, &place, 1, 0, 3, false, out), 0);
	ck_assert_mem_eq(out, forged, sizes[0]);
	memset(out, 0, sizeof(out));
	ck_assert_int_eq(store_read(fx.store, &place, 2, 0, 3, false, out),
			 ERR_BAD_SEAL);
	ck_assert_int_eq(store_read(fx.store, &place, 2, 1, 1, false, out),
			 ERR_BAD_SEAL);
	ck_assert_mem_eq(out, none, sizeof(out));
	free(forged);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_damage");
	TCase *tc = tcase_create("store_damage");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, fixture_remove);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, any_byte_of_the_header_changed_is_noticed);
	tcase_add_test(tc, damage_to_a_record_is_its_own);
	tcase_add_test(tc, damage_to_a_sub_block_leaves_the_others_readable);
	tcase_add_test(tc, unauthentic_bytes_never_reach_the_reader);
	tcase_add_test(tc, any_damage_to_trailer_and_footer_is_noticed);
	tcase_add_test(tc, cut_and_grown_files_are_told);
	tcase_add_test(tc, file_cut_under_an_open_descriptor_is_told);
	tcase_add_test(tc, swapped_records_are_noticed);
	tcase_add_test(tc, swapped_sub_blocks_are_noticed);
	tcase_add_test(tc, swapped_packs_are_noticed);
	tcase_add_test(tc, pack_of_another_epoch_is_noticed);
	tcase_add_test(tc, pack_under_another_writer_is_noticed);
	tcase_add_test(tc, pack_of_another_vault_is_noticed);
	tcase_add_test(tc, announcement_that_differs_is_noticed);
	tcase_add_loop_test(tc, what_is_no_file_in_place_of_a_pack_is_damage,
			    FIFO, LINK_TO_NOTHING + 1);
	tcase_add_loop_test(tc, link_in_place_of_a_folder_is_damage, 0, 4);
	tcase_add_test(tc, file_in_place_of_a_folder_is_damage);
	tcase_add_test(tc, older_epochs_are_read_by_content_id);
	tcase_add_test(tc, forgery_under_an_old_key_is_noticed);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
