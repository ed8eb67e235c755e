/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "store/chunker.h"

#define MIN 2048u
#define AVERAGE 8192u
#define MAX 32768u
#define LEVEL 2u
#define DATA_BYTES ((size_t)8 << 20)
#define CUTS_MAX (DATA_BYTES / MIN + 1)

static uint64_t gear[256];
static uint8_t *data;
static struct chunker chunker;
static size_t cuts[CUTS_MAX], other_cuts[CUTS_MAX];

static uint64_t random_from(uint64_t *x)
{
	*x ^= *x >> 12;
	*x ^= *x << 25;
	*x ^= *x >> 27;
	return *x * UINT64_C(0x2545f4914f6cdd1d);
}

static void fill(uint64_t seed, void *to, size_t n)
{
	uint8_t *p = to;

	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = random_from(&seed);

		memcpy(p + i, &v, sizeof(v));
	}
}

static void setup(void)
{
	fill(1, gear, sizeof(gear));
	data = malloc(DATA_BYTES);
	ck_assert_ptr_nonnull(data);
	fill(2, data, DATA_BYTES);
	ck_assert_int_eq(chunker_init(&chunker, gear, MIN, AVERAGE, MAX, LEVEL),
			 0);
}

static void teardown(void)
{
	free(data);
}

/* Offsets of all cuts, the end included. */
static size_t cut_all(const uint8_t *p, size_t n, size_t *to)
{
	size_t at = 0, count = 0;

	while (at < n) {
		at += chunker_next(&chunker, p + at, n - at, true);
		ck_assert_uint_lt(count, CUTS_MAX);
		to[count++] = at;
	}
	return count;
}

START_TEST(init_refuses_sizes_out_of_order)
{
	struct chunker c;

	ck_assert_int_eq(chunker_init(&c, gear, 0, 8192, 32768, 2), -EINVAL);
	ck_assert_int_eq(chunker_init(&c, gear, 8193, 8192, 32768, 2), -EINVAL);
	ck_assert_int_eq(chunker_init(&c, gear, 2048, 8192, 8191, 2), -EINVAL);
	ck_assert_int_eq(chunker_init(&c, gear, 2048, 9000, 32768, 2), -EINVAL);
	ck_assert_int_eq(chunker_init(&c, gear, 8192, 8192, 8192, 2), 0);
}
END_TEST

START_TEST(init_refuses_a_level_beyond_the_average)
{
	struct chunker c;

	ck_assert_int_eq(chunker_init(&c, gear, 4, 16, 64, 4), -EINVAL);
	ck_assert_int_eq(chunker_init(&c, gear, 4, 16, 64, 3), 0);
	ck_assert_int_eq(chunker_init(&c, gear, 4, 16, 64, 255), -EINVAL);
}
END_TEST

START_TEST(chunks_keep_within_the_limits)
{
	size_t n = cut_all(data, DATA_BYTES, cuts), from = 0;

	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n)
			ck_assert_uint_gt(cuts[i] - from, MIN);
		ck_assert_uint_le(cuts[i] - from, MAX);
		from = cuts[i];
	}
	ck_assert_uint_eq(from, DATA_BYTES);
}
END_TEST

START_TEST(mean_is_near_the_average)
{
	size_t mean = DATA_BYTES / cut_all(data, DATA_BYTES, cuts);

	ck_assert_uint_gt(mean, AVERAGE * 9 / 10);
	ck_assert_uint_lt(mean, AVERAGE * 13 / 10);
}
END_TEST

/* Normalised chunking: the higher the level, the fewer chunks at the rims. */
START_TEST(normalisation_gathers_sizes_about_the_average)
{
	size_t near[2] = { 0, 0 };

	for (unsigned level = 0; level < 2; level++) {
		size_t n, from = 0;

		ck_assert_int_eq(chunker_init(&chunker, gear, MIN, AVERAGE, MAX,
					      level * 3),
				 0);
		n = cut_all(data, DATA_BYTES, cuts);
		for (size_t i = 0; i < n; i++) {
			if (cuts[i] - from > AVERAGE / 2 &&
			    cuts[i] - from < AVERAGE * 2)
				near[level] += 1000;
			from = cuts[i];
		}
		near[level] /= n;
	}
	ck_assert_uint_gt(near[1], near[0] + 200);
}
END_TEST

/* A plain reading of the definition: one byte a step. */
static size_t slow_next(const uint8_t *p, size_t n)
{
	size_t limit = n < MAX ? n : MAX;
	uint64_t h = 0;

	for (size_t i = MIN; i < limit; i++) {
		h = (h << 1) + gear[p[i]];
		if ((h & (i < AVERAGE ? chunker.mask_small
				      : chunker.mask_large)) == 0)
			return i + 1;
	}
	return limit;
}

START_TEST(cuts_are_those_of_the_definition)
{
	size_t at = 0;

	while (at < DATA_BYTES) {
		size_t want = slow_next(data + at, DATA_BYTES - at);

		ck_assert_uint_eq(chunker_next(&chunker, data + at,
					       DATA_BYTES - at, true),
				  want);
		at += want;
	}
}
END_TEST

