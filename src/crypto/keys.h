/* SPDX-License-Identifier: ISC */
/*
 * The key tree (vault-format/03-keys.md): vault root key VRK and epoch keys
 * come from a slot's keyring; everything else is derived from them here.
 * All structs live in secret memory: allocate with secret_alloc.
 */
#ifndef COFFER_CRYPTO_KEYS_H
#define COFFER_CRYPTO_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/types.h"

#define KEYS_GEAR_ENTRIES 256

/* From VRK, for the vault's life. */
struct vault_keys {
	struct key hdr;	     /* MAC of the header */
	struct key cid_data; /* content ids of data chunks */
	struct key cid_meta; /* content ids of metadata chunks */
	uint64_t gear[KEYS_GEAR_ENTRIES]; /* FastCDC's table */
};

/* From one epoch key EK_e. */
struct epoch_keys {
	uint32_t epoch;
	struct key_id id;
	struct key chk, pak, log, snp, loc, hdg;
};

/* From DK, the key of one state directory. */
struct local_keys {
	struct key hdg;
	struct key jnl;
	struct key stg;	     /* staged records */
	struct key stg_trailer; /* trailer and footer of a stage file */
	struct key vrf;	     /* how far a check has come */
	struct key idx_master; /* DK itself, for keys_index */
};

void keys_vault(const struct key *vrk, struct vault_keys *ret);
void keys_epoch(const struct key *ek, uint32_t epoch, struct epoch_keys *ret);
void keys_local(const struct key *dk, struct local_keys *ret);
/* K_idx of one generation of the index (8 random bytes as LE64). */
void keys_index(const struct key *dk, uint64_t generation, struct key *ret);

/* Content id of a data chunk. */
void keys_content_id(const struct key *cid, const void *chunk, uint64_t len,
		     struct content_id *ret);

/* Hedged R16: BLAKE2b-128(K_hdg, 32 random bytes || h) (writers only). */
void keys_r16(const struct key *hdg, const uint8_t h[static 32], size_t h_len,
	      struct r16 *ret);
/* The same without anything random: equal h, equal R16.  Only for what is
 * sealed anew with the same contents wherever that is done. */
void keys_r16_of(const struct key *hdg, const uint8_t h[static 32],
		 size_t h_len, struct r16 *ret);

#endif
