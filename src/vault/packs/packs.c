/* SPDX-License-Identifier: ISC */
#include "vault/packs/packs.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/tables.h"

/* Other packs of a chunk that has a place: content id -> {pack number, entry}
 * each.  Two devices may store one chunk at the same time. */
#define OTHER_BYTES (8u + PACK_ENTRY_BYTES)
#define OTHER_MAX 64u

/* Chunks the index handles in one go: below a millisecond. */
#define SLICE 100u

#define DROPPED_ID_BYTES (8u + PACK_NAME_BYTES)

/* ---------------------------------------------------------------- other places */

static int others_get(struct vault *v, const struct content_id *id,
		      struct buf *ret)
{
	const uint8_t *rec;
	size_t bytes;
	int r = index_value_get(v->index, OTHER_TABLE, id->b, sizeof(id->b),
				&rec, &bytes);

	if (r <= 0)
		return r;
	if (bytes % OTHER_BYTES != 0)
		return ERR_BAD_INDEX;
	buf_put(ret, rec, bytes);
	return buf_error(ret);
}

/* What is beyond the limit is forgotten: there are enough others. */
static int others_add(struct vault *v, uint64_t pack,
		      const struct pack_entry *e)
{
	auto_buf struct buf b = BUF_INIT((size_t)OTHER_BYTES *
					 (OTHER_MAX + 1));
	int r = others_get(v, &e->id, &b);

	if (r < 0 || b.len / OTHER_BYTES >= OTHER_MAX)
		return r;
	buf_put_u64(&b, pack);
	pack_entry_put(&b, e);
	r = buf_error(&b);
	return r < 0 ? r : index_value_put(v->index, OTHER_TABLE, e->id.b,
					   sizeof(e->id.b), b.data, b.len);
}

/* Another place of a chunk, in a pack still known: 1, 0. */
static int others_find(struct vault *v, const struct content_id *id,
		       uint64_t not_pack, struct index_chunk *ret)
{
	auto_buf struct buf b = BUF_INIT((size_t)OTHER_BYTES * OTHER_MAX);
	struct index_pack p;
	struct cursor c;
	int r = others_get(v, id, &b);

	if (r < 0)
		return r;
	cursor_init(&c, b.data, b.len);
	while (cursor_left(&c) > 0) {
		struct index_chunk found = { .id = *id };

		found.pack = cursor_u64(&c);
		r = pack_entry_read(&c, &found.entry);
		if (r == 0 && found.pack != not_pack)
			r = index_pack_get(v->index, found.pack, &p);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		*ret = found;
		return 1;
	}
	return 0;
}

int packs_other_place(struct vault *v, const struct content_id *id, unsigned n,
		      struct index_chunk *ret_place,
		      struct index_pack *ret_pack)
{
	auto_buf struct buf b = BUF_INIT((size_t)OTHER_BYTES * OTHER_MAX);
	struct cursor c;
	int r = others_get(v, id, &b);

	if (r < 0)
		return r;
	cursor_init(&c, b.data, b.len);
	while (cursor_left(&c) > 0) {
		struct index_chunk found = { .id = *id };
		struct index_pack p;

		found.pack = cursor_u64(&c);
		r = pack_entry_read(&c, &found.entry);
		if (r == 0)
			r = index_pack_get(v->index, found.pack, &p);
		if (r < 0)
			return r;
		/* One that was dropped since counts no more. */
		if (r == 0 || n-- > 0)
			continue;
		*ret_place = found;
		*ret_pack = p;
		return 1;
	}
	return 0;
}

/* ---------------------------------------------------------------- announcing */

/* Does a chunk stay where it is?  A newer pack of this device's own takes it
 * over from an older one (`newer`): that is what copying it was for. */
static int keeps_place(struct vault *v, const struct index_chunk *c,
		       const struct index_pack *newer)
{
	struct index_pack p;
	int r;

	if (c->pack == 0)
		return 0;
	r = index_pack_get(v->index, c->pack, &p);
	if (r <= 0)
		return r;
	if (newer && v->writer && newer->writer == v->writer &&
	    p.writer == v->writer)
		return 0;
	return !p.is_stage && !(p.flags & PACK_FLAG_ABSENT);
}

