/* SPDX-License-Identifier: ISC */
#include "vault/past_log.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/writers.h"

static struct merge_named name_op(const struct op *op)
{
	return (struct merge_named){
		.type = op->type,
		.inode = op->inode,
		.clock = op->clock,
		.is_claim = op->type == OP_UNLINK && op->unlink.claim,
		.is_dir = op->type == OP_MKNOD && op->mknod.kind == KIND_DIR,
	};
}

/* All operations of a segment, by index: those of one segment are asked for
 * one after the other. */
static int keep_ops(struct past_log *p, const struct log_segment *s)
{
	struct cursor at = s->body.ops;
	struct merge_named *ops =
		mem_zalloc_array(s->body.n_ops, sizeof(*ops));

	if (!ops)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->body.n_ops && cursor_left(&at) > 0; i++) {
		struct op op;
		int r = op_decode(&at, &op);

		/* The segment being applied may end in what is malformed. */
		if (r < 0)
			break;
		if (r > 0)
			ops[i] = name_op(&op);
	}
	mem_free(p->ops);
	p->ops = ops;
	p->n = s->body.n_ops;
	p->writer = s->header.writer;
	p->seq = s->header.seq;
	return 0;
}

/* 1, 0: no such segment was applied. */
static int load_segment(struct past_log *p, struct dot d)
{
	struct log_name name = { .seq = d.seq };
	auto_log_segment struct log_segment s = { .plain = NULL };
	struct file_hash hash;
	int r;

	if (p->ops && p->writer == d.writer && p->seq == d.seq)
		return 1;
	if (p->now->header.writer == d.writer && p->now->header.seq == d.seq) {
		r = keep_ops(p, p->now);
		return r < 0 ? r : 1;
	}
	r = writer_get_hash(p->v, d.writer, d.seq, &hash);
	if (r <= 0)
		return r;
	memcpy(name.prefix, hash.b, sizeof(name.prefix));
	r = logdir_read(p->v, d.writer, &name, &s);
	if (r < 0)
		return r;
	if (memcmp(&s.hash, &hash, sizeof(hash)) != 0)
		return ERR_BAD_NAME;
	r = keep_ops(p, &s);
	return r < 0 ? r : 1;
}

/* Memory short is an error; a file that is away or unreadable is not this
 * segment's fault. */
static int find_op(void *arg, struct dot d, struct merge_named *ret)
{
	struct past_log *p = arg;
	int r = load_segment(p, d);

	if (r == -ENOMEM || r == ERR_BAD_INDEX || r == 0)
		return r;
	*ret = (struct merge_named){ .is_unknown = true };
	if (r < 0)
		return 1;
	if (d.index >= p->n || !p->ops[d.index].type)
		return 0;
	*ret = p->ops[d.index];
	return 1;
}

void past_open(struct past_log *p, struct vault *v, const struct log_segment *s)
{
	*p = (struct past_log){
		.v = v,
		.past = { .vv = s->body.vv.at, .n_vv = s->body.n_vv,
			  .find = find_op, .arg = p },
		.now = s,
	};
}

void past_close(struct past_log *p)
{
	mem_free(p->ops);
	*p = (struct past_log){ 0 };
}

void past_begin(struct past_log *p)
{
	p->v->past = &p->past;
}

void past_end(struct past_log *p)
{
	p->v->past = NULL;
}
