/* SPDX-License-Identifier: ISC */
#include "fuse/reply.h"

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/diag.h"
#include "vault/hold.h"

/* What stdio buffers by: with the write-through cache each flush of its buffer
 * is a request. */
#define PREFERRED_IO_BYTES 65536
#define LOG_INTERVAL_NS ((uint64_t)NS_PER_S)

/* Bad news of the disk, once a second at most: a reader may try for ever. */
static void log_failure(int err)
{
	static _Atomic uint64_t last;
	uint64_t now = clock_mono_ns();
	uint64_t seen = atomic_load(&last);

	if (seen && now - seen < LOG_INTERVAL_NS)
		return;
	if (atomic_compare_exchange_strong(&last, &seen, now))
		diag_err(DIAG_ERROR, err, "%s of inode %" PRIu64,
			 request_kind_name(request_now.opcode),
			 request_now.ino);
}

void reply_status(fuse_req_t req, int err)
{
	int number = err_errno(err);

	if (number == EIO)
		log_failure(err);
	fuse_reply_err(req, number);
}

void reply_disguise(const struct session *s, struct vault_attr *attr)
{
	const struct disguise *d = &s->disguise;

	if (d->set_uid)
		attr->uid = d->uid;
	if (d->set_gid)
		attr->gid = d->gid;
	if (d->set_umask)
		attr->mode = (attr->mode & S_IFMT) | (0777 & ~d->umask);
}

struct timespec reply_timespec(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / NS_PER_S,
			      .tv_nsec = ns % NS_PER_S };

	if (t.tv_nsec < 0) {
		t.tv_sec--;
		t.tv_nsec += NS_PER_S;
	}
	return t;
}

void reply_fill_stat(const struct session *s, const struct vault_attr *attr,
		     struct stat *ret)
{
	struct vault_attr shown = *attr;

	reply_disguise(s, &shown);
	*ret = (struct stat){
		.st_ino = shown.ino,
		.st_mode = shown.mode,
		.st_nlink = shown.nlink,
		.st_uid = shown.uid,
		.st_gid = shown.gid,
		.st_rdev = shown.rdev,
		.st_size = (off_t)shown.size,
		.st_blksize = PREFERRED_IO_BYTES,
		.st_blocks = (blkcnt_t)shown.blocks,
		.st_atim = reply_timespec(shown.atime_ns),
		.st_mtim = reply_timespec(shown.mtime_ns),
		.st_ctim = reply_timespec(shown.ctime_ns),
	};
}

void reply_fill_entry(const struct session *s, const struct vault_attr *attr,
		      struct fuse_entry_param *ret)
{
	*ret = (struct fuse_entry_param){
		.ino = attr->ino,
		.attr_timeout = s->how.timeout_s,
		.entry_timeout = s->how.timeout_s,
	};
	reply_fill_stat(s, attr, &ret->attr);
}

int reply_count(struct session *s, uint64_t ino, bool held)
{
	int r = inode_table_look_up(s->inodes, ino);

	if (held)
		vault_unhold(s->vault, ino, 1);
	return r < 0 ? r : 0;
}

void reply_forget(struct session *s, uint64_t ino, uint64_t n)
{
	if (inode_table_forget(s->inodes, ino, n))
		vault_let_go(s->vault, ino);
}

void reply_entry(fuse_req_t req, const struct vault_attr *attr, bool held)
{
	struct session *s = session_of(req);
	struct fuse_entry_param e;
	int r = reply_count(s, attr->ino, held);

	if (r < 0) {
		reply_status(req, r);
		return;
	}
	reply_fill_entry(s, attr, &e);
	if (fuse_reply_entry(req, &e) != 0)
		reply_forget(s, attr->ino, 1);
}

void reply_recheck(struct session *s, uint64_t noted, uint64_t dir,
		   struct vault_name name, const uint64_t *inos, size_t n)
{
	int r;
	size_t i;

	if (atomic_load(&s->n_changes) == noted || !n)
		return;
	r = notifier_put(s->notifier, dir, name.bytes, (uint16_t)name.len);
	for (i = 0; r == 0 && i < n; i++)
		r = notifier_put(s->notifier, inos[i], NULL, 0);
	if (r < 0)
		diag_err(DIAG_WARNING, r, "the kernel's copy may be stale");
}

void reply_absent(fuse_req_t req)
{
	const struct session *s = session_of(req);
	struct fuse_entry_param e = {
		.entry_timeout = s->how.negative_timeout_s,
	};

	if (s->how.negative_timeout_s > 0)
		fuse_reply_entry(req, &e);
	else
		fuse_reply_err(req, ENOENT);
}

void reply_attr(fuse_req_t req, const struct vault_attr *attr)
{
	const struct session *s = session_of(req);
	struct stat st;

	reply_fill_stat(s, attr, &st);
	fuse_reply_attr(req, &st, s->how.timeout_s);
}

void reply_fill_open(const struct session *s, struct fuse_file_info *fi)
{
	fi->fh = 0; /* all state is kept by inode */
	fi->keep_cache = 1;
	fi->noflush = !s->how.answer_flush;
}

void reply_created(fuse_req_t req, const struct vault_attr *attr, bool held,
		   struct fuse_file_info *fi)
{
	struct session *s = session_of(req);
	struct fuse_entry_param e;
	int r = reply_count(s, attr->ino, held);

	if (r < 0) {
		reply_status(req, r);
		return;
	}
	reply_fill_entry(s, attr, &e);
	if (s->how.answer_flush)
		inode_table_mark(s->inodes, attr->ino, INODE_UNSAVED);
	reply_fill_open(s, fi);
	if (fuse_reply_create(req, &e, fi) != 0)
		reply_forget(s, attr->ino, 1);
}
