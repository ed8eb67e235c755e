/* SPDX-License-Identifier: ISC */
/*
 * Extended attributes, with the rules of vault/tree.h.  Names are 1..255 bytes,
 * values up to 64 KiB, and there is no limit to their number; but listing ends
 * at 64 KiB of names, as listxattr(2) has it.
 */
#ifndef COFFER_VAULT_XATTR_H
#define COFFER_VAULT_XATTR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "vault/vault.h"

struct vault_xattr {
	const char *name;
	const void *value;
	size_t bytes;
};

enum vault_xattr_flag { VAULT_XATTR_CREATE = 1, VAULT_XATTR_REPLACE = 2 };

/* Length of the value; copied if it fits `cap` (0: only asked), else -ERANGE;
 * -ENODATA. */
ssize_t vault_getxattr(struct vault *v, uint64_t ino, const char *name,
		       void *to, size_t cap) must_check;
/* -EEXIST, -ENODATA, -E2BIG, -ENOSPC, -ERANGE (name). */
int vault_setxattr(struct vault *v, uint64_t ino, const char *name,
		   const void *value, size_t size, unsigned flags) must_check;
/* -ENODATA. */
int vault_removexattr(struct vault *v, uint64_t ino, const char *name)
	must_check;
/* Sets an attribute (no value: removes it, if it is there) and the mode, but for
 * its type, at once: access control lists say something of both. */
int vault_setxattr_and_mode(struct vault *v, uint64_t ino,
			    const struct vault_xattr *x,
			    uint32_t mode) must_check;
/* NUL-terminated names back to back, as listxattr(2). */
ssize_t vault_listxattr(struct vault *v, uint64_t ino, char *to, size_t cap)
	must_check;

#endif
