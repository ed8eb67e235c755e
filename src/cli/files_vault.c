/* SPDX-License-Identifier: ISC */
/* A tree of files in an opened vault. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/files.h"
#include "vault/file.h"

static struct vault_name name_of(const char *name)
{
	return (struct vault_name){ .bytes = name, .len = strlen(name) };
}

static void vault_close_at(struct files *f, struct files_at *at)
{
	(void)f;
	(void)at;
}

static int vault_stat_at(struct files *f, struct files_at at,
			 struct files_stat *ret)
{
	ret->dev = 0;
	return vault_getattr(f->vault, at.ino, &ret->attr);
}

static int vault_stat(struct files *f, struct files_at dir, const char *name,
		      struct files_stat *ret)
{
	ret->dev = 0;
	return vault_lookup(f->vault, dir.ino, name_of(name), &ret->attr);
}

static int must_stat(struct files *f, struct files_at dir, const char *name,
		     struct files_stat *ret)
{
	int r = files_stat(f, dir, name, ret);

	return r == 0 ? -ENOENT : r;
}

static int vault_open_dir(struct files *f, struct files_at dir,
			  const char *name, struct files_at *ret)
{
	struct files_stat st;
	int r = must_stat(f, dir, name, &st);

	if (r < 0)
		return r;
	if (!S_ISDIR(st.attr.mode))
		return -ENOTDIR;
	*ret = (struct files_at){ .ino = st.attr.ino, .fd = -1 };
	return 0;
}

static int vault_open_file(struct files *f, struct files_at dir,
			   const char *name, bool write, struct files_at *ret)
{
	struct files_stat st;
	int r = must_stat(f, dir, name, &st);

	(void)write;
	if (r < 0)
		return r;
	if (!S_ISREG(st.attr.mode))
		return S_ISDIR(st.attr.mode) ? -EISDIR : -EINVAL;
	*ret = (struct files_at){ .ino = st.attr.ino, .fd = -1 };
	return 0;
}

struct listing {
	files_entry_fn *fn;
	void *arg;
	int error;
};

static int list_entry(void *arg, const struct vault_entry *e)
{
	struct listing *l = arg;
	char name[256];

	if (e->name.len >= sizeof(name))
		return ERR_LIMIT;
	memcpy(name, e->name.bytes, e->name.len);
	name[e->name.len] = '\0';
	l->error = l->fn(l->arg, name);
	return l->error ? 1 : 0;
}

static int vault_list(struct files *f, struct files_at dir, files_entry_fn *fn,
		      void *arg)
{
	struct listing l = { .fn = fn, .arg = arg };
	int r = vault_readdir(f->vault, dir.ino, 0, false, list_entry, &l);

	return r < 0 ? r : l.error;
}

static ssize_t vault_read_link(struct files *f, struct files_at dir,
			       const char *name, char *to, size_t cap)
{
	struct files_stat st;
	int r = must_stat(f, dir, name, &st);

	return r < 0 ? r : vault_readlink(f->vault, st.attr.ino, to, cap);
}

static ssize_t vault_read_at(struct files *f, struct files_at file, void *to,
			     size_t len, uint64_t offset)
{
	return vault_pread(f->vault, file.ino, to, len, offset);
}

static int vault_seek_at(struct files *f, struct files_at file, uint64_t offset,
			 int whence, uint64_t *ret)
{
	return vault_seek(f->vault, file.ino, offset, whence, ret);
}

static int vault_make_at(struct files *f, struct files_at dir, const char *name,
			 uint32_t mode, uint64_t rdev, const char *target)
{
	const struct vault_new what = {
		.mode = mode,
		.uid = getuid(),
		.gid = getgid(),
		.rdev = rdev,
		.target = name_of(target ? target : ""),
	};
	struct vault_attr attr;

	return vault_make(f->vault, dir.ino, name_of(name), &what, false,
			  &attr);
}

static int vault_write_at(struct files *f, struct files_at file,
			  const void *from, size_t len, uint64_t offset)
{
	return vault_write(f->vault, file.ino, from, len, offset, 0);
}

static int vault_truncate_at(struct files *f, struct files_at file,
			     uint64_t size)
{
	struct vault_attr attr = { .size = size };

	return vault_setattr(f->vault, file.ino, VAULT_SET_SIZE, &attr, &attr);
}

static int vault_link_at(struct files *f, struct files_at old_dir,
			 const char *old, struct files_at dir, const char *name)
{
	struct files_stat st;
	struct vault_attr attr;
	int r = must_stat(f, old_dir, old, &st);

	return r < 0 ? r
		     : vault_link(f->vault, st.attr.ino, dir.ino, name_of(name),
				  &attr);
}

static int vault_rename_at(struct files *f, struct files_at dir,
			   const char *from, const char *to, bool replace)
{
	return vault_rename(f->vault, dir.ino, name_of(from), dir.ino,
			    name_of(to), replace ? 0 : VAULT_RENAME_NOREPLACE);
}

static int vault_unlink_at(struct files *f, struct files_at dir,
			   const char *name)
{
	return vault_unlink(f->vault, dir.ino, name_of(name));
}

static int vault_set_at(struct files *f, struct files_at dir, const char *name,
			unsigned mask, const struct vault_attr *attr)
{
	struct files_stat st;
	struct vault_attr now;
	int r = must_stat(f, dir, name, &st);

	if (r < 0 || !mask)
		return r < 0 ? r : 0;
	return vault_setattr(f->vault, st.attr.ino, mask, attr, &now);
}

static ssize_t vault_list_xattr(struct files *f, struct files_at dir,
				const char *name, char *to, size_t cap)
{
	struct files_stat st;
	int r = must_stat(f, dir, name, &st);

	return r < 0 ? r : vault_listxattr(f->vault, st.attr.ino, to, cap);
}

static ssize_t vault_get_xattr(struct files *f, struct files_at dir,
			       const char *name, const char *key, void *to,
			       size_t cap)
{
	struct files_stat st;
	int r = must_stat(f, dir, name, &st);

	return r < 0 ? r : vault_getxattr(f->vault, st.attr.ino, key, to, cap);
}

static int vault_set_xattr(struct files *f, struct files_at dir,
			   const char *name, const char *key, const void *value,
			   size_t size)
{
	struct files_stat st;
	int r = must_stat(f, dir, name, &st);

	return r < 0 ? r
		     : vault_setxattr(f->vault, st.attr.ino, key, value, size,
				      0);
}

static const struct files_ops vault_files = {
	.close = vault_close_at,
	.stat_at = vault_stat_at,
	.stat = vault_stat,
	.open_dir = vault_open_dir,
	.open_file = vault_open_file,
	.list = vault_list,
	.readlink = vault_read_link,
	.read = vault_read_at,
	.seek = vault_seek_at,
	.make = vault_make_at,
	.write = vault_write_at,
	.truncate = vault_truncate_at,
	.link = vault_link_at,
	.rename = vault_rename_at,
	.unlink = vault_unlink_at,
	.set = vault_set_at,
	.list_xattr = vault_list_xattr,
	.get_xattr = vault_get_xattr,
	.set_xattr = vault_set_xattr,
};

void files_init_vault(struct files *f, struct vault *v)
{
	f->ops = &vault_files;
	f->vault = v;
	f->root = (struct files_at){ .ino = VAULT_ROOT_INO, .fd = -1 };
}
