/* SPDX-License-Identifier: ISC */
/*
 * A folder as it should be, small and simple; and a list of what a folder
 * holds, to compare the model with a vault.
 */
#ifndef COFFER_TESTS_FUZZ_MODEL_H
#define COFFER_TESTS_FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/vault.h"

#define MODEL_INODES 16
#define MODEL_ENTRIES 24
#define MODEL_NAMES 6
#define MODEL_FILE_MAX ((uint64_t)160 << 10)
#define MODEL_PATH_MAX 64
#define MODEL_ROOT 0u

/* Bytes that never change; shared. */
struct blob {
	unsigned refs;
	uint64_t hash;
	size_t len;
	uint8_t bytes[];
};

struct model_inode {
	uint32_t mode; /* with type; 0: unused */
	uint32_t id;   /* never used again */
	uint8_t xattr; /* 0: none */
	struct blob *data; /* contents, or a link's target; NULL: none */
};

struct model_entry {
	bool used;
	uint8_t parent, name, inode;
};

struct model {
	uint32_t next_id;
	struct model_inode inodes[MODEL_INODES];
	struct model_entry entries[MODEL_ENTRIES];
};

void model_init(struct model *m);
void model_release(struct model *m);
void model_copy(const struct model *from, struct model *to);

/* ---- reading it: all indexes are of inodes ---- */
unsigned model_nlink(const struct model *m, unsigned inode);
/* -1: there is none. */
int model_find(const struct model *m, unsigned dir, unsigned name);
bool model_is_dir(const struct model *m, unsigned inode);
bool model_is_empty(const struct model *m, unsigned dir);
/* Is `inode` the folder `above`, or below it? */
bool model_is_below(const struct model *m, unsigned inode, unsigned above);
uint64_t model_size(const struct model *m, unsigned inode);
/* The nth folder, file or anything, counted round; -1: there is none. */
int model_pick_dir(const struct model *m, unsigned n);
int model_pick_file(const struct model *m, unsigned n);
int model_pick(const struct model *m, unsigned n);
/* One of its paths, from the root. */
void model_path(const struct model *m, unsigned inode,
		char to[static MODEL_PATH_MAX]);

/* ---- changing it ---- */
/* A new inode at a free name; -1: no room. */
int model_make(struct model *m, unsigned dir, unsigned name, uint32_t mode);
/* A further name; false: no room. */
bool model_link(struct model *m, unsigned dir, unsigned name, unsigned inode);
void model_unlink(struct model *m, unsigned dir, unsigned name);
/* What rename(2) does where it succeeds; `exchange`: RENAME_EXCHANGE. */
void model_rename(struct model *m, unsigned from, unsigned from_name,
		  unsigned to, unsigned to_name, bool exchange);
void model_write(struct model *m, unsigned inode, uint64_t offset,
		 const uint8_t *bytes, size_t len);
void model_truncate(struct model *m, unsigned inode, uint64_t size);
void model_set(struct model *m, unsigned inode, const void *bytes, size_t len);

/* ---- comparing ---- */
struct item {
	char path[MODEL_PATH_MAX];
	uint32_t id; /* the model's only */
	uint32_t mode;
	uint32_t nlink; /* of what is no folder */
	uint8_t xattr;
	uint64_t size, hash;
	int error; /* what reading its contents met */
};

struct listing {
	struct item items[MODEL_ENTRIES + 8]; /* sorted by path */
	unsigned n;
	int error; /* what listing met; it may lack items then */
};

void list_model(const struct model *m, struct listing *ret);
void list_vault(struct vault *v, struct listing *ret);
/* All but contents of files. */
bool list_same_names(const struct listing *a, const struct listing *b);
void list_print(const char *title, const struct listing *l);
/* What is read of a file, whole; its hash and size; or an error. */
int list_contents(struct vault *v, uint64_t ino, uint64_t *ret_size,
		  uint64_t *ret_hash);

#endif
