/* SPDX-License-Identifier: ISC */
#include "fuse/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "fuse/groups.h"
#include "fuse/init.h"
#include "fuse/ops_acl.h"
#include "fuse/reply.h"

/* Set in the flags of open(2) inside the kernel for execve(2) (FMODE_EXEC of
 * <linux/fs.h>). */
#define OPEN_FOR_EXEC 0x20

struct ops_caller ops_caller_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct ops_caller){ .session = session_of(req),
				    .uid = ctx->uid,
				    .gid = ctx->gid,
				    .pid = ctx->pid,
				    .umask = ctx->umask };
}

static bool caller_in_groups(void *arg, uint32_t gid)
{
	const struct ops_caller *who = arg;

	return groups_has(who->pid, gid);
}

struct access_caller ops_access_caller(const struct ops_caller *who)
{
	return (struct access_caller){
		.uid = who->uid,
		.gid = who->gid,
		.in_groups = caller_in_groups,
		.acl_of = ops_has_acls(who->session) ? ops_acl_of : NULL,
		.arg = (void *)(uintptr_t)who,
	};
}

/* Attributes as shown, which is what permissions go by. */
static int get_shown(struct session *s, uint64_t ino, struct vault_attr *ret)
{
	int r = vault_getattr(s->vault, ino, ret);

	if (r == 0)
		reply_disguise(s, ret);
	return r;
}

int ops_check(struct session *s, const struct ops_caller *who, uint64_t ino,
	      unsigned want)
{
	const struct access_caller c = ops_access_caller(who);
	struct vault_attr attr;
	int r;

	if (!s->how.check_access)
		return 0;
	r = get_shown(s, ino, &attr);
	return r < 0 ? r : access_check(&c, &attr, want);
}

int ops_check_search(struct session *s, const struct ops_caller *who,
		     uint64_t dir)
{
	return who->uid == 0 ? 0 : ops_check(s, who, dir, ACCESS_EXEC);
}

int ops_check_xattr(struct session *s, const struct ops_caller *who,
		    uint64_t ino, unsigned want)
{
	const struct access_caller c = ops_access_caller(who);
	struct vault_attr attr;
	int r;

	if (!s->how.check_access)
		return 0;
	r = get_shown(s, ino, &attr);
	return r < 0 ? r : access_check_xattr(&c, &attr, want);
}

int ops_check_remove(struct session *s, const struct ops_caller *who,
		     uint64_t dir, struct vault_name name)
{
	const struct access_caller c = ops_access_caller(who);
	struct vault_attr attr, victim;
	int r;

	if (!s->how.check_access || who->uid == 0)
		return 0;
	r = get_shown(s, dir, &attr);
	if (r < 0)
		return r;
	if (!access_is_sticky(&attr))
		return access_check(&c, &attr, ACCESS_WRITE | ACCESS_EXEC);
	r = vault_lookup(s->vault, dir, name, &victim);
	if (r <= 0)
		return r;
	reply_disguise(s, &victim);
	return access_check_remove(&c, &attr, &victim);
}

int ops_prepare_new(struct session *s, const struct ops_caller *who,
		    uint64_t dir, uint32_t mode, struct ops_new *ret)
{
	const struct access_caller c = ops_access_caller(who);
	struct vault_attr attr;
	int r = vault_getattr(s->vault, dir, &attr);

	if (r < 0)
		return r;
	*ret = (struct ops_new){ .what.uid = who->uid };
	access_new_owner(&c, &attr, mode, &ret->what.gid, &ret->what.mode);
	if (s->how.check_access) {
		reply_disguise(s, &attr);
		r = access_check_add(&c, &attr);
		if (r < 0)
			return r;
	}
	return ops_inherit_acl(s, who, dir, ret);
}

int ops_make_unnamed(struct session *s, const struct ops_caller *who,
		     uint64_t dir, uint32_t mode, struct vault_attr *ret)
{
	struct ops_new new;
	int r = ops_prepare_new(s, who, dir,
				S_IFREG | (mode & ~(uint32_t)S_IFMT), &new);

	return r < 0 ? r : vault_make_unnamed(s->vault, &new.what, ret);
}

int ops_check_open(struct session *s, const struct ops_caller *who,
		   uint64_t ino, int flags)
{
	unsigned want = 0;

	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		want = flags & OPEN_FOR_EXEC ? ACCESS_EXEC : ACCESS_READ;
		break;
	case O_WRONLY:
		want = ACCESS_WRITE;
		break;
	default: /* also 3, which asks for both */
		want = ACCESS_READ | ACCESS_WRITE;
	}
	if (flags & O_TRUNC)
		want |= ACCESS_WRITE;
	if (who->uid == 0 && !(want & ACCESS_EXEC))
		return 0;
	return ops_check(s, who, ino, want);
}

int ops_lose_privileges(struct session *s, const struct ops_caller *who,
			uint64_t ino, unsigned *mask)
{
	const struct access_caller c = ops_access_caller(who);
	struct vault_attr attr;
	int r = get_shown(s, ino, &attr);

	if (r == 0)
		*mask |= access_privileges_lost(&c, &attr);
	return r;
}

int ops_truncate_at_open(struct session *s, const struct ops_caller *who,
			 uint64_t ino)
{
	const struct vault_attr empty = { .size = 0 };
	struct vault_attr after;
	unsigned mask = VAULT_SET_SIZE;
	int r = 0;

	if (request_now.kill_privileges)
		r = ops_lose_privileges(s, who, ino, &mask);
	return r < 0 ? r : vault_setattr(s->vault, ino, mask, &empty, &after);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct session *s = userdata;
	struct init_wish wish = {
		.writeback = s->how.writeback,
		.keep_links = !s->how.note_reads,
		.apply_umask = ops_has_acls(s),
		/* It makes the kernel check permissions. */
		.obey_acls = ops_has_acls(s) && !s->how.check_access,
	};

	/* Without these a kernel takes ENOSYS for an error. */
	if (!(conn->capable & FUSE_CAP_NO_OPEN_SUPPORT))
		s->how.answer_open = true;
	if (!(conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT))
		s->how.answer_opendir = true;
	wish.atomic_truncate = s->how.answer_open;
	init_choose(conn, &wish);
}

const struct fuse_lowlevel_ops ops_table = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.access = op_access,
	.create = op_create,
	.fallocate = op_fallocate,
	.copy_file_range = op_copy_file_range,
	.lseek = op_lseek,
};
