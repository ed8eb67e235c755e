/* SPDX-License-Identifier: ISC */
/*
 * What a daemon that serves a mount may still ask of the kernel: a seccomp
 * filter over all of its threads, set when the mount is usable (seccomp(2)).
 *
 * Our own filter rather than libseccomp's: it is one list of numbers and four
 * rules on arguments, and it is there whether or not a library was when coffer
 * was built.
 *
 * What is not in the list fails with EPERM and is logged by the kernel; it does
 * not end the daemon: a file system that is gone helps nobody, and a call that
 * was forgotten here then costs no more than itself.  No program can be started,
 * no process traced or signalled, no socket made, nothing mounted, no memory made
 * executable.
 */
#ifndef COFFER_CLI_SANDBOX_H
#define COFFER_CLI_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

/* Does this build and this run of it have a filter?  Not on machines whose
 * numbers are not known here, nor under sanitizers and valgrind, which need
 * calls of their own. */
bool sandbox_is_supported(void);

/* For good, for every thread there is and will be.  -ENOSYS: the kernel has no
 * filters; -errno. */
int sandbox_enter(void) must_check;

#endif
