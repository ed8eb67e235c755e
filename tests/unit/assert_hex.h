/* SPDX-License-Identifier: ISC */
/* Compares bytes with a known answer written in hexadecimal. */
#ifndef COFFER_TESTS_ASSERT_HEX_H
#define COFFER_TESTS_ASSERT_HEX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <check.h>

#include "base/hex.h"

#define ASSERT_HEX_MAX 512

/* `n` bytes at `got`, exactly as many as `hex` has digit pairs. */
static inline void assert_hex(const void *got, size_t n, const char *hex)
{
	uint8_t want[ASSERT_HEX_MAX];

	ck_assert_uint_le(n, sizeof(want));
	ck_assert_uint_eq(strlen(hex), 2 * n);
	ck_assert_int_eq(hex_decode(hex, n, want), 0);
	ck_assert_mem_eq(got, want, n);
}

/* The bytes first, first + 1, ... */
static inline void fill_from(uint8_t first, void *to, size_t n)
{
	uint8_t *p = to;
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(first + i);
}

#endif
