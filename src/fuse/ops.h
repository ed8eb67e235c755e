/* SPDX-License-Identifier: ISC */
/*
 * The operations, one function each, as fuse_lowlevel.h describes them; and
 * what they share: who asks, and what that one may do.
 *
 * Where the kernel checks permissions (default_permissions) the checks below
 * all say yes.
 */
#ifndef COFFER_FUSE_OPS_H
#define COFFER_FUSE_OPS_H

#include <stdint.h>
#include <sys/types.h>

#include <fuse_lowlevel.h>

#include "base/err.h"
#include "fuse/access.h"
#include "fuse/session_priv.h"
#include "vault/tree.h"

struct ops_caller {
	struct session *session;
	uid_t uid;
	gid_t gid;
	pid_t pid; /* of the thread; 0: outside of our name space */
	mode_t umask; /* of a request that makes something */
};

struct ops_caller ops_caller_of(fuse_req_t req);

/* A caller for the functions of fuse/access.h; borrows `who`. */
struct access_caller ops_access_caller(const struct ops_caller *who);

/* May `who` do `want` (enum access_want) with the inode?  -EACCES, -ENOENT. */
int ops_check(struct session *s, const struct ops_caller *who, uint64_t ino,
	      unsigned want) must_check;
/* ... search the directory? */
int ops_check_search(struct session *s, const struct ops_caller *who,
		     uint64_t dir) must_check;
/* ... read or write attributes of `user`?  -EPERM. */
int ops_check_xattr(struct session *s, const struct ops_caller *who,
		    uint64_t ino, unsigned want) must_check;
/* ... take this name from the directory?  -EPERM; 0 if the name is absent. */
int ops_check_remove(struct session *s, const struct ops_caller *who,
		     uint64_t dir, struct vault_name name) must_check;

/* What is new, and the memory that its attributes take. */
struct ops_new {
	struct vault_new what;
	struct vault_xattr xattrs[2];
};

/* May `who` add to `dir`?  Then owner, group, mode and access control lists of
 * what is new there.  They stand in the thread's scratch memory. */
int ops_prepare_new(struct session *s, const struct ops_caller *who,
		    uint64_t dir, uint32_t mode, struct ops_new *ret) must_check;

/* O_TMPFILE: held once. */
int ops_make_unnamed(struct session *s, const struct ops_caller *who,
		     uint64_t dir, uint32_t mode,
		     struct vault_attr *ret) must_check;

/* For open(2) with these flags. */
int ops_check_open(struct session *s, const struct ops_caller *who,
		   uint64_t ino, int flags) must_check;
int ops_truncate_at_open(struct session *s, const struct ops_caller *who,
			 uint64_t ino) must_check;

/* Adds to *mask what a change of contents or owner by `who` takes away. */
int ops_lose_privileges(struct session *s, const struct ops_caller *who,
			uint64_t ino, unsigned *mask) must_check;

/* The contents of a file change: for `safe`, whose close(2) makes durable. */
static inline void ops_note_change(struct session *s, uint64_t ino)
{
	if (s->how.answer_flush)
		inode_table_mark(s->inodes, ino, INODE_UNSAVED);
}

/* ops_name.c */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n);
void op_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets);
void op_readlink(fuse_req_t req, fuse_ino_t ino);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t new_parent, const char *new_name, unsigned flags);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent,
	     const char *new_name);

/* ops_attr.c */
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi);
void op_access(fuse_req_t req, fuse_ino_t ino, int mask);
void op_statfs(fuse_req_t req, fuse_ino_t ino);

/* ops_file.c */
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	     struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
		  off_t length, struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	      struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out,
			off_t off_out, struct fuse_file_info *fi_out,
			size_t len, int flags);

/* ops_dir.c */
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi);

/* ops_xattr.c */
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

#endif
