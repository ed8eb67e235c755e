/* SPDX-License-Identifier: ISC */
/* A state directory, a disk that is watched and fails on demand, and an index
 * of known contents. */
#ifndef COFFER_TESTS_INDEX_FIXTURE_H
#define COFFER_TESTS_INDEX_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"
#include "index/index_chunk.h"
#include "index/index_kv.h"

struct watched_disk {
	struct env env;
	struct env_ops ops;
	int n_foreign; /* calls that named another file than the index */
	int n_odd;     /* reads and writes of anything but whole pages */
	int n_nowait, n_pread, n_pwrite, n_fsync, n_truncate;
	int n_open;	/* descriptors open now */
	int nowait_err; /* of every pread_nowait; 0: it reads in any case */
	bool no_fsync;	/* says it did */
	int n_calls;	/* calls that can fail, so far */
	int fail_at;	/* the number of the one that fails; 0: none */
	int fail_err;
	bool fail_sticky; /* and all after it */
	bool failed;
};

struct fixture {
	struct watched_disk disk;
	struct index_options opts; /* open, not create */
};

extern struct fixture fx;

/* For tcase_add_checked_fixture. */
void fixture_make(void);
void fixture_remove(void);

/* The nth call from now fails. */
void disk_fail_nth(int nth, int err, bool sticky);

/* Opens what must open. */
struct index *index_create(void);
struct index *index_reopen(void);
/* Opens; the error if that fails. */
int index_try(struct index **ret);
void index_must_commit(struct index *ix);

/* The bytes of the file; freed by the caller. */
uint8_t *file_bytes(size_t *ret_n);
void file_replace(const uint8_t *bytes, size_t n);

/*
 * Known contents: fill_index puts rows into every table, each with a text that
 * begins "needle"; check_index reads all of them back by every way there is.
 * It ends the case at the first wrong byte and returns the first error.
 */
int fill_index(struct index *ix);
int check_index(struct index *ix);
#define NEEDLE "needle"

/* n bytes that depend on `seed`, beginning with NEEDLE. */
void text_make(uint64_t seed, uint8_t *to, size_t n);
struct content_id content_id_of(uint64_t seed);

#endif
