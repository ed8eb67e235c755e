/* SPDX-License-Identifier: ISC */
/*
 * Going into the background.
 *
 * The child does everything, from reading the passphrase on: locks on memory
 * do not pass fork(2), and threads do not either.  The parent waits until the
 * child says that it is ready, or ends, and ends with the child's exit code.
 * Until then the child has the terminal, and tells its failures there.
 */
#ifndef COFFER_CLI_DAEMON_H
#define COFFER_CLI_DAEMON_H

#include <stdbool.h>

#include "base/err.h"

struct daemon {
	int pipe_fd; /* to the parent; -1 in the foreground */
};

/* 1: this is the parent; *ret_code is the exit code.  0: go on as the daemon.
 * With `foreground` nothing is forked.  -errno. */
int daemon_start(bool foreground, struct daemon *ret, int *ret_code) must_check;

/* Tells the parent, leaves terminal and directory; diagnostics go to syslog
 * from here on.  In the foreground, and under systemd, tells systemd. */
void daemon_ready(struct daemon *d);

#endif
