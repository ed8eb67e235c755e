/* SPDX-License-Identifier: ISC */
#include "fuse/access.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fuse/acl.h"

#define MODE_PERMISSIONS 07777U
#define DAY_NS (24 * 3600 * NS_PER_S)

static bool is_root(const struct access_caller *c)
{
	return c->uid == 0;
}

static bool is_owner(const struct access_caller *c,
		     const struct vault_attr *attr)
{
	return is_root(c) || c->uid == attr->uid;
}

static bool in_group(const struct access_caller *c, uint32_t gid)
{
	return c->gid == gid || (c->in_groups && c->in_groups(c->arg, gid));
}

/* Root passes everywhere, but executes only what somebody may execute. */
static int check_root(const struct vault_attr *attr, unsigned want)
{
	if ((want & ACCESS_EXEC) && !S_ISDIR(attr->mode) &&
	    !(attr->mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return -EACCES;
	return 0;
}

struct acl_question {
	const struct access_caller *c;
	uint32_t owning_group;
};

static bool is_member(void *arg, uint32_t gid)
{
	const struct acl_question *q = arg;

	return in_group(q->c, gid == ACL_OWNING_GROUP ? q->owning_group : gid);
}

/* Does a list decide?  1: it grants; -EACCES; 0: there is none.  Without bits
 * for the group class, which are its mask, there is nothing for it to grant,
 * and the kernel does not look at it either. */
static int ask_acl(const struct access_caller *c, const struct vault_attr *attr,
		   unsigned want)
{
	struct acl_question q = { .c = c, .owning_group = attr->gid };
	const void *list;
	size_t bytes;
	int r;

	if (!c->acl_of || !(attr->mode & S_IRWXG))
		return 0;
	r = c->acl_of(c->arg, attr, &list, &bytes);
	if (r <= 0)
		return r;
	return acl_grants(list, bytes, c->uid, is_member, &q, want) ? 1
								    : -EACCES;
}

int access_check(const struct access_caller *c, const struct vault_attr *attr,
		 unsigned want)
{
	unsigned group = attr->mode >> 3 & 7;
	unsigned granted = attr->mode & 7;
	int r;

	if (is_root(c))
		return check_root(attr, want);
	if (c->uid == attr->uid) {
		granted = attr->mode >> 6 & 7;
		return (granted & want) == want ? 0 : -EACCES;
	}
	r = ask_acl(c, attr, want);
	if (r != 0)
		return min_of(r, 0);
	/* Groups cost the reading of a file: only if they make a difference
	 * (they may also take rights away). */
	if ((group & want) != (granted & want) && in_group(c, attr->gid))
		granted = group;
	return (granted & want) == want ? 0 : -EACCES;
}

int access_check_add(const struct access_caller *c,
		     const struct vault_attr *dir)
{
	return access_check(c, dir, ACCESS_WRITE | ACCESS_EXEC);
}

int access_check_remove(const struct access_caller *c,
			const struct vault_attr *dir,
			const struct vault_attr *victim)
{
	int r = access_check(c, dir, ACCESS_WRITE | ACCESS_EXEC);

	if (r < 0)
		return r;
	if (access_is_sticky(dir) && !is_owner(c, dir) && !is_owner(c, victim))
		return -EPERM;
	return 0;
}

int access_check_xattr(const struct access_caller *c,
		       const struct vault_attr *attr, unsigned want)
{
	if (S_ISDIR(attr->mode) && access_is_sticky(attr) &&
	    (want & ACCESS_WRITE) && !is_owner(c, attr))
		return -EPERM;
	return access_check(c, attr, want);
}

bool access_time_is_due(const struct vault_attr *attr, int64_t now_ns)
{
	return attr->atime_ns <= attr->mtime_ns ||
	       attr->atime_ns <= attr->ctime_ns ||
	       attr->atime_ns <= now_ns - DAY_NS;
}

static int check_owner_change(const struct access_caller *c,
			      const struct vault_attr *attr,
			      const struct access_change *change)
{
	if (is_root(c))
		return 0;
	if ((change->mask & VAULT_SET_UID) &&
	    (c->uid != attr->uid || change->new.uid != attr->uid))
		return -EPERM;
	if ((change->mask & VAULT_SET_GID) &&
	    (c->uid != attr->uid ||
	     (change->new.gid != attr->gid && !in_group(c, change->new.gid))))
		return -EPERM;
	return 0;
}

static int check_mode_change(const struct access_caller *c,
			     const struct vault_attr *attr,
			     struct access_change *change)
{
	uint32_t gid = attr->gid;

	if (!(change->mask & VAULT_SET_MODE))
		return 0;
	if (!is_owner(c, attr))
		return -EPERM;
	if (change->mask & VAULT_SET_GID)
		gid = change->new.gid;
	change->new.mode = access_mode_for(c, gid, change->new.mode);
	return 0;
}

static int check_time_change(const struct access_caller *c,
			     const struct vault_attr *attr,
			     const struct access_change *change)
{
	unsigned times = change->mask & (VAULT_SET_ATIME | VAULT_SET_MTIME);
	bool all_now = (!(times & VAULT_SET_ATIME) || change->atime_now) &&
		       (!(times & VAULT_SET_MTIME) || change->mtime_now);

	if (!times || is_owner(c, attr))
		return 0;
	/* A truncation brings the present time, and has its own rule. */
	if ((change->mask & VAULT_SET_SIZE) && all_now)
		return 0;
	/* utimensat(2): who may write may set both to now, and nothing else. */
	if (times == (VAULT_SET_ATIME | VAULT_SET_MTIME) && all_now)
		return access_check(c, attr, ACCESS_WRITE);
	return -EPERM;
}

int access_check_change(const struct access_caller *c,
			const struct vault_attr *attr,
			struct access_change *change)
{
	int r = check_owner_change(c, attr, change);

	if (r == 0)
		r = check_mode_change(c, attr, change);
	if (r == 0)
		r = check_time_change(c, attr, change);
	if (r == 0 && (change->mask & VAULT_SET_SIZE) && !change->through_file)
		r = access_check(c, attr, ACCESS_WRITE);
	return r;
}

int access_check_acl_change(const struct access_caller *c,
			    const struct vault_attr *attr)
{
	return is_owner(c, attr) ? 0 : -EPERM;
}

uint32_t access_mode_for(const struct access_caller *c, uint32_t gid,
			 uint32_t mode)
{
	if ((mode & S_ISGID) && !is_root(c) && !in_group(c, gid))
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

unsigned access_privileges_lost(const struct access_caller *c,
				const struct vault_attr *attr)
{
	unsigned lost = VAULT_DROP_PRIVILEGES;

	if ((attr->mode & (S_ISGID | S_IXGRP)) == S_ISGID && !is_root(c) &&
	    !in_group(c, attr->gid))
		lost |= VAULT_DROP_SGID;
	return lost;
}

void access_new_owner(const struct access_caller *c,
		      const struct vault_attr *dir, uint32_t mode,
		      uint32_t *ret_gid, uint32_t *ret_mode)
{
	mode &= (uint32_t)S_IFMT | MODE_PERMISSIONS;
	*ret_gid = c->gid;
	if (dir->mode & S_ISGID) {
		*ret_gid = dir->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
		else if ((mode & S_ISGID) && (mode & S_IXGRP) && !is_root(c) &&
			 !in_group(c, dir->gid))
			mode &= ~(uint32_t)S_ISGID;
	}
	*ret_mode = mode;
}
