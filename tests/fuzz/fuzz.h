/* SPDX-License-Identifier: ISC */
/*
 * What the targets share.  A target is LLVMFuzzerTestOneInput of libFuzzer
 * (LLVM documentation, "libFuzzer - a library for coverage-guided fuzz
 * testing"); replay_main.c runs it on files where libFuzzer is missing.
 *
 * Most targets hold several decoders; the input's first byte chooses.
 */
#ifndef COFFER_TESTS_FUZZ_H
#define COFFER_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything the inputs can grow into. */
#define FUZZ_BUF_MAX ((size_t)256 << 20)

/* A property that must hold for every input. */
#define FUZZ_REQUIRE(what)                                                     \
	do {                                                                   \
		if (!(what)) {                                                 \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,       \
				__LINE__, #what);                              \
			abort();                                               \
		}                                                              \
	} while (0)

/* What was decoded and encoded again must be the same bytes. */
static inline void fuzz_require_same(const struct buf *b, const uint8_t *data,
				     size_t size)
{
	FUZZ_REQUIRE(buf_error(b) == 0);
	FUZZ_REQUIRE(b->len == size);
	FUZZ_REQUIRE(size == 0 || memcmp(b->data, data, size) == 0);
}

/* The first `n` bytes of the input, zeros where it is shorter. */
static inline void fuzz_fixed(const uint8_t *data, size_t size, uint8_t *to,
			      size_t n)
{
	memset(to, 0, n);
	memcpy(to, data, size < n ? size : n);
}

/* Takes n (up to 8) bytes off the front as a number; zeros where it ends. */
static inline uint64_t fuzz_number(const uint8_t **data, size_t *size, size_t n)
{
	uint8_t bytes[8] = { 0 };
	const size_t take = *size < n ? *size : n;

	memcpy(bytes, *data, take);
	*data += take;
	*size -= take;
	return le64_get(bytes);
}

/* One of several decoders, by the input's first byte. */
typedef void fuzz_fn(const uint8_t *data, size_t size);

static inline void fuzz_choose(fuzz_fn *const *fns, size_t n,
			       const uint8_t *data, size_t size)
{
	fuzz_fn *const fn = fns[fuzz_number(&data, &size, 1) % n];

	fn(data, size);
}

#endif
