/* SPDX-License-Identifier: ISC */
/*
 * SQLite's memory, for the whole process: through base/mem.h, so that tests
 * fail it too, and wiped when freed, for it holds decrypted pages.
 */
#ifndef COFFER_INDEX_HEAP_PRIV_H
#define COFFER_INDEX_HEAP_PRIV_H

#include "base/err.h"

/*
 * Before any other use of SQLite; idempotent, thread-safe.  -EBUSY if SQLite
 * was started by somebody else, with memory that is not wiped; -ENOMEM.
 */
int heap_start(void) must_check;

#endif
