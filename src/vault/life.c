/* SPDX-License-Identifier: ISC */
/* The beginning and the end of an opened vault. */
#include "vault/life.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "base/publish.h"
#include "format/name.h"
#include "vault/index_life.h"
#include "vault/log/apply.h"
#include "vault/log/commit_priv.h"
#include "vault/snapshot/snap.h"
#include "vault/tree/holds.h"

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- beginning */

int life_new(const struct vault_options *opts, struct vault **ret)
{
	struct vault *v = mem_zalloc(sizeof(*v));
	int r;

	if (!v)
		return -ENOMEM;
	v->env = opts->env ? opts->env : env_posix();
	v->opts = *opts;
	v->opts.path = v->opts.state_path = NULL; /* the caller's */
	v->vault_dirfd = v->state_dirfd = v->lock_fd = -1;
	lock_init(&v->cut_lock, LOCK_CUT, 0);
	rwlock_init(&v->session, LOCK_SESSION);
	lock_init(&v->index_lock, LOCK_INDEX, 0);
	lock_init(&v->changed_lock, LOCK_LEAF, 0);
	cond_init(&v->changed_over);
	r = commit_new(v, &v->commit);
	if (r < 0) {
		life_free(v);
		return r;
	}
	*ret = v;
	return 0;
}

static int find_next_file(void *arg, uint64_t file, uint64_t bytes)
{
	uint64_t *next = arg;

	(void)bytes;
	*next = max_of(*next, file + 1);
	return 0;
}

/* Above every number there is: a crash may leave a file that no frame tells
 * of. */
int life_open_stage(struct vault *v, uint64_t next_file)
{
	struct stage *st = NULL;
	int r = stage_list(v->store, find_next_file, &next_file);

	if (r == 0)
		r = stage_open(v->store, next_file, &st);
	if (r == 0)
		v->stage = st;
	return r;
}

void life_host_name(char to[static 65])
{
	char host[65] = "";

	if (gethostname(host, sizeof(host)) < 0)
		host[0] = '\0';
	host[sizeof(host) - 1] = '\0';
	if (!name_is_device((const uint8_t *)host, strlen(host)))
		memcpy(host, "device", sizeof("device"));
	memcpy(to, host, sizeof(host));
}

struct log_sweep {
	struct env *env;
	int dirfd;
};

static int sweep_one(void *arg, const char *name, unsigned char type)
{
	const struct log_sweep *s = arg;
	int r;

	(void)type;
	if (!publish_is_temp_name(name))
		return 0;
	r = s->env->ops->unlink(s->env, s->dirfd, name, 0);
	return r == -ENOENT ? 0 : r;
}

int life_sweep_log(struct vault *v)
{
	struct log_sweep s = { .env = v->env };
	int r;

	s.dirfd = logdir_open_own(v, false);
	if (s.dirfd < 0)
		return s.dirfd == -ENOENT ? 0 : s.dirfd;
	r = v->env->ops->list(v->env, s.dirfd, sweep_one, &s);
	close_quietly(v->env, &s.dirfd);
	return r;
}

int life_sync_parent(struct env *env, const char *path)
{
	auto_free char *parent = mem_strdup(path);
	size_t n = parent ? strlen(parent) : 0;
	int fd, r;

	if (!parent)
		return -ENOMEM;
	while (n > 1 && parent[n - 1] == '/')
		n--;
	while (n > 0 && parent[n - 1] != '/')
		n--;
	while (n > 1 && parent[n - 1] == '/')
		n--;
	parent[n] = '\0';
	fd = env->ops->open(env, AT_FDCWD, n ? parent : ".",
			    O_RDONLY | O_DIRECTORY, 0);
	/* Where it cannot be opened it cannot be synced either. */
	if (fd < 0)
		return 0;
	r = env->ops->fsync(env, fd);
	close_quietly(env, &fd);
	return r;
}

/* ---------------------------------------------------------------- what the log says */

