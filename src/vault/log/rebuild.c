/* SPDX-License-Identifier: ISC */
/* The index: opened if it is clean, else made anew from all segments
 * (vault-format/11-local.md). */
#include <errno.h>

#include "base/diag.h"
#include "base/mem.h"
#include "crypto/random.h"
#include "vault/core_state.h"
#include "vault/index_life.h"
#include "vault/log/commit_priv.h"
#include "vault/log/writers.h"
#include "vault/snapshot/snap.h"

/* Of the index's memory, for nodes: a page holds many more, but decoding costs
 * as much as finding. */
#define NODES_SHARE 8u

void index_life_close(struct vault *v)
{
	node_cache_free(v->nodes);
	v->nodes = NULL;
	oplog_release(&v->oplog);
	index_close(v->index);
	v->index = NULL;
}

static int open_index(struct commit *c, bool create)
{
	struct vault *v = c->v;
	size_t nodes_bytes = v->opts.index_bytes / NODES_SHARE;
	struct key *key = secret_alloc(sizeof(*key));
	struct index_options o = {
		.env = v->env,
		.dirfd = c->state.dirfd,
		.generation = c->generation,
		.cache_bytes = v->opts.index_bytes - nodes_bytes,
		.create = create,
	};
	int r;

	if (!key)
		return -ENOMEM;
	keys_index(&v->keys->dk, c->generation, key);
	o.key = *key;
	r = index_open(&o, &v->index);
	mem_wipe(&o.key, sizeof(o.key));
	secret_free(key);
	if (r == 0)
		r = node_cache_new(v->index, nodes_bytes, &v->nodes);
	if (r == 0)
		r = oplog_init(&v->oplog, c->own_seq + 1);
	v->oplog.writer = v->writer;
	lock_take(&v->index_lock);
	if (r == 0)
		r = order_load(v);
	lock_drop(&v->index_lock);
	return r;
}

/* ---------------------------------------------------------------- clean */

/* Segments of this device published after the index last learnt of one: their
 * operations came from the journal, which it has. */
static int catch_up(struct commit *c, uint64_t from)
{
	auto_log_names struct log_names l = { 0 };
	struct vault *v = c->v;
	int r = logdir_list(v, v->writer, from, &l);

	for (uint64_t seq = from; r == 0 && seq <= c->own_seq; seq++) {
		const struct log_name *n = log_names_find(&l, seq);
		auto_log_segment struct log_segment s = { .plain = NULL };

		r = n ? logdir_read(v, v->writer, n, &s) : ERR_BAD_INDEX;
		if (r < 0)
			break;
		lock_take(&v->index_lock);
		r = receive_own(c, &s);
		lock_drop(&v->index_lock);
	}
	return r;
}

int index_life_open_clean(struct commit *c)
{
	struct vault *v = c->v;
	struct writer_state self = { .writer = 0 };
	int r = open_index(c, false);

	if (r == 0) {
		lock_take(&v->index_lock);
		r = core_state_load(v);
		if (r == 0)
			r = writer_load(v, v->writer, &self);
		lock_drop(&v->index_lock);
	}
	if (r == 0 && self.seq > c->own_seq)
		r = ERR_BAD_INDEX;
	if (r == 0)
		r = catch_up(c, self.seq + 1);
	if (r < 0) {
		index_life_close(v);
		/* Whatever it is, segments and journal know better. */
		return r == -ENOMEM ? r : ERR_BAD_INDEX;
	}
	c->is_index_clean = true;
	return 0;
}

/* ---------------------------------------------------------------- anew */

static int begin_anew(struct commit *c)
{
	struct vault *v = c->v;
	int r;

	c->generation = random_u64();
	r = open_index(c, true);
	/* The marks on disk do not tell of this generation. */
	if (r == 0)
		r = index_allow_spill(v->index, true);
	if (r == 0) {
		lock_take(&v->index_lock);
		r = core_state_make(v);
		lock_drop(&v->index_lock);
	}
	return r;
}

/* From a snapshot if there is one of use; the log tells the rest, or all. */
static int begin_from_snapshot(struct commit *c)
{
	struct snap_tried tried = { .n = 0 };
	int r = 0;

	if (c->v->opts.whole_log)
		return begin_anew(c);
	while (r == 0) {
		auto_manifest struct manifest m = { .plain = NULL };

		r = begin_anew(c);
		if (r == 0)
			r = snap_find(c, &tried, &m);
		if (r <= 0)
			break;
		r = snap_load(c, &m);
		if (!snap_is_at_fault(r))
			break;
		index_life_close(c->v);
		r = snap_note_tried(&tried, &m);
	}
	snap_tried_release(&tried);
	return r;
}

static int rebuild_once(struct commit *c)
{
	const struct receive_options o = { .is_rebuild = true };
	uint64_t n;
	int r = begin_from_snapshot(c);

	return r < 0 ? r : receive_all(c, &o, &n);
}

int index_life_rebuild(struct commit *c)
{
	size_t n_stops;
	int r;

	c->is_index_clean = false;
	/* Each time one more writer's log ends before what must not be
	 * applied. */
	do {
		n_stops = c->n_stops;
		r = rebuild_once(c);
		if (r < 0)
			index_life_close(c->v);
	} while (r == ERR_MALFORMED && c->n_stops > n_stops);
	/* What stopped a writer is known to the index now. */
	atomic_store(&c->is_marked_unclean, false);
	return r;
}
