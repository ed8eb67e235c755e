/* SPDX-License-Identifier: ISC */
/* coffer stat: all that is known of one file of a vault. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/inside.h"
#include "cli/units.h"

#define XATTR_NAMES_MAX ((size_t)64 << 10)
#define XATTR_VALUE_MAX ((size_t)64 << 10)

/* One entry, found. */
struct subject {
	struct files *files;
	struct files_at dir;
	const char *name, *path;
	struct files_stat st;
	char *xattrs; /* owned: NUL-terminated names back to back */
	ssize_t xattrs_len;
	char *value; /* owned: room */
};

static int read_xattrs(struct subject *s)
{
	s->xattrs = mem_alloc(XATTR_NAMES_MAX);
	s->value = mem_alloc(XATTR_VALUE_MAX);
	if (!s->xattrs || !s->value)
		return -ENOMEM;
	s->xattrs_len = s->files->ops->list_xattr(s->files, s->dir, s->name,
						  s->xattrs, XATTR_NAMES_MAX);
	if (s->xattrs_len == -EOPNOTSUPP)
		s->xattrs_len = 0;
	return s->xattrs_len < 0 ? (int)s->xattrs_len : 0;
}

static void print_time(const char *label, int64_t ns)
{
	char time[UNITS_TIME_BYTES];

	printf("  %-10s%s\n", label, units_format_time(ns, 1, time));
}

static void print(const struct subject *s)
{
	const struct vault_attr *a = &s->st.attr;
	char mode[UNITS_MODE_BYTES], size[UNITS_SIZE_BYTES];

	inside_print_name(s->path);
	printf("\n  kind      %s\n", units_kind(a->mode));
	printf("  mode      %04" PRIo32 " (%s)\n", a->mode & 07777,
	       units_format_mode(a->mode, mode));
	printf("  owner     %" PRIu32 ":%" PRIu32 "\n", a->uid, a->gid);
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		printf("  device    %u, %u\n", major(a->rdev), minor(a->rdev));
	else
		printf("  size      %" PRIu64 " (%s)\n", a->size,
		       units_format_size(a->size, size));
	printf("  blocks    %" PRIu64 " of 512 bytes\n", a->blocks);
	printf("  inode     %" PRIu64 "\n", a->ino);
	printf("  links     %" PRIu32 "\n", a->nlink);
	print_time("accessed", a->atime_ns);
	print_time("modified", a->mtime_ns);
	print_time("changed", a->ctime_ns);
	for (ssize_t at = 0; at < s->xattrs_len;) {
		fputs("  attribute ", stdout);
		inside_print_name(s->xattrs + at);
		putchar('\n');
		at += (ssize_t)strlen(s->xattrs + at) + 1;
	}
}

static int put_json(const struct subject *s)
{
	struct json j = JSON_INIT(stdout);
	ssize_t n = 0;
	int r;

	json_object(&j, NULL);
	json_text(&j, "path", s->path);
	r = inside_put_json(&j, s->files, s->dir, s->name, &s->st);
	json_array(&j, "xattrs");
	for (ssize_t at = 0; n >= 0 && at < s->xattrs_len;) {
		const char *key = s->xattrs + at;

		n = s->files->ops->get_xattr(s->files, s->dir, s->name, key,
					     s->value, XATTR_VALUE_MAX);
		json_object(&j, NULL);
		json_text(&j, "name", key);
		json_hex(&j, "value_hex", s->value, n > 0 ? (size_t)n : 0);
		json_end_object(&j);
		at += (ssize_t)strlen(key) + 1;
	}
	json_end_array(&j);
	json_end_object(&j);
	putchar('\n');
	return r < 0 ? r : n < 0 ? (int)n : 0;
}

static int show(struct inside *in, const char *path, bool is_json)
{
	struct subject s = { .files = &in->files, .path = path };
	auto_free char *name = NULL;
	int r, code = inside_find(in, path, &s.dir, &name, &s.st);

	if (code != EXIT_DONE)
		return code;
	s.name = name;
	r = read_xattrs(&s);
	if (r == 0 && is_json)
		r = put_json(&s);
	else if (r == 0)
		print(&s);
	mem_free(s.xattrs);
	mem_free(s.value);
	in->files.ops->close(&in->files, &s.dir);
	return r < 0 ? fail_err(r, "cannot read %s in %s", path, in->path)
		     : EXIT_DONE;
}

static int run(struct cli *cli)
{
	struct inside in;
	int code = inside_open(cli, cli->operands[0], false, &in);

	if (code != EXIT_DONE)
		return code;
	return inside_close(&in, show(&in, cli->operands[1], cli->json));
}

const struct cli_command cmd_stat = {
	.name = "stat",
	.operands = "VAULT PATH",
	.summary = "Show all that is known of a file of a vault.",
	.groups =
		CLI_JSON | CLI_UNLOCK | CLI_RECOVERY | CLI_STATE | CLI_NO_STATE,
	.min_operands = 2,
	.max_operands = 2,
	.run = run,
};
