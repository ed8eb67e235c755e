/* SPDX-License-Identifier: ISC */
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "fuse/dirbuf.h"

/* With a margin that must stay as it was. */
#define MARGIN 64

static char bytes[4096 + MARGIN] __attribute__((aligned(8)));

static void start(void)
{
	memset(bytes, 0x5a, sizeof(bytes));
}

static struct dirbuf buffer(size_t cap, bool plus)
{
	return (struct dirbuf){ .to = bytes, .cap = cap, .plus = plus };
}

static struct dirbuf_entry entry(const char *name, size_t len, uint64_t ino)
{
	return (struct dirbuf_entry){
		.name = name,
		.name_len = len,
		.offset = (off_t)ino + 100,
		.param = { .ino = ino,
			   .attr = { .st_ino = ino, .st_mode = S_IFREG } },
	};
}

START_TEST(test_dirbuf_writes_what_the_kernel_reads)
{
	struct dirbuf b = buffer(4096, false);
	const struct dirbuf_entry e = entry("abcXX", 3, 7);
	struct fuse_dirent d;

	ck_assert(dirbuf_add(&b, &e));
	memcpy(&d, bytes, sizeof(d));
	ck_assert_uint_eq(d.ino, 7);
	ck_assert_uint_eq(d.off, 107);
	ck_assert_uint_eq(d.namelen, 3);
	ck_assert_uint_eq(d.type, S_IFREG >> 12);
	ck_assert_mem_eq(bytes + FUSE_NAME_OFFSET, "abc\0\0\0\0\0", 8);
	ck_assert_uint_eq(b.used, FUSE_NAME_OFFSET + 8);
	ck_assert_uint_eq(b.used, FUSE_DIRENT_SIZE(&d));
}
END_TEST

START_TEST(test_dirbuf_plus_tells_the_inode_too)
{
	struct dirbuf b = buffer(4096, true);
	const struct dirbuf_entry e = entry("abc", 3, 7);
	struct fuse_direntplus d;

	ck_assert(dirbuf_add(&b, &e));
	memcpy(&d, bytes, sizeof(d));
	ck_assert_uint_eq(d.entry_out.nodeid, 7);
	ck_assert_uint_eq(d.dirent.ino, 7);
	ck_assert_uint_eq(d.dirent.off, 107);
	ck_assert_uint_eq(b.used, FUSE_DIRENTPLUS_SIZE(&d));
}
END_TEST

START_TEST(test_dirbuf_plus_without_an_inode_still_names_its_number)
{
	struct dirbuf b = buffer(4096, true);
	struct dirbuf_entry e = entry("..", 2, 7);
	struct fuse_direntplus d;

	e.param.ino = 0;
	ck_assert(dirbuf_add(&b, &e));
	memcpy(&d, bytes, sizeof(d));
	ck_assert_uint_eq(d.entry_out.nodeid, 0);
	ck_assert_uint_eq(d.dirent.ino, 7);
}
END_TEST

START_TEST(test_dirbuf_takes_entries_until_one_does_not_fit)
{
	bool plus = _i & 1;
	char name[255];
	size_t cap;

	memset(name, 'n', sizeof(name));
	for (cap = 0; cap <= 1200; cap++) {
		struct dirbuf b = buffer(cap, plus);
		const struct dirbuf_entry large = entry(name, 255, 1);
		const struct dirbuf_entry small = entry(name, 1, 2);
		size_t before = 0;

		memset(bytes, 0x5a, sizeof(bytes));
		while (dirbuf_add(&b, before & 1 ? &small : &large)) {
			ck_assert_uint_le(b.used, cap);
			before++;
		}
		ck_assert_uint_eq((unsigned char)bytes[b.used], 0x5a);
		ck_assert_uint_eq((unsigned char)bytes[cap], 0x5a);
	}
}
END_TEST

START_TEST(test_dirbuf_offsets_are_after_the_dots_and_come_back)
{
	static const uint64_t positions[] = {
		1, 2, 3, 1000, UINT64_C(1) << 62, INT64_MAX - 3
	};
	size_t i;
	off_t last = DIRBUF_OFFSET_DOTDOT;

	ck_assert_uint_eq(dirbuf_position(0), 0);
	ck_assert_uint_eq(dirbuf_position(DIRBUF_OFFSET_DOT), 0);
	ck_assert_uint_eq(dirbuf_position(DIRBUF_OFFSET_DOTDOT), 0);
	for (i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
		off_t offset = dirbuf_offset(positions[i]);

		ck_assert(offset > last);
		ck_assert_uint_eq(dirbuf_position(offset), positions[i]);
		last = offset;
	}
	/* At the very end the last offset serves for all. */
	ck_assert(dirbuf_offset(INT64_MAX) == INT64_MAX);
	ck_assert(dirbuf_offset(UINT64_MAX) == INT64_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuse_dirbuf");
	TCase *tc = tcase_create("fuse_dirbuf");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, test_dirbuf_writes_what_the_kernel_reads);
	tcase_add_test(tc, test_dirbuf_plus_tells_the_inode_too);
	tcase_add_test(
		tc, test_dirbuf_plus_without_an_inode_still_names_its_number);
	tcase_add_loop_test(
		tc, test_dirbuf_takes_entries_until_one_does_not_fit, 0, 2);
	tcase_add_test(tc,
		       test_dirbuf_offsets_are_after_the_dots_and_come_back);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
