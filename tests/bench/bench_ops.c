/* SPDX-License-Identifier: ISC */
/*
 * Single operations on a mounted folder, each timed by itself:
 *
 *	bench_ops WORK FOLDER COUNT [SEED]
 *
 * One line of JSON: operations done, the nanoseconds they took in all, the
 * median and the 99th percentile of one.  What is no part of the work, such as
 * making buffers, is not timed.  Bytes come from a generator seeded with SEED:
 * no two blocks of a run are the same, nor those of two seeds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define FOLDERS 100

static uint64_t state;
static uint8_t block[1 << 20];

/* G. L. Steele, D. Lea, C. H. Flood: Fast Splittable
 * Pseudorandom Number Generators, OOPSLA 2014 (SplitMix64). */
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void fill(size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t x = next();

		memcpy(block + i, &x, 8);
	}
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_ops: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void need(bool ok, const char *what)
{
	if (!ok)
		die(what);
}

static const char *file_name(uint64_t i)
{
	static char name[64];

	snprintf(name, sizeof(name), "d%02" PRIu64 "/f%06" PRIu64, i % FOLDERS,
		 i);
	return name;
}

static int open_big(int flags)
{
	int fd = open("big", flags, 0644);

	need(fd >= 0, "big");
	return fd;
}

/* --------------------------------------------------------- the operations */

/* Each does operation i; what it needs stands in the folder already. */
static int big = -1;
static uint64_t n_blocks;

static void begin_create(uint64_t n)
{
	char name[8];

	(void)n;
	for (unsigned i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof(name), "d%02u", i);
		need(mkdir(name, 0755) == 0 || errno == EEXIST, name);
	}
}

static void prepare_block(uint64_t i)
{
	(void)i;
	fill(BLOCK);
}

static void create(uint64_t i)
{
	int fd = open(file_name(i), O_WRONLY | O_CREAT | O_EXCL, 0644);

	need(fd >= 0 && write(fd, block, BLOCK) == BLOCK && close(fd) == 0,
	     "create");
}

static void create_flat(uint64_t i)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "flat%08" PRIu64, i);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	need(fd >= 0 && close(fd) == 0, "create");
}

static void stat_one(uint64_t i)
{
	struct stat st;

	need(stat(file_name(i), &st) == 0, "stat");
}

static void read_one(uint64_t i)
{
	int fd = open(file_name(i), O_RDONLY);

	need(fd >= 0 && read(fd, block, BLOCK) == BLOCK && close(fd) == 0,
	     "read");
}

static void rename_one(uint64_t i)
{
	char to[80];

	snprintf(to, sizeof(to), "d%02" PRIu64 "/r%06" PRIu64,
		 (i + 1) % FOLDERS, i);
	need(rename(file_name(i), to) == 0, "rename");
}

static void unlink_renamed(uint64_t i)
{
	char name[80];

	snprintf(name, sizeof(name), "d%02" PRIu64 "/r%06" PRIu64,
		 (i + 1) % FOLDERS, i);
	need(unlink(name) == 0, "unlink");
}

static void unlink_one(uint64_t i)
{
	need(unlink(file_name(i)) == 0, "unlink");
}

static void xattr_set(uint64_t i)
{
	need(setxattr(file_name(i), "user.bench", &i, sizeof(i), 0) == 0,
	     "setxattr");
}

static void xattr_get(uint64_t i)
{
	uint64_t got;

	need(getxattr(file_name(i), "user.bench", &got, sizeof(got)) ==
			     sizeof(got) &&
		     got == i,
	     "getxattr");
}

static void begin_read(uint64_t n)
{
	struct stat st;

	(void)n;
	big = open_big(O_RDONLY);
	need(fstat(big, &st) == 0, "big");
	n_blocks = (uint64_t)st.st_size / BLOCK;
	need(n_blocks > 0, "big is empty");
}

/* Distinct places: a multiplication by an odd constant modulo a power of two
 * permutes; those beyond the end are passed over. */
static uint64_t place(uint64_t i)
{
	uint64_t mask = 1, at = i;

	while (mask < n_blocks)
		mask <<= 1;
	do {
		at = (at * 0x9e3779b97f4a7c15 + 0x7f4a7c15) & (mask - 1);
	} while (at >= n_blocks);
	return at;
}

static void read_at(uint64_t i)
{
	need(pread(big, block, BLOCK, (off_t)(place(i) * BLOCK)) == BLOCK,
	     "pread");
}

static void begin_write(uint64_t n)
{
	begin_read(n);
	close(big);
	big = open_big(O_RDWR);
}

static void write_at(uint64_t i)
{
	need(pwrite(big, block, BLOCK, (off_t)(place(i) * BLOCK)) == BLOCK,
	     "pwrite");
}

static void sync_big(void)
{
	need(fsync(big) == 0 && close(big) == 0, "fsync");
}

static void begin_append(uint64_t n)
{
	(void)n;
	big = open("appended", O_WRONLY | O_CREAT | O_APPEND, 0644);
	need(big >= 0, "appended");
}

static void append_sync(uint64_t i)
{
	(void)i;
	need(write(big, block, BLOCK) == BLOCK && fsync(big) == 0, "append");
}

