/* SPDX-License-Identifier: ISC */
/* One inode of one vault, compared with and written into another.  Internal to
 * vault; `old` is only read. */
#ifndef COFFER_VAULT_HISTORY_ACCEPT_FILE_H
#define COFFER_VAULT_HISTORY_ACCEPT_FILE_H

#include <stdbool.h>

#include "vault/vault.h"

/* Two files: 1, 0; what reading one of them met. */
int accept_same_contents(struct vault *old, uint64_t old_ino, struct vault *new,
			 uint64_t new_ino) must_check;
/* Into an empty file. */
int accept_copy(struct vault *old, uint64_t old_ino, struct vault *new,
		uint64_t new_ino) must_check;
/* Can all of it be read? 0, or what reading met. */
int accept_read_all(struct vault *v, uint64_t ino) must_check;
/* In place of what it holds, which is only touched once all can be read. */
int accept_replace(struct vault *old, uint64_t old_ino, struct vault *new,
		   uint64_t new_ino) must_check;
/* Those that the old one changed last, if they are one inode; all of them for
 * one that was just made (`is_new`). */
int accept_attributes(struct vault *old, uint64_t old_ino, struct vault *new,
		      uint64_t new_ino, bool is_new) must_check;

#endif
