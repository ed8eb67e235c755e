/* SPDX-License-Identifier: ISC */
#include "cli/copy.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "cli/exit.h"
#include "cli/hardlinks.h"
#include "cli/progress.h"
#include "cli/signals.h"

#define PIECE_BYTES ((size_t)1 << 20)
/* Each level has its directories open, and a frame of the stack. */
#define DEPTH_MAX 4000
#define XATTR_NAMES_MAX ((size_t)64 << 10)
#define XATTR_VALUE_MAX ((size_t)64 << 10)
#define TEMP_NAME_BYTES 48

struct copy {
	struct copy_options o;
	struct copy_totals totals;
	struct hardlinks *links;
	uint8_t *piece;
	char *xattr_names, *xattr_value;
	unsigned n_temps;
	bool is_root, stopped;
	int code;
};

/* One entry on its way. */
struct step {
	struct files_at from_dir, to_dir;
	const char *from_name, *to_name;
	const char *shown;   /* of `from` */
	const char *to_path; /* from the root of `to` */
	unsigned depth;
	struct files_stat st; /* of `from` */
};

int copy_new(const struct copy_options *opts, struct copy **ret)
{
	struct copy *c = mem_zalloc(sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return r;
	c->o = *opts;
	c->is_root = geteuid() == 0;
	c->piece = mem_alloc(PIECE_BYTES);
	c->xattr_names = mem_alloc(XATTR_NAMES_MAX);
	c->xattr_value = mem_alloc(XATTR_VALUE_MAX);
	if (c->piece && c->xattr_names && c->xattr_value)
		r = hardlinks_new(&c->links);
	if (r < 0)
		copy_free(c);
	else
		*ret = c;
	return r;
}

void copy_free(struct copy *c)
{
	if (!c)
		return;
	if (c->piece)
		mem_wipe(c->piece, PIECE_BYTES);
	mem_free(c->piece);
	mem_free(c->xattr_names);
	mem_free(c->xattr_value);
	hardlinks_free(c->links);
	mem_free(c);
}

int copy_code(const struct copy *c)
{
	return c->code;
}

void copy_get_totals(const struct copy *c, struct copy_totals *ret)
{
	*ret = c->totals;
}

/* ---------------------------------------------------------------- telling */

static const char *reason_of(int err)
{
	switch (err) {
	case -EEXIST:
		return "something stands there already; --force replaces "
		       "files";
	case -ENOSPC:
	case -EDQUOT:
		return "no space left; free some and do it again";
	case -EISDIR:
		return "a folder stands in its place";
	case ERR_MISSING:
		return "a part of its contents is not here; let the sync tool "
		       "finish, or run `coffer check'";
	case ERR_BAD_SEAL:
	case ERR_DAMAGED:
		return "its contents are damaged; `coffer check --read-data' "
		       "lists what is";
	default:
		return err_text(err);
	}
}

static void tell(struct copy *c, const char *shown, int err)
{
	progress_clear();
	c->totals.n_failed++;
	c->code = exit_code_worse(c->code,
				  fail_code(exit_code_of(err), "%s %s: %s",
					    c->o.doing, shown, reason_of(err)));
	if (err == -ENOSPC || err == -EDQUOT || err == -EMFILE)
		c->stopped = true;
}

static bool check_signals(struct copy *c)
{
	if (!c->stopped && signals_noted()) {
		progress_clear();
		c->code = fail_code(EXIT_INTERRUPTED,
				    "interrupted; nothing lost");
		c->stopped = true;
	}
	return c->stopped;
}

static void tell_progress(struct copy *c)
{
	progress_bytes(c->o.doing, c->totals.n_files, c->totals.n_bytes, 0);
}

/* ---------------------------------------------------------------- metadata */

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A label of SELinux belongs to a machine, not to a file. */
static bool keeps_xattr(const struct copy *c, const char *key)
{
	if (strcmp(key, "security.selinux") == 0)
		return false;
	return c->o.privileges || has_prefix(key, "user.") ||
	       has_prefix(key, "system.posix_acl_");
}

static void copy_xattr(struct copy *c, const struct step *s, const char *name,
		       const char *key)
{
	struct files *from = c->o.from, *to = c->o.to;
	ssize_t n = from->ops->get_xattr(from, s->from_dir, s->from_name, key,
					 c->xattr_value, XATTR_VALUE_MAX);

	if (n < 0 || to->ops->set_xattr(to, s->to_dir, name, key,
					c->xattr_value, (size_t)n) < 0) {
		diag(DIAG_INFO, "%s %s: the extended attribute %s is lost",
		     c->o.doing, s->shown, key);
		c->totals.n_lost_attributes++;
	}
}

static void copy_xattrs(struct copy *c, const struct step *s, const char *name)
{
	struct files *from = c->o.from;
	ssize_t n = from->ops->list_xattr(from, s->from_dir, s->from_name,
					  c->xattr_names, XATTR_NAMES_MAX);

	if (n < 0 && n != -EOPNOTSUPP)
		c->totals.n_lost_attributes++;
	for (ssize_t at = 0; at < n;) {
		const char *key = c->xattr_names + at;

		if (keeps_xattr(c, key))
			copy_xattr(c, s, name, key);
		at += (ssize_t)strlen(key) + 1;
	}
}

/* In this order: a new owner takes set-user-ID and capabilities away, a mode
 * may forbid to set attributes, and all of it changes times. */
static int dress(struct copy *c, const struct step *s, const char *name)
{
	struct files *to = c->o.to;
	struct vault_attr attr = s->st.attr;
	unsigned mask = VAULT_SET_ATIME | VAULT_SET_MTIME;
	int r = 0;

	if (!S_ISLNK(attr.mode))
		mask |= VAULT_SET_MODE;
	if (!c->o.privileges)
		attr.mode &= ~(uint32_t)(S_ISUID | S_ISGID);
	if (c->is_root)
		r = to->ops->set(to, s->to_dir, name,
				 VAULT_SET_UID | VAULT_SET_GID, &attr);
	if (r < 0)
		return r;
	copy_xattrs(c, s, name);
	return to->ops->set(to, s->to_dir, name, mask, &attr);
}

/* ---------------------------------------------------------------- contents */

/* The data from *at on: false at the end of the file. */
static bool next_data(struct copy *c, struct files_at file, uint64_t size,
		      uint64_t *at, uint64_t *ret_end, int *ret_error)
{
	struct files *from = c->o.from;
	uint64_t end;
	int r;

	*ret_error = 0;
	if (*at >= size)
		return false;
	*ret_end = size;
	r = from->ops->seek(from, file, *at, SEEK_DATA, at);
	if (r == -ENXIO)
		return false;
	/* Where holes are not told, all is data. */
	if (r == 0 && from->ops->seek(from, file, *at, SEEK_HOLE, &end) == 0)
		*ret_end = min_of(end, size);
	if (r < 0 && r != -EINVAL && r != -EOPNOTSUPP)
		*ret_error = r;
	return *at < size;
}

/* Copies up to `end`; *at is where it came to: before the end if the file was
 * cut meanwhile. */
static int copy_range(struct copy *c, struct files_at in, struct files_at out,
		      uint64_t *at, uint64_t end)
{
	struct files *from = c->o.from, *to = c->o.to;
	int r = 0;

	while (r == 0 && *at < end) {
		size_t want = (size_t)min_of(end - *at, PIECE_BYTES);
		ssize_t n = from->ops->read(from, in, c->piece, want, *at);

		if (n <= 0)
			return (int)n;
		r = to->ops->write(to, out, c->piece, (size_t)n, *at);
		*at += (uint64_t)n;
		c->totals.n_bytes += (uint64_t)n;
		tell_progress(c);
		if (check_signals(c))
			return ERR_INTERRUPTED;
	}
	return r;
}

static int copy_data(struct copy *c, struct files_at in, struct files_at out,
		     uint64_t size)
{
	uint64_t at = 0, end, written = 0;
	int r = 0, error;

	while (r == 0 && next_data(c, in, size, &at, &end, &error)) {
		if (error < 0)
			return error;
		r = copy_range(c, in, out, &at, end);
		written = at;
		if (at < end)
			break;
	}
	if (r == 0 && written < size)
		r = c->o.to->ops->truncate(c->o.to, out, size);
	return r;
}

static int fill_file(struct copy *c, const struct step *s, const char *name)
{
	struct files *from = c->o.from, *to = c->o.to;
	struct files_at in, out;
	int r = from->ops->open_file(from, s->from_dir, s->from_name, false,
				     &in);

	if (r < 0)
		return r;
	r = to->ops->open_file(to, s->to_dir, name, true, &out);
	if (r == 0) {
		r = copy_data(c, in, out, s->st.attr.size);
		to->ops->close(to, &out);
	}
	from->ops->close(from, &in);
	return r;
}

/* A name nobody else uses, beside the file's own. */
static void make_temp_name(struct copy *c, char to[static TEMP_NAME_BYTES])
{
	snprintf(to, TEMP_NAME_BYTES, ".coffer-%ld-%u.part", (long)getpid(),
		 c->n_temps++);
}

/* 1: something stands there that may be replaced. */
static int check_place(struct copy *c, const struct step *s)
{
	struct files_stat there;
	int r = c->o.to->ops->stat(c->o.to, s->to_dir, s->to_name, &there);

	if (r <= 0)
		return r;
	if (S_ISDIR(there.attr.mode))
		return -EISDIR;
	return c->o.replace ? 1 : -EEXIST;
}

/* Nobody else's until it is dressed; a link has no mode of its own. */
static uint32_t first_mode(uint32_t mode)
{
	return (mode & S_IFMT) | (S_ISLNK(mode) ? 0777 : 0600);
}

/* Makes an entry that is no directory, complete, then gives it its name. */
static int make_complete(struct copy *c, const struct step *s,
			 const char *target)
{
	struct files *to = c->o.to;
	const struct vault_attr *attr = &s->st.attr;
	char temp[TEMP_NAME_BYTES];
	const char *name = s->to_name;
	int r = check_place(c, s);
	bool replaces = r > 0;

	if (r < 0)
		return r;
	/* Nothing of a vault is seen before it is closed. */
	if (replaces || !to->vault) {
		make_temp_name(c, temp);
		name = temp;
	}
	r = to->ops->make(to, s->to_dir, name, first_mode(attr->mode),
			  attr->rdev, target);
	if (r < 0)
		return r;
	if (S_ISREG(attr->mode))
		r = fill_file(c, s, name);
	if (r == 0)
		r = dress(c, s, name);
	if (r == 0 && name == temp)
		r = to->ops->rename(to, s->to_dir, temp, s->to_name, replaces);
	if (r < 0) {
		int gone = to->ops->unlink(to, s->to_dir, name);

		(void)gone;
	}
	return r;
}

/* ---------------------------------------------------------------- entries */

static int copy_symlink(struct copy *c, const struct step *s)
{
	char target[PATH_MAX];
	ssize_t n =
		c->o.from->ops->readlink(c->o.from, s->from_dir, s->from_name,
					 target, sizeof(target) - 1);

	if (n < 0)
		return (int)n;
	target[n] = '\0';
	return make_complete(c, s, target);
}

static int copy_leaf(struct copy *c, const struct step *s)
{
	uint32_t kind = s->st.attr.mode & S_IFMT;

	if (kind == S_IFLNK)
		return copy_symlink(c, s);
	if ((kind == S_IFCHR || kind == S_IFBLK) && !c->o.privileges) {
		diag(DIAG_WARNING,
		     "%s %s: a device, left out (--privileges takes it)",
		     c->o.doing, s->shown);
		c->totals.n_skipped++;
		return 0;
	}
	return make_complete(c, s, "");
}

/* Another name of a file copied before: 1 if it is linked now. */
static int link_again(struct copy *c, const struct step *s)
{
	struct files *to = c->o.to;
	const char *first = hardlinks_find(c->links, s->st.dev, s->st.attr.ino);
	auto_free char *name = NULL;
	struct files_at dir;
	int r;

	if (!first)
		return 0;
	r = check_place(c, s);
	if (r != 0)
		return r < 0 ? r : 0;
	r = files_walk(to, first, &dir, &name);
	if (r < 0)
		return 0;
	r = to->ops->link(to, dir, name, s->to_dir, s->to_name);
	to->ops->close(to, &dir);
	/* Too many links, another device: a copy then. */
	return r == 0;
}

static void copy_file(struct copy *c, const struct step *s)
{
	bool shared = s->st.attr.nlink > 1;
	int r = shared ? link_again(c, s) : 0;

	if (r == 0) {
		r = copy_leaf(c, s);
		if (r == 0 && shared)
			r = hardlinks_add(c->links, s->st.dev, s->st.attr.ino,
					  s->to_path);
	}
	if (r >= 0)
		c->totals.n_files++;
	else if (r != ERR_INTERRUPTED)
		tell(c, s->shown, r);
	tell_progress(c);
}

static void copy_entry(struct copy *c, struct step *s);

static void copy_child(struct copy *c, const struct step *parent,
		       struct files_at in, struct files_at out,
		       const char *name)
{
	auto_free char *shown = mem_printf("%s/%s", parent->shown, name);
	auto_free char *to_path = mem_printf("%s/%s", parent->to_path, name);
	struct step s = { .from_dir = in,
			  .to_dir = out,
			  .from_name = name,
			  .to_name = name,
			  .shown = shown,
			  .to_path = to_path,
			  .depth = parent->depth + 1 };

	if (!shown || !to_path)
		tell(c, parent->shown, -ENOMEM);
	else
		copy_entry(c, &s);
}

static int copy_children(struct copy *c, const struct step *s)
{
	struct files *from = c->o.from, *to = c->o.to;
	auto_names struct files_names names = FILES_NAMES_INIT;
	struct files_at in, out;
	int r = from->ops->open_dir(from, s->from_dir, s->from_name, &in);

	if (r < 0)
		return r;
	r = to->ops->open_dir(to, s->to_dir, s->to_name, &out);
	if (r == 0) {
		r = files_list(from, in, &names);
		for (size_t i = 0; r == 0 && i < names.n; i++) {
			if (check_signals(c))
				break;
			copy_child(c, s, in, out, names.names[i]);
		}
		to->ops->close(to, &out);
	}
	from->ops->close(from, &in);
	return r;
}

static bool is_skipped(const struct copy *c, const struct files_stat *st)
{
	for (unsigned i = 0; i < c->o.n_skip; i++) {
		if (c->o.skip[i].dev == st->dev &&
		    c->o.skip[i].attr.ino == st->attr.ino)
			return true;
	}
	return false;
}

static int make_dir(struct copy *c, const struct step *s)
{
	struct files *to = c->o.to;
	struct files_stat there;
	int r;

	if (strcmp(s->to_name, ".") == 0)
		return 0;
	r = to->ops->make(to, s->to_dir, s->to_name, S_IFDIR | 0700, 0, "");
	if (r != -EEXIST)
		return r;
	r = to->ops->stat(to, s->to_dir, s->to_name, &there);
	if (r == 1)
		r = S_ISDIR(there.attr.mode) ? 0 : -ENOTDIR;
	return r;
}

static void copy_dir(struct copy *c, const struct step *s)
{
	int r;

	if (is_skipped(c, &s->st)) {
		diag(DIAG_WARNING, "%s %s: it is the vault itself, left out",
		     c->o.doing, s->shown);
		c->totals.n_skipped++;
		return;
	}
	if (s->depth == DEPTH_MAX) {
		tell(c, s->shown, -ENAMETOOLONG);
		return;
	}
	r = make_dir(c, s);
	if (r == 0)
		r = copy_children(c, s);
	/* The directory that was there to be copied into stays as it is. */
	if (r == 0 && strcmp(s->to_name, ".") != 0)
		r = dress(c, s, s->to_name);
	if (r < 0)
		tell(c, s->shown, r);
	else
		c->totals.n_files++;
}

static void copy_entry(struct copy *c, struct step *s)
{
	int r = files_stat(c->o.from, s->from_dir, s->from_name, &s->st);

	if (r <= 0)
		tell(c, s->shown, r < 0 ? r : -ENOENT);
	else if (S_ISDIR(s->st.attr.mode))
		copy_dir(c, s);
	else
		copy_file(c, s);
}

bool copy_item(struct copy *c, const struct copy_end *from,
	       const struct copy_end *to)
{
	struct step s = { .from_dir = from->dir,
			  .to_dir = to->dir,
			  .from_name = from->name,
			  .to_name = to->name,
			  .shown = from->shown,
			  .to_path = to->path };

	if (!check_signals(c))
		copy_entry(c, &s);
	return !c->stopped;
}