static void append(uint64_t i)
{
	(void)i;
	need(write(big, block, BLOCK) == BLOCK, "append");
}

static void begin_stream(uint64_t n)
{
	(void)n;
	big = open_big(O_WRONLY | O_CREAT | O_TRUNC);
}

static void prepare_mib(uint64_t i)
{
	(void)i;
	fill(sizeof(block));
}

static void write_mib(uint64_t i)
{
	(void)i;
	need(write(big, block, sizeof(block)) == (ssize_t)sizeof(block),
	     "write");
}

static void read_mib(uint64_t i)
{
	need(pread(big, block, sizeof(block),
		   (off_t)(i * sizeof(block))) == (ssize_t)sizeof(block),
	     "read");
}

/* A player that seeks: 1 MiB in 128 KiB steps from another place each time. */
static void media(uint64_t i)
{
	off_t at = (off_t)(place(i) * BLOCK);

	for (unsigned k = 0; k < 8; k++)
		need(pread(big, block, 131072, at + (off_t)k * 131072) >= 0,
		     "read");
}

static void list(uint64_t i)
{
	DIR *d = opendir(".");

	(void)i;
	need(d != NULL, "opendir");
	while (readdir(d))
		;
	closedir(d);
}

/* One of everything, in a folder of its own and in one for all. */
static void mixed(uint64_t i)
{
	char mine[96], shared[96];
	struct stat st;
	int fd;

	snprintf(mine, sizeof(mine), "own%d/f%" PRIu64, (int)getpid(), i % 500);
	snprintf(shared, sizeof(shared), "all/p%d-%" PRIu64, (int)getpid(), i);
	fd = open(mine, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	need(fd >= 0 && write(fd, block, BLOCK) == BLOCK && close(fd) == 0,
	     "write");
	need(stat(mine, &st) == 0, "stat");
	fd = open(mine, O_RDONLY);
	need(fd >= 0 && read(fd, block, BLOCK) == BLOCK && close(fd) == 0,
	     "read");
	need(rename(mine, shared) == 0, "rename");
	if (i % 2)
		need(unlink(shared) == 0, "unlink");
}

static void begin_mixed(uint64_t n)
{
	char mine[64];

	(void)n;
	snprintf(mine, sizeof(mine), "own%d", (int)getpid());
	need(mkdir(mine, 0755) == 0, mine);
	need(mkdir("all", 0755) == 0 || errno == EEXIST, "all");
}

/* ------------------------------------------------------------------- work */

static const struct work {
	const char *name;
	void (*begin)(uint64_t n);   /* not timed */
	void (*prepare)(uint64_t i); /* not timed */
	void (*run)(uint64_t i);
	void (*end)(void); /* timed */
} works[] = {
	{ "create", begin_create, prepare_block, create, NULL },
	{ "create-flat", NULL, NULL, create_flat, NULL },
	{ "stat", NULL, NULL, stat_one, NULL },
	{ "read", NULL, NULL, read_one, NULL },
	{ "rename", NULL, NULL, rename_one, NULL },
	{ "unlink", NULL, NULL, unlink_one, NULL },
	{ "unlink-renamed", NULL, NULL, unlink_renamed, NULL },
	{ "setxattr", NULL, NULL, xattr_set, NULL },
	{ "getxattr", NULL, NULL, xattr_get, NULL },
	{ "random-read", begin_read, NULL, read_at, NULL },
	{ "random-write", begin_write, prepare_block, write_at, sync_big },
	{ "append-sync", begin_append, prepare_block, append_sync, NULL },
	{ "append", begin_append, prepare_block, append, sync_big },
	{ "stream-write", begin_stream, prepare_mib, write_mib, sync_big },
	{ "stream-read", begin_read, NULL, read_mib, NULL },
	{ "media", begin_read, NULL, media, NULL },
	{ "list", NULL, NULL, list, NULL },
	{ "mixed", begin_mixed, prepare_block, mixed, NULL },
};

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void run(const struct work *w, uint64_t n)
{
	uint64_t *each = calloc(n, sizeof(*each)), total = 0, start;

	need(each != NULL, "memory");
	if (w->begin)
		w->begin(n);
	for (uint64_t i = 0; i < n; i++) {
		if (w->prepare)
			w->prepare(i);
		start = now();
		w->run(i);
		each[i] = now() - start;
		total += each[i];
	}
	start = now();
	if (w->end)
		w->end();
	total += now() - start;
	qsort(each, n, sizeof(*each), compare);
	printf("{\"n\": %" PRIu64 ", \"total_ns\": %" PRIu64
	       ", \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 "}\n",
	       n, total, each[n / 2], each[n - 1 - n / 100]);
	free(each);
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;

	if (n == 0) {
		fprintf(stderr, "usage: bench_ops WORK FOLDER COUNT [SEED]\n");
		return 2;
	}
	state = argc > 4 ? strtoull(argv[4], NULL, 10) << 32 : 1;
	need(chdir(argv[2]) == 0, argv[2]);
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		if (strcmp(works[i].name, argv[1]) == 0) {
			run(&works[i], n);
			return 0;
		}
	}
	fprintf(stderr, "bench_ops: there is no work %s\n", argv[1]);
	return 2;
}
