/* SPDX-License-Identifier: ISC */
/* Packing the stage: what is in its closed files goes into packs of the vault
 * (vault-format/10-ordering.md), but for what died before. */
#include <errno.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/log/commit_priv.h"
#include "vault/log/devices.h"
#include "vault/log/frames.h"
#include "vault/log/joiner.h"
#include "vault/packs/pack_maker.h"
#include "vault/packs/packs.h"

/* Chunks the index handles in one go under its lock: below a millisecond. */
#define SLICE 100u

/* ---------------------------------------------------------------- rows */

/* Stage files of the index below a number: their pack numbers. */
struct stage_rows {
	uint64_t below;
	struct buf packs; /* LE64 each */
};

static int collect_row(void *arg, const struct index_pack *p)
{
	struct stage_rows *s = arg;

	if (p->is_stage && p->stage_file < s->below)
		buf_put_u64(&s->packs, p->pack);
	return buf_error(&s->packs);
}

static int find_rows(struct vault *v, uint64_t below, struct buf *ret)
{
	struct stage_rows s = { .below = below, .packs = BUF_INIT(MEM_MAX) };
	int r;

	lock_take(&v->index_lock);
	r = index_pack_each(v->index, collect_row, &s);
	lock_drop(&v->index_lock);
	if (r == 0)
		*ret = s.packs;
	else
		buf_release(&s.packs);
	return r;
}

/* ---------------------------------------------------------------- discarding */

static bool is_live(struct vault *v, const struct index_chunk *c)
{
	return c->refs > 0 || content_names_chunk(v, c->chunk);
}

struct dead_chunks {
	struct vault *v;
	struct buf chunks; /* LE64 numbers */
};

static int collect_dead(void *arg, const struct index_chunk *c)
{
	struct dead_chunks *d = arg;

	if (!is_live(d->v, c))
		buf_put_u64(&d->chunks, c->chunk);
	return buf_error(&d->chunks);
}

/* Found dead and taken away in one critical section: nobody can come to name
 * it in between, nor after, for it cannot be found any more. */
static int discard_slice(struct vault *v, const struct buf *chunks, size_t at)
{
	size_t end = min_of(chunks->len, at + SLICE * 8u);
	struct index_chunk c;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	for (; r >= 0 && at < end; at += 8) {
		r = index_chunk_get(v->index, le64_get(chunks->data + at), &c);
		if (r > 0 && !is_live(v, &c))
			r = index_chunk_delete(v->index, c.chunk);
	}
	lock_drop(&v->index_lock);
	return r < 0 ? r : 0;
}

static int discard_of_row(struct vault *v, uint64_t pack)
{
	struct dead_chunks d = { .v = v, .chunks = BUF_INIT(MEM_MAX) };
	int r;

	lock_take(&v->index_lock);
	r = index_chunk_each_of_pack(v->index, pack, collect_dead, &d);
	lock_drop(&v->index_lock);
	for (size_t at = 0; r == 0 && at < d.chunks.len; at += SLICE * 8u)
		r = discard_slice(v, &d.chunks, at);
	buf_release(&d.chunks);
	return r;
}

int pack_stage_discard(struct commit *c)
{
	auto_buf struct buf rows = BUF_INIT(MEM_MAX);
	unsigned n_live;
	int r;

	lock_take(&c->v->index_lock);
	r = device_count_live(c->v, &n_live);
	lock_drop(&c->v->index_lock);
	if (r < 0 || n_live > 1)
		return r;
	r = find_rows(c->v, UINT64_MAX, &rows);
	for (size_t at = 0; r == 0 && at < rows.len; at += 8)
		r = discard_of_row(c->v, le64_get(rows.data + at));
	return r;
}

/* ---------------------------------------------------------------- collecting */

/* A chunk to be packed. */
struct live_chunk {
	uint64_t chunk;
	uint64_t stage_file;
	struct pack_entry entry;
};

struct live_list {
	struct vault *v;
	uint64_t stage_file;
	struct live_chunk *list;
	size_t n, cap;
};

static int live_add(struct live_list *l, const struct index_chunk *c)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct live_chunk *grown =
			mem_realloc_array(l->list, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->list = grown;
		l->cap = cap;
	}
	l->list[l->n++] = (struct live_chunk){
		.chunk = c->chunk,
		.stage_file = l->stage_file,
		.entry = c->entry,
	};
	return 0;
}

static int collect_live(void *arg, const struct index_chunk *c)
{
	return live_add(arg, c);
}

static int collect_of_rows(struct vault *v, const struct buf *rows,
			   struct live_list *l)
{
	struct index_pack p;
	int r = 0;

	for (size_t at = 0; r == 0 && at < rows->len; at += 8) {
		lock_take(&v->index_lock);
		r = index_pack_get(v->index, le64_get(rows->data + at), &p);
		l->stage_file = p.stage_file;
		if (r > 0)
			r = index_chunk_each_of_pack(v->index, p.pack,
						     collect_live, l);
		lock_drop(&v->index_lock);
	}
	return r;
}

/* ---------------------------------------------------------------- packing */

