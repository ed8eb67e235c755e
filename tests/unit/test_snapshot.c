/* SPDX-License-Identifier: ISC */
/* Snapshots of real vaults: made, opened from, passed over when damaged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "base/env.h"
#include "base/mem.h"
#include "commit_fixture.h"
#include "tempdir.h"
#include "vault/care.h"
#include "vault/snapshot/snap.h"
#include "vault/snapshot/snap_state.h"

static const struct device a = { "vault", "state", 0xa1, NULL,
				 false, false, false, false };
static const struct device b = { "vault", "state-b", 0xb2, NULL,
				 false, false, false, false };
static const struct device reader = { .vault = "vault", .no_state = true };

static void setup(void)
{
	tempdir_make();
	catch_diag();
	ck_assert_int_eq(device_init(&a), 0);
}

static void teardown(void)
{
	tempdir_remove();
}

/* In the test's directory. */
static void shell(const char *command)
{
	auto_free char *all = mem_printf("cd '%s' && %s", tempdir_path(),
					 command);

	ck_assert_ptr_nonnull(all);
	ck_assert_int_eq(system(all), 0);
}

/* ---------------------------------------------------------------- states */

static int add_item(void *arg, const struct state_item *it)
{
	return state_put(arg, it);
}

static void state_of(struct vault *v, struct buf *ret)
{
	lock_take(&v->index_lock);
	ck_assert_int_eq(snap_state_write(v, add_item, ret), 0);
	lock_drop(&v->index_lock);
}

/* As the log alone has it: a copy of the vault without snapshots. */
static void state_of_log(struct buf *ret)
{
	const struct device plain = { .vault = "plain", .no_state = true };
	struct vault *v;

	copy_folder("vault", "plain");
	shell("rm -rf plain/w/*/m");
	v = device_open(&plain);
	state_of(v, ret);
	device_close(v);
	remove_folder("plain");
}

/* The state a device without an index comes to, which must be the log's in
 * every byte. */
static void check_state(void)
{
	auto_buf struct buf x = BUF_INIT(MEM_MAX), y = BUF_INIT(MEM_MAX);
	struct vault *v = device_open(&reader);

	state_of(v, &x);
	device_close(v);
	state_of_log(&y);
	ck_assert_uint_eq(x.len, y.len);
	ck_assert(memcmp(x.data, y.data, x.len) == 0);
}

static bool is_used(const struct device *d)
{
	const struct snap_tried none = { .n = 0 };
	auto_manifest struct manifest m = { .plain = NULL };
	struct vault *v = device_open(d);
	int r = snap_find(v->commit, &none, &m);

	ck_assert_int_ge(r, 0);
	device_close(v);
	return r > 0;
}

static unsigned count_manifests(void)
{
	return count_files("vault", "/m/", NULL, 0);
}

static void fill(struct vault *v, unsigned from, unsigned n)
{
	char name[32];

	for (unsigned i = from; i < from + n; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		put_bytes(v, name, i, 100 + 700 * (i % 40));
	}
}

static void snapshot(struct vault *v)
{
	ck_assert_int_eq(vault_snapshot(v), 1);
}

/* ---------------------------------------------------------------- cases */

