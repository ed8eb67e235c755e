/* SPDX-License-Identifier: ISC */
/* What the sources of the store share: paths, descriptors kept open, records
 * read from a descriptor, the check of a whole pack. */
#ifndef COFFER_STORE_STORE_PRIV_H
#define COFFER_STORE_STORE_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "store/store.h"

/* ---- descriptors kept open (file_cache.c) ---- */

/* A pack, or with `is_stage` the stage file numbered `number`. */
struct store_file_key {
	bool is_stage;
	uint64_t number; /* the stage file's, or the pack's writer */
	uint8_t pack[PACK_NAME_BYTES]; /* zeros for a stage file */
};

struct store_file {
	struct store_file_key key;
	int fd;
	uint64_t bytes; /* at opening: a stage file grows */
	struct pack_header header;

	/* The rest is file_cache.c's, under its lock. */
	unsigned refs;
	bool is_kept; /* in the table; else closed by the last put */
	struct store_file *chain;
	struct store_file *newer, *older;
};

#define FILE_CACHE_BUCKETS 128u /* a power of two */

struct file_cache {
	struct lock lock; /* LOCK_LEAF; guards all below and the files in it */
	struct store_file *buckets[FILE_CACHE_BUCKETS];
	struct store_file *newest, *oldest;
	unsigned n_files;
	unsigned max_files;
	/* Counts forgetting: a file opened before and handed in after it is
	 * not kept. */
	uint64_t n_forgotten;
};

void file_cache_init(struct file_cache *c, unsigned max_files);
/* Nothing is in use any more. */
void file_cache_release(struct file_cache *c, struct env *env);

/*
 * The open file of a place, its header and size checked against the place.
 * With `nowait` only one that is open already: -EAGAIN.  As store_read; given
 * back by file_cache_put.
 */
int file_cache_get(struct store *s, const struct store_place *place,
		   bool nowait, struct store_file **ret) must_check;
/* `is_bad`: reading it failed, so the next reader opens it anew; what stands
 * under the name may be another file by then. */
void file_cache_put(struct store *s, struct store_file *f, bool is_bad);
void file_cache_forget(struct store *s, const struct store_file_key *key);

/* ---- buffers for sealed bytes ---- */

/* Sub-blocks read at once.  256 KiB: one request of a disk's usual size, and
 * still in the second-level cache when it is deciphered. */
#define STORE_BATCH_SUBS 16u
#define STORE_BATCH_BYTES (STORE_BATCH_SUBS * (RECORD_SUB_BYTES + TAG_BYTES))

/* Kept when given back, as many as were ever needed at once, so that their
 * page faults are paid once.  They hold ciphertext only. */
struct store_buffer {
	struct store_buffer *next;
	uint8_t bytes[STORE_BATCH_BYTES];
};

struct store {
	struct store_options opts;
	struct file_cache files;
	struct lock buffer_lock;      /* LOCK_LEAF */
	struct store_buffer *buffers; /* buffer_lock; those free */
	/* w/<own>/d/<xx>, by xx: made, and synced all the way up. */
	atomic_bool is_folder_durable[256];
};

struct store_buffer *store_buffer_get(struct store *s) must_check;
void store_buffer_put(struct store *s, struct store_buffer *b);

/* ---- paths (path.c) ---- */

#define STORE_NUMBER_LEN 16 /* a writer, a stage file: %016x */
#define STORE_PACK_NAME_LEN (2 * PACK_NAME_BYTES)

void store_number_format(uint64_t number,
			 char out[static STORE_NUMBER_LEN + 1]);
/* ERR_MALFORMED unless it is just 16 lower-case digits. */
int store_number_parse(const char *name, uint64_t *ret) must_check;

/* w/<writer>/d and w/<writer>/d/<xx>, a component at a time.  A descriptor;
 * -ENOENT if absent, ERR_DAMAGED if a component is no directory. */
int store_open_data_dir(struct store *s, uint64_t writer,
			bool create) must_check;
int store_open_pack_dir(struct store *s, uint64_t writer,
			const uint8_t pack[static PACK_NAME_BYTES],
			bool create) must_check;
/* The pack for reading; ERR_MISSING, else as env_open_untrusted, but
 * ERR_DAMAGED for a file that is too long. */
int store_open_pack(struct store *s, uint64_t writer,
		    const uint8_t pack[static PACK_NAME_BYTES],
		    uint64_t min_bytes, uint64_t max_bytes,
		    uint64_t *ret_bytes) must_check;
/* As store_open_pack, in the stage. */
int store_open_stage_file(struct store *s, uint64_t number, uint64_t min_bytes,
			  uint64_t *ret_bytes) must_check;

/* Closes after a failure, or what was only read: nothing is lost by it. */
void store_close_quietly(struct env *env, int *fd);

/* ---- records and whole packs ---- */

/* The largest stage file: offsets in it have 32 bits. */
#define STAGE_FILE_MAX_BYTES (1u << 30)
#define STAGE_FILE_MAX_TOTAL                                                   \
	(STAGE_FILE_MAX_BYTES + PACK_MAX_ENTRIES * PACK_ENTRY_BYTES +          \
	 TAG_BYTES + PACK_FOOTER_BYTES)

/* The header of own stage files. */
void store_stage_header(const struct store *s,
			uint8_t out[static PACK_HEADER_BYTES]);

/* NULL if the options hold none for packs of that type. */
const struct key *store_cid_key(const struct store *s, enum pack_type type);

/* Reads and opens sub-blocks of a record whose entry has been checked. */
int store_read_record(struct store *s, int fd, const struct key *k,
		      enum pack_type type, const struct pack_entry *e,
		      uint32_t first, uint32_t count, bool nowait,
		      uint8_t *out) must_check;

/* What store_verify_pack does, on a descriptor.  `k`: NULL to look the key up
 * as the header asks. */
struct pack_check {
	int fd;
	uint64_t bytes;
	uint64_t writer;
	const struct epoch_keys *k;
	const struct segment_pack *announced;
	bool read_data;
	store_bad_fn *bad;
	void *arg;
};

int store_check_pack(struct store *s, const struct pack_check *c) must_check;

#endif
