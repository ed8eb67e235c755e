/* SPDX-License-Identifier: ISC */
/* A batch of operations becomes a segment (vault-format/07-segments.md). */
#include <errno.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "crypto/random.h"
#include "index/index_chunk.h"
#include "vault/log/commit_priv.h"
#include "vault/log/writers.h"

/* Operations looked at in one go under the index lock. */
#define SLICE 64u

/* More than the fields before a body's lists take. */
#define FIXED_BYTES ((size_t)128)

#define REQUIRED_TABLE "required"
#define REQUIRED_ID_BYTES (8u + PACK_NAME_BYTES)

static void requirement_id(uint64_t writer, const uint8_t *name,
			   uint8_t to[static REQUIRED_ID_BYTES])
{
	le64_put(to, writer);
	memcpy(to + 8, name, PACK_NAME_BYTES);
}

/* A segment in the making. */
struct draft {
	struct commit *c;
	uint64_t seq;
	uint64_t attempt; /* random */
	struct writer_state self;
	bool has_others; /* other devices' segments are applied */
	struct buf ops, vector, required, packs;
	uint32_t n_ops, n_vector, n_required, n_packs;
	hlc_t first, last;
};

/* ---------------------------------------------------------------- packs of others */

/* 1 if neither an earlier segment nor this one says that it needs the pack.
 * What an attempt noted that came to nothing does not count. */
static int is_new_requirement(struct draft *d, const struct index_pack *p)
{
	struct vault *v = d->c->v;
	uint8_t id[REQUIRED_ID_BYTES], now[16];
	const uint8_t *rec;
	size_t bytes;

	requirement_id(p->writer, p->name, id);
	int r = index_value_get(v->index, REQUIRED_TABLE, id, sizeof(id), &rec,
				&bytes);
	if (r < 0)
		return r;
	if (r > 0 && bytes == sizeof(now) &&
	    (le64_get(rec) < d->seq || le64_get(rec + 8) == d->attempt))
		return 0;
	le64_put(now, d->seq);
	le64_put(now + 8, d->attempt);
	r = index_value_put(v->index, REQUIRED_TABLE, id, sizeof(id), now,
			    sizeof(now));
	return r < 0 ? r : 1;
}

int seal_note_required(struct vault *v, uint64_t seq,
		       const struct segment_body *body)
{
	struct cursor c = body->required;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < body->n_required; i++) {
		uint8_t id[REQUIRED_ID_BYTES], rec[16] = { 0 };
		struct segment_required q;

		segment_required_read(&c, &q);
		requirement_id(q.writer, q.name, id);
		le64_put(rec, seq);
		r = index_value_put(v->index, REQUIRED_TABLE, id, sizeof(id),
				    rec, sizeof(rec));
	}
	return r;
}

static int note_required(struct draft *d, const struct index_pack *p)
{
	struct segment_required q = { .writer = p->writer };

	if (p->writer == d->c->v->writer || d->n_required == SEGMENT_MAX_REQUIRED)
		return 0;
	int r = is_new_requirement(d, p);
	if (r <= 0)
		return r;
	memcpy(q.name, p->name, sizeof(q.name));
	segment_required_put(&d->required, &q);
	d->n_required++;
	return buf_error(&d->required);
}

/* ---------------------------------------------------------------- chunks */

enum chunk_fate {
	CHUNK_ANNOUNCED, /* by this segment, an earlier one, or another's */
	CHUNK_DEAD,	 /* no version needs it: it never left the stage */
};

/*
 * What is placed in the stage or nowhere by now was overwritten or deleted
 * before this batch ended: everything else was packed (publish.c).  A chunk
 * that has a reader and no place is lost, and a segment must not hide that.
 */
static int chunk_fate(struct draft *d, const struct extent *e,
		      enum chunk_fate *ret)
{
	struct vault *v = d->c->v;
	struct index_chunk c;
	struct index_pack p = { 0 };
	int r = index_chunk_find(v->index, &e->id, &c);

	*ret = CHUNK_DEAD;
	if (r <= 0)
		return r;
	if (c.pack == 0)
		return c.refs == 0 || content_names_chunk(v, c.chunk) ?
			       0 : ERR_MISSING;
	r = index_pack_get(v->index, c.pack, &p);
	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	if (p.is_stage)
		return 0;
	*ret = CHUNK_ANNOUNCED;
	return d->has_others ? note_required(d, &p) : 0;
}

