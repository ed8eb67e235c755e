/* SPDX-License-Identifier: ISC */
/*
 * What the index remembers of each writer's log: how far it is applied, and
 * what must fit the next segment (vault-format/07-segments.md).  Internal to
 * vault; every function needs the index lock.
 */
#ifndef COFFER_VAULT_LOG_WRITERS_H
#define COFFER_VAULT_LOG_WRITERS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/segment.h"
#include "vault/core.h"

struct writer_state {
	uint64_t writer;
	uint64_t seq;		/* applied; 0: none */
	struct file_hash head;	/* of that segment */
	uint64_t ack;		/* of those, up to where all packs are here and
				   whole, causes included */
	uint32_t epoch;		/* of the last segment */
	hlc_t first, last;	/* clocks of the first and last operation */
	/* Segment `stopped` (the next) is authentic and must not be applied:
	 * why, and its hash.  0: goes on. */
	uint64_t stopped;
	int stopped_err;
	struct file_hash stopped_hash;
};

/* 1, 0. */
int writer_get(struct vault *v, uint64_t writer, struct writer_state *ret)
	must_check;
/* As writer_get, but an unknown one is all zeros. */
int writer_load(struct vault *v, uint64_t writer, struct writer_state *ret)
	must_check;
int writer_put(struct vault *v, const struct writer_state *w) must_check;
/* Ascending; the record is a copy.  Non-zero ends it. */
typedef int writer_fn(void *arg, const struct writer_state *w);
int writer_each(struct vault *v, writer_fn *fn, void *arg) must_check;

/* The hash of every segment applied: 1, 0. */
int writer_get_hash(struct vault *v, uint64_t writer, uint64_t seq,
		    struct file_hash *ret) must_check;
int writer_put_hash(struct vault *v, uint64_t writer, uint64_t seq,
		    const struct file_hash *h) must_check;

/* The version vector of a writer's last segment, as encoded in it: into fresh
 * memory (mem_free); *ret_n entries. */
int writer_get_vector(struct vault *v, uint64_t writer, uint8_t **ret,
		      size_t *ret_bytes) must_check;
int writer_put_vector(struct vault *v, uint64_t writer, const void *raw,
		      size_t bytes) must_check;

#endif
