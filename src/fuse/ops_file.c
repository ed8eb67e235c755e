/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "base/block.h"
#include "base/diag.h"
#include "base/mem.h"
#include "fuse/ops.h"
#include "fuse/prime.h"
#include "fuse/reading.h"
#include "fuse/reply.h"
#include "vault/file.h"

/* A reply counts copied bytes in 32 bits. */
#define COPY_MAX ((uint64_t)1 << 30)

/* The kernel keeps the mode it knows, and would run the program with it.
 * Attributes alone it forgets without waiting for anybody. */
static void tell_mode(struct session *s, uint64_t ino)
{
	fuse_lowlevel_notify_inval_inode(s->se, ino, -1, 0);
}

/*
 * Where the kernel sends no flag (fallocate, copy_file_range) the daemon drops
 * set-user-ID, set-group-ID and capabilities itself, unless root writes: root
 * has CAP_FSETID.  (With FUSE_HANDLE_KILLPRIV_V2 the kernel leaves it to us.)
 */
static int drop_privileges(struct session *s, fuse_req_t req, uint64_t ino)
{
	const struct ops_caller who = ops_caller_of(req);
	struct vault_attr before, after;
	unsigned mask = 0;
	int r;

	if (who.uid == 0)
		return 0;
	r = ops_lose_privileges(s, &who, ino, &mask);
	if (r == 0)
		r = vault_getattr(s->vault, ino, &before);
	if (r == 0)
		r = vault_setattr(s->vault, ino, mask, &before, &after);
	if (r == 0 && after.mode != before.mode)
		tell_mode(s, ino);
	return r;
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	int r = 0;

	if (!s->how.answer_open) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	if (ino != PRIME_INO)
		r = ops_check_open(s, &who, ino, fi->flags);
	if (r == 0 && (fi->flags & O_TRUNC))
		r = ops_truncate_at_open(s, &who, ino);
	if (r < 0) {
		reply_status(req, r);
		return;
	}
	if (fi->flags & O_TRUNC)
		ops_note_change(s, ino);
	reply_fill_open(s, fi);
	if ((fi->flags & O_ACCMODE) != O_WRONLY && reading_matters(s, ino))
		fi->keep_cache = 0;
	fuse_reply_open(req, fi);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	     struct fuse_file_info *fi)
{
	struct session *s = session_of(req);
	struct vault_read read;
	int r;

	(void)fi;
	reading_note(s, ino);
	r = vault_read(s->vault, ino, (uint64_t)off, size, &read);
	if (r < 0) {
		reply_status(req, r);
		return;
	}
	/* The kernel has copied the pieces when this returns. */
	fuse_reply_iov(req, read.pieces, (int)read.n_pieces);
	vault_read_release(s->vault, &read);
}

/*
 * An append to a file whose size another device changed: the kernel put it
 * where it believed the end to be, and into its cache there.
 */
static int write_stale_append(struct session *s, uint64_t ino, const char *buf,
			      size_t size, off_t off, unsigned flags)
{
	int r = vault_write(s->vault, ino, buf, size, (uint64_t)off,
			    flags | VAULT_WRITE_APPEND);

	if (r >= 0 && notifier_put(s->notifier, ino, NULL, 0) < 0)
		diag(DIAG_WARNING, "the kernel's copy of a file is stale");
	return r;
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi)
{
	struct session *s = session_of(req);
	unsigned flags =
		request_now.kill_privileges ? VAULT_WRITE_DROP_PRIVILEGES : 0;
	int r;

	/* Pages written back by the kernel know their place. */
	if ((fi->flags & O_APPEND) && !fi->writepage && !s->how.writeback &&
	    inode_table_is_marked(s->inodes, ino, INODE_STALE))
		r = write_stale_append(s, ino, buf, size, off, flags);
	else
		r = vault_write(s->vault, ino, buf, size, (uint64_t)off, flags);
	if (r < 0) {
		reply_status(req, r);
		return;
	}
	ops_note_change(s, ino);
	if (r & VAULT_WROTE_DROPPED)
		tell_mode(s, ino);
	if (r & VAULT_WROTE_KEPT_SGID) {
		r = drop_privileges(s, req, ino);
		if (r < 0) {
			reply_status(req, r);
			return;
		}
	}
	fuse_reply_write(req, size);
}

static int make_durable(struct session *s, uint64_t ino)
{
	int r, earlier;

	/* It waits for the disk for certain. */
	block_soon();
	r = vault_fsync(s->vault, ino);
	earlier = vault_take_error(s->vault, ino);
	return r < 0 ? r : earlier;
}

/* For a close(2) in profile `safe`; it may have only read. */
static int save(struct session *s, uint64_t ino)
{
	int r = 0;

	if (inode_table_unmark(s->inodes, ino, INODE_UNSAVED)) {
		r = make_durable(s, ino);
		if (r < 0)
			inode_table_mark(s->inodes, ino, INODE_UNSAVED);
	}
	return r;
}

/*
 * Space is reserved before a write is answered, so close(2) has nothing to
 * tell that fsync(2) would not: ENOSYS, and the kernel asks no more.
 */
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct session *s = session_of(req);

	(void)fi;
	if (!s->how.answer_flush)
		fuse_reply_err(req, ENOSYS);
	else
		reply_status(req, save(s, ino));
}

/* Nothing depends on a handle: WRITE may come after this. */
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, 0);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi)
{
	(void)datasync;
	(void)fi;
	reply_status(req, make_durable(session_of(req), ino));
}

static int allocate_flags(int mode, unsigned *ret)
{
	const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
			  FALLOC_FL_ZERO_RANGE;
	unsigned flags = 0;

	if (mode & ~known)
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_KEEP_SIZE)
		flags |= VAULT_ALLOCATE_KEEP_SIZE;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		flags |= VAULT_ALLOCATE_PUNCH;
	if (mode & FALLOC_FL_ZERO_RANGE)
		flags |= VAULT_ALLOCATE_ZERO;
	*ret = flags;
	return 0;
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
		  off_t length, struct fuse_file_info *fi)
{
	struct session *s = session_of(req);
	unsigned flags;
	int r = allocate_flags(mode, &flags);

	(void)fi;
	if (r == 0)
		r = drop_privileges(s, req, ino);
	if (r == 0)
		r = vault_fallocate(s->vault, ino, flags, (uint64_t)offset,
				    (uint64_t)length);
	if (r == 0)
		ops_note_change(s, ino);
	reply_status(req, r);
}

/*
 * With the kernel's writeback cache it does not write back before it asks, and
 * would be told of holes where there is data: it then takes all for data.
 */
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	      struct fuse_file_info *fi)
{
	struct session *s = session_of(req);
	uint64_t found;
	int r;

	(void)fi;
	if (s->how.writeback) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	r = vault_seek(s->vault, ino, (uint64_t)off, whence, &found);
	if (r < 0)
		reply_status(req, r);
	else
		fuse_reply_lseek(req, (off_t)found);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out,
			off_t off_out, struct fuse_file_info *fi_out,
			size_t len, int flags)
{
	struct session *s = session_of(req);
	ssize_t n = flags ? -EINVAL : drop_privileges(s, req, ino_out);

	(void)fi_in;
	(void)fi_out;
	if (n == 0)
		n = vault_copy_range(s->vault, ino_in, (uint64_t)off_in,
				     ino_out, (uint64_t)off_out,
				     min_of((uint64_t)len, COPY_MAX));
	if (n < 0) {
		reply_status(req, (int)n);
		return;
	}
	ops_note_change(s, ino_out);
	fuse_reply_write(req, (size_t)n);
}
