/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "fuse/ops.h"
#include "fuse/prime.h"
#include "fuse/reading.h"
#include "fuse/reply.h"

/* What nfsd and open_by_handle_at ask: "." of an inode the kernel has only the
 * number of, ".." of a directory.  1, 0. */
static int lookup_by_number(struct vault *v, uint64_t ino, const char *name,
			    struct vault_attr *ret)
{
	int r = name[1] == '.' ? vault_parent(v, ino, &ino) : 0;

	if (r == 0)
		r = vault_getattr(v, ino, ret);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	uint64_t noted = reply_note_changes(s);
	struct vault_attr attr;
	int r;

	if (prime_answer_lookup(req, name))
		return;
	if (is_dots(name)) {
		r = lookup_by_number(s->vault, parent, name, &attr);
		if (r > 0)
			reply_entry(req, &attr, false);
		else
			reply_status(req, r < 0 ? r : -ENOENT);
		return;
	}
	r = ops_check_search(s, &who, parent);
	if (r == 0)
		r = vault_lookup(s->vault, parent, name_of(name), &attr);
	if (r < 0)
		reply_status(req, r);
	else if (r == 0)
		reply_absent(req);
	else {
		reply_entry(req, &attr, false);
		reply_recheck(s, noted, parent, name_of(name), &attr.ino, 1);
	}
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	reply_forget(session_of(req), ino, n);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets)
{
	struct session *s = session_of(req);
	size_t i;

	for (i = 0; i < count; i++)
		reply_forget(s, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct session *s = session_of(req);
	char target[PATH_MAX + 1];
	ssize_t n;

	reading_note(s, ino);
	n = vault_readlink(s->vault, ino, target, sizeof(target) - 1);
	if (n < 0) {
		reply_status(req, (int)n);
		return;
	}
	target[n] = '\0';
	fuse_reply_readlink(req, target);
}

/* Everything new but CREATE: an entry, held from its making on. */
static void make(fuse_req_t req, fuse_ino_t parent, const char *name,
		 uint32_t mode, dev_t rdev, const char *target)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	struct ops_new new;
	struct vault_attr attr;
	int r = ops_prepare_new(s, &who, parent, mode, &new);

	if (r == 0) {
		new.what.rdev = rdev;
		if (target)
			new.what.target = name_of(target);
		r = vault_make(s->vault, parent, name_of(name), &new.what, true,
			       &attr);
	}
	if (r < 0)
		reply_status(req, r);
	else
		reply_entry(req, &attr, true);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev)
{
	make(req, parent, name, mode, rdev, NULL);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	make(req, parent, name, S_IFDIR | (mode & ~(mode_t)S_IFMT), 0, NULL);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name)
{
	make(req, parent, name, S_IFLNK | 0777, 0, target);
}

/*
 * CREATE of a name that is there after all: another device made it since the
 * kernel looked.  ESTALE makes the kernel look again where it cannot simply be
 * opened.
 */
static int open_existing(struct session *s, const struct ops_caller *who,
			 uint64_t parent, const char *name, int flags,
			 struct vault_attr *ret)
{
	int r;

	if (flags & O_EXCL)
		return -EEXIST;
	r = vault_lookup(s->vault, parent, name_of(name), ret);
	if (r < 0)
		return r;
	if (r == 0 || !S_ISREG(ret->mode))
		return -ESTALE;
	r = ops_check_open(s, who, ret->ino, flags);
	if (r == 0 && (flags & O_TRUNC)) {
		r = ops_truncate_at_open(s, who, ret->ino);
		if (r == 0)
			r = vault_getattr(s->vault, ret->ino, ret);
	}
	return r;
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	struct ops_new new;
	struct vault_attr attr;
	bool held = true;
	int r = ops_prepare_new(s, &who, parent,
				S_IFREG | (mode & ~(mode_t)S_IFMT), &new);

	if (r == 0)
		r = vault_make(s->vault, parent, name_of(name), &new.what, true,
			       &attr);
	if (r == -EEXIST) {
		held = false;
		r = open_existing(s, &who, parent, name, fi->flags, &attr);
	}
	if (r < 0)
		reply_status(req, r);
	else
		reply_created(req, &attr, held, fi);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	int r = ops_check_remove(s, &who, parent, name_of(name));

	if (r == 0)
		r = vault_unlink(s->vault, parent, name_of(name));
	reply_status(req, r);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	int r = ops_check_remove(s, &who, parent, name_of(name));

	if (r == 0)
		r = vault_rmdir(s->vault, parent, name_of(name));
	reply_status(req, r);
}

/* A directory that changes its parent is written to: its ".." changes. */
static int check_moved(struct session *s, const struct ops_caller *who,
		       uint64_t dir, const char *name)
{
	struct vault_attr attr;
	int r = vault_lookup(s->vault, dir, name_of(name), &attr);

	if (r <= 0 || !S_ISDIR(attr.mode))
		return min_of(r, 0);
	return ops_check(s, who, attr.ino, ACCESS_WRITE);
}

static int check_rename(struct session *s, const struct ops_caller *who,
			uint64_t from, const char *from_name, uint64_t to,
			const char *to_name, unsigned flags)
{
	int r;

	if (!s->how.check_access || who->uid == 0)
		return 0;
	r = ops_check_remove(s, who, from, name_of(from_name));
	/* Also where the new name is absent: the directory is written to. */
	if (r == 0)
		r = ops_check_remove(s, who, to, name_of(to_name));
	if (r == 0)
		r = ops_check(s, who, to, ACCESS_WRITE | ACCESS_EXEC);
	if (r == 0 && from != to)
		r = check_moved(s, who, from, from_name);
	if (r == 0 && from != to && (flags & RENAME_EXCHANGE))
		r = check_moved(s, who, to, to_name);
	return r;
}

static int rename_flags(unsigned flags, unsigned *ret)
{
	unsigned out = 0;

	if (flags &
	    ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if (flags & RENAME_NOREPLACE)
		out |= VAULT_RENAME_NOREPLACE;
	if (flags & RENAME_EXCHANGE)
		out |= VAULT_RENAME_EXCHANGE;
	if (flags & RENAME_WHITEOUT)
		out |= VAULT_RENAME_WHITEOUT;
	*ret = out;
	return 0;
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	unsigned how;
	int r = rename_flags(flags, &how);

	if (r == 0)
		r = check_rename(s, &who, parent, name, new_parent, new_name,
				 flags);
	if (r == 0)
		r = vault_rename(s->vault, parent, name_of(name), new_parent,
				 name_of(new_name), how);
	reply_status(req, r);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent,
	     const char *new_name)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	struct vault_attr attr;
	int r = ops_check(s, &who, new_parent, ACCESS_WRITE | ACCESS_EXEC);

	if (r == 0)
		r = vault_link(s->vault, ino, new_parent, name_of(new_name),
			       &attr);
	if (r < 0)
		reply_status(req, r);
	else
		reply_entry(req, &attr, false);
}
