/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/err.h"

struct row {
	int err;
	int number;
	int parent;
	const char *name;
	const char *sentence;
};

static const struct row rows[] = {
#define ROW(name, number, parent, sentence)                                    \
	{ ERR_##name, number, parent, #name, sentence },
	ERR_TABLE(ROW)
#undef ROW
};

#define N_ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

START_TEST(test_err_row_is_found_by_its_code)
{
	const struct row *row = &rows[_i];

	ck_assert_int_eq(row->err, -row->number);
	ck_assert_str_eq(err_name(row->err), row->name);
	ck_assert_str_eq(err_text(row->err), row->sentence);
	ck_assert_int_eq(err_errno(row->err), row->parent);
}
END_TEST

START_TEST(test_err_row_is_well_formed)
{
	const struct row *row = &rows[_i];
	size_t len = strlen(row->sentence);

	ck_assert_int_ge(row->number, 4096);
	ck_assert_int_gt(row->parent, 0);
	ck_assert_int_lt(row->parent, 512);
	ck_assert_uint_gt(len, 0);
	ck_assert_int_ne(row->sentence[len - 1], '.');
	for (int i = 0; i < N_ROWS; i++)
		if (i != _i)
			ck_assert_str_ne(rows[i].sentence, row->sentence);
}
END_TEST

START_TEST(test_err_errno_passes_system_errors)
{
	ck_assert_int_eq(err_errno(-ENOSPC), ENOSPC);
	ck_assert_int_eq(err_errno(-EIO), EIO);
	ck_assert_str_eq(err_name(-ENOSPC), "ENOSPC");
	ck_assert_str_eq(err_text(-ENOSPC), "No space left on device");
}
END_TEST

START_TEST(test_err_success_is_no_error)
{
	ck_assert_int_eq(err_errno(0), 0);
	ck_assert_int_eq(err_errno(17), 0);
	ck_assert_str_eq(err_name(0), "OK");
	ck_assert_str_eq(err_text(1), "success");
}
END_TEST

START_TEST(test_err_unknown_codes_have_an_answer)
{
	static const int unknown[] = { -4000, -4095, -5000, INT_MIN + 1,
				       INT_MIN };

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		ck_assert_str_eq(err_name(unknown[i]), "UNKNOWN");
		ck_assert_str_eq(err_text(unknown[i]), "unknown error");
		ck_assert_int_gt(err_errno(unknown[i]), 0);
	}
	ck_assert_int_eq(err_errno(-5000), EIO);
	ck_assert_int_eq(err_errno(INT_MIN), EIO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("err");
	TCase *tc = tcase_create("err");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, test_err_row_is_found_by_its_code, 0, N_ROWS);
	tcase_add_loop_test(tc, test_err_row_is_well_formed, 0, N_ROWS);
	tcase_add_test(tc, test_err_errno_passes_system_errors);
	tcase_add_test(tc, test_err_success_is_no_error);
	tcase_add_test(tc, test_err_unknown_codes_have_an_answer);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
