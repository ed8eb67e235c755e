/* SPDX-License-Identifier: ISC */
/* Marks: what this device has seen, and whether its index file is clean
 * (vault-format/11-local.md). */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/commit_priv.h"
#include "vault/core_state.h"
#include "vault/held.h"

/* Fixed fields and as many heads as a version vector has. */
#define MARKS_BYTES_MAX (4096u + (SEGMENT_MAX_WRITERS + 1u) * 48u)

int marks_now(struct commit *c, struct buf *ret)
{
	const struct epoch_keys *newest = core_newest_keys(c->v);
	auto_buf struct buf heads = BUF_INIT(MARKS_BYTES_MAX);
	struct marks m = {
		.header_mac = c->v->header.mac,
		.newest_epoch = newest->epoch,
		.newest_key = newest->id,
		.index_generation = c->generation,
		.session = c->session,
		.index_clean = c->is_index_clean,
		.index_frame = c->index_frame,
	};
	int r;

	lock_take(&c->v->index_lock);
	m.n_heads = (uint32_t)c->heads.n;
	for (size_t i = 0; i < c->heads.n; i++)
		marks_head_put(&heads, &c->heads.list[i]);
	lock_drop(&c->v->index_lock);
	r = buf_error(&heads);
	if (r < 0)
		return r;
	cursor_init(&m.heads, heads.data, heads.len);
	marks_encode(&m, ret);
	return buf_error(ret);
}

int marks_write(struct commit *c)
{
	auto_buf struct buf b = BUF_INIT(MARKS_BYTES_MAX);
	uint64_t number;
	int r = marks_now(c, &b);

	if (r == 0)
		r = journal_append(c->v->journal, FRAME_MARKS, b.data, b.len,
				   &number);
	return r;
}

int marks_unclean(struct commit *c)
{
	struct vault *v = c->v;
	int r;

	if (!c->is_index_clean)
		return 0;
	c->is_index_clean = false;
	r = marks_write(c);
	if (r < 0) {
		c->is_index_clean = true;
		return r;
	}
	lock_take(&v->index_lock);
	r = index_allow_spill(v->index, true);
	lock_drop(&v->index_lock);
	atomic_store(&c->wants_spill, false);
	return r;
}

static int commit_index(struct commit *c)
{
	struct vault *v = c->v;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = core_state_save(v);
	if (r == 0)
		r = node_cache_flush(v->nodes);
	if (r == 0)
		r = index_commit(v->index);
	/* Nothing may be written from here on. */
	if (r == 0)
		r = index_allow_spill(v->index, false);
	lock_drop(&v->index_lock);
	return r;
}

/* Inodes that linger have rows that no operation tells of; operations that are
 * in no frame would be lost.  The next opening rebuilds then. */
static bool may_be_clean(struct commit *c)
{
	struct vault *v = c->v;
	bool yes;

	lock_take(&v->index_lock);
	yes = !c->is_marked_unclean && !held_any_lingers(v);
	for (const struct oplog_piece *p = v->oplog.first; yes && p; p = p->next)
		yes = p->in_frame || p->n_ops == 0;
	lock_drop(&v->index_lock);
	return yes;
}

int marks_clean(struct commit *c)
{
	int r;

	if (c->is_index_clean || c->state.dirfd < 0 || !may_be_clean(c))
		return 0;
	r = commit_index(c);
	if (r < 0)
		return r;
	c->is_index_clean = true;
	c->index_frame = journal_next_number(c->v->journal) - 1;
	r = marks_write(c);
	if (r < 0)
		c->is_index_clean = false;
	return r;
}
