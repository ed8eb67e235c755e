/* SPDX-License-Identifier: ISC */
/* Parts of opening and closing that several sources need.  Internal to vault. */
#ifndef COFFER_VAULT_LIFE_H
#define COFFER_VAULT_LIFE_H

#include "vault/core.h"

/* Feature bits this program knows: none. */
#define VAULT_FEATURES UINT64_C(0)

/* A vault with its locks and nothing else. */
int life_new(const struct vault_options *opts, struct vault **ret) must_check;
/* Lets go of everything there is, keys wiped, nothing written. */
void life_free(struct vault *v);

/* Makes the entry of a directory just made durable. */
int life_sync_parent(struct env *env, const char *path) must_check;
int life_open_stage(struct vault *v, uint64_t next_file) must_check;
/* Read-only as it was asked for, or cannot be otherwise: no failure. */
void life_be_read_only(struct vault *v, const char *why);
/* Heeds what the log says of keys and formats: read-only, or ERR_NEWER. */
int life_check_log(struct vault *v, bool is_opening) must_check;
/* The host's name as far as it may be a device's, else "device". */
void life_host_name(char to[static 65]);
/* Removes temporaries a crash left in the own log folder. */
int life_sweep_log(struct vault *v) must_check;

#endif
