/* SPDX-License-Identifier: ISC */
/* coffer ls: the names in a folder of a vault. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/inside.h"
#include "cli/units.h"

static bool is_long, is_recursive;

static int option(int key, const char *value)
{
	(void)value;
	if (key == 'l')
		is_long = true;
	else
		is_recursive = true;
	return EXIT_DONE;
}

struct listing {
	struct files *files;
	bool is_json;
	struct json json;
};

static void print_long(const struct vault_attr *a)
{
	char mode[UNITS_MODE_BYTES], time[UNITS_TIME_BYTES];

	printf("%s %3" PRIu32 " %5" PRIu32 " %5" PRIu32 " ",
	       units_format_mode(a->mode, mode), a->nlink, a->uid, a->gid);
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		printf("%6u,%5u", major(a->rdev), minor(a->rdev));
	else
		printf("%12" PRIu64, a->size);
	printf(" %s ", units_format_time(a->mtime_ns, 0, time));
}

static int print_target(struct files *f, struct files_at dir, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = f->ops->readlink(f, dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return (int)n;
	target[n] = '\0';
	fputs(" -> ", stdout);
	inside_print_name(target);
	return 0;
}

/* `path` is what is shown as the name; `name` what stands in `dir`. */
static int show(struct listing *l, struct files_at dir, const char *name,
		const char *path, const struct files_stat *st)
{
	int r = 0;

	if (l->is_json) {
		json_object(&l->json, NULL);
		json_text(&l->json, "name", path);
		r = inside_put_json(&l->json, l->files, dir, name, st);
		json_end_object(&l->json);
		return r;
	}
	if (is_long)
		print_long(&st->attr);
	inside_print_name(path);
	if (is_long && S_ISLNK(st->attr.mode))
		r = print_target(l->files, dir, name);
	putchar('\n');
	return r;
}

static int list_dir(struct listing *l, struct files_at dir, const char *prefix);

static int list_entry(struct listing *l, struct files_at dir,
		      const char *prefix, const char *name)
{
	auto_free char *path = mem_printf("%s%s", prefix, name);
	auto_free char *below = NULL;
	struct files_stat st;
	struct files_at at;
	int r;

	if (!path)
		return -ENOMEM;
	r = l->files->ops->stat(l->files, dir, name, &st);
	if (r <= 0)
		return r; /* gone meanwhile */
	r = show(l, dir, name, path, &st);
	if (r < 0 || !is_recursive || !S_ISDIR(st.attr.mode))
		return r;
	below = mem_printf("%s/", path);
	if (!below)
		return -ENOMEM;
	r = l->files->ops->open_dir(l->files, dir, name, &at);
	if (r == 0) {
		r = list_dir(l, at, below);
		l->files->ops->close(l->files, &at);
	}
	return r;
}

static int list_dir(struct listing *l, struct files_at dir, const char *prefix)
{
	auto_names struct files_names names = FILES_NAMES_INIT;
	int r = files_list(l->files, dir, &names);

	for (size_t i = 0; r >= 0 && i < names.n; i++)
		r = list_entry(l, dir, prefix, names.names[i]);
	return r < 0 ? r : 0;
}

static int list_found(struct listing *l, struct files_at dir, const char *name,
		      const char *path, const struct files_stat *st)
{
	struct files_at at;
	int r;

	if (!S_ISDIR(st->attr.mode))
		return show(l, dir, name, path, st);
	r = l->files->ops->open_dir(l->files, dir, name, &at);
	if (r < 0)
		return r;
	r = list_dir(l, at, "");
	l->files->ops->close(l->files, &at);
	return r;
}

static int list(struct inside *in, const char *path, bool is_json)
{
	struct listing l = { .files = &in->files,
			     .is_json = is_json,
			     .json = JSON_INIT(stdout) };
	auto_free char *name = NULL;
	struct files_stat st;
	struct files_at dir;
	int r, code = inside_find(in, path, &dir, &name, &st);

	if (code != EXIT_DONE)
		return code;
	if (is_json) {
		json_object(&l.json, NULL);
		json_text(&l.json, "path", path);
		json_array(&l.json, "entries");
	}
	r = list_found(&l, dir, name, path, &st);
	if (is_json) {
		json_end_array(&l.json);
		json_end_object(&l.json);
		putchar('\n');
	}
	in->files.ops->close(&in->files, &dir);
	return r < 0 ? fail_err(r, "cannot list %s in %s", path, in->path)
		     : EXIT_DONE;
}

static int run(struct cli *cli)
{
	const char *path = cli->n_operands > 1 ? cli->operands[1] : "/";
	struct inside in;
	int code = inside_open(cli, cli->operands[0], false, &in);

	if (code != EXIT_DONE)
		return code;
	return inside_close(&in, list(&in, path, cli->json));
}

static const struct cli_option options[] = {
	{ 'l', "long", NULL, "modes, owners, sizes and times too" },
	{ 'R', "recursive", NULL, "what is in folders too" },
	{ 0 },
};

const struct cli_command cmd_ls = {
	.name = "ls",
	.operands = "VAULT [PATH]",
	.summary = "List a folder of a vault.",
	.groups =
		CLI_JSON | CLI_UNLOCK | CLI_RECOVERY | CLI_STATE | CLI_NO_STATE,
	.min_operands = 1,
	.max_operands = 2,
	.options = options,
	.option = option,
	.run = run,
};
