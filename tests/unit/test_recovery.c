/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <sodium.h>

#include "base/buf.h"
#include "base/mem.h"
#include "format/recovery.h"
#include "format/recovery_priv.h"
#include "format_fixture.h"

/*
 * Words 0, 90, 180 .. of the list; P is their numbers packed by Python's
 * struct module, and the check words the first 22 bits of
 * hashlib.blake2b(b"cofr-rec" + P, digest_size=32), highest first.
 */
static const char *const known =
	"abandon area bird canyon code debate drum excite foam grab identify "
	"knock mandate myself outside potato reduce satisfy skin still three "
	"unable tank worth";
static const char *const known_p =
	"00005a00b4000e016801c2011c027602d0022a038403de0338049204ec044605a005"
	"fa055406ae0608076207";

static void start(void)
{
	ck_assert_int_eq(crypto_start(), 0);
}

static int parse(const char *text, struct secret_buf *ret_p, unsigned *ret_bad)
{
	auto_secret_buf struct secret_buf s = SECRET_BUF_INIT;

	ck_assert_int_eq(secret_buf_append(&s, text, strlen(text)), 0);
	return recovery_parse(&s, ret_p, ret_bad);
}

static void assert_known(const char *text)
{
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	unsigned bad = 99;

	ck_assert_msg(parse(text, &p, &bad) == 0, "%s", text);
	assert_hex(p.data, p.len, known_p);
	ck_assert_uint_eq(bad, 0);
}

static void assert_rejected(const char *text, unsigned bad_word)
{
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	unsigned bad = 99;

	ck_assert_int_eq(secret_buf_append(&p, "before", 6), 0);
	ck_assert_msg(parse(text, &p, &bad) == ERR_MALFORMED, "%s", text);
	ck_assert_uint_eq(p.len, 6);
	ck_assert_msg(bad == bad_word, "%s: word %u", text, bad);
}

START_TEST(the_list_is_that_of_bip39)
{
	crypto_hash_sha256_state state;
	uint8_t hash[crypto_hash_sha256_BYTES];
	size_t i;

	crypto_hash_sha256_init(&state);
	for (i = 0; i < RECOVERY_LIST_WORDS; i++) {
		crypto_hash_sha256_update(
			&state, (const unsigned char *)recovery_words[i],
			strlen(recovery_words[i]));
		crypto_hash_sha256_update(&state, (const unsigned char *)"\n",
					  1);
	}
	crypto_hash_sha256_final(&state, hash);
	assert_hex(hash, sizeof(hash),
		   "2f5eed53a4727b4bf8880d8f3f199efc"
		   "90e58503646d9ff8eff3a2ed3b24dbda");
}
END_TEST

START_TEST(the_list_is_sorted_and_told_apart_by_four_letters)
{
	size_t i;

	for (i = 1; i < RECOVERY_LIST_WORDS; i++)
		ck_assert_int_lt(strncmp(recovery_words[i - 1],
					 recovery_words[i], 4),
				 0);
}
END_TEST

START_TEST(a_known_key_is_read)
{
	assert_known(known);
}
END_TEST

START_TEST(a_new_key_is_24_words_that_are_read_back)
{
	auto_secret_buf struct secret_buf text = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	unsigned bad;
	size_t i, blanks = 0;

	ck_assert_int_eq(recovery_new(&text), 0);
	ck_assert_uint_lt(text.len, RECOVERY_TEXT_MAX);
	ck_assert_uint_eq(strlen((const char *)text.data), text.len);
	for (i = 0; i < text.len; i++) {
		blanks += text.data[i] == ' ';
		ck_assert(text.data[i] == ' ' || islower(text.data[i]));
	}
	ck_assert_uint_eq(blanks, RECOVERY_WORDS - 1);
	ck_assert_int_eq(recovery_parse(&text, &p, &bad), 0);
	ck_assert_uint_eq(p.len, RECOVERY_P_BYTES);
	for (i = 0; i < RECOVERY_RANDOM_WORDS; i++) {
		const char *word = recovery_words[le16_get(p.data + 2 * i)];

		if (i == 0)
			ck_assert_mem_eq(text.data, word, strlen(word));
		ck_assert_ptr_nonnull(strstr((const char *)text.data, word));
	}
}
END_TEST

