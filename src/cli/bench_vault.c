/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/bench.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "format/slot.h"
#include "vault/file.h"
#include "vault/tree.h"
#include "vault/vault.h"

#define GROUP "scratch vault"

/* Where a slow disk ends a measurement before its count does. */
#define SPAN_NS ((uint64_t)3 * NS_PER_S)

#define N_FILES 2000u
#define FILE_BYTES 4096u
#define N_APPENDS 200u
#define N_RANDOM 4000u
#define STREAM_BYTES ((uint64_t)128 << 20)
#define PIECE_BYTES ((size_t)1 << 20)

struct scratch {
	struct bench *b;
	char *vault_path, *state_path; /* owned */
	struct secret_buf passphrase;
	struct vault *v;
	uint64_t state; /* of bench_random */
	uint64_t dir, stream;
	uint64_t stream_bytes; /* so many were written */
	uint64_t n_files;      /* so many were made */
	uint64_t *files;       /* N_FILES, owned */
	uint8_t *piece;	       /* PIECE_BYTES, owned */
};

static void fill(struct scratch *s, size_t n)
{
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		const uint64_t x = bench_random(&s->state);

		memcpy(s->piece + i, &x, sizeof(x));
	}
}

/* ---------------------------------------------------------------- loops */

/* The i-th operation of a kind. */
typedef int op_fn(struct scratch *s, uint64_t i);

/* Up to `n` operations, then `last` if there is one, all of which counts;
 * *ret_n: so many there were. */
static int time_ops(struct scratch *s, const char *what, uint64_t bytes_each,
		    uint64_t n, op_fn *op, int (*last)(struct scratch *s),
		    uint64_t *ret_n)
{
	const uint64_t start = clock_mono_ns();
	uint64_t i;
	int r = 0;

	for (i = 0; i < n && r == 0; i++) {
		if (clock_mono_ns() - start > SPAN_NS && i > 0)
			break;
		r = op(s, i);
	}
	if (r == 0 && last)
		r = last(s);
	if (r < 0)
		return r;
	bench_note(s->b, GROUP, what, bytes_each ? BENCH_BYTES : BENCH_NS,
		   bytes_each ? i * bytes_each : i, clock_mono_ns() - start);
	*ret_n = i;
	return 0;
}

/* ---------------------------------------------------------------- operations */

static struct vault_name name_of(char to[static 24], const char *lead,
				 uint64_t i)
{
	int n = snprintf(to, 24, "%s%llu", lead, (unsigned long long)i);

	return (struct vault_name){ to, (size_t)n };
}

static int create(struct scratch *s, uint64_t i)
{
	const struct vault_new what = { .mode = S_IFREG | 0600 };
	struct vault_attr a;
	char name[24];
	int r = vault_make(s->v, s->dir, name_of(name, "f", i), &what, false,
			   &a);

	if (r < 0)
		return r;
	s->files[i] = a.ino;
	fill(s, FILE_BYTES);
	return vault_write(s->v, a.ino, s->piece, FILE_BYTES, 0, 0);
}

static int look_up(struct scratch *s, uint64_t i)
{
	struct vault_attr a;
	char name[24];
	int r = vault_lookup(s->v, s->dir, name_of(name, "f", i), &a);

	return r == 1 ? 0 : r < 0 ? r : -ENOENT;
}

static int read_file(struct scratch *s, uint64_t i)
{
	ssize_t n = vault_pread(s->v, s->files[i], s->piece, FILE_BYTES, 0);

	return n < 0 ? (int)n : n == FILE_BYTES ? 0 : -EIO;
}

static int rename_file(struct scratch *s, uint64_t i)
{
	char from[24], to[24];

	return vault_rename(s->v, s->dir, name_of(from, "f", i), s->dir,
			    name_of(to, "g", i), 0);
}

static int unlink_file(struct scratch *s, uint64_t i)
{
	char name[24];

	return vault_unlink(s->v, s->dir, name_of(name, "g", i));
}

static int append(struct scratch *s, uint64_t i)
{
	int r;

	fill(s, FILE_BYTES);
	r = vault_write(s->v, s->files[0], s->piece, FILE_BYTES,
			(i + 1) * FILE_BYTES, 0);
	return r < 0 ? r : vault_fsync(s->v, s->files[0]);
}

static int write_stream(struct scratch *s, uint64_t i)
{
	int r;

	fill(s, PIECE_BYTES);
	r = vault_write(s->v, s->stream, s->piece, PIECE_BYTES, i * PIECE_BYTES,
			0);
	return min_of(r, 0);
}

static int sync_stream(struct scratch *s)
{
	return vault_fsync(s->v, s->stream);
}

static int read_stream(struct scratch *s, uint64_t i)
{
	ssize_t n = vault_pread(s->v, s->stream, s->piece, PIECE_BYTES,
				i * PIECE_BYTES);

	return n < 0 ? (int)n : n == (ssize_t)PIECE_BYTES ? 0 : -EIO;
}

static uint64_t random_place(struct scratch *s)
{
	return bench_random(&s->state) % (s->stream_bytes / FILE_BYTES) *
	       FILE_BYTES;
}

static int read_random(struct scratch *s, uint64_t i)
{
	ssize_t n = vault_pread(s->v, s->stream, s->piece, FILE_BYTES,
				random_place(s));

	(void)i;
	return n < 0 ? (int)n : n == FILE_BYTES ? 0 : -EIO;
}

