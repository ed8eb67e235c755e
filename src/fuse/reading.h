/* SPDX-License-Identifier: ISC */
/*
 * -o relatime: reading sets the time of access, as far as reading reaches the
 * daemon.  The kernel does not tell of what it reads from its cache, so where
 * the time is due an open(2) makes it ask again.
 */
#ifndef COFFER_FUSE_READING_H
#define COFFER_FUSE_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "fuse/session_priv.h"

/* Somebody is about to read from the inode: is its time due? */
bool reading_matters(struct session *s, uint64_t ino);
/* Somebody reads from it: its time is set if it is due. */
void reading_note(struct session *s, uint64_t ino);

#endif
