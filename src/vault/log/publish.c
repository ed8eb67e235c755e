/* SPDX-License-Identifier: ISC */
/* Publishing: what the journal has becomes packs and segments of the vault
 * (vault-format/10-ordering.md). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/publish.h"
#include "vault/content/content_priv.h"
#include "vault/history/history.h"
#include "vault/log/commit_priv.h"
#include "vault/packs/packs.h"
#include "vault/packs/repack.h"

#define STRANGERS_NAME "strangers"

/* How often a stranger may stand in the way before it is given up. */
#define STRANGER_TRIES 4

/* A run asked for copies at most so much: the next goes on. */
#define COLLECT_BYTES ((uint64_t)1 << 30)

/* Between two looks for dead packs. */
#define DROP_INTERVAL_NS ((uint64_t)600 * NS_PER_S)

static void close_quietly(struct env *env, int *fd)
{
	int r = env_close(env, fd);

	(void)r;
}

/* ---------------------------------------------------------------- strangers */

/* A copy, durable, in the state directory: the two may be on different file
 * systems, so that a rename would not do. */
static int keep_stranger(struct commit *c, int log_fd, const char *name)
{
	struct env *env = c->v->env;
	auto_free uint8_t *data = NULL;
	char to[64];
	size_t len;
	int fd, r;

	r = env_read_file(env, log_fd, name, 0, SEGMENT_FILE_MAX, &data, &len);
	if (r < 0)
		return r;
	fd = env_open_dir(env, c->state.dirfd, STRANGERS_NAME, true);
	if (fd < 0)
		return fd;
	snprintf(to, sizeof(to), "%s-%016" PRIx64, name,
		 (uint64_t)clock_wall_ns());
	r = publish_bytes(env, fd, to, data, len);
	close_quietly(env, &fd);
	return r;
}

static int move_stranger(struct commit *c, int log_fd,
			 const struct log_name *name, const char *text)
{
	char path[LOG_PATH_BYTES];
	int r = keep_stranger(c, log_fd, text);

	logdir_path(c->v->writer, name, path);
	if (r == 0)
		r = c->v->env->ops->unlink(c->v->env, log_fd, text, 0);
	if (r < 0)
		return diag_err(DIAG_ERROR, r,
				"%s: a stranger stands under that name", path);
	atomic_fetch_add(&c->n_damaged, 1);
	diag(DIAG_WARNING,
	     "%s: a stranger stood under that name; it is kept in the state "
	     "directory, in " STRANGERS_NAME,
	     path);
	return 0;
}

/* ---------------------------------------------------------------- segments */

static int publish_file(struct commit *c, uint64_t seq, const uint8_t *file,
			size_t bytes, const struct file_hash *hash)
{
	char text[SEGMENT_NAME_LEN + 1];
	struct log_name name = { .seq = seq };
	int fd = logdir_open_own(c->v, true), r;

	if (fd < 0)
		return fd;
	memcpy(name.prefix, hash->b, sizeof(name.prefix));
	segment_name_format(seq, hash, text);
	r = publish_bytes(c->v->env, fd, text, file, bytes);
	for (int i = 0; r == ERR_STRANGER && i < STRANGER_TRIES; i++) {
		r = move_stranger(c, fd, &name, text);
		if (r == 0)
			r = publish_bytes(c->v->env, fd, text, file, bytes);
	}
	close_quietly(c->v->env, &fd);
	return r;
}

/* One that is sealed; the same bytes however often this is tried. */
static int publish_one(struct commit *c, uint64_t seq)
{
	struct vault *v = c->v;
	auto_log_segment struct log_segment s = { .plain = NULL };
	auto_free uint8_t *file = NULL;
	size_t bytes;
	int r = journal_sealed_read(v->journal, seq, &file, &bytes);

	if (r == 0)
		r = log_segment_open(v, v->writer, seq, file, bytes, &s);
	if (r == 0)
		r = publish_file(c, seq, file, bytes, &s.hash);
	if (r < 0)
		return r;
	lock_take(&v->index_lock);
	r = receive_own(c, &s);
	if (r == 0)
		oplog_drop_through(&v->oplog, seq);
	lock_drop(&v->index_lock);
	if (r == 0) {
		c->own_seq = seq;
		counters_add(&v->counters, COUNT_SEGMENTS, 1);
		counters_add(&v->counters, COUNT_SEGMENT_BYTES, bytes);
	}
	return r;
}

