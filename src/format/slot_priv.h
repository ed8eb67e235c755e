/* SPDX-License-Identifier: ISC */
/* The parts of opening a slot, for their sources and tests. */
#ifndef COFFER_FORMAT_SLOT_PRIV_H
#define COFFER_FORMAT_SLOT_PRIV_H

#include <stdint.h>

#include "base/err.h"
#include "crypto/types.h"
#include "format/slot.h"

#define KEYRING_PLAIN_BYTES 3056

/* The one output of Argon2id; secret. */
struct slot_keys {
	struct key kek;
	uint8_t commitment[32];
};

/* What slot_open does when the keys are derived: ERR_WRONG_KEY, ERR_DAMAGED,
 * -ENOMEM. */
int slot_open_derived(const uint8_t in[static SLOT_BYTES],
		      const struct slot_info *info,
		      const struct slot_keys *keys,
		      struct keyring *ret) must_check;

/* Reads a keyring's opened bytes into `ret` and checks all of its rules;
 * ERR_MALFORMED, ERR_LIMIT.  *ret is wiped on failure. */
int keyring_decode(const uint8_t plain[static KEYRING_PLAIN_BYTES],
		   uint32_t newest_epoch, struct keyring *ret) must_check;

/* The rules of a keyring under a slot's newest epoch, and its inverse. */
int keyring_check(const struct keyring *ring, uint32_t newest_epoch) must_check;
void keyring_encode(const struct keyring *ring,
		    uint8_t out[static KEYRING_PLAIN_BYTES]);

#endif
