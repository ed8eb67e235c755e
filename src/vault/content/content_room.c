/* SPDX-License-Identifier: ISC */
/* Room for dirty data: the budget in memory, the quota, space in the stage and
 * in the vault. */
#include <errno.h>

#include "base/block.h"
#include "base/mem.h"
#include "vault/content/content_priv.h"
#include "vault/log/commit.h"

/* Space is reserved in such steps, so that few writes ask the disk; no more
 * than a stage file holds. */
#define STEP_BYTES ((uint64_t)8 << 20)
#define RESERVE_MAX ((uint64_t)512 << 20)
/* Never taken for contents: the segments that tell of deletions go there, and
 * free the rest. */
#define VAULT_HEADROOM_BYTES ((uint64_t)1 << 20)

void room_init(struct room *r)
{
	*r = (struct room){ .reserved = 0 };
	lock_init(&r->lock, LOCK_LEAF, 0);
	cond_init(&r->changed);
}

void room_release(struct room *r)
{
	cond_release(&r->changed);
	lock_release(&r->lock);
}

void room_used(struct room *r, uint64_t bytes)
{
	lock_take(&r->lock);
	r->reserved -= min_of(r->reserved, bytes);
	lock_drop(&r->lock);
}

/* What data in memory may take on the disk, sealed in small records. */
static uint64_t sealed_bytes(uint64_t bytes)
{
	return bytes + bytes / 64 + 4096;
}

/* The file of the stage changes when a publish closes it, and what was
 * reserved in it is gone. */
static bool is_reserved_locked(struct room *r, uint64_t stage_file,
			       uint64_t need)
	LOCK_ATTR_(requires_capability(r->lock))
{
	return r->stage_file == stage_file && r->reserved >= need;
}

static int ask_disk(struct stage *st, uint64_t need, uint64_t *ret_reserved)
{
	uint64_t want = min_of(need + STEP_BYTES, RESERVE_MAX);
	int r;

	block_soon();
	r = stage_reserve(st, want);
	if (r == -ENOSPC && need < want) {
		want = need;
		r = stage_reserve(st, want);
	}
	if (r == 0)
		*ret_reserved = want;
	return r;
}

/* Another thread asks the disk: until it has. */
static void wait_for_other_locked(struct room *r)
	LOCK_ATTR_(requires_capability(r->lock))
{
	lock_drop(&r->lock);
	block_soon();
	lock_take(&r->lock);
	while (r->is_reserving)
		cond_wait(&r->changed, &r->lock);
}

/* What is in memory, or waits in the stage, goes there too, padded.  A file
 * system that does not tell has room, and one that is away may come back. */
uint64_t content_left_in_vault(struct content *c)
{
	uint64_t waits = stage_bytes(c->v->stage) +
			 sealed_bytes(budget_charged(&c->budget));
	struct statvfs st;
	uint64_t room;

	block_soon();
	if (c->v->env->ops->statvfs(c->v->env, c->v->vault_dirfd, &st) < 0 ||
	    st.f_blocks == 0)
		return UINT64_MAX;
	waits += waits / 16 + VAULT_HEADROOM_BYTES;
	room = (uint64_t)st.f_bavail * st.f_frsize;
	return room - min_of(room, waits);
}

/*
 * Were more taken than the vault has room for, it could not be published; nor
 * could what is deleted after it, and so nothing would ever make room again.
 */
static int reserve_in_vault(struct content *c, uint64_t bytes)
{
	struct room *r = &c->room;
	uint64_t left;
	bool is_known;

	lock_take(&r->lock);
	is_known = r->in_vault >= bytes;
	if (is_known)
		r->in_vault -= bytes;
	lock_drop(&r->lock);
	if (is_known)
		return 0;
	left = content_left_in_vault(c);
	if (left < bytes)
		return -ENOSPC;
	lock_take(&r->lock);
	r->in_vault = min_of(left - bytes, STEP_BYTES);
	lock_drop(&r->lock);
	return 0;
}

