/* SPDX-License-Identifier: ISC */
/*
 * Memory for secrets: locked, between guard pages, not in core dumps, wiped
 * when freed (sodium_malloc; libsodium documentation, "Secure memory").
 */
#ifndef COFFER_CRYPTO_SECRET_H
#define COFFER_CRYPTO_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Once per process, before anything else of crypto: sodium_init and
 * PR_SET_DUMPABLE 0 (also RLIMIT_CORE 0).  Idempotent, thread-safe.
 * -ENOSYS if libsodium cannot start; -errno of prctl or setrlimit; -ENOMEM.
 */
int crypto_start(void) must_check;

/* NULL on failure.  Not zeroed.  The block ends at a guard page: it is aligned
 * for a type if `size` is a multiple of the alignment, as that of a struct is.
 * Aborts before crypto_start. */
void *secret_alloc(size_t size) __attribute__((malloc, warn_unused_result));
/* Wipes and frees; NULL is ignored. */
void secret_free(void *p);
void secret_free_cleanup(void *pp);
#define auto_secret __attribute__((cleanup(secret_free_cleanup)))
/* False once the system refused to lock memory (RLIMIT_MEMLOCK), at the start
 * or for any block.  Locks are not inherited by fork(2): a process that stays
 * takes its secrets after its last fork. */
bool secret_is_locked(void);

/* Secret bytes whose length is not fixed: a passphrase, a key file. */
struct secret_buf {
	uint8_t *data; /* secret_alloc'd, owned */
	size_t len;
	size_t cap;
};

#define SECRET_BUF_INIT { 0 }
/* Room for cap bytes in all; -ENOMEM. */
int secret_buf_reserve(struct secret_buf *s, size_t cap) must_check;
int secret_buf_append(struct secret_buf *s, const void *p, size_t n) must_check;
void secret_buf_release(struct secret_buf *s);
#define auto_secret_buf __attribute__((cleanup(secret_buf_release)))

/* Constant time; true if equal. */
bool secret_equal(const void *a, const void *b, size_t n);

#endif
