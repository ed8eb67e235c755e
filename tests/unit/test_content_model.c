/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "content_fixture.h"
#include "scale.h"
#include "vault/log/commit.h"

/* ---- against a model ---- */

#define N_FILES 4
#define FILE_MAX (300u << 10)

static struct model {
	uint64_t ino;
	uint8_t bytes[FILE_MAX];
	uint8_t is_data[FILE_MAX]; /* 0: a hole */
	size_t size;
} model[N_FILES];

static uint64_t rnd_state;

static uint32_t rnd(uint32_t below)
{
	rnd_state = rnd_state * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)((rnd_state >> 33) % below);
}

static size_t random_length(void)
{
	static const uint32_t most[] = { 10, 1000, 5000, 40000, 100000 };

	return 1 + rnd(most[rnd(array_len(most))]);
}

static void model_grow(struct model *m, size_t size)
{
	if (size > m->size) {
		memset(m->bytes + m->size, 0, size - m->size);
		memset(m->is_data + m->size, 0, size - m->size);
		m->size = size;
	}
}

static void step_write(struct model *m)
{
	static uint8_t bytes[FILE_MAX];
	size_t at = rnd(3) ? rnd((uint32_t)m->size + 1) : rnd(FILE_MAX);
	size_t n = random_length();

	n = min_of(n, FILE_MAX - at);
	if (n == 0)
		return;
	/* Some of it repeats, so that there are duplicates. */
	if (rnd(4) == 0)
		memset(bytes, (int)rnd(3), n);
	else
		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)rnd(256);
	put(m->ino, at, bytes, n);
	model_grow(m, at + n);
	memcpy(m->bytes + at, bytes, n);
	memset(m->is_data + at, 1, n);
}

static void step_stream(struct model *m)
{
	for (unsigned i = rnd(40); i > 0 && m->size + 2000 < FILE_MAX; i--) {
		size_t at = m->size, n = 1 + rnd(2000);

		model_grow(m, at + n);
		for (size_t k = 0; k < n; k++)
			m->bytes[at + k] = (uint8_t)rnd(256);
		memset(m->is_data + at, 1, n);
		put(m->ino, at, m->bytes + at, n);
	}
}

static void step_truncate(struct model *m)
{
	size_t size = rnd(2) ? rnd(FILE_MAX) : rnd((uint32_t)m->size + 1);

	ck_assert_int_eq(content_truncate(cf.v, m->ino, size), 0);
	model_grow(m, size);
	m->size = size;
}

static void step_punch(struct model *m)
{
	static const unsigned how[] = {
		VAULT_ALLOCATE_PUNCH | VAULT_ALLOCATE_KEEP_SIZE,
		VAULT_ALLOCATE_ZERO | VAULT_ALLOCATE_KEEP_SIZE,
		VAULT_ALLOCATE_ZERO,
	};
	size_t at = rnd(FILE_MAX), n = random_length();
	unsigned flags = how[rnd(array_len(how))];

	n = min_of(n, FILE_MAX - at);
	if (n == 0)
		return;
	ck_assert_int_eq(vault_fallocate(cf.v, m->ino, flags, at, n), 0);
	if (!(flags & VAULT_ALLOCATE_KEEP_SIZE))
		model_grow(m, at + n);
	if (at < m->size) {
		memset(m->bytes + at, 0, min_of(n, m->size - at));
		memset(m->is_data + at, 0, min_of(n, m->size - at));
	}
}

/* Without a flag: the size, and nothing else. */
static void step_allocate(struct model *m)
{
	size_t at = rnd(FILE_MAX), n = random_length();
	bool keep = rnd(2);

	n = min_of(n, FILE_MAX - at);
	if (n == 0)
		return;
	ck_assert_int_eq(vault_fallocate(cf.v, m->ino,
					 keep ? VAULT_ALLOCATE_KEEP_SIZE : 0,
					 at, n),
			 0);
	if (!keep)
		model_grow(m, at + n);
}

