/* SPDX-License-Identifier: ISC */
/*
 * The state directory: <state>/<vault uuid>/ with `lock`, `writer`, stage/ and
 * journal/ (vault-format/11-local.md).  Internal to vault.
 */
#ifndef COFFER_VAULT_LOG_STATEDIR_H
#define COFFER_VAULT_LOG_STATEDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"
#include "base/err.h"
#include "crypto/keys.h"
#include "format/local.h"
#include "format/slot.h"

struct statedir {
	struct env *env;
	int dirfd;
	int lock_fd; /* holds the lock while it is open */
	int stage_fd, journal_fd;
};

#define STATEDIR_INIT { .dirfd = -1, .lock_fd = -1, .stage_fd = -1, \
			.journal_fd = -1 }

/*
 * Opens and locks it; with `create` makes what is missing, parents included.
 * `parent` NULL: $XDG_STATE_HOME/coffer or ~/.local/state/coffer.  ERR_IN_USE;
 * -ENOENT without `create`; -ENOENT also where no home is known.
 */
int statedir_open(struct env *env, const char *parent,
		  const struct uuid *vault, bool create, struct statedir *ret)
	must_check;
void statedir_close(struct statedir *d);

/* The file `writer`: 1, 0.  ERR_DAMAGED: it is none. */
int statedir_read_writer(const struct statedir *d,
			 uint8_t ret[static WRITER_FILE_BYTES]) must_check;
/* Replaces it, durable. */
int statedir_put_writer(const struct statedir *d,
			const uint8_t bytes[static WRITER_FILE_BYTES])
	must_check;

/* Does journal/ hold files of the journal? 1, 0. */
int statedir_has_journal(const struct statedir *d) must_check;
/* Removes what journal/ and stage/ hold; durable. */
int statedir_clear(const struct statedir *d) must_check;
/* The slot that opened last: tried first.  Only a hint, and no secret. */
int statedir_get_slot(const struct statedir *d,
		      uint8_t ret[static SLOT_NAME_BYTES]) must_check;
void statedir_put_slot(const struct statedir *d,
		       const uint8_t name[static SLOT_NAME_BYTES]);

/* Where a state is made that will take the place of one: its parent, in fresh
 * memory. */
int statedir_accept_parent(const char *parent, const struct uuid *vault,
			   char **ret) must_check;
/* Puts the state of the old writer away, and that one into its place; both may
 * be open.  *ret: the old one's path, in fresh memory. */
int statedir_replace(struct env *env, const char *parent,
		     const struct uuid *vault, uint64_t old_writer, char **ret)
	must_check;
/* The file `verified` (format/verified.h): 1, in fresh memory; 0: none. */
int statedir_get_verified(const struct statedir *d, uint8_t **ret,
			  size_t *ret_len) must_check;
int statedir_put_verified(const struct statedir *d, const void *bytes,
			  size_t len) must_check;
int statedir_drop_verified(const struct statedir *d) must_check;

/* Removes the whole directory, as far as it holds only what is ours: for a
 * vault that could not be made. */
void statedir_remove(struct env *env, const char *parent,
		     const struct uuid *vault);

#endif
