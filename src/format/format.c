/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "crypto/hash.h"
#include "crypto/keys.h"
#include "format/format_priv.h"

void format_magic(struct cursor *c, const char *magic, int err)
{
	uint8_t found[MAGIC_BYTES];

	cursor_copy(c, found, sizeof(found));
	format_require(c, memcmp(found, magic, sizeof(found)) == 0, err);
}

void format_hedge(const struct key *hdg, const void *header,
		  size_t header_bytes, const void *plain, size_t plain_bytes,
		  struct r16 *ret)
{
	struct hash hash;
	uint8_t h[32];

	hash_begin(&hash, NULL, sizeof(h));
	hash_add(&hash, header, header_bytes);
	hash_add(&hash, plain, plain_bytes);
	hash_end(&hash, h, sizeof(h));
	keys_r16(hdg, h, sizeof(h), ret);
}
