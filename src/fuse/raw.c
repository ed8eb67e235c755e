/* SPDX-License-Identifier: ISC */
#include "fuse/raw.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/block.h"
#include "base/clock.h"
#include "fuse/ops.h"
#include "fuse/peek.h"
#include "fuse/reply.h"
#include "fuse/session_priv.h"

#define NOTIFY_INC_EPOCH 8

/* <linux/fuse.h> of protocol 7.39, and the names of <linux/stat.h>. */
struct raw_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct raw_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare0;
	uint64_t ino, size, blocks, attributes_mask;
	struct raw_sx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare2[14];
};

struct raw_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec, flags;
	uint64_t spare[2];
	struct raw_statx stat;
};

static_assert(sizeof(struct raw_statx) == 256, "struct fuse_statx");
static_assert(sizeof(struct raw_statx_out) == 288, "struct fuse_statx_out");

#define RAW_STATX_BASIC 0x7ffU
#define RAW_STATX_BTIME 0x800U

/* Replies on our own; 0, -ENOENT (the asker is gone) ... */
static int send_reply(struct session *s, const struct fuse_in_header *head,
		      int err, const void *body, size_t n)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + n),
		.error = -err_errno(err),
		.unique = head->unique,
	};
	struct iovec iov[2] = {
		{ .iov_base = &out, .iov_len = sizeof(out) },
		{ .iov_len = n },
	};

	/* writev does not write to it. */
	memcpy(&iov[1].iov_base, &body, sizeof(body));
	if (writev(fuse_session_fd(s->se), iov, n ? 2 : 1) < 0)
		return -errno;
	return 0;
}

static void split_timeout(double s, uint64_t *ret_s, uint32_t *ret_ns)
{
	*ret_s = (uint64_t)s;
	*ret_ns = (uint32_t)((s - (double)*ret_s) * 1e9);
}

static void fill_attr(const struct stat *st, struct fuse_attr *ret)
{
	*ret = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = (uint32_t)st->st_rdev,
		.blksize = (uint32_t)st->st_blksize,
	};
}

static int reply_tmpfile(struct session *s, const struct fuse_in_header *head,
			 const struct vault_attr *attr)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = { 0 };
	struct stat st;

	reply_fill_stat(s, attr, &st);
	out.entry.nodeid = attr->ino;
	split_timeout(s->how.timeout_s, &out.entry.attr_valid,
		      &out.entry.attr_valid_nsec);
	fill_attr(&st, &out.entry.attr);
	/* No name that could be kept: entry_valid stays 0. */
	out.open.open_flags = FOPEN_KEEP_CACHE;
	if (!s->how.answer_flush)
		out.open.open_flags |= FOPEN_NOFLUSH;
	return send_reply(s, head, 0, &out, sizeof(out));
}

static void answer_tmpfile(struct session *s, const struct fuse_in_header *head,
			   const void *msg, size_t len)
{
	struct ops_caller who = { .session = s,
				  .uid = head->uid,
				  .gid = head->gid,
				  .pid = (pid_t)head->pid };
	struct fuse_create_in in;
	struct vault_attr attr;
	int r = -EINVAL;

	if (peek_body(msg, len, &in, sizeof(in))) {
		who.umask = in.umask;
		r = ops_make_unnamed(s, &who, head->nodeid, in.mode, &attr);
	}
	if (r == 0)
		r = reply_count(s, attr.ino, true);
	if (r < 0)
		(void)!send_reply(s, head, r, NULL, 0);
	else if (reply_tmpfile(s, head, &attr) < 0)
		reply_forget(s, attr.ino, 1);
}

static void answer_syncfs(struct session *s, const struct fuse_in_header *head)
{
	block_soon();
	(void)!send_reply(s, head, vault_sync(s->vault), NULL, 0);
}

static struct raw_sx_time sx_time(const struct timespec *t)
{
	return (struct raw_sx_time){ .tv_sec = t->tv_sec,
				     .tv_nsec = (uint32_t)t->tv_nsec };
}

static void fill_statx(const struct stat *st, int64_t btime_ns,
		       struct raw_statx *ret)
{
	const struct timespec btime = reply_timespec(btime_ns);

	*ret = (struct raw_statx){
		.mask = RAW_STATX_BASIC | RAW_STATX_BTIME,
		.blksize = (uint32_t)st->st_blksize,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mode = (uint16_t)st->st_mode,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = sx_time(&st->st_atim),
		.btime = sx_time(&btime),
		.ctime = sx_time(&st->st_ctim),
		.mtime = sx_time(&st->st_mtim),
		.rdev_major = major(st->st_rdev),
		.rdev_minor = minor(st->st_rdev),
	};
}

/* Asked for the time of birth only. */
static void answer_statx(struct session *s, const struct fuse_in_header *head)
{
	struct raw_statx_out out = { 0 };
	struct vault_attr attr;
	struct stat st;
	int r;

	(void)inode_table_unmark(s->inodes, head->nodeid, INODE_STALE);
	r = vault_getattr(s->vault, head->nodeid, &attr);
	if (r < 0) {
		(void)!send_reply(s, head, r, NULL, 0);
		return;
	}
	reply_fill_stat(s, &attr, &st);
	split_timeout(s->how.timeout_s, &out.attr_valid, &out.attr_valid_nsec);
	fill_statx(&st, attr.btime_ns, &out.stat);
	(void)!send_reply(s, head, 0, &out, sizeof(out));
}

/* libfuse does this for allow_root, for what it knows. */
static bool may_ask(const struct session *s, const struct fuse_in_header *head)
{
	return !s->how.only_owner_and_root || head->uid == 0 ||
	       head->uid == s->owner;
}

bool raw_answer(struct session *s, const struct fuse_in_header *head,
		const void *msg, size_t len)
{
	if (head->opcode != FUSE_TMPFILE && head->opcode != FUSE_SYNCFS &&
	    head->opcode != RAW_OP_STATX)
		return false;
	if (!may_ask(s, head))
		(void)!send_reply(s, head, -EACCES, NULL, 0);
	else if (head->opcode == FUSE_TMPFILE)
		answer_tmpfile(s, head, msg, len);
	else if (head->opcode == FUSE_SYNCFS)
		answer_syncfs(s, head);
	else
		answer_statx(s, head);
	return true;
}

int raw_expire_all_names(struct session *s)
{
	/* A notification has no unique number and its code for an error. */
	const struct fuse_out_header out = { .len = sizeof(out),
					     .error = NOTIFY_INC_EPOCH };

	if (write(fuse_session_fd(s->se), &out, sizeof(out)) < 0)
		return -errno;
	return 0;
}
