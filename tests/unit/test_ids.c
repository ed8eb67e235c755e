/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "format/ids.h"
#include "format/name.h"
#include "format_fixture.h"

static const struct dot dot_a = { 0x1112131415161718, 0x21, 0x31 };

START_TEST(a_dot_is_writer_seq_index_little_endian)
{
	auto_buf struct buf b = BUF_INIT(64);
	struct cursor c;

	dot_put(&b, dot_a);
	ck_assert_int_eq(buf_error(&b), 0);
	assert_hex(b.data, b.len, "1817161514131211210000000000000031000000");
	ck_assert(dot_equal(dot_get(b.data), dot_a));
	cursor_init(&c, b.data, b.len);
	ck_assert(dot_equal(dot_read(&c), dot_a));
	ck_assert_int_eq(cursor_finish(&c), 0);
}
END_TEST

START_TEST(a_dot_cut_short_is_an_error_of_the_cursor)
{
	uint8_t bytes[DOT_BYTES] = { 1 };
	size_t n;

	for (n = 0; n < sizeof(bytes); n++) {
		struct cursor c;

		cursor_init(&c, bytes, n);
		(void)dot_read(&c);
		ck_assert_int_eq(c.error, ERR_TRUNCATED);
	}
}
END_TEST

START_TEST(dots_are_ordered_by_writer_then_seq_then_index_as_numbers)
{
	const struct dot order[] = {
		{ 0, 0, 0 },	      { 1, 0x100, 7 }, { 1, 0x200, 1 },
		{ 0x100, 1, 1 },      { 0x100, 2, 0 }, { 0x100, 2, 0xffffffff },
		{ UINT64_MAX, 0, 0 },
	};
	size_t i, j;

	for (i = 0; i < array_len(order); i++)
		for (j = 0; j < array_len(order); j++) {
			int want = (i > j) - (i < j);

			ck_assert_int_eq(dot_compare(order[i], order[j]), want);
			ck_assert(dot_equal(order[i], order[j]) == (i == j));
		}
	ck_assert(dot_is_zero(order[0]));
	for (i = 1; i < array_len(order); i++)
		ck_assert(!dot_is_zero(order[i]));
}
END_TEST

START_TEST(inode_ids_are_ordered_by_time_then_tail_as_numbers)
{
	const struct inode_id order[] = {
		{ 0, 0 },     { 0, 1 },	    { 0xff, 0x100 },   { 0x100, 0 },
		{ 0x100, 2 }, { 0x200, 1 }, { UINT64_MAX, 0 },
	};
	size_t i, j;

	for (i = 0; i < array_len(order); i++)
		for (j = 0; j < array_len(order); j++) {
			int want = (i > j) - (i < j);

			ck_assert_int_eq(inode_id_compare(order[i], order[j]),
					 want);
			ck_assert(inode_id_equal(order[i], order[j]) ==
				  (i == j));
		}
	ck_assert(inode_id_is_root(order[0]));
	for (i = 1; i < array_len(order); i++)
		ck_assert(!inode_id_is_root(order[i]));
}
END_TEST

START_TEST(an_inode_id_is_time_and_tail_little_endian)
{
	const struct inode_id id = { 0x0102030405060708, 0x1112131415161718 };
	auto_buf struct buf b = BUF_INIT(64);
	struct cursor c;

	inode_id_put(&b, id);
	ck_assert_int_eq(buf_error(&b), 0);
	assert_hex(b.data, b.len, "08070605040302011817161514131211");
	cursor_init(&c, b.data, b.len);
	ck_assert(inode_id_equal(inode_id_read(&c), id));
	ck_assert_int_eq(cursor_finish(&c), 0);
}
END_TEST

/* hashlib.blake2b(b"cofr-spl" + the dot's 20 bytes, digest_size=16) =
 * b53eb6586568964e1e6794ba3dd19de0 */
START_TEST(a_split_inode_is_the_hash_of_the_version_dot)
{
	const struct inode_id id = inode_id_split(dot_a);

	ck_assert_uint_eq(id.time, 0x4e96686558b63eb5);
	ck_assert_uint_eq(id.tail, 0xe09dd13dba94671e);
}
END_TEST

