/* SPDX-License-Identifier: ISC */
/*
 * Diagnostics: one line a failure, at the layer that knows the object.  Only
 * vault, fuse and cli call this.  Never keys or plaintext; names of files only
 * at DIAG_DEBUG.
 */
#ifndef COFFER_BASE_DIAG_H
#define COFFER_BASE_DIAG_H

#include <stdbool.h>

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_INFO, DIAG_DEBUG };

/* Lines above `level` are dropped; DIAG_WARNING at start. */
void diag_set_level(enum diag_level level);
/* To syslog(3) instead of stderr, for a daemon in the background. */
void diag_use_syslog(bool yes);
/* Test hook: lines go to `fn`; NULL restores. */
void diag_set_sink(void (*fn)(enum diag_level level, const char *line));

void diag(enum diag_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Adds ": <err_text(err)>"; returns err. */
int diag_err(enum diag_level level, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
