/* SPDX-License-Identifier: ISC */
/*
 * Acknowledging: how far other devices' segments are applied *and* all their
 * packs here and whole (vault-format/07-segments.md, version vector).  A pack
 * is read once for that, every byte of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/diag.h"
#include "base/hex.h"
#include "base/mem.h"
#include "vault/log/commit_priv.h"
#include "vault/log/devices.h"
#include "vault/log/writers.h"
#include "vault/packs/packs.h"

struct acking {
	struct commit *c;
	uint64_t bytes_left;
	bool is_changed; /* the index was */
	bool again;
};

struct collected {
	struct writer_state *list;
	size_t n, cap;
};

static int collect_writer(void *arg, const struct writer_state *w)
{
	struct collected *l = arg;

	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct writer_state *grown =
			mem_realloc_array(l->list, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->list = grown;
		l->cap = cap;
	}
	l->list[l->n++] = *w;
	return 0;
}

/* ---------------------------------------------------------------- packs */

static void tell_bad_pack(struct commit *c, uint64_t writer,
			  const struct segment_pack *p, int err)
{
	char name[2 * PACK_NAME_BYTES + 1];

	hex_encode(p->name, PACK_NAME_BYTES, name);
	atomic_fetch_add(&c->n_damaged, 1);
	diag_err(DIAG_WARNING, err, "w/%016" PRIx64 "/d/%.2s/%s", writer, name,
		 name);
}

static int set_flags(struct acking *a, uint64_t writer,
		     const struct segment_pack *p, uint32_t set, uint32_t clear)
{
	struct vault *v = a->c->v;
	struct index_pack row;

	lock_take(&v->index_lock);
	int r = index_pack_find(v->index, writer, p->name, &row);
	if (r > 0 && row.flags != ((row.flags & ~clear) | set)) {
		a->is_changed = true;
		r = index_pack_set_flags(v->index, row.pack,
					 (row.flags & ~clear) | set);
	}
	lock_drop(&v->index_lock);
	return r < 0 ? r : 0;
}

/* What the index knows of it: 1 whole or gone, 0 to be read. */
static int is_settled(struct acking *a, uint64_t writer,
		      const struct segment_pack *p)
{
	struct vault *v = a->c->v;
	struct index_pack row;

	lock_take(&v->index_lock);
	int r = index_pack_find(v->index, writer, p->name, &row);
	lock_drop(&v->index_lock);
	if (r <= 0)
		return r < 0 ? r : 1;
	return (row.flags & PACK_FLAG_WHOLE) != 0;
}

/* 1: here and whole; 0: not, or not now. */
static int verify(struct acking *a, uint64_t writer,
		  const struct segment_pack *p)
{
	struct vault *v = a->c->v;
	int r = is_settled(a, writer, p);

	if (r != 0)
		return r;
	if (a->bytes_left < p->size)
		return 0;
	a->bytes_left -= p->size;
	r = store_verify_pack(v->store, writer, p->name, p, true, NULL, NULL);
	if (r == 0) {
		r = set_flags(a, writer, p, PACK_FLAG_WHOLE, PACK_FLAG_ABSENT);
		return r < 0 ? r : 1;
	}
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	/* Cut short or absent: it may be on its way. */
	if (r != ERR_MISSING && r != ERR_TRUNCATED)
		tell_bad_pack(a->c, writer, p, r);
	r = r == ERR_MISSING ? set_flags(a, writer, p, PACK_FLAG_ABSENT, 0) : 0;
	return r;
}

/* ---------------------------------------------------------------- segments */

/* Are all packs of a segment settled, and all its causes acknowledged? */
static int is_complete(struct acking *a, const struct log_segment *s)
{
	struct vault *v = a->c->v;
	struct cursor c = s->body.vv;
	int r = 1;

	for (uint32_t i = 0; r > 0 && i < s->body.n_vv; i++) {
		struct writer_state w;
		struct segment_vv vv;

		segment_vv_read(&c, &vv);
		lock_take(&v->index_lock);
		r = writer_load(v, vv.writer, &w);
		lock_drop(&v->index_lock);
		r = r < 0 ? r : vv.writer == v->writer || w.ack >= vv.context;
	}
	c = s->body.packs;
	for (uint32_t i = 0; r > 0 && i < s->body.n_packs; i++) {
		struct segment_pack p;

		segment_pack_read(&c, &p);
		r = verify(a, s->header.writer, &p);
	}
	return r;
}

/* The segment applied under that number: 1; 0 if its file is not there. */
static int read_applied(struct vault *v, uint64_t writer, uint64_t seq,
			struct log_segment *ret)
{
	struct log_name name = { .seq = seq };
	struct file_hash hash;

	lock_take(&v->index_lock);
	int r = writer_get_hash(v, writer, seq, &hash);
	lock_drop(&v->index_lock);
	if (r <= 0)
		return r < 0 ? r : ERR_BAD_INDEX;
	memcpy(name.prefix, hash.b, sizeof(name.prefix));
	r = logdir_read(v, writer, &name, ret);
	return r == -ENOMEM ? r : r == 0;
}

static int raise_ack(struct acking *a, uint64_t writer, uint64_t seq)
{
	struct vault *v = a->c->v;
	struct writer_state w;

	lock_take(&v->index_lock);
	int r = writer_load(v, writer, &w);
	if (r == 0) {
		w.ack = seq;
		r = writer_put(v, &w);
	}
	lock_drop(&v->index_lock);
	a->is_changed = a->again = true;
	return r;
}

static int advance_writer(struct acking *a, const struct writer_state *w)
{
	struct vault *v = a->c->v;
	struct vault_device d = { .is_retired = false };
	uint64_t seq = w->ack;
	int r;

	if (w->writer == v->writer)
		return 0;
	lock_take(&v->index_lock);
	r = device_get(v, w->writer, &d);
	lock_drop(&v->index_lock);
	/* A retired device's packs may be gone for good. */
	if (r >= 0 && d.is_retired && w->ack < w->seq)
		return raise_ack(a, w->writer, w->seq);
	for (r = r < 0 ? r : 1; r > 0 && seq < w->seq;) {
		auto_log_segment struct log_segment s = { .plain = NULL };

		r = read_applied(v, w->writer, seq + 1, &s);
		if (r > 0)
			r = is_complete(a, &s);
		if (r > 0) {
			seq++;
			int raised = raise_ack(a, w->writer, seq);

			r = raised < 0 ? raised : 1;
		}
	}
	return r < 0 ? r : 0;
}

int ack_advance(struct commit *c, uint64_t max_bytes)
{
	struct acking a = { .c = c, .bytes_left = max_bytes };
	struct vault *v = c->v;
	int r = 0;

	do {
		struct collected l = { .n = 0 };

		a.again = false;
		lock_take(&v->index_lock);
		r = writer_each(v, collect_writer, &l);
		lock_drop(&v->index_lock);
		for (size_t i = 0; r == 0 && i < l.n; i++)
			if (l.list[i].ack < l.list[i].seq)
				r = advance_writer(&a, &l.list[i]);
		mem_free(l.list);
	} while (r == 0 && a.again);
	if (a.is_changed && v->journal) {
		lock_take(&v->cut_lock);
		int told = marks_unclean(c);
		lock_drop(&v->cut_lock);
		r = r < 0 ? r : told;
	}
	return r;
}
