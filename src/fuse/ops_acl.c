/* SPDX-License-Identifier: ISC */
#include "fuse/ops_acl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "format/op.h"
#include "fuse/acl.h"
#include "fuse/reply.h"

static bool is_access(const char *name)
{
	return strcmp(name, ACL_ACCESS) == 0;
}

bool ops_is_acl(const char *name)
{
	return is_access(name) || strcmp(name, ACL_DEFAULT) == 0;
}

bool ops_has_acls(const struct session *s)
{
	return s->how.answer_xattr && !s->disguise.set_umask;
}

/* Into the thread's scratch memory; 0: none, or nothing that is a list. */
static ssize_t read_list(struct session *s, uint64_t ino, const char *name)
{
	char *list = request_now.scratch;
	ssize_t n = vault_getxattr(s->vault, ino, name, list, XATTR_VALUE_MAX);

	if (n == -ENODATA)
		return 0;
	if (n < 0 || acl_check(list, (size_t)n) < 0)
		return min_of(n, (ssize_t)0);
	return n;
}

/* An access list that only says what the mode says is none. */
static ssize_t read_access(struct session *s, uint64_t ino, uint32_t mode)
{
	ssize_t n = read_list(s, ino, ACL_ACCESS);

	if (n <= 0)
		return n;
	if (!acl_is_extended(request_now.scratch, (size_t)n))
		return 0;
	acl_apply_mode(request_now.scratch, (size_t)n, mode);
	return n;
}

int ops_acl_of(void *arg, const struct vault_attr *attr, const void **ret,
	       size_t *ret_bytes)
{
	const struct ops_caller *who = arg;
	ssize_t n = read_access(who->session, attr->ino, attr->mode);

	if (n <= 0)
		return (int)n;
	*ret = request_now.scratch;
	*ret_bytes = (size_t)n;
	return 1;
}

ssize_t ops_get_acl(struct session *s, uint64_t ino, const char *name, void *to,
		    size_t cap)
{
	struct vault_attr attr;
	ssize_t n = vault_getattr(s->vault, ino, &attr);

	if (n == 0)
		n = is_access(name) ? read_access(s, ino, attr.mode)
				    : read_list(s, ino, name);
	if (n == 0)
		n = -ENODATA;
	if (n < 0 || !cap)
		return n;
	if ((size_t)n > cap)
		return -ERANGE;
	memmove(to, request_now.scratch, (size_t)n);
	return n;
}

static int set_access(struct session *s, const struct access_caller *c,
		      const struct vault_attr *attr,
		      const struct vault_xattr *x)
{
	struct vault_xattr to = *x;
	uint32_t mode = attr->mode;

	if (x->value) {
		mode = (mode & ~(uint32_t)0777) | acl_mode(x->value, x->bytes);
		mode = access_mode_for(c, attr->gid, mode);
		if (!acl_is_extended(x->value, x->bytes))
			to = (struct vault_xattr){ .name = x->name };
	}
	return vault_setxattr_and_mode(s->vault, attr->ino, &to, mode);
}

static int set_default(struct session *s, const struct vault_attr *attr,
		       const struct vault_xattr *x)
{
	int r;

	if (x->value)
		return S_ISDIR(attr->mode)
			       ? vault_setxattr(s->vault, attr->ino, x->name,
						x->value, x->bytes, 0)
			       : -EACCES;
	r = vault_removexattr(s->vault, attr->ino, x->name);
	return r == -ENODATA ? 0 : r;
}

int ops_set_acl(struct session *s, const struct ops_caller *who, uint64_t ino,
		const struct vault_xattr *x)
{
	const struct access_caller c = ops_access_caller(who);
	struct vault_attr attr, shown;
	int r = x->value ? acl_check(x->value, x->bytes) : 0;

	if (r == 0)
		r = vault_getattr(s->vault, ino, &attr);
	if (r == 0 && S_ISLNK(attr.mode))
		r = -EOPNOTSUPP;
	if (r == 0 && s->how.check_access) {
		shown = attr;
		reply_disguise(s, &shown);
		r = access_check_acl_change(&c, &shown);
	}
	if (r < 0)
		return r;
	return is_access(x->name) ? set_access(s, &c, &attr, x)
				  : set_default(s, &attr, x);
}

/* acl(5), OBJECT CREATION AND DEFAULT ACLs: the umask counts only where there
 * is no default.  Both lists are the same bytes, as the mode counts. */
int ops_inherit_acl(struct session *s, const struct ops_caller *who,
		    uint64_t dir, struct ops_new *new)
{
	struct vault_new *what = &new->what;
	struct vault_xattr *to = new->xattrs;
	ssize_t n;

	if (S_ISLNK(what->mode) || !ops_has_acls(s))
		return 0;
	n = read_list(s, dir, ACL_DEFAULT);
	if (n < 0)
		return (int)n;
	if (n == 0) {
		what->mode &= ~(uint32_t)(who->umask & 0777);
		return 0;
	}
	what->mode =
		acl_inherit_mode(request_now.scratch, (size_t)n, what->mode);
	if (acl_is_extended(request_now.scratch, (size_t)n))
		*to++ = (struct vault_xattr){ ACL_ACCESS, request_now.scratch,
					      (size_t)n };
	if (S_ISDIR(what->mode))
		*to++ = (struct vault_xattr){ ACL_DEFAULT, request_now.scratch,
					      (size_t)n };
	what->xattrs = new->xattrs;
	what->n_xattrs = (unsigned)(to - new->xattrs);
	return 0;
}
