/* SPDX-License-Identifier: ISC */
/* What a check reads, by one thread and by several. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "commit_fixture.h"
#include "tempdir.h"
#include "vault/care.h"

#define N_PACKS 9u
#define PACK_DATA_BYTES 90000u

static const struct device a = { .vault = "vault", .state = "state",
				 .writer = 0xa1 };

static void setup(void)
{
	char name[8];

	tempdir_make();
	catch_diag();
	ck_assert_int_eq(device_init(&a), 0);
	for (unsigned i = 0; i < N_PACKS; i++) {
		struct vault *v = device_open(&a);

		snprintf(name, sizeof(name), "f%u", i);
		put_bytes(v, name, i + 1, PACK_DATA_BYTES);
		device_close(v);
	}
}

static void teardown(void)
{
	tempdir_remove();
}

struct told {
	unsigned n_damage, n_paths;
	uint64_t done, total;
	char paths[256]; /* of the files that lose something, sorted */
};

static void found(void *arg, enum vault_finding kind, const char *what, int err,
		  const char *why)
{
	struct told *t = arg;

	(void)err;
	ck_assert_ptr_nonnull(why);
	ck_assert_int_eq(kind, VAULT_FINDING_DAMAGE);
	if (what[0] != '/') {
		t->n_damage++;
		return;
	}
	t->n_paths++;
	ck_assert_uint_lt(strlen(t->paths) + strlen(what), sizeof(t->paths));
	strcat(t->paths, what);
}

static void progressed(void *arg, uint64_t done, uint64_t total)
{
	struct told *t = arg;

	ck_assert_uint_gt(done, t->done);
	t->done = done;
	t->total = total;
}

static void check(unsigned n_threads, struct told *t,
		  struct vault_check_result *ret)
{
	const struct vault_check_options opts = {
		.read_data = true,
		.n_threads = n_threads,
		.finding = found,
		.progress = progressed,
		.arg = t,
	};
	struct vault *v = device_open(&a);

	*t = (struct told){ .n_damage = 0 };
	ck_assert_int_eq(vault_check(v, &opts, ret), 0);
	device_close(v);
}

/* Every third pack, in its first record. */
static unsigned damage(void)
{
	char path[512], xx[8];
	unsigned n = 0;

	for (unsigned i = 0; i < 256; i++) {
		uint8_t byte;
		int fd;

		snprintf(xx, sizeof(xx), "/d/%02x/", i);
		if (count_files("vault", xx, path, sizeof(path)) == 0)
			continue;
		if (n++ % 3)
			continue;
		fd = open(path, O_RDWR | O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(pread(fd, &byte, 1, 1000), 1);
		byte ^= 1;
		ck_assert_int_eq(pwrite(fd, &byte, 1, 1000), 1);
		close(fd);
	}
	return (n + 2) / 3;
}

START_TEST(all_is_read_by_any_number_of_threads)
{
	struct vault_check_result r;
	struct told t;

	check((unsigned)_i, &t, &r);
	ck_assert_uint_eq(r.n_packs, N_PACKS);
	ck_assert_uint_eq(r.n_segments, N_PACKS + 1);
	ck_assert_uint_gt(r.bytes_read, N_PACKS * PACK_DATA_BYTES);
	ck_assert_uint_eq(t.done, t.total);
	ck_assert_uint_eq(t.done, r.bytes_read);
	ck_assert_uint_eq(t.n_damage, 0);
}
END_TEST

START_TEST(several_threads_find_what_one_finds)
{
	struct vault_check_result one, many;
	struct told by_one, by_many;
	unsigned n = damage();

	ck_assert_uint_ge(n, 2);
	check(1, &by_one, &one);
	ck_assert_uint_eq(by_one.n_damage, n);
	ck_assert_uint_eq(one.n_damaged, n);
	ck_assert_uint_eq(one.n_files_damaged, n);
	check(4, &by_many, &many);
	ck_assert_uint_eq(by_many.n_damage, n);
	ck_assert_uint_eq(many.n_files_damaged, n);
	ck_assert_uint_eq(many.bytes_read, one.bytes_read);
	/* Paths come in the order of the folder, whoever read first. */
	ck_assert_str_eq(by_many.paths, by_one.paths);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("check");
	TCase *tc = tcase_create("reading");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, all_is_read_by_any_number_of_threads, 0, 6);
	tcase_add_test(tc, several_threads_find_what_one_finds);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
