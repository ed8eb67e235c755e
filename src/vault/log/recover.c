/* SPDX-License-Identifier: ISC */
#include "vault/log/recover.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/history/history.h"
#include "vault/log/apply.h"
#include "vault/packs/packs.h"

void recovery_release(struct recovery *r)
{
	journal_close(r->scanned);
	r->scanned = NULL;
	mem_free(r->sealed);
	buf_release(&r->ops);
	buf_release(&r->announced);
	buf_release(&r->stage_files);
}

/* ---------------------------------------------------------------- first pass */

static int scan_marks(struct recovery *r, struct cursor *body)
{
	const struct marks_head *own;
	struct marks m;
	int e = marks_decode(body, &m);

	if (e == 0)
		e = heads_add_all(&r->c->heads, &m);
	if (e < 0)
		return e;
	own = heads_find(&r->c->heads, r->c->v->writer);
	if (!r->has_marks)
		r->oldest_own = own ? own->seq : 0;
	r->has_marks = true;
	r->header_mac = m.header_mac;
	r->newest_epoch = m.newest_epoch;
	r->newest_key = m.newest_key;
	r->generation = m.index_generation;
	r->session = m.session;
	r->is_index_clean = m.index_clean;
	r->index_frame = m.index_frame;
	return 0;
}

/* Which operations these are: nothing else has their clocks. */
static int scan_run(struct recovery *r, const struct cut_ops *run)
{
	struct cursor at;
	int e = 0;

	cursor_init(&at, run->raw, run->raw_bytes);
	for (uint32_t i = 0; e >= 0 && i < run->n_ops; i++) {
		struct op op = { .clock = 0 };

		e = op_decode(&at, &op);
		buf_put_u64(&r->ops, run->seq);
		buf_put_u32(&r->ops, run->first_index + i);
		buf_put_u64(&r->ops, op.clock);
	}
	return e < 0 ? e : buf_error(&r->ops);
}

static int scan_cut(struct recovery *r, struct cursor *body)
{
	struct cut cut;
	int e = cut_decode(body, &cut);

	for (uint32_t i = 0; e == 0 && i < cut.n_runs; i++) {
		struct cut_ops run;

		cut_ops_read(&cut.runs, &run);
		e = scan_run(r, &run);
	}
	for (uint32_t i = 0; e == 0 && i < cut.n_stage; i++) {
		struct cut_stage_entry s;

		cut_stage_entry_read(&cut.stage, &s);
		r->next_stage_file = max_of(r->next_stage_file, s.file + 1);
	}
	for (uint32_t i = 0; e == 0 && i < cut.n_chunks; i++) {
		struct cut_chunk s;

		cut_chunk_read(&cut.chunks, &s);
		r->next_stage_file = max_of(r->next_stage_file, s.file + 1);
	}
	return e;
}

