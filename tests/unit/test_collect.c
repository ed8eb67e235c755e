/* SPDX-License-Identifier: ISC */
/* Collecting with several devices: nothing goes before everybody knows. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "base/mem.h"
#include "commit_fixture.h"
#include "tempdir.h"
#include "vault/care.h"
#include "vault/core.h"
#include "vault/file.h"
#include "vault/hold.h"
#include "vault/log/apply.h"
#include "vault/log/commit_priv.h"

/* Three computers, each with a copy of the vault that a sync tool keeps equal. */
static const struct device devices[3] = {
	{ "vault-a", "state-a", 0xa1, NULL, false, false, false, false },
	{ "vault-b", "state-b", 0xb2, NULL, false, false, false, false },
	{ "vault-c", "state-c", 0xc3, NULL, false, false, false, false },
};
enum { A, B, C };

static struct vault *v[3];

static const char *folder(int i)
{
	return devices[i].vault;
}

/* The sync tool brings what is new from one to the other, and says so. */
static void give(int from, int to)
{
	ck_assert_int_eq(vault_publish(v[from]), 0);
	sync_folders(folder(from), folder(to));
	ck_assert_int_eq(vault_receive(v[to]), 0);
}

/* Publishes what it acknowledges, as it would within the hour. */
static void acknowledge(int i)
{
	struct commit *c = v[i]->commit;

	commit_enter_busy(c);
	c->wants_ack = true;
	ck_assert_int_eq(publish_pending(c), 0);
	commit_leave_busy(c);
}

static void collect(int i)
{
	struct vault_gc_result g;

	ck_assert_int_eq(vault_gc(v[i], false, &g), 0);
}

static unsigned n_packs(int i, int writer)
{
	char part[40];

	snprintf(part, sizeof(part), "%016llx/d/",
		 (unsigned long long)devices[writer].writer);
	return count_files(folder(i), part, NULL, 0);
}

/* Everybody has all of everybody, and has said so. */
static void settle(int n)
{
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < n; i++) {
			ck_assert_int_eq(vault_publish(v[i]), 0);
			acknowledge(i);
		}
		for (int i = 0; i < n; i++)
			for (int k = 0; k < n; k++)
				if (i != k)
					give(i, k);
	}
}

static void start(int n)
{
	ck_assert_int_eq(device_init(&devices[A]), 0);
	v[A] = device_open(&devices[A]);
	for (int i = 1; i < n; i++) {
		char name[] = "first of ?";

		ck_assert_int_eq(vault_publish(v[A]), 0);
		sync_folders(folder(A), folder(i));
		v[i] = device_open(&devices[i]);
		name[9] = (char)('a' + i);
		put_file(v[i], name, "text");
	}
	settle(n);
	for (int i = 0; i < n; i++)
		ck_assert(!v[i]->is_joining);
}

static void setup(void)
{
	tempdir_make();
	catch_diag();
	memset(v, 0, sizeof(v));
}

static void teardown(void)
{
	for (int i = 0; i < 3; i++)
		if (v[i])
			device_close(v[i]);
	tempdir_remove();
}

static void retire(int by, int whom)
{
	struct op op = { .type = OP_DEVICE_RETIRE };

	op.device.writer = devices[whom].writer;
	ck_assert_int_eq(core_enter(v[by], true), 0);
	ck_assert_int_eq(apply_new(v[by], &op), 0);
	core_leave(v[by]);
}

/* ---------------------------------------------------------------- cases */

START_TEST(a_dead_pack_waits_for_every_device)
{
	start(3);
	put_bytes(v[A], "file", 1, 800000);
	settle(3);
	ck_assert_uint_eq(n_packs(A, A), 1);
	remove_name(v[A], "file");
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 1);
	give(A, B);
	acknowledge(B);
	give(B, A);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 1);
	give(A, C);
	acknowledge(C);
	give(C, A);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 0);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(what_another_device_deleted_is_collected_by_its_owner)
{
	start(2);
	put_bytes(v[A], "file", 1, 800000);
	put_bytes(v[A], "stays", 2, 5000);
	settle(2);
	remove_name(v[B], "file");
	remove_name(v[B], "stays");
	put_bytes(v[B], "own", 3, 200000);
	collect(B);
	ck_assert_uint_eq(n_packs(B, B), 1);
	give(B, A);
	/* B said that it knows when it deleted. */
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 0);
	ck_assert(has_bytes(v[A], "own", 3, 200000));
}
END_TEST

