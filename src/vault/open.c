/* SPDX-License-Identifier: ISC */
/* Opening a vault: keys, state, index, journal, in that order. */
#include "vault/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/publish.h"
#include "vault/history/history.h"
#include "vault/index_life.h"
#include "vault/keys/unlock.h"
#include "vault/life.h"
#include "vault/log/commit_priv.h"
#include "vault/log/devices.h"
#include "vault/log/joiner.h"
#include "vault/log/recover.h"
#include "vault/log/state_writer.h"
#include "vault/log/writers.h"
#include "vault/repair/rescue.h"
#include "vault/tree/holds.h"

#define CACHE_DEFAULT_BYTES ((size_t)192 << 20)
#define DIRTY_DEFAULT_BYTES ((size_t)96 << 20)
/* Below this much memory a quarter has to do. */
#define SMALL_MACHINE_BYTES ((uint64_t)4 << 30)

struct opening {
	struct vault *v;
	struct commit *c;
	const struct vault_options *opts;
	const struct vault_credential *cred;
	const char *what; /* where it failed; static */
	uint8_t raw_header[VAULT_HEADER_BYTES];
	bool made_state;
	struct recovery recovery;
};

/* ---------------------------------------------------------------- sizes */

static bool is_small_machine(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);

	return pages > 0 && bytes > 0 &&
	       (uint64_t)pages * (uint64_t)bytes < SMALL_MACHINE_BYTES;
}

static void fill_sizes(struct vault_options *o)
{
	size_t share = is_small_machine() ? 4 : 1;

	if (!o->cache_bytes)
		o->cache_bytes = CACHE_DEFAULT_BYTES / share;
	if (!o->dirty_bytes)
		o->dirty_bytes = DIRTY_DEFAULT_BYTES / share;
	if (!o->index_bytes)
		o->index_bytes = o->cache_bytes / 4;
}

/* ---------------------------------------------------------------- keys */

static int open_statedir(struct opening *o, bool create)
{
	struct vault *v = o->v;
	int r;

	o->what = "the state directory";
	r = statedir_open(v->env, o->opts->state_path, &v->header.uuid, create,
			  &o->c->state);
	if (r < 0)
		return r;
	v->state_dirfd = o->c->state.dirfd;
	v->lock_fd = o->c->state.lock_fd;
	return 0;
}

/* State that is there is locked before a passphrase is tried; none is made for
 * a vault that cannot be opened. */
static int open_directories(struct opening *o)
{
	struct vault *v = o->v;
	int r;

	o->what = "the vault directory";
	r = unlock_open_vault(v->env, o->opts->path, &v->vault_dirfd);
	if (r < 0)
		return r == -ENOTDIR ? ERR_NOT_VAULT : r;
	o->what = "the header";
	if (o->opts->rescue) {
		memcpy(o->raw_header, o->opts->rescue->header,
		       sizeof(o->raw_header));
		r = vault_header_decode(o->raw_header, &v->header);
	} else {
		r = unlock_read_header(v->env, v->vault_dirfd, o->raw_header,
				       &v->header);
	}
	if (r == 0 && v->header.incompatible & ~VAULT_FEATURES)
		r = ERR_NEWER;
	if (r < 0 || o->opts->no_state)
		return r;
	r = open_statedir(o, false);
	return r == -ENOENT ? 0 : r;
}

static int open_keys(struct opening *o)
{
	struct keyring *ring = secret_alloc(sizeof(*ring));
	uint8_t hint[SLOT_NAME_BYTES];
	struct vault *v = o->v;
	bool hinted;
	int r;

	if (!ring)
		return -ENOMEM;
	o->what = "the key slots";
	if (o->opts->rescue) {
		memcpy(v->slot_opened, o->opts->rescue->slot,
		       sizeof(v->slot_opened));
		secret_free(ring);
		return unlock_derive(o->opts->rescue->ring, &v->keys);
	}
	hinted = o->c->state.dirfd >= 0 &&
		 statedir_get_slot(&o->c->state, hint) == 1;
	r = unlock_slots(v->env, v->vault_dirfd, &v->header.uuid, o->cred,
			 hinted ? hint : NULL, ring, v->slot_opened);
	if (r == ERR_STRANGER) {
		o->what = "the header (the key slots are of another vault)";
		r = ERR_DAMAGED;
	}
	if (r == 0) {
		o->what = "the header";
		r = unlock_verify_header(o->raw_header, ring);
	}
	if (r == 0)
		r = unlock_derive(ring, &v->keys);
	secret_free(ring);
	return r;
}

