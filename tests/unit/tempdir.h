/* SPDX-License-Identifier: ISC */
/* A fresh directory for one test case, removed with all that is in it. */
#ifndef COFFER_TESTS_TEMPDIR_H
#define COFFER_TESTS_TEMPDIR_H

#include <stddef.h>

/* Below $TMPDIR or /tmp; ends the case if that fails. */
void tempdir_make(void);
void tempdir_remove(void);

/* A descriptor of it, open until it is removed. */
int tempdir_fd(void);
const char *tempdir_path(void);

/* Writes a file, replacing what stands there. */
void tempdir_put(const char *name, const void *data, size_t len);
/* Does a file of just these bytes stand there? */
int tempdir_has(const char *name, const void *data, size_t len);
/* How many entries there are, of any kind. */
int tempdir_count(void);

#endif
