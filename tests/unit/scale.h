/* SPDX-License-Identifier: ISC */
/* COFFER_TEST_SCALE: under valgrind and sanitizers a part of what long cases do
 * has to be enough, one in so many (tests/lib/harness.py has the same). */
#ifndef COFFER_TESTS_SCALE_H
#define COFFER_TESTS_SCALE_H

#include <stdlib.h>

/* 1 if all is to be done. */
static inline unsigned long test_scale(void)
{
	const char *value = getenv("COFFER_TEST_SCALE");
	unsigned long n = value ? strtoul(value, NULL, 10) : 1;

	return n > 0 ? n : 1;
}

/* How much of n is enough here. */
static inline unsigned long test_scaled(unsigned long n, unsigned long least)
{
	unsigned long part = n / test_scale();

	return part > least ? part : least;
}

/* A stride for taking one in so many, through all residues of a byte's bits. */
static inline unsigned long test_stride(void)
{
	return test_scale() | 1;
}

#endif
