/* SPDX-License-Identifier: ISC */
/*
 * Are the packs and segments that the index knows in the vault?  Absence is
 * never a deletion: what vanished is named, and when too much of this device's
 * own has, nothing is written any more (vault-format/10-ordering.md).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/hex.h"
#include "base/mem.h"
#include "vault/history/history.h"
#include "vault/log/commit_priv.h"
#include "vault/log/writers.h"
#include "vault/packs/packs.h"

/* One in so many own files may vanish before it is an alarm. */
#define ALARM_SHARE 100u

/* Names of packs there are, of one writer. */
struct there {
	struct commit *c;
	uint64_t writer;
	bool is_own, sweep;
	uint8_t (*names)[PACK_NAME_BYTES];
	size_t n, cap;
	uint64_t n_foreign;
	int error;

	/* Rows to change: LE64 pack, LE32 flags. */
	struct buf changes;
	uint64_t n_known, n_vanished; /* own */
};

static int collect_pack(void *arg, bool is_pack,
			const uint8_t pack[static PACK_NAME_BYTES],
			const char *path)
{
	struct there *t = arg;

	(void)path;
	if (!is_pack) {
		t->n_foreign++;
		return 0;
	}
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		uint8_t(*grown)[PACK_NAME_BYTES] =
			mem_realloc_array(t->names, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->names = grown;
		t->cap = cap;
	}
	memcpy(t->names[t->n++], pack, PACK_NAME_BYTES);
	return 0;
}

static int compare_packs(const void *a, const void *b)
{
	return memcmp(a, b, PACK_NAME_BYTES);
}

static bool is_there(const struct there *t, const uint8_t *name)
{
	return t->n > 0 && bsearch(name, t->names, t->n, PACK_NAME_BYTES,
				   compare_packs);
}

static void tell_vanished(uint64_t writer, const uint8_t *pack)
{
	char name[2 * PACK_NAME_BYTES + 1];

	hex_encode(pack, PACK_NAME_BYTES, name);
	diag(DIAG_ERROR, "w/%016" PRIx64 "/d/%.2s/%s: this file has vanished",
	     writer, name, name);
}

static int compare_row(void *arg, const struct index_pack *p)
{
	struct there *t = arg;
	bool absent, was_absent = p->flags & PACK_FLAG_ABSENT;

	if (p->is_stage || p->writer != t->writer)
		return 0;
	absent = !is_there(t, p->name);
	t->c->has_absent |= absent;
	t->n_known++;
	if (absent && t->is_own) {
		t->n_vanished++;
		if (!was_absent)
			tell_vanished(t->writer, p->name);
	}
	if (absent == was_absent)
		return 0;
	buf_put_u64(&t->changes, p->pack);
	buf_put_u32(&t->changes, absent ? p->flags | PACK_FLAG_ABSENT :
					  p->flags & ~PACK_FLAG_ABSENT);
	return buf_error(&t->changes);
}

static int write_changes(struct vault *v, const struct buf *changes)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < changes->len; at += 12)
		r = index_pack_set_flags(v->index, le64_get(changes->data + at),
					 le32_get(changes->data + at + 8));
	return r;
}

/* ---------------------------------------------------------------- orphans */

/*
 * 1 if an own pack was dropped by a published operation and is still here; or if
 * neither a segment nor the journal names it: left by a crash before it
 * counted.  After a session that ended well there is none of these: such a pack
 * is of a copy of this state, and its segment is to come.
 */
static int is_orphan(struct there *t, const uint8_t *name)
{
	struct vault *v = t->c->v;
	struct index_pack p;
	uint64_t seq = 0;

	lock_take(&v->index_lock);
	int r = index_pack_find(v->index, t->writer, name, &p);
	if (r == 0) {
		r = packs_is_dropped(v, t->writer, name, &seq);
		if (r == 0)
			r = !t->c->was_clean;
		else if (r > 0)
			r = seq <= t->c->own_seq;
	} else if (r > 0) {
		r = 0;
	}
	lock_drop(&v->index_lock);
	return r;
}

static int sweep_orphans(struct there *t)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < t->n; i++) {
		r = is_orphan(t, t->names[i]);
		if (r > 0)
			r = store_remove_pack(t->c->v->store, t->names[i]);
	}
	return r < 0 ? r : 0;
}

/* ---------------------------------------------------------------- all */

static int check_packs(struct there *t)
{
	struct vault *v = t->c->v;
	int r = store_list_packs(v->store, t->writer, collect_pack, t);

	if (r < 0)
		return r;
	if (t->n > 0)
		qsort(t->names, t->n, PACK_NAME_BYTES, compare_packs);
	lock_take(&v->index_lock);
	r = index_pack_each(v->index, compare_row, t);
	if (r == 0)
		r = write_changes(v, &t->changes);
	lock_drop(&v->index_lock);
	if (r == 0 && t->sweep)
		r = sweep_orphans(t);
	return r;
}

/* Segments of the own log that are not there any more; history.c names them. */
static int check_own_log(struct there *t)
{
	struct vault *v = t->c->v;
	auto_log_names struct log_names l = { 0 };
	int r = logdir_list(v, v->writer, 1, &l);

	for (uint64_t seq = 1; r == 0 && seq <= t->c->own_seq; seq++) {
		t->n_known++;
		t->n_vanished += !log_names_find(&l, seq);
	}
	return r;
}

static int check_writer(struct commit *c, uint64_t writer, bool sweep)
{
	bool is_own = writer == c->v->writer;
	struct there t = {
		.c = c,
		.writer = writer,
		.is_own = is_own,
		.sweep = sweep && is_own,
		.changes = BUF_INIT(MEM_MAX),
	};
	int r = check_packs(&t);

	if (r == 0 && is_own)
		r = check_own_log(&t);
	/* A repair knows, and is there to end just that. */
	if (r == 0 && is_own && !c->v->opts.rescue &&
	    t.n_vanished * ALARM_SHARE > t.n_known)
		r = history_note(c, VAULT_ALARM_VANISHED, writer,
				 t.n_vanished, t.n_known, false);
	mem_free(t.names);
	buf_release(&t.changes);
	return r;
}

struct writer_list {
	uint64_t list[SEGMENT_MAX_WRITERS + 1];
	size_t n;
};

static int collect_writer(void *arg, const struct writer_state *w)
{
	struct writer_list *l = arg;

	if (w->seq > 0 && l->n < array_len(l->list))
		l->list[l->n++] = w->writer;
	return 0;
}

int presence_check(struct commit *c, bool is_opening)
{
	auto_free struct writer_list *l = mem_zalloc(sizeof(*l));
	struct vault *v = c->v;
	/* A sealed segment not yet published may name packs nobody else does. */
	bool sweep = is_opening && v->journal &&
		     !atomic_load(&v->is_read_only) && !v->opts.rescue &&
		     c->own_seq == c->sealed_seq;
	int r;

	if (!l)
		return -ENOMEM;
	lock_take(&v->index_lock);
	r = writer_each(v, collect_writer, l);
	lock_drop(&v->index_lock);
	c->has_absent = false;
	/* While the vault is in use its own packs come and go beside us. */
	for (size_t i = 0; r == 0 && i < l->n; i++)
		if (is_opening || l->list[i] != v->writer)
			r = check_writer(c, l->list[i], sweep);
	return r;
}
