/* SPDX-License-Identifier: ISC */
/* Keys, ids, nonces and tags: distinct types, so none passes for another. */
#ifndef COFFER_CRYPTO_TYPES_H
#define COFFER_CRYPTO_TYPES_H

#include <stdint.h>

/* A 256-bit key: secret. */
struct key {
	uint8_t b[32];
};

/* Content id of a plaintext chunk: keyed, and still secret. */
struct content_id {
	uint8_t b[32];
};

/* The 16 bytes a nonce chain starts from. */
struct r16 {
	uint8_t b[16];
};

/* An unkeyed BLAKE2b-256 of a whole file: public. */
struct file_hash {
	uint8_t b[32];
};

struct uuid {
	uint8_t b[16];
};

/* The public name of an epoch key; its first 8 bytes stand in files. */
struct key_id {
	uint8_t b[32];
};

struct key_id8 {
	uint8_t b[8];
};

#define NONCE_BYTES 24
#define TAG_BYTES 16

#endif
