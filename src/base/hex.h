/* SPDX-License-Identifier: ISC */
/* Lower-case hexadecimal, as in the names of vault files. */
#ifndef COFFER_BASE_HEX_H
#define COFFER_BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* 2 * n digits and a NUL into `to`. */
void hex_encode(const void *data, size_t n, char *to);
/* Exactly 2 * n lower-case digits at `text` (no NUL needed);
 * ERR_MALFORMED otherwise. */
int hex_decode(const char *text, size_t n, void *to) must_check;

#endif