/* ---------------------------------------------------------------- state */

/* What the state last saw must not be more than what is there now. */
static int check_marks(struct opening *o)
{
	const struct recovery *r = &o->recovery;
	struct vault *v = o->v;

	if (!r->has_marks)
		return 0;
	o->what = "the header";
	if (memcmp(&r->header_mac, &v->header.mac, sizeof(v->header.mac)) != 0)
		return ERR_DAMAGED;
	if (r->newest_epoch > core_newest_keys(v)->epoch)
		core_fail(v, ERR_NEW_EPOCH, "a newer key epoch exists; unlock "
					    "the vault with a newer credential");
	return 0;
}

/* A new writer's id, and nothing of the old state, which the vault has. */
static int renew_writer(struct opening *o)
{
	struct vault *v = o->v;
	uint64_t old = v->writer;
	int r;

	if (old)
		diag(DIAG_WARNING, "the state directory is older than the "
				   "vault: this device gets a new id");
	r = statedir_clear(&o->c->state);
	if (r == 0)
		r = state_writer_mint(o->c, old);
	if (r < 0)
		return r;
	o->c->own_seq = o->c->sealed_seq = 0;
	recovery_release(&o->recovery);
	o->recovery = (struct recovery){ .c = o->c, .next_stage_file = 1 };
	return recover_scan(&o->recovery);
}

static int open_state(struct opening *o)
{
	bool is_new = o->c->state.dirfd < 0;
	int r = 0;

	if (o->opts->no_state) {
		life_be_read_only(o->v, "opened without a state directory");
		return 0;
	}
	if (is_new)
		r = open_statedir(o, true);
	if (r < 0)
		return r;
	statedir_put_slot(&o->c->state, o->v->slot_opened);
	o->what = "the state directory";
	r = state_writer_load(o->c);
	if (r == 0) {
		o->made_state = is_new;
		return renew_writer(o);
	}
	if (r < 0)
		return r;
	o->what = "the journal in the state directory";
	r = recover_scan(&o->recovery);
	if (r == 0)
		r = check_marks(o);
	if (r == 0)
		r = recover_own_log(&o->recovery);
	return r == 1 ? renew_writer(o) : r;
}

/* ---------------------------------------------------------------- writable? */

/* Makes and drops a temporary where this device would write. */
static int try_writing(struct vault *v)
{
	struct publish p = PUBLISH_INIT;
	int fd, r;

	fd = logdir_open_own(v, false);
	if (fd == -ENOENT)
		fd = env_open_dir(v->env, v->vault_dirfd, "w", true);
	if (fd < 0)
		return fd;
	r = publish_begin(v->env, fd, &p);
	if (r == 0)
		publish_abort(&p);
	int closed = env_close(v->env, &fd);
	return r < 0 ? r : closed;
}

static int check_writable(struct opening *o)
{
	struct vault *v = o->v;
	int r;

	if (o->opts->read_only)
		life_be_read_only(v, "opened read-only");
	if (atomic_load(&v->is_read_only))
		return 0;
	o->what = "the vault directory";
	r = try_writing(v);
	if (r == -EROFS || r == -EACCES || r == -EPERM) {
		life_be_read_only(v, "its directory cannot be written to");
		return 0;
	}
	/* A full disk is no reason: something may be deleted. */
	return r == -ENOSPC || r == -EDQUOT ? 0 : r;
}

/* ---------------------------------------------------------------- parts */

