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
	int notify_fd; /* a socket for systemd; -1: none is wanted */
};

#define DAEMON_INIT { .pipe_fd = -1, .notify_fd = -1 }

/* 1: this is the parent; *ret_code is the exit code.  0: go on as the daemon.
 * With `foreground` nothing is forked.  -errno. */
int daemon_start(bool foreground, struct daemon *ret, int *ret_code) must_check;

/* Leaves terminal and directory; diagnostics go to syslog from here on.  In the
 * foreground nothing changes. */
void daemon_detach(struct daemon *d);

/* Tells the parent, which ends; in the foreground, and under systemd, tells
 * systemd.  Needs nothing new of the kernel: cli/sandbox.h may be in force. */
void daemon_ready(struct daemon *d);

#endif
