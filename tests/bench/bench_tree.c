/* SPDX-License-Identifier: ISC */
/*
 * What names cost a vault: microseconds a call, and memory, with so many files
 * in it; then what opening takes, clean and with the index made anew.
 *
 *	bench_tree [-c cache MiB] [-d dirty MiB] [-b bytes a file] [-p a directory]
 *		[-o] [-l] files folder
 *
 * -p: files a directory (100; 0: all in one).  -o: opening only, of what an
 * earlier run left in the folder.  -l: names of one and the same file.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "vault/file.h"
#include "vault/tree.h"
#include "vault/vault.h"

#define PASSPHRASE "only a benchmark"
#define SAMPLES 20000
#define PATH_BYTES 512

struct bench {
	uint64_t n_files;
	uint64_t per_dir;
	size_t cache_mib, dirty_mib;
	uint32_t file_bytes;
	bool links;
	uint64_t linked; /* the file of all names */
	char vault[PATH_BYTES], state[PATH_BYTES], index[PATH_BYTES];
	uint64_t *dirs;
	uint64_t n_dirs;
};

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, err_text(r));
	exit(EXIT_FAILURE);
}

/* ---------------------------------------------------------------- telling */

/* A line of /proc/self/status, in MiB. */
static double memory(const char *field)
{
	FILE *f = fopen("/proc/self/status", "re");
	size_t len = strlen(field);
	char line[256];
	double kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, field, len) == 0)
			kib = strtod(line + len + 1, NULL);
	if (f)
		fclose(f);
	return kib / 1024;
}

struct span {
	double wall_us, cpu_us;
};

static struct span now(void)
{
	struct timespec cpu;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	return (struct span){ (double)clock_mono_ns() / 1e3,
			      (double)cpu.tv_sec * 1e6 +
				      (double)cpu.tv_nsec / 1e3 };
}

static void tell(const char *what, struct span begin, uint64_t n)
{
	struct span end = now();

	printf("  %-22s %9.2f us, cpu %9.2f us, memory %6.1f MiB, peak %6.1f\n",
	       what, (end.wall_us - begin.wall_us) / (double)n,
	       (end.cpu_us - begin.cpu_us) / (double)n, memory("VmRSS"),
	       memory("VmHWM"));
	fflush(stdout);
}

/* ---------------------------------------------------------------- names */

/* A permutation of 64 bits (G. Steele, D. Lea, C. Flood: Fast Splittable
 * Pseudorandom Number Generators, OOPSLA 2014, figure 16, with the constants
 * of D. Stafford's mix13). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

struct name {
	char text[32];
};

static struct vault_name name_of(struct name *to, const char *lead, uint64_t i)
{
	int n = snprintf(to->text, sizeof(to->text), "%s-%012llu", lead,
			 (unsigned long long)i);

	return (struct vault_name){ to->text, (size_t)n };
}

static uint64_t dir_of(const struct bench *b, uint64_t i)
{
	return b->dirs[i / b->per_dir];
}

/* ---------------------------------------------------------------- the vault */

static struct vault *open_vault(const struct bench *b, bool keeps_index)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	const struct vault_options o = {
		.path = b->vault,
		.state_path = b->state,
		.cache_bytes = b->cache_mib << 20,
		.dirty_bytes = b->dirty_mib << 20,
		.background = true,
		.test_weak_kdf = true,
		.test_no_checkpoint = !keeps_index,
	};
	const char *what = "";
	struct vault *v = NULL;

	check(secret_buf_append(&pass, PASSPHRASE, strlen(PASSPHRASE)),
	      "passphrase");
	check(vault_open(&o, &cred, &what, &v), "opening");
	return v;
}

static void make_vault(const struct bench *b)
{
	auto_secret_buf struct secret_buf pass = SECRET_BUF_INIT;
	const struct vault_credential cred = { .passphrase = &pass };
	const struct vault_options o = { .path = b->vault,
					 .state_path = b->state,
					 .test_weak_kdf = true };
	const struct vault_init_options init = { .device_name = "bench",
						 .no_recovery = true };

	check(secret_buf_append(&pass, PASSPHRASE, strlen(PASSPHRASE)),
	      "passphrase");
	check(vault_init(&o, &init, &cred, NULL), "init");
}

