/* SPDX-License-Identifier: ISC */
/* Marks: what this device has seen, and whether its index file is clean
 * (vault-format/11-local.md). */
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/mem.h"
#include "vault/content/content_priv.h"
#include "vault/core_state.h"
#include "vault/log/commit_priv.h"
#include "vault/tree/held.h"

/* Fixed fields and as many heads as a version vector has. */
#define MARKS_BYTES_MAX (4096u + (SEGMENT_MAX_WRITERS + 1u) * 48u)

#define SPARE_BYTES ((uint64_t)16 << 20)

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

/* ---------------------------------------------------------------- clean */

/* Inodes that linger have rows that no operation tells of; operations that are
 * in no frame would be lost.  The next opening rebuilds then. */
static bool may_be_clean(const struct commit *c, struct vault *v)
	LOCK_ATTR_(requires_capability(v->index_lock))
{
	bool yes = !c->is_marked_unclean && !held_any_lingers(v);

	for (const struct oplog_piece *p = v->oplog.unframed; yes && p;
	     p = p->next)
		yes = p->in_frame || p->n_ops == 0;
	return yes;
}

/* What the index has goes into its file: 1; 0: that may not be.  From here on
 * nothing may be written to it. */
static int write_index(struct commit *c)
	LOCK_ATTR_(no_thread_safety_analysis) /* c->v and v are one */
{
	struct vault *v = c->v;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = may_be_clean(c, v);
	if (r > 0) {
		r = core_state_save(v);
		if (r == 0)
			r = node_cache_flush(v->nodes);
		if (r == 0)
			r = index_write(v->index);
		if (r == 0)
			r = index_allow_spill(v->index, false);
		r = r < 0 ? r : 1;
	}
	lock_drop(&v->index_lock);
	return r;
}

static int sync_index(struct commit *c)
{
	struct vault *v = c->v;
	int r = index_fsync(v->index);

	lock_take(&v->index_lock);
	r = index_synced(v->index, r);
	lock_drop(&v->index_lock);
	return r;
}

static int mark_clean(struct commit *c)
{
	int r;

	c->is_index_clean = true;
	c->index_frame = journal_next_number(c->v->journal) - 1;
	r = marks_write(c);
	if (r < 0)
		c->is_index_clean = false;
	return r;
}

int marks_clean(struct commit *c)
{
	int r;

	if (c->is_index_clean || c->state.dirfd < 0)
		return 0;
	r = write_index(c);
	if (r <= 0)
		return r;
	r = sync_index(c);
	return r < 0 ? r : mark_clean(c);
}

/* ---------------------------------------------------------------- idle */

/* Everything is in segments, and nothing is on its way there. */
static bool is_all_published(struct commit *c)
{
	struct pool *p = &c->v->content->pool;
	bool yes = atomic_load(&c->dirty_since) == 0 &&
		   atomic_load(&c->unpublished_since) == 0 &&
		   file_count_dirty(&c->v->content->files) == 0 &&
		   c->own_seq == c->sealed_seq && c->n_packs == 0 &&
		   !c->taken.is_set;

	lock_take(&p->lock);
	yes &= p->n_packs == 0;
	lock_drop(&p->lock);
	lock_take(&c->v->index_lock);
	yes &= c->v->oplog.n_unsealed == 0;
	lock_drop(&c->v->index_lock);
	return yes;
}

/* Room for all that may be changed in memory, twice: an index that cannot be
 * written is lost, and it was no use to hurry. */
static bool has_room(struct commit *c)
{
	struct env *env = c->v->env;
	struct statvfs st;
	uint64_t need = 0;

	if (env->ops->statvfs(env, c->state.dirfd, &st) < 0)
		return false;
	lock_take(&c->v->index_lock);
	need = 2 * index_cache_bytes(c->v->index) + SPARE_BYTES;
	lock_drop(&c->v->index_lock);
	return (uint64_t)st.f_bavail >= need / st.f_frsize;
}

/* Meanwhile nothing was cut, so that the file is what the frames tell of. */
static int mark_if_same(struct commit *c, uint64_t next_frame)
{
	int r;

	if (journal_next_number(c->v->journal) == next_frame)
		return mark_clean(c);
	lock_take(&c->v->index_lock);
	r = index_allow_spill(c->v->index, true);
	lock_drop(&c->v->index_lock);
	return r;
}

int marks_clean_idle(struct commit *c)
{
	struct vault *v = c->v;
	uint64_t next_frame = 0;
	int r = 0;

	if (!v->journal || atomic_load(&v->is_read_only))
		return 0;
	lock_take(&v->cut_lock);
	if (!c->is_index_clean && is_all_published(c) && has_room(c)) {
		r = write_index(c);
		next_frame = journal_next_number(v->journal);
	}
	lock_drop(&v->cut_lock);
	if (r <= 0)
		return r;
	/* Nobody waits for this. */
	r = sync_index(c);
	if (r < 0)
		return r;
	lock_take(&v->cut_lock);
	r = mark_if_same(c, next_frame);
	lock_drop(&v->cut_lock);
	return r;
}
