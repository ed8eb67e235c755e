/* SPDX-License-Identifier: ISC */
/*
 * What a repair has found out before a vault is opened, so that one can be
 * opened which otherwise could not.  Internal to vault.
 */
#ifndef COFFER_VAULT_REPAIR_RESCUE_H
#define COFFER_VAULT_REPAIR_RESCUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/slot.h"
#include "format/vault_header.h"

/* A segment that would be put back. */
struct rescued_segment {
	uint64_t writer, seq;
	uint8_t prefix[8]; /* of its hash */
	uint8_t *bytes;	   /* owned */
	size_t len;
};

struct vault_rescue {
	uint8_t header[VAULT_HEADER_BYTES];
	const struct keyring *ring;    /* borrowed */
	uint8_t slot[SLOT_NAME_BYTES]; /* that opened */
	/* In a dry run: what is not in the vault counts as if it were. */
	bool is_dry;
	struct rescued_segment *log; /* ascending by writer, seq */
	size_t n_log;
};

#endif
