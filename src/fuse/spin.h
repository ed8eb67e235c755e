/* SPDX-License-Identifier: ISC */
/*
 * When the leader polls the device before it sleeps: a state machine without
 * clock or system call.
 *
 * Being woken costs more than a request (fuse.md, Round trips are the cost),
 * so the leader spins for a window.  Three windows in a row without a request
 * switch the spinning off; a sleep that was over so soon that a spin would
 * have met the request switches it on again.  An idle mount costs nothing.
 */
#ifndef COFFER_FUSE_SPIN_H
#define COFFER_FUSE_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#define SPIN_WINDOW_NS UINT64_C(50000)
#define SPIN_FRUITLESS_MAX 3

struct spin {
	unsigned n_fruitless;
};

/* Zeroed: spinning is on. */
#define SPIN_INIT                                                              \
	{                                                                      \
		0                                                              \
	}

/* How long to poll before sleeping; 0: sleep at once. */
uint64_t spin_window_ns(const struct spin *s);
/* A request came during the window. */
void spin_found(struct spin *s);
/* The window passed without one. */
void spin_found_nothing(struct spin *s);
/* The sleep that followed lasted so long. */
void spin_slept(struct spin *s, uint64_t ns);

#endif
