/* SPDX-License-Identifier: ISC */
/*
 * 0: a command line, from the command's name on, a NUL or newline after each
 * word; it is read, and nothing is done.  1: the list of a -o.  2: numbers,
 * sizes and times as people write them.
 */
#include "base/diag.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/mount_options.h"
#include "cli/units.h"
#include "fuzz.h"

#define WORDS_MAX 24

static unsigned n_lines;

/* What was wrong is told in one line. */
static void count_line(enum diag_level level, const char *line)
{
	(void)level;
	FUZZ_REQUIRE(line[0] != '\0' && !strchr(line, '\n'));
	n_lines++;
}

static char *text_of(const uint8_t *data, size_t size)
{
	char *text = mem_alloc(size + 1);

	FUZZ_REQUIRE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* ---------------------------------------------------------------- commands */

static const struct cli_command *const commands[] = {
	&cmd_init,	 &cmd_mount,	&cmd_umount,  &cmd_status,
	&cmd_info,	 &cmd_key_list, &cmd_key_add, &cmd_key_remove,
	&cmd_key_change, &cmd_key_test, &cmd_ls,      &cmd_cat,
	&cmd_stat,	 &cmd_put,	&cmd_get,     &cmd_sync,
	&cmd_check,	 &cmd_gc,	&cmd_rebuild, &cmd_stats,
};

static void require_parsed(const struct cli *cli)
{
	const struct pass_sources *s = &cli->pass;

	FUZZ_REQUIRE(cli->n_operands >= cli->command->min_operands);
	FUZZ_REQUIRE(cli->command->max_operands < 0 ||
		     cli->n_operands <= cli->command->max_operands);
	for (int i = 0; i < cli->n_operands; i++)
		FUZZ_REQUIRE(cli->operands[i] && cli->operands[i][0]);
	FUZZ_REQUIRE(s->has_fd + !!s->file + !!s->command <= 1);
	FUZZ_REQUIRE(cli->kdf_memory_kib == 0 ||
		     cli->kdf_memory_kib >= 64 * 1024);
	FUZZ_REQUIRE(cli->kdf_passes == 0 || cli->kdf_passes >= 3);
}

static void fuzz_command(const uint8_t *data, size_t size)
{
	struct cli cli = { .command = commands[fuzz_number(&data, &size, 1) %
					       array_len(commands)] };
	auto_free char *text = text_of(data, size);
	char *argv[WORDS_MAX + 2] = { text };
	bool is_help;
	int argc = 1, r;

	for (size_t i = 0; i < size; i++)
		if (text[i] == '\n')
			text[i] = '\0';
	for (size_t i = 0; i < size && argc <= WORDS_MAX;
	     i += strlen(text + i) + 1)
		argv[argc++] = text + i;
	r = cli_parse(&cli, argc, argv, &is_help);
	FUZZ_REQUIRE(r == EXIT_DONE || r == EXIT_USAGE);
	FUZZ_REQUIRE(n_lines == (r == EXIT_USAGE));
	if (r == EXIT_DONE && !is_help)
		require_parsed(&cli);
	diag_set_level(DIAG_WARNING);
}

/* ---------------------------------------------------------------- -o */

static void fuzz_words(const uint8_t *data, size_t size)
{
	auto_free char *text = text_of(data, size);
	struct mount_options o;
	int r;

	mount_options_init(&o);
	r = mount_options_parse(&o, text);
	FUZZ_REQUIRE(r == EXIT_DONE || r == EXIT_USAGE);
	FUZZ_REQUIRE(n_lines == (r == EXIT_USAGE));
	FUZZ_REQUIRE(o.n_extra <= MOUNT_EXTRA_MAX);
	FUZZ_REQUIRE(!o.session.set_umask || o.session.umask <= 0777);
	FUZZ_REQUIRE(o.vault.cache_bytes == 0 ||
		     o.vault.cache_bytes >= (size_t)1 << 20);
	/* They outlive the text. */
	memset(text, 'x', size);
	for (size_t i = 0; i < o.n_extra; i++)
		FUZZ_REQUIRE(strlen(o.extra[i]) > 0);
	mount_options_release(&o);
}

/* ---------------------------------------------------------------- numbers */

static void fuzz_units(const uint8_t *data, size_t size)
{
	const unsigned what = (unsigned)fuzz_number(&data, &size, 1);
	auto_free char *text = text_of(data, size);
	char shown[UNITS_SIZE_BYTES], back[24], time[UNITS_TIME_BYTES];
	uint64_t n, again;
	uint32_t s;

	if (units_parse_size(text, &n) == 0) {
		snprintf(back, sizeof(back), "%llu", (unsigned long long)n);
		FUZZ_REQUIRE(units_parse_size(back, &again) == 0 && again == n);
		FUZZ_REQUIRE(units_format_size(n, shown) == shown);
		FUZZ_REQUIRE(strlen(shown) < sizeof(shown));
	}
	if (units_parse_duration(text, &s) == 0) {
		snprintf(back, sizeof(back), "%us", s);
		uint32_t same = 0;
		FUZZ_REQUIRE(units_parse_duration(back, &same) == 0 &&
			     same == s);
	}
	if (units_parse_number(text, what & 1 ? 8 : 10, what, &n) == 0)
		FUZZ_REQUIRE(n <= what);
	units_format_time((int64_t)fuzz_number(&data, &size, 8), what & 2,
			  time);
	FUZZ_REQUIRE(strlen(time) < sizeof(time));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static fuzz_fn *const parts[] = { fuzz_command, fuzz_words, fuzz_units };

	diag_set_sink(count_line);
	n_lines = 0;
	fuzz_choose(parts, array_len(parts), data, size);
	return 0;
}