static int write_random(struct scratch *s, uint64_t i)
{
	int r;

	(void)i;
	fill(s, FILE_BYTES);
	r = vault_write(s->v, s->stream, s->piece, FILE_BYTES, random_place(s),
			0);
	return min_of(r, 0);
}

/* ---------------------------------------------------------------- the vault */

static int open_scratch(struct scratch *s)
{
	const struct vault_credential cred = { .passphrase = &s->passphrase };
	const struct vault_options o = {
		.path = s->vault_path,
		.state_path = s->state_path,
		.background = true,
	};
	const char *what = NULL;

	return vault_open(&o, &cred, &what, &s->v);
}

static int make_scratch(struct scratch *s)
{
	const struct vault_credential cred = { .passphrase = &s->passphrase };
	const struct vault_options o = { .path = s->vault_path,
					 .state_path = s->state_path };
	const struct vault_init_options init = {
		.device_name = "bench",
		.argon2_memory_kib = ARGON2_MEMORY_KIB_WRITE_MIN,
		.no_recovery = true,
	};
	uint8_t secret[32];
	int r;

	random_bytes(secret, sizeof(secret));
	r = secret_buf_append(&s->passphrase, secret, sizeof(secret));
	if (r == 0)
		r = vault_init(&o, &init, &cred, NULL);
	return r < 0 ? r : open_scratch(s);
}

static int close_scratch(struct scratch *s)
{
	int r = s->v ? vault_close(s->v) : 0;

	s->v = NULL;
	return r;
}

static int make_inodes(struct scratch *s)
{
	const struct vault_new dir = { .mode = S_IFDIR | 0700 };
	const struct vault_new file = { .mode = S_IFREG | 0600 };
	struct vault_attr a;
	char name[24];
	int r = vault_make(s->v, VAULT_ROOT_INO, name_of(name, "d", 0), &dir,
			   false, &a);

	s->dir = a.ino;
	if (r == 0)
		r = vault_make(s->v, VAULT_ROOT_INO, name_of(name, "s", 0),
			       &file, false, &a);
	s->stream = a.ino;
	return r;
}

static int small_files(struct scratch *s)
{
	uint64_t n = 0;
	int r = time_ops(s, "create a file of 4 KiB", 0, N_FILES, create, NULL,
			 &s->n_files);

	if (r == 0)
		r = time_ops(s, "look a name up", 0, s->n_files, look_up, NULL,
			     &n);
	if (r == 0)
		r = time_ops(s, "append 4 KiB, fsync", 0, N_APPENDS, append,
			     NULL, &n);
	return r;
}

static int stream(struct scratch *s)
{
	uint64_t n = 0;
	int r = time_ops(s, "write in order, fsync", PIECE_BYTES,
			 STREAM_BYTES / PIECE_BYTES, write_stream, sync_stream,
			 &n);

	s->stream_bytes = n * PIECE_BYTES;
	return r;
}

static int read_again(struct scratch *s)
{
	uint64_t n = 0;
	int r = time_ops(s, "read 4 KiB anywhere", 0, N_RANDOM, read_random,
			 NULL, &n);

	if (r == 0)
		r = time_ops(s, "read in order", PIECE_BYTES,
			     s->stream_bytes / PIECE_BYTES, read_stream, NULL,
			     &n);
	if (r == 0)
		r = time_ops(s, "read a file of 4 KiB", 0, s->n_files,
			     read_file, NULL, &n);
	if (r == 0)
		r = time_ops(s, "write 4 KiB anywhere, fsync at the end", 0,
			     N_RANDOM, write_random, sync_stream, &n);
	if (r == 0)
		r = time_ops(s, "rename", 0, s->n_files, rename_file, NULL, &n);
	/* A slow disk may have ended that early. */
	return r < 0 ? r : time_ops(s, "unlink", 0, n, unlink_file, NULL, &n);
}

static int time_open(struct scratch *s)
{
	uint64_t start = clock_mono_ns();
	int r = close_scratch(s);

	if (r < 0)
		return r;
	bench_note(s->b, GROUP, "publish all and close", BENCH_NS, 1,
		   clock_mono_ns() - start);
	start = clock_mono_ns();
	r = open_scratch(s);
	if (r == 0)
		bench_note(s->b, GROUP, "open, with a cheap key", BENCH_NS, 1,
			   clock_mono_ns() - start);
	return r;
}

int bench_vault(struct bench *b, const char *folder)
{
	struct scratch s = { .b = b, .state = clock_mono_ns() };
	int closed, r = -ENOMEM;

	s.vault_path = mem_printf("%s/vault", folder);
	s.state_path = mem_printf("%s/state", folder);
	s.files = mem_zalloc_array(N_FILES, sizeof(*s.files));
	s.piece = mem_zalloc(PIECE_BYTES);
	if (s.vault_path && s.state_path && s.files && s.piece)
		r = make_scratch(&s);
	if (r == 0)
		r = make_inodes(&s);
	if (r == 0)
		r = small_files(&s);
	if (r == 0)
		r = stream(&s);
	if (r == 0)
		r = time_open(&s);
	if (r == 0)
		r = read_again(&s);
	closed = close_scratch(&s);
	secret_buf_release(&s.passphrase);
	mem_free(s.vault_path);
	mem_free(s.state_path);
	mem_free(s.files);
	mem_free(s.piece);
	return r < 0 ? r : closed;
}
