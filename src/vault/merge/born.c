/* SPDX-License-Identifier: ISC */
#include "vault/merge/born.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/random.h"
#include "vault/content/extents.h"
#include "vault/merge/merge_priv.h"
#include "vault/merge/node_edit.h"
#include "vault/tree/held.h"
#include "vault/tree/holds.h"

int born_new(struct vault *v, const struct vault_new *what, struct node **ret)
{
	struct inode_id id = { oplog_tick(&v->oplog),
			       v->writer << 32 | (uint32_t)random_u64() };
	struct node_version *ver;
	struct node *n;
	int r = node_new(v->nodes, id, &n);

	if (r < 0)
		return r;
	n->kind = KIND_FILE;
	n->flags = NODE_UNBORN;
	n->mode = what->mode & 07777;
	n->uid = what->uid;
	n->gid = what->gid;
	n->atime_ns = n->mtime_ns = n->ctime_ns = n->btime_ns =
		clock_file_ns();
	r = node_add_version(n, &ver);
	if (r == 0) {
		ver->holder = n->ino;
		r = holds_add(v->holds, n->ino, 1);
	}
	if (r == 0) {
		r = held_linger(v, n->ino);
		if (r < 0)
			holds_drop(v->holds, n->ino, 1);
	}
	if (r < 0) {
		/* Nothing refers to it yet. */
		int e = node_delete(v->nodes, n);

		return e < 0 ? e : r;
	}
	*ret = n;
	return 0;
}

/* ---------------------------------------------------------------- contents */

struct row {
	struct index_extent e;
	uint8_t bytes[OP_INLINE_MAX];
};

struct row_list {
	struct row *r;
	size_t n, cap;
};

static int collect_row(void *arg, const struct index_extent *e)
{
	struct row_list *l = arg;

	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct row *r = mem_realloc_array(l->r, cap, sizeof(*r));

		if (!r)
			return -ENOMEM;
		l->r = r;
		l->cap = cap;
	}
	struct row *row = &l->r[l->n++];
	row->e = *e;
	if (e->kind == EXTENT_INLINE)
		memcpy(row->bytes, e->bytes, e->length);
	return 0;
}

static int put_row(struct vault *v, const struct row *row, struct buf *raw)
{
	struct extent x = { .offset = row->e.offset, .length = row->e.length,
			    .kind = row->e.kind };

	if (x.kind == EXTENT_INLINE) {
		x.bytes = row->bytes;
	} else {
		struct index_chunk c;
		int r = index_chunk_get(v->index, row->e.chunk, &c);

		if (r <= 0)
			return r < 0 ? r : ERR_BAD_INDEX;
		x.chunk_offset = row->e.chunk_offset;
		x.chunk_length = c.entry.plain_bytes;
		x.id = c.id;
	}
	extent_put(raw, &x);
	return buf_error(raw);
}

/* Room for the fixed part and one version replaced. */
#define EXTENT_ROOM (OP_MAX_BYTES - 4096)

/* One CONTENT operation from rows[at] on; only logged: the rows stand. */
static int log_rows(struct vault *v, struct node *n, const struct row_list *l,
		    size_t *at, bool is_first)
{
	auto_buf struct buf raw = BUF_INIT(OP_MAX_BYTES);
	struct node_version *ver = &n->versions[0];
	struct op op = { .type = OP_CONTENT, .inode = n->id };
	auto_buf struct buf seen = BUF_INIT(DOT_BYTES);
	uint32_t count = 0;

	for (; *at < l->n && count < OP_MAX_EXTENTS &&
	       raw.len + 64 + OP_INLINE_MAX < EXTENT_ROOM;
	     (*at)++, count++) {
		int r = put_row(v, &l->r[*at], &raw);

		if (r < 0)
			return r;
	}
	dot_put(&seen, ver->dot);
	int r = buf_error(&seen);
	if (r < 0)
		return r;
	op.content.whole = is_first;
	if (!is_first)
		op.content.base = ver->dot;
	op.content.size = ver->size;
	op.content.mtime_ns = n->mtime_ns;
	op.content.ctime_ns = n->ctime_ns;
	op.content.replaces = (struct dot_list){ seen.data, 1 };
	op.content.extents = (struct extent_list){ raw.data, (uint32_t)raw.len,
						   count };
	r = oplog_append(&v->oplog, &op);
	if (r < 0)
		return r;
	ver->dot = op.dot;
	ver->clock = op.clock;
	n->regs[REG_MTIME] = n->regs[REG_CTIME] =
		(struct op_key){ op.clock, v->writer };
	return 0;
}

