/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "cli/bench.h"
#include "crypto/aead.h"
#include "crypto/backend.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "format/slot.h"
#include "store/chunker.h"

/* Of one measurement. */
#define SPAN_NS ((uint64_t)300 * NS_PER_MS)
/* As large as a chunk of a large file. */
#define PIECE_BYTES ((size_t)1 << 20)
#define SUB_BYTES 16384u
#define CACHE_BLOCKS 1024u
#define LOOK_UPS 10000u
#define CHUNK_MIN (128u << 10)
#define CHUNK_AVERAGE (512u << 10)
#define CHUNK_MAX (2u << 20)

struct material {
	struct key key;
	struct r16 r16;
	uint64_t gear[256];
	uint8_t plain[PIECE_BYTES];
	uint8_t sealed[PIECE_BYTES + PIECE_BYTES / SUB_BYTES * TAG_BYTES];
	uint8_t opened[PIECE_BYTES];
};

/* Handles PIECE_BYTES. */
typedef int piece_fn(struct material *m);

static int hash_piece(struct material *m)
{
	uint8_t out[32];

	hash_bytes(&m->key, m->plain, PIECE_BYTES, out, sizeof(out));
	/* So that none of it is left out. */
	m->plain[0] ^= out[0];
	return 0;
}

static int seal_piece(struct material *m)
{
	aead_chain_seal(&m->key, &m->r16, NULL, 0, SUB_BYTES, m->plain,
			PIECE_BYTES, m->sealed);
	return 0;
}

static int open_piece(struct material *m)
{
	return aead_chain_open(&m->key, &m->r16, NULL, 0, SUB_BYTES,
			       PIECE_BYTES, 0, PIECE_BYTES / SUB_BYTES,
			       m->sealed, m->opened);
}

static int cut_piece(struct material *m)
{
	struct chunker c;
	size_t at = 0;
	int r = chunker_init(&c, m->gear, CHUNK_MIN, CHUNK_AVERAGE, CHUNK_MAX,
			     2);

	while (r == 0 && at < PIECE_BYTES)
		at += chunker_next(&c, m->plain + at, PIECE_BYTES - at, true);
	return r;
}

static int time_pieces(struct bench *b, const char *group, const char *what,
		       piece_fn *fn, struct material *m)
{
	const uint64_t start = clock_mono_ns();
	uint64_t n = 0, now;
	int r;

	do {
		r = fn(m);
		now = clock_mono_ns();
		n++;
	} while (r == 0 && now - start < SPAN_NS);
	if (r == 0)
		bench_note(b, group, what, BENCH_BYTES, n * PIECE_BYTES,
			   now - start);
	return r;
}

/* ---------------------------------------------------------------- crypto */

static int time_kdf(struct bench *b)
{
	static const uint8_t salt[KDF_SALT_BYTES];
	uint8_t out[64];
	const uint64_t start = clock_mono_ns();
	int r = kdf_argon2id("a passphrase", 12, salt, ARGON2_OPS_DEFAULT,
			     ARGON2_MEMORY_KIB_DEFAULT, out);

	if (r == 0)
		bench_note(b, "key derivation", "Argon2id, as init has it",
			   BENCH_NS, 1, clock_mono_ns() - start);
	return r;
}

/* With the library that is preferred now. */
static int time_library(struct bench *b, const char *group, struct material *m)
{
	int r = time_pieces(b, group, "hash (BLAKE2b)", hash_piece, m);

	if (r == 0)
		r = time_pieces(b, group, "encrypt (XChaCha20-Poly1305)",
				seal_piece, m);
	if (r == 0)
		r = time_pieces(b, group, "decrypt", open_piece, m);
	return r;
}

static int time_libraries(struct bench *b, struct material *m)
{
	struct crypto_backend found;
	int r;

	crypto_backend_prefer(CRYPTO_SODIUM);
	r = time_library(b, "libsodium", m);
	crypto_backend_prefer(CRYPTO_LIBCRYPTO);
	crypto_backend(&found);
	if (r == 0 && strncmp(found.aead, "libcrypto", 9) == 0)
		r = time_library(b, "libcrypto", m);
	crypto_backend_prefer(CRYPTO_FASTEST);
	return r;
}

/* ---------------------------------------------------------------- cache */

static int fill_cache(struct cache *c)
{
	for (uint32_t i = 0; i < CACHE_BLOCKS / 2; i++) {
		const struct cache_key key = { .chunk = 1, .block = i };
		struct cache_block *b;

		if (cache_claim(c, key, &b) != CACHE_LOAD)
			return -ENOMEM;
		memset(cache_block_data(b), (int)i, CACHE_BLOCK_BYTES);
		cache_loaded(c, b, CACHE_BLOCK_BYTES);
		cache_unpin(c, b);
	}
	return 0;
}

static void look_up(struct cache *c, uint64_t *state)
{
	for (unsigned i = 0; i < LOOK_UPS; i++) {
		const struct cache_key key = {
			.chunk = 1,
			.block = bench_random(state) % (CACHE_BLOCKS / 2),
		};
		struct cache_block *b;

		/* What S3-FIFO has evicted is no hit, but costs the same. */
		if (cache_peek(c, key, &b) == CACHE_HIT)
			cache_unpin(c, b);
	}
}

static int time_cache(struct bench *b)
{
	const struct cache_options o = {
		.bytes = (size_t)CACHE_BLOCKS * CACHE_BLOCK_BYTES,
	};
	struct cache *c = NULL;
	uint64_t n = 0, state = 1, start, now;
	int r = cache_new(&o, &c);

	if (r == 0)
		r = fill_cache(c);
	start = now = clock_mono_ns();
	for (; r == 0 && now - start < SPAN_NS; n += LOOK_UPS) {
		look_up(c, &state);
		now = clock_mono_ns();
	}
	cache_free(c);
	if (r == 0)
		bench_note(b, "cache", "look-up of a block", BENCH_NS, n,
			   now - start);
	return r;
}

int bench_primitives(struct bench *b)
{
	auto_free struct material *m = mem_zalloc(sizeof(*m));
	uint64_t state = clock_mono_ns();
	int r = m ? crypto_start() : -ENOMEM;

	if (r < 0)
		return r;
	for (size_t i = 0; i < 256; i++)
		m->gear[i] = bench_random(&state);
	for (size_t i = 0; i < PIECE_BYTES; i += sizeof(state)) {
		const uint64_t x = bench_random(&state);

		memcpy(m->plain + i, &x, sizeof(x));
	}
	r = time_kdf(b);
	if (r == 0)
		r = time_libraries(b, m);
	if (r == 0)
		r = time_pieces(b, "chunker", "find where to cut (FastCDC)",
				cut_piece, m);
	return r < 0 ? r : time_cache(b);
}