START_TEST(a_rename_nobody_knew_of_when_it_was_deleted_keeps_the_file)
{
	start(3);
	put_bytes(v[A], "file", 1, 800000);
	settle(3);
	rename_name(v[B], "file", "moved");
	ck_assert_int_eq(vault_publish(v[B]), 0);
	remove_name(v[A], "file");
	/* C knows the deletion before the rename. */
	give(A, C);
	acknowledge(C);
	give(C, A);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 1);
	give(B, A);
	collect(A);
	settle(3);
	collect(A);
	for (int i = 0; i < 3; i++)
		ck_assert(has_bytes(v[i], "moved", 1, 800000));
}
END_TEST

/*
 * A deletes a file; B renames it, C writes it, neither knowing.  The owner
 * learns of both, and C's version hides the deleted one, but whoever knows only
 * the rename shows that still.
 */
START_TEST(a_version_that_only_hides_a_deleted_one_does_not_free_it)
{
	start(3);
	put_bytes(v[A], "file", 1, 800000);
	settle(3);
	rename_name(v[B], "file", "moved");
	ck_assert_int_eq(vault_publish(v[B]), 0);
	put_bytes(v[C], "file", 2, 800000);
	ck_assert_int_eq(vault_publish(v[C]), 0);
	remove_name(v[A], "file");
	ck_assert_int_eq(vault_publish(v[A]), 0);
	/* Both learn of the deletion and say so, C first to A; of each other
	 * they know nothing yet. */
	give(A, B);
	acknowledge(B);
	give(A, C);
	acknowledge(C);
	give(C, A);
	give(B, A);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 1);
	ck_assert(has_bytes(v[B], "moved", 1, 800000));
	settle(3);
	collect(A);
	for (int i = 0; i < 3; i++)
		ck_assert(has_bytes(v[i], "moved", 2, 800000));
	ck_assert_uint_eq(n_packs(A, A), 0);
}
END_TEST

START_TEST(a_retired_device_is_not_waited_for)
{
	start(3);
	put_bytes(v[A], "file", 1, 800000);
	settle(3);
	remove_name(v[A], "file");
	give(A, B);
	acknowledge(B);
	give(B, A);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 1);
	retire(A, C);
	collect(A);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 0);
}
END_TEST

START_TEST(a_retired_device_removes_nothing)
{
	start(2);
	put_bytes(v[B], "file", 1, 800000);
	settle(2);
	remove_name(v[B], "file");
	retire(A, B);
	ck_assert_int_eq(vault_publish(v[A]), 0);
	sync_folders(folder(A), folder(B));
	/* Nobody would hear of it. */
	ck_assert_int_eq(vault_receive(v[B]), ERR_FORKED);
	ck_assert(vault_is_read_only(v[B]));
	collect(B);
	ck_assert_uint_eq(n_packs(B, B), 1);
}
END_TEST

START_TEST(a_device_just_heard_of_is_waited_for)
{
	start(2);
	put_bytes(v[A], "file", 1, 800000);
	settle(2);
	/* C starts from a folder where the file still is. */
	sync_folders(folder(A), folder(C));
	v[C] = device_open(&devices[C]);
	put_file(v[C], "first of c", "text");
	ck_assert_int_eq(vault_publish(v[C]), 0);
	remove_name(v[A], "file");
	give(A, B);
	acknowledge(B);
	give(B, A);
	give(C, A);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 1);
	settle(3);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 0);
}
END_TEST

START_TEST(an_open_file_keeps_its_pack)
{
	struct vault_attr at;
	static uint8_t got[800000];

	start(2);
	put_bytes(v[A], "file", 1, 800000);
	settle(2);
	ck_assert_int_eq(vault_lookup(v[A], VAULT_ROOT_INO,
				      (struct vault_name){ "file", 4 }, &at),
			 1);
	vault_hold(v[A], at.ino, 1);
	remove_name(v[B], "file");
	settle(2);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 1);
	ck_assert_int_eq(vault_pread(v[A], at.ino, got, sizeof(got), 0),
			 sizeof(got));
	vault_unhold(v[A], at.ino, 1);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 0);
}
END_TEST

/* Only an open file that nobody sees has the chunk: its owner may be removing
 * it, so it is stored again. */
START_TEST(what_only_an_unlinked_open_file_has_is_not_referred_to)
{
	struct vault_attr at;

	start(2);
	put_bytes(v[A], "file", 1, 800000);
	settle(2);
	ck_assert_int_eq(vault_lookup(v[B], VAULT_ROOT_INO,
				      (struct vault_name){ "file", 4 }, &at),
			 1);
	vault_hold(v[B], at.ino, 1);
	remove_name(v[B], "file");
	settle(2);
	put_bytes(v[B], "again", 1, 800000);
	collect(A);
	sync_folders(folder(A), folder(B));
	ck_assert_uint_eq(n_packs(A, A), 0);
	settle(2);
	ck_assert_uint_eq(n_packs(B, B), 1);
	ck_assert(has_bytes(v[A], "again", 1, 800000));
	vault_unhold(v[B], at.ino, 1);
}
END_TEST

