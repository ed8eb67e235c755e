/* SPDX-License-Identifier: ISC */
/*
 * 0: a state directory whose `writer` and `slot` are the input's.  1: a stage
 * file as a session left it, damaged: a record read back is the one that was
 * staged, or an error; put back from the journal it is whole again.  2: a stage
 * folder with names and bytes of the input's.
 */
#include "crypto/secret.h"
#include "fuzz.h"
#include "mem_env.h"
#include "store/stage.h"
#include "vault/log/statedir.h"

#define N_CHUNKS 5u
#define CHUNK_BYTES 20000u

static const struct uuid vault = { { 9 } };
static struct local_keys *keys;
static struct epoch_keys *epoch;
static const struct key cid = { { 3 } };

/* ---------------------------------------------------------------- statedir */

static void open_writer(const uint8_t file[static WRITER_FILE_BYTES])
{
	struct key *dk = secret_alloc(sizeof(*dk));
	struct writer_file w;

	FUZZ_REQUIRE(dk);
	if (writer_file_decode(file, &w) == 0) {
		FUZZ_REQUIRE(w.epoch >= 1 && w.writer >= 1);
		(void)!writer_file_open(file, epoch, dk);
	}
	secret_free(dk);
}

static void fuzz_statedir(const uint8_t *data, size_t size)
{
	const size_t n = (size_t)fuzz_number(&data, &size, 1) % 200;
	const size_t first = min_of(n, size);
	uint8_t file[WRITER_FILE_BYTES], slot[SLOT_NAME_BYTES];
	struct statedir d = STATEDIR_INIT;
	struct mem_env m;
	int r;

	mem_env_init(&m);
	r = statedir_open(&m.env, "/state", &vault, true, &d);
	FUZZ_REQUIRE(r == 0);
	FUZZ_REQUIRE(statedir_read_writer(&d, file) == 0);
	FUZZ_REQUIRE(statedir_get_slot(&d, slot) == 0);
	mem_env_put(&m, "/state/09000000000000000000000000000000/writer", data,
		    first);
	mem_env_put(&m, "/state/09000000000000000000000000000000/slot",
		    data + first, size - first);
	r = statedir_read_writer(&d, file);
	FUZZ_REQUIRE(r == (first == WRITER_FILE_BYTES ? 1 : ERR_DAMAGED));
	if (r == 1)
		open_writer(file);
	if (statedir_get_slot(&d, slot) == 1) {
		FUZZ_REQUIRE(size - first == 2 * SLOT_NAME_BYTES);
		statedir_put_slot(&d, slot);
	}
	FUZZ_REQUIRE(statedir_has_journal(&d) == 0);
	statedir_close(&d);
	FUZZ_REQUIRE(m.n_open == 0);
	mem_env_release(&m);
}

/* ---------------------------------------------------------------- stage */

struct staging {
	struct mem_env m;
	int vault_fd, stage_fd;
	struct store *s;
};

static struct mem_env good;
static struct pack_entry entries[N_CHUNKS];
static uint64_t files[N_CHUNKS];
static uint8_t plain[N_CHUNKS][CHUNK_BYTES];

static const struct epoch_keys *no_keys(void *arg, uint32_t number,
					const struct key_id8 *id)
{
	(void)arg;
	(void)number;
	(void)id;
	return NULL;
}

/* On the disk in t->m. */
static void open_store(struct staging *t)
{
	struct store_options o = { .env = &t->m.env,
				   .vault = vault,
				   .writer = 7,
				   .cid_data = &cid,
				   .keys = no_keys,
				   .local = keys };
	int r;

	t->vault_fd = mem_env_folder(&t->m, "/vault");
	t->stage_fd = mem_env_folder(&t->m, "/stage");
	o.vault_dirfd = t->vault_fd;
	o.stage_dirfd = t->stage_fd;
	r = store_open(&o, &t->s);
	FUZZ_REQUIRE(r == 0);
}

static void close_store(struct staging *t)
{
	store_close(t->s);
	FUZZ_REQUIRE(env_close(&t->m.env, &t->vault_fd) == 0);
	FUZZ_REQUIRE(env_close(&t->m.env, &t->stage_fd) == 0);
	FUZZ_REQUIRE(t->m.n_open == 0);
}

/* Two closed files. */
static void make_good(void)
{
	struct stage *st = NULL;
	struct staging t;
	uint64_t below;

	mem_env_init(&t.m);
	open_store(&t);
	FUZZ_REQUIRE(stage_open(t.s, 1, &st) == 0);
	for (unsigned i = 0; i < N_CHUNKS; i++) {
		uint32_t len = CHUNK_BYTES - i * 4999;
		struct content_id id;

		memset(plain[i], (int)i + 1, sizeof(plain[i]));
		keys_content_id(&cid, plain[i], len, &id);
		FUZZ_REQUIRE(stage_append(st, &id, plain[i], len, &files[i],
					  &entries[i]) == 0);
		if (i == 2)
			FUZZ_REQUIRE(stage_rotate(st, &below) == 0);
	}
	FUZZ_REQUIRE(stage_rotate(st, &below) == 0);
	stage_close(st);
	close_store(&t);
	mem_env_init(&good);
	mem_env_copy(&t.m, &good);
	mem_env_release(&t.m);
}

