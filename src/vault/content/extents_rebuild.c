/* SPDX-License-Identifier: ISC */
/*
 * A version that no inode holds any more, from the log: its operation, the one
 * that is based on, and so on back to one that tells all.  Another device says
 * how long that chain is: it is walked, not followed by recursion.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "format/op.h"
#include "vault/content/extents.h"
#include "vault/log/logdir.h"
#include "vault/log/writers.h"

/* Operations one version may be made of. */
#define CHAIN_MAX ((size_t)1 << 22)

struct chain {
	struct vault *v;
	struct dot *dots; /* newest first; owned */
	size_t n, cap;
	/* The segment read last. */
	struct log_segment segment;
	uint64_t writer, seq;
};

static void chain_release(struct chain *c)
{
	log_segment_release(&c->segment);
	mem_free(c->dots);
}

static int push(struct chain *c, struct dot d)
{
	if (c->n == CHAIN_MAX)
		return ERR_LIMIT;
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 16;
		struct dot *bigger =
			mem_realloc_array(c->dots, cap, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		c->dots = bigger;
		c->cap = cap;
	}
	c->dots[c->n++] = d;
	return 0;
}

/* The operation of that index among those at the cursor, which are numbered
 * from `first`. */
static int find_op(struct cursor at, uint32_t first, uint32_t index,
		   struct op *ret)
{
	struct op op;
	int r = 0;

	for (uint32_t i = first; cursor_left(&at) > 0; i++) {
		r = op_decode(&at, &op);
		if (r < 0)
			return r;
		if (i != index)
			continue;
		/* One that was passed over is no version. */
		if (r == 0)
			return ERR_MALFORMED;
		*ret = op;
		return 0;
	}
	return ERR_MALFORMED;
}

/* Own operations that are not published yet: 1, 0. */
static int find_unpublished(struct vault *v, struct dot d, struct op *ret)
{
	if (d.writer != v->writer)
		return 0;
	for (const struct oplog_piece *p = v->oplog.first; p; p = p->next) {
		struct cursor at;
		int r;

		if (p->seq != d.seq || d.index < p->first_index ||
		    d.index - p->first_index >= p->n_ops)
			continue;
		cursor_init(&at, p->raw.data, p->raw.len);
		r = find_op(at, p->first_index, d.index, ret);
		return r < 0 ? r : 1;
	}
	return 0;
}

/* The segment, as it was when it was applied. */
static int read_segment(struct chain *c, struct dot d)
{
	struct log_name name = { .seq = d.seq };
	struct file_hash hash;
	int r;

	if (c->segment.plain && c->writer == d.writer && c->seq == d.seq)
		return 0;
	log_segment_release(&c->segment);
	r = writer_get_hash(c->v, d.writer, d.seq, &hash);
	if (r <= 0)
		return r < 0 ? r : ERR_MISSING;
	memcpy(name.prefix, hash.b, sizeof(name.prefix));
	r = logdir_read(c->v, d.writer, &name, &c->segment);
	if (r < 0)
		return r == -ENOENT ? ERR_MISSING : r;
	if (memcmp(&c->segment.hash, &hash, sizeof(hash)) != 0)
		return ERR_BAD_NAME;
	c->writer = d.writer;
	c->seq = d.seq;
	return 0;
}

/* Points into the log or the segment: until the next one is read. */
static int read_op(struct chain *c, struct dot d, struct op *ret)
{
	int r = find_unpublished(c->v, d, ret);

	if (r != 0)
		return r < 0 ? r : 0;
	r = read_segment(c, d);
	return r < 0 ? r : find_op(c->segment.body.ops, 0, d.index, ret);
}

/* All operations the version is made of. */
static int walk_back(struct chain *c, struct dot version)
{
	for (struct dot d = version;;) {
		struct op op;
		int r = read_op(c, d, &op);

		if (r < 0)
			return r;
		if (op.type != OP_MKNOD && op.type != OP_CONTENT)
			return ERR_MALFORMED;
		r = push(c, d);
		if (r < 0)
			return r;
		if (op.type == OP_MKNOD || op.content.whole)
			return 0;
		d = op.content.base;
	}
}

int extents_rebuild(struct vault *v, struct dot version, uint64_t to,
		    uint64_t *ret_size, uint64_t *ret_data_bytes)
{
	struct chain c = { .v = v };
	uint64_t size = 0, data_bytes = 0;
	int r = walk_back(&c, version);

	while (r == 0 && c.n > 0) {
		struct op op;

		r = read_op(&c, c.dots[--c.n], &op);
		/* A file is made empty. */
		if (r < 0 || op.type != OP_CONTENT)
			continue;
		size = op.content.size;
		r = extents_apply(v, to, op.content.whole, size,
				  &op.content.extents, data_bytes, &data_bytes);
	}
	chain_release(&c);
	if (r < 0)
		return r;
	*ret_size = size;
	*ret_data_bytes = data_bytes;
	return 0;
}
