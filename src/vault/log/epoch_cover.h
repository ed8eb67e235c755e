/* SPDX-License-Identifier: ISC */
/*
 * Which segments of older epochs count (vault-format/05-slots.md, Epochs, rule
 * 2): those that a segment sealed under the newest key leads to, by `previous`
 * and version vectors.  Whoever only holds an old keyring cannot make one.
 * Internal to vault; no lock may be held.
 */
#ifndef COFFER_VAULT_LOG_EPOCH_COVER_H
#define COFFER_VAULT_LOG_EPOCH_COVER_H

#include <stdbool.h>

#include "vault/log/logdir.h"

struct epoch_cover;

/* Reads every segment there is. */
int epoch_cover_new(struct vault *v, struct epoch_cover **ret) must_check;
void epoch_cover_free(struct epoch_cover *c); /* NULL is ignored */
bool epoch_cover_has(const struct epoch_cover *c, const struct log_segment *s);

#endif
