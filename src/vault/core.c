/* SPDX-License-Identifier: ISC */
#include "vault/core.h"

#include <errno.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "vault/content/content.h"

const struct epoch_keys *core_epoch_keys(void *vault, uint32_t epoch,
					 const struct key_id8 *id)
{
	const struct vault *v = vault;

	for (uint32_t i = 0; i < v->keys->ring.n_epochs; i++) {
		const struct epoch_keys *k = &v->keys->epochs[i];

		if (k->epoch == epoch && memcmp(k->id.b, id->b, sizeof(id->b)) == 0)
			return k;
	}
	return NULL;
}

const struct epoch_keys *core_newest_keys(const struct vault *v)
{
	return &v->keys->epochs[v->keys->newest];
}

int core_index_state(const struct vault *v)
{
	int r = index_state(v->index);

	return r < 0 ? r : v->is_torn ? ERR_BAD_INDEX : 0;
}

/* The analysis knows no lock that is held only on success. */
int core_enter(struct vault *v, bool change)
	LOCK_ATTR_(no_thread_safety_analysis)
{
	if (change && atomic_load(&v->is_read_only))
		return ERR_READ_ONLY;
	rwlock_take_shared(&v->session);
	lock_take(&v->index_lock);
	/* By one at a time: no need for more than that. */
	atomic_store_explicit(&v->n_calls, v->n_calls + 1,
			      memory_order_relaxed);
	int r = core_index_state(v);
	/* At opening it is made anew. */
	if (r < 0 && v->is_opened)
		core_fail(v, r, "the index cannot be read; open the vault "
				"again");
	/* A cut may have failed while this call waited. */
	if (r == 0 && change && atomic_load(&v->is_read_only))
		r = ERR_READ_ONLY;
	if (r == 0 && change)
		r = oplog_make_room(&v->oplog);
	if (r < 0)
		core_leave(v);
	return r;
}

void core_note_gone(struct vault *v, uint64_t ino)
{
	if (v->n_gone == v->cap_gone) {
		size_t cap = v->cap_gone ? v->cap_gone * 2 : 16;
		uint64_t *a = mem_realloc_array(v->gone, cap, sizeof(*a));

		/* Its dirty data then stays until it is flushed for nothing. */
		if (!a)
			return;
		v->gone = a;
		v->cap_gone = cap;
	}
	v->gone[v->n_gone++] = ino;
}

void core_leave(struct vault *v) LOCK_ATTR_(no_thread_safety_analysis)
{
	uint64_t *gone = v->gone;
	size_t n = v->n_gone;

	if (n) {
		v->gone = NULL;
		v->n_gone = v->cap_gone = 0;
	}
	row_memos_forget(&v->rows_seen);
	lock_drop(&v->index_lock);
	for (size_t i = 0; i < n; i++)
		content_forget(v, gone[i]);
	if (n)
		mem_free(gone);
	rwlock_drop_shared(&v->session);
}

void core_fail(struct vault *v, int err, const char *why)
{
	if (atomic_exchange(&v->is_read_only, true))
		return;
	atomic_store(&v->read_only_reason, why);
	diag_err(DIAG_ERROR, err, "the vault is read-only now: %s", why);
}

int core_end_transaction(struct vault *v, int r)
{
	if (r >= 0) {
		oplog_end_transaction(&v->oplog);
	} else if (oplog_abandon(&v->oplog)) {
		v->is_torn = true;
		core_fail(v, r, "a call failed half way; open the vault again");
	}
	return r;
}

void core_changed(struct vault *v, uint64_t ino, const uint8_t *name,
		  uint16_t name_len)
{
	lock_take(&v->changed_lock);
	vault_changed_fn *fn = v->changed;
	void *arg = v->changed_arg;
	v->n_changing += fn != NULL;
	lock_drop(&v->changed_lock);
	if (!fn)
		return;
	fn(arg, ino, name, name_len);
	lock_take(&v->changed_lock);
	if (--v->n_changing == 0)
		cond_broadcast(&v->changed_over);
	lock_drop(&v->changed_lock);
}

void vault_set_changed(struct vault *v, vault_changed_fn *fn, void *arg)
{
	lock_take(&v->changed_lock);
	v->changed = fn;
	v->changed_arg = arg;
	while (v->n_changing > 0)
		cond_wait(&v->changed_over, &v->changed_lock);
	lock_drop(&v->changed_lock);
}

bool vault_is_read_only(const struct vault *v)
{
	return atomic_load(&v->is_read_only);
}

const char *vault_read_only_reason(const struct vault *v)
{
	return atomic_load(&v->is_read_only) ?
		       atomic_load(&v->read_only_reason) : NULL;
}
