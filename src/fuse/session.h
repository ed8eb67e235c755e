/* SPDX-License-Identifier: ISC */
/*
 * A mount: one vault served to the kernel by libfuse's low-level interface.
 *
 * Order in a daemon: fork, vault_open, session_new (mounts), then
 * vault_start_background, session_run (returns when unmounted), session_free,
 * vault_close.  No thread may exist at a fork.
 */
#ifndef COFFER_FUSE_SESSION_H
#define COFFER_FUSE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fuse/request_stats.h"
#include "vault/vault.h"

/*
 * balanced: write-through, long kernel caches.
 * safe: close(2) waits until the file is durable and reports its errors;
 *       kernel caches last a second.
 * fast: the kernel's writeback cache: small writes are collected and arrive
 *       late; sizes changed on other devices show after a new mount only.
 */
enum session_profile {
	SESSION_BALANCED,
	SESSION_SAFE,
	SESSION_FAST,
};

/* Who checks modes and owners: the kernel (default_permissions) or the daemon,
 * which spares a GETATTR after each change of a directory (behaviour.h).  By
 * the daemon: owner-only mounts without `fast`; modes of FIFOs and sockets are
 * then not obeyed. */
enum session_checks {
	SESSION_CHECKS_AUTO,
	SESSION_CHECKS_KERNEL,
	SESSION_CHECKS_DAEMON,
};

/* Everything borrowed until session_new returns; `vault` and `ready_arg` until
 * session_free. */
struct session_options {
	struct vault *vault;
	const char *mountpoint;
	const char *vault_path; /* must not overlap the mount point; or NULL */
	const char *fsname;	/* NULL: "coffer" */
	bool read_only;
	bool allow_other;
	bool allow_root;
	bool nonempty;	  /* mount over a directory with entries */
	bool no_xattr;	  /* extended attributes are not supported */
	bool relatime;	  /* reading sets times, as mount(8) says */
	bool nodiratime;  /* ... but not those of directories */
	bool lock_memory; /* keep request buffers from swap */
	enum session_profile profile;
	enum session_checks checks;
	unsigned idle_s;    /* unmount when unused so long; 0: never */
	unsigned linger_s;  /* how long a mount that is busy when ended is
				served on, detached; 0: 10 */
	unsigned n_threads; /* 0: min(10, 2 x cores) */
	bool set_uid;	    /* everything seems to belong to `uid` ... */
	bool set_gid;	    /* ... and to `gid` ... */
	bool set_umask;	    /* ... with mode 0777 without `umask` */
	uint32_t uid, gid, umask;
	const char *const *extra; /* words for mount(8)'s -o, after our own */
	size_t n_extra;
	/* Called once, by the thread of session_run, when the kernel and the
	 * daemon have agreed and the mount is usable. */
	void (*ready)(void *arg);
	void *ready_arg;
};

enum session_end {
	SESSION_UNMOUNTED, /* by umount(8), fusermount3(1) */
	SESSION_SIGNALLED, /* SIGTERM, SIGINT or SIGHUP */
	SESSION_STOPPED,   /* session_stop */
	SESSION_IDLE,
};

struct session;

/*
 * Mounts.  Starts no thread and answers nothing yet: whoever touches the mount
 * waits for session_run.  ERR_NO_DEVICE (no /dev/fuse, or no fusermount3 where
 * it is needed); ERR_BAD_MOUNTPOINT, with *ret_reason (static, never freed)
 * saying why, for one line of text; -EINVAL (an unknown word in `extra`);
 * -EPERM (refused by the kernel or fusermount3, which has said why); -ENOMEM.
 */
int session_new(const struct session_options *opts, const char **ret_reason,
		struct session **ret) must_check;

/*
 * Serves until the mount is gone.  A signal, session_stop and the idle time
 * unmount it: what is busy is detached, so that the name is free, and served
 * on for `linger_s` or until a second signal.  Requests in flight are
 * answered.  0, or -errno if the device failed.
 */
int session_run(struct session *s, enum session_end *ret_end) must_check;

/* Ends session_run.  Async-signal-safe, thread-safe. */
void session_stop(struct session *s);

/* Unmounts if still mounted, gives up what the kernel knew; NULL is ignored.
 * Not while session_run runs. */
void session_free(struct session *s);

/* What was agreed with the kernel and decided here, one line; the text lives as
 * long as the session.  Thread-safe. */
const char *session_features(const struct session *s);

/* Inodes the kernel knows now. */
uint64_t session_count_inodes(const struct session *s);

/* Requests by kind since the start; thread-safe. */
void session_get_stats(const struct session *s, struct request_stats *ret);

#endif
