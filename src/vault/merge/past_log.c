/* SPDX-License-Identifier: ISC */
#include "vault/merge/past_log.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/log/writers.h"

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

/* So many operations are kept, or those of one segment: about 16 MiB. */
#define KEPT_OPS 400000u

static void drop_segment(struct past_log *p, struct past_segment *s)
{
	p->n_ops -= s->n;
	mem_free(s->ops);
	*s = (struct past_segment){ .ops = NULL };
}

/* The one not used for longest, of those that are; NULL. */
static struct past_segment *oldest(struct past_log *p)
{
	struct past_segment *best = NULL;

	for (unsigned i = 0; i < PAST_SEGMENTS; i++) {
		struct past_segment *s = &p->segments[i];

		if (s->ops && (!best || s->used < best->used))
			best = s;
	}
	return best;
}

/* A free one, and room for n operations if that can be. */
static struct past_segment *make_room(struct past_log *p, uint32_t n)
{
	struct past_segment *s = oldest(p);

	while (s && p->n_ops + n > KEPT_OPS) {
		drop_segment(p, s);
		s = oldest(p);
	}
	for (unsigned i = 0; i < PAST_SEGMENTS; i++)
		if (!p->segments[i].ops)
			return &p->segments[i];
	drop_segment(p, s);
	return s;
}

/* All operations of a segment, by index: those of one segment are asked for
 * one after the other, or of a few by turns. */
static int keep_ops(struct past_log *p, const struct log_segment *s,
		    struct past_segment **ret)
{
	struct cursor at = s->body.ops;
	struct merge_named *ops =
		mem_zalloc_array(s->body.n_ops, sizeof(*ops));
	struct past_segment *to;

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
	to = make_room(p, s->body.n_ops);
	*to = (struct past_segment){
		.writer = s->header.writer,
		.seq = s->header.seq,
		.ops = ops,
		.n = s->body.n_ops,
	};
	p->n_ops += to->n;
	*ret = to;
	return 0;
}

static struct past_segment *find_kept(struct past_log *p, struct dot d)
{
	for (unsigned i = 0; i < PAST_SEGMENTS; i++) {
		struct past_segment *s = &p->segments[i];

		if (s->ops && s->writer == d.writer && s->seq == d.seq)
			return s;
	}
	return NULL;
}

/* 1, 0: no such segment was applied. */
static int load_segment(struct past_log *p, struct dot d,
			struct past_segment **ret)
{
	struct log_name name = { .seq = d.seq };
	auto_log_segment struct log_segment s = { .plain = NULL };
	struct file_hash hash;
	int r;

	*ret = find_kept(p, d);
	if (*ret)
		return 1;
	if (p->now->header.writer == d.writer && p->now->header.seq == d.seq) {
		r = keep_ops(p, p->now, ret);
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
	r = keep_ops(p, &s, ret);
	return r < 0 ? r : 1;
}

/* Memory short is an error; a file that is away or unreadable is not this
 * segment's fault. */
static int find_op(void *arg, struct dot d, struct merge_named *ret)
{
	struct past_log *p = arg;
	struct past_segment *s;
	int r = load_segment(p, d, &s);

	if (r == -ENOMEM || r == ERR_BAD_INDEX || r == 0)
		return r;
	*ret = (struct merge_named){ .is_unknown = true };
	if (r < 0)
		return 1;
	s->used = ++p->n_asked;
	if (d.index >= s->n || !s->ops[d.index].type)
		return 0;
	*ret = s->ops[d.index];
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
	for (unsigned i = 0; i < PAST_SEGMENTS; i++)
		mem_free(p->segments[i].ops);
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