static int scan_sealed(struct recovery *r, struct cursor *body)
{
	struct sealed_mark m, *grown;
	int e = sealed_mark_decode(body, &m);

	if (e < 0)
		return e;
	grown = mem_realloc_array(r->sealed, r->n_sealed + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	r->sealed = grown;
	grown[r->n_sealed++] = m;
	return 0;
}

static int scan_frame(void *arg, uint64_t number, enum frame_type type,
		      const uint8_t *body, size_t body_bytes)
{
	struct recovery *r = arg;
	struct cursor c;

	(void)number;
	cursor_init(&c, body, body_bytes);
	switch (type) {
	case FRAME_MARKS:
		return scan_marks(r, &c);
	case FRAME_CUT:
		return scan_cut(r, &c);
	case FRAME_SEALED:
		return scan_sealed(r, &c);
	}
	return ERR_NEWER;
}

int recover_scan(struct recovery *r)
{
	struct vault *v = r->c->v;
	int e;

	buf_init(&r->ops, MEM_MAX);
	e = journal_open(v->env, r->c->state.journal_fd, &v->keys->local,
			 scan_frame, r, &r->scanned);

	/* Of files long dropped nothing may tell: but there were never more
	 * than frames, as good as always. */
	if (e == 0)
		r->next_stage_file = max_of(r->next_stage_file,
					    journal_next_number(r->scanned));
	return e;
}

/* ---------------------------------------------------------------- own log */

/* The newest mark of a seq: one that was sealed again after a failure counts
 * no more. */
static const struct sealed_mark *find_sealed(const struct recovery *r,
					     uint64_t seq)
{
	for (size_t i = r->n_sealed; i-- > 0;)
		if (r->sealed[i].seq == seq)
			return &r->sealed[i];
	return NULL;
}

/* 1 if the file of that name is authentic; with `hash`, only that one. */
static int is_published(struct vault *v, const struct log_name *name,
			const struct file_hash *hash)
{
	auto_log_segment struct log_segment s = { .plain = NULL };
	int r;

	if (hash && memcmp(name->prefix, hash->b, sizeof(name->prefix)) != 0)
		return 0;
	r = logdir_read(v, v->writer, name, &s);
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	return r == 0 &&
	       (!hash || memcmp(s.hash.b, hash->b, sizeof(hash->b)) == 0);
}

/* 1 if one of the files of that seq is authentic (and has that hash). */
static int is_seq_published(struct vault *v, const struct log_names *l,
			    uint64_t seq, const struct file_hash *hash)
{
	const struct log_name *n = log_names_find(l, seq);
	int r = 0;

	for (; r == 0 && n && n < l->names + l->n && n->seq == seq; n++)
		r = is_published(v, n, hash);
	return r;
}

/* The authentic segment of that number which continues the own log: 1; 0:
 * none, or another history. */
static int read_continuation(struct vault *v, const struct log_names *l,
			     const struct marks_head *own, uint64_t seq,
			     struct log_segment *ret)
{
	const struct log_name *n = log_names_find(l, seq);
	int r;

	/* Two of them are two histories. */
	if (!n || (n + 1 < l->names + l->n && n[1].seq == seq))
		return 0;
	r = logdir_read(v, v->writer, n, ret);
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	return r == 0 && (!own || own->seq + 1 != seq ||
			  memcmp(&ret->body.previous, &own->head,
				 sizeof(own->head)) == 0);
}

/* A segment of the vault, read from its first operation on. */
struct walk {
	struct log_segment s;
	struct cursor at;
	uint32_t next;
};

/* Is an operation of the journal in the segment of its number?  They are asked
 * for in order. */
static bool has_op(struct walk *w, uint32_t index, uint64_t clock)
{
	struct op op = { .clock = 0 };

	if (index < w->next)
		return false;
	while (w->next <= index && cursor_left(&w->at) > 0) {
		if (op_decode(&w->at, &op) < 0)
			return false;
		w->next++;
	}
	return w->next == index + 1 && op.clock == clock;
}

static int walk_to(struct walk *w, struct vault *v, const struct log_names *l,
		   const struct marks_head *own, uint64_t seq)
{
	log_segment_release(&w->s);
	int r = read_continuation(v, l, own, seq, &w->s);

	w->at = w->s.body.ops;
	w->next = 0;
	return r;
}

/* Does the vault have all of the journal that is not published as far as this
 * state knows, in segments that continue its log? 1, 0. */
static int has_all(struct recovery *r, const struct log_names *l,
		   const struct marks_head *own)
{
	struct walk w = { .next = 0 };
	struct vault *v = r->c->v;
	uint64_t at_seq = r->c->own_seq + 1;
	int e = walk_to(&w, v, l, own, at_seq);
	struct cursor c;

	cursor_init(&c, r->ops.data, r->ops.len);
	while (e > 0 && cursor_left(&c) > 0) {
		uint64_t seq = cursor_u64(&c);
		uint32_t index = cursor_u32(&c);
		uint64_t clock = cursor_u64(&c);

		if (seq <= r->c->own_seq)
			continue;
		if (seq != at_seq)
			e = walk_to(&w, v, l, own, seq);
		at_seq = seq;
		if (e > 0)
			e = has_op(&w, index, clock);
	}
	log_segment_release(&w.s);
	return e;
}

/* An authentic one of this device that its state does not know: its number;
 * 0. */
static int find_ahead(struct vault *v, const struct log_names *l, uint64_t seq,
		      uint64_t *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++)
		if (l->names[i].seq > seq) {
			r = is_published(v, &l->names[i], NULL);
			*ret = l->names[i].seq;
		}
	return r;
}

/* A number up to the own end under which two authentic ones stand. */
static bool is_forked(struct vault *v, const struct log_names *l, uint64_t end)
{
	for (size_t i = 1; i < l->n && l->names[i].seq <= end; i++)
		if (l->names[i].seq == l->names[i - 1].seq &&
		    is_published(v, &l->names[i - 1], NULL) == 1 &&
		    is_published(v, &l->names[i], NULL) == 1)
			return true;
	return false;
}

static int find_sealed_end(struct recovery *r)
{
	struct commit *c = r->c;

	c->sealed_seq = c->own_seq;
	while (find_sealed(r, c->sealed_seq + 1))
		c->sealed_seq++;
	return 0;
}

