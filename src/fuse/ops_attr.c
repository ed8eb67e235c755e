/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "fuse/ops.h"
#include "fuse/prime.h"
#include "fuse/raw.h"
#include "fuse/reply.h"

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct session *s = session_of(req);
	struct vault_attr attr;
	int r;

	(void)fi;
	if (prime_answer_getattr(req, ino))
		return;
	(void)inode_table_unmark(s->inodes, ino, INODE_STALE);
	r = vault_getattr(s->vault, ino, &attr);
	if (r < 0)
		reply_status(req, r);
	else
		reply_attr(req, &attr);
}

static void take_change(const struct stat *attr, int to_set, bool has_file,
			struct access_change *ret)
{
	static const struct {
		int fuse;
		unsigned vault;
	} bits[] = {
		{ FUSE_SET_ATTR_MODE, VAULT_SET_MODE },
		{ FUSE_SET_ATTR_UID, VAULT_SET_UID },
		{ FUSE_SET_ATTR_GID, VAULT_SET_GID },
		{ FUSE_SET_ATTR_SIZE, VAULT_SET_SIZE },
		{ FUSE_SET_ATTR_ATIME, VAULT_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME, VAULT_SET_MTIME },
		{ FUSE_SET_ATTR_CTIME, VAULT_SET_CTIME },
		{ FUSE_SET_ATTR_ATIME_NOW, VAULT_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME_NOW, VAULT_SET_MTIME },
	};
	struct vault_attr *new = &ret->new;
	size_t i;

	*ret = (struct access_change){
		.atime_now = to_set & FUSE_SET_ATTR_ATIME_NOW,
		.mtime_now = to_set & FUSE_SET_ATTR_MTIME_NOW,
		.through_file = has_file,
	};
	for (i = 0; i < array_len(bits); i++) {
		if (to_set & bits[i].fuse)
			ret->mask |= bits[i].vault;
	}
	new->mode = attr->st_mode & 07777;
	new->uid = attr->st_uid;
	new->gid = attr->st_gid;
	new->size = (uint64_t)attr->st_size;
	new->atime_ns =
		ret->atime_now ? clock_file_ns() : clock_ns_of(&attr->st_atim);
	new->mtime_ns =
		ret->mtime_now ? clock_file_ns() : clock_ns_of(&attr->st_mtim);
	new->ctime_ns = clock_ns_of(&attr->st_ctim);
}

/* Where owners are a disguise, they can be set to what they seem to be, and to
 * nothing else. */
static int drop_disguised(const struct session *s, struct access_change *change)
{
	const struct disguise *d = &s->disguise;

	if (d->set_uid && (change->mask & VAULT_SET_UID)) {
		if (change->new.uid != d->uid)
			return -EPERM;
		change->mask &= ~(unsigned)VAULT_SET_UID;
	}
	if (d->set_gid && (change->mask & VAULT_SET_GID)) {
		if (change->new.gid != d->gid)
			return -EPERM;
		change->mask &= ~(unsigned)VAULT_SET_GID;
	}
	return 0;
}

/* May `who` change the inode so?  *ret_before: as it seems to be now. */
static int check_change(struct session *s, const struct ops_caller *who,
			uint64_t ino, struct access_change *change,
			struct vault_attr *ret_before)
{
	const struct access_caller c = ops_access_caller(who);
	int r;

	if (!s->how.check_access)
		return 0;
	r = vault_getattr(s->vault, ino, ret_before);
	if (r < 0)
		return r;
	reply_disguise(s, ret_before);
	return access_check_change(&c, ret_before, change);
}

static int put_name(void *arg, const struct vault_entry *e)
{
	const struct session *s = arg;

	return notifier_put(s->notifier, request_now.ino, e->name.bytes,
			    (uint16_t)e->name.len);
}

/*
 * Somebody may search a directory no longer.  The kernel would not ask about
 * the names it knows in it: it is to forget them.  Older kernels only can name
 * by name, and a moment later.
 */
static void expire_names(struct session *s, uint64_t dir)
{
	int r = raw_expire_all_names(s);

	if (r < 0)
		r = vault_readdir(s->vault, dir, 0, false, put_name, s);
	if (r < 0)
		diag_err(DIAG_WARNING, r, "names the kernel keeps");
}

static bool search_shrinks(const struct vault_attr *before,
			   const struct vault_attr *after)
{
	return S_ISDIR(after->mode) &&
	       ((before->mode & ~after->mode & 0111) ||
		before->uid != after->uid || before->gid != after->gid);
}

static int change_attr(struct session *s, const struct ops_caller *who,
		       uint64_t ino, struct access_change *change,
		       struct vault_attr *ret_after)
{
	struct vault_attr before, after;
	int r = check_change(s, who, ino, change, &before);

	if (r == 0)
		r = drop_disguised(s, change);
	if (r < 0)
		return r;
	if (!change->mask)
		return vault_getattr(s->vault, ino, ret_after);
	if (request_now.kill_privileges)
		r = ops_lose_privileges(s, who, ino, &change->mask);
	if (r < 0)
		return r;
	r = vault_setattr(s->vault, ino, change->mask, &change->new, &after);
	if (r < 0)
		return r;
	*ret_after = after;
	if (change->mask & VAULT_SET_SIZE)
		ops_note_change(s, ino);
	if (s->how.check_access && s->owner != 0) {
		reply_disguise(s, &after);
		if (search_shrinks(&before, &after))
			expire_names(s, ino);
	}
	return 0;
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	const struct ops_caller who = ops_caller_of(req);
	struct access_change change;
	struct vault_attr after;
	int r;

	take_change(attr, to_set, fi, &change);
	r = change_attr(session_of(req), &who, ino, &change, &after);
	if (r < 0)
		reply_status(req, r);
	else
		reply_attr(req, &after);
}

/* Only without default_permissions: access(2), chdir(2). */
void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);

	reply_status(req, ops_check(s, &who, ino,
				    (unsigned)mask & (R_OK | W_OK | X_OK)));
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct session *s = session_of(req);
	struct statvfs st;
	int r = vault_statvfs(s->vault, &st);

	(void)ino;
	if (r < 0)
		reply_status(req, r);
	else
		fuse_reply_statfs(req, &st);
}