int publish_sealed(struct commit *c)
{
	uint64_t first = c->own_seq + 1;
	int r = 0;

	if (c->own_seq >= c->sealed_seq)
		return 0;
	r = marks_unclean(c);
	while (r == 0 && c->own_seq < c->sealed_seq)
		r = publish_one(c, c->own_seq + 1);
	/* Repeating them would only repeat the same bytes; so they may go once
	 * the marks know. */
	if (c->own_seq >= first) {
		int told = marks_write(c);

		r = r < 0 ? r : told;
	}
	for (uint64_t seq = first; r == 0 && seq <= c->own_seq; seq++)
		r = journal_sealed_remove(c->v->journal, seq);
	return r;
}

/* ---------------------------------------------------------------- all */

static int rotate_stage(struct vault *v, uint64_t *ret_below)
{
	int r = stage_rotate(v->stage, ret_below);

	if (r == 0 || stage_rescue(v->stage) < 0)
		return r;
	diag_err(DIAG_WARNING, r, "a file of the stage could not be made "
				  "durable; it was written anew");
	return stage_rotate(v->stage, ret_below);
}

/* From here on everything goes into new files and the next batch. */
static int take_locked(struct commit *c, struct batch_end *e, int *ret_flushed)
{
	struct vault *v = c->v;
	auto_buf struct buf marks = BUF_INIT(MEM_MAX);
	int r = commit_cut_batch(c, &e->seq, ret_flushed);

	if (r == 0)
		r = marks_unclean(c);
	if (r == 0)
		r = marks_now(c, &marks);
	if (r == 0)
		r = rotate_stage(v, &e->stage);
	if (r == 0)
		r = journal_begin_file(v->journal, marks.data, marks.len);
	if (r < 0)
		return r;
	e->frame = journal_file_number(v->journal);
	e->n_staged = c->n_staged;
	e->is_set = true;
	return 0;
}

static int take(struct commit *c, int *ret_flushed)
{
	struct batch_end e = { .is_set = false };
	int r;

	lock_take(&c->v->cut_lock);
	r = take_locked(c, &e, ret_flushed);
	lock_drop(&c->v->cut_lock);
	if (r == 0)
		c->taken = e;
	return r;
}

/* One after the other: each names the hash of the one before it. */
static int seal_and_publish(struct commit *c, uint64_t last)
{
	int r = publish_sealed(c);

	while (r == 0 && c->sealed_seq < last) {
		r = seal_batch(c, c->sealed_seq + 1,
			       c->sealed_seq + 1 == last);
		if (r == 0)
			r = publish_sealed(c);
	}
	return r;
}

static int finish_locked(struct commit *c, const struct batch_end *e)
{
	int r = seal_and_publish(c, e->seq);

	if (r == 0)
		r = pack_stage_drop(c, e->stage, e->frame);
	if (r < 0)
		return r;
	c->n_staged -= e->n_staged;
	commit_reset_room(c);
	return 0;
}

/* What was taken: kept for the next try if it fails. */
static int finish(struct commit *c)
{
	int r;

	if (!c->taken.is_set)
		return 0;
	r = pack_stage(c, c->taken.stage, c->taken.seq);
	/* A number that another computer has used under this id must not be
	 * used here. */
	if (r == 0)
		r = history_check_own(c, true);
	if (r == 0 && atomic_load(&c->v->is_read_only))
		r = history_error(c);
	if (r < 0)
		return r;
	lock_take(&c->v->cut_lock);
	r = finish_locked(c, &c->taken);
	lock_drop(&c->v->cut_lock);
	if (r == 0)
		c->taken.is_set = false;
	return r;
}

static bool is_needed(struct commit *c)
{
	struct vault *v = c->v;
	bool yes = c->taken.is_set || c->wants_ack ||
		   file_count_dirty(&v->content->files) > 0;

	lock_take(&v->cut_lock);
	yes |= c->own_seq < c->sealed_seq;
	lock_take(&v->index_lock);
	yes |= v->oplog.n_unsealed > 0;
	lock_drop(&v->index_lock);
	lock_drop(&v->cut_lock);
	return yes;
}

