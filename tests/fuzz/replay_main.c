/* SPDX-License-Identifier: ISC */
/*
 * Runs a target on the files and folders named, or on its own corpus:
 * replay_op on tests/fuzz/corpus/op.  Each file is tried whole, cut off at
 * every length, and with each of its bytes changed in a few ways; of targets
 * that take long, with some of them.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "fuzz.h"

#define FILE_MAX ((size_t)64 << 20)
/* Beyond this a file is run whole only: a change costs a run of its length. */
#define VARY_MAX ((size_t)16 << 10)
#define STATUS_BROKEN 99

static unsigned long n_files, n_runs;

/* A target whose runs are long sets it to more: not every byte is varied, and
 * of those one in COFFER_TEST_SCALE. */
extern size_t fuzz_vary_step;
size_t fuzz_vary_step __attribute__((weak)) = 1;

static size_t vary_step(void)
{
	const char *scale = getenv("COFFER_TEST_SCALE");
	const size_t n = scale ? strtoul(scale, NULL, 10) : 1;

	return fuzz_vary_step > 1 && n > 1 ? fuzz_vary_step * n :
					     fuzz_vary_step;
}

/* From a block of exactly that size, so that a sanitizer sees every byte read
 * past its end. */
static void run(const uint8_t *data, size_t size)
{
	auto_free uint8_t *copy = mem_dup(data, size);

	FUZZ_REQUIRE(copy);
	(void)LLVMFuzzerTestOneInput(copy, size);
	n_runs++;
}

static void vary(uint8_t *data, size_t size)
{
	const size_t step = vary_step();
	size_t i;

	for (i = 0; i < size; i += step) {
		const uint8_t before = data[i];

		run(data, i);
		data[i] = (uint8_t)(before + 1);
		run(data, size);
		data[i] = before ^ 0x80;
		run(data, size);
		data[i] = before == 0xff ? 0 : 0xff;
		run(data, size);
		data[i] = before;
	}
}

static int replay_file(const char *path)
{
	auto_free uint8_t *data = mem_alloc(FILE_MAX);
	FILE *f = fopen(path, "rb");
	size_t size;
	bool failed;

	FUZZ_REQUIRE(data);
	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	size = fread(data, 1, FILE_MAX, f);
	failed = ferror(f) || !feof(f);
	fclose(f);
	if (failed) {
		fprintf(stderr, "%s: cannot be read whole\n", path);
		return -1;
	}
	run(data, size);
	if (size <= VARY_MAX)
		vary(data, size);
	n_files++;
	return 0;
}

static int replay_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int err = 0;

	if (!dir) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	while (err == 0 && (entry = readdir(dir)) != NULL) {
		auto_free char *file = NULL;

		if (entry->d_name[0] == '.')
			continue;
		file = mem_printf("%s/%s", path, entry->d_name);
		FUZZ_REQUIRE(file);
		err = replay_file(file);
	}
	closedir(dir);
	return err;
}

static int replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return replay_folder(path);
	return replay_file(path);
}

static int replay_own(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = strstr(slash ? slash : program, "replay_");
	const char *top = getenv("top_srcdir");
	auto_free char *path = NULL;

	if (!name) {
		fprintf(stderr, "%s: name the files to replay\n", program);
		return -1;
	}
	path = mem_printf("%s/tests/fuzz/corpus/%s", top ? top : ".",
			  name + strlen("replay_"));
	FUZZ_REQUIRE(path);
	return replay(path);
}

int main(int argc, char **argv)
{
	int i, err = 0;

	if (argc < 2)
		err = replay_own(argv[0]);
	for (i = 1; i < argc && err == 0; i++)
		err = replay(argv[i]);
	if (err < 0 || n_files == 0)
		return STATUS_BROKEN;
	printf("%lu files, %lu runs\n", n_files, n_runs);
	return EXIT_SUCCESS;
}
