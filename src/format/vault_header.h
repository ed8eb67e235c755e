/* SPDX-License-Identifier: ISC */
/* The header `VAULT`: 128 bytes, never rewritten
 * (vault-format/04-header.md). */
#ifndef COFFER_FORMAT_VAULT_HEADER_H
#define COFFER_FORMAT_VAULT_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/types.h"

#define VAULT_HEADER_BYTES 128
#define VAULT_MAC_BYTES 32
#define VAULT_FILE_NAME "VAULT"

struct vault_mac {
	uint8_t b[VAULT_MAC_BYTES];
};

struct vault_header {
	struct uuid uuid;
	uint64_t incompatible, read_only_compatible, compatible;
	uint8_t normalisation; /* FastCDC's level, 0 to 3 */
	uint32_t chunk_min, chunk_average, chunk_max;
	struct vault_mac mac;
};

/* Encodes and computes the MAC with K_hdr; h->mac is set too. */
void vault_header_seal(struct vault_header *h, const struct key *k_hdr,
		       uint8_t out[static VAULT_HEADER_BYTES]);
/*
 * Checks all but the MAC.  ERR_NOT_VAULT (magic), ERR_NEWER (major version,
 * incompatible feature, algorithm), ERR_MALFORMED (reserved, sizes).
 */
int vault_header_decode(const uint8_t in[static VAULT_HEADER_BYTES],
			struct vault_header *ret) must_check;
/* ERR_BAD_SEAL if the MAC is not the key's; constant time. */
int vault_header_verify(const uint8_t in[static VAULT_HEADER_BYTES],
			const struct key *k_hdr) must_check;

#endif
