/* SPDX-License-Identifier: ISC */
/*
 * How a mount behaves, from its options: what is answered, who checks
 * permissions, how long the kernel keeps what it is told.
 *
 * Answering OPEN with ENOSYS spares two requests at each open(2), but nobody
 * then checks the mode at open unless the kernel does (default_permissions).
 * So it is skipped where the kernel checks, and where root alone may enter.
 * With allow_root every path has to be asked for: the kernel lets everybody in,
 * and only the daemon knows who may be.
 *
 * Measured (a daemon that stores nothing; one process, 2 cores, Linux 6.18,
 * us at the median), an ordinary user's mount, kernel's checks and daemon's:
 * create, write 4 KiB and close 50 and 45; rename 23 and 17; unlink 19 and 12;
 * open, read cached and close 4 and 13.  The kernel's also cover FIFOs, sockets
 * and names it keeps, so they are what AUTO means there.  Root's own mount has
 * no use for either: the daemon's, which then asks nothing.
 */
#ifndef COFFER_FUSE_BEHAVIOUR_H
#define COFFER_FUSE_BEHAVIOUR_H

#include <stdbool.h>
#include <sys/types.h>

#include "fuse/session.h"

struct behaviour {
	double timeout_s;	   /* names and attributes */
	double negative_timeout_s; /* absent names; 0: not kept */
	bool read_only;
	bool writeback;	     /* the kernel owns size and times */
	bool check_access;   /* no default_permissions */
	bool answer_open;    /* else ENOSYS, once and for all */
	bool answer_opendir; /* likewise */
	bool answer_flush;   /* close(2) makes durable */
	bool answer_xattr;
	bool note_reads; /* relatime */
	bool note_lists; /* ... of directories too */
	bool only_owner_and_root; /* allow_root: libfuse's check, for requests
				     it does not see */
};

/* `owner` mounts. */
struct behaviour behaviour_choose(const struct session_options *o, uid_t owner,
				  bool vault_read_only);

#endif
