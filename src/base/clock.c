/* SPDX-License-Identifier: ISC */
#include "base/clock.h"

#include <assert.h>
#include <stddef.h>
#include <time.h>

static int64_t (*wall_hook)(void);

static int64_t read_clock(clockid_t id)
{
	struct timespec now;
	int r = clock_gettime(id, &now);

	/* Fails only for clocks the kernel does not know. */
	assert(r == 0);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_wall_ns(void)
{
	return wall_hook ? wall_hook() : read_clock(CLOCK_REALTIME);
}

uint64_t clock_mono_ns(void)
{
	return (uint64_t)read_clock(CLOCK_MONOTONIC);
}

void clock_set_wall(int64_t (*fn)(void))
{
	wall_hook = fn;
}
