/* SPDX-License-Identifier: ISC */
/* A vault's folder and a stage's, keys of two epochs, and a store over them. */
#ifndef COFFER_TESTS_STORE_FIXTURE_H
#define COFFER_TESTS_STORE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/keys.h"
#include "disk.h"
#include "store/store.h"

#define OWN_WRITER UINT64_C(0x0123456789abcdef)

struct fixture {
	struct disk disk;
	int vault_fd, stage_fd;
	struct vault_keys vault_keys;
	struct epoch_keys epochs[2]; /* 1 and 2 */
	struct local_keys local;
	struct store_options opts;
	struct store *store;
};

extern struct fixture fx;

/* For tcase_add_checked_fixture. */
void fixture_make(void);
void fixture_remove(void);

/* Closes the store and opens another with fx.opts: nothing is kept open. */
void fixture_reopen(void);

/* n bytes that depend on `seed`; the caller frees them. */
uint8_t *make_bytes(uint64_t seed, size_t n);
struct content_id id_of(const uint8_t *plain, size_t n);

/* A published pack of one chunk for each size; chunk i is make_bytes(seed + i,
 * sizes[i]).  `entries` (n of them) may be NULL. */
#define PACK_CHUNKS_MAX 16
struct made_pack {
	uint8_t name[PACK_NAME_BYTES];
	uint64_t seed, size;
	uint32_t n;
	uint32_t sizes[PACK_CHUNKS_MAX];
	struct pack_entry entries[PACK_CHUNKS_MAX];
	uint8_t raw_entries[PACK_CHUNKS_MAX * PACK_ENTRY_BYTES];
	struct segment_pack announced; /* points into raw_entries */
};
void make_pack(const struct epoch_keys *k, uint64_t seed, const uint32_t *sizes,
	       uint32_t n, struct made_pack *ret);
struct store_place place_of(const struct made_pack *p, uint32_t i);
uint32_t subs_of(uint32_t plain_bytes);

/* store_read of the whole chunk, compared with what it must be: 0, an error,
 * or 1 for other bytes. */
int read_chunk(const struct store_place *place, uint32_t newest_epoch,
	       uint64_t seed);
int read_pack_chunk(const struct made_pack *p, uint32_t i);

/* "w/<own>/d/xx/<name>", in a buffer of its own until the next call but one. */
const char *pack_path(const struct made_pack *p);
/* Files below the test's folder, by a path relative to the vault. */
uint8_t *read_path(const char *path, size_t *ret_n);
void write_path(const char *path, const void *data, size_t n);
void flip_path(const char *path, uint64_t at);

/* What may stand where a file belongs. */
enum planted { FIFO, SOCKET, FOLDER, LINK_TO_FILE, LINK_TO_NOTHING };
void plant(enum planted what, const char *path);

#endif
