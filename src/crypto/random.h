/* SPDX-License-Identifier: ISC */
/* Random bytes, always from the kernel (randombytes_buf with sysrandom). */
#ifndef COFFER_CRYPTO_RANDOM_H
#define COFFER_CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *to, size_t n);
uint64_t random_u64(void);

#endif