int recover_own_log(struct recovery *r)
{
	auto_log_names struct log_names l = { 0 };
	struct commit *c = r->c;
	struct vault *v = c->v;
	const struct marks_head *own = heads_find(&c->heads, v->writer);
	uint64_t ahead = 0;
	int e = logdir_list(v, v->writer, 1, &l);

	c->own_seq = own ? own->seq : 0;
	while (e == 0) {
		const struct sealed_mark *m = find_sealed(r, c->own_seq + 1);

		e = m ? is_seq_published(v, &l, m->seq, &m->hash) : 0;
		if (e <= 0)
			break;
		c->own_seq++;
		e = 0;
	}
	if (e == 0)
		e = find_sealed_end(r);
	if (e == 0)
		e = find_ahead(v, &l, c->own_seq, &ahead);
	if (e <= 0)
		return e;
	/* Told where they part (history_check_all). */
	if (is_forked(v, &l, c->own_seq))
		return 0;
	/* Either the state was put back, and what the vault has was done after
	 * that; or it was copied, and both went on. */
	e = has_all(r, &l, own);
	return e != 0 ? e :
			history_note(c, VAULT_ALARM_OWN, v->writer, ahead,
				     ahead, false);
}

/* ---------------------------------------------------------------- second pass */

static int note_names(struct recovery *r, const struct log_segment *s)
{
	struct cursor c = s->body.packs;

	for (uint32_t i = 0; i < s->body.n_packs; i++) {
		struct segment_pack p;

		segment_pack_read(&c, &p);
		buf_put(&r->announced, p.name, sizeof(p.name));
	}
	return buf_error(&r->announced);
}

/* Own packs told of by segments since the oldest frame there is: a frame that
 * names one is not the last to do so. */
static int collect_announced(struct recovery *r)
{
	struct vault *v = r->c->v;
	auto_log_names struct log_names l = { 0 };
	int e = logdir_list(v, v->writer, r->oldest_own + 1, &l);

	for (size_t i = 0; e == 0 && i < l.n; i++) {
		auto_log_segment struct log_segment s = { .plain = NULL };

		if (l.names[i].seq > r->c->own_seq)
			break;
		if (logdir_read(v, v->writer, &l.names[i], &s) == 0)
			e = note_names(r, &s);
	}
	for (uint64_t q = r->c->own_seq + 1;
	     e == 0 && q <= r->c->sealed_seq; q++) {
		auto_log_segment struct log_segment s = { .plain = NULL };
		auto_free uint8_t *file = NULL;
		size_t bytes;

		e = journal_sealed_read(r->scanned, q, &file, &bytes);
		if (e == 0)
			e = log_segment_open(v, v->writer, q, file, bytes, &s);
		if (e == 0)
			e = note_names(r, &s);
	}
	return e;
}

static bool is_announced(const void *arg,
			 const uint8_t name[static PACK_NAME_BYTES])
{
	const struct recovery *r = arg;

	for (size_t at = 0; at < r->announced.len; at += PACK_NAME_BYTES)
		if (memcmp(r->announced.data + at, name, PACK_NAME_BYTES) == 0)
			return true;
	return false;
}

static int list_stage_file(void *arg, uint64_t file, uint64_t bytes)
{
	struct buf *b = arg;

	(void)bytes;
	buf_put_u64(b, file);
	return buf_error(b);
}

static bool has_stage_file(const struct recovery *r, uint64_t file)
{
	for (size_t at = 0; at < r->stage_files.len; at += 8)
		if (le64_get(r->stage_files.data + at) == file)
			return true;
	return false;
}

static int replay_packs(struct recovery *r, struct cut *cut, bool apply)
{
	struct commit *c = r->c;
	int e = 0;

	for (uint32_t i = 0; e == 0 && i < cut->n_packs; i++) {
		const uint8_t *from = cut->packs.at;
		struct segment_pack p;

		segment_pack_read(&cut->packs, &p);
		if (is_announced(r, p.name))
			continue;
		if (apply)
			e = packs_announce(c->v, c->v->writer, &p,
					   PACK_FLAG_WHOLE);
		buf_put(&c->packs, from, (size_t)(cut->packs.at - from));
		c->n_packs++;
	}
	return e < 0 ? e : buf_error(&c->packs);
}

