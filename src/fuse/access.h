/* SPDX-License-Identifier: ISC */
/*
 * Permissions as path_resolution(7), chmod(2), chown(2), utimensat(2) and
 * unlink(2) have them, for mounts where the kernel leaves them to the daemon.
 * Pure functions of attributes and a caller.
 *
 * User 0 may do everything that root may on a local disk: the kernel does not
 * tell capabilities.
 */
#ifndef COFFER_FUSE_ACCESS_H
#define COFFER_FUSE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vault/tree.h"

struct access_caller {
	uint32_t uid, gid; /* of the file system: setfsuid(2) */
	/* Is `gid` among the supplementary groups?  Asked for only if it
	 * decides. */
	bool (*in_groups)(void *arg, uint32_t gid);
	/* The access control list of the inode `attr` is of, agreeing with its
	 * mode (fuse/acl.h): 1, 0 (none) or an error.  Asked for only if it
	 * decides; NULL: there are no lists. */
	int (*acl_of)(void *arg, const struct vault_attr *attr,
		      const void **ret, size_t *ret_bytes);
	void *arg;
};

/* As the bits of a mode. */
enum access_want { ACCESS_EXEC = 1, ACCESS_WRITE = 2, ACCESS_READ = 4 };

/* `want`: enum access_want.  -EACCES; what acl_of says, so for all below. */
int access_check(const struct access_caller *c, const struct vault_attr *attr,
		 unsigned want) must_check;

/* A name for something new in `dir`: -EACCES. */
int access_check_add(const struct access_caller *c,
		     const struct vault_attr *dir) must_check;

/* Taking the name of `victim` from `dir`: -EACCES; -EPERM (sticky). */
int access_check_remove(const struct access_caller *c,
			const struct vault_attr *dir,
			const struct vault_attr *victim) must_check;

/* Attributes of `user` (xattr(7)): those of a sticky directory are for its
 * owner to write.  -EPERM, -EACCES. */
int access_check_xattr(const struct access_caller *c,
		       const struct vault_attr *attr,
		       unsigned want) must_check;

/* Is removing a name from `dir` everybody's who may write there? */
static inline bool access_is_sticky(const struct vault_attr *dir)
{
	return dir->mode & 01000;
}

/* Does reading set the time of access?  mount(8), relatime: if it is not later
 * than the last change, or a day old. */
bool access_time_is_due(const struct vault_attr *attr, int64_t now_ns);

/* What chmod, chown, truncate and utimensat ask for. */
struct access_change {
	unsigned mask;	/* enum vault_set */
	bool atime_now; /* UTIME_NOW rather than a time given */
	bool mtime_now;
	bool through_file; /* a descriptor open for writing vouches for it */
	struct vault_attr new; /* fields of `mask` */
};

/* May `c` change `attr` so?  Takes set-group-ID from a new mode that `c` may
 * not give.  -EPERM, -EACCES. */
int access_check_change(const struct access_caller *c,
			const struct vault_attr *attr,
			struct access_change *change) must_check;

/* May `c` set the access control list of `attr`?  -EPERM. */
int access_check_acl_change(const struct access_caller *c,
			    const struct vault_attr *attr) must_check;

/* `mode` as `c` may give it to what has group `gid`: perhaps without
 * set-group-ID. */
uint32_t access_mode_for(const struct access_caller *c, uint32_t gid,
			 uint32_t mode);

/*
 * What a change of contents or owner of `attr` takes away from it, of
 * VAULT_DROP_PRIVILEGES and VAULT_DROP_SGID, where the kernel asks for that.
 * Sgid goes where the group may execute, and with everybody who is neither of
 * the group nor root (setattr_should_drop_sgid() in Linux 6.2's fs/attr.c).
 */
unsigned access_privileges_lost(const struct access_caller *c,
				const struct vault_attr *attr);

/* Group and mode of something new with `mode` (and type) in `dir`: a
 * set-group-ID directory hands its group down. */
void access_new_owner(const struct access_caller *c,
		      const struct vault_attr *dir, uint32_t mode,
		      uint32_t *ret_gid, uint32_t *ret_mode);

#endif
