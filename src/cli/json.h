/* SPDX-License-Identifier: ISC */
/*
 * JSON (RFC 8259) as it is printed: one object, written as it comes.
 *
 * Names of files are bytes.  What of them is not UTF-8 is written as lone
 * surrogates \udc80 to \udcff, a byte each, as Python's "surrogateescape" has
 * it (PEP 383), so that every name can be had back.
 */
#ifndef COFFER_CLI_JSON_H
#define COFFER_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* On the stack; JSON_INIT(stdout), then one object. */
struct json {
	FILE *out;
	bool need_comma;
};

#define JSON_INIT(file)                                                        \
	{                                                                      \
		.out = (file)                                                  \
	}

/* `key` is NULL for the outermost object and inside arrays. */
void json_object(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_array(struct json *j, const char *key);
void json_end_array(struct json *j);
void json_bytes(struct json *j, const char *key, const void *p, size_t len);
/* NULL is written as null. */
void json_text(struct json *j, const char *key, const char *text);
void json_hex(struct json *j, const char *key, const void *p, size_t n);
void json_u64(struct json *j, const char *key, uint64_t n);
void json_i64(struct json *j, const char *key, int64_t n);
void json_bool(struct json *j, const char *key, bool yes);

#endif
