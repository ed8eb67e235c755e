/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "base/diag.h"
#include "base/err.h"

static char last[4096];
static enum diag_level last_level;
static int n_lines;

static void keep(enum diag_level level, const char *line)
{
	ck_assert_uint_lt(strlen(line), sizeof(last));
	memcpy(last, line, strlen(line) + 1);
	last_level = level;
	n_lines++;
}

static void set_up(void)
{
	n_lines = 0;
	last[0] = '\0';
	diag_set_sink(keep);
}

static void tear_down(void)
{
	diag_set_sink(NULL);
	diag_set_level(DIAG_WARNING);
}

START_TEST(test_diag_drops_lines_above_its_level)
{
	diag(DIAG_WARNING, "a");
	diag(DIAG_INFO, "b");
	diag(DIAG_DEBUG, "c");
	ck_assert_int_eq(n_lines, 1);
	ck_assert_str_eq(last, "a");
	diag_set_level(DIAG_DEBUG);
	diag(DIAG_DEBUG, "d %d", 4);
	ck_assert_int_eq(n_lines, 2);
	ck_assert_str_eq(last, "d 4");
	ck_assert_int_eq(last_level, DIAG_DEBUG);
	diag_set_level(DIAG_ERROR);
	diag(DIAG_WARNING, "e");
	ck_assert_int_eq(n_lines, 2);
}
END_TEST

START_TEST(test_diag_err_adds_the_sentence_and_returns_the_error)
{
	ck_assert_int_eq(diag_err(DIAG_ERROR, ERR_DAMAGED, "pack %s", "ab"),
			 ERR_DAMAGED);
	ck_assert_str_eq(last, "pack ab: damaged");
	ck_assert_int_eq(diag_err(DIAG_DEBUG, -ENOSPC, "x"), -ENOSPC);
	ck_assert_int_eq(n_lines, 1);
}
END_TEST

START_TEST(test_diag_writes_one_line_without_escapes)
{
	diag(DIAG_ERROR, "%s", "a\nb\033[2Jc\x7f\r\t\xc3\xa4");
	ck_assert_str_eq(last, "a?b?[2Jc???\xc3\xa4");
}
END_TEST

START_TEST(test_diag_cuts_a_long_line_but_not_its_error)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(diag_err(DIAG_ERROR, ERR_STRANGER, "%s", text),
			 ERR_STRANGER);
	ck_assert_uint_lt(strlen(last), 1024);
	ck_assert_ptr_nonnull(
		strstr(last, "x: another file stands under that name"));
}
END_TEST

START_TEST(test_diag_keeps_errno)
{
	errno = E2BIG;
	diag(DIAG_ERROR, "%s", "a");
	ck_assert_int_eq(errno, E2BIG);
	ck_assert_int_eq(diag_err(DIAG_ERROR, -EIO, "a"), -EIO);
	ck_assert_int_eq(errno, E2BIG);
}
END_TEST

START_TEST(test_diag_goes_to_stderr_with_its_prefix)
{
	char text[256];
	ssize_t len;
	int fds[2];
	int saved;

	diag_set_sink(NULL);
	ck_assert_int_eq(pipe(fds), 0);
	saved = dup(STDERR_FILENO);
	ck_assert_int_ge(saved, 0);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	diag(DIAG_ERROR, "one");
	diag(DIAG_WARNING, "two");
	ck_assert_int_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	len = read(fds[0], text, sizeof(text) - 1);
	ck_assert_int_gt(len, 0);
	text[len] = '\0';
	ck_assert_str_eq(text, "coffer: one\ncoffer: warning: two\n");
	close(saved);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("diag");
	TCase *tc = tcase_create("diag");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, test_diag_drops_lines_above_its_level);
	tcase_add_test(tc,
		       test_diag_err_adds_the_sentence_and_returns_the_error);
	tcase_add_test(tc, test_diag_writes_one_line_without_escapes);
	tcase_add_test(tc, test_diag_cuts_a_long_line_but_not_its_error);
	tcase_add_test(tc, test_diag_keeps_errno);
	tcase_add_test(tc, test_diag_goes_to_stderr_with_its_prefix);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
