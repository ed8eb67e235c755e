/* SPDX-License-Identifier: ISC */
/* Requests as the kernel sends them (<linux/fuse.h>): what libfuse 3.14 does
 * not pass on.  Pure functions of a message. */
#ifndef COFFER_FUSE_PEEK_H
#define COFFER_FUSE_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies a message's fixed part behind the header; false if it is cut short. */
bool peek_body(const void *msg, size_t len, void *ret_body, size_t n);

/* Does this WRITE, SETATTR, OPEN or CREATE ask for set-user-ID and set-group-ID
 * to go (FUSE_HANDLE_KILLPRIV_V2)? */
bool peek_kills_privileges(const void *msg, size_t len);

/* The kernel's flags (low 32 bits) in an INIT request of major version 7; 0
 * for any other message. */
uint32_t peek_init_flags(const void *msg, size_t len);

#endif
