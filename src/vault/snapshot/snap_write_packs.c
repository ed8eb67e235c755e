/* SPDX-License-Identifier: ISC */
/* The packs of a state, with their records as they were announced. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/snapshot/snap_write_priv.h"
#include "vault/tables.h"

#define OTHER_BYTES (8u + PACK_ENTRY_BYTES)

/* A pack, in the order of the items. */
struct pack_ref {
	uint64_t writer;
	uint8_t name[PACK_NAME_BYTES];
	uint64_t pack;
};

/* A record of a pack that the chunk's own row does not tell of. */
struct entry_ref {
	uint64_t pack;
	uint32_t offset;
	uint8_t raw[PACK_ENTRY_BYTES];
};

struct packing {
	struct snap_writing *to;
	struct pack_ref *packs;
	size_t n_packs, cap_packs;
	struct entry_ref *others;
	size_t n_others, cap_others;
	struct buf entries; /* of the pack at hand */
};

static void *grow(void *list, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 64;
	void *bigger;

	if (n < *cap)
		return list;
	bigger = mem_realloc_array(list, more, size);
	if (bigger)
		*cap = more;
	return bigger;
}

static int collect_pack(void *arg, const struct index_pack *p)
{
	struct packing *w = arg;
	struct pack_ref *list;

	/* What nobody was told of is no state. */
	if (p->is_stage)
		return 0;
	list = grow(w->packs, w->n_packs, &w->cap_packs, sizeof(*list));
	if (!list)
		return -ENOMEM;
	w->packs = list;
	list[w->n_packs].writer = p->writer;
	list[w->n_packs].pack = p->pack;
	memcpy(list[w->n_packs++].name, p->name, PACK_NAME_BYTES);
	return 0;
}

static int by_pack(const void *a, const void *b)
{
	const struct pack_ref *x = a, *y = b;

	if (x->writer != y->writer)
		return x->writer < y->writer ? -1 : 1;
	return memcmp(x->name, y->name, PACK_NAME_BYTES);
}

static int collect_others(void *arg, const uint8_t *id, size_t id_bytes,
			  const uint8_t *rec, size_t bytes)
{
	struct packing *w = arg;

	(void)id;
	(void)id_bytes;
	if (bytes % OTHER_BYTES != 0)
		return ERR_BAD_INDEX;
	for (size_t at = 0; at < bytes; at += OTHER_BYTES) {
		struct entry_ref *list = grow(w->others, w->n_others,
					      &w->cap_others, sizeof(*list));

		if (!list)
			return -ENOMEM;
		w->others = list;
		list[w->n_others].pack = le64_get(rec + at);
		list[w->n_others].offset = le32_get(rec + at + 8 + 48);
		memcpy(list[w->n_others++].raw, rec + at + 8, PACK_ENTRY_BYTES);
	}
	return 0;
}

static int by_pack_and_offset(const void *a, const void *b)
{
	const struct entry_ref *x = a, *y = b;

	if (x->pack != y->pack)
		return x->pack < y->pack ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Those of the list that stand before `offset` of the pack, from *at on. */
static void add_others(struct packing *w, uint64_t pack, uint64_t offset,
		       size_t *at)
{
	for (; *at < w->n_others && w->others[*at].pack == pack &&
	       w->others[*at].offset <= offset;
	     ++*at)
		/* One that got its own row since is not told twice. */
		if (w->others[*at].offset < offset)
			buf_put(&w->entries, w->others[*at].raw,
				PACK_ENTRY_BYTES);
}

struct merging {
	struct packing *w;
	uint64_t pack;
	size_t at; /* in others */
};

static int add_entry(void *arg, const struct index_chunk *c)
{
	struct merging *m = arg;
	struct pack_entry e = c->entry;

	e.id = c->id;
	add_others(m->w, m->pack, e.offset, &m->at);
	pack_entry_put(&m->w->entries, &e);
	return buf_error(&m->w->entries);
}

static size_t first_other(const struct packing *w, uint64_t pack)
{
	size_t low = 0, high = w->n_others;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->others[mid].pack < pack)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The records as they were announced.  A pack of metadata is no chunk's place:
 * of its records nothing is kept. */
static int give_entries(struct packing *w, const struct index_pack *p)
{
	struct merging m = { w, p->pack, first_other(w, p->pack) };
	int r;

	if (p->type != PACK_DATA)
		return 0;
	buf_reset(&w->entries);
	r = index_chunk_each_of_pack(w->to->v->index, p->pack, add_entry, &m);
	add_others(w, p->pack, UINT64_MAX, &m.at);
	if (r == 0)
		r = buf_error(&w->entries);
	if (r == 0 && w->entries.len != (size_t)p->n_entries * PACK_ENTRY_BYTES)
		r = ERR_MISSING;
	for (uint32_t i = 0; r == 0 && i < p->n_entries;
	     i += STATE_ENTRIES_MAX) {
		const struct state_item it = {
			.type = STATE_ENTRIES,
			.entries = {
				w->entries.data + (size_t)i * PACK_ENTRY_BYTES,
				min_of(p->n_entries - i, STATE_ENTRIES_MAX),
			},
		};
		r = w->to->fn(w->to->arg, &it);
	}
	return r;
}

static int give_packs(struct packing *w)
{
	struct index *ix = w->to->v->index;
	int r = index_pack_each(ix, collect_pack, w);

	if (r == 0)
		r = index_value_each(ix, OTHER_TABLE, collect_others, w);
	if (r == 0 && w->n_packs)
		qsort(w->packs, w->n_packs, sizeof(*w->packs), by_pack);
	if (r == 0 && w->n_others)
		qsort(w->others, w->n_others, sizeof(*w->others),
		      by_pack_and_offset);
	for (size_t i = 0; r == 0 && i < w->n_packs; i++) {
		struct state_item it = { .type = STATE_PACK };
		struct index_pack p;

		r = index_pack_get(ix, w->packs[i].pack, &p);
		if (r <= 0)
			return r < 0 ? r : ERR_BAD_INDEX;
		it.pack.writer = p.writer;
		memcpy(it.pack.name, p.name, sizeof(it.pack.name));
		it.pack.size = p.size;
		it.pack.epoch = p.epoch;
		it.pack.key_id = p.key_id;
		it.pack.type = p.type;
		it.pack.n_entries = p.n_entries;
		r = w->to->fn(w->to->arg, &it);
		if (r == 0)
			r = give_entries(w, &p);
	}
	return r;
}

int snap_write_packs(struct snap_writing *to)
{
	struct packing w = { .to = to, .entries = BUF_INIT(MEM_MAX) };
	int r = give_packs(&w);

	buf_release(&w.entries);
	mem_free(w.packs);
	mem_free(w.others);
	return r;
}
