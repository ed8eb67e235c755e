/* SPDX-License-Identifier: ISC */
/* The vaults that are mounted, as their daemons tell over the control sockets
 * (cli/control.h), and as the kernel's list of mounts has them. */
#ifndef COFFER_CLI_MOUNTED_H
#define COFFER_CLI_MOUNTED_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/control_text.h"
#include "crypto/types.h"

/* A daemon that answers. */
struct mounted {
	struct uuid uuid;
	char *directory; /* of its socket; owned */
	char name[64];	 /* of its socket */
	struct control_status status;
};

#define MOUNTED_INIT                                                           \
	{                                                                      \
		0                                                              \
	}
void mounted_release(struct mounted *m);
#define auto_mounted __attribute__((cleanup(mounted_release)))

/* Non-zero from fn ends it and is returned; fn may take `m`'s members. */
typedef int mounted_fn(void *arg, struct mounted *m);
int mounted_each(mounted_fn *fn, void *arg) must_check;

/* Is the vault in this directory mounted?  By the directory itself, not by the
 * vault's id, which a copy has too.  1, 0, -errno. */
int mounted_find_vault(const char *vault_path, struct mounted *ret) must_check;
/* The vault whose id is this. */
int mounted_find_uuid(const struct uuid *uuid, struct mounted *ret) must_check;
/* A mount point, or a vault's directory. */
int mounted_find(const char *path, struct mounted *ret) must_check;

/* Sends "sync" and waits for its end.  0, with the exit code and the text
 * (to be mem_free'd) it ended with; -errno: no answer. */
int mounted_sync(const struct mounted *m, int *ret_code,
		 char **ret_text) must_check;

/* The same with "snapshot": the text says what came of it. */
int mounted_snapshot(const struct mounted *m, int *ret_code,
		     char **ret_text) must_check;

/* The same with a new name for a device, or (NULL) its retirement. */
int mounted_device(const struct mounted *m, uint64_t writer, const char *name,
		   int *ret_code, char **ret_text) must_check;

/* The same with "gc"; *ret is set if the code is EXIT_DONE. */
int mounted_gc(const struct mounted *m, bool dry_run,
	       struct vault_gc_result *ret, int *ret_code,
	       char **ret_text) must_check;

/* Asks for "stats"; the same. */
int mounted_stats(const struct mounted *m, struct control_stats *ret,
		  int *ret_code, char **ret_text) must_check;

/* Waiting for the end of a daemon: begin, unmount, end. */
struct mounted_wait {
	int fd;	    /* of the connection */
	int pid_fd; /* of the process; -1: not to be had */
};

int mounted_wait_begin(const struct mounted *m,
		       struct mounted_wait *ret) must_check;
/* Has it said its last word?  Waits for that so long. */
bool mounted_wait_is_over(const struct mounted_wait *w, unsigned ms);
/* Tells it to end, as SIGTERM does: what is open is served on for a moment. */
int mounted_wait_hurry(const struct mounted_wait *w) must_check;
/* Returns when the process is gone too. */
int mounted_wait_end(const struct mounted_wait *w, int *ret_code,
		     char **ret_text) must_check;
void mounted_wait_release(struct mounted_wait *w);

/* The mount point of a coffer mount that stands at `path`, or is of the vault
 * at `path`, whether or not its daemon lives: 1 and *ret (to be mem_free'd),
 * 0, -errno. */
int mounted_find_kernel(const char *path, char **ret) must_check;

/* `path` absolute and without links, as far as it can be: the last component
 * may be a dead mount.  NULL: no memory. */
char *mounted_resolve(const char *path) must_check;

#endif