static void find_dirs(struct bench *b, struct vault *v, bool make)
{
	const struct vault_new what = { .mode = S_IFDIR | 0755 };

	for (uint64_t i = 0; i < b->n_dirs; i++) {
		struct vault_attr a;
		struct name n;
		int r = make ? vault_make(v, VAULT_ROOT_INO,
					  name_of(&n, "dir", i), &what, false,
					  &a) :
			       vault_lookup(v, VAULT_ROOT_INO,
					    name_of(&n, "dir", i), &a);

		check(r < 0 ? r : make || r == 1 ? 0 : -ENOENT, "directory");
		b->dirs[i] = a.ino;
	}
}

/* ---------------------------------------------------------------- calls */

static void fill(struct vault *v, const struct bench *b, uint64_t ino,
		 uint64_t i)
{
	uint64_t data[512];

	for (uint32_t at = 0; at < b->file_bytes; at += sizeof(data)) {
		uint32_t left = b->file_bytes - at;
		uint32_t n = left < sizeof(data) ? left : sizeof(data);

		for (unsigned k = 0; k < n / 8; k++)
			data[k] = mix(i * 131072 + at + k);
		check(vault_write(v, ino, data, n, at, 0), "write");
	}
}

static void create(struct vault *v, struct bench *b, uint64_t i,
		   const char *lead)
{
	const struct vault_new what = { .mode = S_IFREG | 0644 };
	struct vault_attr a;
	struct name n;

	if (b->links && b->linked) {
		check(vault_link(v, b->linked, dir_of(b, i % b->n_files),
				 name_of(&n, lead, i), &a),
		      "link");
		return;
	}
	check(vault_make(v, dir_of(b, i % b->n_files), name_of(&n, lead, i),
			 &what, false, &a),
	      "create");
	b->linked = a.ino;
	if (b->file_bytes)
		fill(v, b, a.ino, i);
}

static void create_all(struct vault *v, struct bench *b)
{
	struct span begin = now();

	for (uint64_t i = 0; i < b->n_files; i++)
		create(v, b, i, "file");
	tell("create", begin, b->n_files);
}

static void look_up(struct vault *v, const struct bench *b, bool at_random)
{
	struct span begin = now();
	struct vault_attr a;
	struct name n;

	for (uint64_t i = 0; i < SAMPLES; i++) {
		uint64_t k = (at_random ? mix(i) : i) % b->n_files;

		if (vault_lookup(v, dir_of(b, k), name_of(&n, "file", k), &a) !=
		    1)
			check(-ENOENT, "look-up");
	}
	tell(at_random ? "look-up at random" : "look-up in order", begin,
	     SAMPLES);
}

static void look_up_again(struct vault *v, const struct bench *b)
{
	struct span begin;
	struct vault_attr a;
	struct name n;

	for (uint64_t i = 0; i < SAMPLES; i++) {
		if (i == 100)
			begin = now();
		check(vault_lookup(v, dir_of(b, 0),
				   name_of(&n, "file", i % 100), &a) - 1,
		      "look-up");
	}
	tell("look-up, hot", begin, SAMPLES - 100);
}

static void look_up_absent(struct vault *v, const struct bench *b)
{
	struct span begin = now();
	struct vault_attr a;
	struct name n;

	for (uint64_t i = 0; i < SAMPLES; i++)
		check(vault_lookup(v, dir_of(b, mix(i) % b->n_files),
				   name_of(&n, "none", i), &a),
		      "look-up");
	tell("look-up of none", begin, SAMPLES);
}

static void rename_some(struct vault *v, const struct bench *b)
{
	struct span begin = now();
	struct name from, to;

	for (uint64_t i = 0; i < SAMPLES; i++) {
		uint64_t k = mix(i) % b->n_files;
		int r = vault_rename(v, dir_of(b, k), name_of(&from, "file", k),
				     dir_of(b, mix(~i) % b->n_files),
				     name_of(&to, "moved", i), 0);

		check(r == -ENOENT ? 0 : r, "rename");
	}
	tell("rename at random", begin, SAMPLES);
}

static void create_old(struct vault *v, struct bench *b)
{
	struct span begin = now();

	for (uint64_t i = 0; i < SAMPLES; i++)
		create(v, b, mix(i) % b->n_files + b->n_files * (i + 1),
		       "late");
	tell("create at random", begin, SAMPLES);
}

static void unlink_some(struct vault *v, const struct bench *b)
{
	struct span begin = now();
	struct name n;

	for (uint64_t i = 0; i < SAMPLES; i++) {
		uint64_t k = mix(i) % b->n_files +
			     b->n_files * (i + 1);

		check(vault_unlink(v, dir_of(b, k % b->n_files),
				   name_of(&n, "late", k)),
		      "unlink");
	}
	tell("unlink at random", begin, SAMPLES);
}

