/* SPDX-License-Identifier: ISC */
/* Time, replaceable in tests. */
#ifndef COFFER_BASE_CLOCK_H
#define COFFER_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL

/* Nanoseconds since 1970, UTC. */
int64_t clock_wall_ns(void);
/*
 * The time as file systems of the kernel tell it, by its last tick
 * (CLOCK_REALTIME_COARSE), and in whole milliseconds, as an operation's clock
 * is: no time of a new file is later than its ctime, nor than that of a file
 * made afterwards on another disk.
 */
int64_t clock_file_ns(void);
/* Of a time that may be further away than nanoseconds of 64 bits go
 * (1677 to 2262): then the last they can tell. */
int64_t clock_ns_of(const struct timespec *t);
/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_mono_ns(void);
/* Test hook: NULL restores the real clock.  Not for concurrent use. */
void clock_set_wall(int64_t (*fn)(void));

#endif