static int log_contents(struct vault *v, struct node *n)
{
	struct row_list l = { 0 };
	size_t at = 0;
	int r = index_extent_each(v->index, n->ino, 0, FILE_SIZE_MAX,
				  collect_row, &l);

	if (r == 0 && (l.n > 0 || n->versions[0].size > 0))
		do {
			r = log_rows(v, n, &l, &at, at == 0);
		} while (r == 0 && at < l.n);
	mem_free(l.r);
	return r;
}

/* ---------------------------------------------------------------- attributes */

struct names {
	struct buf raw; /* length 2, name */
	unsigned n;
};

static int collect_name(void *arg, const struct index_xattr *x)
{
	struct names *l = arg;

	buf_put_u16(&l->raw, x->name_len);
	buf_put(&l->raw, x->name, x->name_len);
	l->n++;
	return buf_error(&l->raw);
}

/* What was set while unlogged stands under keys the log does not know: it is
 * set again, now for all to see. */
static int log_xattr(struct vault *v, struct node *n, const uint8_t *name,
		     uint16_t len)
{
	struct op op = { .type = OP_XATTR, .inode = n->id };
	struct index_xattr x;
	int r = index_xattr_get(v->index, n->ino, name, len, &x);

	if (r <= 0)
		return r;
	auto_free uint8_t *rec = mem_dup(x.rec, x.rec_bytes);
	if (!rec)
		return -ENOMEM;
	op.xattr.remove = rec[16];
	op.xattr.name = (struct op_name){ name, len };
	op.xattr.value = rec + XATTR_REC_HEADER;
	op.xattr.value_bytes = (uint32_t)(x.rec_bytes - XATTR_REC_HEADER);
	op.xattr.ctime_ns = n->ctime_ns;
	if (op.xattr.remove)
		return 0;
	r = oplog_append(&v->oplog, &op);
	return r < 0 ? r : merge_apply(v, &op);
}

static int log_xattrs(struct vault *v, struct node *n)
{
	struct names l = { .raw = BUF_INIT(MEM_MAX) };
	int r = index_xattr_each(v->index, n->ino, collect_name, &l);
	size_t at = 0;

	for (unsigned i = 0; r == 0 && i < l.n; i++) {
		uint16_t len = le16_get(l.raw.data + at);

		r = log_xattr(v, n, l.raw.data + at + 2, len);
		at += 2u + len;
	}
	buf_release(&l.raw);
	return r;
}

int born_now(struct vault *v, struct node *n)
{
	struct op op = { .type = OP_MKNOD, .inode = n->id };

	op.mknod.kind = KIND_FILE;
	op.mknod.mode = n->mode;
	op.mknod.uid = n->uid;
	op.mknod.gid = n->gid;
	op.mknod.atime_ns = n->atime_ns;
	op.mknod.mtime_ns = n->mtime_ns;
	op.mknod.ctime_ns = n->ctime_ns;
	int r = oplog_append(&v->oplog, &op);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < N_REGS; i++)
		n->regs[i] = (struct op_key){ op.clock, v->writer };
	n->versions[0].dot = op.dot;
	n->versions[0].clock = op.clock;
	n->flags &= ~(unsigned)NODE_UNBORN;
	held_end(v, n->ino);
	node_dirty(n);
	r = log_contents(v, n);
	return r < 0 ? r : log_xattrs(v, n);
}

int born_never(struct vault *v, struct node *n)
{
	int r = extents_drop(v, n->ino);

	if (r == 0)
		r = index_xattr_delete_all(v->index, n->ino);
	if (r < 0) {
		node_put(n);
		return r;
	}
	return node_delete(v->nodes, n);
}
