/* SPDX-License-Identifier: ISC */
/*
 * What it is worth that readers of the cache take no lock.
 *
 * usage: bench_cache [SECONDS]    a case, may be a fraction; 1.5 by default
 *
 * The same cache three times: as it is; behind a mutex a shard; behind one
 * mutex.  The two others hold the mutex for the look-up and the pin, and for
 * nothing else: a miss is loaded, and evicts, as in the cache as it is, and a
 * pin ends without a lock.  That is what a careful design with mutexes does,
 * so the difference is that of the hits alone.
 *
 * Each thread picks blocks at random: from a working set that fits (all hits),
 * or one time in ten a block never seen before (nine hits in ten).  The set is
 * small enough for the processor's caches, so that waiting for memory does not
 * hide what is measured.  A hit reads one line; a miss copies 16 KiB in place
 * of a decryption.  The latency is that of get, read and unpin of a hit; every
 * 16th is measured, and what a look at the clock costs is in it.
 *
 * Each case is run in five rounds in turn with the other two; what is printed
 * is its best round, for whatever else the machine does only slows it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "cache/cache_priv.h"

#define N_BLOCKS 4096
#define N_SHARDS 32
#define N_WORKING_SET (N_BLOCKS / 4)
#define N_ROUNDS 5
#define MAX_THREADS 8
#define MEASURE_EVERY 16

enum locking { LOCK_FREE, SHARD_MUTEXES, ONE_MUTEX };
static const char *const locking_names[] = { "lock-free", "shard mutexes",
					     "one mutex" };

/* Latencies in nanoseconds: 32 steps for each power of two, so that a
 * percentile is at most 3 % off. */
#define STEPS 32
#define N_STEPS ((64 - 4) * STEPS)
struct histogram {
	uint64_t count[N_STEPS];
};

struct result {
	double hit_percent, mops;
	uint64_t p50_ns, p99_ns, p999_ns;
};

struct bench {
	struct cache *cache;
	enum locking locking;
	unsigned miss_percent;
	struct lock locks[N_SHARDS];
	pthread_barrier_t start;
	_Atomic bool stop;
};

struct worker {
	_Alignas(CACHE_LINE_BYTES) struct bench *bench;
	pthread_t thread;
	uint64_t random;
	uint64_t next_new_chunk;
	uint64_t n_operations, n_hits;
	struct histogram latency;
};

static struct worker workers[MAX_THREADS];
static uint8_t plaintext[CACHE_BLOCK_BYTES];

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_cache: %s\n", what);
	exit(EXIT_FAILURE);
}

static unsigned histogram_step(uint64_t ns)
{
	unsigned power;

	if (ns < STEPS)
		return (unsigned)ns;
	power = 63 - (unsigned)__builtin_clzll(ns);
	return (power - 4) * STEPS + (unsigned)(ns >> (power - 5)) - STEPS;
}

static uint64_t histogram_ns(unsigned step)
{
	unsigned power = step / STEPS + 4;

	if (step < STEPS)
		return step;
	return (uint64_t)(STEPS + step % STEPS) << (power - 5);
}

static uint64_t percentile(const struct histogram *h, double part)
{
	uint64_t total = 0, below = 0;

	for (unsigned i = 0; i < N_STEPS; i++)
		total += h->count[i];
	for (unsigned i = 0; i < N_STEPS; i++) {
		below += h->count[i];
		if (below > 0 && (double)below >= part * (double)total)
			return histogram_ns(i);
	}
	return 0;
}

/* xorshift64* (Vigna: An experimental exploration of Marsaglia's xorshift
 * generators, scrambled, ACM TOMS 42, 2016). */
static uint64_t next_random(struct worker *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * UINT64_C(0x2545f4914f6cdd1d) >> 32;
}

static struct cache_key pick_key(struct worker *w)
{
	uint64_t x = next_random(w);

	if (x % 100 < w->bench->miss_percent)
		return (struct cache_key){ .chunk = w->next_new_chunk++ };
	return (struct cache_key){ .chunk = (x >> 8) % N_WORKING_SET };
}

static int get(struct bench *t, struct cache_key key, struct cache_block **ret)
{
	struct lock *l = &t->locks[0];
	int r;

	if (t->locking == LOCK_FREE)
		return cache_get(t->cache, key, ret);
	if (t->locking == SHARD_MUTEXES)
		l = &t->locks[(cache_hash(key) >> 58) & (N_SHARDS - 1)];
	lock_take(l);
	r = cache_peek(t->cache, key, ret);
	lock_drop(l);
	return r == CACHE_HIT ? r : cache_get(t->cache, key, ret);
}

/* Another line in each block: the first ones would all fall into the same few
 * sets of the processor's caches. */
static uint8_t *stamp_of(struct cache_block *b, struct cache_key key)
{
	return cache_block_data(b) +
	       key.chunk * CACHE_LINE_BYTES % CACHE_BLOCK_BYTES;
}

static void load_block(struct bench *t, struct cache_block *b,
		       struct cache_key key)
{
	memcpy(cache_block_data(b), plaintext, sizeof(plaintext));
	memcpy(stamp_of(b, key), &key.chunk, sizeof(key.chunk));
	cache_loaded(t->cache, b, CACHE_BLOCK_BYTES);
}

