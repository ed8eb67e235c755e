/* SPDX-License-Identifier: ISC */
/*
 * What is agreed with the kernel in INIT.
 *
 * libfuse before 3.17 cannot send FUSE_PARALLEL_DIROPS and
 * FUSE_HANDLE_KILLPRIV_V2: they are put into its reply on the way out.
 */
#ifndef COFFER_FUSE_INIT_H
#define COFFER_FUSE_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define INIT_MAX_WRITE ((size_t)1 << 20) /* the most 3.14 can ask for */
#define INIT_MAX_BACKGROUND 64
/* A request of INIT_MAX_WRITE and its headers. */
#define INIT_BUFFER_BYTES (INIT_MAX_WRITE + 4096)

struct fuse_conn_info;

/* What this mount wants; fixed when it is made. */
struct init_wish {
	bool writeback;
	bool atomic_truncate; /* OPEN truncates: only if OPEN is answered */
	bool keep_links;      /* the kernel keeps what links say */
	bool apply_umask;     /* we do: it depends on access control lists */
	bool obey_acls;	      /* the kernel obeys them */
};

/* Sets conn's wishes among what the kernel offers. */
void init_choose(struct fuse_conn_info *conn, const struct init_wish *wish);

/* Of the kernel's flags (peek_init_flags), those that have to be added to the reply by hand. */
uint32_t init_missing(uint32_t offered);

/*
 * Is this reply (fuse_out_header, then fuse_init_out) a successful answer to
 * INIT of major version 7?  Then `add` is put into its flags, in place, and
 * *ret_flags gets them all.  Nothing else is touched.
 */
bool init_patch_reply(const struct iovec *iov, int count, uint32_t add,
		      uint32_t *ret_flags);

#endif
