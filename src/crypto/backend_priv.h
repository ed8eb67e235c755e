/* SPDX-License-Identifier: ISC */
#ifndef COFFER_CRYPTO_BACKEND_PRIV_H
#define COFFER_CRYPTO_BACKEND_PRIV_H

#include <stdbool.h>
#include <stddef.h>

/* Below that, making a context costs more than it saves. */
#define EVP_MIN_BYTES 1024

/* Is libcrypto to be asked for that many bytes? */
bool backend_aead_is_evp(size_t n_bytes);
bool backend_hash_is_evp(size_t n_bytes);

#endif
