/* SPDX-License-Identifier: ISC */
/*
 * A process that takes a mount away for a daemon that may not start programs
 * any more (cli/sandbox.h), nor let fusermount3(1) become root.
 *
 * It is forked before the daemon has a secret or a thread, keeps nothing open
 * but the way to be asked, and ends when the daemon does, however it does.
 */
#ifndef COFFER_FUSE_UNMOUNTER_H
#define COFFER_FUSE_UNMOUNTER_H

#include <stdbool.h>

#include "base/err.h"

/* Once, by the only thread.  In it the words given, of this process's command
 * line, are blanked: who looks for the daemon by them finds one process.
 * -errno. */
int unmounter_start(char *const *words, int n_words) must_check;

/* Asks it for what mountpoint_unmount does, and waits; from any thread, one at
 * a time.  1, with the answer in *ret; 0: it was not started; -errno: it is no
 * more. */
int unmounter_ask(const char *path, bool detach, int *ret) must_check;

/* No more is wanted: waits for its end. */
void unmounter_stop(void);

#endif
