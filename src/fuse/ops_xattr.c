/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/mem.h"
#include "fuse/ops.h"
#include "fuse/reply.h"

/*
 * May the caller use this name?  The kernel has checked the name spaces
 * `trusted` and `security`, and that `user` stands at files and directories
 * only; `user` needs the permissions of the contents (xattr(7)).  Access
 * control lists would be kept and not obeyed: refused.
 */
static int check_name(fuse_req_t req, uint64_t ino, const char *name,
		      unsigned want)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);

	if (!s->how.answer_xattr)
		return -ENOSYS;
	if (strncmp(name, "system.", strlen("system.")) == 0)
		return -EOPNOTSUPP;
	if (strncmp(name, "user.", strlen("user.")) == 0)
		return ops_check(s, &who, ino, want);
	return 0;
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags)
{
	unsigned how = 0;
	int r = check_name(req, ino, name, ACCESS_WRITE);

	if (flags & XATTR_CREATE)
		how |= VAULT_XATTR_CREATE;
	if (flags & XATTR_REPLACE)
		how |= VAULT_XATTR_REPLACE;
	if (r == 0)
		r = vault_setxattr(session_of(req)->vault, ino, name, value,
				   size, how);
	reply_status(req, r);
}

/* A length or the bytes, as the kernel asked. */
static void reply_bytes(fuse_req_t req, ssize_t n, size_t asked)
{
	if (n < 0)
		reply_status(req, (int)n);
	else if (!asked)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, request_now.scratch, (size_t)n);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	ssize_t n = check_name(req, ino, name, ACCESS_READ);

	if (n == 0)
		n = vault_getxattr(session_of(req)->vault, ino, name,
				   request_now.scratch,
				   min_of(size, request_now.scratch_bytes));
	reply_bytes(req, n, size);
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct session *s = session_of(req);
	ssize_t n = -ENOSYS;

	if (s->how.answer_xattr)
		n = vault_listxattr(s->vault, ino, request_now.scratch,
				    min_of(size, request_now.scratch_bytes));
	reply_bytes(req, n, size);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	int r = check_name(req, ino, name, ACCESS_WRITE);

	if (r == 0)
		r = vault_removexattr(session_of(req)->vault, ino, name);
	reply_status(req, r);
}