static bool is_name(const char *text)
{
	return name_is_valid((const uint8_t *)text, strlen(text));
}

START_TEST(a_name_is_any_bytes_but_those_that_mean_something)
{
	const uint8_t nul[] = { 'a', 0, 'b' };
	uint8_t longest[NAME_BYTES_MAX + 1];

	ck_assert(is_name("a") && is_name("...") && is_name(".a"));
	ck_assert(is_name("..a") && is_name("\xff\xfe") && is_name("a\nb"));
	ck_assert(!is_name("") && !is_name(".") && !is_name(".."));
	ck_assert(!is_name("/") && !is_name("a/b") && !is_name("a/"));
	ck_assert(!name_is_valid(nul, sizeof(nul)));
	memset(longest, 'x', sizeof(longest));
	ck_assert(name_is_valid(longest, NAME_BYTES_MAX));
	ck_assert(!name_is_valid(longest, NAME_BYTES_MAX + 1));
}
END_TEST

static bool is_label(const char *text)
{
	return name_is_label((const uint8_t *)text, strlen(text));
}

/* The rows of The Unicode Standard 15.0, table 3-7, at both of their ends. */
START_TEST(a_label_is_well_formed_utf_8)
{
	const char *const good[] = {
		"",
		"a b/c",
		"\x7e",
		"\xc2\xa0",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"B\xc3\xbcro",
		"\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf",
	};
	const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2(",
		"\xe0\x9f\xbf",
		"\xe0\xa0",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xf0\x90\x80",
		"\xe2\x28\xa1",
		"\xc3\xc3",
		"a\xc3",
	};
	size_t i;

	for (i = 0; i < array_len(good); i++)
		ck_assert_msg(is_label(good[i]), "good %zu", i);
	for (i = 0; i < array_len(bad); i++)
		ck_assert_msg(!is_label(bad[i]), "bad %zu", i);
}
END_TEST

START_TEST(a_label_has_no_control_characters_and_64_bytes)
{
	uint8_t bytes[LABEL_BYTES_MAX + 1];
	unsigned c;

	for (c = 0; c < 0xa0; c++) {
		const bool control = c < 0x20 || c >= 0x7f;

		bytes[0] = (uint8_t)(c < 0x80 ? c : 0xc2);
		bytes[1] = (uint8_t)c;
		ck_assert(name_is_label(bytes, c < 0x80 ? 1 : 2) == !control);
	}
	memset(bytes, 'x', sizeof(bytes));
	ck_assert(name_is_label(bytes, LABEL_BYTES_MAX));
	ck_assert(!name_is_label(bytes, LABEL_BYTES_MAX + 1));
}
END_TEST

START_TEST(a_device_name_is_a_label_not_empty_and_without_slash)
{
	ck_assert(name_is_device((const uint8_t *)"a b", 3));
	ck_assert(!name_is_device((const uint8_t *)"", 0));
	ck_assert(!name_is_device((const uint8_t *)"a/b", 3));
	ck_assert(!name_is_device((const uint8_t *)"a\x1b", 2));
	ck_assert(!name_is_device((const uint8_t *)"\xc3", 1));
}
END_TEST

static Suite *ids_suite(void)
{
	Suite *suite = suite_create("ids");
	TCase *tcase = tcase_create("ids");

	tcase_add_test(tcase, a_dot_is_writer_seq_index_little_endian);
	tcase_add_test(tcase, a_dot_cut_short_is_an_error_of_the_cursor);
	tcase_add_test(
		tcase,
		dots_are_ordered_by_writer_then_seq_then_index_as_numbers);
	tcase_add_test(tcase,
		       inode_ids_are_ordered_by_time_then_tail_as_numbers);
	tcase_add_test(tcase, an_inode_id_is_time_and_tail_little_endian);
	tcase_add_test(tcase, a_split_inode_is_the_hash_of_the_version_dot);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("names");
	tcase_add_test(tcase,
		       a_name_is_any_bytes_but_those_that_mean_something);
	tcase_add_test(tcase, a_label_is_well_formed_utf_8);
	tcase_add_test(tcase, a_label_has_no_control_characters_and_64_bytes);
	tcase_add_test(tcase,
		       a_device_name_is_a_label_not_empty_and_without_slash);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run_suite(ids_suite());
}