/* A bit that never changed in 64 keys would be one of 2^63 accidents. */
START_TEST(every_bit_of_a_key_is_drawn)
{
	uint8_t ones[RECOVERY_P_BYTES] = { 0 }, zeros[RECOVERY_P_BYTES] = { 0 };
	unsigned bad, i, k;

	for (i = 0; i < 64; i++) {
		auto_secret_buf struct secret_buf text = SECRET_BUF_INIT;
		auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;

		ck_assert_int_eq(recovery_new(&text), 0);
		ck_assert_int_eq(recovery_parse(&text, &p, &bad), 0);
		for (k = 0; k < RECOVERY_P_BYTES; k++) {
			ones[k] |= p.data[k];
			zeros[k] |= (uint8_t)~p.data[k];
		}
	}
	for (k = 0; k < RECOVERY_P_BYTES; k++) {
		ck_assert_uint_eq(ones[k], k % 2 ? 0x07 : 0xff);
		ck_assert_uint_eq(zeros[k], 0xff);
	}
}
END_TEST

START_TEST(case_separators_and_endings_do_not_matter)
{
	char upper[RECOVERY_TEXT_MAX];
	size_t i;

	for (i = 0; i <= strlen(known); i++)
		upper[i] = (char)toupper((unsigned char)known[i]);
	assert_known(upper);
	assert_known("\n abandon-area--bird\tcanyon\r\ncode debate - drum "
		     "excite foam grab identify knock mandate myself outside "
		     "potato reduce satisfy skin still three unable tank "
		     "worth \v\f\n");
	assert_known("aban area bird cany code deba drum exci foam grab iden "
		     "knoc mand myse outs pota redu sati skin stil thre unab "
		     "tank wort");
	assert_known("abandon Area bird canyo code debate drum excit foam grab "
		     "identif knock mandate myself outside potato reduce "
		     "satisfy skin still three unable tank worth");
}
END_TEST

START_TEST(a_word_not_in_the_list_is_named_by_its_place)
{
	const char *const rest =
		"bird canyon code debate drum excite foam grab identify knock "
		"mandate myself outside potato reduce satisfy skin still three "
		"unable tank";
	const char *const bad[] = {
		"worthy", "abandonn", "aba",	    "are",
		"x",	  "zzzz",     "ab\xc3\xa9", "worthworthworth",
		"zoo.",	  "worth,",   "abandonx",   "actx",
	};
	char text[RECOVERY_TEXT_MAX];
	size_t i;

	for (i = 0; i < array_len(bad); i++) {
		snprintf(text, sizeof(text), "%s area %s worth", bad[i], rest);
		assert_rejected(text, 1);
		snprintf(text, sizeof(text), "abandon %s %s worth", bad[i],
			 rest);
		assert_rejected(text, 2);
		snprintf(text, sizeof(text), "abandon area %s %s", rest,
			 bad[i]);
		assert_rejected(text, 24);
	}
}
END_TEST

START_TEST(a_nul_in_the_text_is_no_word)
{
	auto_secret_buf struct secret_buf s = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	unsigned bad;

	ck_assert_int_eq(secret_buf_append(&s, known, strlen(known) + 1), 0);
	ck_assert_int_eq(recovery_parse(&s, &p, &bad), ERR_MALFORMED);
	ck_assert_uint_eq(bad, 24);
}
END_TEST

