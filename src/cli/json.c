/* SPDX-License-Identifier: ISC */
#include "cli/json.h"

#include <inttypes.h>
#include <string.h>

static void begin_value(struct json *j, const char *key)
{
	if (j->need_comma)
		fputs(", ", j->out);
	if (key)
		fprintf(j->out, "\"%s\": ", key);
	j->need_comma = true;
}

static void open_with(struct json *j, const char *key, char bracket)
{
	begin_value(j, key);
	putc(bracket, j->out);
	j->need_comma = false;
}

static void close_with(struct json *j, char bracket)
{
	putc(bracket, j->out);
	j->need_comma = true;
}

void json_object(struct json *j, const char *key)
{
	open_with(j, key, '{');
}

void json_end_object(struct json *j)
{
	close_with(j, '}');
}

void json_array(struct json *j, const char *key)
{
	open_with(j, key, '[');
}

void json_end_array(struct json *j)
{
	close_with(j, ']');
}

/* The length of the well-formed UTF-8 sequence at p (Unicode 15, table 3-7),
 * 0 if there is none. */
static size_t sequence_length(const unsigned char *p, size_t left)
{
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong, surrogates, above U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static void put_character(FILE *out, const unsigned char *p, size_t n)
{
	if (n == 0)
		fprintf(out, "\\udc%02x", p[0]);
	else if (p[0] == '"' || p[0] == '\\')
		fprintf(out, "\\%c", p[0]);
	else if (p[0] < ' ' || p[0] == 0x7f)
		fprintf(out, "\\u%04x", p[0]);
	else
		fwrite(p, 1, n, out);
}

void json_bytes(struct json *j, const char *key, const void *p, size_t len)
{
	const unsigned char *at = p, *end = at + len;

	begin_value(j, key);
	putc('"', j->out);
	while (at < end) {
		size_t n = sequence_length(at, (size_t)(end - at));

		put_character(j->out, at, n);
		at += n ? n : 1;
	}
	putc('"', j->out);
}

void json_text(struct json *j, const char *key, const char *text)
{
	if (text) {
		json_bytes(j, key, text, strlen(text));
		return;
	}
	begin_value(j, key);
	fputs("null", j->out);
}

void json_hex(struct json *j, const char *key, const void *p, size_t n)
{
	const unsigned char *at = p;

	begin_value(j, key);
	putc('"', j->out);
	for (size_t i = 0; i < n; i++)
		fprintf(j->out, "%02x", at[i]);
	putc('"', j->out);
}

void json_u64(struct json *j, const char *key, uint64_t n)
{
	begin_value(j, key);
	fprintf(j->out, "%" PRIu64, n);
}

void json_i64(struct json *j, const char *key, int64_t n)
{
	begin_value(j, key);
	fprintf(j->out, "%" PRId64, n);
}

void json_bool(struct json *j, const char *key, bool yes)
{
	begin_value(j, key);
	fputs(yes ? "true" : "false", j->out);
}
