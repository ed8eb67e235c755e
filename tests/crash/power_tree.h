/* SPDX-License-Identifier: ISC */
/* Folders copied and removed, and a disk whose syncs cost nothing. */
#ifndef COFFER_TESTS_POWER_TREE_H
#define COFFER_TESTS_POWER_TREE_H

#include "base/env.h"

/* Every file that is not there yet is copied: what a sync tool does. */
void power_tree_copy(const char *from, const char *to);
void power_tree_remove(const char *path);
/* The real disk without fsync. */
struct env *power_calm_env(void);

#endif
