/* SPDX-License-Identifier: ISC */
/* What a vault tells of itself. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "index/index_chunk.h"
#include "vault/care.h"
#include "vault/content/content_priv.h"
#include "vault/keys/unlock.h"
#include "vault/log/commit_priv.h"
#include "vault/log/statedir.h"
#include "vault/log/writers.h"
#include "vault/merge/merge.h"
#include "vault/merge/node_edit.h"
#include "vault/packs/packs.h"

/* Inodes looked at in one go under the index lock. */
#define SLICE 256u

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- status */

struct node_sums {
	struct vault *v;
	struct vault_status *s;
	uint64_t next_ino;
	unsigned n;
};

static int add_node(void *arg, uint64_t ino, const uint8_t *rec, size_t bytes)
{
	struct node_sums *sums = arg;
	struct node n = { .ino = ino };
	int r = node_decode(rec, bytes, &n);

	sums->next_ino = ino + 1;
	if (r == 0) {
		if (n.kind == KIND_FILE && merge_is_logged(&n))
			sums->s->logical_bytes += n.size;
		if (n.kind == KIND_DIR)
			sums->s->conflicts += n.n_special;
	}
	node_release_fields(&n);
	return r < 0 ? ERR_BAD_INDEX : ++sums->n == SLICE;
}

static int sum_nodes(struct vault *v, struct vault_status *s)
{
	struct node_sums sums = { .v = v, .s = s };
	int r = 1;

	while (r > 0) {
		r = core_enter(v, false);
		if (r < 0)
			return r;
		if (sums.next_ino == 0)
			r = node_cache_flush(v->nodes);
		sums.n = 0;
		if (r == 0)
			r = index_node_each(v->index, sums.next_ino, add_node,
					    &sums);
		core_leave(v);
	}
	return r;
}

static int add_pack(void *arg, const struct index_pack *p)
{
	struct vault_status *s = arg;

	if (p->is_stage)
		return 0;
	s->n_packs++;
	s->pack_bytes += p->size;
	s->dead_bytes += p->total_bytes - min_of(p->live_bytes, p->total_bytes);
	s->packs_pending += (p->flags & PACK_FLAG_ABSENT) != 0;
	return 0;
}

static int add_writer(void *arg, const struct writer_state *w)
{
	struct vault_status *s = arg;

	s->segments_applied += w->seq;
	return 0;
}

static int sum_index(struct vault *v, struct vault_status *s)
{
	int r = core_enter(v, false);

	if (r < 0)
		return r;
	s->n_inodes = v->n_inodes;
	s->n_dirs = v->n_dirs;
	s->n_unlinked = atomic_load(&v->n_lingering);
	s->conflicts += v->n_moved;
	s->unpublished_ops = v->oplog.n_unsealed;
	r = index_pack_each(v->index, add_pack, s);
	if (r == 0)
		r = writer_each(v, add_writer, s);
	core_leave(v);
	return r;
}

/* A view that must not be shown is not counted: why it must not is the reason
 * the vault is read-only. */
static bool has_view(struct vault *v)
{
	lock_take(&v->index_lock);
	int r = core_index_state(v);
	lock_drop(&v->index_lock);
	return r == 0 || !atomic_load(&v->is_read_only);
}

static int sum_view(struct vault *v, struct vault_status *s)
{
	struct vault_status sums = *s;
	int r = sum_index(v, &sums);

	if (r == 0)
		r = sum_nodes(v, &sums);
	if (r == 0)
		r = content_used_bytes(v, &sums.used_bytes);
	if (r == 0)
		*s = sums;
	return r < 0 && has_view(v) ? r : 0;
}

static int count_slot(void *arg, const struct slot_file *f)
{
	struct vault_status *s = arg;

	s->n_slots += f->error == 0;
	return 0;
}

int vault_get_status(struct vault *v, struct vault_status *ret)
{
	struct commit *c = v->commit;
	struct vault_status s = {
		.uuid = v->header.uuid,
		.writer = v->writer,
		.read_only = atomic_load(&v->is_read_only),
		.dirty_bytes = content_dirty_bytes(v),
		.staged_bytes = v->stage ? stage_bytes(v->stage) : 0,
		.segments_held = atomic_load(&c->n_held),
		.damaged = atomic_load(&c->n_damaged) +
			   suspects_count(&v->content->suspects),
		.cut_err = atomic_load(&c->cut_err),
		.publish_err = atomic_load(&c->publish_err),
		.newest_epoch = core_newest_keys(v)->epoch,
		.quota_bytes = v->opts.quota_bytes,
	};
	struct cache_stats cache;
	uint64_t foreign = 0;
	int r = sum_view(v, &s);

	if (r == 0)
		r = unlock_each_slot(v->env, v->vault_dirfd, &v->header.uuid,
				     count_slot, &s, &foreign);
	if (r < 0)
		return r;
	lock_take(&v->index_lock);
	memcpy(s.device_name, v->device_name, sizeof(s.device_name));
	lock_drop(&v->index_lock);
	s.foreign_files = foreign + atomic_load(&c->n_foreign);
	cache_get_stats(v->cache, &cache);
	s.cache_hits = cache.hits;
	s.cache_misses = cache.misses;
	*ret = s;
	return 0;
}

/* ---------------------------------------------------------------- the index */

int vault_drop_index(const struct vault_options *opts)
{
	struct statedir state = STATEDIR_INIT;
	uint8_t raw[VAULT_HEADER_BYTES];
	struct vault_header h;
	struct env *env;
	int fd, r = unlock_open_clear(opts, &env, &fd, raw, &h);

	if (r < 0)
		return r;
	r = statedir_open(env, opts->state_path, &h.uuid, false, &state);
	close_quietly(env, &fd);
	/* Without state there is no index either. */
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = env->ops->unlink(env, state.dirfd, INDEX_FILE_NAME, 0);
	if (r == -ENOENT)
		r = 0;
	if (r == 0)
		r = env->ops->fsync(env, state.dirfd);
	statedir_close(&state);
	return r;
}
