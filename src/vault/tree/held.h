/* SPDX-License-Identifier: ISC */
/*
 * What is held (vault/hold.h): by counts kept here, or by the front end,
 * which is asked.  Nearly all that is held is also shown, and needs nothing;
 * what nobody sees and a holder still uses *lingers*, until the last one lets
 * go.  Internal to vault; index lock.
 */
#ifndef COFFER_VAULT_TREE_HELD_H
#define COFFER_VAULT_TREE_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/core.h"

bool held_is(struct vault *v, uint64_t ino);

/* An inode that nobody sees: 1: it is held, and lingers from now on; 0: it does
 * not; -ENOMEM. */
int held_linger(struct vault *v, uint64_t ino) must_check;
/* It is shown again, or gone. */
void held_end(struct vault *v, uint64_t ino);
/* Does anything linger?  Its rows are told of by no operation. */
bool held_any_lingers(struct vault *v);

#endif
