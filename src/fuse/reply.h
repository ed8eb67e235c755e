/* SPDX-License-Identifier: ISC */
/*
 * Answers: errors as errno, attributes as the kernel wants them, and the
 * counting of look-ups that goes with every entry.  No lock is held during any
 * of them.
 */
#ifndef COFFER_FUSE_REPLY_H
#define COFFER_FUSE_REPLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include <fuse_lowlevel.h>

#include "fuse/session_priv.h"
#include "vault/tree.h"

static inline struct session *session_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline struct vault_name name_of(const char *name)
{
	return (struct vault_name){ .bytes = name, .len = strlen(name) };
}

/* err: 0 or negative.  What the disk or damage is to blame for is logged. */
void reply_status(fuse_req_t req, int err);

/* As shown, with -o uid=, gid=, umask=. */
void reply_disguise(const struct session *s, struct vault_attr *attr);
struct timespec reply_timespec(int64_t ns);
void reply_fill_stat(const struct session *s, const struct vault_attr *attr,
		     struct stat *ret);
void reply_fill_entry(const struct session *s, const struct vault_attr *attr,
		      struct fuse_entry_param *ret);

/*
 * Counts a look-up of an inode the kernel is about to be told; `held`: a hold
 * was taken for this (vault_hold), which ends.  -ENOMEM: not counted.
 */
int reply_count(struct session *s, uint64_t ino, bool held) must_check;
/* The kernel forgot n look-ups, or never learnt of one. */
void reply_forget(struct session *s, uint64_t ino, uint64_t n);

/* An entry, counted; not counted if the asker is gone.  `held` as above. */
void reply_entry(fuse_req_t req, const struct vault_attr *attr, bool held);
/*
 * A race with what another device changes: attributes are read, the vault
 * tells of a change of an inode that the kernel does not know yet, and then
 * the kernel is told the old attributes, to keep for an hour.  So whoever
 * tells the kernel of inodes notes n_changes before reading them, and calls
 * this after the reply: if there were changes, everything told is invalidated
 * again.  The kernel holds `dir` locked until it has taken in the reply, which
 * the invalidation of a name in it waits for.
 */
static inline uint64_t reply_note_changes(const struct session *s)
{
	return atomic_load(&s->n_changes);
}
void reply_recheck(struct session *s, uint64_t noted, uint64_t dir,
		   struct vault_name name, const uint64_t *inos, size_t n);

/* The name is absent. */
void reply_absent(fuse_req_t req);
void reply_attr(fuse_req_t req, const struct vault_attr *attr);
/* A new or found file, opened; fi as prepared by reply_fill_open. */
void reply_created(fuse_req_t req, const struct vault_attr *attr, bool held,
		   struct fuse_file_info *fi);
void reply_fill_open(const struct session *s, struct fuse_file_info *fi);

#endif
