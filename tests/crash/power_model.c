/* SPDX-License-Identifier: ISC */
#include "power_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "power_env.h"
#include "vault/file.h"
#include "vault/tree.h"

#define TEXT_MAX 8192
#define LINE_MAX_BYTES 96

struct model_item *model_find(struct model *m, const char *path)
{
	for (unsigned i = 0; i < m->n; i++)
		if (strcmp(m->items[i].path, path) == 0)
			return &m->items[i];
	return NULL;
}

struct model_item *model_add(struct model *m, const char *path, bool is_dir)
{
	struct model_item *i;

	if (m->n == MODEL_ITEMS_MAX)
		return NULL;
	i = &m->items[m->n++];
	*i = (struct model_item){ .is_dir = is_dir };
	snprintf(i->path, sizeof(i->path), "%s", path);
	if (!is_dir && !(i->data = calloc(1, MODEL_FILE_MAX)))
		power_die("no memory");
	return i;
}

void model_remove(struct model *m, const char *path)
{
	struct model_item *i = model_find(m, path);

	free(i->data);
	*i = m->items[--m->n];
}

void model_rename(struct model *m, const char *from, const char *to)
{
	if (strcmp(from, to) == 0)
		return;
	if (model_find(m, to))
		model_remove(m, to);
	struct model_item *i = model_find(m, from);
	snprintf(i->path, sizeof(i->path), "%s", to);
}

bool model_is_empty_dir(const struct model *m, const char *path)
{
	size_t len = strlen(path);

	for (unsigned i = 0; i < m->n; i++)
		if (strncmp(m->items[i].path, path, len) == 0 &&
		    m->items[i].path[len] == '/')
			return false;
	return true;
}

void model_release(struct model *m)
{
	for (unsigned i = 0; i < m->n; i++)
		free(m->items[i].data);
	m->n = 0;
}

/* ---------------------------------------------------------------- text */

struct text {
	char lines[MODEL_ITEMS_MAX * 2][LINE_MAX_BYTES];
	unsigned n;
};

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
uint64_t model_hash(const uint8_t *data, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ data[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void add_line(struct text *t, const char *path, bool is_dir,
		     const uint8_t *data, size_t len)
{
	if (t->n == MODEL_ITEMS_MAX * 2)
		power_die("more names than were ever made");
	if (is_dir)
		snprintf(t->lines[t->n++], LINE_MAX_BYTES, "%s/\n", path);
	else
		snprintf(t->lines[t->n++], LINE_MAX_BYTES,
			 "%s %zu %016" PRIx64 "\n", path, len,
			 model_hash(data, len));
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

static char *finish(struct text *t)
{
	char *s = calloc(1, TEXT_MAX);
	size_t at = 0;

	if (!s)
		power_die("no memory");
	qsort(t->lines, t->n, sizeof(t->lines[0]), compare_lines);
	for (unsigned i = 0; i < t->n; i++)
		at += (size_t)snprintf(s + at, TEXT_MAX - at, "%s",
				       t->lines[i]);
	return s;
}

char *model_text(const struct model *m)
{
	struct text *t = calloc(1, sizeof(*t));

	if (!t)
		power_die("no memory");
	for (unsigned i = 0; i < m->n; i++)
		add_line(t, m->items[i].path, m->items[i].is_dir,
			 m->items[i].data, m->items[i].len);
	char *s = finish(t);
	free(t);
	return s;
}

struct entries {
	char names[MODEL_ITEMS_MAX * 2][64];
	uint64_t inos[MODEL_ITEMS_MAX * 2];
	unsigned n;
};

static int collect(void *arg, const struct vault_entry *e)
{
	struct entries *l = arg;

	if (l->n == MODEL_ITEMS_MAX * 2)
		power_die("more names than were ever made");
	snprintf(l->names[l->n], sizeof(l->names[0]), "%.*s", (int)e->name.len,
		 (const char *)e->name.bytes);
	l->inos[l->n++] = e->ino;
	return 0;
}

static void add_file(struct vault *v, struct text *t, const char *path,
		     uint64_t ino, uint64_t size)
{
	uint8_t *data = malloc(size + 1);
	uint64_t at = 0;

	if (!data)
		power_die("no memory");
	while (at < size) {
		ssize_t n = vault_pread(v, ino, data + at, size - at, at);

		if (n <= 0)
			power_die("reading %s: %s", path, err_text((int)n));
		at += (uint64_t)n;
	}
	add_line(t, path, false, data, size);
	free(data);
}

static void add_dir(struct vault *v, struct text *t, const char *above,
		    uint64_t dir)
{
	struct entries *l = calloc(1, sizeof(*l));

	if (!l || vault_readdir(v, dir, 0, false, collect, l) < 0)
		power_die("listing %s", above);
	for (unsigned i = 0; i < l->n; i++) {
		struct vault_attr at;
		char path[128];

		snprintf(path, sizeof(path), "%s%s", above, l->names[i]);
		if (vault_getattr(v, l->inos[i], &at) < 0)
			power_die("attributes of %s", path);
		if (S_ISDIR(at.mode)) {
			add_line(t, path, true, NULL, 0);
			strcat(path, "/");
			add_dir(v, t, path, at.ino);
		} else {
			add_file(v, t, path, at.ino, at.size);
		}
	}
	free(l);
}

char *model_text_of(struct vault *v)
{
	struct text *t = calloc(1, sizeof(*t));

	if (!t)
		power_die("no memory");
	add_dir(v, t, "", VAULT_ROOT_INO);
	char *s = finish(t);
	free(t);
	return s;
}
