/* SPDX-License-Identifier: ISC */
/* Cuts: what was done so far becomes durable in the journal. */
#include "vault/log/commit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "vault/content/content_priv.h"
#include "vault/log/apply.h"
#include "vault/log/commit_priv.h"
#include "vault/log/devices.h"
#include "vault/log/frames.h"
#include "vault/log/writers.h"
#include "vault/merge/merge.h"
#include "vault/packs/packs.h"

/* Packs, and bytes of announcements, that the segment of a batch takes beside
 * its operations; what one without operations takes. */
#define BATCH_PACKS 900u
#define BATCH_PACKS_BYTES ((size_t)8 << 20)
#define ONLY_PACKS_BYTES ((size_t)48 << 20)

_Static_assert(BATCH_PACKS < SEGMENT_MAX_PACKS, "one cut may add some");
_Static_assert(OPLOG_BATCH_BYTES + 2 * BATCH_PACKS_BYTES <= SEGMENT_BODY_MAX,
	       "a batch and its packs fit one segment");

/* ---------------------------------------------------------------- life */

int commit_new(struct vault *v, struct commit **ret)
{
	struct commit *c = mem_zalloc(sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->v = v;
	c->state = (struct statedir)STATEDIR_INIT;
	buf_init(&c->packs, MEM_MAX);
	buf_init(&c->dropped, MEM_MAX);
	commit_reset_room(c);
	lock_init(&c->lock, LOCK_LEAF, 0);
	cond_init(&c->changed);
	*ret = c;
	return 0;
}

void commit_reset_room(struct commit *c)
{
	c->room_packs = BATCH_PACKS;
	c->room_bytes = BATCH_PACKS_BYTES;
}

void commit_free(struct commit *c)
{
	if (!c)
		return;
	assert(!c->is_running);
	statedir_close(&c->state);
	heads_release(&c->heads);
	buf_release(&c->packs);
	buf_release(&c->dropped);
	mem_free(c->stops);
	mem_free(c->seen);
	mem_free(c->alarms);
	mem_free(c->held_back);
	cond_release(&c->changed);
	lock_release(&c->lock);
	mem_free(c);
}

/* ---------------------------------------------------------------- taking */

/* What the gate guards: operations up to here, contents up to here. */
struct taken {
	struct content_cut *contents;
	struct oplog_piece *reserved; /* NULL: no contents */
	struct oplog_piece *end;      /* the first piece not taken */
	uint64_t last_seq;	      /* of the batches that are closed */
};

/* The inodes an fsync needs: its own and those that were given a name, for a
 * name must not be durable before what it stands on. */
static int list_inodes(struct vault *v, const uint64_t *only, size_t n_only,
		       uint64_t **ret, size_t *ret_n)
{
	lock_take(&v->index_lock);
	size_t n = n_only + v->oplog.n_placed;
	uint64_t *list = mem_zalloc_array(n, sizeof(*list));

	if (list) {
		memcpy(list, only, n_only * sizeof(*list));
		if (v->oplog.n_placed)
			memcpy(list + n_only, v->oplog.placed,
			       v->oplog.n_placed * sizeof(*list));
	}
	lock_drop(&v->index_lock);
	if (!list)
		return -ENOMEM;
	*ret = list;
	*ret_n = n;
	return 0;
}

/* This device enters the log with its first operation, not before: one that
 * only reads keeps nobody waiting for its acknowledgement. */
static int add_device(struct vault *v)
{
	struct vault_device d;
	int r = device_get(v, v->writer, &d);

	if (r != 0)
		return r < 0 ? r : 0;
	struct op op = {
		.type = OP_DEVICE_ADD,
		.device = {
			.writer = v->writer,
			.name = { (const uint8_t *)v->device_name,
				  (uint16_t)strlen(v->device_name) },
		},
	};
	return apply_new(v, &op);
}

/* Packs made that no frame tells of yet, and bytes of their announcements. */
static void packs_waiting(struct vault *v, uint64_t *ret_n, uint64_t *ret_bytes)
{
	struct pool *p = &v->content->pool;

	lock_take(&p->lock);
	*ret_n = p->n_packs;
	*ret_bytes = p->packs.len;
	lock_drop(&p->lock);
}

/*
 * An operation and the packs it needs must be announced in one segment or in
 * that order.  When more packs have gathered than the batch's segment will have
 * room for, it ends here, and numbers are left free before the next for
 * segments that only announce packs.
 */
static int room_for_packs(struct commit *c)
{
	struct oplog *l = &c->v->oplog;
	uint64_t n, bytes;
	int r = 0;

	packs_waiting(c->v, &n, &bytes);
	n += c->n_packs;
	bytes += c->packs.len;
	while (r == 0 && (n > c->room_packs || bytes > c->room_bytes)) {
		r = oplog_seal(l);
		c->room_packs += BATCH_PACKS;
		c->room_bytes += ONLY_PACKS_BYTES;
	}
	return r;
}

static int take_operations(struct commit *c, uint32_t n_contents, bool ends,
			   struct taken *t)
{
	struct vault *v = c->v;
	int r = 0;

	lock_take(&v->index_lock);
	if (!atomic_load(&v->is_read_only) &&
	    (n_contents > 0 || v->oplog.n_unsealed > 0))
		r = add_device(v);
	if (r == 0)
		r = room_for_packs(c);
	if (r == 0)
		r = oplog_cut(&v->oplog, n_contents, &t->reserved);
	if (r == 0 && ends && (v->oplog.next_index > 0 || c->wants_ack))
		r = oplog_seal(&v->oplog);
	if (r == 0) {
		t->end = v->oplog.last;
		t->last_seq = v->oplog.seq - 1;
	}
	lock_drop(&v->index_lock);
	return r;
}

static int take(struct commit *c, const uint64_t *only, size_t n_only, bool ends,
		struct taken *t)
{
	auto_free uint64_t *list = NULL;
	struct vault *v = c->v;
	uint32_t n_contents = 0;
	size_t n = 0;
	int r = 0;

	rwlock_take(&v->session);
	if (n_only > 0)
		r = list_inodes(v, only, n_only, &list, &n);
	if (r == 0)
		r = content_cut_take(v, list, n, &t->contents, &n_contents);
	if (r == 0) {
		atomic_store(&c->dirty_since, 0);
		if (ends)
			atomic_store(&c->unpublished_since, 0);
		r = take_operations(c, n_contents, ends, t);
	}
	rwlock_drop(&v->session);
	return r;
}

/* ---------------------------------------------------------------- writing */

static int flush(struct commit *c, struct taken *t)
{
	struct vault *v = c->v;
	int r = 0, filled = 0;

	if (t->reserved) {
		r = content_cut_flush(v, t->contents, t->reserved);
		lock_take(&v->index_lock);
		filled = oplog_fill_rest(&v->oplog, t->reserved);
		t->reserved->is_reserved = false;
		lock_drop(&v->index_lock);
	}
	content_cut_free(t->contents);
	t->contents = NULL;
	return filled < 0 ? filled : r;
}

int commit_add_packs(struct commit *c, const struct buf *packs, uint32_t n)
{
	size_t before = c->packs.len;

	buf_put(&c->packs, packs->data, packs->len);
	int r = buf_error(&c->packs);
	if (r < 0) {
		c->packs.len = before;
		c->packs.error = 0;
		return r;
	}
	c->n_packs += n;
	return 0;
}

void commit_take_back_packs(struct commit *c, size_t bytes, uint32_t n)
{
	c->packs.len -= bytes;
	c->n_packs -= n;
}

/*
 * Packs wait for a segment once the journal has them; memory for that is found
 * before.  No cut comes after a frame was lost: what it says would be a prefix
 * with a hole.
 */
static int write_frames(struct commit *c, const struct content_durable *d,
			const struct oplog_piece *end)
{
	int r = commit_add_packs(c, &d->packs, d->n_packs);

	if (r < 0)
		return r;
	r = frames_write(c, d, end);
	if (r == 0) {
		atomic_fetch_add(&c->n_staged, d->n_stage + d->n_chunks);
		atomic_store(&c->packs_waiting, 0);
		content_durable_done(c->v);
		return 0;
	}
	commit_take_back_packs(c, d->packs.len, d->n_packs);
	if (r != -ENOSPC && r != -EDQUOT && r != -ENOMEM)
		core_fail(c->v, r, "the journal could not be written; what was "
				   "done since is not safe");
	return r;
}

static int finish_cut(struct commit *c, const struct oplog_piece *end)
{
	const struct content_durable *d = NULL;
	int r = content_make_durable(c->v, &d);

	if (r < 0 || !frames_are_needed(c, d, end))
		return r;
	r = marks_unclean(c);
	return r < 0 ? r : write_frames(c, d, end);
}

void commit_check_alive(struct commit *c, int err)
{
	struct vault *v = c->v;

	if (journal_is_dead(v->journal) || stage_is_dead(v->stage))
		core_fail(v, err, "writing to the state directory failed; what "
				  "was done since the last sync is not safe");
}

/* An index that is half changed may call chunks dead that an operation of the
 * log names: such a frame could not be read back. */
static int check_index(struct commit *c)
{
	struct vault *v = c->v;

	lock_take(&v->index_lock);
	int r = core_index_state(v);
	lock_drop(&v->index_lock);
	return r;
}

/* *ret_flushed: what contents met that could not be flushed; they are dirty
 * still, and everything else is durable. */
static int cut(struct commit *c, const uint64_t *only, size_t n_only, bool ends,
	       uint64_t *ret_seq, int *ret_flushed)
{
	const uint64_t start = clock_mono_ns();
	struct taken t = { 0 };
	int r = check_index(c);

	if (r == 0)
		r = take(c, only, n_only, ends, &t);
	if (r < 0) {
		content_cut_free(t.contents);
		return r;
	}
	*ret_seq = t.last_seq;
	*ret_flushed = flush(c, &t);
	r = check_index(c);
	if (r == 0)
		r = finish_cut(c, t.end);
	if (r < 0)
		commit_check_alive(c, r);
	counters_add(&c->v->counters, COUNT_CUTS, 1);
	counters_add(&c->v->counters, COUNT_CUT_NS, clock_mono_ns() - start);
	return r;
}

int commit_cut_locked(struct commit *c, const uint64_t *only, size_t n_only)
{
	int r, flushed = 0;
	uint64_t seq;

	if (!c->v->journal)
		return 0;
	r = cut(c, only, n_only, false, &seq, &flushed);
	r = r < 0 ? r : flushed;
	atomic_store(&c->cut_err, r);
	return r;
}

int commit_cut_batch(struct commit *c, uint64_t *ret_seq, int *ret_flushed)
{
	int r = cut(c, NULL, 0, true, ret_seq, ret_flushed);

	atomic_store(&c->cut_err, r < 0 ? r : *ret_flushed);
	return r;
}

/* ---------------------------------------------------------------- sharing */

/* One cut for all requests: everything if one of them asks for it. */
static int serve(struct commit *c, struct cut_request *list)
{
	auto_free uint64_t *only = NULL;
	bool all = false;
	size_t n = 0;
	int r;

	for (struct cut_request *q = list; q; q = q->next) {
		all |= q->n_only == 0;
		n += q->n_only;
	}
	if (!all) {
		only = mem_zalloc_array(n, sizeof(*only));
		all = !only; /* more than was asked for is no harm */
	}
	n = 0;
	for (struct cut_request *q = list; !all && q; q = q->next) {
		memcpy(only + n, q->only, q->n_only * sizeof(*only));
		n += q->n_only;
	}
	lock_take(&c->v->cut_lock);
	r = commit_cut_locked(c, all ? NULL : only, all ? 0 : n);
	lock_drop(&c->v->cut_lock);
	return r;
}

static void finish(struct commit *c, struct cut_request *list, int result)
{
	lock_take(&c->lock);
	while (list) {
		struct cut_request *q = list;

		/* Its owner may be gone once it is done. */
		list = q->next;
		q->result = result;
		q->is_done = true;
	}
	c->is_cutting = false;
	cond_broadcast(&c->changed);
	lock_drop(&c->lock);
}

/* Requests that come while a cut runs wait for the next, which one of them
 * makes for all. */
static int cut_shared(struct commit *c, const uint64_t *only, unsigned n_only)
{
	struct cut_request self = { .only = only, .n_only = n_only }, *list;

	block_soon();
	lock_take(&c->lock);
	self.next = c->requests;
	c->requests = &self;
	while (!self.is_done && c->is_cutting)
		cond_wait(&c->changed, &c->lock);
	list = self.is_done ? NULL : c->requests;
	if (list) {
		c->requests = NULL;
		c->is_cutting = true;
	}
	lock_drop(&c->lock);
	if (list)
		finish(c, list, serve(c, list));
	return self.result;
}

int commit_cut(struct vault *v, const uint64_t *only, unsigned n_only)
{
	return v->journal ? cut_shared(v->commit, only, n_only) : 0;
}

int vault_sync(struct vault *v)
{
	return commit_cut(v, NULL, 0);
}