/* The extents without those of dead chunks; *ret_dead: how many those were. */
static int keep_extents(struct draft *d, const struct op_content *o,
			struct buf *ret, uint32_t *ret_n, uint32_t *ret_dead)
{
	struct cursor c;
	int r = 0;

	extent_list_cursor(&o->extents, &c);
	for (uint32_t i = 0; r == 0 && i < o->extents.n; i++) {
		enum chunk_fate fate = CHUNK_ANNOUNCED;
		struct extent e;

		extent_read(&c, &e);
		if (e.kind == EXTENT_CHUNK)
			r = chunk_fate(d, &e, &fate);
		if (fate == CHUNK_DEAD)
			++*ret_dead;
		/* In a change the range still hides what is below it. */
		if (fate == CHUNK_DEAD && o->whole)
			continue;
		if (fate == CHUNK_DEAD)
			e.kind = EXTENT_HOLE;
		extent_put(ret, &e);
		++*ret_n;
	}
	return r < 0 ? r : buf_error(ret);
}

/* ---------------------------------------------------------------- operations */

static int add_content(struct draft *d, struct op *op, const uint8_t *raw,
		       size_t bytes)
{
	auto_buf struct buf kept = BUF_INIT(OP_MAX_BYTES);
	uint32_t n = 0, n_dead = 0;
	int r = keep_extents(d, &op->content, &kept, &n, &n_dead);

	if (r < 0)
		return r;
	if (n_dead == 0) {
		buf_put(&d->ops, raw, bytes);
		return buf_error(&d->ops);
	}
	op->content.extents = (struct extent_list){
		.raw = kept.data,
		.raw_bytes = (uint32_t)kept.len,
		.n = n,
	};
	return op_encode(op, &d->ops);
}

static int add_op(struct draft *d, struct cursor *at)
{
	const uint8_t *raw = at->at;
	struct op op = { .clock = le64_get(raw + 8) };
	int r = op_decode(at, &op);

	if (r < 0)
		return r;
	if (d->n_ops++ == 0)
		d->first = op.clock;
	d->last = op.clock;
	if (r > 0 && op.type == OP_CONTENT)
		return add_content(d, &op, raw, (size_t)(at->at - raw));
	buf_put(&d->ops, raw, (size_t)(at->at - raw));
	return buf_error(&d->ops);
}

static int add_piece(struct draft *d, const struct oplog_piece *p)
{
	struct vault *v = d->c->v;
	struct cursor at;
	int r = 0;

	cursor_init(&at, p->raw.data, p->raw.len);
	while (r == 0 && cursor_left(&at) > 0) {
		lock_take(&v->index_lock);
		for (unsigned i = 0; r == 0 && i < SLICE && cursor_left(&at);
		     i++)
			r = add_op(d, &at);
		lock_drop(&v->index_lock);
	}
	return r;
}

/* Pieces of a batch that is closed do not change while cut_lock is held. */
static int add_operations(struct draft *d)
{
	int r = 0;

	for (const struct oplog_piece *p = d->c->v->oplog.first;
	     r == 0 && p && p->seq <= d->seq; p = p->next)
		if (p->seq == d->seq)
			r = add_piece(d, p);
	/* One that only announces or acknowledges happens when the last one
	 * ended: what follows may be older than now. */
	if (r == 0 && d->n_ops == 0)
		d->first = d->last = d->self.last;
	return r;
}

/* ---------------------------------------------------------------- the rest */

static int add_vector_entry(void *arg, const struct writer_state *w)
{
	struct draft *d = arg;
	struct segment_vv vv = {
		.writer = w->writer,
		.context = w->seq,
		.ack = min_of(w->ack, w->seq),
		.head = w->head,
	};

	if (w->writer == d->c->v->writer || w->seq == 0)
		return 0;
	if (d->n_vector == SEGMENT_MAX_WRITERS)
		return ERR_LIMIT;
	segment_vv_put(&d->vector, &vv);
	d->n_vector++;
	return buf_error(&d->vector);
}

static int begin(struct draft *d)
{
	struct vault *v = d->c->v;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = writer_load(v, v->writer, &d->self);
	if (r == 0)
		r = writer_each(v, add_vector_entry, d);
	lock_drop(&v->index_lock);
	d->has_others = d->n_vector > 0;
	if (r == 0 && d->self.seq + 1 != d->seq)
		r = ERR_BAD_INDEX;
	return r;
}

