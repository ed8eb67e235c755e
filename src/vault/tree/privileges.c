/* SPDX-License-Identifier: ISC */
#include "vault/tree/privileges.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vault/core.h"
#include "vault/file.h"
#include "vault/log/oplog.h"
#include "vault/merge/merge.h"

uint32_t privileges_drop_mode(unsigned kind, uint32_t mode, bool is_stranger)
{
	if (kind == KIND_DIR)
		return mode;
	mode &= ~(uint32_t)S_ISUID;
	if (mode & S_IXGRP || is_stranger)
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

int privileges_drop_capability(struct vault *v, struct node *n)
{
	static const char name[] = "security.capability";
	struct op op = { .type = OP_XATTR, .inode = n->id };
	struct index_xattr x;
	int r;

	op.xattr.name =
		(struct op_name){ (const uint8_t *)name, sizeof(name) - 1 };
	r = index_xattr_get(v->index, n->ino, op.xattr.name.bytes,
			    op.xattr.name.len, &x);
	/* The flag "removed" follows the key. */
	if (r <= 0 || x.rec[16])
		return min_of(r, 0);
	op.xattr.remove = true;
	op.xattr.ctime_ns = clock_file_ns();
	r = merge_emit(v, &op);
	return r < 0 ? r : 1;
}

static int drop_mode(struct vault *v, struct node *n)
{
	struct op op = { .type = OP_ATTR, .inode = n->id };
	uint32_t mode = privileges_drop_mode(n->kind, n->mode, false);
	int r;

	if (mode == n->mode)
		return 0;
	op.attr.mask = ATTR_MODE;
	op.attr.mode = mode;
	r = merge_emit(v, &op);
	return r < 0 ? r : 1;
}

int privileges_drop(struct vault *v, struct node *n)
{
	int r = oplog_make_room(&v->oplog), had = 0, kept;

	if (r == 0)
		had = r = drop_mode(v, n);
	if (r >= 0)
		r = privileges_drop_capability(v, n);
	oplog_end_transaction(&v->oplog);
	kept = n->mode & S_ISGID ? VAULT_WROTE_KEPT_SGID : 0;
	return r < 0 ? r : (r || had ? VAULT_WROTE_DROPPED : 0) | kept;
}
