/* SPDX-License-Identifier: ISC */
/*
 * The session's threads: one leader receives from the device and answers what
 * it received itself; only when it is about to block (base/block.h) does it
 * hand the leadership to a follower, and queues up again when done
 * (Leader/Followers: Schmidt et al., Pattern-Oriented Software Architecture 2,
 * 2000, pages 447 ff.).  Handing over because it is busy would put a wake-up
 * into every request.
 *
 * Threads are never destroyed before the end.  Each has a receive buffer of
 * its own: present from the start, not in core dumps, wiped at the end.
 */
#ifndef COFFER_FUSE_LOOP_H
#define COFFER_FUSE_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct loop;

/* Answers the request in buf[0..len).  What follows it in the buffer, up to
 * `cap`, is free to use. */
typedef void loop_process_fn(void *arg, void *buf, size_t len, size_t cap);

struct loop_options {
	int fd; /* O_NONBLOCK; one request a read(2); borrowed */
	unsigned n_threads;
	size_t buffer_bytes;
	bool lock_memory; /* best effort */
	loop_process_fn *process;
	void *arg;
};

/* min(10, 2 x cores). */
unsigned loop_default_threads(void);

/* Allocates; starts nothing.  -ENOMEM, -EMFILE. */
int loop_new(const struct loop_options *opts, struct loop **ret) must_check;
/* Not while threads run. */
void loop_free(struct loop *l);

/* Starts the threads, with the caller's signal mask.  On failure none runs. */
int loop_start(struct loop *l) must_check;

/* Readable when the loop has ended by itself or by loop_stop. */
int loop_end_fd(const struct loop *l);

/* Nothing more is received; what is in flight is answered.  Thread-safe. */
void loop_stop(struct loop *l);

/* Waits for every thread.  0: stopped, or the device is gone (unmounted);
 * -errno: it failed. */
int loop_join(struct loop *l) must_check;

#endif
