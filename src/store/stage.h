/* SPDX-License-Identifier: ISC */
/*
 * The stage: sealed records not yet published, in files of the state
 * directory named by a running number (vault-format/11-local.md).  Appending
 * hands out the offset under a short lock; the write follows without it, so
 * several threads append at once.  Journal frames say which records count.
 */
#ifndef COFFER_STORE_STAGE_H
#define COFFER_STORE_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "format/pack.h"
#include "store/store.h"

struct stage;

/* Opens the stage for appending into a fresh file numbered `next_file`, made
 * at the first append. */
int stage_open(struct store *s, uint64_t next_file,
	       struct stage **ret) must_check;
void stage_close(struct stage *st);

/*
 * Seals and appends one chunk; not durable until stage_sync.  -ENOSPC leaves
 * nothing behind but unused bytes.  Thread-safe.
 */
int stage_append(struct stage *st, const struct content_id *id,
		 const uint8_t *plain, uint32_t len, uint64_t *ret_file,
		 struct pack_entry *ret_entry) must_check;

/* Puts back a record a journal frame carried but the file (numbered below
 * `next_file`) lacks, the same bytes as before; durable after stage_sync.
 * ERR_DAMAGED if `plain` is not what the entry's content id says. */
int stage_restore(struct stage *st, uint64_t file, const struct pack_entry *e,
		  const uint8_t *plain) must_check;

/*
 * Makes all appended so far durable (fdatasync; the directory too for a new
 * file).  A failed sync is never repeated on its descriptor (Rebello et al.: Can
 * Applications Recover from fsync Failures?, USENIX ATC 2020): ERR_DEAD_WRITER
 * from then on.
 */
int stage_sync(struct stage *st) must_check;

/*
 * After a failed sync or rotate, once in the stage's life: writes all that is
 * not closed to new files under the same names, durable and read back.  0: the
 * stage lives on, and what was appended is durable; the call that failed may be
 * made again.  Else it stays dead.
 */
int stage_rescue(struct stage *st) must_check;
/* Did a sync fail? */
bool stage_is_dead(struct stage *st);

/* Closes the present file (trailer and footer, durable) and opens the next on
 * demand; *ret_closed_below: every file with a smaller number is closed. */
int stage_rotate(struct stage *st, uint64_t *ret_closed_below) must_check;

/* Removes files numbered below `file`; durable. */
int stage_drop_below(struct stage *st, uint64_t file) must_check;

/*
 * Afterwards at least `bytes` more can be appended: disk space beyond the end
 * is allocated as far as it is lacking, so asking again for the same asks the
 * disk for nothing.  Where the file system cannot reserve, its free space is
 * looked at.  -ENOSPC; ERR_LIMIT above a GiB.  May begin the next file.
 */
int stage_reserve(struct stage *st, uint64_t bytes) must_check;

/* Bytes of the files not dropped yet, and the present file's number (or that
 * of the next, before it is made).  A full file is followed by the next by
 * itself.  Neither takes a lock. */
uint64_t stage_bytes(const struct stage *st);
uint64_t stage_file(const struct stage *st);

/* Numbers present in the state directory, ascending (for recovery). */
typedef int stage_list_fn(void *arg, uint64_t file, uint64_t bytes);
int stage_list(struct store *s, stage_list_fn *fn, void *arg) must_check;

#endif
