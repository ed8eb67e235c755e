/* SPDX-License-Identifier: ISC */
/*
 * BLAKE2b, keyed or not (RFC 7693; vault-format/03-keys.md).
 * Output 16 to 64 bytes; key 32 bytes or none.
 */
#ifndef COFFER_CRYPTO_HASH_H
#define COFFER_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/types.h"

struct hash {
	_Alignas(64) uint8_t opaque[384]; /* crypto_generichash_state */
};

/* `key` NULL: unkeyed. */
void hash_begin(struct hash *h, const struct key *key, size_t out_bytes);
void hash_add(struct hash *h, const void *p, size_t n);
/* Wipes the state. */
void hash_end(struct hash *h, void *out, size_t out_bytes);

void hash_bytes(const struct key *key, const void *p, size_t n, void *out,
		size_t out_bytes);

/* SipHash-2-4 under the first half of the key: for tables in memory or in the
 * index, where only who does not know the key may choose the input. */
uint64_t hash_short(const struct key *key, const void *p, size_t n);

#endif
