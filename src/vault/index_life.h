/* SPDX-License-Identifier: ISC */
/* Opening and making the index, with what hangs on it: nodes and the log of
 * operations.  Internal to vault; nobody else uses the vault yet. */
#ifndef COFFER_VAULT_INDEX_LIFE_H
#define COFFER_VAULT_INDEX_LIFE_H

#include "vault/log/commit_priv.h"

/* The index of c->generation, which the marks call clean; brought up to
 * c->own_seq.  ERR_BAD_INDEX: make it anew. */
int index_life_open_clean(struct commit *c) must_check;
/* From all segments that count, own ones up to c->own_seq. */
int index_life_rebuild(struct commit *c) must_check;
/* All of it away, uncommitted changes lost. */
void index_life_close(struct vault *v);

#endif
