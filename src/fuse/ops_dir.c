/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "fuse/dirbuf.h"
#include "fuse/ops.h"
#include "fuse/reading.h"
#include "fuse/reply.h"

/* A reply holds the index for about half a microsecond an entry. */
#define REPLY_BYTES_MAX ((size_t)32 << 10)
/* The shortest entry of READDIRPLUS is longer. */
#define PLUS_ENTRY_BYTES_MIN 128
#define PLUS_ENTRIES_MAX (REPLY_BYTES_MAX / PLUS_ENTRY_BYTES_MIN)

/* In the scratch memory of the thread. */
struct listing {
	struct session *s;
	struct dirbuf buf;
	/* READDIRPLUS for somebody who may read the names and not search for
	 * them: the kernel learns of no inode, for it would not ask again. */
	bool names_only;
	/* READDIRPLUS: inodes in the reply, to be counted before it is sent,
	 * and the name of the first. */
	uint64_t inos[PLUS_ENTRIES_MAX];
	size_t n_inos;
	struct vault_name first;
	char first_bytes[NAME_MAX];
	char bytes[REPLY_BYTES_MAX];
};

static_assert(sizeof(struct listing) < REQUEST_SCRATCH_MIN, "fits");

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	int r;

	if (!s->how.answer_opendir) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	r = ops_check(s, &who, ino, ACCESS_READ);
	if (r < 0) {
		reply_status(req, r);
		return;
	}
	/* The kernel keeps a listing as long as names. */
	fi->keep_cache = s->how.negative_timeout_s > 0 &&
			 !reading_matters(s, ino);
	fi->cache_readdir = fi->keep_cache;
	fuse_reply_open(req, fi);
}

/* Without `param.ino`: READDIRPLUS counts no look-up for these two. */
static bool add_dot(struct listing *l, const char *name, uint64_t ino,
		    off_t offset)
{
	const struct dirbuf_entry e = {
		.name = name,
		.name_len = strlen(name),
		.offset = offset,
		.param.attr = { .st_ino = ino, .st_mode = S_IFDIR },
	};

	return dirbuf_add(&l->buf, &e);
}

/* "." and ".." where `offset` says so.  1: added, 0: no room left. */
static int add_dots(struct listing *l, uint64_t dir, off_t offset)
{
	uint64_t parent;
	int r;

	if (offset < DIRBUF_OFFSET_DOT &&
	    !add_dot(l, ".", dir, DIRBUF_OFFSET_DOT))
		return 0;
	if (offset >= DIRBUF_OFFSET_DOTDOT)
		return 1;
	r = vault_parent(l->s->vault, dir, &parent);
	if (r < 0)
		return r;
	return add_dot(l, "..", parent, DIRBUF_OFFSET_DOTDOT);
}

static void note_inode(struct listing *l, const struct vault_entry *ve)
{
	if (!l->n_inos) {
		memcpy(l->first_bytes, ve->name.bytes, ve->name.len);
		l->first = (struct vault_name){ l->first_bytes, ve->name.len };
	}
	l->inos[l->n_inos++] = ve->ino;
}

static int add_entry(void *arg, const struct vault_entry *ve)
{
	struct listing *l = arg;
	struct dirbuf_entry e = {
		.name = ve->name.bytes,
		.name_len = ve->name.len,
		.offset = dirbuf_offset(ve->next),
	};

	if (l->buf.plus && !l->names_only)
		reply_fill_entry(l->s, ve->attr, &e.param);
	else
		e.param.attr =
			(struct stat){ .st_ino = ve->ino,
				       .st_mode = (mode_t)DTTOIF(ve->dtype) };
	if (!dirbuf_add(&l->buf, &e))
		return 1;
	if (l->buf.plus && !l->names_only)
		note_inode(l, ve);
	return 0;
}

static void uncount(struct listing *l)
{
	while (l->n_inos)
		reply_forget(l->s, l->inos[--l->n_inos], 1);
}

static int count(struct listing *l)
{
	size_t n = l->n_inos;
	int r = 0;

	for (l->n_inos = 0; l->n_inos < n; l->n_inos++) {
		r = reply_count(l->s, l->inos[l->n_inos], false);
		if (r < 0)
			break;
	}
	if (r < 0)
		uncount(l);
	return r;
}

static int fill(struct listing *l, uint64_t dir, off_t offset)
{
	int r;

	if (offset == DIRBUF_OFFSET_END)
		return 0;
	r = add_dots(l, dir, offset);
	if (r == 1)
		r = vault_readdir(l->s->vault, dir, dirbuf_position(offset),
				  l->buf.plus, add_entry, l);
	return min_of(r, 0);
}

static void list(fuse_req_t req, fuse_ino_t dir, size_t size, off_t offset,
		 bool plus)
{
	/* Aligned to a page by request_process. */
	struct listing *l = (struct listing *)(void *)request_now.scratch;
	struct session *s = session_of(req);
	const struct ops_caller who = ops_caller_of(req);
	uint64_t noted = reply_note_changes(s);
	/* Before *l is filled: a list that is asked is read into it. */
	bool names_only = plus && ops_check_search(s, &who, dir) < 0;
	int r;

	if (offset == 0 && s->how.note_lists)
		reading_note(s, dir);
	l->s = s;
	l->names_only = names_only;
	l->n_inos = 0;
	l->buf = (struct dirbuf){ .to = l->bytes,
				  .cap = min_of(size, REPLY_BYTES_MAX),
				  .plus = plus };
	r = fill(l, dir, offset);
	if (r == 0)
		r = count(l);
	if (r < 0)
		reply_status(req, r);
	else if (fuse_reply_buf(req, l->bytes, l->buf.used) != 0)
		uncount(l);
	else
		reply_recheck(s, noted, dir, l->first, l->inos, l->n_inos);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, true);
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, 0);
}

/* Every name given or taken so far comes before the file's in the cut. */
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi)
{
	op_fsync(req, ino, datasync, fi);
}
