/* SPDX-License-Identifier: ISC */
/*
 * An index beside the one in use, from what the vault holds.  The one in use
 * has more than published operations made (files without a name, contents of
 * what was removed and is still open, changes on their way), which no snapshot
 * may have; and it is in use.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "vault/index_life.h"
#include "vault/life.h"
#include "vault/snapshot/snap.h"
#include "vault/tree/holds.h"

#define SCRATCH_NAME "scratch"

/* Nothing is read from files here. */
#define CACHE_BYTES ((size_t)4 << 20)

static int copy_keys(struct vault *v, const struct vault_secrets *from)
{
	v->keys = secret_alloc(sizeof(*v->keys));
	if (!v->keys)
		return -ENOMEM;
	memcpy(v->keys, from, sizeof(*v->keys));
	return 0;
}

static int open_parts(struct vault *v)
{
	const struct cache_options co = { .bytes = CACHE_BYTES };
	const struct store_options so = {
		.env = v->env,
		.vault_dirfd = v->vault_dirfd,
		.stage_dirfd = -1,
		.vault = v->header.uuid,
		.cid_data = &v->keys->vault.cid_data,
		.cid_meta = &v->keys->vault.cid_meta,
		.keys = core_epoch_keys,
		.keys_arg = v,
	};
	int r = holds_new(&v->holds);

	if (r == 0)
		r = holds_new(&v->lingering);
	if (r == 0)
		r = cache_new(&co, &v->cache);
	if (r == 0)
		r = store_open(&so, &v->store);
	return r < 0 ? r : content_new(v, &v->content);
}

static int open_dir(struct commit *of, struct commit *c)
{
	c->state.env = of->v->env;
	c->state.dirfd = env_open_dir(of->v->env, of->state.dirfd,
				      SCRATCH_NAME, true);
	return min_of(c->state.dirfd, 0);
}

void snap_scratch_close(struct commit *of, struct vault *v)
{
	int r = 0;

	if (!v)
		return;
	index_life_close(v);
	if (v->commit && v->commit->state.dirfd >= 0)
		r = v->env->ops->unlink(v->env, v->commit->state.dirfd,
					INDEX_FILE_NAME, 0);
	/* What is left is made anew the next time. */
	(void)r;
	(void)of;
	v->vault_dirfd = -1; /* borrowed */
	life_free(v);
}

int snap_scratch_open(struct commit *c, struct vault **ret)
{
	struct vault_options opts = c->v->opts;
	struct vault *v;
	int r;

	opts.env = c->v->env;
	opts.no_state = opts.read_only = true;
	r = life_new(&opts, &v);
	if (r < 0)
		return r;
	v->vault_dirfd = c->v->vault_dirfd;
	v->header = c->v->header;
	life_be_read_only(v, "for making a snapshot");
	r = copy_keys(v, c->v->keys);
	if (r == 0)
		r = open_dir(c, v->commit);
	if (r == 0)
		r = open_parts(v);
	if (r == 0)
		r = index_life_rebuild(v->commit);
	if (r < 0) {
		snap_scratch_close(c, v);
		return r;
	}
	*ret = v;
	return 0;
}
