/* SPDX-License-Identifier: ISC */
/*
 * What `coffer bench' measures.  Every measurement is bounded in time; all of
 * them take well under a minute.
 */
#ifndef COFFER_CLI_BENCH_H
#define COFFER_CLI_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum bench_unit {
	BENCH_NS,    /* each */
	BENCH_BYTES, /* a second */
};

struct bench_row {
	const char *group, *what; /* static */
	enum bench_unit unit;
	uint64_t value;
};

#define BENCH_ROWS_MAX 48

struct bench {
	struct bench_row rows[BENCH_ROWS_MAX];
	size_t n_rows;
	void (*noted)(const struct bench_row *row); /* of each, at once; NULL */
};

/* `n` times, or that many bytes, in so many nanoseconds. */
void bench_note(struct bench *b, const char *group, const char *what,
		enum bench_unit unit, uint64_t n, uint64_t ns);

/* Numbers for contents that no two runs of a program have in common. */
uint64_t bench_random(uint64_t *state);

/* Key derivation, hash, encryption with each library, chunking, cache. */
int bench_primitives(struct bench *b) must_check;
/* A vault in `folder`, which is empty and the caller's to remove. */
int bench_vault(struct bench *b, const char *folder) must_check;

#endif
