/* SPDX-License-Identifier: ISC */
/* A session inside: shared by session, serve, request and the operations. */
#ifndef COFFER_FUSE_SESSION_PRIV_H
#define COFFER_FUSE_SESSION_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <fuse_lowlevel.h>

#include "base/err.h"
#include "fuse/behaviour.h"
#include "fuse/inode_table.h"
#include "fuse/loop.h"
#include "fuse/notifier.h"
#include "fuse/request_stats.h"
#include "fuse/session.h"
#include "vault/tree.h"
#include "vault/vault.h"

/* -o uid=, gid=, umask= */
struct disguise {
	bool set_uid, set_gid, set_umask;
	uint32_t uid, gid, umask;
};

struct session {
	struct vault *vault;
	struct fuse_session *se;
	char *mountpoint;	  /* absolute, without links */
	_Atomic(char *) features; /* set once, when all is agreed */
	struct behaviour how;	  /* fixed from INIT on */
	struct disguise disguise;
	uid_t owner;
	unsigned idle_s, linger_s;
	void (*ready)(void *arg);
	void *ready_arg;

	struct loop *loop;
	struct notifier *notifier;
	struct inode_table *inodes;
	struct request_counters counters;
	/* Requests that mean that somebody uses the mount. */
	_Atomic uint64_t n_used;
	/* What other devices changed, counted (see reply_recheck). */
	_Atomic uint64_t n_changes;

	int stop_fd;	  /* eventfd: session_stop */
	int init_fd;	  /* eventfd: INIT was answered */
	dev_t dev;	  /* of the mounted file system; 0: not known */
	bool left_behind; /* a notifier still uses this session */

	/* Of INIT, by the one thread that answers it. */
	uint32_t init_add;
	uint32_t init_flags;
	_Atomic bool init_done;

	/* The thread whose open(2) teaches the kernel what is answered with
	 * ENOSYS; 0: none (see prime). */
	_Atomic pid_t priming;
};

/* The file that only exists while priming. */
#define PRIME_NAME ".coffer-prime"
#define PRIME_INO (UINT64_MAX - 1)

/* The request this thread is answering: what libfuse does not pass on. */
struct request {
	uint32_t opcode;
	uint64_t ino;
	bool kill_privileges; /* the kernel asks for suid, sgid to go */
	char *scratch;	      /* free memory, a MiB less the request */
	size_t scratch_bytes;
};

/* The least scratch there is for any request but WRITE. */
#define REQUEST_SCRATCH_MIN ((size_t)512 << 10)

extern _Thread_local struct request request_now;

/* Receives, counts, and passes on to libfuse, or answers itself what libfuse
 * does not know (loop_process_fn). */
void request_process(void *arg, void *buf, size_t len, size_t cap);

/* libfuse's hooks for reading and writing the device. */
extern const struct fuse_custom_io request_io;

/* All operations. */
extern const struct fuse_lowlevel_ops ops_table;

/* Closes the device, which ends the connection, without libfuse unmounting
 * whatever else may stand at the mount point by now. */
void session_close_device(struct session *s);

#endif