static int open_store(struct opening *o)
{
	struct vault *v = o->v;
	bool has_state = o->c->state.dirfd >= 0;
	const struct store_options so = {
		.env = v->env,
		.vault_dirfd = v->vault_dirfd,
		.stage_dirfd = has_state ? o->c->state.stage_fd : -1,
		.vault = v->header.uuid,
		.writer = v->writer,
		.cid_data = &v->keys->vault.cid_data,
		.cid_meta = &v->keys->vault.cid_meta,
		.keys = core_epoch_keys,
		.keys_arg = v,
		.local = has_state ? &v->keys->local : NULL,
	};
	int r = store_open(&so, &v->store);

	if (r < 0 || !has_state)
		return r;
	return life_open_stage(v, o->recovery.next_stage_file);
}

static int open_parts(struct opening *o)
{
	struct vault *v = o->v;
	const struct cache_options co = {
		.bytes = v->opts.cache_bytes,
		.lock_memory = v->opts.lock_memory,
	};
	int r;

	o->what = "memory";
	r = chunker_init(&v->chunker, v->keys->vault.gear, v->header.chunk_min,
			 v->header.chunk_average, v->header.chunk_max,
			 v->header.normalisation);
	if (r == -EINVAL)
		r = ERR_DAMAGED;
	if (r == 0)
		r = holds_new(&v->holds);
	if (r == 0)
		r = holds_new(&v->lingering);
	if (r == 0)
		r = cache_new(&co, &v->cache);
	if (r == 0) {
		o->what = "the store";
		r = open_store(o);
	}
	return r < 0 ? r : content_new(v, &v->content);
}

/* ---------------------------------------------------------------- index */

static int load_index(struct opening *o)
{
	struct recovery *r = &o->recovery;
	struct commit *c = o->c;
	int e = ERR_BAD_INDEX;

	o->what = "the index";
	c->session = r->session + 1;
	c->was_clean = r->has_marks && r->is_index_clean;
	if (c->state.dirfd >= 0 && r->has_marks && r->is_index_clean) {
		c->generation = r->generation;
		c->index_frame = r->from_frame = r->index_frame;
		e = index_life_open_clean(c);
	}
	if (e != ERR_BAD_INDEX)
		return e;
	c->index_frame = r->from_frame = 0;
	return index_life_rebuild(c);
}

static int load_journal(struct opening *o)
{
	struct commit *c = o->c;
	struct vault *v = o->v;
	auto_buf struct buf marks = BUF_INIT(MEM_MAX);
	int r;

	if (c->state.dirfd < 0)
		return 0;
	o->what = "the journal in the state directory";
	r = recover_replay(&o->recovery);
	if (r == 0)
		r = marks_now(c, &marks);
	if (r == 0)
		r = journal_begin_file(v->journal, marks.data, marks.len);
	return r;
}

/* ---------------------------------------------------------------- after */

/* Publishes again what was sealed, and drops what is published. */
static int settle_published(struct opening *o)
{
	struct commit *c = o->c;
	struct vault *v = o->v;
	bool is_idle;
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->recovery.n_sealed; i++)
		if (o->recovery.sealed[i].seq <= c->own_seq)
			r = journal_sealed_remove(v->journal,
						  o->recovery.sealed[i].seq);
	if (r == 0 && !atomic_load(&v->is_read_only) &&
	    publish_sealed(c) < 0)
		diag(DIAG_WARNING, "a segment could not be published; it will "
				   "be tried again");
	is_idle = v->oplog.n_unsealed == 0 && c->own_seq == c->sealed_seq &&
		  c->n_packs == 0;
	if (r == 0 && is_idle)
		r = pack_stage_drop(c, stage_file(v->stage),
				    journal_file_number(v->journal));
	if (!is_idle)
		atomic_store(&c->unpublished_since, clock_mono_ns());
	return r;
}

static int receive_others(struct opening *o)
{
	const struct receive_options how = { .in_slices = false };
	uint64_t n;
	int r;

	o->what = "the logs of the devices";
	r = receive_all(o->c, &how, &n);
	if (r != ERR_MALFORMED)
		return r;
	/* Found only by applying: without it, from the start. */
	return -EAGAIN;
}

static int find_device_name(struct opening *o)
{
	struct vault *v = o->v;
	struct vault_device d;

	lock_take(&v->index_lock);
	int r = v->writer ? device_get(v, v->writer, &d) : 0;
	lock_drop(&v->index_lock);
	if (r < 0)
		return r;
	if (r > 0)
		memcpy(v->device_name, d.name, sizeof(v->device_name));
	else
		life_host_name(v->device_name);
	return 0;
}

