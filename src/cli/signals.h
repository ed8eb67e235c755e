/* SPDX-License-Identifier: ISC */
/*
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT.  A vault is safe to leave at any
 * moment, so the usual answer is to end at once with EXIT_INTERRUPTED; who has
 * something to finish or to restore asks only to be told.
 */
#ifndef COFFER_CLI_SIGNALS_H
#define COFFER_CLI_SIGNALS_H

#include <stdbool.h>
#include <sys/types.h>

enum signals_mode {
	SIGNALS_ABORT, /* say so, exit at once */
	SIGNALS_NOTE,  /* the first is noted, the second aborts */
	SIGNALS_PASS,  /* to the process of signals_pass_to */
};

void signals_start(void);
/* Returns the mode before; forgets what was noted. */
enum signals_mode signals_set(enum signals_mode mode);
bool signals_noted(void);
/* Waits until a descriptor can be read: 0; -EINTR if a signal was noted, also
 * before; -errno. */
int signals_wait_readable(int fd) __attribute__((warn_unused_result));
/* A terminal's SIGINT reaches that process by itself and is not passed on. */
void signals_pass_to(pid_t pid);

/* Held back in this thread, and in those it starts: for what must not be cut
 * short. */
void signals_block(void);
void signals_unblock(void);

#endif
