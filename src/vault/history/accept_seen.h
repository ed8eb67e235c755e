/* SPDX-License-Identifier: ISC */
/* What one vault has seen of an inode of another: whether its state of it is a
 * later one.  Internal to vault; no lock may be held. */
#ifndef COFFER_VAULT_HISTORY_ACCEPT_SEEN_H
#define COFFER_VAULT_HISTORY_ACCEPT_SEEN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "vault/vault.h"

enum accept_newer { /* what of an inode's attributes the old one set last */
	ACCEPT_MODE = 1,
	ACCEPT_OWNER = 2,
	ACCEPT_ATIME = 4,
	ACCEPT_MTIME = 8,
	ACCEPT_CTIME = 16,
};

/* Is it one inode in both, every version of which in the new one the old one
 * had seen? 1, 0. */
int accept_has_gone_beyond(struct vault *old, uint64_t old_ino,
			   struct vault *new, uint64_t new_ino) must_check;
/* Is it one inode, with the same versions? 1, 0. */
int accept_is_same_version(struct vault *old, uint64_t old_ino,
			   struct vault *new, uint64_t new_ino) must_check;
/* Where the new one shows an inode of the old one, which had seen it there and
 * shows it elsewhere: 1, 0. */
int accept_find_moved(struct vault *old, uint64_t old_ino, struct vault *new,
		      uint64_t *ret_parent, char ret_name[static 256])
	must_check;
/* Does the old one, which had seen all of an inode of the new one, show it no
 * more? 1, 0. */
int accept_was_removed(struct vault *old, struct vault *new, uint64_t new_ino)
	must_check;
/* A mask of enum accept_newer; 0 if they are not one inode. */
int accept_newer_attributes(struct vault *old, uint64_t old_ino,
			    struct vault *new, uint64_t new_ino) must_check;

#endif
