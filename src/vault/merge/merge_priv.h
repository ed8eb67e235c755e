/* SPDX-License-Identifier: ISC */
/* What the sources of merging share.  Every function needs the index lock. */
#ifndef COFFER_VAULT_MERGE_MERGE_PRIV_H
#define COFFER_VAULT_MERGE_MERGE_PRIV_H

#include "vault/content/extents.h"
#include "vault/merge/merge.h"
#include "vault/merge/view.h"

/* The node of an id that the log must know: ERR_MALFORMED otherwise. */
int merge_known(struct vault *v, struct inode_id id, struct node **ret)
	must_check;

/* merge_check.c: may the operation be applied to its inode?  Changes nothing;
 * ERR_MALFORMED. */
int merge_check(struct vault *v, struct node *n, const struct op *op)
	must_check;
/* The inode that has the place a PIN names: 1; 0: it was replaced since;
 * ERR_MALFORMED. */
int merge_pinned(struct vault *v, const struct op *op, struct node **ret)
	must_check;

/* merge_content.c */
int merge_apply_content(struct vault *v, struct node *n, const struct op *op)
	must_check;
int merge_apply_split(struct vault *v, struct node *n, const struct op *op)
	must_check;
/* Versions, wherever they are, that were deleted or replaced by an operation on
 * `n`. */
int merge_delete_versions(struct vault *v, struct node *n,
			  const struct dot_list *dots, struct op_key key)
	must_check;
int merge_replace_versions(struct vault *v, struct node *n,
			   const struct dot_list *dots) must_check;
/* The version shown is the one the inode's own rows hold, every other has an
 * inode beside it; the contents of what is shown nowhere and held by nobody
 * go.  Called after each change, before the view's. */
int merge_settle_holders(struct vault *v, struct node *n) must_check;

/* The inode beside `n` of one of its versions, made if need be. */
int merge_beside(struct vault *v, struct node *n, struct dot version,
		 struct node **ret) must_check;
/* What tells equal data, of every version somebody holds. */
int merge_digest_versions(struct vault *v, struct node *n) must_check;

/* merge_inherit.c: registers of a split or virtual inode follow its origin's
 * until it has its own.  Of one, or of all below `n`. */
void merge_inherit_one(const struct node *from, struct node *to);
int merge_inherit(struct vault *v, struct node *n) must_check;
int merge_inherit_xattr(struct vault *v, struct node *n,
			const struct op_name *name) must_check;
int merge_inherit_all_xattrs(struct vault *v, struct node *from,
			     struct node *to) must_check;

/* ---- records of extended attributes: key, removed, value ---- */
#define XATTR_REC_HEADER 17u

#endif
