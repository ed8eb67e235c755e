/* SPDX-License-Identifier: ISC */
/* Recovery words as they are shown, once. */
#ifndef COFFER_CLI_RECOVERY_TEXT_H
#define COFFER_CLI_RECOVERY_TEXT_H

#include "base/err.h"
#include "crypto/secret.h"

/* Writes the words to standard output, numbered, with what they are for; they
 * go through no buffer of stdio.  -errno. */
int recovery_show(const struct secret_buf *words) must_check;
/* Writes them to a new file that nobody else may read.  -EEXIST ... */
int recovery_save(const struct secret_buf *words, const char *path) must_check;

#endif
