/* SPDX-License-Identifier: ISC */
#include "crypto/keys.h"

#include <assert.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/random.h"

/* The table of vault-format/03-keys.md: contexts and ids. */
#define CONTEXT_HDR "cofr-hdr"
#define CONTEXT_CID "cofr-cid"
#define CONTEXT_CDC "cofr-cdc"
#define CONTEXT_KID "cofr-kid"
#define CONTEXT_CHK "cofr-chk"
#define CONTEXT_PAK "cofr-pak"
#define CONTEXT_LOG "cofr-log"
#define CONTEXT_SNP "cofr-snp"
#define CONTEXT_LOC "cofr-loc"
#define CONTEXT_HDG "cofr-hdg"
#define CONTEXT_JNL "cofr-jnl"
#define CONTEXT_STG "cofr-stg"
#define CONTEXT_IDX "cofr-idx"
#define CONTEXT_VRF "cofr-vrf"

enum {
	ID_ONLY = 1,
	ID_CID_DATA = 1,
	ID_CID_META = 2,
	ID_STG_RECORDS = 1,
	ID_STG_TRAILER = 2,
};

/* 32 subkeys, ids 0 to 31, of 64 bytes: 2048 bytes joined. */
#define GEAR_SUBKEY_BYTES 64
#define GEAR_PER_SUBKEY (GEAR_SUBKEY_BYTES / sizeof(uint64_t))

static_assert(KEYS_GEAR_ENTRIES / GEAR_PER_SUBKEY == 32,
	      "32 subkeys fill the Gear table");

/* Random bytes in a hedged R16. */
#define HEDGE_RANDOM_BYTES 32

static void derive(const struct key *master, const char *context, uint64_t id,
		   struct key *ret)
{
	kdf_derive(master, context, id, ret->b, sizeof(ret->b));
}

/*
 * Derived in place, so that no copy of the secret table is left anywhere, and
 * then read as little-endian: the same table on every machine.
 */
static void derive_gear(const struct key *vrk, uint64_t gear[KEYS_GEAR_ENTRIES])
{
	size_t i;

	for (i = 0; i < KEYS_GEAR_ENTRIES; i += GEAR_PER_SUBKEY)
		kdf_derive(vrk, CONTEXT_CDC, i / GEAR_PER_SUBKEY, &gear[i],
			   GEAR_SUBKEY_BYTES);
	for (i = 0; i < KEYS_GEAR_ENTRIES; i++)
		gear[i] = le64_get((const uint8_t *)&gear[i]);
}

void keys_vault(const struct key *vrk, struct vault_keys *ret)
{
	derive(vrk, CONTEXT_HDR, ID_ONLY, &ret->hdr);
	derive(vrk, CONTEXT_CID, ID_CID_DATA, &ret->cid_data);
	derive(vrk, CONTEXT_CID, ID_CID_META, &ret->cid_meta);
	derive_gear(vrk, ret->gear);
}

void keys_epoch(const struct key *ek, uint32_t epoch, struct epoch_keys *ret)
{
	ret->epoch = epoch;
	kdf_derive(ek, CONTEXT_KID, ID_ONLY, ret->id.b, sizeof(ret->id.b));
	derive(ek, CONTEXT_CHK, ID_ONLY, &ret->chk);
	derive(ek, CONTEXT_PAK, ID_ONLY, &ret->pak);
	derive(ek, CONTEXT_LOG, ID_ONLY, &ret->log);
	derive(ek, CONTEXT_SNP, ID_ONLY, &ret->snp);
	derive(ek, CONTEXT_LOC, ID_ONLY, &ret->loc);
	derive(ek, CONTEXT_HDG, ID_ONLY, &ret->hdg);
}

void keys_local(const struct key *dk, struct local_keys *ret)
{
	derive(dk, CONTEXT_HDG, ID_ONLY, &ret->hdg);
	derive(dk, CONTEXT_JNL, ID_ONLY, &ret->jnl);
	derive(dk, CONTEXT_STG, ID_STG_RECORDS, &ret->stg);
	derive(dk, CONTEXT_STG, ID_STG_TRAILER, &ret->stg_trailer);
	derive(dk, CONTEXT_VRF, ID_ONLY, &ret->vrf);
	ret->idx_master = *dk;
}

void keys_index(const struct key *dk, uint64_t generation, struct key *ret)
{
	derive(dk, CONTEXT_IDX, generation, ret);
}

void keys_content_id(const struct key *cid, const void *chunk, uint64_t len,
		     struct content_id *ret)
{
	hash_bytes(cid, chunk, len, ret->b, sizeof(ret->b));
}

/*
 * Hedged after M. Bellare, Z. Brakerski, M. Naor, T. Ristenpart, G. Segev,
 * H. Shacham, S. Yilek: Hedged Public-Key Encryption: How to Protect against
 * Bad Randomness, ASIACRYPT 2009: the coins are a keyed hash of randomness and
 * message, so that a generator that repeats itself repeats no nonce for other
 * contents.
 */
static void hedge(const struct key *hdg,
		  const uint8_t drawn[static HEDGE_RANDOM_BYTES],
		  const uint8_t *h, size_t h_len, struct r16 *ret)
{
	struct hash hash;

	assert(h_len >= 32);
	hash_begin(&hash, hdg, sizeof(ret->b));
	hash_add(&hash, drawn, HEDGE_RANDOM_BYTES);
	hash_add(&hash, h, h_len);
	hash_end(&hash, ret->b, sizeof(ret->b));
}

void keys_r16(const struct key *hdg, const uint8_t h[static 32], size_t h_len,
	      struct r16 *ret)
{
	uint8_t drawn[HEDGE_RANDOM_BYTES];

	random_bytes(drawn, sizeof(drawn));
	hedge(hdg, drawn, h, h_len, ret);
	mem_wipe(drawn, sizeof(drawn));
}

void keys_r16_of(const struct key *hdg, const uint8_t h[static 32],
		 size_t h_len, struct r16 *ret)
{
	const uint8_t drawn[HEDGE_RANDOM_BYTES] = { 0 };

	hedge(hdg, drawn, h, h_len, ret);
}
