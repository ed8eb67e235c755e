/* SPDX-License-Identifier: ISC */
/*
 * The stable cut S (vault-format/10-ordering.md, Acknowledging and collecting):
 * what every live device has said that it holds, packs included.  What is in S
 * nobody will ask for again in its old form: on it rest collecting garbage and
 * giving up what a log held.  Internal to vault; every function that asks the
 * index needs the index lock.
 */
#ifndef COFFER_VAULT_COLLECT_STABLE_H
#define COFFER_VAULT_COLLECT_STABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/ids.h"

struct vault;

struct stable_entry {
	uint64_t writer;
	uint64_t seq; /* its segments 1 to seq are in S; 0: none */
};

/*
 * One entry for each writer of which a segment is applied, ascending.  It is
 * causally closed, never beyond what is applied here, and grows with the log
 * but for one case: a device that appears starts with what it acknowledged.
 */
struct stable_cut {
	struct stable_entry *list;
	size_t n;
	unsigned n_live; /* devices whose word counts, this one included */
	bool is_alone;	 /* this device is live, and no other is */
	bool is_retired; /* this device was retired by another: it is no judge
			    of what may go */
};

/*
 * A device is live from its first segment applied here, or the DEVICE ADD about
 * it, until a RETIRE; it has acknowledged what its last segment says, of its
 * own log all.  This device's own word is what it knows now, published or not.
 * Whoever was added and was not heard of yet has acknowledged nothing.  With no
 * live device at all, S is empty.
 */
int stable_cut_read(struct vault *v, struct stable_cut *ret) must_check;
void stable_cut_release(struct stable_cut *s);
#define auto_stable_cut __attribute__((cleanup(stable_cut_release)))

/* How far a writer's log is in S; an unknown one: 0. */
uint64_t stable_cut_seq(const struct stable_cut *s, uint64_t writer);
static inline bool stable_cut_has(const struct stable_cut *s, uint64_t writer,
				  uint64_t seq)
{
	return seq <= stable_cut_seq(s, writer);
}

/* A live device, to say for whom something waits. */
struct stable_device {
	uint64_t writer;
	char name[65]; /* as shown now; empty: never told */
	bool is_self;
	uint64_t seq; /* segments of it applied; 0: never heard of */
	hlc_t last;   /* clock of the last of them */
	uint64_t ack; /* how far it acknowledges `of` */
};

typedef int stable_device_fn(void *arg, const struct stable_device *d);
/* Live devices, ascending by writer, each with what it has acknowledged of the
 * log of `of`.  Non-zero of fn ends it; fn asks the index nothing. */
int stable_each_device(struct vault *v, uint64_t of, stable_device_fn *fn,
		       void *arg) must_check;

#endif
