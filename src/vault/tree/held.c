/* SPDX-License-Identifier: ISC */
#include "vault/tree/held.h"

#include "vault/merge/born.h"
#include "vault/merge/merge_priv.h"
#include "vault/tree/holds.h"

bool held_is(struct vault *v, uint64_t ino)
{
	return holds_count(v->holds, ino) > 0 ||
	       (v->holder && v->holder(v->holder_arg, ino));
}

static void note_lingering(struct vault *v)
{
	atomic_store(&v->n_lingering, holds_inodes(v->lingering));
}

/*
 * Noted first, asked then: a front end that ceases to hold an inode looks at
 * n_lingering after that (vault_let_go), so that one of the two sees the other.
 */
int held_linger(struct vault *v, uint64_t ino)
{
	int r = holds_count(v->lingering, ino) ?
			0 : holds_add(v->lingering, ino, 1);

	if (r < 0)
		return r;
	note_lingering(v);
	if (held_is(v, ino))
		return 1;
	held_end(v, ino);
	return 0;
}

void held_end(struct vault *v, uint64_t ino)
{
	if (atomic_load(&v->n_lingering) == 0)
		return;
	holds_drop(v->lingering, ino, 1);
	note_lingering(v);
}

bool held_any_lingers(struct vault *v)
{
	return atomic_load(&v->n_lingering) > 0;
}

/* ---------------------------------------------------------------- letting go */

/* Its contents go. */
static int drop(struct vault *v, uint64_t ino)
{
	struct node *n;
	int r = node_get(v->nodes, ino, &n);

	if (r <= 0)
		return r;
	if (n->flags & NODE_UNBORN) {
		core_note_gone(v, ino);
		return born_never(v, n);
	}
	r = n->kind == KIND_DIR || n->kind == KIND_NONE ?
		    0 : merge_settle_holders(v, n);
	node_put(n);
	return r;
}

/* One holder less of an inode: if it lingered for that one alone, it goes. */
static int settle(struct vault *v, uint64_t ino)
{
	if (!holds_count(v->lingering, ino) || held_is(v, ino) ||
	    core_index_state(v) < 0)
		return 0;
	held_end(v, ino);
	return drop(v, ino);
}

/* core_leave, which releases both locks, is no part of the analysis. */
static void unhold(struct vault *v, uint64_t ino, uint64_t n)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	rwlock_take_shared(&v->session);
	lock_take(&v->index_lock);
	if (n)
		holds_drop(v->holds, ino, n);
	int r = settle(v, ino);
	core_leave(v);
	if (r < 0)
		core_fail(v, r, "the index could not drop an unlinked file");
}

void vault_hold(struct vault *v, uint64_t ino, uint64_t n)
{
	lock_take(&v->index_lock);
	int r = holds_add(v->holds, ino, n);
	lock_drop(&v->index_lock);
	if (r < 0)
		core_fail(v, r, "no memory to count what is in use");
}

void vault_unhold(struct vault *v, uint64_t ino, uint64_t n)
{
	unhold(v, ino, n);
}

void vault_set_holder(struct vault *v, vault_holds_fn *fn, void *arg)
{
	lock_take(&v->index_lock);
	v->holder = fn;
	v->holder_arg = arg;
	lock_drop(&v->index_lock);
}

void vault_let_go(struct vault *v, uint64_t ino)
{
	if (atomic_load(&v->n_lingering) > 0)
		unhold(v, ino, 0);
}