void life_be_read_only(struct vault *v, const char *why)
{
	if (!atomic_exchange(&v->is_read_only, true))
		atomic_store(&v->read_only_reason, why);
}

int life_check_log(struct vault *v, bool is_opening)
{
	struct known_slot slot;
	struct op_feature f;
	uint32_t newest = 1;
	int r;

	lock_take(&v->index_lock);
	r = known_features(v, &f);
	if (r == 0)
		r = known_newest_epoch(v, &newest);
	if (r == 0)
		r = known_slot_get(v, v->slot_opened, &slot);
	lock_drop(&v->index_lock);
	if (r < 0)
		return r;
	if (r > 0 && slot.is_removed && is_opening)
		life_be_read_only(v, "the credential's key slot was removed");
	if (f.incompatible & ~VAULT_FEATURES) {
		core_fail(v, ERR_NEWER, "it uses a feature this program does "
					"not know");
		return ERR_NEWER;
	}
	if ((f.read_only | v->header.read_only_compatible) & ~VAULT_FEATURES)
		life_be_read_only(v, "it uses a feature this program can only "
				     "read");
	if (newest > core_newest_keys(v)->epoch)
		core_fail(v, ERR_NEW_EPOCH, "a newer key epoch exists; unlock "
					    "the vault with a newer credential");
	return 0;
}

/* ---------------------------------------------------------------- background */

int vault_start_background(struct vault *v)
{
	int r = content_start(v->content);

	if (r == 0)
		r = commit_start(v->commit);
	return r;
}

/* ---------------------------------------------------------------- the end */

static void free_log(struct vault *v)
{
	mem_free(v->gone);
	v->gone = NULL;
}

void life_free(struct vault *v)
{
	if (!v)
		return;
	if (v->commit)
		commit_stop(v->commit);
	if (v->content)
		content_stop(v->content);
	content_free(v->content);
	index_life_close(v);
	holds_free(v->holds);
	holds_free(v->lingering);
	stage_close(v->stage);
	store_close(v->store);
	cache_free(v->cache);
	journal_close(v->journal);
	commit_free(v->commit); /* the state directory's lock with it */
	if (v->vault_dirfd >= 0)
		close_quietly(v->env, &v->vault_dirfd);
	secret_free(v->keys);
	free_log(v);
	mem_wipe(&v->name_key, sizeof(v->name_key));
	cond_release(&v->changed_over);
	lock_release(&v->changed_lock);
	lock_release(&v->index_lock);
	rwlock_release(&v->session);
	lock_release(&v->cut_lock);
	mem_free(v);
}

static bool is_index_good(struct vault *v)
{
	lock_take(&v->index_lock);
	int r = core_index_state(v);
	lock_drop(&v->index_lock);
	return r == 0;
}

/* Everything to the journal, from there into the vault; then the index as it
 * is, and the mark that says so. */
static int checkpoint(struct vault *v)
{
	struct commit *c = v->commit;
	int r, e;

	if (!v->journal)
		return 0;
	r = commit_publish(v);
	if (r == 0)
		snap_if_due(c);
	lock_take(&v->cut_lock);
	e = is_index_good(v) ? marks_clean(c) : marks_unclean(c);
	lock_drop(&v->cut_lock);
	if (e < 0)
		diag_err(DIAG_WARNING, e, "the index will be made anew");
	return r;
}

/* A hold that nobody ends would make every unmount an unclean one. */
static void check_holds(const struct vault *v)
{
#ifdef COFFER_DEBUG_LOCKS
	assert(holds_inodes(v->holds) == 0);
#else
	(void)v;
#endif
}

int vault_close(struct vault *v)
{
	int r = 0;

	if (!v)
		return 0;
	commit_stop(v->commit);
	content_stop(v->content);
	check_holds(v);
	if (!v->opts.test_no_checkpoint)
		r = checkpoint(v);
	life_free(v);
	return r;
}
