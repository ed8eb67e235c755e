/* SPDX-License-Identifier: ISC */
#include "store/chunker.h"

#include <errno.h>

#include "base/mem.h"

/*
 * The hash is h = (h << 1) + gear[byte]: bit k depends on the last k + 1
 * bytes.  FastCDC spreads the bits of its masks over the upper part of the
 * hash to widen that window (ATC 2016, "Optimizing Hash Judgement"); here
 * they stand together at the top, which is the widest there is: of 24 bits
 * the lowest still sees 40 bytes, the highest 63.  Bit 63 stays free, so that
 * a mask shifted left by one loses nothing.
 */
#define MASK_TOP_BIT 63

static uint64_t make_mask(unsigned bits)
{
	return ((UINT64_C(1) << bits) - 1) << (MASK_TOP_BIT - bits);
}

int chunker_init(struct chunker *c, const uint64_t gear[static 256],
		 uint32_t min, uint32_t average, uint32_t max,
		 unsigned normalisation)
{
	unsigned bits;

	if (min == 0 || min > average || average > max ||
	    (average & (average - 1)) != 0)
		return -EINVAL;
	bits = (unsigned)__builtin_ctz(average);
	/* At least one bit on either side of the average. */
	if (normalisation >= bits || normalisation + bits > MASK_TOP_BIT)
		return -EINVAL;
	*c = (struct chunker){
		.gear = gear,
		.min = min,
		.average = average,
		.max = max,
		.mask_small = make_mask(bits + normalisation),
		.mask_large = make_mask(bits - normalisation),
	};
	return 0;
}

/*
 * Hashes data[at..end) on from *h; returns the length up to and with the first
 * byte whose hash has no bit of the mask, 0 if there is none.
 *
 * Two bytes a step (Xia, Zou, Jiang, Zhou, Liu, Feng, Hua, Hu, Zhang: The
 * Design of Fast Content-Defined Chunking for Data Deduplication Based Storage
 * Systems, IEEE TPDS 31(9), 2020, "Rolling Two Bytes Each Time"): the hash
 * after the first byte is only ever seen shifted left by one, and so is its
 * mask.
 */
static size_t find_cut(const uint64_t gear[static 256], uint64_t mask,
		       const uint8_t *data, size_t at, size_t end, uint64_t *h)
{
	const uint64_t mask_shifted = mask << 1;
	uint64_t hash = *h;

	for (; at + 2 <= end; at += 2) {
		hash = (hash << 2) + (gear[data[at]] << 1);
		if ((hash & mask_shifted) == 0)
			return at + 1;
		hash += gear[data[at + 1]];
		if ((hash & mask) == 0)
			return at + 2;
	}
	if (at < end) {
		hash = (hash << 1) + gear[data[at]];
		if ((hash & mask) == 0)
			return at + 1;
	}
	*h = hash;
	return 0;
}

size_t chunker_next(const struct chunker *c, const uint8_t *data, size_t n,
		    bool is_end)
{
	size_t limit = min_of(n, (size_t)c->max);
	size_t middle = min_of(limit, (size_t)c->average);
	uint64_t hash = 0;
	size_t cut = 0;

	if (n > c->min) {
		cut = find_cut(c->gear, c->mask_small, data, c->min, middle,
			       &hash);
		if (cut == 0)
			cut = find_cut(c->gear, c->mask_large, data,
				       max_of((size_t)c->min, middle), limit,
				       &hash);
	}
	if (cut != 0)
		return cut;
	return is_end || n >= c->max ? limit : 0;
}