static void step_copy(struct model *m)
{
	struct model *from = &model[rnd(N_FILES)];
	size_t at = rnd((uint32_t)from->size + 1), to = rnd(FILE_MAX);
	size_t n = random_length(), want, done = 0;

	n = min_of(n, FILE_MAX - to);
	want = min_of(n, from->size - at);
	if (n > 0 && from == m && at < to + n && to < at + n) {
		ck_assert_int_eq(vault_copy_range(cf.v, m->ino, at, m->ino, to,
						  n),
				 -EINVAL);
		return;
	}
	while (done < want) {
		ssize_t k = vault_copy_range(cf.v, from->ino, at + done, m->ino,
					     to + done, want - done);

		ck_assert_int_gt(k, 0);
		done += (size_t)k;
	}
	if (want == 0)
		return;
	model_grow(m, to + want);
	memmove(m->bytes + to, from->bytes + at, want);
	memmove(m->is_data + to, from->is_data + at, want);
}

static void step_read(struct model *m)
{
	static uint8_t got[FILE_MAX];
	size_t at = rnd(FILE_MAX), n = random_length();
	size_t want = at < m->size ? min_of(n, m->size - at) : 0;

	ck_assert_int_eq(vault_pread(cf.v, m->ino, got, n, at), (ssize_t)want);
	ck_assert_mem_eq(got, m->bytes + at, want);
	ck_assert_uint_eq(size_of(cf.v, m->ino), m->size);
}

/* Where data, or a hole, begins at or after `at`; the end is a hole. */
static size_t model_seek(const struct model *m, size_t at, bool data)
{
	while (at < m->size && (m->is_data[at] != 0) != data)
		at++;
	return at;
}

/* To the byte, flushed or not. */
static void step_seek(struct model *m)
{
	size_t at = rnd((uint32_t)m->size + 1), data, hole;
	uint64_t got = 0;
	int r = vault_seek(cf.v, m->ino, at, SEEK_DATA, &got);

	data = model_seek(m, at, true);
	ck_assert_int_eq(r, data < m->size ? 0 : -ENXIO);
	if (r == 0)
		ck_assert_uint_eq(got, data);
	r = vault_seek(cf.v, m->ino, at, SEEK_HOLE, &got);
	hole = model_seek(m, at, false);
	ck_assert_int_eq(r, at < m->size ? 0 : -ENXIO);
	if (r == 0)
		ck_assert_uint_eq(got, hole);
}

/* Every byte that is no hole counts once, whether it is in memory, in a chunk,
 * or hides another. */
static void check_blocks(struct vault *v, const struct model *m)
{
	struct vault_attr attr;
	size_t bytes = 0;

	for (size_t i = 0; i < m->size; i++)
		bytes += m->is_data[i];
	ck_assert_int_eq(vault_getattr(v, m->ino, &attr), 0);
	ck_assert_uint_eq(attr.blocks, (bytes + 511) / 512);
}

static void step_stat(struct model *m)
{
	check_blocks(cf.v, m);
}

/* Rare calls, then common ones. */
static void step_rare(unsigned n, struct model *m)
{
	switch (rnd(4)) {
	case 0:
		cut();
		break;
	case 1:
		ck_assert_int_eq(vault_fsync(cf.v, m->ino), 0);
		break;
	case 2:
		flush_aged(cf.v->content);
		ck_assert_int_eq(flush_for_room(cf.v->content), 0);
		break;
	default:
		if (n % 4 == 0)
			publish_stage();
	}
}

static void step(unsigned n)
{
	static void (*const steps[])(struct model * m) = {
		step_write,    step_write, step_write,	  step_read,
		step_read,     step_read,  step_stream,	  step_copy,
		step_punch,    step_copy,  step_truncate, step_seek,
		step_allocate, step_stat,
	};
	struct model *m = &model[rnd(N_FILES)];

	if (rnd(10) == 0)
		step_rare(n, m);
	else
		steps[rnd(array_len(steps))](m);
}

