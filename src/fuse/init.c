/* SPDX-License-Identifier: ISC */
#include "fuse/init.h"

#include <linux/fuse.h>
#include <string.h>

#include <fuse_lowlevel.h>

#define WANTED_BY_HAND (FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV_V2)

/* libfuse 3.17 sends what it is told to. */
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
#define HAS_FLAGS 1
#else
#define HAS_FLAGS 0
#endif

static void want(struct fuse_conn_info *conn, unsigned flags, bool yes)
{
	if (yes)
		conn->want |= flags & conn->capable;
	else
		conn->want &= ~flags;
}

void init_choose(struct fuse_conn_info *conn, const struct init_wish *wish)
{
	/* Own writes would drop the page cache; what other devices change is
	 * invalidated explicitly. */
	want(conn, FUSE_CAP_AUTO_INVAL_DATA, false);
	want(conn, FUSE_CAP_ATOMIC_O_TRUNC, wish->atomic_truncate);
	want(conn, FUSE_CAP_WRITEBACK_CACHE, wish->writeback);
	want(conn, FUSE_CAP_DONT_MASK, wish->apply_umask);
	/* Of the root directory, which it made before it was told, Linux 6.18
	 * keeps no list: who does not own it asks at each path. */
	want(conn, FUSE_CAP_POSIX_ACL, wish->obey_acls);
	want(conn, FUSE_CAP_CACHE_SYMLINKS, wish->keep_links);
	want(conn, FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO, true);
	/* Replies come from memory: splicing would copy them twice. */
	want(conn,
	     FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
		     FUSE_CAP_SPLICE_MOVE,
	     false);
	want(conn, FUSE_CAP_IOCTL_DIR, false);
	/* After a direct write that ends later, Linux does not drop what was
	 * read into the page cache meanwhile (generic_file_direct_write). */
	want(conn, FUSE_CAP_ASYNC_DIO, false);
	/* Inodes can be found by number: open_by_handle_at, NFS. */
	want(conn, FUSE_CAP_EXPORT_SUPPORT, true);
#if HAS_FLAGS
	want(conn, FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_HANDLE_KILLPRIV_V2,
	     true);
#endif
	want(conn, FUSE_CAP_HANDLE_KILLPRIV, false);
	conn->max_write = INIT_MAX_WRITE;
	conn->max_background = INIT_MAX_BACKGROUND;
	conn->time_gran = 1;
}

uint32_t init_missing(uint32_t offered)
{
	return HAS_FLAGS ? 0 : offered & WANTED_BY_HAND;
}

bool init_patch_reply(const struct iovec *iov, int count, uint32_t add,
		      uint32_t *ret_flags)
{
	struct fuse_out_header head;
	uint32_t major, flags;
	char *out;

	if (count != 2 || iov[0].iov_len != sizeof(head) ||
	    iov[1].iov_len < FUSE_COMPAT_22_INIT_OUT_SIZE)
		return false;
	memcpy(&head, iov[0].iov_base, sizeof(head));
	out = iov[1].iov_base;
	memcpy(&major, out + offsetof(struct fuse_init_out, major),
	       sizeof(major));
	if (head.error != 0 || major != FUSE_KERNEL_VERSION)
		return false;
	memcpy(&flags, out + offsetof(struct fuse_init_out, flags),
	       sizeof(flags));
	flags |= add;
	memcpy(out + offsetof(struct fuse_init_out, flags), &flags,
	       sizeof(flags));
	*ret_flags = flags;
	return true;
}
