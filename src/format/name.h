/* SPDX-License-Identifier: ISC */
/*
 * Which bytes may be a name (vault-format/08-operations.md, Names).
 */
#ifndef COFFER_FORMAT_NAME_H
#define COFFER_FORMAT_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_BYTES_MAX 255u
#define LABEL_BYTES_MAX 64u

/* A directory entry's: 1 to NAME_BYTES_MAX raw bytes, not "." or "..", no '/'
 * or NUL. */
bool name_is_valid(const uint8_t *bytes, size_t len);

/* A slot's label: up to LABEL_BYTES_MAX bytes of UTF-8 without control
 * characters (U+0000 to U+001F, U+007F to U+009F). */
bool name_is_label(const uint8_t *bytes, size_t len);

/* A device's name: a label that is not empty and has no '/'. */
bool name_is_device(const uint8_t *bytes, size_t len);

#endif