static void run_model(unsigned steps)
{
	struct vault *v;

	for (int i = 0; i < N_FILES; i++) {
		char name[2] = { (char)('a' + i), 0 };

		model[i].ino = new_file(name);
		model[i].size = 0;
	}
	for (unsigned n = 0; n < steps; n++) {
		step(n);
		if (n % 50 == 0)
			check_bytes(cf.v, model[n / 50 % N_FILES].ino,
				    model[n / 50 % N_FILES].bytes,
				    model[n / 50 % N_FILES].size);
	}
	cut();
	ck_assert_uint_eq(content_dirty_bytes(cf.v), 0);
	v = replay();
	for (int i = 0; i < N_FILES; i++) {
		check_bytes(cf.v, model[i].ino, model[i].bytes, model[i].size);
		ck_assert_uint_eq(size_of(v, model[i].ino), model[i].size);
		check_bytes(v, model[i].ino, model[i].bytes, model[i].size);
		check_blocks(v, &model[i]);
	}
	free_replayed(v);
}

START_TEST(random_calls_do_what_a_plain_array_does)
{
	rnd_state = (uint64_t)_i * 77 + 1;
	run_model((unsigned)test_scaled(1500, 150));
}
END_TEST

START_TEST(random_calls_do_so_with_workers_too)
{
	ck_assert_int_eq(content_start(cf.v->content), 0);
	rnd_state = (uint64_t)_i * 78 + 5;
	run_model((unsigned)test_scaled(1500, 150));
	content_stop(cf.v->content);
}
END_TEST

/* ---- many at once ---- */

#define THREADS 4
#define ROUNDS 300

static atomic_bool is_over;

/* Each has a file of its own, and reads those of the others. */
static void *run_writer(void *arg)
{
	struct model *m = arg;
	int rounds = (int)test_scaled(ROUNDS, 30);
	uint64_t x = m->ino;
	static _Thread_local uint8_t got[FILE_MAX];

	for (int i = 0; i < rounds; i++) {
		size_t at, n;

		x = x * UINT64_C(6364136223846793005) + 1;
		at = (x >> 33) % (FILE_MAX / 2);
		n = 1 + (x >> 20) % 20000;
		model_grow(m, at + n);
		memset(m->bytes + at, (int)(x >> 40), n);
		if (vault_write(cf.v, m->ino, m->bytes + at, n, at, 0) < 0)
			return m;
		if (i % 10 == 0 && vault_fsync(cf.v, m->ino) < 0)
			return m;
		if (vault_pread(cf.v, m->ino, got, FILE_MAX, 0) !=
			    (ssize_t)m->size ||
		    memcmp(got, m->bytes, m->size) != 0)
			return m;
		if (vault_pread(cf.v, model[x % THREADS].ino, got, FILE_MAX,
				0) < 0)
			return m;
	}
	return NULL;
}

static void *run_publisher(void *arg)
{
	(void)arg;
	while (!atomic_load(&is_over)) {
		if (commit_cut(cf.v, NULL, 0) < 0)
			return &is_over;
		publish_stage();
		flush_aged(cf.v->content);
	}
	return NULL;
}

START_TEST(writers_readers_cuts_and_publishing_do_not_disturb_each_other)
{
	pthread_t threads[THREADS], publisher;
	void *failed;

	ck_assert_int_eq(content_start(cf.v->content), 0);
	for (int i = 0; i < THREADS; i++) {
		char name[2] = { (char)('a' + i), 0 };

		model[i].ino = new_file(name);
		model[i].size = 0;
	}
	pthread_create(&publisher, NULL, run_publisher, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run_writer, &model[i]);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	atomic_store(&is_over, true);
	pthread_join(publisher, &failed);
	ck_assert_ptr_null(failed);
	content_stop(cf.v->content);
	cut();
	for (int i = 0; i < THREADS; i++)
		check_bytes(cf.v, model[i].ino, model[i].bytes, model[i].size);
	ck_assert_uint_eq(content_dirty_bytes(cf.v), 0);
}
END_TEST

