/* SPDX-License-Identifier: ISC */
/*
 * What is garbage, as a report, and collecting it now instead of at some later
 * publish (vault-format/10-ordering.md, Collecting).
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vault/care.h"
#include "vault/collect/garbage.h"
#include "vault/core.h"
#include "vault/log/commit.h"
#include "vault/packs/repack.h"

struct tally {
	struct garbage g;
	struct vault_gc_result *result;
	struct index_pack *unclear; /* known by their trailers only */
	size_t n, cap;
};

static int add_unclear(struct tally *t, const struct index_pack *p)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 16;
		struct index_pack *grown =
			mem_realloc_array(t->unclear, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->unclear = grown;
		t->cap = cap;
	}
	t->unclear[t->n++] = *p;
	return 0;
}

static void add_sums(struct vault_gc_result *to, const struct garbage_sums *s)
{
	to->live_bytes += s->needed;
	to->waiting_bytes += s->waiting;
	to->dead_bytes += s->dead + s->copied;
	to->n_dead_packs += garbage_may_go(s);
}

static int tally_pack(void *arg, const struct index_pack *p)
{
	struct tally *t = arg;
	struct garbage_sums sums;

	if (p->is_stage || p->type != PACK_DATA ||
	    p->writer != t->g.v->writer)
		return 0;
	t->result->n_packs++;
	int r = garbage_of_pack(&t->g, p, NULL, &sums);
	/* Nothing of it is needed for its own sake. */
	if (r == 0 && garbage_may_go(&sums) && !p->live_bytes)
		return add_unclear(t, p);
	if (r >= 0)
		add_sums(t->result, &sums);
	return min_of(r, 0);
}

static int tally_unclear(struct tally *t, const struct index_pack *p)
{
	auto_free uint8_t *entries = NULL;
	struct garbage_sums sums = { .needed = p->total_bytes };
	struct vault *v = t->g.v;
	int r = garbage_entries(v, p, &entries);

	if (r == -ENOMEM)
		return r;
	/* One that cannot be read stays. */
	if (r == 0) {
		r = core_enter(v, false);
		if (r < 0)
			return r;
		r = garbage_of_pack(&t->g, p, entries, &sums);
		core_leave(v);
	}
	add_sums(t->result, &sums);
	return r == -ENOMEM || r == ERR_BAD_INDEX ? r : 0;
}

/* ---------------------------------------------------------------- who */

struct waits {
	struct vault_gc_result *result;
	uint64_t seq;
};

static int note_wait(void *arg, const struct stable_device *d)
{
	struct waits *w = arg;
	struct vault_gc_result *g = w->result;
	struct vault_gc_wait *to;

	g->several_devices |= !d->is_self;
	if (d->is_self || d->ack >= w->seq)
		return 0;
	if (g->n_waits++ >= VAULT_GC_WAITS_MAX)
		return 0;
	to = &g->waits[g->n_waits - 1];
	to->writer = d->writer;
	to->seen_ms = HLC_MS(d->last);
	memcpy(to->name, d->name, sizeof(to->name));
	return 0;
}

/* Who has not acknowledged the first segment that is not in S. */
static int find_waits(const struct garbage *g, struct vault_gc_result *result)
{
	struct waits w = { .result = result };
	uint64_t writer = g->v->writer;
	int r = order_first_beyond(g->v, g->position, &writer, &w.seq);

	return r < 0 ? r : stable_each_device(g->v, writer, note_wait, &w);
}

/* ---------------------------------------------------------------- all */

static int tally_sparse(const struct garbage *g, struct vault_gc_result *ret)
{
	auto_repack_plan struct repack_plan plan = { .n = 0 };
	int r = repack_plan(g, &plan);

	ret->n_sparse_packs = plan.n;
	ret->sparse_bytes = plan.pack_bytes;
	ret->copy_bytes = plan.copy_bytes;
	return r;
}

static int tally_all(struct vault *v, struct vault_gc_result *ret)
{
	struct tally t = { .result = ret };
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	r = garbage_begin(v, &t.g);
	if (r == 0)
		r = index_pack_each(v->index, tally_pack, &t);
	if (r == 0)
		r = find_waits(&t.g, ret);
	if (r == 0)
		r = tally_sparse(&t.g, ret);
	core_leave(v);
	for (size_t i = 0; r == 0 && i < t.n; i++)
		r = tally_unclear(&t, &t.unclear[i]);
	mem_free(t.unclear);
	garbage_end(&t.g);
	return r;
}

int vault_gc(struct vault *v, bool dry_run, struct vault_gc_result *ret)
{
	struct vault_gc_result before = { 0 }, after = { 0 };
	uint64_t copied = 0;
	int r;

	/* What was deleted and not published yet may be the last to name a
	 * chunk. */
	r = vault_is_read_only(v) ? 0 :
	    dry_run		  ? vault_sync(v) : vault_publish(v);
	if (r == 0)
		r = tally_all(v, &before);
	if (r == 0 && !dry_run)
		r = commit_collect(v, &copied);
	if (r == 0 && !dry_run)
		r = tally_all(v, &after);
	if (r < 0)
		return r;
	if (!dry_run) {
		before.n_removed = before.n_packs > after.n_packs ?
					   before.n_packs - after.n_packs : 0;
		before.removed_bytes = before.dead_bytes > after.dead_bytes ?
					       before.dead_bytes -
						       after.dead_bytes : 0;
	}
	before.copied_bytes = copied;
	*ret = before;
	return 0;
}
