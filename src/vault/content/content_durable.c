/* SPDX-License-Identifier: ISC */
/* What a cut does with pending chunks: into packs or the stage, and durable. */
#include <assert.h>
#include <errno.h>

#include "base/diag.h"
#include "base/mem.h"
#include "format/local.h"
#include "vault/content/content_pool_priv.h"
#include "vault/content/content_priv.h"
#include "vault/packs/packs.h"

/* A small durable write travels in the frame itself: one sync instead of two
 * (vault-format/11-local.md, Cuts). */
#define CHUNKS_IN_FRAME_BYTES ((uint64_t)64 << 10)

/* A job appends so much, unless it is one large chunk. */
#define JOB_BYTES ((uint64_t)256 << 10)

/* Claimed chunks on their way into the stage. */
struct staging {
	struct content *c;
	struct chunk **list;
	size_t n;
	uint64_t *files; /* where each stands: stage file, */
	struct pack_entry *entries;
	int *errors; /* or what it failed with */
};

struct stage_job {
	struct job job;
	struct staging *s;
	size_t first, n;
};

static void run_stage_job(struct job *j)
{
	struct stage_job *sj = container_of(j, struct stage_job, job);
	struct staging *s = sj->s;

	for (size_t i = sj->first; i < sj->first + sj->n; i++) {
		const struct chunk *ch = s->list[i];

		/* Claimed: its bytes stay. */
		s->errors[i] =
			stage_append(s->c->v->stage, &ch->id, ch->plain,
				     ch->length, &s->files[i], &s->entries[i]);
		if (s->errors[i] < 0)
			continue;
		room_used(&s->c->room, s->entries[i].stored_bytes);
		counters_add(&s->c->v->counters, COUNT_STAGED, 1);
		counters_add(&s->c->v->counters, COUNT_STAGED_BYTES,
			     s->entries[i].stored_bytes);
	}
}

/* Appends all, several at a time. */
static int append_all(struct staging *s)
{
	auto_free struct stage_job *jobs =
		mem_zalloc_array(s->n, sizeof(*jobs));
	struct job_group g = { 0 };
	size_t n_jobs = 0;

	if (!jobs)
		return -ENOMEM;
	for (size_t i = 0; i < s->n;) {
		struct stage_job *sj = &jobs[n_jobs++];
		uint64_t bytes = 0;

		*sj = (struct stage_job){ .s = s, .first = i };
		sj->job.run = run_stage_job;
		while (i < s->n && bytes < JOB_BYTES) {
			bytes += s->list[i++]->length;
			sj->n++;
		}
		workers_add(s->c->workers, &g, &sj->job);
	}
	workers_wait(s->c->workers, &g);
	return 0;
}

static int stage_pack(struct vault *v, uint64_t file, uint64_t *ret_pack)
{
	int r;

	lock_take(&v->index_lock);
	r = packs_stage_row(v, file, ret_pack);
	lock_drop(&v->index_lock);
	return r;
}

static void list_entry(const struct staging *s, size_t i, struct buf *b)
{
	const struct cut_stage_entry e = { s->files[i], s->entries[i] };

	cut_stage_entry_put(b, &e);
}

static void list_chunk(const struct staging *s, size_t i, struct buf *b)
{
	const struct cut_chunk e = { s->files[i], s->entries[i],
				     s->list[i]->plain };

	cut_chunk_put(b, &e);
}

/* Lists [first, end) for the frame; nothing of it on failure. */
static int list_run(const struct staging *s, bool in_frame, size_t first,
		    size_t end, struct content_durable *ret)
{
	struct buf *b = in_frame ? &ret->chunks : &ret->stage;
	size_t before = b->len;
	int r;

	for (size_t i = first; i < end; i++)
		if (in_frame)
			list_chunk(s, i, b);
		else
			list_entry(s, i, b);
	r = pool_undo_list(b, before);
	if (r == 0)
		*(in_frame ? &ret->n_chunks : &ret->n_stage) +=
			(uint32_t)(end - first);
	return r;
}

/* Places those from *done on that went well and stand in one file. */
static int place_run(struct staging *s, bool in_frame, size_t *done,
		     struct content_durable *ret)
{
	size_t first = *done, end = first, placed = 0;
	uint64_t pack = 0;
	int r;

	while (end < s->n && s->errors[end] == 0 &&
	       s->files[end] == s->files[first])
		end++;
	r = list_run(s, in_frame, first, end, ret);
	if (r == 0)
		r = stage_pack(s->c->v, s->files[first], &pack);
	if (r == 0)
		r = pool_place(s->c, pack, s->list + first, s->entries + first,
			       end - first, &placed);
	*done = first + placed;
	return r;
}

static int place_all(struct staging *s, bool in_frame,
		     struct content_durable *ret)
{
	size_t done = 0;
	int err = 0;

