/* SPDX-License-Identifier: ISC */
/*
 * What is garbage, as a report, and collecting it now instead of at some later
 * publish (vault-format/10-ordering.md, Collecting).
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/care.h"
#include "vault/commit.h"
#include "vault/content.h"
#include "vault/core.h"
#include "vault/devices.h"

/* Chunks that an extent names: a bit each. */
struct marks_of_chunks {
	uint8_t *bits;
	uint64_t n; /* chunk numbers below this have a bit */
};

static int mark(void *arg, uint64_t ino, const struct index_extent *e)
{
	struct marks_of_chunks *m = arg;

	(void)ino;
	if (e->kind != EXTENT_CHUNK)
		return 0;
	if (e->chunk >= m->n) {
		uint64_t n = max_of(m->n * 2, e->chunk + 65536) & ~(uint64_t)7;
		uint8_t *bits = mem_realloc_array(m->bits, n / 8, 1);

		if (!bits)
			return -ENOMEM;
		memset(bits + m->n / 8, 0, (n - m->n) / 8);
		m->bits = bits;
		m->n = n;
	}
	m->bits[e->chunk / 8] |= (uint8_t)(1u << e->chunk % 8);
	return 0;
}

static bool is_marked(const struct marks_of_chunks *m, uint64_t chunk)
{
	return chunk < m->n && m->bits[chunk / 8] & 1u << chunk % 8;
}

struct tally {
	struct vault *v;
	struct marks_of_chunks marks;
	struct vault_gc_result *result;
	uint64_t live, dead; /* of the pack at hand */
};

static int tally_chunk(void *arg, const struct index_chunk *c)
{
	struct tally *t = arg;

	if (is_marked(&t->marks, c->chunk) ||
	    content_names_chunk(t->v, c->chunk))
		t->live += c->entry.stored_bytes;
	else
		t->dead += c->entry.stored_bytes;
	return 0;
}

static int tally_pack(void *arg, const struct index_pack *p)
{
	struct tally *t = arg;

	if (p->is_stage || p->writer != t->v->writer)
		return 0;
	t->live = t->dead = 0;
	int r = index_chunk_each_of_pack(t->v->index, p->pack, tally_chunk, t);
	if (r < 0)
		return r;
	t->result->n_packs++;
	t->result->live_bytes += t->live;
	t->result->dead_bytes += t->dead;
	if (t->live == 0)
		t->result->n_dead_packs++;
	return 0;
}

static int tally_all(struct vault *v, struct vault_gc_result *ret)
{
	struct tally t = { .v = v, .result = ret };
	unsigned n_devices;
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	r = device_count_live(v, &n_devices);
	if (r == 0)
		r = index_extent_all(v->index, mark, &t.marks);
	if (r == 0)
		r = index_pack_each(v->index, tally_pack, &t);
	core_leave(v);
	mem_free(t.marks.bits);
	if (r == 0)
		ret->several_devices = n_devices > 1;
	return r;
}

int vault_gc(struct vault *v, bool dry_run, struct vault_gc_result *ret)
{
	struct vault_gc_result before = { 0 }, after = { 0 };
	int r;

	/* What was deleted and not published yet may be the last to name a
	 * chunk; publishing also drops the packs found dead. */
	if (!vault_is_read_only(v)) {
		r = dry_run ? vault_sync(v) : 0;
		if (r < 0)
			return r;
	}
	r = tally_all(v, &before);
	if (r < 0)
		return r;
	if (!dry_run) {
		r = commit_collect(v);
		if (r == 0)
			r = tally_all(v, &after);
		if (r < 0)
			return r;
		before.n_removed = before.n_packs > after.n_packs ?
					   before.n_packs - after.n_packs : 0;
		before.removed_bytes = before.dead_bytes > after.dead_bytes ?
					       before.dead_bytes -
						       after.dead_bytes : 0;
	}
	*ret = before;
	return 0;
}
