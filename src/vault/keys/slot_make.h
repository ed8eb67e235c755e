/* SPDX-License-Identifier: ISC */
/* Making one key slot (vault-format/05-slots.md).  Internal to vault. */
#ifndef COFFER_VAULT_KEYS_SLOT_MAKE_H
#define COFFER_VAULT_KEYS_SLOT_MAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/core.h"

struct slot_request {
	enum slot_type type;
	uint32_t ops, memory_kib; /* 0: defaults */
	bool test_weak;
};

struct made_slot {
	enum slot_type type;
	uint8_t name[SLOT_NAME_BYTES];
	uint8_t bytes[SLOT_BYTES];
};

/* With all keys of v->keys->ring.  Takes the KDF's time; no lock. */
int slot_make(struct vault *v, const struct slot_request *q,
	      const struct vault_credential *cred, struct made_slot *ret)
	must_check;
/* The same for a recovery key drawn here; its words. */
int slot_make_recovery(struct vault *v, const struct slot_request *q,
		       struct made_slot *ret, struct secret_buf *ret_words)
	must_check;

#endif
