/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/mem.h"
#include "fuse/ops.h"
#include "fuse/ops_acl.h"
#include "fuse/reply.h"

static bool is_system(const char *name)
{
	return strncmp(name, "system.", strlen("system.")) == 0;
}

static bool is_in_a_space(const char *name)
{
	static const char *const spaces[] = { "user.", "trusted.", "security.",
					      "system." };

	for (size_t i = 0; i < array_len(spaces); i++) {
		if (strncmp(name, spaces[i], strlen(spaces[i])) == 0)
			return true;
	}
	return false;
}

/*
 * May the caller use this name?  The kernel has checked the name spaces
 * `trusted` and `security`, and that `user` stands at files and directories
 * only; `user` needs the permissions of the contents (xattr(7)).  Of `system`
 * there are access control lists.
 */
static int check_name(fuse_req_t req, uint64_t ino, const char *name,
		      unsigned want)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);

	if (!s->how.answer_xattr)
		return -ENOSYS;
	if (!is_in_a_space(name))
		return -EOPNOTSUPP;
	if (!strchr(name, '.')[1])
		return -EINVAL;
	if (is_system(name))
		return ops_is_acl(name) && ops_has_acls(s) ? 0 : -EOPNOTSUPP;
	if (strncmp(name, "user.", strlen("user.")) != 0)
		return 0;
	return ops_check_xattr(s, &who, ino, want);
}

static int set(fuse_req_t req, uint64_t ino, const struct vault_xattr *x,
	       int flags)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	unsigned how = 0;
	int r = check_name(req, ino, x->name, ACCESS_WRITE);

	if (r < 0)
		return r;
	if (is_system(x->name))
		return ops_set_acl(s, &who, ino, x);
	if (flags & XATTR_CREATE)
		how |= VAULT_XATTR_CREATE;
	if (flags & XATTR_REPLACE)
		how |= VAULT_XATTR_REPLACE;
	return x->value ? vault_setxattr(s->vault, ino, x->name, x->value,
					 x->bytes, how)
			: vault_removexattr(s->vault, ino, x->name);
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags)
{
	const struct vault_xattr x = { name, value, size };

	reply_status(req, set(req, ino, &x, flags));
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	const struct vault_xattr x = { .name = name };

	reply_status(req, set(req, ino, &x, 0));
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
	struct session *s = session_of(req);
	char *to = request_now.scratch;
	size_t cap = min_of(size, request_now.scratch_bytes);
	ssize_t n = check_name(req, ino, name, ACCESS_READ);

	if (n == 0)
		n = is_system(name)
			    ? ops_get_acl(s, ino, name, to, cap)
			    : vault_getxattr(s->vault, ino, name, to, cap);
	reply_bytes(req, n, size);
}

/* xattr(7): only who may use them sees names of `trusted`.  The kernel leaves
 * this to the file system. */
static bool is_shown(const struct session *s, uid_t uid, const char *name)
{
	if (strncmp(name, "trusted.", strlen("trusted.")) == 0)
		return uid == 0;
	return !is_system(name) || (ops_is_acl(name) && ops_has_acls(s));
}

/* Names back to back, in place. */
static size_t drop_hidden(const struct session *s, uid_t uid, char *names,
			  size_t n)
{
	size_t from, bytes, to = 0;

	for (from = 0; from < n; from += bytes) {
		bytes = strlen(names + from) + 1;
		if (!is_shown(s, uid, names + from))
			continue;
		memmove(names + to, names + from, bytes);
		to += bytes;
	}
	return to;
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct session *s = session_of(req);
	ssize_t n = -ENOSYS;

	if (s->how.answer_xattr)
		n = vault_listxattr(s->vault, ino, request_now.scratch,
				    request_now.scratch_bytes);
	if (n > 0)
		n = (ssize_t)drop_hidden(s, fuse_req_ctx(req)->uid,
					 request_now.scratch, (size_t)n);
	if (size && n > (ssize_t)size)
		n = -ERANGE;
	reply_bytes(req, n, size);
}
