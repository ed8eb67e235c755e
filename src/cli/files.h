/* SPDX-License-Identifier: ISC */
/*
 * A tree of files behind one table of functions: in an opened vault, or on the
 * local disk (which a mounted vault is too).  What lists, shows and copies
 * files works on two of these and does not know which is which.
 *
 * Nothing is reached by a path: every name is looked up in a directory that is
 * open, without following links.  Names are single components, terminated, as
 * they come from untrusted trees: "", ".", ".." and names with a slash never
 * pass (files_name_ok).  All return 0 or more, or a negative error.
 */
#ifndef COFFER_CLI_FILES_H
#define COFFER_CLI_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "vault/tree.h"

/* An open directory or file. */
struct files_at {
	uint64_t ino; /* in a vault */
	int fd;	      /* on the disk */
};

#define FILES_AT_INIT                                                          \
	{                                                                      \
		.fd = -1                                                       \
	}

struct files_stat {
	struct vault_attr attr;
	uint64_t dev; /* 0 in a vault */
};

struct files;

/* Non-zero ends the listing and is returned. */
typedef int files_entry_fn(void *arg, const char *name);

struct files_ops {
	void (*close)(struct files *, struct files_at *);
	/* Of `at` itself. */
	int (*stat_at)(struct files *, struct files_at at,
		       struct files_stat *ret);
	/* 1: there; 0: absent. */
	int (*stat)(struct files *, struct files_at dir, const char *name,
		    struct files_stat *ret);
	/* A directory ("." too), or a regular file: -ENOTDIR, -EINVAL
	 * otherwise. */
	int (*open_dir)(struct files *, struct files_at dir, const char *name,
			struct files_at *ret);
	int (*open_file)(struct files *, struct files_at dir, const char *name,
			 bool write, struct files_at *ret);
	int (*list)(struct files *, struct files_at dir, files_entry_fn *fn,
		    void *arg);
	ssize_t (*readlink)(struct files *, struct files_at dir,
			    const char *name, char *to, size_t cap);
	ssize_t (*read)(struct files *, struct files_at file, void *to,
			size_t len, uint64_t offset);
	/* SEEK_DATA, SEEK_HOLE; -ENXIO. */
	int (*seek)(struct files *, struct files_at file, uint64_t offset,
		    int whence, uint64_t *ret);

	/* -EEXIST.  `mode` has the type too. */
	int (*make)(struct files *, struct files_at dir, const char *name,
		    uint32_t mode, uint64_t rdev, const char *target);
	int (*write)(struct files *, struct files_at file, const void *from,
		     size_t len, uint64_t offset);
	int (*truncate)(struct files *, struct files_at file, uint64_t size);
	int (*link)(struct files *, struct files_at old_dir, const char *old,
		    struct files_at dir, const char *name);
	/* -EEXIST unless `replace`. */
	int (*rename)(struct files *, struct files_at dir, const char *from,
		      const char *to, bool replace);
	int (*unlink)(struct files *, struct files_at dir, const char *name);
	/* `mask` of owner, mode, atime, mtime (enum vault_set). */
	int (*set)(struct files *, struct files_at dir, const char *name,
		   unsigned mask, const struct vault_attr *attr);

	/* As listxattr(2), getxattr(2), setxattr(2). */
	ssize_t (*list_xattr)(struct files *, struct files_at dir,
			      const char *name, char *to, size_t cap);
	ssize_t (*get_xattr)(struct files *, struct files_at dir,
			     const char *name, const char *key, void *to,
			     size_t cap);
	int (*set_xattr)(struct files *, struct files_at dir, const char *name,
			 const char *key, const void *value, size_t size);
};

struct files {
	const struct files_ops *ops;
	struct files_at root;
	struct vault *vault; /* of a vault's */
};

/* Borrows the vault. */
void files_init_vault(struct files *f, struct vault *v);
/* The directory `path` (links in it are followed) as the root. */
int files_init_local(struct files *f, const char *path) must_check;
void files_release(struct files *f);

bool files_name_ok(const char *name);

/*
 * Goes down a '/'-separated path from the root; empty components and "." are
 * skipped, ".." is -EINVAL.  Opens the directory the last component stands in
 * and gives that component ("." for the root itself; to be mem_free'd).
 * -ENOENT, -ENOTDIR (a link too).
 */
int files_walk(struct files *f, const char *path, struct files_at *ret_dir,
	       char **ret_name) must_check;
/* As ops->stat, but knows "." as the directory itself. */
int files_stat(struct files *f, struct files_at dir, const char *name,
	       struct files_stat *ret) must_check;

/* All names of a directory, sorted as bytes. */
struct files_names {
	char **names; /* owned, each too */
	size_t n, cap;
};

#define FILES_NAMES_INIT                                                       \
	{                                                                      \
		0                                                              \
	}
int files_list(struct files *f, struct files_at dir,
	       struct files_names *ret) must_check;
void files_names_release(struct files_names *n);
#define auto_names __attribute__((cleanup(files_names_release)))

#endif
