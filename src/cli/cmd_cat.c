/* SPDX-License-Identifier: ISC */
/* coffer cat: the contents of files of a vault. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/inside.h"

#define PIECE_BYTES ((size_t)1 << 20)

static int write_all(const uint8_t *from, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_err(-errno,
					"cannot write to standard output");
		from += n;
		len -= (size_t)n;
	}
	return EXIT_DONE;
}

static int print_file(struct inside *in, struct files_at file, const char *path,
		      uint8_t *piece)
{
	struct files *f = &in->files;
	uint64_t at = 0;
	ssize_t n;
	int code = EXIT_DONE;

	do {
		n = f->ops->read(f, file, piece, PIECE_BYTES, at);
		if (n > 0) {
			code = write_all(piece, (size_t)n);
			at += (uint64_t)n;
		}
	} while (n > 0 && code == EXIT_DONE);
	return n < 0 ? fail_err((int)n, "cannot read %s in %s", path, in->path)
		     : code;
}

static int print_path(struct inside *in, const char *path, uint8_t *piece)
{
	struct files *f = &in->files;
	auto_free char *name = NULL;
	struct files_at dir, file;
	struct files_stat st;
	int r, code = inside_find(in, path, &dir, &name, &st);

	if (code != EXIT_DONE)
		return code;
	r = f->ops->open_file(f, dir, name, false, &file);
	f->ops->close(f, &dir);
	if (r == -EINVAL)
		return fail_code(EXIT_FAILED,
				 "cannot read %s in %s: it is no regular file",
				 path, in->path);
	if (r < 0)
		return fail_err(r, "cannot read %s in %s", path, in->path);
	code = print_file(in, file, path, piece);
	f->ops->close(f, &file);
	return code;
}

static int run(struct cli *cli)
{
	auto_free uint8_t *piece = mem_alloc(PIECE_BYTES);
	struct inside in;
	int code, one;

	if (!piece)
		return fail_err(-ENOMEM, "cannot read %s", cli->operands[0]);
	code = inside_open(cli, cli->operands[0], false, &in);
	if (code != EXIT_DONE)
		return code;
	for (int i = 1; i < cli->n_operands; i++) {
		one = print_path(&in, cli->operands[i], piece);
		code = exit_code_worse(code, one);
	}
	mem_wipe(piece, PIECE_BYTES);
	return inside_close(&in, code);
}

const struct cli_command cmd_cat = {
	.name = "cat",
	.operands = "VAULT PATH...",
	.summary = "Write files of a vault to standard output.",
	.groups = CLI_UNLOCK | CLI_RECOVERY | CLI_STATE | CLI_NO_STATE,
	.min_operands = 2,
	.max_operands = -1,
	.run = run,
};
