/* SPDX-License-Identifier: ISC */
/*
 * Which own segment announced an own pack.  Internal to vault; index lock.
 */
#ifndef COFFER_VAULT_PACKS_ANNOUNCED_H
#define COFFER_VAULT_PACKS_ANNOUNCED_H

#include <stdint.h>

#include "base/err.h"
#include "format/pack.h"

struct vault;

int announced_note(struct vault *v, uint64_t seq,
		   const uint8_t pack[static PACK_NAME_BYTES]) must_check;
/* 1 and the segment's seq; 0: none is known. */
int announced_get(struct vault *v, const uint8_t pack[static PACK_NAME_BYTES],
		  uint64_t *ret_seq) must_check;

#endif
