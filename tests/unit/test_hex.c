/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/hex.h"

START_TEST(test_hex_every_byte_survives)
{
	uint8_t bytes[256], back[256];
	char text[513];

	for (int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	hex_encode(bytes, sizeof(bytes), text);
	ck_assert_uint_eq(strlen(text), 512);
	ck_assert_mem_eq(text, "000102", 6);
	ck_assert_str_eq(text + 504, "fcfdfeff");
	ck_assert_int_eq(hex_decode(text, sizeof(back), back), 0);
	ck_assert_mem_eq(bytes, back, sizeof(bytes));
}
END_TEST

START_TEST(test_hex_of_nothing_is_empty)
{
	char text[1] = { 'x' };

	hex_encode(NULL, 0, text);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(hex_decode("", 0, NULL), 0);
}
END_TEST

START_TEST(test_hex_decode_needs_no_nul)
{
	static const char text[4] = { 'b', 'e', 'e', 'f' };
	uint8_t out[2];

	ck_assert_int_eq(hex_decode(text, 2, out), 0);
	ck_assert_uint_eq(out[0], 0xbe);
	ck_assert_uint_eq(out[1], 0xef);
}
END_TEST

/* Among them the neighbours of the digits, and names too short. */
static const char *const bad[] = {
	"0/00", "0:00", "00`0", "00g0", "00A0", "F000", "00 0",
	"-100", "+100", "0x00", "000",	"00",	"",	"\xb0\xb0\xb0\xb0",
};

START_TEST(test_hex_decode_rejects_what_is_no_lower_case_digit)
{
	uint8_t out[2] = { 0xaa, 0xaa };

	ck_assert_int_eq(hex_decode(bad[_i], 2, out), ERR_MALFORMED);
	ck_assert_uint_eq(out[0], 0xaa);
	ck_assert_uint_eq(out[1], 0xaa);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hex");
	TCase *tc = tcase_create("hex");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_hex_every_byte_survives);
	tcase_add_test(tc, test_hex_of_nothing_is_empty);
	tcase_add_test(tc, test_hex_decode_needs_no_nul);
	tcase_add_loop_test(tc,
			    test_hex_decode_rejects_what_is_no_lower_case_digit,
			    0, (int)(sizeof(bad) / sizeof(bad[0])));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