START_TEST(an_index_made_anew_judges_the_same)
{
	struct vault_options o;

	start(2);
	put_bytes(v[A], "file", 1, 800000);
	put_bytes(v[A], "other", 2, 300000);
	settle(2);
	remove_name(v[A], "file");
	ck_assert_int_eq(vault_publish(v[A]), 0);
	device_close(v[A]);
	device_options(&devices[A], &o);
	ck_assert_int_eq(vault_drop_index(&o), 0);
	v[A] = device_open(&devices[A]);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 1);
	remove_name(v[A], "other");
	settle(2);
	device_close(v[A]);
	ck_assert_int_eq(vault_drop_index(&o), 0);
	v[A] = device_open(&devices[A]);
	collect(A);
	ck_assert_uint_eq(n_packs(A, A), 0);
	give(A, B);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

/* ---------------------------------------------------------------- repacking */

static unsigned n_files;

/* Files of 600,000 bytes, which one publish packs into few packs. */
static void fill(int i, unsigned n)
{
	char name[24];

	for (unsigned k = 0; k < n; k++) {
		snprintf(name, sizeof(name), "file%u", k);
		put_bytes(v[i], name, k, 600000);
	}
	n_files = n;
	ck_assert_int_eq(vault_publish(v[i]), 0);
}

/* Of each `step` files the first stays. */
static void thin_out(int i, unsigned step)
{
	char name[24];

	for (unsigned k = 0; k < n_files; k++) {
		snprintf(name, sizeof(name), "file%u", k);
		if (k % step)
			remove_name(v[i], name);
	}
}

static void check_thinned(struct vault *vault, unsigned step)
{
	char name[24];

	for (unsigned k = 0; k < n_files; k++) {
		snprintf(name, sizeof(name), "file%u", k);
		if (k % step)
			ck_assert(!has_name(vault, name));
		else
			ck_assert(has_bytes(vault, name, k, 600000));
	}
}

static uint64_t pack_bytes(int i)
{
	struct vault_status s;

	ck_assert_int_eq(vault_get_status(v[i], &s), 0);
	return s.pack_bytes;
}

START_TEST(what_is_needed_of_a_sparse_pack_is_copied_and_the_pack_goes)
{
	struct vault_gc_result g;
	struct vault_options o;

	start(1);
	fill(A, 60);
	thin_out(A, 10);
	ck_assert_int_eq(vault_gc(v[A], true, &g), 0);
	ck_assert_uint_gt(g.n_sparse_packs, 0);
	ck_assert_uint_gt(g.copy_bytes, 0);
	ck_assert_uint_eq(g.copied_bytes, 0);
	ck_assert_int_eq(vault_gc(v[A], false, &g), 0);
	ck_assert_uint_gt(g.copied_bytes, 0);
	for (int k = 0; k < 14; k++)
		collect(A);
	ck_assert_uint_lt(pack_bytes(A), 6 * 600000 + (2 << 20));
	check_thinned(v[A], 10);
	/* As anybody else sees it, too. */
	device_close(v[A]);
	device_options(&devices[A], &o);
	ck_assert_int_eq(vault_drop_index(&o), 0);
	v[A] = device_open(&devices[A]);
	check_thinned(v[A], 10);
	ck_assert_int_eq(vault_gc(v[A], true, &g), 0);
	ck_assert_uint_eq(g.n_sparse_packs, 0);
	ck_assert_uint_eq(g.n_dead_packs, 0);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(a_copied_pack_stays_until_every_device_knows_of_the_copy)
{
	struct vault_gc_result g;

	start(2);
	fill(A, 60);
	settle(2);
	thin_out(A, 10);
	settle(2);
	ck_assert_int_eq(vault_gc(v[A], false, &g), 0);
	ck_assert_uint_gt(g.copied_bytes, 0);
	for (int k = 0; k < 3; k++)
		collect(A);
	ck_assert_uint_ge(pack_bytes(A), g.copied_bytes + g.sparse_bytes);
	check_thinned(v[A], 10);
	for (int k = 0; k < 14; k++) {
		give(A, B);
		acknowledge(B);
		give(B, A);
		collect(A);
	}
	ck_assert_uint_lt(pack_bytes(A), 6 * 600000 + (2 << 20));
	check_thinned(v[A], 10);
	give(A, B);
	check_thinned(v[B], 10);
}
END_TEST

START_TEST(a_copy_counts_for_an_index_begun_from_a_snapshot)
{
	struct vault_options o;

	start(2);
	fill(A, 60);
	settle(2);
	thin_out(A, 10);
	settle(2);
	collect(A);
	ck_assert_int_eq(vault_snapshot(v[A]), 1);
	device_close(v[A]);
	device_options(&devices[A], &o);
	ck_assert_int_eq(vault_drop_index(&o), 0);
	v[A] = device_open(&devices[A]);
	for (int k = 0; k < 14; k++) {
		give(A, B);
		acknowledge(B);
		give(B, A);
		collect(A);
	}
	ck_assert_uint_lt(pack_bytes(A), 6 * 600000 + (2 << 20));
	check_thinned(v[A], 10);
}
END_TEST

static int damage(const char *path, const struct stat *st, int type,
		  struct FTW *ftw)
{
	(void)ftw;
	if (type != FTW_F || !strstr(path, "/d/"))
		return 0;
	FILE *f = fopen(path, "r+");
	ck_assert_ptr_nonnull(f);
	/* In every record: none is shorter than 1 KiB. */
	for (long at = 64; at < st->st_size; at += 500) {
		ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
		int c = fgetc(f);
		ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
		ck_assert_int_ne(fputc(c ^ 1, f), EOF);
	}
	ck_assert_int_eq(fclose(f), 0);
	return 0;
}

static void damage_packs(int i)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", tempdir_path(), folder(i));
	ck_assert_int_eq(nftw(path, damage, 16, FTW_PHYS), 0);
}