static int tidy(struct opening *o)
{
	struct vault *v = o->v;
	int r = presence_check(o->c, true);

	if (r == 0 && v->journal && !atomic_load(&v->is_read_only)) {
		r = store_sweep_temporaries(v->store);
		if (r == -ENOENT)
			r = 0;
		if (r == 0)
			r = life_sweep_log(v);
	}
	return r;
}

/* ---------------------------------------------------------------- all */

static int open_index_and_journal(struct opening *o)
{
	int r = load_index(o);

	if (r == 0)
		r = load_journal(o);
	if (r == 0)
		r = receive_others(o);
	return r;
}

/* The marks call the index unclean from here on: the next look makes it anew,
 * without what must not be applied. */
static int start_over(struct opening *o)
{
	struct commit *c = o->c;
	struct vault *v = o->v;

	index_life_close(v);
	journal_close(v->journal);
	v->journal = NULL;
	stage_close(v->stage);
	v->stage = NULL;
	recovery_release(&o->recovery);
	o->recovery = (struct recovery){ .c = c, .next_stage_file = 1 };
	c->n_packs = 0;
	c->n_staged = 0;
	buf_reset(&c->packs);
	c->is_index_clean = false;
	if (c->state.dirfd >= 0) {
		int r = recover_scan(&o->recovery);

		if (r == 0)
			r = recover_own_log(&o->recovery);
		if (r == 0)
			r = life_open_stage(v, o->recovery.next_stage_file);
		if (r != 0)
			return r < 0 ? r : ERR_DAMAGED;
		o->recovery.is_index_clean = false;
	}
	return open_index_and_journal(o);
}

/* With index and journal there. */
static int settle(struct opening *o)
{
	int r;

	o->what = "the log";
	r = joiner_update(o->c);
	if (r == 0)
		r = life_check_log(o->v, true);
	if (r == 0)
		r = history_check_all(o->c);
	if (r == 0 && o->v->journal) {
		o->what = "the state directory";
		lock_take(&o->v->cut_lock);
		r = settle_published(o);
		lock_drop(&o->v->cut_lock);
	}
	if (r == 0)
		r = find_device_name(o);
	if (r == 0) {
		o->what = "the vault directory";
		r = tidy(o);
	}
	return r;
}

static int open_all(struct opening *o)
{
	int r = open_directories(o);

	if (r == 0)
		r = open_keys(o);
	if (r == 0)
		r = open_state(o);
	if (r == 0)
		r = check_writable(o);
	if (r == 0)
		r = open_parts(o);
	if (r < 0)
		return r;
	r = open_index_and_journal(o);
	if (r == 0)
		r = settle(o);
	/* A page that does not open may be met only now. */
	if (r != -EAGAIN &&
	    (r != ERR_BAD_INDEX || !o->recovery.is_index_clean))
		return r;
	r = start_over(o);
	return r < 0 ? r : settle(o);
}

/* State that was made for this opening knows nothing that the vault does not. */
static void give_up(struct opening *o)
{
	struct vault *v = o->v;

	/* Still locked: nobody else has begun to use it. */
	if (o->made_state)
		statedir_remove(v->env, o->opts->state_path, &v->header.uuid);
	life_free(v);
}

int vault_open(const struct vault_options *opts,
	       const struct vault_credential *cred, const char **ret_what,
	       struct vault **ret)
{
	struct opening o = { .opts = opts, .cred = cred, .what = "memory" };
	int r = crypto_start();

	if (r == 0)
		r = life_new(opts, &o.v);
	if (r < 0) {
		*ret_what = o.what;
		return r;
	}
	fill_sizes(&o.v->opts);
	o.c = o.v->commit;
	o.recovery = (struct recovery){ .c = o.c, .next_stage_file = 1 };
	r = open_all(&o);
	recovery_release(&o.recovery);
	if (r == 0 && opts->background)
		r = vault_start_background(o.v);
	if (r < 0) {
		*ret_what = o.what;
		give_up(&o);
		return r;
	}
	o.v->is_opened = true;
	*ret = o.v;
	return 0;
}
