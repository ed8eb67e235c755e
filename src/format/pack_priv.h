/* SPDX-License-Identifier: ISC */
/* The plaintext of a pack's tail, for its sources and their tests. */
#ifndef COFFER_FORMAT_PACK_PRIV_H
#define COFFER_FORMAT_PACK_PRIV_H

#include <stdint.h>

#include "base/err.h"
#include "format/pack.h"

#define PACK_FOOTER_PLAIN_BYTES 32u

/* pack_total_bytes of a pack that is no stage file. */
uint64_t pack_padded_bytes(uint64_t body_end, uint32_t n);

/* Reads a footer's opened bytes and checks them against the file's size.
 * ERR_MALFORMED, ERR_LIMIT. */
int pack_footer_decode(const uint8_t header[static PACK_HEADER_BYTES],
		       uint64_t total_bytes,
		       const uint8_t plain[static PACK_FOOTER_PLAIN_BYTES],
		       uint64_t *ret_body_bytes,
		       uint32_t *ret_entries) must_check;

/* Checks a trailer's opened bytes: n entries, then only zeros. */
int pack_trailer_check(const uint8_t *plain, uint64_t plain_bytes, uint32_t n,
		       uint64_t body_end) must_check;

#endif