START_TEST(what_cannot_be_read_is_not_sealed_anew)
{
	struct vault_gc_result g;

	start(1);
	fill(A, 9);
	thin_out(A, 9);
	damage_packs(A);
	for (int k = 0; k < 3; k++) {
		ck_assert_int_eq(vault_gc(v[A], false, &g), 0);
		ck_assert_uint_eq(g.copied_bytes, 0);
	}
	/* They stay for whoever can repair them. */
	ck_assert_uint_ge(n_packs(A, A), 1);
	ck_assert_uint_ge(count_diag(""), 1);
}
END_TEST

START_TEST(small_packs_are_merged_once_they_come_to_much)
{
	unsigned most = 0;

	start(1);
	for (unsigned k = 0; k < 24; k++) {
		char name[24];

		snprintf(name, sizeof(name), "small%u", k);
		put_bytes(v[A], name, k, 120000);
		ck_assert_int_eq(vault_publish(v[A]), 0);
		most = n_packs(A, A);
	}
	ck_assert_uint_eq(most, 24);
	for (int k = 0; k < 12; k++)
		collect(A);
	ck_assert_uint_le(n_packs(A, A), 3);
	for (unsigned k = 0; k < 24; k++) {
		char name[24];

		snprintf(name, sizeof(name), "small%u", k);
		ck_assert(has_bytes(v[A], name, k, 120000));
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("collect");
	TCase *t = tcase_create("acknowledged");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_dead_pack_waits_for_every_device);
	tcase_add_test(t, what_another_device_deleted_is_collected_by_its_owner);
	tcase_add_test(
		t, a_rename_nobody_knew_of_when_it_was_deleted_keeps_the_file);
	tcase_add_test(
		t, a_version_that_only_hides_a_deleted_one_does_not_free_it);
	tcase_add_test(t, a_retired_device_is_not_waited_for);
	tcase_add_test(t, a_retired_device_removes_nothing);
	tcase_add_test(t, a_device_just_heard_of_is_waited_for);
	tcase_add_test(t, an_open_file_keeps_its_pack);
	tcase_add_test(
		t, what_only_an_unlinked_open_file_has_is_not_referred_to);
	tcase_add_test(t, an_index_made_anew_judges_the_same);
	suite_add_tcase(s, t);
	t = tcase_create("repacking");
	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(
		t,
		what_is_needed_of_a_sparse_pack_is_copied_and_the_pack_goes);
	tcase_add_test(t,
		       a_copied_pack_stays_until_every_device_knows_of_the_copy);
	tcase_add_test(t, a_copy_counts_for_an_index_begun_from_a_snapshot);
	tcase_add_test(t, what_cannot_be_read_is_not_sealed_anew);
	tcase_add_test(t, small_packs_are_merged_once_they_come_to_much);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());

	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
