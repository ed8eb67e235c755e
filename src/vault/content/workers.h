/* SPDX-License-Identifier: ISC */
/*
 * Worker threads and their queue.  Internal to vault.
 *
 * Without threads (before workers_start, after workers_stop, in a command that
 * never starts any) every job runs at once in whoever adds it, so that all
 * that uses workers also works without.
 *
 * Thread-safe; every function but workers_new and workers_free may be called
 * from a job.  All take a lock of rank LOCK_LEAF; jobs run without any lock.
 */
#ifndef COFFER_VAULT_CONTENT_WORKERS_H
#define COFFER_VAULT_CONTENT_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct workers;

/* A piece of work, embedded in what it works on. */
struct job {
	void (*run)(struct job *j);
	struct job_group *group;
	struct job *next;
};

/* Jobs somebody waits for together. */
struct job_group {
	unsigned n_left; /* the workers' lock */
};

int workers_new(struct workers **ret) must_check;
/* Stops them first; NULL is ignored. */
void workers_free(struct workers *w);
/* -EAGAIN, -ENOMEM; none runs then. */
int workers_start(struct workers *w, unsigned n) must_check;
/* What is queued is done first. */
void workers_stop(struct workers *w);
/* Of threads; 0: jobs run in their callers. */
unsigned workers_count(const struct workers *w);
/* Is any job queued or running? */
bool workers_are_busy(struct workers *w);
/* How many are. */
void workers_depth(struct workers *w, unsigned *ret_queued,
		   unsigned *ret_running);

/* With a group: to be waited for.  Without: the job frees itself. */
void workers_add(struct workers *w, struct job_group *g, struct job *j);
/* Until all jobs of the group are done; lends a hand.  No lock is held. */
void workers_wait(struct workers *w, struct job_group *g);

/*
 * One timer: `fn` runs in a worker at a CLOCK_MONOTONIC time in nanoseconds, 0
 * for never; it may set the timer anew.  Without threads it never runs.
 */
void workers_set_timer_fn(struct workers *w, void (*fn)(void *arg), void *arg);
void workers_set_timer(struct workers *w, uint64_t at_ns);

#endif