static void make_streaming(void)
{
	const struct content_sizes sizes = { 65536, 262144, 1048576, 24 << 20,
					     8 << 20 };

	content_make(&sizes);
}

static int find_third(void *arg, const struct index_extent *e)
{
	uint64_t *numbers = arg;

	numbers[numbers[0]++] = e->chunk;
	return numbers[0] == 4;
}

/* The chunk after the two that are read comes into the cache by itself. */
static void check_ahead(uint64_t ino)
{
	struct cache_block *b = NULL;
	uint64_t numbers[4] = { 1 };
	struct cache_key key = { 0 };
	uint8_t got[4096];

	lock_take(&cf.v->index_lock);
	ck_assert_int_eq(index_extent_each(cf.v->index, ino, 0, INT64_MAX,
					   find_third, numbers),
			 1);
	lock_drop(&cf.v->index_lock);
	key.chunk = numbers[3];
	ck_assert_int_eq(cache_peek(cf.v->cache, key, &b), CACHE_ABSENT);
	for (uint64_t at = 0; cache_peek(cf.v->cache, key, &b) != CACHE_HIT;
	     at += sizeof(got)) {
		/* It must come before it is read. */
		ck_assert_uint_lt(at, 100 * sizeof(got));
		ck_assert_int_eq(vault_pread(cf.v, ino, got, sizeof(got), at),
				 sizeof(got));
		usleep(10000);
	}
	cache_unpin(cf.v->cache, b);
}

START_TEST(a_stream_is_chunked_while_it_is_written_and_read_ahead)
{
	size_t size = 40 << 20;
	uint8_t *bytes = make_bytes(20, size), *got = malloc(size);
	uint64_t ino = new_file("f");

	ck_assert_int_eq(content_start(cf.v->content), 0);
	for (size_t at = 0; at < size; at += 1 << 17)
		put(ino, at, bytes + at, 1 << 17);
	/* All but the budget has left memory without a cut. */
	ck_assert_uint_lt(content_dirty_bytes(cf.v), 26u << 20);
	ck_assert_uint_eq(atomic_load(&cf.n_cuts), 0);
	cut();
	publish_stage();
	check_ahead(ino);
	for (size_t at = 0; at < size; at += 1 << 17)
		ck_assert_int_eq(vault_pread(cf.v, ino, got + at, 1 << 17, at),
				 1 << 17);
	ck_assert_mem_eq(got, bytes, size);
	content_stop(cf.v->content);
	ck_assert_uint_eq(atomic_load(&cf.v->content->ahead_bytes), 0);
	free(bytes);
	free(got);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("content model");
	TCase *models = tcase_create("model");
	TCase *threads = tcase_create("threads");
	TCase *streams = tcase_create("streams");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(models, content_make_tiny, content_remove);
	tcase_set_timeout(models, 120);
	tcase_add_loop_test(models, random_calls_do_what_a_plain_array_does, 0,
			    4);
	tcase_add_loop_test(models, random_calls_do_so_with_workers_too, 0, 4);
	suite_add_tcase(s, models);
	tcase_add_checked_fixture(threads, content_make_tiny, content_remove);
	tcase_set_timeout(threads, 120);
	tcase_add_test(
		threads,
		writers_readers_cuts_and_publishing_do_not_disturb_each_other);
	suite_add_tcase(s, threads);
	tcase_add_checked_fixture(streams, make_streaming, content_remove);
	tcase_set_timeout(streams, 120);
	tcase_add_test(streams,
		       a_stream_is_chunked_while_it_is_written_and_read_ahead);
	suite_add_tcase(s, streams);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