START_TEST(an_opening_from_a_snapshot_shows_what_the_log_does)
{
	struct vault *v = device_open(&a);

	fill(v, 0, 50);
	make_dir(v, "dir");
	rename_name(v, "file-3", "third");
	remove_name(v, "file-4");
	put_bytes(v, "file-5", 99, 50000);
	snapshot(v);
	put_file(v, "later", "text");
	remove_name(v, "file-6");
	device_close(v);
	ck_assert_uint_eq(count_manifests(), 1);
	ck_assert(is_used(&reader));
	check_state();
	v = device_open(&reader);
	ck_assert(has_bytes(v, "third", 3, 100 + 700 * 3));
	ck_assert(has_bytes(v, "file-5", 99, 50000));
	ck_assert(!has_name(v, "file-4") && !has_name(v, "file-6"));
	ck_assert(has_text(v, "later", "text"));
	ck_assert(has_name(v, "dir"));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(a_snapshot_of_the_same_is_not_made_again)
{
	struct vault *v = device_open(&a);

	fill(v, 0, 5);
	for (unsigned i = 0; i < 4; i++) {
		fill(v, i, 2);
		snapshot(v);
		ck_assert_int_eq(vault_snapshot(v), 0);
	}
	device_close(v);
	v = device_open(&a);
	ck_assert_int_eq(vault_snapshot(v), 0);
	device_close(v);
	check_state();
}
END_TEST

START_TEST(a_lost_index_is_made_from_the_snapshot_and_goes_on)
{
	struct vault *v = device_open(&a);

	fill(v, 0, 30);
	snapshot(v);
	fill(v, 20, 20);
	device_close(v);
	shell("find state -name index.db -delete");
	v = device_open(&a);
	ck_assert(has_bytes(v, "file-25", 25, 100 + 700 * 25));
	fill(v, 100, 3);
	rename_name(v, "file-1", "first");
	snapshot(v);
	device_close(v);
	check_state();
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(a_damaged_manifest_is_passed_over)
{
	struct vault *v = device_open(&a);

	fill(v, 0, 30);
	snapshot(v);
	device_close(v);
	ck_assert_uint_eq(count_manifests(), 1);
	shell("for f in vault/w/*/m/*; do printf xxxxxxxxxxxxxxxx |"
	      " dd of=$f bs=1 seek=200 conv=notrunc status=none; done");
	ck_assert(!is_used(&reader));
	v = device_open(&reader);
	ck_assert(has_bytes(v, "file-25", 25, 100 + 700 * 25));
	device_close(v);
}
END_TEST

/* Every pack that came after `before` was listed. */
static void damage_new_packs(void)
{
	shell("find vault -type f | sort | comm -13 before - | grep /d/ >new &&"
	      " test -s new && for f in $(cat new); do printf xxxxxxxxxxxxxxxx |"
	      " dd of=$f bs=1 seek=200 conv=notrunc status=none; done");
}

START_TEST(a_damaged_shard_makes_the_log_be_read)
{
	auto_buf struct buf x = BUF_INIT(MEM_MAX), y = BUF_INIT(MEM_MAX);
	struct vault *v = device_open(&a);

	fill(v, 0, 30);
	put_file(v, "small", "so small that it travels in its operation");
	ck_assert_int_eq(vault_publish(v), 0);
	shell("find vault -type f | sort >before");
	snapshot(v);
	device_close(v);
	state_of_log(&y);
	damage_new_packs();
	count_diag("");
	v = device_open(&reader);
	ck_assert_uint_eq(count_diag("cannot be used"), 1);
	state_of(v, &x);
	ck_assert(has_bytes(v, "file-25", 25, 100 + 700 * 25));
	device_close(v);
	ck_assert(x.len == y.len && memcmp(x.data, y.data, x.len) == 0);
}
END_TEST

START_TEST(two_devices_make_the_same_state)
{
	auto_manifest struct manifest m = { .plain = NULL },
				      n = { .plain = NULL };
	auto_log_names struct log_names l = { 0 }, k = { 0 };
	struct vault *v = device_open(&a), *w;

	fill(v, 0, 20);
	device_close(v);
	w = device_open(&b);
	ck_assert_int_eq(vault_receive(w), 0);
	fill(w, 10, 20);
	rename_name(w, "file-2", "second");
	device_close(w);
	v = device_open(&a);
	ck_assert_int_eq(vault_receive(v), 0);
	put_file(v, "last", "word");
	snapshot(v);
	ck_assert_int_eq(manifest_list(v, 0xa1, &l), 0);
	ck_assert_int_eq(manifest_read(v, 0xa1, &l.names[0], &m), 0);
	device_close(v);
	/* The log as it was for that one. */
	shell("mv vault/w/00000000000000a1/m away");
	check_state();
	shell("mv away vault/w/00000000000000a1/m");
	check_state();
	w = device_open(&b);
	ck_assert_int_eq(vault_receive(w), 0);
	snapshot(w);
	ck_assert_int_eq(manifest_list(w, 0xb2, &k), 0);
	ck_assert_int_eq(manifest_read(w, 0xb2, &k.names[0], &n), 0);
	device_close(w);
	check_state();
	ck_assert_uint_eq(m.body.n_heads, 2);
	ck_assert_uint_eq(n.body.n_heads, 2);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

START_TEST(old_ones_go_and_their_packs_with_them)
{
	struct vault *v = device_open(&a);
	unsigned packs[6];

	fill(v, 0, 10);
	for (unsigned i = 0; i < 6; i++) {
		fill(v, 10 + i, 3);
		snapshot(v);
		packs[i] = count_files("vault", "/d/", NULL, 0);
		ck_assert_uint_eq(count_manifests(), i < 2 ? i + 1 : 2);
	}
	/* A pack of data and one of shards each time, less what goes. */
	ck_assert_uint_eq(packs[5] - packs[4], packs[4] - packs[3]);
	ck_assert_uint_eq(packs[5] - packs[4], 1);
	device_close(v);
	check_state();
	v = device_open(&a);
	ck_assert(has_bytes(v, "file-2", 2, 100 + 700 * 2));
	device_close(v);
	ck_assert_uint_eq(count_diag(""), 0);
}
END_TEST

/* ---------------------------------------------------------------- counting */

static struct env counting;
static struct env_ops counted;
static unsigned n_segments;

/* A name in w/<writer>/l is digits, a hyphen and hex: none else begins so. */
static int count_open(struct env *e, int dirfd, const char *name, int flags,
		      mode_t mode)
{
	uint8_t prefix[8];
	uint64_t seq;

	(void)e;
	n_segments += segment_name_parse(name, &seq, prefix) == 0;
	return env_posix()->ops->open(env_posix(), dirfd, name, flags, mode);
}

static unsigned count_segments(bool whole_log)
{
	struct device d = reader;
	struct vault *v;

	counted = *env_posix()->ops;
	counted.open = count_open;
	counting.ops = &counted;
	d.env = &counting;
	if (whole_log)
		shell("mv vault/w/00000000000000a1/m away");
	n_segments = 0;
	v = device_open(&d);
	device_close(v);
	if (whole_log)
		shell("mv away vault/w/00000000000000a1/m");
	return n_segments;
}

/* Many rewrites of few files: the log grows, what is left of it does not. */
START_TEST(an_opening_reads_the_log_after_the_snapshot_alone)
{
	struct vault *v = device_open(&a);
	unsigned all, few;

	for (unsigned i = 0; i < 60; i++) {
		fill(v, i % 3, 2);
		ck_assert_int_eq(vault_publish(v), 0);
	}
	snapshot(v);
	for (unsigned i = 0; i < 3; i++) {
		fill(v, i, 1);
		ck_assert_int_eq(vault_publish(v), 0);
	}
	device_close(v);
	all = count_segments(true);
	few = count_segments(false);
	ck_assert_uint_ge(all, 64);
	/* Those that came after, the one that announces it, and the manifest;
	 * the first segment is asked who made the vault. */
	ck_assert_uint_le(few, 8);
	check_state();
}
END_TEST

/* What no operation told of is no part of it: files without a name, contents of
 * what is open and removed. */
START_TEST(what_programs_hold_open_is_not_in_it)
{
	const struct vault_new what = { .mode = S_IFREG | 0600 };
	struct vault *v = device_open(&a);
	struct vault_attr unborn, gone;
	struct vault_name name = { "gone", 4 };

	fill(v, 0, 4);
	put_file(v, "gone", "one");
	ck_assert_int_eq(vault_lookup(v, VAULT_ROOT_INO, name, &gone), 1);
	vault_hold(v, gone.ino, 1);
	remove_name(v, "gone");
	gone.mode = S_IFREG | 0400;
	ck_assert_int_eq(vault_setattr(v, gone.ino, VAULT_SET_MODE, &gone,
				       &gone), 0);
	ck_assert_int_eq(vault_make_unnamed(v, &what, &unborn), 0);
	snapshot(v);
	check_state();
	vault_unhold(v, gone.ino, 1);
	vault_unhold(v, unborn.ino, 1);
	device_close(v);
	check_state();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("snapshot");
	TCase *t = tcase_create("vault");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, an_opening_from_a_snapshot_shows_what_the_log_does);
	tcase_add_test(t, a_snapshot_of_the_same_is_not_made_again);
	tcase_add_test(t, a_lost_index_is_made_from_the_snapshot_and_goes_on);
	tcase_add_test(t, a_damaged_manifest_is_passed_over);
	tcase_add_test(t, a_damaged_shard_makes_the_log_be_read);
	tcase_add_test(t, two_devices_make_the_same_state);
	tcase_add_test(t, old_ones_go_and_their_packs_with_them);
	tcase_add_test(t, what_programs_hold_open_is_not_in_it);
	tcase_add_test(t, an_opening_reads_the_log_after_the_snapshot_alone);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
