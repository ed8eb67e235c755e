/* SPDX-License-Identifier: ISC */
/*
 * Content-defined chunking: FastCDC with normalised chunking (Xia, Zhou, Jiang
 * et al.: FastCDC: a Fast and Efficient Content-Defined Chunking Approach for
 * Data Deduplication, USENIX ATC 2016, section 4) over a keyed Gear table
 * (vault-format/06-packs.md).  Where cuts fall is each writer's choice; only
 * the sizes are bound by the header.
 */
#ifndef COFFER_STORE_CHUNKER_H
#define COFFER_STORE_CHUNKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct chunker {
	const uint64_t *gear; /* 256 entries, borrowed */
	uint32_t min, average, max;
	uint64_t mask_small, mask_large;
};

/* average must be a power of two; -EINVAL otherwise. */
int chunker_init(struct chunker *c, const uint64_t gear[static 256],
		 uint32_t min, uint32_t average, uint32_t max,
		 unsigned normalisation) must_check;

/*
 * Length of the first chunk of `data`; 0 if that cannot be told from n bytes
 * (no cut found below max and more may follow).  `is_end`: nothing follows,
 * so the answer is never 0 for n > 0.  The answer depends on the bytes alone,
 * not on how they are handed in.
 */
size_t chunker_next(const struct chunker *c, const uint8_t *data, size_t n,
		    bool is_end);

#endif
