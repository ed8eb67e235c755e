/* SPDX-License-Identifier: ISC */
#include "vectors_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/hex.h"
#include "base/mem.h"

#define VECTORS_MAX 400
#define LINE_MAX_BYTES (512 * 1024)
#define NAME_MAX_BYTES 64

static struct vector vectors[VECTORS_MAX];
static size_t n_vectors;

static void give_up(const char *what, const char *name)
{
	fprintf(stderr, "vectors: %s: %s\n", what, name);
	exit(99);
}

static void add_line(char *line, const char *path)
{
	char *blank = strchr(line, ' ');
	struct vector *v = &vectors[n_vectors];
	size_t digits;

	if (!blank || n_vectors == VECTORS_MAX)
		give_up("not a line of vectors, or one too many", path);
	*blank = '\0';
	digits = strcspn(blank + 1, "\n");
	v->name = mem_strdup(line);
	v->n = digits / 2;
	v->bytes = mem_alloc(v->n);
	if (!v->name || !v->bytes)
		give_up("out of memory", path);
	if (digits % 2 || hex_decode(blank + 1, v->n, v->bytes) < 0)
		give_up("not hexadecimal", line);
	n_vectors++;
}

void vectors_load(const char *path)
{
	auto_free char *line = mem_alloc(LINE_MAX_BYTES);
	FILE *f = fopen(path, "r");

	if (!f || !line)
		give_up("cannot be read", path);
	while (fgets(line, LINE_MAX_BYTES, f))
		add_line(line, path);
	if (ferror(f) || n_vectors == 0)
		give_up("cannot be read", path);
	fclose(f);
}

void vectors_free(void)
{
	while (n_vectors > 0) {
		n_vectors--;
		mem_free(vectors[n_vectors].name);
		mem_free(vectors[n_vectors].bytes);
	}
}

static const struct vector *find(const char *name)
{
	size_t i;

	for (i = 0; i < n_vectors; i++) {
		if (strcmp(vectors[i].name, name) == 0)
			return &vectors[i];
	}
	return NULL;
}

const struct vector *vector_get(const char *name)
{
	const struct vector *v = find(name);

	if (!v)
		give_up("no such vector", name);
	return v;
}

void vector_copy(const char *name, void *to, size_t n)
{
	const struct vector *v = vector_get(name);

	if (v->n != n)
		give_up("not of the length expected", name);
	memcpy(to, v->bytes, n);
}

const struct vector *vector_find(const char *format, ...)
{
	char name[NAME_MAX_BYTES];
	va_list ap;

	va_start(ap, format);
	vsnprintf(name, sizeof(name), format, ap);
	va_end(ap);
	return find(name);
}

struct cursor vector_cursor(const char *name)
{
	const struct vector *v = vector_get(name);
	struct cursor c;

	cursor_init(&c, v->bytes, v->n);
	return c;
}

const struct vector *vector_next(const char *prefix, size_t *at)
{
	while (*at < n_vectors) {
		const struct vector *v = &vectors[(*at)++];

		if (strncmp(v->name, prefix, strlen(prefix)) == 0)
			return v;
	}
	return NULL;
}

void assert_vector(const char *name, const void *got, size_t n)
{
	const struct vector *v = vector_get(name);

	ck_assert_msg(v->n == n, "%s: %zu bytes instead of %zu", name, n, v->n);
	ck_assert_msg(memcmp(v->bytes, got, n) == 0, "%s differs", name);
}

void fill_pattern(uint8_t *to, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = (uint8_t)((7 * i + 3) % 251);
}