/* As many announcements from the front of what waits as there is room for. */
static int add_packs(struct draft *d, size_t *ret_bytes)
{
	/* What is padded from below the maximum never exceeds it: the step
	 * divides it (pad_length). */
	size_t used = FIXED_BYTES + d->ops.len + d->vector.len +
		      d->required.len;
	size_t room = SEGMENT_BODY_MAX - min_of(used, (size_t)SEGMENT_BODY_MAX);
	struct cursor c;

	cursor_init(&c, d->c->packs.data, d->c->packs.len);
	*ret_bytes = 0;
	for (uint32_t i = 0; i < d->c->n_packs && i < SEGMENT_MAX_PACKS; i++) {
		struct segment_pack p;

		segment_pack_read(&c, &p);
		if (c.error)
			return c.error;
		size_t end = (size_t)(c.at - d->c->packs.data);
		if (end > room)
			break;
		*ret_bytes = end;
		d->n_packs = i + 1;
	}
	buf_put(&d->packs, d->c->packs.data, *ret_bytes);
	return buf_error(&d->packs);
}

static int seal(struct draft *d, struct buf *file)
{
	struct vault *v = d->c->v;
	struct segment_header h = {
		.vault = v->header.uuid,
		.writer = v->writer,
		.seq = d->seq,
	};
	struct segment_body b = {
		.previous = d->self.head,
		.first = d->first,
		.last = d->last,
		.n_vv = d->n_vector,
		.n_packs = d->n_packs,
		.n_required = d->n_required,
		.n_ops = d->n_ops,
	};

	cursor_init(&b.vv, d->vector.data, d->vector.len);
	cursor_init(&b.packs, d->packs.data, d->packs.len);
	cursor_init(&b.required, d->required.data, d->required.len);
	cursor_init(&b.ops, d->ops.data, d->ops.len);
	return segment_seal(core_newest_keys(v), &h, &b, file);
}

/* What the index said of chunks that nobody needs counts only if it is whole
 * still. */
static int check_index(const struct draft *d)
{
	struct vault *v = d->c->v;

	lock_take(&v->index_lock);
	int r = core_index_state(v);
	lock_drop(&v->index_lock);
	return r;
}

/* First the bytes, then the frame that says they count. */
static int keep(struct draft *d, const struct buf *file)
{
	struct vault *v = d->c->v;
	struct sealed_mark m = { .seq = d->seq, .file_bytes = file->len };
	auto_buf struct buf body = BUF_INIT(64);
	uint64_t number;
	int r = journal_sealed_write(v->journal, d->seq, file->data, file->len);

	if (r < 0)
		return r;
	segment_hash(file->data, file->len, &m.hash);
	sealed_mark_encode(&m, &body);
	r = buf_error(&body);
	if (r == 0)
		r = journal_append(v->journal, FRAME_SEALED, body.data,
				   body.len, &number);
	if (r == 0)
		d->c->sealed_seq = d->seq;
	return r;
}

/* Announced ones leave the list once the segment is sealed. */
static void drop_packs(struct commit *c, uint32_t n, size_t bytes)
{
	memmove(c->packs.data, c->packs.data + bytes, c->packs.len - bytes);
	c->packs.len -= bytes;
	c->n_packs -= n;
}

int seal_batch(struct commit *c, uint64_t seq, bool is_last)
{
	struct draft d = { .c = c, .seq = seq, .attempt = random_u64() };
	auto_buf struct buf file = BUF_INIT(SEGMENT_FILE_MAX);
	size_t packs_bytes = 0;
	int r;

	buf_init(&d.ops, SEGMENT_BODY_MAX);
	buf_init(&d.vector, SEGMENT_BODY_MAX);
	buf_init(&d.required, SEGMENT_BODY_MAX);
	buf_init(&d.packs, SEGMENT_BODY_MAX);
	r = begin(&d);
	if (r == 0)
		r = add_operations(&d);
	if (r == 0)
		r = add_packs(&d, &packs_bytes);
	/* Every pack is announced with the operations that need it, or before
	 * (room_for_packs in commit.c sees to the room). */
	if (r == 0 && is_last && d.n_packs < c->n_packs)
		r = ERR_LIMIT;
	if (r == 0)
		r = check_index(&d);
	if (r == 0)
		r = seal(&d, &file);
	if (r == 0)
		r = keep(&d, &file);
	if (r == 0 && packs_bytes > 0)
		drop_packs(c, d.n_packs, packs_bytes);
	buf_release(&d.ops);
	buf_release(&d.vector);
	buf_release(&d.required);
	buf_release(&d.packs);
	if (r < 0)
		diag_err(DIAG_ERROR, r, "sealing segment %llu of this device",
			 (unsigned long long)seq);
	return r;
}
