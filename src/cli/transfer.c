/* SPDX-License-Identifier: ISC */
#include "cli/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/diag.h"
#include "base/mem.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/units.h"

static bool replace, privileges;

const struct cli_option transfer_options[] = {
	{ 'f', "force", NULL, "replace files that stand in the way" },
	{ TRANSFER_PRIVILEGES, "privileges", NULL,
	  "devices, set-user-ID and such too" },
	{ 0 },
};

int transfer_option(int key, const char *value)
{
	(void)value;
	if (key == 'f')
		replace = true;
	else
		privileges = true;
	return EXIT_DONE;
}

/* ---------------------------------------------------------------- target */

void transfer_target_release(struct files *f, struct transfer_target *t)
{
	f->ops->close(f, &t->dir);
	mem_free(t->path);
	mem_free(t->name);
	*t = (struct transfer_target)TRANSFER_TARGET_INIT;
}

static bool ends_in_slash(const char *path)
{
	size_t n = strlen(path);

	return n > 0 && path[n - 1] == '/';
}

/* The path without its last component, which is `name`. */
static char *cut_name(const char *path, const char *name)
{
	size_t n = strlen(path);

	while (n > 0 && path[n - 1] == '/')
		n--;
	if (n >= strlen(name))
		n -= strlen(name);
	return mem_printf("%.*s", (int)n, path);
}

static int aim_into(struct files *f, const char *path, struct files_at parent,
		    const char *name, struct transfer_target *t)
{
	int r = f->ops->open_dir(f, parent, name, &t->dir);

	if (r < 0)
		return r;
	t->path = mem_strdup(path);
	return t->path ? 0 : -ENOMEM;
}

/* The directory above stays open as the target's. */
static int aim_beside(const char *path, struct files_at *parent, char **name,
		      struct transfer_target *t)
{
	t->path = cut_name(path, *name);
	if (!t->path)
		return -ENOMEM;
	t->dir = *parent;
	*parent = (struct files_at)FILES_AT_INIT;
	t->name = mem_take(*name);
	return 0;
}

int transfer_aim(struct files *f, const char *path, const char *shown,
		 int n_sources, struct transfer_target *ret)
{
	struct transfer_target t = TRANSFER_TARGET_INIT;
	struct files_at parent = FILES_AT_INIT;
	auto_free char *name = NULL;
	struct files_stat st;
	bool is_dir;
	int r = files_walk(f, path, &parent, &name);

	if (r == -EINVAL)
		return fail_code(EXIT_FAILED,
				 "cannot copy to %s in %s: paths start at the "
				 "vault's top and have no `..'",
				 path, shown);
	if (r < 0)
		return fail_err(r, "cannot copy to %s in %s", path, shown);
	r = files_stat(f, parent, name, &st);
	is_dir = r == 1 && S_ISDIR(st.attr.mode);
	if (r < 0)
		r = fail_err(r, "cannot copy to %s in %s", path, shown);
	else if (!is_dir && (n_sources > 1 || ends_in_slash(path)))
		r = fail_code(EXIT_FAILED,
			      "cannot copy to %s in %s: it is no folder%s",
			      path, shown, r ? "" : ", and does not exist");
	else
		r = is_dir ? aim_into(f, path, parent, name, &t)
			   : aim_beside(path, &parent, &name, &t);
	f->ops->close(f, &parent);
	if (r < 0)
		r = fail_err(r, "cannot copy to %s in %s", path, shown);
	if (r != EXIT_DONE)
		transfer_target_release(f, &t);
	else
		*ret = t;
	return r;
}

/* ---------------------------------------------------------------- running */

bool transfer_one(struct copy *c, const struct copy_end *from,
		  const struct transfer_target *t)
{
	const char *name = t->name ? t->name : from->name;
	auto_free char *path = mem_printf("%s/%s", t->path, name);
	const struct copy_end to = {
		.dir = t->dir,
		.name = name,
		.path = path ? path : "",
	};

	return copy_item(c, from, &to);
}

/* A vault is not put into itself, nor through its own mount. */
static void skip_path(struct copy_options *o, const char *path)
{
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return;
	o->skip[o->n_skip++] = (struct files_stat){
		.dev = st.st_dev,
		.attr = { .ino = st.st_ino },
	};
}

int transfer_begin(const struct cli *cli, struct files *from, struct files *to,
		   const char *doing, const struct inside *in,
		   struct copy **ret)
{
	struct copy_options o = { .from = from,
				  .to = to,
				  .doing = doing,
				  .replace = replace,
				  .privileges = privileges };
	int r;

	if (from != &in->files) {
		skip_path(&o, in->path);
		skip_path(&o, in->mounted.status.mount.mountpoint);
	}
	r = copy_new(&o, ret);
	if (r < 0)
		return fail_err(r, "cannot copy");
	signals_set(SIGNALS_NOTE);
	progress_start(cli->quiet);
	return EXIT_DONE;
}

int transfer_end(const struct cli *cli, struct copy *c)
{
	char size[UNITS_SIZE_BYTES];
	struct copy_totals t;
	int code = copy_code(c);

	progress_clear();
	copy_get_totals(c, &t);
	if (t.n_lost_attributes)
		diag(DIAG_WARNING,
		     "%" PRIu64 " extended attributes could not be kept "
		     "(--verbose names them)",
		     t.n_lost_attributes);
	if (!cli->quiet && code == EXIT_DONE)
		printf("%" PRIu64 " files and folders, %s\n", t.n_files,
		       units_format_size(t.n_bytes, size));
	copy_free(c);
	return code;
}
