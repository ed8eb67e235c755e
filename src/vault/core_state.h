/* SPDX-License-Identifier: ISC */
/* What the opened vault counts beside the index's tables, kept in it while it
 * is closed.  Internal to vault; index lock. */
#ifndef COFFER_VAULT_CORE_STATE_H
#define COFFER_VAULT_CORE_STATE_H

#include "vault/core.h"

/* Into the index, before it is committed. */
int core_state_save(struct vault *v) must_check;
/* Out of a clean index: ERR_BAD_INDEX if it is not there. */
int core_state_load(struct vault *v) must_check;
/* Of an index just made: a key for its cookies, the root. */
int core_state_make(struct vault *v) must_check;

#endif
