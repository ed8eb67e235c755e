/* SPDX-License-Identifier: ISC */
/*
 * A growing byte buffer with a hard maximum, and the encoders of fixed-width
 * little-endian integers (vault-format/01-conventions.md).
 *
 * Errors stick: after a failed put every further put does nothing, and
 * buf_error() tells.  An encoder is therefore a plain list of puts that reads
 * like the table of the specification, with one check at its end.
 */
#ifndef COFFER_BASE_BUF_H
#define COFFER_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf {
	uint8_t *data; /* owned; NULL while empty */
	size_t len;
	size_t cap;
	size_t max; /* never grows beyond */
	int error;  /* 0, -ENOMEM or ERR_LIMIT; sticks */
};

#define BUF_INIT(max_bytes) { .max = (max_bytes) }

void buf_init(struct buf *b, size_t max_bytes);
/* Wipes and frees; the buffer may be used again. */
void buf_release(struct buf *b);
/* Empties and clears the error; keeps the memory (not wiped). */
void buf_reset(struct buf *b);
void buf_release_cleanup(struct buf *b);
#define auto_buf __attribute__((cleanup(buf_release_cleanup)))

int buf_error(const struct buf *b) must_check;
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_zeros(struct buf *b, size_t n);
/* Room for n bytes at the end, counted as used; NULL on error.  The pointer
 * holds until the next put. */
uint8_t *buf_grow(struct buf *b, size_t n) must_check;
/* Overwrites bytes already put; the range must lie inside. */
void buf_patch_u32(struct buf *b, size_t at, uint32_t v);
void buf_patch_u64(struct buf *b, size_t at, uint64_t v);
/* Hands the bytes out (to be mem_free'd); the buffer is empty after. */
uint8_t *buf_take(struct buf *b, size_t *ret_len);

/* Fixed-width little-endian integers at a place known to be large enough. */
static inline void le16_put(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void le32_put(uint8_t *p, uint32_t v)
{
	le16_put(p, (uint16_t)v);
	le16_put(p + 2, (uint16_t)(v >> 16));
}

static inline void le64_put(uint8_t *p, uint64_t v)
{
	le32_put(p, (uint32_t)v);
	le32_put(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t le16_get(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32_get(const uint8_t *p)
{
	return le16_get(p) | (uint32_t)le16_get(p + 2) << 16;
}

static inline uint64_t le64_get(const uint8_t *p)
{
	return le32_get(p) | (uint64_t)le32_get(p + 4) << 32;
}

#endif
