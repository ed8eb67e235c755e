/* SPDX-License-Identifier: ISC */
/* A stage over the fixture's store, and records that know what they hold. */
#ifndef COFFER_TESTS_STAGE_FIXTURE_H
#define COFFER_TESTS_STAGE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/stage.h"
#include "store_fixture.h"

extern struct stage *stage;

/* For tcase_add_checked_fixture; the first file is numbered 1. */
void stage_fixture_make(void);
void stage_fixture_remove(void);

void open_stage(uint64_t next_file);
/* As after a crash: nothing is kept, the files are what they are. */
void reopen_stage(uint64_t next_file);
uint64_t rotate(void);

struct staged {
	uint64_t file, seed;
	struct pack_entry e;
};

/* make_bytes(seed, n). */
int append(uint64_t seed, uint32_t n, struct staged *ret);
void append_well(uint64_t seed, uint32_t n, struct staged *ret);
/* As read_chunk. */
int read_staged(const struct staged *s);

/* The file's name, until the next call. */
const char *stage_name(uint64_t file);
bool stage_exists(uint64_t file);
uint8_t *read_stage_file(uint64_t file, size_t *ret_n);
void write_stage_file(uint64_t file, const void *data, size_t n);

/* Checks the file's trailer and footer; the number of entries, or an error. */
int check_tail(uint64_t file);

#endif
