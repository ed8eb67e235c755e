/* SPDX-License-Identifier: ISC */
#include "fuse/spin.h"

uint64_t spin_window_ns(const struct spin *s)
{
	return s->n_fruitless < SPIN_FRUITLESS_MAX ? SPIN_WINDOW_NS : 0;
}

void spin_found(struct spin *s)
{
	s->n_fruitless = 0;
}

void spin_found_nothing(struct spin *s)
{
	if (s->n_fruitless < SPIN_FRUITLESS_MAX)
		s->n_fruitless++;
}

void spin_slept(struct spin *s, uint64_t ns)
{
	if (ns < SPIN_WINDOW_NS)
		s->n_fruitless = 0;
}
