/* SPDX-License-Identifier: ISC */
/* Vaults in the test's directory, opened by any number of devices. */
#ifndef COFFER_TESTS_COMMIT_FIXTURE_H
#define COFFER_TESTS_COMMIT_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/tree.h"
#include "vault/vault.h"

/* One state directory, and the vault directory it is used with; both are
 * names in the test's directory. */
struct device {
	const char *vault, *state;
	uint64_t writer; /* of a new state; 0: random */
	struct env *env; /* NULL: the real disk */
	bool read_only, no_state, background, killed;
};

void device_options(const struct device *d, struct vault_options *ret);
/* With the passphrase of these tests. */
int device_init(const struct device *d);
int device_try_open(const struct device *d, struct vault **ret,
		    const char **ret_what);
struct vault *device_open(const struct device *d);
void device_close(struct vault *v);

/* Files and directories below the root, by names without '/'. */
void put_file(struct vault *v, const char *name, const char *text);
void make_dir(struct vault *v, const char *name);
void remove_name(struct vault *v, const char *name);
void rename_name(struct vault *v, const char *from, const char *to);
bool has_name(struct vault *v, const char *name);
/* The file is there and holds just that. */
bool has_text(struct vault *v, const char *name, const char *text);
/* `len` bytes that follow from the seed, at the start of the file. */
void put_bytes(struct vault *v, const char *name, uint32_t seed, size_t len);
bool has_bytes(struct vault *v, const char *name, uint32_t seed, size_t len);

/* Every file of the vault directory is copied where it is not there: what a
 * sync tool does. */
void sync_folders(const char *from, const char *to);
void copy_folder(const char *from, const char *to);
void remove_folder(const char *name);
/* Files below a folder whose paths match; the last one found goes to `path`. */
unsigned count_files(const char *folder, const char *part, char *path,
		     size_t cap);

/* The 16 digits a segment's name has of its bytes. */
void hash_prefix(const void *file, size_t len, char to[static 17]);

/* Warnings and errors since the last call; the lines hold `part`. */
unsigned count_diag(const char *part);
void catch_diag(void);

#endif
