/* SPDX-License-Identifier: ISC */
/*
 * The file `verified` of a state directory: what a check that was interrupted
 * had read (vault-format/11-local.md).
 */
#ifndef COFFER_FORMAT_VERIFIED_H
#define COFFER_FORMAT_VERIFIED_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/keys.h"

#define VERIFIED_HEADER_BYTES 40u
#define VERIFIED_STAMP_BYTES 16u
/* Far more packs than a vault has. */
#define VERIFIED_MAX (16u * 1024 * 1024)
#define VERIFIED_FILE_MAX                                                      \
	((size_t)VERIFIED_MAX * VERIFIED_STAMP_BYTES + VERIFIED_HEADER_BYTES + \
	 8 + TAG_BYTES)

/* `stamps`: n of them, back to back.  Appends the file to `out`. */
int verified_seal(const struct key *k, uint64_t started_ms,
		  const uint8_t *stamps, size_t n, struct buf *out) must_check;
/* Opens it in place: *ret_stamps points into `file`.  ERR_BAD_SEAL,
 * ERR_MALFORMED, ERR_NEWER, ERR_TRUNCATED. */
int verified_open(const struct key *k, uint8_t *file, size_t len,
		  uint64_t *ret_started_ms, const uint8_t **ret_stamps,
		  size_t *ret_n) must_check;

#endif