/* Dead packs are looked for now and then; what finds some reads every extent
 * there is. */
static int drop_if_due(struct commit *c)
{
	if (c->last_drop_ns &&
	    clock_mono_ns() - c->last_drop_ns < DROP_INTERVAL_NS)
		return 0;
	return drop_log(c);
}

static int run(struct commit *c, int *ret_flushed)
{
	/* What died since it was taken asks for no room. */
	int r = pack_stage_discard(c);

	/* A full vault must not make the journal longer with every try. */
	if (r == 0)
		r = finish(c);
	if (r == 0)
		r = drop_if_due(c);
	if (r == 0)
		r = pack_stage_discard(c);
	if (r == 0)
		r = take(c, ret_flushed);
	if (r == 0)
		r = finish(c);
	return r;
}

int publish_all(struct commit *c)
{
	uint64_t unset = 0;
	int r, flushed = 0;

	if (!c->v->journal)
		return ERR_READ_ONLY;
	r = run(c, &flushed);
	atomic_store(&c->publish_err, r);
	if (r < 0) {
		lock_take(&c->v->cut_lock);
		commit_check_alive(c, r);
		lock_drop(&c->v->cut_lock);
		(void)atomic_compare_exchange_strong(&c->unpublished_since,
						     &unset, clock_mono_ns());
		/* What frees room is not put off. */
		if (r == -ENOSPC || r == -EDQUOT)
			c->last_drop_ns = 0;
		if (r == history_error(c)) /* told already */
			return r;
		return diag_err(DIAG_WARNING, r, "publishing");
	}
	c->has_news = c->wants_ack = false;
	c->last_ack_ns = clock_mono_ns();
	r = drop_remove(c);
	return r < 0 ? r : flushed;
}

int publish_pending(struct commit *c)
{
	if (!c->v->journal || atomic_load(&c->v->is_read_only) || !is_needed(c))
		return 0;
	return publish_all(c);
}

int publish_dead(struct commit *c)
{
	int r;

	if (!c->v->journal || atomic_load(&c->v->is_read_only) ||
	    (c->last_drop_ns &&
	     clock_mono_ns() - c->last_drop_ns < DROP_INTERVAL_NS))
		return 0;
	r = drop_log(c);
	return r == 0 && c->dropped.len > 0 ? publish_all(c) : r;
}

int commit_publish(struct vault *v)
{
	struct commit *c = v->commit;
	int r, published;

	if (!v->journal)
		return 0;
	/* Durable here, whatever becomes of the rest. */
	r = commit_cut(v, NULL, 0);
	commit_enter_busy(c);
	published = publish_pending(c);
	commit_leave_busy(c);
	return published < 0 ? published : r;
}

int publish_repacked(struct commit *c, uint64_t max_bytes, uint64_t *ret_bytes)
{
	uint64_t copied = 0;
	int r = repack_run(c, max_bytes, &copied);

	/* By a segment of their own, if nothing else is to be told. */
	if (r == 0 && copied > 0) {
		c->wants_ack = true;
		r = publish_all(c);
	}
	*ret_bytes = copied;
	return r;
}

static int collect(struct commit *c, uint64_t *ret_copied)
{
	int r;

	c->last_drop_ns = 0;
	r = publish_all(c);
	if (r == 0)
		r = publish_repacked(c, COLLECT_BYTES, ret_copied);
	/* What was copied may go, if nobody else is asked. */
	if (r == 0 && *ret_copied > 0) {
		c->last_drop_ns = 0;
		r = publish_dead(c);
	}
	return r;
}

int commit_collect(struct vault *v, uint64_t *ret_copied)
{
	struct commit *c = v->commit;
	int r, published = 0;

	*ret_copied = 0;

	if (!v->journal)
		return 0;
	r = commit_cut(v, NULL, 0);
	commit_enter_busy(c);
	if (!atomic_load(&v->is_read_only))
		published = collect(c, ret_copied);
	commit_leave_busy(c);
	return published < 0 ? published : r;
}

int vault_publish(struct vault *v)
{
	return commit_publish(v);
}
