/* SPDX-License-Identifier: ISC */
/* The fixed answers of vault-format/vectors/vectors.txt: "name hex" lines. */
#ifndef COFFER_TESTS_VECTORS_TABLE_H
#define COFFER_TESTS_VECTORS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

struct vector {
	char *name;
	uint8_t *bytes;
	size_t n;
};

/* Reads the file; ends the program with a message if it cannot. */
void vectors_load(const char *path);
void vectors_free(void);

/* The one of that name; ends the program if there is none. */
const struct vector *vector_get(const char *name);
/* Copies it; ends the program unless it has just n bytes. */
void vector_copy(const char *name, void *to, size_t n);
/* The one of a name made as by printf; NULL if there is none. */
const struct vector *vector_find(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
/* A cursor over all its bytes. */
struct cursor vector_cursor(const char *name);
/* Every vector whose name begins with `prefix`, in the file's order; NULL
 * after the last.  *at begins as 0. */
const struct vector *vector_next(const char *prefix, size_t *at);

/* Fails the running test unless these are the vector's bytes. */
void assert_vector(const char *name, const void *got, size_t n);

/* Byte i is (7 i + 3) mod 251, as in make_vectors.py. */
void fill_pattern(uint8_t *to, size_t n);

#endif
