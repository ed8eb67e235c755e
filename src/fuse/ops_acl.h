/* SPDX-License-Identifier: ISC */
/* The operations on attributes that are access control lists (fuse/acl.h):
 * they change the mode as well, and what is new inherits them. */
#ifndef COFFER_FUSE_OPS_ACL_H
#define COFFER_FUSE_OPS_ACL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "fuse/ops.h"

bool ops_is_acl(const char *name);
/* Are there any?  Not without attributes, nor where a mode is made up. */
bool ops_has_acls(const struct session *s);
/* access_caller.acl_of, for an access_caller of ops_access_caller. */
int ops_acl_of(void *who, const struct vault_attr *attr, const void **ret,
	       size_t *ret_bytes) must_check;
int ops_set_acl(struct session *s, const struct ops_caller *who, uint64_t ino,
		const struct vault_xattr *x) must_check;
/* Its length; the bytes in `to` if they fit `cap`, which may be 0 to ask. */
ssize_t ops_get_acl(struct session *s, uint64_t ino, const char *name,
		    void *to, size_t cap) must_check;
/* What something new in `dir` inherits: changes its mode, adds to its
 * attributes. */
int ops_inherit_acl(struct session *s, const struct ops_caller *who,
		    uint64_t dir, struct ops_new *new) must_check;

#endif
