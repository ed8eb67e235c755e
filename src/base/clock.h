/* SPDX-License-Identifier: ISC */
/* Time, replaceable in tests. */
#ifndef COFFER_BASE_CLOCK_H
#define COFFER_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL

/* Nanoseconds since 1970, UTC. */
int64_t clock_wall_ns(void);
/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_mono_ns(void);
/* Test hook: NULL restores the real clock.  Not for concurrent use. */
void clock_set_wall(int64_t (*fn)(void));

#endif
