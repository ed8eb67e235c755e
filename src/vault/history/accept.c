/* SPDX-License-Identifier: ISC */
/*
 * Accepting the vault as it is: a second state is made beside the old one, with
 * a writer of its own, what only the old one shows is written again through it
 * and published, and then it takes the old one's place.  The old writer's
 * numbers are never used again, and nothing is taken away before all is there.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "vault/device.h"
#include "vault/history/accept_tree.h"
#include "vault/history/history.h"
#include "vault/log/commit_priv.h"
#include "vault/log/statedir.h"
#include "vault/log/writers.h"

/* Both vaults are open at once; the old one is walked through once. */
#define OLD_CACHE_BYTES ((size_t)32 << 20)

struct acceptance {
	const struct vault_options *opts;
	const struct vault_credential *cred;
	const struct vault_accept_options *how;
	const char **ret_what;
	struct vault_accept_result *res;
	char *parent; /* of the new state; owned */
	struct vault *old, *new;
};

static int open_old(struct acceptance *a)
{
	struct vault_options o = *a->opts;

	o.read_only = true;
	o.background = false;
	o.cache_bytes = OLD_CACHE_BYTES;
	return vault_open(&o, a->cred, a->ret_what, &a->old);
}

static int open_new_once(struct acceptance *a)
{
	struct vault_options o = *a->opts;

	o.state_path = a->parent;
	o.read_only = o.no_state = o.background = false;
	/* Which segments it is made of is asked of it. */
	o.whole_log = true;
	return vault_open(&o, a->cred, a->ret_what, &a->new);
}

static void drop_new(struct acceptance *a)
{
	struct vault *old = a->old;
	int r = vault_close(a->new);

	/* It wrote nothing that is not removed. */
	(void)r;
	a->new = NULL;
	statedir_remove(old->env, a->parent, &old->header.uuid);
}

/* What an earlier attempt left is gone on with; but the vault may have been put
 * back behind that, too. */
static int open_new(struct acceptance *a)
{
	int r = statedir_accept_parent(a->opts->state_path,
				       &a->old->header.uuid, &a->parent);

	if (r == 0)
		r = open_new_once(a);
	if (r == 0 && history_error(a->new->commit) < 0) {
		drop_new(a);
		r = open_new_once(a);
	}
	if (r < 0 || !vault_is_read_only(a->new))
		return r;
	*a->ret_what = vault_read_only_reason(a->new);
	drop_new(a);
	return ERR_READ_ONLY;
}

/* Nobody else uses either vault. */
static void take_name(struct acceptance *a)
{
	lock_take(&a->new->index_lock);
	memcpy(a->new->device_name, a->old->device_name,
	       sizeof(a->new->device_name));
	lock_drop(&a->new->index_lock);
}

static int note_own(void *arg, const struct vault_alarm *alarm)
{
	bool *is_elsewhere = arg;

	*is_elsewhere |= alarm->kind == VAULT_ALARM_OWN;
	return 0;
}

/* Whether the old writer's log goes on, written by another computer: 1, 0. */
static int goes_on(struct acceptance *a)
{
	struct writer_state w = { .stopped = 0 };
	bool is_elsewhere = false;
	int r = vault_each_alarm(a->old, note_own, &is_elsewhere);

	if (r < 0 || !is_elsewhere)
		return r;
	lock_take(&a->new->index_lock);
	r = writer_load(a->new, a->old->writer, &w);
	lock_drop(&a->new->index_lock);
	return r < 0 ? r : w.stopped == 0;
}

/* Else it is one that nobody will hear of again. */
static int retire_old(struct acceptance *a)
{
	int r = goes_on(a);

	if (r != 0)
		return r < 0 ? r : 0;
	if (a->old->writer && a->old->writer != a->new->writer)
		r = vault_device_retire(a->new, a->old->writer);
	return r == -ENOENT ? 0 : r;
}

static int publish_new(struct acceptance *a)
{
	struct vault *v = a->new;
	int r, e;

	*a->ret_what = "what is to be published";
	take_name(a);
	r = a->how->discard ? 0 :
			      accept_tree(a->old, v, a->how, a->res);
	if (r == 0)
		r = retire_old(a);
	if (r == 0)
		r = vault_publish(v);
	if (r == 0)
		a->res->new_writer = v->writer;
	a->new = NULL;
	e = vault_close(v);
	return r < 0 ? r : e;
}

static int accept_now(struct acceptance *a)
{
	int r = open_new(a);

	if (r == 0)
		r = publish_new(a);
	if (r < 0)
		return r;
	*a->ret_what = "the state directory";
	return statedir_replace(a->old->env, a->opts->state_path,
				&a->old->header.uuid, a->old->writer,
				&a->res->put_away);
}

int vault_accept(const struct vault_options *opts,
		 const struct vault_credential *cred,
		 const struct vault_accept_options *how, const char **ret_what,
		 struct vault_accept_result *ret)
{
	struct vault_accept_result res = { .was_needed = false };
	struct acceptance a = {
		.opts = opts,
		.cred = cred,
		.how = how,
		.ret_what = ret_what,
		.res = &res,
	};
	int e, r = open_old(&a);

	if (r < 0)
		return r;
	res.old_writer = a.old->writer;
	res.was_needed = history_error(a.old->commit) < 0;
	if (res.was_needed)
		r = accept_now(&a);
	mem_free(a.parent);
	/* It writes only into its own directory, wherever that is now. */
	e = vault_close(a.old);
	if (r == 0 && !res.was_needed)
		r = e;
	if (r < 0) {
		mem_free(res.put_away);
		return r;
	}
	*ret = res;
	return 0;
}