static int count_fn(void *arg, const struct vault_entry *e)
{
	(void)e;
	++*(uint64_t *)arg;
	return 0;
}

static void list_all(struct vault *v, const struct bench *b)
{
	struct span begin = now();
	uint64_t n = 0;

	for (uint64_t i = 0; i < b->n_dirs; i++)
		check(vault_readdir(v, b->dirs[i], 0, true, count_fn, &n),
		      "list");
	tell("list with attributes", begin, n);
}

/* ---------------------------------------------------------------- opening */

static void close_vault(struct vault *v, const char *what)
{
	struct span begin = now();

	check(vault_close(v), "closing");
	tell(what, begin, 1);
}

static struct vault *time_open(const struct bench *b, bool keeps_index,
			       const char *what)
{
	struct span begin = now();
	struct vault *v = open_vault(b, keeps_index);

	tell(what, begin, 1);
	return v;
}

static void open_again(const struct bench *b)
{
	struct vault *v = time_open(b, true, "open, clean");
	struct vault_attr a;
	struct name n;

	check(vault_lookup(v, VAULT_ROOT_INO, name_of(&n, "dir", 0), &a) - 1,
	      "look-up");
	close_vault(v, "close, unchanged");
	v = open_vault(b, false);
	check(vault_lookup(v, VAULT_ROOT_INO, name_of(&n, "dir", 0), &a) - 1,
	      "look-up");
	const struct vault_attr mode = { .mode = 0711 };
	check(vault_setattr(v, a.ino, VAULT_SET_MODE, &mode, &a), "mode");
	check(vault_sync(v), "sync");
	check(vault_close(v), "closing");
	v = time_open(b, true, "open, index made anew");
	close_vault(v, "close");
}

static void run(struct bench *b, bool only_open)
{
	struct vault *v;

	if (!only_open) {
		make_vault(b);
		v = time_open(b, true, "open, empty");
		find_dirs(b, v, true);
		create_all(v, b);
		if (b->n_files >= SAMPLES) {
			look_up(v, b, false);
			look_up_again(v, b);
			look_up(v, b, true);
			look_up_absent(v, b);
			create_old(v, b);
			rename_some(v, b);
			unlink_some(v, b);
		}
		list_all(v, b);
		struct span begin = now();
		check(vault_publish(v), "publish");
		tell("publish", begin, 1);
		close_vault(v, "close");
	}
	open_again(b);
}

/* ---------------------------------------------------------------- main */

static void set_paths(struct bench *b, const char *folder)
{
	snprintf(b->vault, sizeof(b->vault), "%s/vault", folder);
	snprintf(b->state, sizeof(b->state), "%s/state", folder);
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		check(-errno, folder);
	if (mkdir(b->state, 0700) < 0 && errno != EEXIST)
		check(-errno, b->state);
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
	struct bench b = { .n_files = 100000, .per_dir = 100 };
	bool only_open = false;
	int c;

	while ((c = getopt(argc, argv, "c:d:b:p:ol")) != -1) {
		if (c == 'c')
			b.cache_mib = number(optarg);
		else if (c == 'd')
			b.dirty_mib = number(optarg);
		else if (c == 'b')
			b.file_bytes = (uint32_t)number(optarg);
		else if (c == 'p')
			b.per_dir = number(optarg);
		else if (c == 'o')
			only_open = true;
		else if (c == 'l')
			b.links = true;
		else
			return EXIT_FAILURE;
	}
	if (argc - optind != 2) {
		fprintf(stderr, "bench_tree [-c -d -b -p -o -l] FILES FOLDER\n");
		return EXIT_FAILURE;
	}
	b.n_files = number(argv[optind]);
	if (!b.per_dir)
		b.per_dir = b.n_files;
	b.n_dirs = (b.n_files + b.per_dir - 1) / b.per_dir;
	b.dirs = calloc(b.n_dirs, sizeof(*b.dirs));
	if (!b.dirs || !b.n_files)
		return EXIT_FAILURE;
	set_paths(&b, argv[optind + 1]);
	mem_start();
	check(crypto_start(), "crypto");
	printf("%llu files, %llu in a directory\n",
	       (unsigned long long)b.n_files, (unsigned long long)b.per_dir);
	run(&b, only_open);
	free(b.dirs);
	return EXIT_SUCCESS;
}
