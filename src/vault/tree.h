/* SPDX-License-Identifier: ISC */
/*
 * The tree: names, attributes, links, extended attributes
 * (vault-format/09-merging.md for what they mean on several devices).
 *
 * Names are 1..255 bytes, any but '/' and NUL, not "." or "..": -EINVAL,
 * -ENAMETOOLONG otherwise.  Permission is the caller's business; what POSIX
 * says of types, existence and emptiness is checked here with ext4's error
 * numbers.  A read-only vault answers -EROFS.  Every change is atomic and
 * becomes durable with the next cut.
 */
#ifndef COFFER_VAULT_TREE_H
#define COFFER_VAULT_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "vault/vault.h"
#include "vault/xattr.h"

struct vault_attr {
	uint64_t ino;
	uint32_t mode; /* with the type bits of stat(2) */
	uint32_t nlink;
	uint32_t uid, gid;
	uint64_t rdev; /* makedev(3) */
	uint64_t size;
	uint64_t blocks; /* of 512 bytes; holes do not count */
	int64_t atime_ns, mtime_ns, ctime_ns, btime_ns; /* since 1970 */
};

struct vault_name {
	const void *bytes;
	size_t len;
};

/* 1: found, 0: absent; -ENOTDIR, -ENOENT (no such parent). */
int vault_lookup(struct vault *v, uint64_t parent, struct vault_name name,
		 struct vault_attr *ret) must_check;
/* -ENOENT; an unlinked inode is there while it is held (vault/hold.h). */
int vault_getattr(struct vault *v, uint64_t ino, struct vault_attr *ret)
	must_check;
/* The directory a directory is in (root: itself). */
int vault_parent(struct vault *v, uint64_t ino, uint64_t *ret) must_check;

enum vault_set {
	VAULT_SET_MODE = 1,
	VAULT_SET_UID = 2,
	VAULT_SET_GID = 4,
	VAULT_SET_SIZE = 8,
	VAULT_SET_ATIME = 16,
	VAULT_SET_MTIME = 32,
	VAULT_SET_CTIME = 64, /* else ctime becomes now */
	VAULT_DROP_PRIVILEGES = 128, /* with SIZE or owner: suid, sgid (where
					group may execute), capabilities */
	VAULT_DROP_SGID = 512,	     /* with that: sgid in any case */
	VAULT_KEEP_CTIME = 256,	     /* ... for reading, which sets atime */
};

/* `mask`: enum vault_set; the new attributes in *ret. */
int vault_setattr(struct vault *v, uint64_t ino, unsigned mask,
		  const struct vault_attr *attr, struct vault_attr *ret)
	must_check;

struct vault_new {
	uint32_t mode; /* type and permission bits */
	uint32_t uid, gid;
	uint64_t rdev;
	struct vault_name target; /* S_IFLNK */
	const struct vault_xattr *xattrs; /* it is made with */
	unsigned n_xattrs;
};

/* A new inode of any kind at a name; held once more if `hold`.  -EEXIST. */
int vault_make(struct vault *v, uint64_t parent, struct vault_name name,
	       const struct vault_new *what, bool hold,
	       struct vault_attr *ret) must_check;
/* A file without a name (O_TMPFILE), held once. */
int vault_make_unnamed(struct vault *v, const struct vault_new *what,
		       struct vault_attr *ret) must_check;
int vault_unlink(struct vault *v, uint64_t parent, struct vault_name name)
	must_check;
int vault_rmdir(struct vault *v, uint64_t parent, struct vault_name name)
	must_check;
int vault_link(struct vault *v, uint64_t ino, uint64_t parent,
	       struct vault_name name, struct vault_attr *ret) must_check;

enum vault_rename {
	VAULT_RENAME_NOREPLACE = 1, /* as renameat2(2) */
	VAULT_RENAME_EXCHANGE = 2,
	VAULT_RENAME_WHITEOUT = 4,
};

int vault_rename(struct vault *v, uint64_t from, struct vault_name from_name,
		 uint64_t to, struct vault_name to_name, unsigned flags)
	must_check;

/* The target, not terminated; returns its length, at most `cap`. */
ssize_t vault_readlink(struct vault *v, uint64_t ino, char *to, size_t cap)
	must_check;

/*
 * Entries of a directory, without "." and "..", from position `from` (0: the
 * start) in the order of stable positions.  fn gets each with the position to
 * go on from and, if `want_attr`, its attributes; it returns 0 to go on, 1 to
 * stop before this entry is counted, or an error.  Nothing is locked while a
 * reply is built: fn must not call back into the vault.
 */
struct vault_entry {
	struct vault_name name;
	uint64_t ino;
	uint64_t next;
	uint8_t dtype; /* DT_* */
	const struct vault_attr *attr;
};
typedef int vault_entry_fn(void *arg, const struct vault_entry *e);
int vault_readdir(struct vault *v, uint64_t dir, uint64_t from,
		  bool want_attr, vault_entry_fn *fn, void *arg) must_check;

/* Walks a '/'-separated path from the root without following links: 1, 0. */
int vault_walk(struct vault *v, const char *path, struct vault_attr *ret)
	must_check;

#endif
