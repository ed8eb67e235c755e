/* SPDX-License-Identifier: ISC */
/* What the codecs of this folder share. */
#ifndef COFFER_FORMAT_FORMAT_PRIV_H
#define COFFER_FORMAT_FORMAT_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "crypto/types.h"

#define MAGIC_BYTES 8
/* The `version` field of every record that has one. */
#define FORMAT_VERSION 1u

/* cursor_require with the error to record. */
static inline void format_require(struct cursor *c, bool ok, int err)
{
	if (!ok && !c->error)
		c->error = err;
}

/* The next MAGIC_BYTES must be `magic`; `err` otherwise. */
void format_magic(struct cursor *c, const char *magic, int err);

/* R16 of a record that has a clear header: H is BLAKE2b-256 of the header with
 * R16 as zeros, then the plaintext (vault-format/03-keys.md). */
void format_hedge(const struct key *hdg, const void *header,
		  size_t header_bytes, const void *plain, size_t plain_bytes,
		  struct r16 *ret);

#endif
