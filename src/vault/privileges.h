/* SPDX-License-Identifier: ISC */
/*
 * What a file loses when somebody without the right to keep it writes to it or
 * gives it away: suid, sgid where the group may execute (otherwise it means
 * mandatory locks), file capabilities (chown(2), write(2), capabilities(7)).
 * Internal to vault.
 */
#ifndef COFFER_VAULT_PRIVILEGES_H
#define COFFER_VAULT_PRIVILEGES_H

#include "vault/node.h"

struct vault;

/* The mode without them. */
uint32_t privileges_drop_mode(unsigned kind, uint32_t mode);
/* Its capabilities.  index_lock held.
 * 1 if there were some, 0. */
int privileges_drop_capability(struct vault *v, struct node *n) must_check;
/* All of a file that is written to, as operations of their own.  index_lock
 * held.  1 if there was something, 0. */
int privileges_drop(struct vault *v, struct node *n) must_check;

#endif
