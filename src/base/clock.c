/* SPDX-License-Identifier: ISC */
#include "base/clock.h"

#include <assert.h>
#include <stddef.h>

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

int64_t clock_file_ns(void)
{
	int64_t now = wall_hook ? wall_hook() :
				  read_clock(CLOCK_REALTIME_COARSE);

	return now - now % NS_PER_MS;
}

int64_t clock_ns_of(const struct timespec *t)
{
	const int64_t last = INT64_MAX / NS_PER_S;

	if (t->tv_sec >= last)
		return INT64_MAX;
	if (t->tv_sec <= -last)
		return INT64_MIN;
	return (int64_t)t->tv_sec * NS_PER_S + t->tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return (uint64_t)read_clock(CLOCK_MONOTONIC);
}

void clock_set_wall(int64_t (*fn)(void))
{
	wall_hook = fn;
}
