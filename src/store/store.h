/* SPDX-License-Identifier: ISC */
/*
 * The store: where sealed chunks live.  Packs in the vault
 * (vault-format/06-packs.md) and the stage in the state directory
 * (vault-format/11-local.md).  Handles are split by capability: the store
 * reads, a pack_writer makes one pack, a stage appends.
 *
 * Thread-safe unless said.  No function takes a lock while it touches the
 * disk, but for the stage's short offset lock (LOCK_STORE).
 */
#ifndef COFFER_STORE_STORE_H
#define COFFER_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"
#include "base/err.h"
#include "base/publish.h"
#include "crypto/keys.h"
#include "format/pack.h"
#include "format/segment.h"

struct store;

/* The keys of an epoch, or NULL if the keyring has none such.  The answer
 * stays valid while the store lives.  Thread-safe. */
typedef const struct epoch_keys *store_keys_fn(void *arg, uint32_t epoch,
					       const struct key_id8 *id);

struct store_options {
	struct env *env;
	int vault_dirfd; /* borrowed */
	int stage_dirfd; /* borrowed; -1: no stage (read-only, no state) */
	struct uuid vault;
	uint64_t writer;	    /* own; 0 when read-only without one */
	const struct key *cid_data; /* borrowed: K_cid of data */
	const struct key *cid_meta; /* of metadata; NULL: such packs are
				       ERR_NEWER where an id is recomputed */
	store_keys_fn *keys;
	void *keys_arg;
	const struct local_keys *local; /* borrowed; NULL without a stage */
	unsigned max_open_files;	/* descriptors kept open; 0: 64 */
};

int store_open(const struct store_options *opts, struct store **ret) must_check;
void store_close(struct store *s);

/* Where a chunk's record stands. */
struct store_place {
	bool is_stage;
	uint64_t stage_file;	       /* is_stage */
	uint64_t writer;	       /* else: pack of this writer, */
	uint8_t pack[PACK_NAME_BYTES]; /* this name, */
	uint64_t pack_bytes;	       /* this size as announced, */
	uint32_t epoch;		       /* under this key */
	struct key_id8 key_id;
	enum pack_type type;
	struct pack_entry entry; /* codec, lengths, offset, R16, id */
};

/*
 * Reads sub-blocks first..first+count-1 of a record into `out` (their plain
 * bytes; a sub-block is RECORD_SUB_BYTES but the last).  With `nowait` the
 * disk is not waited for: -EAGAIN.  A record under an epoch older than
 * `newest_epoch` is opened whole and its content id recomputed whatever is
 * asked for (vault-format/05-slots.md, Epochs, rule 4).
 * ERR_MISSING: the file is not there; ERR_BAD_SEAL, ERR_TRUNCATED, ERR_DAMAGED,
 * ERR_BAD_NAME (the pack's header is another's); ERR_NEW_EPOCH (no such key);
 * ERR_MALFORMED (a place no pack can have).  After a failure `out` holds
 * authentic bytes or zeros here and there, nothing to be used.
 */
int store_read(struct store *s, const struct store_place *place,
	       uint32_t newest_epoch, uint32_t first, uint32_t count,
	       bool nowait, uint8_t *out) must_check;

/* Closes a pack's or stage file's kept descriptor (before it is removed). */
void store_forget_pack(struct store *s, uint64_t writer,
		       const uint8_t pack[static PACK_NAME_BYTES]);

/* ---- verifying and listing packs ---- */

/* Checks header, size, footer, trailer against the announcement (`announced`:
 * NULL when there is none), and with `read_data` every record and its content
 * id.  `bad`: called for what cannot be read, sub-blocks first..first+count-1
 * of a record; may be NULL: all that is announced if the file is missing, of
 * another size or has another header; else what fails.  0: whole.  Otherwise
 * the first error. */
typedef void store_bad_fn(void *arg, const struct pack_entry *e,
			  uint32_t first, uint32_t count, int err);
int store_verify_pack(struct store *s, uint64_t writer,
		      const uint8_t pack[static PACK_NAME_BYTES],
		      const struct segment_pack *announced, bool read_data,
		      store_bad_fn *bad, void *arg) must_check;

/* The entries of a pack, from its trailer, as encoded there: into fresh memory
 * (mem_free).  ERR_MISSING, ERR_TRUNCATED, ERR_DAMAGED, ERR_BAD_SEAL,
 * ERR_NEW_EPOCH ... */
int store_pack_entries(struct store *s, uint64_t writer,
		       const uint8_t pack[static PACK_NAME_BYTES],
		       uint8_t **ret, uint32_t *ret_n) must_check;

/* Each file below w/<writer>/d: a pack (`is_pack`), or something foreign.
 * `path` is relative to the vault.  Non-zero from fn ends it. */
typedef int store_list_fn(void *arg, bool is_pack,
			  const uint8_t pack[static PACK_NAME_BYTES],
			  const char *path);
int store_list_packs(struct store *s, uint64_t writer, store_list_fn *fn,
		     void *arg) must_check;

/* Removes own packs, or own temporaries left by a crash.  Absent is 0. */
int store_remove_pack(struct store *s,
		      const uint8_t pack[static PACK_NAME_BYTES]) must_check;
int store_sweep_temporaries(struct store *s) must_check;

/* ---- making a pack ---- */

struct pack_writer; /* not thread-safe; one thread at a time */

/* An unnamed temporary in w/<own>/d/<xx>, under the keys `k`.  Missing
 * directories are made and synced. */
int pack_writer_open(struct store *s, enum pack_type type,
		     const struct epoch_keys *k,
		     struct pack_writer **ret) must_check;
/* Seals and appends one chunk; *ret_entry (may be NULL) is its entry.
 * ERR_LIMIT: the pack is full (PACK_MAX_BYTES or PACK_MAX_ENTRIES). */
int pack_writer_add(struct pack_writer *w, const struct content_id *id,
		    const uint8_t *plain, uint32_t len,
		    struct pack_entry *ret_entry) must_check;
/* The same for a record sealed by another thread (record_seal with
 * pack_writer_keys); sets e->offset. */
int pack_writer_add_sealed(struct pack_writer *w, struct pack_entry *e,
			   const uint8_t *sealed) must_check;
const struct epoch_keys *pack_writer_keys(const struct pack_writer *w);
/* Header, records and tail as they stand. */
uint64_t pack_writer_bytes(const struct pack_writer *w);
uint32_t pack_writer_entries(const struct pack_writer *w);
/* Writes trailer and footer, reads the whole pack back from the file and
 * compares every record with what was meant (decrypts, checks content ids) if
 * `read_back`; makes it durable; no name yet. */
int pack_writer_finish(struct pack_writer *w, bool read_back) must_check;
/* Names it (durable with its directory).  Only after finish. */
int pack_writer_publish(struct pack_writer *w) must_check;
/* The announcement; points into the writer. */
void pack_writer_announcement(const struct pack_writer *w,
			      struct segment_pack *ret);
/* Abandons the pack unless published. */
void pack_writer_close(struct pack_writer *w);

#endif
