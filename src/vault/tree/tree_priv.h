/* SPDX-License-Identifier: ISC */
/* What the sources of the tree's calls share. */
#ifndef COFFER_VAULT_TREE_TREE_PRIV_H
#define COFFER_VAULT_TREE_TREE_PRIV_H

#include "vault/core.h"
#include "vault/tree.h"

/* Enters a call that changes the tree; tree_leave ends the transaction with
 * what the call came to, wakes the committer and returns r. */
int tree_enter(struct vault *v) must_check;
int tree_leave(struct vault *v, int r) must_check;

/* 0, -EINVAL, -ENAMETOOLONG, -ENOENT (empty). */
int tree_check_name(struct vault_name name) must_check;

/* Index lock held.  A directory that is shown: -ENOENT, -ENOTDIR. */
int tree_dir(struct vault *v, uint64_t ino, struct node **ret) must_check;
/* An inode that is there: shown or held.  -ENOENT. */
int tree_node(struct vault *v, uint64_t ino, struct node **ret) must_check;
void tree_fill_attr(struct vault *v, const struct node *n,
		    struct vault_attr *ret);

/* The attributes something new is made with, in the transaction that makes it:
 * the caller's.  Index lock held. */
int tree_add_xattrs(struct vault *v, const struct node *n,
		    const struct vault_new *what) must_check;

/* Stat's type bits of an inode kind, and back; KIND_NONE if none. */
uint32_t tree_type_bits(unsigned kind);
unsigned tree_kind(uint32_t mode);

#endif
