/* SPDX-License-Identifier: ISC */
#include "crypto/random.h"

#include <sodium.h>

void random_bytes(void *to, size_t n)
{
	if (n > 0)
		randombytes_buf(to, n);
}

uint64_t random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return v;
}
