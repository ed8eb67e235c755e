/* SPDX-License-Identifier: ISC */
#ifndef COFFER_FORMAT_RECOVERY_PRIV_H
#define COFFER_FORMAT_RECOVERY_PRIV_H

#define RECOVERY_LIST_WORDS 2048
#define RECOVERY_WORD_MAX 8

/* The BIP39 English list, in alphabetical order; no two words share their
 * first four letters. */
extern const char recovery_words[RECOVERY_LIST_WORDS][RECOVERY_WORD_MAX + 1];

#endif
