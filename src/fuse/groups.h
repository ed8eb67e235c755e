/* SPDX-License-Identifier: ISC */
/* Supplementary groups of whoever asks, which the kernel does not send. */
#ifndef COFFER_FUSE_GROUPS_H
#define COFFER_FUSE_GROUPS_H

#include <stdbool.h>
#include <sys/types.h>

/* Is `gid` among the supplementary groups of a thread?  Reads /proc; false if
 * it cannot (`pid` 0: outside of our name space). */
bool groups_has(pid_t pid, gid_t gid);

/* Is it in the line "Groups:" of a /proc/.../status (proc(5))? */
bool groups_text_has(const char *status, gid_t gid);

#endif
