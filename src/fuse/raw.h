/* SPDX-License-Identifier: ISC */
/* Requests and notifications that libfuse 3.14 does not know, answered and sent
 * by ourselves as <linux/fuse.h> has them. */
#ifndef COFFER_FUSE_RAW_H
#define COFFER_FUSE_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;
struct fuse_in_header;

/* Opcodes newer than the oldest <linux/fuse.h> we build with. */
#define RAW_OP_STATX 52

/* Answers what libfuse does not know: TMPFILE, SYNCFS, STATX.  False: another
 * request, not touched. */
bool raw_answer(struct session *s, const struct fuse_in_header *head,
		const void *msg, size_t len);

/* Tells the kernel that every name it keeps may be wrong, without waiting for
 * anybody (FUSE_NOTIFY_INC_EPOCH, Linux 6.16).  -EINVAL on older kernels. */
int raw_expire_all_names(struct session *s) __attribute__((warn_unused_result));

#endif
