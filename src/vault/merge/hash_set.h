/* SPDX-License-Identifier: ISC */
/* Sets of hashes that remember their order.  Internal to vault. */
#ifndef COFFER_VAULT_MERGE_HASH_SET_H
#define COFFER_VAULT_MERGE_HASH_SET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hash_set {
	uint64_t *hashes; /* in the order they came */
	unsigned n, cap;
	unsigned *slots; /* places in `hashes`, from 1; 0: free */
	size_t n_slots;
};

void hash_set_release(struct hash_set *s);
#define auto_hashes __attribute__((cleanup(hash_set_release)))
/* 1: it is new; 0; -ENOMEM. */
int hash_set_add(struct hash_set *s, uint64_t hash) must_check;

#endif