	while (done < s->n) {
		if (s->errors[done] < 0) {
			err = err < 0 ? err : s->errors[done];
			pool_give_back(&s->c->pool, s->list + done, 1);
			done++;
			continue;
		}
		int r = place_run(s, in_frame, &done, ret);

		if (r < 0) {
			pool_give_back(&s->c->pool, s->list + done,
				       s->n - done);
			return r;
		}
	}
	return err;
}

/* Claimed chunks into the stage; those that fail are given back. */
static int stage_all(struct content *c, struct chunk **list, size_t n,
		     bool in_frame, struct content_durable *ret)
{
	auto_free uint64_t *files = mem_zalloc_array(n, sizeof(*files));
	auto_free struct pack_entry *entries =
		mem_zalloc_array(n, sizeof(*entries));
	auto_free int *errors = mem_zalloc_array(n, sizeof(*errors));
	struct staging s = { c, list, n, files, entries, errors };
	int r = files && entries && errors ? append_all(&s) : -ENOMEM;

	if (r < 0) {
		pool_give_back(&c->pool, list, n);
		return r;
	}
	return place_all(&s, in_frame, ret);
}

/* ---------------------------------------------------------------- the cut */

/* Chunks needed that others are storing: until that has ended for one. */
static bool wait_for_storing(struct pool *p)
{
	const struct chunk *ch;

	lock_take(&p->lock);
	for (ch = p->first; ch; ch = ch->next)
		if (ch->is_needed && ch->is_storing)
			break;
	/* What is stored may be freed: the chunk is not looked at again. */
	if (ch)
		cond_wait(&p->stored, &p->lock);
	lock_drop(&p->lock);
	return ch != NULL;
}

static uint64_t sum_bytes(struct chunk *const *list, size_t n)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += list[i]->length;
	return bytes;
}

/* A pack's worth goes into a pack, if one can be written; the rest into the
 * stage. */
static int store_needed(struct content *c, struct content_durable *ret,
			bool *ret_any)
{
	struct pool *p = &c->pool;
	struct chunk **list;
	uint64_t bytes;
	bool packs_work = pool_packs_work(p);
	size_t n;
	int r = pool_claim(p, true, packs_work ? p->pack_bytes : UINT64_MAX,
			   &list, &n);

	if (r < 0)
		return r;
	*ret_any = n > 0;
	bytes = sum_bytes(list, n);
	/* A pack that fails is not tried again at once. */
	if (n > 0 && bytes >= p->pack_bytes && packs_work)
		(void)!pool_store_pack(c, list, n);
	else if (n > 0)
		r = stage_all(c, list, n,
			      ret->n_stage == 0 && ret->n_chunks == 0 &&
				      bytes <= CHUNKS_IN_FRAME_BYTES,
			      ret);
	mem_free(list);
	return r;
}

/* Packs are durable and named already. */
static int list_packs(struct pool *p, struct content_durable *ret)
{
	size_t before = ret->packs.len;
	int r;

	lock_take(&p->lock);
	buf_put(&ret->packs, p->packs.data, p->packs.len);
	r = pool_undo_list(&ret->packs, before);
	if (r == 0) {
		ret->n_packs += p->n_packs;
		p->n_packs = 0;
		buf_reset(&p->packs);
	}
	lock_drop(&p->lock);
	return r;
}

void content_durable_init(struct content_durable *d)
{
	*d = (struct content_durable){ .n_packs = 0 };
	buf_init(&d->packs, MEM_MAX);
	buf_init(&d->stage, MEM_MAX);
	buf_init(&d->chunks, MEM_MAX);
}

void content_durable_release(struct content_durable *d)
{
	buf_release(&d->packs);
	buf_release(&d->stage);
	buf_release(&d->chunks);
	content_durable_init(d);
}

/* After a failed sync nobody knows what is on the disk, and asking again would
 * only hide it (stage_rescue). */
static int sync_stage(struct vault *v)
{
	int r = stage_sync(v->stage);

	if (r < 0 && stage_rescue(v->stage) == 0) {
		diag_err(DIAG_WARNING, r,
			 "a file of the stage could not be made durable; it "
			 "was written anew");
		r = 0;
	}
	if (r < 0)
		core_fail(v, r,
			  "data could not be made durable; what was "
			  "written since the last sync is not safe");
	return r;
}

int content_make_durable(struct vault *v, const struct content_durable **ret)
{
	struct content *c = v->content;
	struct content_durable *d = &c->durable;
	bool any = false;
	int r = pool_discard_dead(c);

	if (r < 0)
		return r;
	/* Needed ones become so in cuts only: none is added meanwhile. */
	do
		r = store_needed(c, d, &any);
	while (r == 0 && (any || wait_for_storing(&c->pool)));
	/* Also what an earlier call, that failed, has left. */
	if (r == 0 && d->n_stage > 0)
		r = sync_stage(v);
	if (r == 0)
		r = list_packs(&c->pool, d);
	if (r == 0)
		*ret = d;
	return r;
}

void content_durable_done(struct vault *v)
{
	content_durable_release(&v->content->durable);
}
