/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <string.h>

#include "crypto/aead.h"
#include "format/pack.h"
#include "format/pack_again.h"

#define RECORD_LABEL "cofr-chk"
#define RECORD_LABEL_BYTES (sizeof(RECORD_LABEL) - 1)
#define RECORD_AD_BYTES 64
#define CODEC_RAW 0

uint32_t record_stored_bytes(uint32_t plain_bytes)
{
	assert(plain_bytes >= 1 && plain_bytes <= CHUNK_MAX_BYTES);
	return (uint32_t)aead_chain_sealed_bytes(plain_bytes, RECORD_SUB_BYTES);
}

void record_ad(const struct uuid *vault, const struct content_id *id,
	       uint32_t plain_bytes, enum pack_type type,
	       uint8_t out[static 64])
{
	memset(out, 0, RECORD_AD_BYTES);
	memcpy(out, RECORD_LABEL, RECORD_LABEL_BYTES);
	memcpy(out + 8, vault->b, sizeof(vault->b));
	memcpy(out + 24, id->b, sizeof(id->b));
	le32_put(out + 56, plain_bytes);
	out[60] = CODEC_RAW;
	out[61] = (uint8_t)type;
}

/* H of a record: its content id, codec and type. */
static void draw_r16(const struct key *hdg, const struct content_id *id,
		     enum pack_type type, struct r16 *ret)
{
	uint8_t h[sizeof(id->b) + 2];

	memcpy(h, id->b, sizeof(id->b));
	h[sizeof(id->b)] = CODEC_RAW;
	h[sizeof(id->b) + 1] = (uint8_t)type;
	keys_r16(hdg, h, sizeof(h), ret);
}

void record_seal(const struct key *k, const struct key *hdg,
		 const struct uuid *vault, enum pack_type type,
		 const struct content_id *id, const uint8_t *plain,
		 uint32_t len, uint8_t *out, struct pack_entry *ret)
{
	uint8_t ad[RECORD_AD_BYTES];

	ret->id = *id;
	ret->stored_bytes = record_stored_bytes(len);
	ret->plain_bytes = len;
	ret->codec = CODEC_RAW;
	draw_r16(hdg, id, type, &ret->r16);
	record_ad(vault, id, len, type, ad);
	aead_chain_seal(k, &ret->r16, ad, sizeof(ad), RECORD_SUB_BYTES, plain,
			len, out);
}

void record_seal_again(const struct key *k, const struct uuid *vault,
		       enum pack_type type, const struct pack_entry *e,
		       const uint8_t *plain, uint8_t *out)
{
	uint8_t ad[RECORD_AD_BYTES];

	record_ad(vault, &e->id, e->plain_bytes, type, ad);
	aead_chain_seal(k, &e->r16, ad, sizeof(ad), RECORD_SUB_BYTES, plain,
			e->plain_bytes, out);
}

int record_open(const struct key *k, const struct uuid *vault,
		enum pack_type type, const struct pack_entry *e, uint32_t first,
		uint32_t count, const uint8_t *sealed, uint8_t *out)
{
	uint8_t ad[RECORD_AD_BYTES];

	if (e->codec != CODEC_RAW)
		return ERR_NEWER;
	record_ad(vault, &e->id, e->plain_bytes, type, ad);
	return aead_chain_open(k, &e->r16, ad, sizeof(ad), RECORD_SUB_BYTES,
			       e->plain_bytes, first, count, sealed, out);
}
