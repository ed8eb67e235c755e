/* SPDX-License-Identifier: ISC */
/*
 * Reading ahead: after three reads in order the workers decrypt the chunks that
 * come next, 1, 2, 4 to 8 of them; a seek halves that.  Internal to vault.
 */
#ifndef COFFER_VAULT_CONTENT_READAHEAD_H
#define COFFER_VAULT_CONTENT_READAHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/content/content_priv.h"

/* A range to be decrypted. */
struct readahead {
	uint64_t from, to;
};

/* A read of [offset, offset + len) of a file of `size` bytes; its lock is held.
 * True: *ret is to be asked for, once no lock is held. */
bool readahead_note(struct content *c, struct file *f, uint64_t offset,
		    size_t len, uint64_t size, struct readahead *ret)
	LOCK_ATTR_(requires_capability(f->lock));
void readahead_start(struct content *c, uint64_t ino,
		     const struct readahead *ra);

#endif
