/* SPDX-License-Identifier: ISC */
/*
 * The one door to the disk: a table of file operations.
 *
 * Everything Coffer reads from or writes to a vault or a state directory goes
 * through a struct env, so tests can record, fail, tear and reorder it.  A
 * test's environment embeds struct env as its first member.  All functions
 * return 0 or more, or -errno; EINTR is retried inside.  Directory handles are
 * descriptors; paths are single components unless said.
 */
#ifndef COFFER_BASE_ENV_H
#define COFFER_BASE_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "base/err.h"

struct env;

/* Called for each entry of a directory but "." and ".."; a non-zero return
 * ends the listing and is returned.  `type` is DT_* of <dirent.h>, DT_UNKNOWN
 * on some file systems. */
typedef int env_entry_fn(void *arg, const char *name, unsigned char type);

struct env_ops {
	int (*open)(struct env *, int dirfd, const char *name, int flags,
		    mode_t mode);
	int (*close)(struct env *, int fd);
	/* Up to len bytes; fewer only at the end of the file. */
	ssize_t (*pread)(struct env *, int fd, void *to, size_t len,
			 uint64_t offset);
	/* As pread, but -EAGAIN instead of waiting for the disk (a part may
	 * come); -EOPNOTSUPP where RWF_NOWAIT is not supported and there is a
	 * disk to wait for. */
	ssize_t (*pread_nowait)(struct env *, int fd, void *to, size_t len,
				uint64_t offset);
	/* All of it, or an error after which any part may be written. */
	int (*pwrite)(struct env *, int fd, const void *from, size_t len,
		      uint64_t offset);
	/* Also of directories; success where those cannot be synced. */
	int (*fsync)(struct env *, int fd);
	int (*fdatasync)(struct env *, int fd);
	int (*truncate)(struct env *, int fd, uint64_t len);
	/* Reserves space (FALLOC_FL_KEEP_SIZE: the length stays);
	 * -EOPNOTSUPP where the file system cannot. */
	int (*allocate)(struct env *, int fd, uint64_t offset, uint64_t len);
	/* Gives a file opened with O_TMPFILE its name (linkat of
	 * /proc/self/fd); -EEXIST if the name stands. */
	int (*link_fd)(struct env *, int fd, int dirfd, const char *name);
	/* `flags` of renameat2(2). */
	int (*rename)(struct env *, int from_dirfd, const char *from,
		      int to_dirfd, const char *to, unsigned flags);
	int (*unlink)(struct env *, int dirfd, const char *name, int flags);
	int (*mkdir)(struct env *, int dirfd, const char *name, mode_t mode);
	int (*fstat)(struct env *, int fd, struct stat *ret_st);
	int (*list)(struct env *, int dirfd, env_entry_fn *fn, void *arg);
	int (*statvfs)(struct env *, int fd, struct statvfs *ret_st);
	/* flock(2) LOCK_EX | LOCK_NB: -EWOULDBLOCK if another holds it. */
	int (*lock)(struct env *, int fd);
};

struct env {
	const struct env_ops *ops;
};

/* The real disk; one static object, thread-safe, never freed. */
struct env *env_posix(void);

/* Closes a descriptor and forgets it; -1 is ignored. */
int env_close(struct env *env, int *fd) must_check;

/*
 * Opens a directory of untrusted content: O_DIRECTORY, O_NOFOLLOW, CLOEXEC.
 * Returns the descriptor.  With `create`, makes it first (0700) and syncs the
 * parent.
 */
int env_open_dir(struct env *env, int dirfd, const char *name, bool create)
	must_check;

/*
 * Opens a file that others may have written: O_NOFOLLOW, O_NONBLOCK, O_NOCTTY,
 * CLOEXEC, then fstat: regular (else ERR_DAMAGED) and min..max bytes long
 * (else ERR_TRUNCATED or ERR_LIMIT).  -ENOENT if absent.  Returns the
 * descriptor (vault-format: Reading what others can write).
 */
int env_open_untrusted(struct env *env, int dirfd, const char *name,
		       uint64_t min_bytes, uint64_t max_bytes,
		       uint64_t *ret_bytes) must_check;

/* Reads exactly len bytes; ERR_TRUNCATED if there are fewer. */
int env_read_exact(struct env *env, int fd, void *to, size_t len,
		   uint64_t offset) must_check;

/*
 * Reads a whole untrusted file of min..max bytes into fresh memory (to be
 * mem_free'd).  -ENOENT if absent, else as env_open_untrusted.
 */
int env_read_file(struct env *env, int dirfd, const char *name,
		  size_t min_bytes, size_t max_bytes, uint8_t **ret_data,
		  size_t *ret_len) must_check;

#endif
