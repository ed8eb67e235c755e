/* SPDX-License-Identifier: ISC */
/*
 * Files without a name (O_TMPFILE).  No operation tells of one until it is
 * linked; it then enters the log as it is.  Internal to vault; index lock.
 */
#ifndef COFFER_VAULT_MERGE_BORN_H
#define COFFER_VAULT_MERGE_BORN_H

#include "vault/core.h"
#include "vault/tree.h"

/* A fresh unborn file, held once. */
int born_new(struct vault *v, const struct vault_new *what,
	     struct node **ret) must_check;
/* Its MKNOD, contents and extended attributes go into the log; a PLACE must
 * follow in the same transaction. */
int born_now(struct vault *v, struct node *n) must_check;
/* The last hold ended. */
int born_never(struct vault *v, struct node *n) must_check;

#endif