static int read_chunk(struct staging *t, unsigned i)
{
	static uint8_t out[2 * CHUNK_BYTES];
	const struct store_place place = { .is_stage = true,
					   .stage_file = files[i],
					   .entry = entries[i] };
	const uint32_t n = entries[i].plain_bytes;
	int r = store_read(t->s, &place, 1, 0,
			   (n + RECORD_SUB_BYTES - 1) / RECORD_SUB_BYTES, false,
			   out);

	FUZZ_REQUIRE(r < 0 || memcmp(out, plain[i], n) == 0);
	return r;
}

static int count(void *arg, uint64_t file, uint64_t bytes)
{
	unsigned *n = arg;

	(void)file;
	(void)bytes;
	(*n)++;
	return 0;
}

static void put_back(struct staging *t)
{
	struct stage *st = NULL;
	bool is_whole = true;

	if (stage_open(t->s, 3, &st) < 0)
		return;
	for (unsigned i = 0; i < N_CHUNKS && is_whole; i++)
		is_whole = stage_restore(st, files[i], &entries[i],
					 plain[i]) == 0;
	if (is_whole)
		is_whole = stage_sync(st) == 0;
	for (unsigned i = 0; i < N_CHUNKS && is_whole; i++)
		FUZZ_REQUIRE(read_chunk(t, i) == 0);
	stage_close(st);
}

static void change_file(struct buf *b, const uint8_t **data, size_t *size)
{
	const unsigned how = (unsigned)fuzz_number(data, size, 1);
	const uint64_t at = fuzz_number(data, size, 2);
	size_t n = min_of(*size, (size_t)(how % 64));

	if (how >= 0xe0) {
		b->len = (size_t)(at % b->len);
	} else if (how >= 0xc0) {
		buf_put(b, *data, n);
	} else {
		uint8_t *to = b->data + at % b->len;

		n = min_of(n, b->len - (size_t)(to - b->data));
		for (size_t i = 0; i < n; i++)
			to[i] ^= (*data)[i];
	}
	FUZZ_REQUIRE(buf_error(b) == 0);
	*data += n;
	*size -= n;
}

static void fuzz_stage(const uint8_t *data, size_t size)
{
	struct staging t;
	unsigned n_files, n = 0;

	mem_env_init(&t.m);
	mem_env_copy(&good, &t.m);
	while (size > 0 && (n_files = mem_env_count_files(&t.m)) > 0)
		change_file(mem_env_file(&t.m,
					 (unsigned)fuzz_number(&data, &size, 1)
						 % n_files),
			    &data, &size);
	open_store(&t);
	FUZZ_REQUIRE(stage_list(t.s, count, &n) == 0);
	FUZZ_REQUIRE(n <= 2);
	for (unsigned i = 0; i < N_CHUNKS; i++)
		(void)!read_chunk(&t, i);
	put_back(&t);
	close_store(&t);
	mem_env_release(&t.m);
}

/* Names up to NUL, then a length and as many bytes. */
static void fuzz_names(const uint8_t *data, size_t size)
{
	struct staging t;
	unsigned n = 0;

	mem_env_init(&t.m);
	while (size > 0) {
		size_t len = strnlen((const char *)data, size), bytes;
		char path[80];

		snprintf(path, sizeof(path), "/stage/%.*s",
			 (int)min_of(len, (size_t)40), (const char *)data);
		data += len;
		size -= len;
		bytes = (size_t)fuzz_number(&data, &size, 2);
		bytes = min_of(bytes, size);
		if (len > 0 && !strchr(path + 7, '/'))
			mem_env_put(&t.m, path, data, bytes);
		data += bytes;
		size -= bytes;
	}
	open_store(&t);
	(void)!stage_list(t.s, count, &n);
	for (unsigned i = 0; i < N_CHUNKS; i++)
		(void)!read_chunk(&t, i);
	put_back(&t);
	close_store(&t);
	mem_env_release(&t.m);
}

static void start(void)
{
	const struct key dk = { { 1 } }, ek = { { 2 } };

	FUZZ_REQUIRE(crypto_start() == 0);
	keys = secret_alloc(sizeof(*keys));
	epoch = secret_alloc(sizeof(*epoch));
	FUZZ_REQUIRE(keys && epoch);
	keys_local(&dk, keys);
	keys_epoch(&ek, 1, epoch);
	make_good();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static fuzz_fn *const parts[] = { fuzz_statedir, fuzz_stage, fuzz_names };

	if (!keys)
		start();
	fuzz_choose(parts, array_len(parts), data, size);
	return 0;
}