static int replay_stage(struct recovery *r, struct cut *cut, bool apply)
{
	int e = 0;

	for (uint32_t i = 0; e == 0 && i < cut->n_stage; i++) {
		struct cut_stage_entry s;

		cut_stage_entry_read(&cut->stage, &s);
		if (!has_stage_file(r, s.file))
			continue;
		r->c->n_staged++;
		if (apply)
			e = packs_add_staged(r->c->v, s.file, &s.entry,
					     is_announced, r);
	}
	return e;
}

/* Chunks whose bytes stand in the frame: the stage's copy may have been lost
 * with the page cache. */
static int replay_chunks(struct recovery *r, struct cut *cut, bool apply)
{
	struct vault *v = r->c->v;
	int e = 0;

	for (uint32_t i = 0; e == 0 && i < cut->n_chunks; i++) {
		struct cut_chunk s;

		cut_chunk_read(&cut->chunks, &s);
		r->c->n_staged++;
		e = stage_restore(v->stage, s.file, &s.entry, s.bytes);
		if (e == 0 && !has_stage_file(r, s.file))
			e = list_stage_file(&r->stage_files, s.file, 0);
		if (e == 0 && apply)
			e = packs_add_staged(v, s.file, &s.entry, is_announced,
					     r);
	}
	return e;
}

static int apply_run(struct vault *v, const struct cut_ops *run)
{
	struct cursor c;
	int e = 0;

	cursor_init(&c, run->raw, run->raw_bytes);
	for (uint32_t i = 0; e >= 0 && i < run->n_ops; i++) {
		struct op op = { .flags = 0 };

		e = op_decode(&c, &op);
		op.dot = (struct dot){ v->writer, run->seq,
				       run->first_index + i };
		if (e > 0)
			e = apply_op(v, &op);
	}
	return e < 0 ? e : 0;
}

static int replay_runs(struct recovery *r, struct cut *cut, bool apply)
{
	struct vault *v = r->c->v;
	int e = 0;

	for (uint32_t i = 0; e == 0 && i < cut->n_runs; i++) {
		struct cut_ops run;

		cut_ops_read(&cut->runs, &run);
		if (run.seq <= r->c->own_seq)
			continue;
		e = oplog_restore(&v->oplog, run.seq, run.first_index,
				  run.n_ops, run.raw, run.raw_bytes);
		if (e == 0 && apply)
			e = apply_run(v, &run);
	}
	return e;
}

/* Every operation of the cut is in a segment: so are its chunks, as far as
 * they still matter. */
static bool is_all_published(const struct recovery *r, const struct cut *cut)
{
	struct cursor c = cut->runs;
	bool all = cut->n_runs > 0;

	for (uint32_t i = 0; all && i < cut->n_runs; i++) {
		struct cut_ops run;

		cut_ops_read(&c, &run);
		all = run.seq <= r->c->own_seq;
	}
	return all;
}

static int replay_cut(struct recovery *r, uint64_t number, struct cursor *body)
{
	bool apply = number > r->from_frame;
	struct vault *v = r->c->v;
	struct cut cut;
	int e = cut_decode(body, &cut);

	if (e < 0)
		return e;
	lock_take(&v->index_lock);
	e = replay_packs(r, &cut, apply);
	if (e == 0 && !is_all_published(r, &cut)) {
		e = replay_stage(r, &cut, apply);
		if (e == 0)
			e = replay_chunks(r, &cut, apply);
	}
	if (e == 0)
		e = replay_runs(r, &cut, apply);
	lock_drop(&v->index_lock);
	return e;
}

static int replay_frame(void *arg, uint64_t number, enum frame_type type,
			const uint8_t *body, size_t body_bytes)
{
	struct cursor c;

	cursor_init(&c, body, body_bytes);
	return type == FRAME_CUT ? replay_cut(arg, number, &c) : 0;
}

/* The next operation must not have a number that is sealed already. */
static int skip_sealed(struct commit *c)
{
	struct oplog *l = &c->v->oplog;
	int e = 0;

	lock_take(&c->v->index_lock);
	while (e == 0 && l->seq <= c->sealed_seq)
		e = oplog_seal(l);
	lock_drop(&c->v->index_lock);
	return e;
}

int recover_replay(struct recovery *r)
{
	struct vault *v = r->c->v;
	int e;

	buf_init(&r->announced, MEM_MAX);
	buf_init(&r->stage_files, MEM_MAX);
	e = stage_list(v->store, list_stage_file, &r->stage_files);
	if (e == 0)
		e = collect_announced(r);
	if (e == 0)
		e = journal_open(v->env, r->c->state.journal_fd,
				 &v->keys->local, replay_frame, r,
				 &v->journal);
	return e < 0 ? e : skip_sealed(r->c);
}
