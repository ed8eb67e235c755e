/* SPDX-License-Identifier: ISC */
#include "fuse/peek.h"

#include <linux/fuse.h>
#include <string.h>

bool peek_body(const void *msg, size_t len, void *ret_body, size_t n)
{
	const size_t head = sizeof(struct fuse_in_header);

	if (len < head + n)
		return false;
	memcpy(ret_body, (const char *)msg + head, n);
	return true;
}

bool peek_kills_privileges(const void *msg, size_t len)
{
	struct fuse_in_header head;
	union {
		struct fuse_write_in write;
		struct fuse_setattr_in setattr;
		struct fuse_open_in open;
		struct fuse_create_in create;
	} in;

	if (len < sizeof(head))
		return false;
	memcpy(&head, msg, sizeof(head));
	switch (head.opcode) {
	case FUSE_WRITE:
		return peek_body(msg, len, &in, sizeof(in.write)) &&
		       (in.write.write_flags & FUSE_WRITE_KILL_SUIDGID);
	case FUSE_SETATTR:
		return peek_body(msg, len, &in, sizeof(in.setattr)) &&
		       (in.setattr.valid & FATTR_KILL_SUIDGID);
	case FUSE_OPEN:
		return peek_body(msg, len, &in, sizeof(in.open)) &&
		       (in.open.open_flags & FUSE_OPEN_KILL_SUIDGID);
	case FUSE_CREATE:
		return peek_body(msg, len, &in, sizeof(in.create)) &&
		       (in.create.open_flags & FUSE_OPEN_KILL_SUIDGID);
	default:
		return false;
	}
}

uint32_t peek_init_flags(const void *msg, size_t len)
{
	struct fuse_in_header head;
	struct fuse_init_in init;
	/* Up to `flags`: older kernels end there. */
	const size_t min = offsetof(struct fuse_init_in, flags2);

	if (len < sizeof(head) + min)
		return 0;
	memcpy(&head, msg, sizeof(head));
	memcpy(&init, (const char *)msg + sizeof(head), min);
	if (head.opcode != FUSE_INIT || init.major != FUSE_KERNEL_VERSION ||
	    init.minor < 6)
		return 0;
	return init.flags;
}
