/* SPDX-License-Identifier: ISC */
/*
 * Tails: what was cut into chunks before its time.  Internal to vault.
 *
 * A flush takes what is dirty, and where that ends a chunk ends, though the
 * content gives no reason for it; what is written behind it later would begin
 * in the middle of a chunk, and a file that was written slowly would share
 * nothing with the same bytes written fast.  So a file remembers where its last
 * cut that the content gave was: a flush of what follows takes the bytes from
 * there on along, and puts new chunks in the place of the old ones, which were
 * mostly never published.
 *
 * Taking them along has to pay: when what is new has come to as much as was put
 * together before, or fills a chunk, or came in very many pieces.  So each byte
 * is cut a few times at most, and a small durable append costs what it did.
 */
#ifndef COFFER_VAULT_CONTENT_TAIL_H
#define COFFER_VAULT_CONTENT_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/content/content_priv.h"

/* The bytes of a tail, on their way to other chunks. */
struct tail;

/*
 * The tail that ends where `n` bytes of data begin, if it pays to take it
 * along, and if it can be; else NULL.  The file's lock is held, not the index
 * lock.
 */
struct tail *tail_take(struct content *c, struct file *f, uint64_t offset,
		       uint64_t n) must_check;
void tail_free(struct tail *t); /* NULL is ignored */

/* Brings its bytes into memory; no lock is held.  *ret is the tail's. */
int tail_read(struct content *c, struct tail *t,
	      struct databuf **ret) must_check;
uint64_t tail_start(const struct tail *t);

/* Does the file still show there what was taken?  Its lock is held, not the
 * index lock. */
bool tail_stands(struct content *c, const struct file *f,
		 const struct tail *t) must_check;

/*
 * [offset, end) was cut where its data ended, the last piece beginning at
 * `last`: remembers it, together with a tail that ends at `offset` if both are
 * shorter than `max`.  The file's lock is held.
 */
void tail_note(struct file *f, uint64_t offset, uint64_t last, uint64_t end,
	       uint64_t max);

#endif
