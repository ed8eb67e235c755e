/* SPDX-License-Identifier: ISC */
/*
 * A vault in memory: names, attributes and merging over an index without file,
 * no journal, no packs.  Contents are what a test puts into the index.
 */
#ifndef COFFER_TESTS_TREE_FIXTURE_H
#define COFFER_TESTS_TREE_FIXTURE_H

#include <string.h>

#include "vault/core.h"
#include "vault/merge/merge.h"
#include "vault/tree.h"

#define NAME(s) ((struct vault_name){ (s), strlen(s) })
#define ROOT VAULT_ROOT_INO

/* The wall clock of the test, in nanoseconds since 1970. */
extern int64_t fixture_now_ns;
#define FIXTURE_START_NS (INT64_C(1700000000) * 1000000000)

/* NULL if memory is short (mem_fail_nth). */
struct vault *fixture_vault(uint64_t writer);
void fixture_free(struct vault *v);

/* Makes one of the type in `mode`; its number. */
uint64_t fixture_make(struct vault *v, uint64_t parent, const char *name,
		      uint32_t mode);
struct vault_attr fixture_attr(struct vault *v, uint64_t ino);
/* The number a name shows; 0 if it is absent. */
uint64_t fixture_find(struct vault *v, uint64_t parent, const char *name);
/* Inline contents of a file nobody has written yet. */
void fixture_fill(struct vault *v, uint64_t ino, const char *data);
/* What its rows hold, at most `cap` bytes; returns how many. */
size_t fixture_read(struct vault *v, uint64_t ino, char *to, size_t cap);
/* Operations logged so far, and one of them (by position). */
unsigned fixture_n_ops(struct vault *v);
struct op fixture_op(struct vault *v, unsigned i);

#endif
