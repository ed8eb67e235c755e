/* SPDX-License-Identifier: ISC */
/*
 * The devices the log tells of (operations DEVICE ...).  Internal to vault;
 * every function needs the index lock.
 */
#ifndef COFFER_VAULT_LOG_DEVICES_H
#define COFFER_VAULT_LOG_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "format/op.h"
#include "vault/device.h"

int device_apply(struct vault *v, const struct op *op) must_check;
/* The name of its DEVICE ADD (N1), or the writer's 16 digits. */
int device_first_name(struct vault *v, uint64_t writer, char ret[static 65])
	must_check;
/* Fills name, is_self, is_retired, joined_ms and retired_ms; 1, 0. */
int device_get(struct vault *v, uint64_t writer, struct vault_device *ret)
	must_check;
/* All the log tells of; fields as device_get fills them.  `is_added`: there is a
 * DEVICE ADD about it.  Non-zero of fn ends it. */
typedef int device_fn(void *arg, const struct vault_device *d, bool is_added);
int device_each(struct vault *v, device_fn *fn, void *arg) must_check;
/* Writers that are added and not retired. */
int device_count_live(struct vault *v, unsigned *ret) must_check;

#endif
