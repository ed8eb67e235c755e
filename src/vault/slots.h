/* SPDX-License-Identifier: ISC */
/*
 * Credentials of a vault (vault-format/05-slots.md).  A slot is always made
 * whole, published first; then the old one is removed.
 */
#ifndef COFFER_VAULT_SLOTS_H
#define COFFER_VAULT_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "format/slot.h"
#include "vault/vault.h"

struct vault_slot {
	uint8_t name[SLOT_NAME_BYTES];
	struct slot_info info;
	char label[65];
	bool is_known;	 /* the log knows it */
	bool is_removed; /* the log called it removed, its file came back */
	bool is_current; /* opened this session */
	int error;	 /* 0, or why it cannot be used */
};

typedef int vault_slot_fn(void *arg, const struct vault_slot *s);

/* Without unlocking: the files alone. */
int vault_peek_slots(const struct vault_options *opts, vault_slot_fn *fn,
		     void *arg) must_check;
int vault_each_slot(struct vault *v, vault_slot_fn *fn, void *arg) must_check;

struct vault_slot_new {
	enum slot_type type;
	const char *label; /* may be NULL */
	uint32_t argon2_ops, argon2_memory_kib; /* 0: defaults */
};

/* SLOT_RECOVERY draws a key: cred is unused, *ret_recovery gets the words. */
int vault_slot_add(struct vault *v, const struct vault_slot_new *what,
		   const struct vault_credential *cred,
		   struct secret_buf *ret_recovery,
		   uint8_t ret_name[static SLOT_NAME_BYTES]) must_check;
/* ERR_LAST_SLOT; -ENOENT. */
int vault_slot_remove(struct vault *v,
		      const uint8_t name[static SLOT_NAME_BYTES]) must_check;
/* Adds one for `cred` of the same type as the slot opened, then removes the
 * slot opened. */
int vault_slot_change(struct vault *v, const struct vault_credential *cred)
	must_check;

/* Does the credential open a slot?  0, ERR_WRONG_KEY, ERR_NO_SLOT ...;
 * opens nothing else. */
int vault_test_credential(const struct vault_options *opts,
			  const struct vault_credential *cred) must_check;

/* What the header alone shows. */
struct vault_peek {
	struct uuid uuid;
	uint32_t chunk_min, chunk_average, chunk_max;
	uint64_t incompatible, read_only_compatible, compatible;
	uint32_t n_slots, n_writers;
	uint64_t n_packs, n_segments, total_bytes;
};
int vault_peek(const struct vault_options *opts, struct vault_peek *ret)
	must_check;
/* The header alone. */
int vault_peek_uuid(const struct vault_options *opts, struct uuid *ret)
	must_check;

#endif
