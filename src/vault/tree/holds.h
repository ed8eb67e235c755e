/* SPDX-License-Identifier: ISC */
/* Counts of holds (vault_hold) by inode.  Internal to vault; index lock. */
#ifndef COFFER_VAULT_TREE_HOLDS_H
#define COFFER_VAULT_TREE_HOLDS_H

#include <stdint.h>

#include "base/err.h"

struct holds;

int holds_new(struct holds **ret) must_check;
void holds_free(struct holds *h);
/* -ENOMEM. */
int holds_add(struct holds *h, uint64_t ino, uint64_t n) must_check;
/* Returns the count left. */
uint64_t holds_drop(struct holds *h, uint64_t ino, uint64_t n);
uint64_t holds_count(const struct holds *h, uint64_t ino);
/* Inodes held; 0 at a clean unmount. */
uint64_t holds_inodes(const struct holds *h);

#endif
