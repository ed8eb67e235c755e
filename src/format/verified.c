/* SPDX-License-Identifier: ISC */
#include "format/verified.h"

#include <string.h>

#include "crypto/aead.h"
#include "crypto/random.h"
#include "format/format_priv.h"

#define VERIFIED_MAGIC "COFFERC1"
#define NONCE_AT 16u

int verified_seal(const struct key *k, uint64_t started_ms,
		  const uint8_t *stamps, size_t n, struct buf *out)
{
	const size_t plain = 8 + n * VERIFIED_STAMP_BYTES;
	uint8_t *file;

	if (n > VERIFIED_MAX)
		return ERR_LIMIT;
	file = buf_grow(out, VERIFIED_HEADER_BYTES + plain + TAG_BYTES);
	if (!file)
		return buf_error(out);
	memset(file, 0, VERIFIED_HEADER_BYTES);
	memcpy(file, VERIFIED_MAGIC, MAGIC_BYTES);
	le16_put(file + 8, FORMAT_VERSION);
	random_bytes(file + NONCE_AT, NONCE_BYTES);
	le64_put(file + VERIFIED_HEADER_BYTES, started_ms);
	if (n > 0)
		memcpy(file + VERIFIED_HEADER_BYTES + 8, stamps,
		       n * VERIFIED_STAMP_BYTES);
	aead_seal(k, file + NONCE_AT, file, VERIFIED_HEADER_BYTES,
		  file + VERIFIED_HEADER_BYTES, plain,
		  file + VERIFIED_HEADER_BYTES);
	return 0;
}

int verified_open(const struct key *k, uint8_t *file, size_t len,
		  uint64_t *ret_started_ms, const uint8_t **ret_stamps,
		  size_t *ret_n)
{
	struct cursor c;
	uint16_t version;
	size_t plain;
	int r;

	cursor_init(&c, file, len);
	format_magic(&c, VERIFIED_MAGIC, ERR_MALFORMED);
	version = cursor_u16(&c);
	format_require(&c, version == FORMAT_VERSION, ERR_NEWER);
	cursor_zeros(&c, 6);
	if (c.error < 0)
		return c.error;
	if (len < VERIFIED_HEADER_BYTES + 8 + TAG_BYTES)
		return ERR_TRUNCATED;
	plain = len - VERIFIED_HEADER_BYTES - TAG_BYTES;
	if ((plain - 8) % VERIFIED_STAMP_BYTES != 0)
		return ERR_MALFORMED;
	r = aead_open(k, file + NONCE_AT, file, VERIFIED_HEADER_BYTES,
		      file + VERIFIED_HEADER_BYTES, plain + TAG_BYTES,
		      file + VERIFIED_HEADER_BYTES);
	if (r < 0)
		return r;
	*ret_started_ms = le64_get(file + VERIFIED_HEADER_BYTES);
	*ret_stamps = file + VERIFIED_HEADER_BYTES + 8;
	*ret_n = (plain - 8) / VERIFIED_STAMP_BYTES;
	return 0;
}
