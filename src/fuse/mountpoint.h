/* SPDX-License-Identifier: ISC */
/*
 * The place in the file system where a vault is mounted: is it usable, is the
 * mount still there, and taking it away.  This is about the machine, not about
 * a vault's files, so struct env has no part in it.
 */
#ifndef COFFER_FUSE_MOUNTPOINT_H
#define COFFER_FUSE_MOUNTPOINT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * May a vault in the directory `vault_path` (NULL: not known) be mounted at
 * `path`?  0, or ERR_BAD_MOUNTPOINT and *ret_reason, a static text that goes
 * after "PATH ": "does not exist", "is not a directory" ...
 */
int mountpoint_check(const char *path, const char *vault_path, bool nonempty,
		     const char **ret_reason) must_check;

/* Can this process mount at all?  ERR_NO_DEVICE and a reason likewise. */
int mountpoint_check_fuse(const char **ret_reason) must_check;

/* May others be let in to what this process mounts?  Root always may; for
 * ordinary users fusermount3(1) looks into /etc/fuse.conf. */
bool mountpoint_may_let_in(void);
/* Does such a file, as text, say user_allow_other? */
bool mountpoint_conf_lets_in(const char *text);

/* The device number of what is mounted (on top) at the absolute, resolved
 * `path`, by /proc/self/mountinfo.  1; 0: nothing; -errno. */
int mountpoint_top(const char *path, dev_t *ret) must_check;

/* Is `line` of mountinfo about a mount at `path`?  Then of which device. */
bool mountpoint_parse_line(const char *line, const char *path, dev_t *ret);

/* Unmounts: -EBUSY if used and not `detach`.  As root by umount2(2), else by
 * fusermount3(1), in the process of fuse/unmounter.h if there is one.  Waits for
 * the kernel: requests must be served meanwhile. */
int mountpoint_unmount(const char *path, bool detach) must_check;

/* The kernel reads ahead by this much.  Root only; best effort. */
void mountpoint_set_read_ahead(dev_t dev, unsigned kib);

/* Fails every request of the connection of file system `dev` (fusectl); best
 * effort. */
void mountpoint_abort(dev_t dev);

#endif