/* True for a hit. */
static bool use_block(struct bench *t, struct cache_key key)
{
	struct cache_block *b = NULL;
	int r = get(t, key, &b);
	uint64_t found;

	if (r == CACHE_LOAD)
		load_block(t, b, key);
	else if (r != CACHE_HIT)
		die("the cache is full or failed");
	memcpy(&found, stamp_of(b, key), sizeof(found));
	if (found != key.chunk)
		die("wrong bytes");
	cache_unpin(t->cache, b);
	return r == CACHE_HIT;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct bench *t = w->bench;

	pthread_barrier_wait(&t->start);
	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		uint64_t begin;

		for (int i = 1; i < MEASURE_EVERY; i++)
			w->n_hits += use_block(t, pick_key(w));
		w->n_operations += MEASURE_EVERY;
		begin = clock_mono_ns();
		if (use_block(t, pick_key(w))) {
			w->latency.count[histogram_step(clock_mono_ns() -
							begin)]++;
			w->n_hits++;
		}
	}
	return NULL;
}

/* Several times, so that the working set reaches the main queue. */
static void warm_up(struct bench *t)
{
	for (uint64_t i = 0; i < 4 * N_WORKING_SET; i++)
		use_block(t, (struct cache_key){ .chunk = i % N_WORKING_SET });
}

static struct result sum_up(unsigned n_threads, double seconds)
{
	static struct histogram sum;
	uint64_t n_operations = 0, n_hits = 0;

	memset(&sum, 0, sizeof(sum));
	for (unsigned i = 0; i < n_threads; i++) {
		n_operations += workers[i].n_operations;
		n_hits += workers[i].n_hits;
		for (unsigned j = 0; j < N_STEPS; j++)
			sum.count[j] += workers[i].latency.count[j];
	}
	return (struct result){
		.hit_percent = 100 * (double)n_hits / (double)n_operations,
		.mops = (double)n_operations / seconds / 1e6,
		.p50_ns = percentile(&sum, 0.5),
		.p99_ns = percentile(&sum, 0.99),
		.p999_ns = percentile(&sum, 0.999),
	};
}

static void report(enum locking locking, unsigned n_threads,
		   const struct result *r)
{
	printf("%-14s %7u %6.1f %8.2f %7llu %7llu %8llu\n",
	       locking_names[locking], n_threads, r->hit_percent, r->mops,
	       (unsigned long long)r->p50_ns, (unsigned long long)r->p99_ns,
	       (unsigned long long)r->p999_ns);
	fflush(stdout);
}

static void start_workers(struct bench *t, unsigned n_threads)
{
	for (unsigned i = 0; i < n_threads; i++) {
		struct worker *w = &workers[i];

		*w = (struct worker){
			.bench = t,
			.random = i + 1,
			.next_new_chunk = (uint64_t)(i + 1) << 40,
		};
		if (pthread_create(&w->thread, NULL, work, w) != 0)
			die("no thread");
	}
}

static struct result run_round(enum locking locking, unsigned n_threads,
			       unsigned miss_percent, double seconds)
{
	struct cache_options opts = {
		.bytes = (size_t)N_BLOCKS * CACHE_BLOCK_BYTES,
		.n_shards = N_SHARDS,
	};
	static struct bench t;
	struct timespec pause = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};
	struct result result;
	uint64_t begin;

	t.locking = locking;
	t.miss_percent = miss_percent;
	atomic_store(&t.stop, false);
	if (cache_new(&opts, &t.cache) < 0)
		die("no cache");
	for (unsigned i = 0; i < N_SHARDS; i++)
		lock_init(&t.locks[i], LOCK_STORE, 0);
	pthread_barrier_init(&t.start, NULL, n_threads + 1);
	warm_up(&t);
	start_workers(&t, n_threads);
	pthread_barrier_wait(&t.start);
	begin = clock_mono_ns();
	nanosleep(&pause, NULL);
	atomic_store(&t.stop, true);
	for (unsigned i = 0; i < n_threads; i++)
		pthread_join(workers[i].thread, NULL);
	result = sum_up(n_threads, (double)(clock_mono_ns() - begin) / 1e9);
	pthread_barrier_destroy(&t.start);
	for (unsigned i = 0; i < N_SHARDS; i++)
		lock_release(&t.locks[i]);
	cache_free(t.cache);
	return result;
}

static void run_cases(unsigned n_threads, unsigned miss_percent, double seconds)
{
	struct result best[ONE_MUTEX + 1] = { 0 };

	for (int round = 0; round < N_ROUNDS; round++) {
		for (int l = LOCK_FREE; l <= ONE_MUTEX; l++) {
			struct result r =
				run_round((enum locking)l, n_threads,
					  miss_percent, seconds / N_ROUNDS);

			if (r.mops > best[l].mops)
				best[l] = r;
		}
	}
	for (int l = LOCK_FREE; l <= ONE_MUTEX; l++)
		report((enum locking)l, n_threads, &best[l]);
}

static uint64_t clock_cost_ns(void)
{
	uint64_t begin = clock_mono_ns();

	for (int i = 0; i < 9999; i++)
		clock_mono_ns();
	return (clock_mono_ns() - begin) / 10000;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1.5;

	if (!(seconds > 0 && seconds < 3600))
		die("usage: bench_cache [SECONDS]");
	memset(plaintext, 0x5a, sizeof(plaintext));
	printf("%ld cores, %u blocks, %u shards, %g s a case, "
	       "a look at the clock costs %llu ns\n",
	       sysconf(_SC_NPROCESSORS_ONLN), N_BLOCKS, N_SHARDS, seconds,
	       (unsigned long long)clock_cost_ns());
	printf("%-14s %7s %6s %8s %7s %7s %8s\n", "", "threads", "hit %",
	       "Mop/s", "p50 ns", "p99 ns", "p99.9 ns");
	for (unsigned miss = 0; miss <= 10; miss += 10) {
		for (unsigned n = 1; n <= MAX_THREADS; n *= 2)
			run_cases(n, miss, seconds);
	}
	return EXIT_SUCCESS;
}