/* The pack it leaves is known to hold it still, should the new one be lost; a
 * stage file goes. */
static int keep_other(struct vault *v, const struct index_chunk *c)
{
	struct index_pack p;
	int r = index_pack_get(v->index, c->pack, &p);

	return r <= 0 || p.is_stage ? min_of(r, 0) :
				      others_add(v, c->pack, &c->entry);
}

static int place_entry(struct vault *v, const struct index_pack *p,
		       const struct pack_entry *e)
{
	struct index_chunk known, c = { .id = e->id, .pack = p->pack,
					.entry = *e };
	int r = index_chunk_find(v->index, &e->id, &known);
	bool is_placed = r > 0 && known.pack != 0;

	if (r > 0)
		r = keeps_place(v, &known, p);
	if (r != 0)
		return r < 0 ? r : others_add(v, p->pack, e);
	if (is_placed)
		r = keep_other(v, &known);
	return r < 0 ? r : index_chunk_place(v->index, &c);
}

/* 1: the row is new, and *ret; 0: known or dropped. */
static int add_row(struct vault *v, uint64_t writer,
		   const struct segment_pack *p, uint32_t flags,
		   struct index_pack *ret)
{
	struct index_pack row = {
		.writer = writer,
		.size = p->size,
		.epoch = p->epoch,
		.key_id = p->key_id,
		.type = p->type,
		.n_entries = p->n_entries,
		.flags = flags,
	};
	int r;

	memcpy(row.name, p->name, sizeof(row.name));
	r = packs_is_dropped(v, writer, p->name, NULL);
	if (r != 0)
		return r < 0 ? r : 0;
	r = index_pack_add(v->index, &row);
	if (r < 0)
		return r == -EEXIST ? 0 : r;
	*ret = row;
	return 1;
}

/* Chunks of metadata have ids of their own, and nothing names them. */
static int place_entries(struct vault *v, const struct index_pack *row,
			 const uint8_t *entries, uint32_t n)
{
	struct cursor c;
	int r = 0;

	if (row->type != PACK_DATA)
		return 0;
	cursor_init(&c, entries, (size_t)n * PACK_ENTRY_BYTES);
	while (r == 0 && cursor_left(&c) > 0) {
		struct pack_entry e;

		r = pack_entry_read(&c, &e);
		if (r == 0)
			r = place_entry(v, row, &e);
	}
	return r;
}

int packs_announce(struct vault *v, uint64_t writer,
		   const struct segment_pack *p, uint32_t flags)
{
	struct index_pack row = { 0 };
	int r = add_row(v, writer, p, flags, &row);

	return r <= 0 ? r : place_entries(v, &row, p->entries, p->n_entries);
}

int packs_announce_slowly(struct vault *v, uint64_t writer,
			  const struct segment_pack *p, uint32_t flags)
{
	struct index_pack row = { 0 };
	uint32_t done = 0;
	int r;

	lock_take(&v->index_lock);
	r = add_row(v, writer, p, flags, &row);
	lock_drop(&v->index_lock);
	while (r == 1 && done < p->n_entries) {
		uint32_t n = min_of(p->n_entries - done, SLICE);

		lock_take(&v->index_lock);
		r = place_entries(v, &row,
				  p->entries + (size_t)done * PACK_ENTRY_BYTES,
				  n);
		lock_drop(&v->index_lock);
		done += n;
		r = r < 0 ? r : 1;
	}
	return r < 0 ? r : 0;
}

int packs_stage_row(struct vault *v, uint64_t file, uint64_t *ret_pack)
{
	struct index_pack p = { 0 };
	int r = index_pack_find_stage(v->index, file, &p);

	if (r == 0) {
		p = (struct index_pack){
			.is_stage = true,
			.stage_file = file,
			.writer = v->writer,
			.type = PACK_DATA,
		};
		r = index_pack_add(v->index, &p);
	}
	if (r < 0)
		return r;
	*ret_pack = p.pack;
	return 0;
}

