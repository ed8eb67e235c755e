/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <check.h>

#include "fuse/mountpoint.h"
#include "tempdir.h"

static char path[512];

static const char *below(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", tempdir_path(), name);
	return path;
}

static void make_dir(const char *name)
{
	ck_assert_int_eq(mkdir(below(name), 0700), 0);
}

static void assert_refused(const char *mountpoint, const char *vault,
			   bool nonempty, const char *expected)
{
	const char *reason = NULL;

	ck_assert_int_eq(mountpoint_check(mountpoint, vault, nonempty, &reason),
			 ERR_BAD_MOUNTPOINT);
	ck_assert_ptr_nonnull(reason);
	ck_assert_msg(strstr(reason, expected), "%s", reason);
}

static void assert_usable(const char *mountpoint, const char *vault,
			  bool nonempty)
{
	const char *reason = NULL;

	ck_assert_int_eq(mountpoint_check(mountpoint, vault, nonempty, &reason),
			 0);
}

START_TEST(test_mountpoint_is_an_empty_directory)
{
	make_dir("m");
	assert_usable(below("m"), NULL, false);
	assert_refused(below("absent"), NULL, false, "does not exist");
	tempdir_put("file", "x", 1);
	assert_refused(below("file"), NULL, false, "is not a directory");
	assert_refused(below("file"), NULL, true, "is not a directory");
	assert_refused(below("file/m"), NULL, true, "is not a directory");
}
END_TEST

START_TEST(test_mountpoint_with_entries_only_if_asked_for)
{
	make_dir("m");
	make_dir("m/.hidden");
	assert_refused(below("m"), NULL, false, "is not empty");
	assert_usable(below("m"), NULL, true);
}
END_TEST

START_TEST(test_mountpoint_and_vault_do_not_overlap)
{
	char vault[512];

	make_dir("vault");
	make_dir("vault/k");
	make_dir("vault2");
	snprintf(vault, sizeof(vault), "%s/vault", tempdir_path());
	assert_refused(vault, vault, true, "is the vault itself");
	assert_refused(below("vault/k"), vault, false, "is inside the vault");
	assert_refused(tempdir_path(), vault, true, "contains the vault");
	/* A longer name is another directory. */
	assert_usable(below("vault2"), vault, false);
	/* Links are followed. */
	ck_assert_int_eq(symlinkat("vault/k", tempdir_fd(), "link"), 0);
	assert_refused(below("link"), vault, false, "is inside the vault");
}
END_TEST

static const struct {
	const char *line;
	const char *path;
	bool expected;
} lines[] = {
	{ "36 35 0:41 / /mnt rw,nosuid shared:1 - fuse.coffer coffer rw\n",
	  "/mnt", true },
	{ "36 35 0:41 / /mnt rw\n", "/mn", false },
	{ "36 35 0:41 / /mn rw\n", "/mnt", false },
	{ "36 35 0:41 /mnt / rw\n", "/mnt", false },
	{ "36 35 0:41 /mnt / rw\n", "/", true },
	{ "36 35 0:41 / /a\\040b\\134c\\011\\012 rw\n", "/a b\\c\t\n", true },
	{ "36 35 0:41 / /a\\040b rw\n", "/a\\040b", false },
	{ "36 35 0:41 / /a\\04", "/a\\04", true },
	{ "36 35 0:41 /", "/", false },
	{ "36 35 041 / /mnt rw\n", "/mnt", false },
	{ "", "/mnt", false },
};

START_TEST(test_mountpoint_finds_its_line_of_mountinfo)
{
	dev_t dev = 4711;

	ck_assert_int_eq(mountpoint_parse_line(lines[_i].line, lines[_i].path,
					       &dev),
			 lines[_i].expected);
	ck_assert_uint_eq(dev, lines[_i].expected ? makedev(0, 41) : 4711);
}
END_TEST

START_TEST(test_mountpoint_top_knows_what_is_mounted)
{
	struct stat st;
	dev_t dev;

	ck_assert_int_eq(stat("/proc", &st), 0);
	ck_assert_int_eq(mountpoint_top("/proc", &dev), 1);
	ck_assert_uint_eq(dev, st.st_dev);
	make_dir("m");
	ck_assert_int_eq(mountpoint_top(below("m"), &dev), 0);
}
END_TEST

START_TEST(test_mountpoint_unmount_of_nothing_fails)
{
	make_dir("m");
	ck_assert_int_lt(mountpoint_unmount(below("m"), false), 0);
	ck_assert_int_lt(mountpoint_unmount(below("m"), true), 0);
}
END_TEST

static const struct {
	const char *text;
	bool expected;
} confs[] = {
	{ "", false },
	{ "user_allow_other", true },
	{ "user_allow_other\n", true },
	{ "mount_max = 5\n\n \tuser_allow_other \t# yes\n", true },
	{ "#user_allow_other\n", false },
	{ "# say user_allow_other\n", false },
	{ "user_allow_others\n", false },
	{ "user_allow_other = 1\n", false },
	{ "no user_allow_other\n", false },
};

START_TEST(test_mountpoint_others_are_let_in_by_a_line_of_its_own)
{
	ck_assert(mountpoint_conf_lets_in(confs[_i].text) ==
		  confs[_i].expected);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuse_mountpoint");
	TCase *tc = tcase_create("fuse_mountpoint");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, tempdir_make, tempdir_remove);
	tcase_add_test(tc, test_mountpoint_is_an_empty_directory);
	tcase_add_test(tc, test_mountpoint_with_entries_only_if_asked_for);
	tcase_add_test(tc, test_mountpoint_and_vault_do_not_overlap);
	tcase_add_loop_test(tc, test_mountpoint_finds_its_line_of_mountinfo, 0,
			    (int)(sizeof(lines) / sizeof(lines[0])));
	tcase_add_test(tc, test_mountpoint_top_knows_what_is_mounted);
	tcase_add_test(tc, test_mountpoint_unmount_of_nothing_fails);
	tcase_add_loop_test(
		tc, test_mountpoint_others_are_let_in_by_a_line_of_its_own, 0,
		(int)(sizeof(confs) / sizeof(confs[0])));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
