/* SPDX-License-Identifier: ISC */
/*
 * The local journal: authenticated frames, the unit of atomicity
 * (vault-format/11-local.md).  Frames start at multiples of 4096 in files
 * written with zeros beforehand; a torn last frame is dropped at replay, a bad
 * frame with a good one after it is damage.  Bodies are the caller's
 * (format/local.h).
 *
 * Not thread-safe: the caller serialises (LOCK_CUT).
 */
#ifndef COFFER_JOURNAL_JOURNAL_H
#define COFFER_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"
#include "base/err.h"
#include "crypto/keys.h"
#include "format/local.h"

struct journal;

/* One good frame at replay; `body` is valid during the call.  A negative
 * return ends the replay with that error. */
typedef int journal_frame_fn(void *arg, uint64_t number, enum frame_type type,
			     const uint8_t *body, size_t body_bytes);

/*
 * Opens the journal of a state directory (`dirfd`: its journal/, borrowed) and
 * replays every good frame in order.  An empty directory is an empty journal.
 * ERR_DAMAGED: a bad frame with a good one after it, or a gap in the numbers.
 * Files that do not open under these keys at all are ERR_BAD_SEAL, but for the
 * very last if it holds zeros or a first frame torn apart (a sector of it was
 * never written), and for what an interrupted journal_rekey left.
 */
int journal_open(struct env *env, int dirfd, const struct local_keys *keys,
		 journal_frame_fn *fn, void *arg,
		 struct journal **ret) must_check;
void journal_close(struct journal *j);

/*
 * Begins a new file whose first frame is the marks given; durable.  Must be
 * called once after journal_open before anything is appended, and at each
 * publish.  The frames before it stay until journal_drop_below.
 */
int journal_begin_file(struct journal *j, const void *marks,
		       size_t marks_bytes) must_check;

/*
 * journal_begin_file under other keys (borrowed), for a new DK.  A journal_open
 * under the old keys then finds the frames before this file, one under the new
 * keys those from it on.  So: everything published -> journal_rekey -> the
 * state directory's `writer` replaced -> journal_drop_below; nothing may be
 * appended before `writer` is durable.  Frame numbers jump to the next multiple
 * of 2^32, which tells the files apart.
 */
int journal_rekey(struct journal *j, const struct local_keys *keys,
		  const void *marks, size_t marks_bytes) must_check;

/*
 * Appends one frame and makes it durable (fdatasync).  Returns its number in
 * *ret_number.  ERR_LIMIT: larger than FRAME_BODY_MAX.  -ENOSPC, -EDQUOT,
 * -ENOMEM and ERR_LIMIT leave the journal as it was; after any other failure
 * ERR_DEAD_WRITER for good.  The same holds for journal_begin_file, where a
 * full disk leaves the present file in use.
 */
int journal_append(struct journal *j, enum frame_type type, const void *body,
		   size_t body_bytes, uint64_t *ret_number) must_check;

/* Did a write fail for good? */
bool journal_is_dead(const struct journal *j);

/* The number the next frame will have; they run on from 1. */
uint64_t journal_next_number(const struct journal *j);
/* First frame number of the present file, and the bytes of its frames. */
uint64_t journal_file_number(const struct journal *j);
uint64_t journal_file_bytes(const struct journal *j);

/* Removes, or takes up again under a new journal id, the files all of whose
 * frames are below `number`; durable.  The present file always stays. */
int journal_drop_below(struct journal *j, uint64_t number) must_check;

/* Sealed segments wait in the journal's folder as "s<10-digit seq>".  Writing
 * replaces one that a crash left before its frame was written; durable. */
int journal_sealed_write(struct journal *j, uint64_t seq, const void *file,
			 size_t file_bytes) must_check;
/* Fresh memory, to be mem_free'd; -ENOENT, else as env_read_file. */
int journal_sealed_read(struct journal *j, uint64_t seq, uint8_t **ret_file,
			size_t *ret_bytes) must_check;
/* Absent is 0; durable. */
int journal_sealed_remove(struct journal *j, uint64_t seq) must_check;

#endif
