/* SPDX-License-Identifier: ISC */
/*
 * Which library encrypts and hashes: libsodium, or OpenSSL's libcrypto where it
 * was found at build time.  They give the same bytes.  At the first use both
 * are asked for known lengths and must agree, and the faster one of each kind
 * is taken: that depends on the processor.
 */
#ifndef COFFER_CRYPTO_BACKEND_H
#define COFFER_CRYPTO_BACKEND_H

enum crypto_library { CRYPTO_FASTEST, CRYPTO_SODIUM, CRYPTO_LIBCRYPTO };

struct crypto_backend {
	/* Such as "libcrypto 3.0.19"; the names live for ever. */
	const char *aead, *hash;
};

/* Any thread, after crypto_start. */
void crypto_backend(struct crypto_backend *ret);

/* For tests and benchmarks: from now on that one, where it is there.  No other
 * thread may be encrypting or hashing. */
void crypto_backend_prefer(enum crypto_library which);

#endif
