/* SPDX-License-Identifier: ISC */
/*
 * From a credential to the keys: the header `VAULT` and the key slots
 * (vault-format/04-header.md, 05-slots.md).  Internal to vault.
 */
#ifndef COFFER_VAULT_KEYS_UNLOCK_H
#define COFFER_VAULT_KEYS_UNLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/core.h"

#define SLOT_DIR_NAME "k"

/* The vault directory as the user named it: -ENOENT, -ENOTDIR. */
int unlock_open_vault(struct env *env, const char *path, int *ret_dirfd)
	must_check;
/* ERR_NOT_VAULT, ERR_NEWER, ERR_DAMAGED. */
int unlock_read_header(struct env *env, int vault_dirfd,
		       uint8_t ret_raw[static VAULT_HEADER_BYTES],
		       struct vault_header *ret) must_check;

/* Both, without any secret: env, descriptor, the header's bytes and fields. */
int unlock_open_clear(const struct vault_options *opts, struct env **ret_env,
		      int *ret_fd, uint8_t raw[static VAULT_HEADER_BYTES],
		      struct vault_header *h) must_check;

/* One file of k/ that has a slot's name. */
struct slot_file {
	uint8_t name[SLOT_NAME_BYTES];
	uint8_t bytes[SLOT_BYTES];
	struct slot_info info; /* if error is 0 */
	int error;
};

/* In order of their names.  Non-zero from fn ends it and is returned.
 * *ret_foreign (may be NULL): other entries of k/. */
typedef int slot_file_fn(void *arg, const struct slot_file *f);
int unlock_each_slot(struct env *env, int vault_dirfd, const struct uuid *vault,
		     slot_file_fn *fn, void *arg, uint64_t *ret_foreign)
	must_check;

/* The type of slot a credential opens; -EINVAL if it is empty. */
int unlock_type(const struct vault_credential *cred, enum slot_type *ret)
	must_check;
/* What Argon2id is fed (slot_credential); ERR_WRONG_KEY for recovery words
 * that are none. */
int unlock_feed(enum slot_type type, const struct vault_credential *cred,
		struct secret_buf *ret) must_check;

/*
 * Tries the slots of the credential's type, `hint` (may be NULL) first, at
 * most SLOT_TRY_MAX.  `ring` is in secret memory.  ERR_NO_SLOT, ERR_STRANGER
 * (only such of another vault than the header's), ERR_WRONG_KEY, ERR_DAMAGED
 * (a slot's seal), -ENOMEM ...
 */
int unlock_slots(struct env *env, int vault_dirfd, const struct uuid *vault,
		 const struct vault_credential *cred, const uint8_t *hint,
		 struct keyring *ring, uint8_t ret_slot[static SLOT_NAME_BYTES])
	must_check;

/* Decodes f->bytes into f->info: is it a slot of this vault? */
int unlock_check_slot(const struct uuid *vault, struct slot_file *f) must_check;
/* As unlock_slots, with slots wherever they were found. */
int unlock_loose(const struct slot_file *files, size_t n,
		 const struct vault_credential *cred, struct keyring *ring,
		 uint8_t ret_slot[static SLOT_NAME_BYTES]) must_check;

/* Is it the header of this keyring?  ERR_DAMAGED. */
int unlock_verify_header(const uint8_t raw[static VAULT_HEADER_BYTES],
			 const struct keyring *ring) must_check;

/* All keys that follow from a keyring, in fresh secret memory; DK is zeros. */
int unlock_derive(const struct keyring *ring, struct vault_secrets **ret)
	must_check;

#endif
