/* SPDX-License-Identifier: ISC */
/*
 * Holds: an inode unlinked while held stays readable and writable until the
 * last hold ends.
 */
#ifndef COFFER_VAULT_HOLD_H
#define COFFER_VAULT_HOLD_H

#include <stdbool.h>
#include <stdint.h>

struct vault;

void vault_hold(struct vault *v, uint64_t ino, uint64_t n);
void vault_unhold(struct vault *v, uint64_t ino, uint64_t n);

/*
 * A front end that counts what its kernel knows does not tell of each inode,
 * which would have to be remembered twice: it is asked.  That happens under the
 * vault's locks, and it may only take a leaf lock.  NULL takes it away: each
 * inode it held must have been let go.
 */
typedef bool vault_holds_fn(void *arg, uint64_t ino);
void vault_set_holder(struct vault *v, vault_holds_fn *fn, void *arg);
/* It holds an inode no longer, and says so from before this call on.  Without a
 * lock; nearly free where nothing was unlinked meanwhile. */
void vault_let_go(struct vault *v, uint64_t ino);

#endif
