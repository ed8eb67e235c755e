/* SPDX-License-Identifier: ISC */
/*
 * Access control lists (acl(5); POSIX.1e draft 17, 1997, chapter 23) in the
 * form of the extended attributes system.posix_acl_access and
 * system.posix_acl_default (<linux/posix_acl_xattr.h>, version 2).  Pure
 * functions of bytes.
 *
 * What an access list says for owner, mask (group, if there is no mask) and
 * others is in the mode too.  The mode counts: a list is kept as it was set,
 * and acl_apply_mode makes it agree wherever it is shown or obeyed.  So chmod(2)
 * is a change of the mode alone, and lists and modes that two devices change
 * at once never contradict each other.
 */
#ifndef COFFER_FUSE_ACL_H
#define COFFER_FUSE_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/* As acl_valid(3): entries in order, none twice, the three of the mode there,
 * a mask if users or groups are named.  -EINVAL, -EOPNOTSUPP (version). */
int acl_check(const void *list, size_t bytes) must_check;

/*
 * The rest takes lists acl_check has passed.
 */

/* The permission bits (0777) a list stands for. */
uint32_t acl_mode(const void *list, size_t bytes);
/* Does it say more than a mode can? */
bool acl_is_extended(const void *list, size_t bytes);
/* Owner, mask (or group) and others as `mode` has them. */
void acl_apply_mode(void *list, size_t bytes, uint32_t mode);

/*
 * Something new with `mode` where `list` is the default: what of `mode` the
 * list leaves.  The list, with acl_apply_mode of it, is the new access list
 * (needed only if it is extended).
 */
uint32_t acl_inherit_mode(const void *list, size_t bytes, uint32_t mode);

/*
 * Does an access list that agrees with its mode grant `want` (enum access_want)
 * to a user who is not the owner?  `in_group(arg, ACL_OWNING_GROUP)` asks for
 * the owning group.
 */
#define ACL_OWNING_GROUP UINT32_MAX
bool acl_grants(const void *list, size_t bytes, uint32_t uid,
		bool (*in_group)(void *arg, uint32_t gid), void *arg,
		unsigned want);

#endif
