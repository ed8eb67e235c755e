/* SPDX-License-Identifier: ISC */
#include "format/vault_header.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/format_priv.h"
#include "format/pack.h"

#define HEADER_MAGIC "COFFERV1"
#define VERSION_MAJOR 1u
#define VERSION_MINOR 0u
#define MAC_AT 96
#define RESERVED_BYTES 20

/* The values of the algorithms this version knows. */
enum {
	AEAD_XCHACHA20_POLY1305 = 1,
	HASH_BLAKE2B = 1,
	CHUNKER_FASTCDC_GEAR = 1,
	SUB_BLOCK_LOG2 = 14,
	PADDING_LOG2 = 16,
	/* Xia et al.: FastCDC, USENIX ATC 2016, section 4.4: levels 0 to 3. */
	NORMALISATION_MAX = 3,
};

#define CHUNK_MIN_BYTES 4096u

static_assert(MAC_AT + VAULT_MAC_BYTES == VAULT_HEADER_BYTES,
	      "the MAC ends the header");
static_assert(1u << SUB_BLOCK_LOG2 == RECORD_SUB_BYTES &&
		      1u << PADDING_LOG2 == PACK_MIN_BYTES,
	      "the header says what packs are made of");

static void compute_mac(const uint8_t in[static VAULT_HEADER_BYTES],
			const struct key *k_hdr, struct vault_mac *ret)
{
	hash_bytes(k_hdr, in, MAC_AT, ret->b, sizeof(ret->b));
}

void vault_header_seal(struct vault_header *h, const struct key *k_hdr,
		       uint8_t out[static VAULT_HEADER_BYTES])
{
	memset(out, 0, VAULT_HEADER_BYTES);
	memcpy(out, HEADER_MAGIC, MAGIC_BYTES);
	le16_put(out + 8, VERSION_MAJOR);
	le16_put(out + 10, VERSION_MINOR);
	le32_put(out + 12, VAULT_HEADER_BYTES);
	memcpy(out + 16, h->uuid.b, sizeof(h->uuid.b));
	le64_put(out + 32, h->incompatible);
	le64_put(out + 40, h->read_only_compatible);
	le64_put(out + 48, h->compatible);
	out[56] = AEAD_XCHACHA20_POLY1305;
	out[57] = HASH_BLAKE2B;
	out[58] = CHUNKER_FASTCDC_GEAR;
	out[59] = SUB_BLOCK_LOG2;
	out[60] = PADDING_LOG2;
	out[61] = h->normalisation;
	le32_put(out + 64, h->chunk_min);
	le32_put(out + 68, h->chunk_average);
	le32_put(out + 72, h->chunk_max);
	compute_mac(out, k_hdr, &h->mac);
	memcpy(out + MAC_AT, h->mac.b, sizeof(h->mac.b));
}

static void read_algorithms(struct cursor *c, struct vault_header *h)
{
	format_require(c, cursor_u8(c) == AEAD_XCHACHA20_POLY1305, ERR_NEWER);
	format_require(c, cursor_u8(c) == HASH_BLAKE2B, ERR_NEWER);
	format_require(c, cursor_u8(c) == CHUNKER_FASTCDC_GEAR, ERR_NEWER);
	format_require(c, cursor_u8(c) == SUB_BLOCK_LOG2, ERR_NEWER);
	format_require(c, cursor_u8(c) == PADDING_LOG2, ERR_NEWER);
	h->normalisation = cursor_u8(c);
	format_require(c, h->normalisation <= NORMALISATION_MAX, ERR_NEWER);
	format_require(c, cursor_u16(c) == 0, ERR_NEWER); /* more of them */
}

int vault_header_decode(const uint8_t in[static VAULT_HEADER_BYTES],
			struct vault_header *ret)
{
	struct vault_header h;
	struct cursor c;
	int err;

	cursor_init(&c, in, VAULT_HEADER_BYTES);
	format_magic(&c, HEADER_MAGIC, ERR_NOT_VAULT);
	format_require(&c, cursor_u16(&c) == VERSION_MAJOR, ERR_NEWER);
	cursor_u16(&c); /* any minor version is read the same way */
	cursor_require(&c, cursor_u32(&c) == VAULT_HEADER_BYTES);
	cursor_copy(&c, h.uuid.b, sizeof(h.uuid.b));
	h.incompatible = cursor_u64(&c);
	h.read_only_compatible = cursor_u64(&c);
	h.compatible = cursor_u64(&c);
	format_require(&c, h.incompatible == 0, ERR_NEWER);
	read_algorithms(&c, &h);
	h.chunk_min = cursor_u32(&c);
	h.chunk_average = cursor_u32(&c);
	h.chunk_max = cursor_u32(&c);
	cursor_require(&c, h.chunk_min >= CHUNK_MIN_BYTES &&
				   h.chunk_average >= h.chunk_min &&
				   h.chunk_max >= h.chunk_average &&
				   h.chunk_max <= CHUNK_MAX_BYTES);
	cursor_zeros(&c, RESERVED_BYTES);
	cursor_copy(&c, h.mac.b, sizeof(h.mac.b));
	err = cursor_finish(&c);
	if (err < 0)
		return err;
	*ret = h;
	return 0;
}

int vault_header_verify(const uint8_t in[static VAULT_HEADER_BYTES],
			const struct key *k_hdr)
{
	struct vault_mac mac;

	compute_mac(in, k_hdr, &mac);
	return secret_equal(mac.b, in + MAC_AT, sizeof(mac.b)) ? 0
							       : ERR_BAD_SEAL;
}
