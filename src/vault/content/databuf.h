/* SPDX-License-Identifier: ISC */
/*
 * Buffers of file contents in memory, shared by count.  Internal to vault.
 *
 * Bytes are added at the end, by the owner, under its lock.  Bytes below
 * `frozen` never change again, so that whoever holds a reference may read them
 * without a lock; those above belong to the owner alone.
 */
#ifndef COFFER_VAULT_CONTENT_DATABUF_H
#define COFFER_VAULT_CONTENT_DATABUF_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/content/budget.h"

struct databuf {
	atomic_uint refs;
	uint32_t cap;
	uint32_t used;	   /* owner's lock */
	uint32_t frozen;   /* owner's lock */
	const void *owner; /* compared only */
	struct budget *budget;
	struct databuf *next; /* while idle */
	uint8_t bytes[];
};

/* Room for `cap` bytes, at least 1; NULL if out of memory. */
struct databuf *databuf_new(struct budget *b, const void *owner,
			    uint32_t cap) must_check;
struct databuf *databuf_get(struct databuf *d);
/* The last reference wipes it.  NULL is ignored. */
void databuf_put(struct databuf *d);
void databuf_put_cleanup(struct databuf **d);
#define auto_databuf __attribute__((cleanup(databuf_put_cleanup)))

/* Adds bytes at the end; there is room. */
void databuf_append(struct databuf *d, const void *from, uint32_t n);
/* Those up to `end` are never changed again.  Of what another owns nothing to be
 * seen here ever is. */
void databuf_freeze(struct databuf *d, const void *owner, uint32_t end);

#endif