static int move_chunk(struct pack_maker *m, const struct live_chunk *l)
{
	struct vault *v = m->c->v;
	const struct store_place from = {
		.is_stage = true,
		.stage_file = l->stage_file,
		.type = PACK_DATA,
		.entry = l->entry,
	};
	uint32_t n_subs = (l->entry.plain_bytes - 1) / RECORD_SUB_BYTES + 1;
	int r = store_read(v->store, &from, 0, 0, n_subs, false, m->plain);

	if (r < 0)
		return diag_err(DIAG_ERROR, r, "reading stage file %016llx",
				(unsigned long long)l->stage_file);
	return pack_maker_add(m, &l->entry.id, l->entry.plain_bytes);
}

/* 1: it must be stored again, and its bytes are in m->plain.  What cannot be
 * found is pending, not damaged. */
static int read_elsewhere(struct pack_maker *m, uint64_t chunk,
			  struct live_chunk *ret)
{
	struct vault *v = m->c->v;
	struct store_place from = { .is_stage = false };
	struct content_id id;
	int r;

	lock_take(&v->index_lock);
	r = joiner_place(v, chunk, &from);
	lock_drop(&v->index_lock);
	if (r <= 0)
		return r;
	r = store_read(v->store, &from, core_newest_keys(v)->epoch, 0,
		       (from.entry.plain_bytes - 1) / RECORD_SUB_BYTES + 1,
		       false, m->plain);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	keys_content_id(&v->keys->vault.cid_data, m->plain,
			from.entry.plain_bytes, &id);
	if (memcmp(&id, &from.entry.id, sizeof(id)) != 0)
		return 0;
	*ret = (struct live_chunk){ .chunk = chunk, .entry = from.entry };
	return 1;
}

static int store_again(struct pack_maker *m, const struct buf *chunks)
{
	int r = 0;

	for (size_t at = 0; r >= 0 && at < chunks->len; at += 8) {
		struct live_chunk l;

		r = read_elsewhere(m, le64_get(chunks->data + at), &l);
		if (r > 0)
			r = pack_maker_add(m, &l.entry.id, l.entry.plain_bytes);
	}
	return r < 0 ? r : 0;
}

static int make_packs(struct pack_maker *m, const struct live_list *l,
		      const struct buf *elsewhere)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++)
		r = move_chunk(m, &l->list[i]);
	if (r == 0)
		r = store_again(m, elsewhere);
	return r;
}

int pack_stage(struct commit *c, uint64_t below, uint64_t seq)
{
	auto_buf struct buf elsewhere = BUF_INIT(MEM_MAX);
	struct live_list l = { .v = c->v };
	auto_buf struct buf rows = BUF_INIT(MEM_MAX);
	int r = find_rows(c->v, below, &rows);

	if (r == 0)
		r = collect_of_rows(c->v, &rows, &l);
	if (r == 0) {
		lock_take(&c->v->cut_lock);
		r = joiner_collect(c, seq, &elsewhere);
		lock_drop(&c->v->cut_lock);
	}
	if (r == 0 && (l.n > 0 || elsewhere.len > 0)) {
		struct pack_maker m;

		r = pack_maker_init(&m, c);
		if (r == 0)
			r = pack_maker_end(&m, make_packs(&m, &l, &elsewhere));
	}
	mem_free(l.list);
	return r;
}

/* ---------------------------------------------------------------- dropping */

struct survivors {
	struct vault *v;
	uint64_t stage_file;
	struct buf entries;
	uint32_t n;
};

static int collect_survivor(void *arg, const struct index_chunk *c)
{
	struct survivors *s = arg;
	struct cut_stage_entry e = { .file = s->stage_file, .entry = c->entry };

	if (!is_live(s->v, c))
		return 0;
	cut_stage_entry_put(&s->entries, &e);
	s->n++;
	return buf_error(&s->entries);
}

/* One critical section: a chunk found dead is nowhere after it.  Survivors
 * keep the row; they are packed at the next publish. */
static int forget_row(struct vault *v, uint64_t pack, struct survivors *s,
		      uint64_t *kept_file)
{
	struct index_pack p;
	uint32_t before = s->n;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = index_pack_get(v->index, pack, &p);
	if (r > 0) {
		s->stage_file = p.stage_file;
		r = index_chunk_each_of_pack(v->index, pack, collect_survivor,
					     s);
		if (r == 0 && s->n > before)
			*kept_file = min_of(*kept_file, p.stage_file);
		else if (r == 0)
			r = packs_forget_stage(v, pack);
	}
	lock_drop(&v->index_lock);
	return r;
}

int pack_stage_drop(struct commit *c, uint64_t below, uint64_t frame)
{
	struct vault *v = c->v;
	struct survivors s = { .v = v, .entries = BUF_INIT(MEM_MAX) };
	auto_buf struct buf rows = BUF_INIT(MEM_MAX);
	uint64_t kept = below;
	int r = find_rows(v, below, &rows);

	for (size_t at = 0; r == 0 && at < rows.len; at += 8)
		r = forget_row(v, le64_get(rows.data + at), &s, &kept);
	/* Before the frame that told of them goes. */
	if (r == 0 && s.n > 0)
		r = frames_write_staged(c, &s.entries);
	buf_release(&s.entries);
	if (r == 0)
		r = stage_drop_below(v->stage, kept);
	return r < 0 ? r : journal_drop_below(v->journal, frame);
}
