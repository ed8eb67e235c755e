/* SPDX-License-Identifier: ISC */
/* The folder as it should be: a few files and folders, and every state they
 * were in, as text. */
#ifndef COFFER_TESTS_POWER_MODEL_H
#define COFFER_TESTS_POWER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/vault.h"

#define MODEL_ITEMS_MAX 40
#define MODEL_FILE_MAX ((size_t)400000)

struct model_item {
	char path[24]; /* "name" or "folder/name" */
	bool is_dir;
	uint8_t *data;
	size_t len;
};

struct model {
	struct model_item items[MODEL_ITEMS_MAX];
	unsigned n;
};

struct model_item *model_find(struct model *m, const char *path);
/* NULL: there is no room for more. */
struct model_item *model_add(struct model *m, const char *path, bool is_dir);
void model_remove(struct model *m, const char *path);
/* Over what stands there. */
void model_rename(struct model *m, const char *from, const char *to);
bool model_is_empty_dir(const struct model *m, const char *path);
void model_release(struct model *m);

/* A line each: path, length, hash of the contents; a folder ends with '/'.
 * Sorted; to be freed. */
char *model_text(const struct model *m);
/* The same of a vault. */
char *model_text_of(struct vault *v);
/* A file's line. */
uint64_t model_hash(const uint8_t *data, size_t len);

#endif
