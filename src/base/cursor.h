/* SPDX-License-Identifier: ISC */
/*
 * A bounds-checked reader of bytes already authenticated or of fixed size.
 *
 * Errors stick: a read past the end sets `error` and gives zeros or NULL from
 * then on.  A decoder reads its fields in the order of the specification's
 * table, checks values as it goes, and ends with cursor_finish(), which also
 * rejects bytes left over.  Whoever loops over a count read from the input
 * bounds it first with cursor_fits().
 */
#ifndef COFFER_BASE_CURSOR_H
#define COFFER_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	int error; /* 0, ERR_TRUNCATED or ERR_MALFORMED; the first one sticks */
};

void cursor_init(struct cursor *c, const void *data, size_t len);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
/* A view of the next n bytes; NULL (and error) if there are fewer. */
const uint8_t *cursor_take(struct cursor *c, size_t n);
/* Copies n bytes; zeros on error. */
void cursor_copy(struct cursor *c, void *to, size_t n);
/* The next n bytes must be zero: ERR_MALFORMED otherwise. */
void cursor_zeros(struct cursor *c, size_t n);
/* Records ERR_MALFORMED unless `ok`. */
void cursor_require(struct cursor *c, bool ok);
/* 0 after an error. */
size_t cursor_left(const struct cursor *c);
/* True, with no error recorded, if count items of at least item_bytes can
 * still follow; else records ERR_TRUNCATED. */
bool cursor_fits(struct cursor *c, uint64_t count, size_t item_bytes);
/* 0 if nothing failed and nothing is left. */
int cursor_finish(struct cursor *c) must_check;

#endif
