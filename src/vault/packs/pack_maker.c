/* SPDX-License-Identifier: ISC */
#include "vault/packs/pack_maker.h"

#include <errno.h>

#include "base/mem.h"
#include "vault/log/frames.h"
#include "vault/packs/packs.h"

int pack_maker_init(struct pack_maker *m, struct commit *c)
{
	uint8_t *plain = mem_alloc(CHUNK_MAX_BYTES);

	if (!plain)
		return -ENOMEM;
	*m = (struct pack_maker){ .c = c, .packs = BUF_INIT(MEM_MAX),
				  .plain = plain };
	return 0;
}

/* ---------------------------------------------------------------- making */

static int finish_pack(struct pack_maker *m)
{
	struct segment_pack a;
	int r = 0;

	if (!m->w)
		return 0;
	r = pack_writer_finish(m->w, true);
	if (r == 0)
		r = pack_writer_publish(m->w);
	if (r == 0) {
		pack_writer_announcement(m->w, &a);
		counters_add(&m->c->v->counters, COUNT_PACKS, 1);
		counters_add(&m->c->v->counters, COUNT_PACK_BYTES, a.size);
		segment_pack_put(&m->packs, &a);
		m->n_packs++;
		r = buf_error(&m->packs);
	}
	pack_writer_close(m->w);
	m->w = NULL;
	return r;
}

static int begin_pack(struct pack_maker *m)
{
	struct vault *v = m->c->v;

	return pack_writer_open(v->store, PACK_DATA, core_newest_keys(v),
				&m->w);
}

int pack_maker_add(struct pack_maker *m, const struct content_id *id,
		   uint32_t plain_bytes)
{
	int r = 0;

	if (m->w && pack_writer_bytes(m->w) >= PACK_TARGET_BYTES)
		r = finish_pack(m);
	if (r == 0 && !m->w)
		r = begin_pack(m);
	if (r == 0)
		r = pack_writer_add(m->w, id, m->plain, plain_bytes, NULL);
	if (r != ERR_LIMIT)
		return r;
	/* Full by its entries, or by the last few bytes. */
	r = finish_pack(m);
	if (r == 0)
		r = begin_pack(m);
	return r < 0 ? r : pack_writer_add(m->w, id, m->plain, plain_bytes,
					   NULL);
}

/* ---------------------------------------------------------------- telling */

static int place_packs(struct vault *v, const struct buf *packs, uint32_t n)
{
	struct cursor at;
	int r = 0;

	cursor_init(&at, packs->data, packs->len);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		struct segment_pack p;

		segment_pack_read(&at, &p);
		r = at.error ? at.error :
			       packs_announce_slowly(v, v->writer, &p,
						     PACK_FLAG_WHOLE);
	}
	return r;
}

/* The journal first: an index that names a pack which neither journal nor
 * segment names would lose it at the next opening. */
int pack_stage_tell(struct commit *c, const struct buf *packs, uint32_t n)
{
	int r = 0;

	if (n == 0)
		return 0;
	lock_take(&c->v->cut_lock);
	r = marks_unclean(c);
	if (r == 0)
		r = commit_add_packs(c, packs, n);
	if (r == 0) {
		r = frames_write_packs(c, packs, n);
		if (r < 0)
			commit_take_back_packs(c, packs->len, n);
	}
	lock_drop(&c->v->cut_lock);
	return r < 0 ? r : place_packs(c->v, packs, n);
}

int pack_maker_end(struct pack_maker *m, int r)
{
	if (r == 0)
		r = finish_pack(m);
	pack_writer_close(m->w);
	mem_wipe(m->plain, CHUNK_MAX_BYTES);
	mem_free(m->plain);
	int told = pack_stage_tell(m->c, &m->packs, m->n_packs);
	buf_release(&m->packs);
	return r < 0 ? r : told;
}
