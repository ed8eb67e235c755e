/* SPDX-License-Identifier: ISC */
/* coffer bench: what this machine makes of coffer's parts and of a vault. */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/signals.h"
#include "cli/units.h"
#include "crypto/backend.h"

#define WHAT_COLUMNS 40
#define OPEN_FILES_MAX 16

void bench_note(struct bench *b, const char *group, const char *what,
		enum bench_unit unit, uint64_t n, uint64_t ns)
{
	const double value =
		unit == BENCH_NS ? (double)ns / (double)max_of(n, UINT64_C(1))
				 : (double)n * (double)NS_PER_S /
					   (double)max_of(ns, UINT64_C(1));

	if (b->n_rows == BENCH_ROWS_MAX)
		return;
	b->rows[b->n_rows] = (struct bench_row){
		.group = group,
		.what = what,
		.unit = unit,
		.value = (uint64_t)(value + 0.5),
	};
	b->n_rows++;
	if (b->noted)
		b->noted(&b->rows[b->n_rows - 1]);
}

/* SplitMix64 (G. Steele, D. Lea, C. Flood: Fast Splittable Pseudorandom Number
 * Generators, OOPSLA 2014, figure 16, with the constants of D. Stafford's
 * mix13). */
uint64_t bench_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* ---------------------------------------------------------------- showing */

static void print_row(const struct bench_row *row)
{
	static const char *group;
	char size[UNITS_SIZE_BYTES];

	if (!group || strcmp(group, row->group) != 0)
		printf("%s\n", row->group);
	group = row->group;
	printf("  %-*s", WHAT_COLUMNS, row->what);
	if (row->unit == BENCH_BYTES)
		printf("%s/s\n", units_format_size(row->value, size));
	else if (row->value < 100000)
		printf("%.2f us\n", (double)row->value / 1e3);
	else
		printf("%.1f ms\n", (double)row->value / 1e6);
	fflush(stdout);
}

static void put_json(const struct bench *b, const char *folder)
{
	struct json j = JSON_INIT(stdout);
	struct crypto_backend found;

	crypto_backend(&found);
	json_object(&j, NULL);
	json_text(&j, "folder", folder);
	json_text(&j, "encryption_library", found.aead);
	json_text(&j, "hash_library", found.hash);
	json_array(&j, "rows");
	for (size_t i = 0; i < b->n_rows; i++) {
		const struct bench_row *row = &b->rows[i];

		json_object(&j, NULL);
		json_text(&j, "group", row->group);
		json_text(&j, "what", row->what);
		json_u64(&j, row->unit == BENCH_NS ? "ns" : "bytes_per_second",
			 row->value);
		json_end_object(&j);
	}
	json_end_array(&j);
	json_end_object(&j);
	putchar('\n');
}

/* ---------------------------------------------------------------- measuring */

/* In a process of its own: whatever ends it, the scratch folder goes. */
static int measure(const struct cli *cli, const char *parent,
		   const char *scratch)
{
	struct bench b = { .noted = cli->json ? NULL : print_row };
	int code, r = bench_primitives(&b);

	if (r < 0)
		return fail_err(r, "cannot measure");
	r = bench_vault(&b, scratch);
	if (r < 0)
		return fail_err(r, "cannot measure a vault in %s", parent);
	if (cli->json)
		put_json(&b, parent);
	code = fflush(stdout) == 0 && !ferror(stdout) ? EXIT_DONE : EXIT_FAILED;
	return code == EXIT_DONE
		       ? code
		       : fail_code(code, "cannot write to standard output");
}

static int code_of_status(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return fail_code(EXIT_FAILED, "the measurement was ended by signal %d",
			 WTERMSIG(status));
}

/* Its end closes the pipe.  A signal to us alone is passed on, once. */
static int wait_for(pid_t child, int fd)
{
	int status;

	if (signals_wait_readable(fd) < 0)
		kill(child, SIGTERM);
	signals_block();
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return fail_err(-errno, "waiting for the measurement");
	}
	return code_of_status(status);
}

static int measure_apart(const struct cli *cli, const char *parent,
			 const char *scratch)
{
	int fds[2], code;
	pid_t child;

	if (pipe(fds) < 0)
		return fail_err(-errno, "cannot measure");
	fflush(stdout);
	child = fork();
	if (child == 0) {
		close(fds[0]);
		signals_set(SIGNALS_ABORT);
		_exit(measure(cli, parent, scratch));
	}
	close(fds[1]);
	code = child < 0 ? fail_err(-errno, "cannot measure")
			 : wait_for(child, fds[0]);
	close(fds[0]);
	return code;
}

/* ---------------------------------------------------------------- scratch */

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path) < 0 ? -errno : 0;
}

static int remove_all(const char *folder)
{
	int r = nftw(folder, remove_one, OPEN_FILES_MAX, FTW_DEPTH | FTW_PHYS);

	if (r == -1)
		r = -errno;
	return r < 0 ? fail_err(r, "cannot remove %s", folder) : EXIT_DONE;
}

static const char *default_folder(void)
{
	const char *tmp = getenv("TMPDIR");

	return tmp && tmp[0] ? tmp : "/tmp";
}

static int run(struct cli *cli)
{
	const char *parent =
		cli->n_operands ? cli->operands[0] : default_folder();
	auto_free char *scratch = mem_printf("%s/coffer-bench.XXXXXX", parent);
	int code, removed;

	if (!scratch)
		return fail_err(-ENOMEM, "cannot measure");
	/* From here on there is something to take away. */
	signals_set(SIGNALS_NOTE);
	if (!mkdtemp(scratch))
		return fail_err(-errno, "cannot make a folder in %s", parent);
	code = measure_apart(cli, parent, scratch);
	removed = remove_all(scratch);
	return exit_code_worse(code, removed);
}

const struct cli_command cmd_bench = {
	.name = "bench",
	.operands = "[FOLDER]",
	.summary = "Measure this machine: primitives, and a scratch vault.",
	.groups = CLI_JSON,
	.max_operands = 1,
	.run = run,
};