int packs_add_staged(struct vault *v, uint64_t file,
		     const struct pack_entry *e, packs_is_packed_fn *is_packed,
		     const void *arg)
{
	struct index_chunk c = { .id = e->id, .entry = *e }, known;
	struct index_pack p;
	int r = index_chunk_find(v->index, &e->id, &known);

	if (r > 0)
		r = keeps_place(v, &known, NULL);
	if (r > 0)
		r = index_pack_get(v->index, known.pack, &p);
	if (r < 0 || (r > 0 && p.writer == v->writer && is_packed(arg, p.name)))
		return r < 0 ? r : 0;
	/* That other pack stays known: it may be whole after all. */
	if (r > 0)
		r = others_add(v, known.pack, &known.entry);
	if (r == 0)
		r = packs_stage_row(v, file, &c.pack);
	return r < 0 ? r : index_chunk_place(v->index, &c);
}

/* ---------------------------------------------------------------- dropping */

static void dropped_id(uint64_t writer, const uint8_t *name,
		       uint8_t to[static DROPPED_ID_BYTES])
{
	le64_put(to, writer);
	memcpy(to + 8, name, PACK_NAME_BYTES);
}

int packs_is_dropped(struct vault *v, uint64_t writer,
		     const uint8_t name[static PACK_NAME_BYTES],
		     uint64_t *ret_seq)
{
	uint8_t id[DROPPED_ID_BYTES];
	const uint8_t *rec;
	size_t bytes;

	dropped_id(writer, name, id);
	int r = index_value_get(v->index, DROPPED_TABLE, id, sizeof(id), &rec,
				&bytes);
	if (r > 0 && bytes != 8)
		return ERR_BAD_INDEX;
	if (r > 0 && ret_seq)
		*ret_seq = le64_get(rec);
	return r;
}

/* A walk of a pack's chunks changes none of them: their numbers first. */
static int collect_chunk(void *arg, const struct index_chunk *c)
{
	struct buf *b = arg;

	buf_put_u64(b, c->chunk);
	return buf_error(b);
}

/* A chunk whose place goes: nobody needs it, or it is elsewhere, or it is
 * known to be nowhere, which a read will tell. */
static int move_or_delete(struct vault *v, uint64_t chunk, uint64_t pack)
{
	struct index_chunk c, other;
	int r = index_chunk_get(v->index, chunk, &c);

	if (r <= 0)
		return r;
	r = others_find(v, &c.id, pack, &other);
	if (r < 0)
		return r;
	if (r > 0)
		return index_chunk_place(v->index, &other);
	if (c.refs == 0)
		return index_chunk_delete(v->index, chunk);
	c.pack = 0;
	return index_chunk_place(v->index, &c);
}

static int empty_pack(struct vault *v, uint64_t pack)
{
	auto_buf struct buf chunks = BUF_INIT(MEM_MAX);
	int r = index_chunk_each_of_pack(v->index, pack, collect_chunk,
					 &chunks);

	for (size_t at = 0; r == 0 && at < chunks.len; at += 8)
		r = move_or_delete(v, le64_get(chunks.data + at), pack);
	return r;
}

int packs_drop(struct vault *v, uint64_t writer, uint64_t seq,
	       const uint8_t name[static PACK_NAME_BYTES])
{
	uint8_t id[DROPPED_ID_BYTES], rec[8];
	struct index_pack p;
	int r;

	dropped_id(writer, name, id);
	le64_put(rec, seq);
	r = index_value_put(v->index, DROPPED_TABLE, id, sizeof(id), rec,
			    sizeof(rec));
	if (r == 0)
		r = index_pack_find(v->index, writer, name, &p);
	if (r <= 0)
		return r;
	r = empty_pack(v, p.pack);
	return r < 0 ? r : index_pack_delete(v->index, p.pack);
}

int packs_forget_stage(struct vault *v, uint64_t pack)
{
	int r = empty_pack(v, pack);

	return r < 0 ? r : index_pack_delete(v->index, pack);
}
