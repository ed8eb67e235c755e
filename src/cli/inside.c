/* SPDX-License-Identifier: ISC */
#include "cli/inside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/open.h"
#include "cli/units.h"

static int open_mounted(struct inside *in)
{
	const char *point = in->mounted.status.mount.mountpoint;
	int r = files_init_local(&in->files, point);

	if (r == 0)
		return EXIT_DONE;
	r = fail_err(r, "cannot read %s where it is mounted, %s", in->path,
		     point);
	mounted_release(&in->mounted);
	return r;
}

int inside_open(const struct cli *cli, const char *path, bool write,
		struct inside *ret)
{
	struct vault_options opts = open_options(cli, path);
	int r;

	*ret = (struct inside){ .path = path };
	if (!cli->no_state && mounted_find_vault(path, &ret->mounted) == 1)
		return open_mounted(ret);
	opts.read_only = !write;
	r = open_vault(cli, &opts, &ret->vault);
	if (r == EXIT_DONE && write && vault_is_read_only(ret->vault)) {
		r = fail_code(open_read_only_code(ret->vault),
			      "cannot write to %s: %s", path,
			      vault_read_only_reason(ret->vault));
		return open_close(ret->vault, path, r);
	}
	if (r == EXIT_DONE)
		files_init_vault(&ret->files, ret->vault);
	return r;
}

int inside_close(struct inside *in, int code)
{
	files_release(&in->files);
	if (in->vault)
		return open_close(in->vault, in->path, code);
	mounted_release(&in->mounted);
	return code;
}

int inside_find(struct inside *in, const char *path, struct files_at *ret_dir,
		char **ret_name, struct files_stat *ret)
{
	int r = files_walk(&in->files, path, ret_dir, ret_name);

	if (r == 0) {
		r = files_stat(&in->files, *ret_dir, *ret_name, ret);
		if (r == 1)
			return EXIT_DONE;
		in->files.ops->close(&in->files, ret_dir);
		mem_free(*ret_name);
		*ret_name = NULL;
		r = r < 0 ? r : -ENOENT;
	}
	if (r == -EINVAL)
		return fail_code(EXIT_FAILED,
				 "cannot find %s in %s: paths start at the "
				 "vault's top and have no `..'",
				 path, in->path);
	return fail_err(r, "cannot find %s in %s", path, in->path);
}

int inside_put_json(struct json *j, struct files *f, struct files_at dir,
		    const char *name, const struct files_stat *st)
{
	const struct vault_attr *a = &st->attr;
	char target[PATH_MAX];
	ssize_t n;

	json_text(j, "kind", units_kind(a->mode));
	json_u64(j, "mode", a->mode & 07777);
	json_u64(j, "uid", a->uid);
	json_u64(j, "gid", a->gid);
	json_u64(j, "size", a->size);
	json_u64(j, "blocks", a->blocks);
	json_u64(j, "nlink", a->nlink);
	json_u64(j, "inode", a->ino);
	json_i64(j, "atime_ns", a->atime_ns);
	json_i64(j, "mtime_ns", a->mtime_ns);
	json_i64(j, "ctime_ns", a->ctime_ns);
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode)) {
		json_array(j, "rdev");
		json_u64(j, NULL, major(a->rdev));
		json_u64(j, NULL, minor(a->rdev));
		json_end_array(j);
	}
	if (!S_ISLNK(a->mode))
		return 0;
	n = f->ops->readlink(f, dir, name, target, sizeof(target));
	if (n < 0)
		return (int)n;
	json_bytes(j, "target", target, (size_t)n);
	return 0;
}

void inside_print_name(const char *name)
{
	bool plain = !isatty(STDOUT_FILENO);

	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		putchar(plain || (c >= ' ' && c != 0x7f) ? c : '?');
	}
}
