/* SPDX-License-Identifier: ISC */
/* Who this device is: the writer's id and DK in the file `writer`
 * (vault-format/11-local.md).  Internal to vault. */
#ifndef COFFER_VAULT_LOG_STATE_WRITER_H
#define COFFER_VAULT_LOG_STATE_WRITER_H

#include "vault/log/commit_priv.h"

/*
 * Sets v->writer, DK and the local keys from the state directory: 1; 0: there
 * is none, or one of another vault, and nothing hangs on it.  ERR_DAMAGED:
 * something does: a journal that cannot be opened without it; ERR_NEW_EPOCH:
 * the same, under a key the keyring lacks.
 */
int state_writer_load(struct commit *c) must_check;

/* A fresh id and DK, durable; the id is not `other_than`. */
int state_writer_mint(struct commit *c, uint64_t other_than) must_check;

#endif
