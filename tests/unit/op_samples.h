/* SPDX-License-Identifier: ISC */
/* One operation of each kind, for the tests of all that carries operations. */
#ifndef COFFER_TESTS_OP_SAMPLES_H
#define COFFER_TESTS_OP_SAMPLES_H

#include <stddef.h>

#include "format/op.h"

#define OP_SAMPLES_MAX 32
#define OP_SAMPLE_CLOCK UINT64_C(0x0123456789abcdef)

struct op_sample {
	const char *name;
	struct op op;
	const char *hex; /* as the tables of the specification lay it out */
};

/* The same *ret_n samples at every call; not thread-safe. */
const struct op_sample *op_samples(size_t *ret_n);
/* The one of that name; never NULL. */
const struct op_sample *op_sample(const char *name);

#endif
