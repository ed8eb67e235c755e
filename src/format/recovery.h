/* SPDX-License-Identifier: ISC */
/*
 * Recovery keys: 24 words of the BIP39 English list, 242 random bits and two
 * check words (vault-format/05-slots.md).  P is the first 22 words' numbers
 * (0 to 2047, 16 bits each); words 23 and 24 are the first 11 and the next 11
 * bits of BLAKE2b-256("cofr-rec" || P), each byte's highest bit first, as BIP39
 * takes them.
 */
#ifndef COFFER_FORMAT_RECOVERY_H
#define COFFER_FORMAT_RECOVERY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/secret.h"

#define RECOVERY_WORDS 24
#define RECOVERY_RANDOM_WORDS 22
#define RECOVERY_P_BYTES 44
#define RECOVERY_TEXT_MAX 256

/* Draws a key; `ret_text` is 24 words joined by single blanks, in secret
 * memory with a final NUL (not counted). */
int recovery_new(struct secret_buf *ret_text) must_check;

/*
 * Reads words in any case, separated by white space or hyphens, unique
 * prefixes of 4 or more letters accepted; gives P (RECOVERY_P_BYTES).
 * ERR_MALFORMED: not 24 words, a word not in the list (`ret_bad_word` 1..24,
 * else 0) or the check words do not fit; -ENOMEM.
 */
int recovery_parse(const struct secret_buf *text, struct secret_buf *ret_p,
		   unsigned *ret_bad_word) must_check;

#endif
