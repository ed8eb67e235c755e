/* SPDX-License-Identifier: ISC */
/*
 * What the index costs: microseconds a created file (inode, entry, extent,
 * chunk with its place and reference), in directories of its own and in ones
 * made long ago, and a look-up of a name in order and at random.
 *
 *	bench_index [files [cache MiB [memory]]]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "index/index.h"
#include "index/index_chunk.h"

#define FILES_PER_DIR 100
#define CHUNKS_PER_PACK 200
#define NODE_BYTES 120
#define NAME_BYTES 18
#define OLD_FILES 20000
#define LOOKUPS 200000

static uint64_t next_ino = 2;
static uint64_t pack;
static uint32_t pack_offset;

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, err_text(r));
	exit(EXIT_FAILURE);
}

/* Of the wall and of the processor: apart on a busy machine or a cold disk. */
struct span {
	double wall_us, cpu_us;
};

static struct span now(void)
{
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	return (struct span){ (double)clock_mono_ns() / 1e3,
			      (double)cpu.tv_sec * 1e6 +
				      (double)cpu.tv_nsec / 1e3 };
}

static struct span since(struct span begin, uint64_t n)
{
	struct span end = now();

	return (struct span){ (end.wall_us - begin.wall_us) / (double)n,
			      (end.cpu_us - begin.cpu_us) / (double)n };
}

static void tell(const char *what, struct span each)
{
	printf("  %-26s %9.2f us, cpu %9.2f us\n", what, each.wall_us,
	       each.cpu_us);
}

/* A permutation of 64 bits (G. Steele, D. Lea, C. Flood: Fast Splittable
 * Pseudorandom Number Generators, OOPSLA 2014, figure 16, with the constants
 * of D. Stafford's mix13), so that what was stored needs no memory here. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t cookie_of(uint64_t ino)
{
	return mix(ino) >> 1;
}

static uint64_t dir_of(uint64_t ino)
{
	return 1000000000 + ino / FILES_PER_DIR;
}

static void add_pack(struct index *ix)
{
	struct index_pack p = { .writer = 1, .type = PACK_DATA };

	random_bytes(p.name, sizeof(p.name));
	check(index_pack_add(ix, &p), "pack_add");
	pack = p.pack;
	pack_offset = 64;
}

static uint64_t add_chunk(struct index *ix, uint64_t ino)
{
	struct index_chunk c = { .pack = pack };
	uint64_t word;
	unsigned i;

	for (i = 0; i < 4; i++) {
		word = mix(ino * 4 + i);
		memcpy(c.id.b + 8 * i, &word, sizeof(word));
	}
	word = mix(~ino);
	memcpy(c.entry.r16.b, &word, sizeof(word));
	c.entry.offset = pack_offset;
	c.entry.plain_bytes = 65536 + (uint32_t)(word % 16384);
	c.entry.stored_bytes = c.entry.plain_bytes + 80;
	pack_offset += c.entry.stored_bytes;
	check(index_chunk_find(ix, &c.id, &c), "chunk_find");
	check(index_chunk_place(ix, &c), "chunk_place");
	check(index_chunk_ref(ix, c.chunk, 1), "chunk_ref");
	return c.chunk;
}

static void add_file(struct index *ix, uint64_t parent)
{
	const uint64_t ino = next_ino++;
	uint8_t rec[NODE_BYTES];
	char name[NAME_BYTES + 1];
	struct index_link l = { .parent = parent,
				.cookie = cookie_of(ino),
				.ino = ino,
				.kind = 1,
				.name = (const uint8_t *)name,
				.name_len = NAME_BYTES };
	struct index_extent e = { .length = 65536, .kind = EXTENT_CHUNK };

	if (ino % CHUNKS_PER_PACK == 0 || pack == 0)
		add_pack(ix);
	memset(rec, (int)(ino & 0x7f), sizeof(rec));
	snprintf(name, sizeof(name), "file-%013llu", (unsigned long long)ino);
	check(index_node_put(ix, ino, rec, sizeof(rec)), "node_put");
	check(index_link_put(ix, &l), "link_put");
	e.chunk = add_chunk(ix, ino);
	check(index_extent_put(ix, ino, &e), "extent_put");
}

static struct span lookups(struct index *ix, uint64_t n_files, bool at_random)
{
	const struct span begin = now();
	struct index_link l;
	const uint8_t *rec;
	size_t n;

	for (uint64_t i = 0; i < LOOKUPS; i++) {
		uint64_t ino = 2 + (at_random ? mix(i) : i) % n_files;

		if (index_link_get(ix, dir_of(ino), cookie_of(ino), &l) != 1 ||
		    index_node_get(ix, l.ino, &rec, &n) != 1 || l.ino != ino)
			check(ERR_BAD_INDEX, "look-up");
	}
	return since(begin, LOOKUPS);
}

static struct span commit(struct index *ix)
{
	const struct span begin = now();

	check(index_commit(ix), "commit");
	return since(begin, 1);
}

static void create_new(struct index *ix, uint64_t n_files)
{
	const struct span begin = now();

	while (next_ino < n_files + 2)
		add_file(ix, dir_of(next_ino));
	tell("create", since(begin, n_files));
	tell("COMMIT", commit(ix));
}

static void create_old(struct index *ix, uint64_t n_files)
{
	const struct span begin = now();

	for (uint64_t i = 0; i < OLD_FILES; i++)
		add_file(ix, dir_of(2 + mix(i) % n_files));
	tell("create in old directories", since(begin, OLD_FILES));
	tell("COMMIT", commit(ix));
}

static void tell_sizes(int dirfd, uint64_t n_files)
{
	struct rusage ru;
	struct stat st;

	getrusage(RUSAGE_SELF, &ru);
	printf("  peak %ld MiB", ru.ru_maxrss / 1024);
	if (dirfd >= 0 && fstatat(dirfd, INDEX_FILE_NAME, &st, 0) == 0)
		printf(", %.0f bytes a file",
		       (double)st.st_size / (double)n_files);
	printf("\n");
}

static void run(int dirfd, uint64_t n_files, size_t cache_bytes)
{
	struct index_options opts = { .env = env_posix(),
				      .dirfd = dirfd,
				      .generation = 1,
				      .cache_bytes = cache_bytes,
				      .create = true };
	struct index *ix;

	check(index_open(&opts, &ix), "open");
	check(index_commit(ix), "commit");
	check(index_allow_spill(ix, true), "allow_spill");
	printf("%llu files\n", (unsigned long long)n_files);
	create_new(ix, n_files);
	tell("look-up in order", lookups(ix, n_files, false));
	tell("look-up at random", lookups(ix, n_files, true));
	create_old(ix, n_files);
	index_close(ix);
	tell_sizes(dirfd, n_files);
}

int main(int argc, char **argv)
{
	const uint64_t n_files =
		argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
	const size_t mib = argc > 2 ? strtoul(argv[2], NULL, 10) : 48;
	const bool in_memory = argc > 3 && strcmp(argv[3], "memory") == 0;
	char path[] = "/tmp/bench_index.XXXXXX";
	int dirfd;

	check(crypto_start(), "crypto");
	if (in_memory) {
		run(-1, n_files, mib << 20);
		return EXIT_SUCCESS;
	}
	if (!mkdtemp(path))
		check(-errno, path);
	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(dirfd < 0 ? -errno : 0, path);
	run(dirfd, n_files, mib << 20);
	unlinkat(dirfd, INDEX_FILE_NAME, 0);
	close(dirfd);
	rmdir(path);
	return EXIT_SUCCESS;
}
