/* SPDX-License-Identifier: ISC */
/*
 * Applying operations of any kind, whoever made them, and what the log says
 * that concerns no inode: slots, epochs, features, packs
 * (vault-format/08-operations.md).  Internal to vault; every function needs
 * the index lock.
 */
#ifndef COFFER_VAULT_LOG_APPLY_H
#define COFFER_VAULT_LOG_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "format/op.h"
#include "format/slot.h"
#include "vault/core.h"

/* Learns the clock and applies; its causes are applied.  As merge_apply. */
int apply_op(struct vault *v, const struct op *op) must_check;
/* A new operation that concerns no inode: into the log, and applied.  Ends the
 * transaction. */
int apply_new(struct vault *v, struct op *op) must_check;

/* The root, which no operation makes; its number is free. */
int apply_make_root(struct vault *v) must_check;

/* ---- what the log says ---- */

struct known_slot {
	uint8_t name[SLOT_NAME_BYTES];
	unsigned type; /* enum slot_type; 0: only its removal is known */
	bool is_removed;
	char label[65];
};

/* 1, 0. */
int known_slot_get(struct vault *v, const uint8_t name[static SLOT_NAME_BYTES],
		   struct known_slot *ret) must_check;

/* All of them; fn gets each as known_slot_get has it. */
typedef int known_slot_fn(void *arg, const struct known_slot *s);
int known_slot_each(struct vault *v, known_slot_fn *fn, void *arg) must_check;

/* Is this key of this epoch announced (epoch 1 always is)? 1, 0. */
int known_epoch(struct vault *v, uint32_t epoch, const struct key_id *id)
	must_check;
/* The greatest epoch announced, at least 1. */
int known_newest_epoch(struct vault *v, uint32_t *ret) must_check;

/* Feature bits announced so far. */
int known_features(struct vault *v, struct op_feature *ret) must_check;

#endif
