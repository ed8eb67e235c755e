/* SPDX-License-Identifier: ISC */
/*
 * The budget of dirty data: how many bytes of memory file contents take that
 * are not stored yet, and who waits for some of it.  Internal to vault.
 *
 * Real bytes are charged, not capacities, and the bookkeeping with them, so
 * that a storm of one-byte writes is bounded too.
 */
#ifndef COFFER_VAULT_CONTENT_BUDGET_H
#define COFFER_VAULT_CONTENT_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"

#define BUDGET_DEFAULT_BYTES ((size_t)96 << 20)

struct databuf;

struct budget {
	uint64_t hard_bytes; /* writers wait above it */
	_Atomic uint64_t charged;
	_Atomic uint64_t layered; /* bytes of layers' runs that are no holes */
	atomic_uint n_waiting;
	uint32_t big_bytes;   /* databufs of this size are kept, idle */
	struct lock lock;     /* LOCK_LEAF */
	struct cond changed;  /* something was given back, or budget_poke */
	uint64_t n_pokes;     /* lock */
	struct databuf *idle; /* lock; their pages stay faulted in */
	unsigned n_idle;
	unsigned max_idle;
};

void budget_init(struct budget *b, size_t hard_bytes, uint32_t big_bytes);
/* Nothing is charged any more. */
void budget_release(struct budget *b);

void budget_charge(struct budget *b, uint64_t bytes);
/* Wakes who waits.  No LOCK_LEAF is held. */
void budget_give_back(struct budget *b, uint64_t bytes);

uint64_t budget_charged(const struct budget *b);
/* May a writer go on? */
bool budget_has_room(const struct budget *b);

/* Sleeps until there is room, until budget_poke, or for a while. */
void budget_wait(struct budget *b);
/* Whoever waits looks again. */
void budget_poke(struct budget *b);

/* Nothing is written any more: gives back the memory that is kept for it, but
 * for a little. */
void budget_rest(struct budget *b);

#endif
