/* SPDX-License-Identifier: ISC */
/*
 * Tells the kernel what another device changed: a thread of its own, because
 * the kernel may wait for requests before it answers a notification (a
 * directory's lock is held during a LOOKUP in it), so nobody who serves
 * requests, or holds a lock one needs, may send one.
 */
#ifndef COFFER_FUSE_NOTIFIER_H
#define COFFER_FUSE_NOTIFIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct notifier;

/* An entry of a directory (name_len > 0), or an inode's attributes and data.
 * By the notifier's thread, holding nothing. */
typedef void notifier_send_fn(void *arg, uint64_t ino, const char *name,
			      uint16_t name_len);

/* Starts the thread.  -ENOMEM, -EAGAIN. */
int notifier_new(notifier_send_fn *send, void *arg,
		 struct notifier **ret) must_check;

/*
 * Queues one.  Waits a while (a second at most) when very many are queued;
 * never drops one but for want of memory (-ENOMEM).  Thread-safe; the caller
 * holds no lock.
 */
int notifier_put(struct notifier *n, uint64_t ino, const void *name,
		 uint16_t name_len) must_check;

/*
 * Ends the thread after what it is sending; what is queued is dropped.  Call
 * it when the connection is gone: the kernel then answers at once.  False: the
 * thread did not come back within some seconds and is left behind, and may
 * still use what `send` uses.
 */
bool notifier_free(struct notifier *n) must_check;

#endif