START_TEST(masks_have_bits_above_and_below_the_average)
{
	ck_assert_int_eq(__builtin_popcountll(chunker.mask_small), 13 + LEVEL);
	ck_assert_int_eq(__builtin_popcountll(chunker.mask_large), 13 - LEVEL);
	ck_assert_uint_eq(chunker.mask_small >> 63, 0);
}
END_TEST

/* The first chunk, found by handing in ever more. */
static size_t next_by_steps(const uint8_t *p, size_t n, size_t step)
{
	for (size_t have = 0; have < n; have += step) {
		size_t len = chunker_next(&chunker, p, have, false);

		if (len > 0)
			return len;
		ck_assert_uint_lt(have, MAX);
	}
	return chunker_next(&chunker, p, n, true);
}

START_TEST(cuts_do_not_depend_on_how_bytes_are_handed_in)
{
	static const size_t steps[] = { 1, 7, 4096, 5000, 131072 };
	size_t n = cut_all(data, DATA_BYTES / 32, cuts);

	for (size_t s = 0; s < array_len(steps); s++) {
		size_t at = 0;

		for (size_t i = 0; i < n; i++) {
			at += next_by_steps(data + at, DATA_BYTES / 32 - at,
					    steps[s]);
			ck_assert_uint_eq(at, cuts[i]);
		}
	}
}
END_TEST

START_TEST(nothing_is_told_before_it_is_known)
{
	size_t len = chunker_next(&chunker, data, DATA_BYTES, true);

	ck_assert_uint_gt(len, MIN);
	ck_assert_uint_eq(chunker_next(&chunker, data, len - 1, false), 0);
	ck_assert_uint_eq(chunker_next(&chunker, data, len, false), len);
	ck_assert_uint_eq(chunker_next(&chunker, data, len - 1, true), len - 1);
	ck_assert_uint_eq(chunker_next(&chunker, data, 0, false), 0);
	ck_assert_uint_eq(chunker_next(&chunker, data, 0, true), 0);
	ck_assert_uint_eq(chunker_next(&chunker, data, 1, true), 1);
}
END_TEST

START_TEST(bytes_without_a_cut_are_cut_at_the_maximum)
{
	/* With this one entry throughout, the hash after n bytes is
	 * 0x5555... * (2^n - 1): never without a bit of the mask. */
	memset(gear, 0x55, sizeof(gear));
	ck_assert_uint_eq(chunker_next(&chunker, data, DATA_BYTES, false), MAX);
	ck_assert_uint_eq(chunker_next(&chunker, data, MAX, false), MAX);
	ck_assert_uint_eq(chunker_next(&chunker, data, MAX - 1, false), 0);
}
END_TEST

START_TEST(insertion_near_the_start_keeps_later_cuts)
{
	enum { SHIFT = 37, AT = 100 };
	uint8_t *changed = malloc(DATA_BYTES + SHIFT);
	size_t n = cut_all(data, DATA_BYTES, cuts), m, i = 0, j = 0;

	ck_assert_ptr_nonnull(changed);
	memcpy(changed, data, AT);
	fill(3, changed + AT, SHIFT + 8);
	memcpy(changed + AT + SHIFT, data + AT, DATA_BYTES - AT);
	m = cut_all(changed, DATA_BYTES + SHIFT, other_cuts);
	/* To the first cut they share; from there on they share all. */
	while (cuts[i] + SHIFT != other_cuts[j]) {
		if (cuts[i] + SHIFT < other_cuts[j])
			i++;
		else
			j++;
		ck_assert(i < n && j < m);
	}
	ck_assert_uint_lt(i, 16);
	ck_assert_uint_eq(n - i, m - j);
	for (; i < n; i++, j++)
		ck_assert_uint_eq(cuts[i] + SHIFT, other_cuts[j]);
	free(changed);
}
END_TEST

START_TEST(cuts_depend_on_the_table)
{
	size_t n = cut_all(data, DATA_BYTES, cuts), m, same = 0;

	fill(4, gear, sizeof(gear));
	m = cut_all(data, DATA_BYTES, other_cuts);
	for (size_t i = 0, j = 0; i < n && j < m;) {
		same += cuts[i] == other_cuts[j];
		if (cuts[i] < other_cuts[j])
			i++;
		else
			j++;
	}
	ck_assert_uint_lt(same, 1 + n / 50);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("chunker");
	TCase *tc = tcase_create("chunker");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, init_refuses_sizes_out_of_order);
	tcase_add_test(tc, init_refuses_a_level_beyond_the_average);
	tcase_add_test(tc, chunks_keep_within_the_limits);
	tcase_add_test(tc, mean_is_near_the_average);
	tcase_add_test(tc, normalisation_gathers_sizes_about_the_average);
	tcase_add_test(tc, cuts_are_those_of_the_definition);
	tcase_add_test(tc, masks_have_bits_above_and_below_the_average);
	tcase_add_test(tc, cuts_do_not_depend_on_how_bytes_are_handed_in);
	tcase_add_test(tc, nothing_is_told_before_it_is_known);
	tcase_add_test(tc, bytes_without_a_cut_are_cut_at_the_maximum);
	tcase_add_test(tc, insertion_near_the_start_keeps_later_cuts);
	tcase_add_test(tc, cuts_depend_on_the_table);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
