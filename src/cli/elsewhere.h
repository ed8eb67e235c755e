/* SPDX-License-Identifier: ISC */
/*
 * Other places where a file system is mounted: a second mount of it that was
 * bound, or the copy that a mount namespace got when it was made, as those of
 * containers and services do.  The kernel serves it until the last is gone.
 */
#ifndef COFFER_CLI_ELSEWHERE_H
#define COFFER_CLI_ELSEWHERE_H

#include <sys/types.h>

#include "base/err.h"

/* One place where `dev` is mounted, in words that go after "mounted ": 1 and
 * *ret (to be mem_free'd); 0: none that this user may see; -ENOMEM. */
int elsewhere_find(dev_t dev, char **ret) must_check;

#endif