static int reserve(struct content *c, uint64_t bytes)
{
	struct room *r = &c->room;
	struct stage *st = c->v->stage;
	uint64_t need = min_of(sealed_bytes(budget_charged(&c->budget) + bytes),
			       RESERVE_MAX);
	int err = 0;

	if (!st)
		return ERR_READ_ONLY;
	err = reserve_in_vault(c, bytes);
	lock_take(&r->lock);
	while (err == 0 && !is_reserved_locked(r, stage_file(st), need)) {
		uint64_t reserved = 0;

		if (r->is_reserving) {
			wait_for_other_locked(r);
			continue;
		}
		r->is_reserving = true;
		lock_drop(&r->lock);
		err = ask_disk(st, need, &reserved);
		lock_take(&r->lock);
		r->is_reserving = false;
		if (err == 0) {
			r->stage_file = stage_file(st);
			r->reserved = reserved;
		}
		cond_broadcast(&r->changed);
	}
	lock_drop(&r->lock);
	return err;
}

/* ---------------------------------------------------------------- the quota */

/* What a cut moves from the layers to the index meanwhile is counted twice,
 * nothing is left out. */
int content_used_bytes(struct vault *v, uint64_t *ret)
{
	uint64_t in_layers = atomic_load(&v->content->budget.layered);
	uint64_t chunks = 0, in_rows;
	int r;

	lock_take(&v->index_lock);
	r = core_index_state(v);
	if (r == 0)
		r = index_used_bytes(v->index, &chunks);
	in_rows = v->inline_bytes;
	lock_drop(&v->index_lock);
	if (r == 0)
		*ret = chunks + in_rows + in_layers;
	return r;
}

/* 1, 0. */
static int fits_quota(struct vault *v, uint64_t bytes)
{
	const uint64_t quota = v->opts.quota_bytes;
	uint64_t used = 0;
	int r = content_used_bytes(v, &used);

	return r < 0 ? r : used <= quota && bytes <= quota - used;
}

/* What was cut off or overwritten counts until a cut has told the index, and
 * what is written or copied until it is found to be there already. */
static int check_quota(struct content *c, uint64_t bytes)
{
	struct vault *v = c->v;
	int r = v->opts.quota_bytes > 0 ? fits_quota(v, bytes) : 1;

	if (r == 0 && file_count_dirty(&c->files) > 0) {
		block_soon();
		r = commit_cut(v, NULL, 0);
		if (r < 0)
			return r;
		/* No cut is half way: nothing is counted twice. */
		lock_take(&v->cut_lock);
		r = fits_quota(v, bytes);
		lock_drop(&v->cut_lock);
	}
	return r > 0 ? 0 : r < 0 ? r : -EDQUOT;
}

/* ---------------------------------------------------------------- the budget */

/* Without workers the writer does it himself: 1. */
static int make_room_here(struct content *c)
{
	int r = flush_for_room(c);

	if (r == 0 && !budget_has_room(&c->budget))
		r = commit_cut(c->v, NULL, 0);
	return r < 0 ? r : 1;
}

/*
 * Waits while the workers do something.  What they cannot make smaller - data
 * short enough to travel in operations, less than a pack's worth of chunks,
 * the bookkeeping of a million runs - only a cut can.  1: it did.  The first
 * time they are found idle says little: they may have looked before the last
 * data came.
 */
static int wait_for_workers(struct content *c, bool *were_idle)
{
	int r;

	flush_press(c);
	budget_wait(&c->budget);
	if (budget_has_room(&c->budget))
		return 0;
	r = atomic_load(&c->flush_error);
	if (r < 0)
		return r;
	if (workers_are_busy(c->workers))
		return 0;
	if (!*were_idle) {
		*were_idle = true;
		return 0;
	}
	r = commit_cut(c->v, NULL, 0);
	return r < 0 ? r : 1;
}

int content_make_room(struct content *c, uint64_t bytes)
{
	bool were_idle = false;
	int r = 0;

	/* A cut makes all the room there is: no second one. */
	while (r == 0 && !budget_has_room(&c->budget)) {
		block_soon();
		counters_add(&c->v->counters, COUNT_ROOM_WAITS, 1);
		if (workers_count(c->workers) > 0)
			r = wait_for_workers(c, &were_idle);
		else
			r = make_room_here(c);
	}
	/* What adds no data may make room: it is never refused for want of
	 * space. */
	if (r < 0 || bytes == 0)
		return min_of(r, 0);
	r = check_quota(c, bytes);
	return r < 0 ? r : reserve(c, bytes);
}
