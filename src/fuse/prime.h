/* SPDX-License-Identifier: ISC */
/*
 * Teaching the kernel early that OPEN, OPENDIR and FLUSH are not answered
 * (ENOSYS): it goes on sending RELEASE for every created file until it has
 * seen one OPEN refused, which a program that only creates files never sends.
 * So a file that does not exist is opened once, before anybody else comes.
 */
#ifndef COFFER_FUSE_PRIME_H
#define COFFER_FUSE_PRIME_H

#include <stdbool.h>

#include <fuse_lowlevel.h>

#include "fuse/session_priv.h"

/* By a thread that answers no requests, while others do.  Best effort. */
void prime(struct session *s);

/* Answers what prime() makes the kernel ask; false: another request. */
bool prime_answer_lookup(fuse_req_t req, const char *name);
bool prime_answer_getattr(fuse_req_t req, fuse_ino_t ino);

#endif
