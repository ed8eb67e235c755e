/* SPDX-License-Identifier: ISC */
/*
 * Damaged packs.  One of which every record is found somewhere is made anew,
 * with the bytes it had.  Under a pack's name nothing else is ever put, for a
 * sync tool carries it to where the original may be whole.  Of any other pack
 * what can be found is stored again in a pack of this device.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vault/log/commit_priv.h"
#include "vault/packs/pack_maker.h"
#include "vault/packs/packs.h"
#include "vault/repair/repair_sources.h"

/* A chunk to be stored again. */
struct again {
	const struct bad_pack *b;
	struct pack_entry entry;
	uint64_t chunk;
};

struct mending {
	struct checker *c;
	struct vault_repair *r;
	struct repair_sources *s;
	uint64_t *mended; /* numbers of packs */
	size_t n_mended, cap_mended;
	struct again *again;
	size_t n_again, cap_again;
};

static int add_mended(struct mending *m, uint64_t pack)
{
	if (m->n_mended == m->cap_mended) {
		size_t cap = m->cap_mended ? m->cap_mended * 2 : 16;
		uint64_t *a = mem_realloc_array(m->mended, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		m->mended = a;
		m->cap_mended = cap;
	}
	m->mended[m->n_mended++] = pack;
	return 0;
}

/* Lost now; c->bad is by chunk. */
static bool is_lost(const struct checker *c, uint64_t chunk)
{
	for (size_t i = 0; i < c->n_bad; i++)
		if (c->bad[i].chunk == chunk)
			return true;
	return false;
}

static bool is_again(const struct mending *m, uint64_t chunk)
{
	for (size_t i = 0; i < m->n_again; i++)
		if (m->again[i].chunk == chunk)
			return true;
	return false;
}

/* What was found of a pack that cannot be made anew. */
static int note_again(struct mending *m, const struct bad_pack *b,
		      const struct pack_entry *e)
{
	struct index_chunk chunk;

	lock_take(&m->c->v->index_lock);
	int r = index_chunk_find(m->c->v->index, &e->id, &chunk);
	lock_drop(&m->c->v->index_lock);
	if (r <= 0 || !is_lost(m->c, chunk.chunk) || is_again(m, chunk.chunk))
		return min_of(r, 0);
	if (m->n_again == m->cap_again) {
		size_t cap = m->cap_again ? m->cap_again * 2 : 64;
		struct again *a = mem_realloc_array(m->again, cap, sizeof(*a));

		if (!a)
			return -ENOMEM;
		m->again = a;
		m->cap_again = cap;
	}
	m->again[m->n_again++] = (struct again){ b, *e, chunk.chunk };
	return 0;
}

/* ---------------------------------------------------------------- one pack */

static int tell_mended(struct mending *m, const struct bad_pack *b, int kept)
{
	bool is_dry = m->r->opts->dry_run;
	char path[CHECK_PATH_BYTES];
	auto_free char *why = mem_printf(
		"%s whole again from %s%s", is_dry ? "would be made" : "made",
		repair_sources_used(m->s),
		kept > 0 ? "; the damaged file is kept beside it" : "");

	if (!why)
		return -ENOMEM;
	check_pack_path(b->writer, b->p.name, path);
	repair_tell(m->r, VAULT_FINDING_REPAIRED, path, 0, why);
	if (!b->is_waiting)
		m->r->result.n_left--;
	return b->pack ? add_mended(m, b->pack) : 0;
}

/* All records were found. */
static int end_pack(struct mending *m, const struct bad_pack *b,
		    struct pack_rebuild *w)
{
	char kept[NAME_MAX + 1], path[CHECK_PATH_BYTES];
	int e = 0, told;

	if (w)
		e = repair_sources_learn_end(m->s, w);
	if (e == 0 && w)
		e = pack_rebuild_finish(w);
	if (e == 0 && w)
		e = pack_rebuild_publish(w, kept);
	if (e < 0)
		return e;
	check_pack_path(b->writer, b->p.name, path);
	told = tell_mended(m, b, e);
	return told == 0 && e > 0 ? repair_note_kept(m->r, path, kept) : told;
}

struct tally {
	uint32_t n, n_found;
};

/* As far as all are found they go into the new file. */
static int gather(struct mending *m, const struct bad_pack *b,
		  struct pack_rebuild **w, struct tally *t)
{
	struct cursor at;
	int e = 0;

	cursor_init(&at, b->p.entries,
		    (size_t)b->p.n_entries * PACK_ENTRY_BYTES);
	while (e == 0 && cursor_left(&at) > 0) {
		const uint8_t *plain = NULL;
		struct pack_entry entry;

		e = pack_entry_read(&at, &entry);
		if (e == 0)
			e = repair_sources_get(m->s, &entry, &plain);
		if (e < 0)
			break;
		t->n++;
		t->n_found += e > 0;
		if (t->n_found < t->n) {
			pack_rebuild_close(*w);
			*w = NULL;
		}
		if (e > 0 && *w)
			e = pack_rebuild_add(*w, &entry, plain);
		if (e > 0)
			e = 0;
	}
	return e;
}

/* What the pack alone cannot give, in the second look at it. */
static int gather_again(struct mending *m, const struct bad_pack *b)
{
	struct cursor at;
	int e = 0;

	cursor_init(&at, b->p.entries,
		    (size_t)b->p.n_entries * PACK_ENTRY_BYTES);
	while (e == 0 && cursor_left(&at) > 0) {
		const uint8_t *plain;
		struct pack_entry entry;

		e = pack_entry_read(&at, &entry);
		if (e == 0)
			e = repair_sources_get(m->s, &entry, &plain);
		if (e > 0)
			e = note_again(m, b, &entry);
	}
	return e;
}

static int tell_rest(struct mending *m, const struct bad_pack *b,
		     const struct tally *t)
{
	char path[CHECK_PATH_BYTES], why[112];

	/* It may still arrive as a whole. */
	if (b->is_waiting && t->n_found == 0)
		return 0;
	check_pack_path(b->writer, b->p.name, path);
	snprintf(why, sizeof(why),
		 "%" PRIu32 " of its %" PRIu32 " chunks are in no copy",
		 t->n - t->n_found, t->n);
	repair_tell(m->r, VAULT_FINDING_NOTE, path, 0, why);
	return 0;
}

static int mend_pack(struct mending *m, const struct bad_pack *b)
{
	struct pack_rebuild *w = NULL;
	struct tally t = { 0 };
	int e = repair_sources_begin(m->s, b);

	if (e == 0 && !m->r->opts->dry_run)
		e = pack_rebuild_open(m->c->v->store, b->writer, &b->p, &w);
	if (e == 0)
		e = gather(m, b, &w, &t);
	if (e == 0 && t.n_found == t.n)
		e = end_pack(m, b, w);
	else if (e == 0)
		e = tell_rest(m, b, &t);
	pack_rebuild_close(w);
	if (e == 0 && t.n_found < t.n && t.n_found > 0)
		e = gather_again(m, b);
	return e;
}

/* ---------------------------------------------------------------- storing again */

static int store_chunk(struct mending *m, struct pack_maker *to,
		       const struct again *a)
{
	const uint8_t *found;
	int e = repair_sources_begin(m->s, a->b);

	if (e == 0)
		e = repair_sources_get(m->s, &a->entry, &found);
	if (e <= 0)
		return e < 0 ? e : -EIO;
	memcpy(to->plain, found, a->entry.plain_bytes);
	return pack_maker_add(to, &a->entry.id, a->entry.plain_bytes);
}

static int store_all(struct mending *m, struct commit *c)
{
	struct pack_maker to;
	int e = pack_maker_init(&to, c);

	if (e < 0)
		return e;
	for (size_t i = 0; e == 0 && i < m->n_again; i++)
		e = store_chunk(m, &to, &m->again[i]);
	return pack_maker_end(&to, e);
}

static int tell_again(struct mending *m, const struct bad_pack *b, size_t n)
{
	char path[CHECK_PATH_BYTES], why[112];

	if (n == 0)
		return 0;
	check_pack_path(b->writer, b->p.name, path);
	snprintf(why, sizeof(why),
		 "%zu of its chunks that other copies have %s stored again", n,
		 m->r->opts->dry_run ? "would be" : "were");
	repair_tell(m->r, VAULT_FINDING_REPAIRED, path, 0, why);
	return 0;
}

static int store_again(struct mending *m)
{
	struct vault *v = m->c->v;
	int e = 0;

	if (m->n_again == 0)
		return 0;
	if (!m->r->opts->dry_run) {
		if (!v->journal || atomic_load(&v->is_read_only)) {
			m->r->result.stuck = vault_read_only_reason(v);
			m->n_again = 0;
			return 0;
		}
		commit_enter_busy(v->commit);
		e = store_all(m, v->commit);
		commit_leave_busy(v->commit);
	}
	for (const struct bad_pack *b = m->c->bad_packs; e == 0 && b;
	     b = b->next) {
		size_t n = 0;

		for (size_t i = 0; i < m->n_again; i++)
			n += m->again[i].b == b;
		e = tell_again(m, b, n);
	}
	return e;
}

/* ---------------------------------------------------------------- what is left */

static bool is_mended(const struct mending *m, const struct bad_range *r)
{
	for (size_t i = 0; i < m->n_mended; i++)
		if (m->mended[i] == r->pack)
			return true;
	return is_again(m, r->chunk);
}

/* By pack again, without what was mended. */
static int keep_rest(struct mending *m)
{
	struct checker *c = m->c;
	size_t n = 0;

	if (c->n_found == 0)
		return 0;
	for (size_t i = 0; i < c->n_found; i++)
		if (!is_mended(m, &c->found[i]))
			c->found[n++] = c->found[i];
	mem_free(c->bad);
	c->bad = mem_realloc_array(NULL, max_of(n, (size_t)1), sizeof(*c->bad));
	if (!c->bad) {
		c->n_bad = c->cap_bad = 0;
		return -ENOMEM;
	}
	memcpy(c->bad, c->found, n * sizeof(*c->bad));
	c->n_bad = c->n_found = n;
	c->cap_bad = max_of(n, (size_t)1);
	return 0;
}

/* Mended packs are taken out of the list. */
static void drop_mended(struct mending *m)
{
	struct bad_pack **at = &m->c->bad_packs;

	while (*at) {
		struct bad_pack *b = *at;
		bool is_over = false;

		for (size_t i = 0; i < m->n_mended && !is_over; i++)
			is_over = b->pack && m->mended[i] == b->pack;
		if (!is_over) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		mem_free(b);
	}
}

int repair_packs(struct checker *c, struct vault_repair *r)
{
	struct mending m = { .c = c, .r = r };
	int e = repair_sources_new(c, r, &m.s);

	for (const struct bad_pack *b = c->bad_packs; e == 0 && b; b = b->next)
		e = mend_pack(&m, b);
	if (e == 0)
		e = store_again(&m);
	if (e == 0)
		e = keep_rest(&m);
	if (e == 0)
		drop_mended(&m);
	repair_sources_free(m.s);
	mem_free(m.mended);
	mem_free(m.again);
	return e;
}
