/* SPDX-License-Identifier: ISC */
#include "format/recovery.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "format/recovery_priv.h"

#define RECOVERY_LABEL "cofr-rec"
#define RECOVERY_LABEL_BYTES (sizeof(RECOVERY_LABEL) - 1)
#define WORD_BITS 11
#define WORD_MASK ((1u << WORD_BITS) - 1)
/* Letters that tell every two words of the list apart. */
#define PREFIX_LETTERS 4

/* Numbers of the words; secret. */
struct recovery {
	uint16_t words[RECOVERY_WORDS];
	uint16_t check[RECOVERY_WORDS - RECOVERY_RANDOM_WORDS];
	uint8_t p[RECOVERY_P_BYTES];
	uint8_t hash[32];
};

static void fill_p(struct recovery *r)
{
	size_t i;

	for (i = 0; i < RECOVERY_RANDOM_WORDS; i++)
		le16_put(r->p + 2 * i, r->words[i]);
}

/* The check words that belong to P. */
static void fill_check(struct recovery *r)
{
	struct hash h;
	uint32_t bits;

	hash_begin(&h, NULL, sizeof(r->hash));
	hash_add(&h, RECOVERY_LABEL, RECOVERY_LABEL_BYTES);
	hash_add(&h, r->p, sizeof(r->p));
	hash_end(&h, r->hash, sizeof(r->hash));
	bits = (uint32_t)r->hash[0] << 16 | (uint32_t)r->hash[1] << 8 |
	       r->hash[2];
	r->check[0] = bits >> (24 - WORD_BITS) & WORD_MASK;
	r->check[1] = bits >> (24 - 2 * WORD_BITS) & WORD_MASK;
}

static int append_text(struct secret_buf *to, const struct recovery *r)
{
	size_t i;
	int err;

	/* All the room at once: no copy is made on the way. */
	err = secret_buf_reserve(to, RECOVERY_TEXT_MAX);
	for (i = 0; err == 0 && i < RECOVERY_WORDS; i++) {
		const char *word = recovery_words[r->words[i]];

		if (i > 0)
			err = secret_buf_append(to, " ", 1);
		if (err == 0)
			err = secret_buf_append(to, word, strlen(word));
	}
	if (err == 0)
		err = secret_buf_append(to, "", 1);
	if (err == 0)
		to->len--;
	return err;
}

int recovery_new(struct secret_buf *ret_text)
{
	auto_secret_buf struct secret_buf text = SECRET_BUF_INIT;
	auto_secret struct recovery *r = NULL;
	size_t i;
	int err;

	r = secret_alloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	random_bytes(r->words, sizeof(r->words));
	for (i = 0; i < RECOVERY_RANDOM_WORDS; i++)
		r->words[i] &= WORD_MASK;
	fill_p(r);
	fill_check(r);
	memcpy(r->words + RECOVERY_RANDOM_WORDS, r->check, sizeof(r->check));
	err = append_text(&text, r);
	if (err < 0)
		return err;
	secret_buf_release(ret_text);
	*ret_text = text;
	text = (struct secret_buf)SECRET_BUF_INIT;
	return 0;
}

static int lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool is_separator(uint8_t c)
{
	return c == ' ' || c == '-' || (c >= '\t' && c <= '\r');
}

/* As memcmp of what was typed with the word's beginning; a word that ends
 * comes before whatever goes on. */
static int compare_typed(const uint8_t *typed, size_t len, const char *word)
{
	size_t i;

	for (i = 0; i < len; i++) {
		int order = lower(typed[i]) - (unsigned char)word[i];

		if (order != 0 || word[i] == '\0')
			return order != 0 ? order : 1;
	}
	return 0;
}

/* The number of the word meant, or -1.  The list is sorted, so the first word
 * that begins so is the whole word, if there is one. */
static int find_word(const uint8_t *typed, size_t len)
{
	int low = 0, high = RECOVERY_LIST_WORDS;

	if (len == 0 || len > RECOVERY_WORD_MAX)
		return -1;
	while (low < high) {
		int middle = (low + high) / 2;

		if (compare_typed(typed, len, recovery_words[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == RECOVERY_LIST_WORDS ||
	    compare_typed(typed, len, recovery_words[low]) != 0)
		return -1;
	if (len < PREFIX_LETTERS && recovery_words[low][len] != '\0')
		return -1;
	return low;
}

/* Splits and looks up; `ret_bad_word` as in recovery_parse. */
static int read_words(const struct secret_buf *text, struct recovery *r,
		      unsigned *ret_bad_word)
{
	size_t at = 0, end;
	unsigned n = 0;
	int number;

	for (;;) {
		while (at < text->len && is_separator(text->data[at]))
			at++;
		if (at == text->len)
			break;
		for (end = at; end < text->len; end++)
			if (is_separator(text->data[end]))
				break;
		if (n == RECOVERY_WORDS)
			return ERR_MALFORMED;
		number = find_word(text->data + at, end - at);
		if (number < 0) {
			*ret_bad_word = n + 1;
			return ERR_MALFORMED;
		}
		r->words[n++] = (uint16_t)number;
		at = end;
	}
	return n == RECOVERY_WORDS ? 0 : ERR_MALFORMED;
}

int recovery_parse(const struct secret_buf *text, struct secret_buf *ret_p,
		   unsigned *ret_bad_word)
{
	auto_secret_buf struct secret_buf p = SECRET_BUF_INIT;
	auto_secret struct recovery *r = NULL;
	int err;

	*ret_bad_word = 0;
	r = secret_alloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	err = read_words(text, r, ret_bad_word);
	if (err < 0)
		return err;
	fill_p(r);
	fill_check(r);
	if (!secret_equal(r->check, r->words + RECOVERY_RANDOM_WORDS,
			  sizeof(r->check)))
		return ERR_MALFORMED;
	err = secret_buf_append(&p, r->p, sizeof(r->p));
	if (err < 0)
		return err;
	secret_buf_release(ret_p);
	*ret_p = p;
	p = (struct secret_buf)SECRET_BUF_INIT;
	return 0;
}
