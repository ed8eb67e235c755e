/* SPDX-License-Identifier: ISC */
/*
 * What a file loses when somebody without the right to keep it writes to it or
 * gives it away: suid, sgid, file capabilities (chown(2), write(2),
 * capabilities(7)).  Sgid where the group may not execute, once the mark of
 * mandatory locks, stays if who does it is of the file's group, as Linux 6.2
 * and later have it (setattr_should_drop_sgid() in fs/attr.c); only the caller
 * knows.  Internal to vault.
 */
#ifndef COFFER_VAULT_TREE_PRIVILEGES_H
#define COFFER_VAULT_TREE_PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/merge/node.h"

struct vault;

/* The mode without them; `is_stranger`: whoever it is, is not of the group. */
uint32_t privileges_drop_mode(unsigned kind, uint32_t mode, bool is_stranger);
/* Its capabilities.  index_lock held.
 * 1 if there were some, 0. */
int privileges_drop_capability(struct vault *v, struct node *n) must_check;
/* All of a file that is written to, as operations of their own.  index_lock
 * held.  VAULT_WROTE_*, as for somebody of the group. */
int privileges_drop(struct vault *v, struct node *n) must_check;

#endif