START_TEST(fewer_or_more_than_24_words_are_rejected)
{
	char text[RECOVERY_TEXT_MAX];

	assert_rejected("", 0);
	assert_rejected(" - ", 0);
	assert_rejected("abandon", 0);
	snprintf(text, sizeof(text), "%.*s", (int)strlen(known) - 6, known);
	assert_rejected(text, 0);
	snprintf(text, sizeof(text), "%s abandon", known);
	assert_rejected(text, 0);
}
END_TEST

static void join(const size_t words[RECOVERY_WORDS], char *to, size_t n)
{
	size_t i, at = 0;

	for (i = 0; i < RECOVERY_WORDS; i++)
		at += (size_t)snprintf(to + at, n - at, "%s ",
				       recovery_words[words[i]]);
}

/* The two check words hold 22 bits: of 24 + 23 changes of this key, all are
 * found. */
START_TEST(one_wrong_or_two_swapped_words_are_found)
{
	size_t words[RECOVERY_WORDS], i;
	char text[RECOVERY_TEXT_MAX];

	for (i = 0; i < RECOVERY_RANDOM_WORDS; i++)
		words[i] = i * 90;
	for (i = 0; i < RECOVERY_LIST_WORDS; i++) {
		if (strcmp(recovery_words[i], "tank") == 0)
			words[22] = i;
		if (strcmp(recovery_words[i], "worth") == 0)
			words[23] = i;
	}
	join(words, text, sizeof(text));
	assert_known(text);
	for (i = 0; i < RECOVERY_WORDS; i++) {
		const size_t before = words[i];

		words[i] = (before + 1) % RECOVERY_LIST_WORDS;
		join(words, text, sizeof(text));
		assert_rejected(text, 0);
		words[i] = before;
	}
	for (i = 1; i < RECOVERY_WORDS; i++) {
		const size_t before = words[i];

		words[i] = words[i - 1];
		words[i - 1] = before;
		join(words, text, sizeof(text));
		assert_rejected(text, 0);
		words[i - 1] = words[i];
		words[i] = before;
	}
}
END_TEST

START_TEST(without_memory_nothing_is_given)
{
	auto_secret_buf struct secret_buf text = SECRET_BUF_INIT;
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	unsigned bad;
	unsigned long nth;
	int err;

	for (nth = 1;; nth++) {
		mem_fail_nth(nth, false);
		err = recovery_new(&text);
		if (!mem_fail_hit())
			break;
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert_uint_eq(text.len, 0);
	}
	mem_fail_nth(0, false);
	ck_assert_int_eq(err, 0);
	ck_assert_uint_gt(nth, 1);
	for (nth = 1;; nth++) {
		mem_fail_nth(nth, false);
		err = recovery_parse(&text, &p, &bad);
		if (!mem_fail_hit())
			break;
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert_uint_eq(p.len, 0);
	}
	mem_fail_nth(0, false);
	ck_assert_int_eq(err, 0);
	ck_assert_uint_gt(nth, 1);
}
END_TEST

static Suite *recovery_suite(void)
{
	Suite *suite = suite_create("recovery");
	TCase *tcase = tcase_create("list");

	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, the_list_is_that_of_bip39);
	tcase_add_test(tcase,
		       the_list_is_sorted_and_told_apart_by_four_letters);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("key");
	tcase_add_checked_fixture(tcase, start, NULL);
	tcase_add_test(tcase, a_known_key_is_read);
	tcase_add_test(tcase, a_new_key_is_24_words_that_are_read_back);
	tcase_add_test(tcase, every_bit_of_a_key_is_drawn);
	tcase_add_test(tcase, case_separators_and_endings_do_not_matter);
	tcase_add_test(tcase, a_word_not_in_the_list_is_named_by_its_place);
	tcase_add_test(tcase, a_nul_in_the_text_is_no_word);
	tcase_add_test(tcase, fewer_or_more_than_24_words_are_rejected);
	tcase_add_test(tcase, one_wrong_or_two_swapped_words_are_found);
	tcase_add_test(tcase, without_memory_nothing_is_given);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run_suite(recovery_suite());
}
