/* SPDX-License-Identifier: ISC */
/* When to cut, publish and receive; and the thread that does, where there is
 * one. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "vault/content/content_priv.h"
#include "vault/history/history.h"
#include "vault/keys/unlock.h"
#include "vault/life.h"
#include "vault/log/commit_priv.h"
#include "vault/log/devices.h"
#include "vault/log/joiner.h"

#define SECONDS(n) ((uint64_t)(n) * NS_PER_S)

/* What is not confirmed by fsync is lost in a crash if it is younger. */
#define CUT_INTERVAL_NS SECONDS(5)
/* Other devices see changes so long after the last of them, and under constant
 * load so long after the first. */
#define PUBLISH_QUIET_NS SECONDS(3)
#define PUBLISH_LATEST_NS SECONDS(60)
/* Longer waits after each failure, up to the last. */
#define RETRY_FIRST_NS SECONDS(5)
#define RETRY_LAST_NS SECONDS(300)
#define RECEIVE_INTERVAL_NS SECONDS(10)
#define ACK_INTERVAL_NS SECONDS(3600)
/* Sparse packs are copied this long after the last change, so often, and so much
 * at a time: some 9 GB a day. */
#define REPACK_IDLE_NS SECONDS(30)
#define REPACK_INTERVAL_NS SECONDS(600)
#define REPACK_BYTES ((uint64_t)64 << 20)
/* So long after the last change, and without any call for as long as between
 * two looks, the index is made clean; a vault that is read all the time waits
 * for so many looks. */
#define IDLE_NS SECONDS(10)
#define IDLE_LOOK_NS SECONDS(1)
#define IDLE_LOOKS 60u

/* So much is published at once rather than later. */
#define STAGE_PUBLISH_BYTES ((uint64_t)64 << 20)
#define PACKS_PUBLISH 256u
#define STAGED_PUBLISH 65536u
/* The log between two publishes is held in memory, and several times over while
 * it is sealed. */
#define LOG_PUBLISH_BYTES ((uint64_t)4 << 20)
#define LOG_PUBLISH_SHARE 8u /* of the dirty budget, if that is less */
/* Packs made since the last cut that ask for the next. */
#define PACKS_CUT 64u
/* With this many times as much, callers must help; with so many times, where
 * helping fails, they are refused. */
#define HELP_FACTOR 3u
#define REFUSE_FACTOR 16u
/* One in so many changes asks how much has gathered. */
#define RELIEVE_EVERY 32u

/* Read for verifying others' packs, in the background and on demand. */
#define ACK_BACKGROUND_BYTES ((uint64_t)128 << 20)
#define ACK_BYTES ((uint64_t)4 << 30)

/* ---------------------------------------------------------------- who */

void commit_enter_busy(struct commit *c)
{
	lock_take(&c->lock);
	while (c->is_busy)
		cond_wait(&c->changed, &c->lock);
	c->is_busy = true;
	lock_drop(&c->lock);
}

void commit_leave_busy(struct commit *c)
{
	lock_take(&c->lock);
	c->is_busy = false;
	cond_broadcast(&c->changed);
	lock_drop(&c->lock);
}

static void wake_thread(struct commit *c)
{
	lock_take(&c->lock);
	c->n_wakes++;
	if (c->is_running)
		cond_broadcast(&c->changed);
	lock_drop(&c->lock);
}

void commit_wake(struct vault *v)
{
	struct commit *c = v->commit;
	uint64_t now = clock_mono_ns(), unset = 0;

	atomic_store(&c->last_change, now);
	(void)atomic_compare_exchange_strong(&c->unpublished_since, &unset,
					     now);
	unset = 0;
	if (atomic_compare_exchange_strong(&c->dirty_since, &unset, now))
		wake_thread(c);
}

void commit_note_pack(struct vault *v)
{
	struct commit *c = v->commit;

	if (atomic_fetch_add(&c->packs_waiting, 1) + 1 == PACKS_CUT)
		wake_thread(c);
}

/* ---------------------------------------------------------------- how much */

struct gathered {
	uint64_t packs;	      /* made, in no segment */
	uint64_t in_no_frame; /* of them */
	uint64_t staged;      /* chunks */
	uint64_t stage_bytes;
	uint64_t log_bytes; /* of operations in no segment */
	uint64_t log_limit;
	bool wants_spill; /* the index */
};

static void gather(struct commit *c, struct gathered *g)
{
	struct vault *v = c->v;
	struct pool *p = &v->content->pool;

	*g = (struct gathered){
		.packs = atomic_load(&c->n_packs),
		.staged = atomic_load(&c->n_staged),
		.stage_bytes = stage_bytes(v->stage),
		.log_limit = min_of(v->opts.dirty_bytes / LOG_PUBLISH_SHARE,
				    LOG_PUBLISH_BYTES),
	};
	lock_take(&v->index_lock);
	g->log_bytes = v->oplog.held_bytes;
	g->wants_spill = index_wants_spill(v->index);
	lock_drop(&v->index_lock);
	lock_take(&p->lock);
	g->in_no_frame = p->n_packs;
	lock_drop(&p->lock);
	g->packs += g->in_no_frame;
}

static bool is_much(const struct gathered *g, uint64_t factor)
{
	return g->packs >= PACKS_PUBLISH * factor ||
	       g->staged >= STAGED_PUBLISH * factor ||
	       g->stage_bytes >= STAGE_PUBLISH_BYTES * factor ||
	       g->log_bytes >= g->log_limit * factor;
}

/* Publishing that fails is told where it is asked for; here only when what has
 * gathered must not grow any more. */
static int relieve(struct commit *c, const struct gathered *g, bool has_thread)
{
	bool must_cut = g->in_no_frame >= PACKS_CUT || g->wants_spill;
	int r = 0;

	if (g->wants_spill)
		atomic_store(&c->wants_spill, true);
	if (is_much(g, has_thread ? HELP_FACTOR : 1))
		r = commit_publish(c->v);
	else if (must_cut && !has_thread)
		r = commit_cut(c->v, NULL, 0);
	else if (g->wants_spill || is_much(g, 1))
		wake_thread(c);
	return r < 0 && is_much(g, REFUSE_FACTOR) ? r : 0;
}

int commit_relieve(struct vault *v)
{
	struct commit *c = v->commit;
	struct gathered g;
	bool has_thread;

	if (!v->journal || atomic_load(&v->is_read_only) ||
	    atomic_fetch_add(&c->n_changes, 1) % RELIEVE_EVERY != 0)
		return 0;
	lock_take(&c->lock);
	has_thread = c->is_running;
	lock_drop(&c->lock);
	gather(c, &g);
	return relieve(c, &g, has_thread);
}

/* ---------------------------------------------------------------- receiving */

/* The header is written once: if it is not what was opened, this is not that
 * vault any more. */
static int check_header(struct commit *c)
{
	uint8_t raw[VAULT_HEADER_BYTES];
	struct vault *v = c->v;
	struct vault_header h;
	int r = unlock_read_header(v->env, v->vault_dirfd, raw, &h);

	if (r == 0 && memcmp(&h.mac, &v->header.mac, sizeof(h.mac)) != 0)
		r = ERR_DAMAGED;
	if (r == ERR_NOT_VAULT || r == ERR_DAMAGED || r == ERR_NEWER)
		core_fail(v, r, "the file VAULT is missing or another one");
	return r;
}

/* Announces what is acknowledged now, for those who wait for it. */
static int acknowledge(struct commit *c)
{
	struct vault *v = c->v;
	struct vault_device d;

	if (!c->has_news || !v->journal || atomic_load(&v->is_read_only) ||
	    (c->last_ack_ns &&
	     clock_mono_ns() - c->last_ack_ns < ACK_INTERVAL_NS))
		return 0;
	lock_take(&v->index_lock);
	int r = device_get(v, v->writer, &d);
	lock_drop(&v->index_lock);
	if (r <= 0)
		return r;
	c->wants_ack = true;
	return publish_pending(c);
}

/* is_busy held. */
static int receive(struct commit *c, uint64_t max_bytes)
{
	const struct receive_options o = { .in_slices = true };
	uint64_t n = 0;
	int r;

	lock_take(&c->v->index_lock);
	r = core_index_state(c->v);
	lock_drop(&c->v->index_lock);
	if (r == 0)
		r = history_check_own(c, false);
	if (r == 0)
		r = receive_is_needed(c);
	/* Own operations first: what they are said to know they know. */
	if (r > 0)
		r = publish_pending(c);
	if (r == 0)
		r = receive_all(c, &o, &n);
	if (r == 0 && n > 0)
		r = joiner_update(c);
	if (r == 0 && n > 0)
		r = life_check_log(c->v, false);
	if (r == 0 && n > 0)
		r = history_check_retired(c);
	if (r == 0 && (n > 0 || c->has_absent))
		r = presence_check(c, false);
	/* Who cannot acknowledge need not find out. */
	if (r == 0 && !atomic_load(&c->v->is_read_only))
		r = ack_advance(c, max_bytes);
	return r;
}

int commit_receive(struct vault *v)
{
	struct commit *c = v->commit;
	int r = commit_publish(v);

	if (r < 0)
		return r;
	commit_enter_busy(c);
	r = check_header(c);
	if (r == 0)
		r = receive(c, ACK_BYTES);
	if (r == 0)
		r = acknowledge(c);
	commit_leave_busy(c);
	return r < 0 ? r : history_error(c);
}

int vault_receive(struct vault *v)
{
	return commit_receive(v);
}

/* ---------------------------------------------------------------- the thread */

struct schedule {
	uint64_t receive_at;
	uint64_t retry_at; /* 0: the last publish went well */
	uint64_t retry_ns; /* the wait after the next failure */
	uint64_t cut_retry_at;
	uint64_t idle_at;
	uint64_t idle_calls; /* made until the last look */
	unsigned n_looks;
};

static uint64_t cut_time(struct commit *c, const struct schedule *s)
{
	uint64_t since = atomic_load(&c->dirty_since);

	if (!since)
		return UINT64_MAX;
	if (atomic_load(&c->packs_waiting) >= PACKS_CUT ||
	    atomic_load(&c->wants_spill))
		return max_of(UINT64_C(1), s->cut_retry_at);
	return max_of(since + CUT_INTERVAL_NS, s->cut_retry_at);
}

static uint64_t publish_time(struct commit *c, const struct schedule *s)
{
	uint64_t since = atomic_load(&c->unpublished_since);
	struct gathered g;

	if (!since || atomic_load(&c->v->is_read_only))
		return UINT64_MAX;
	gather(c, &g);
	if (is_much(&g, 1))
		return max_of(UINT64_C(1), s->retry_at);
	return max_of(min_of(atomic_load(&c->last_change) + PUBLISH_QUIET_NS,
			     since + PUBLISH_LATEST_NS),
		      s->retry_at);
}

static uint64_t idle_time(struct commit *c, const struct schedule *s)
{
	if (atomic_load(&c->is_index_clean) || !c->v->journal ||
	    atomic_load(&c->v->is_read_only))
		return UINT64_MAX;
	return max_of(atomic_load(&c->last_change) + IDLE_NS, s->idle_at);
}

static void publish_now(struct commit *c, struct schedule *s)
{
	if (commit_publish(c->v) == 0) {
		s->retry_at = 0;
		s->retry_ns = RETRY_FIRST_NS;
		return;
	}
	s->retry_at = clock_mono_ns() + s->retry_ns;
	s->retry_ns = min_of(2 * s->retry_ns, RETRY_LAST_NS);
}

static void cut_now(struct commit *c, struct schedule *s)
{
	int r = commit_cut(c->v, NULL, 0);
	uint64_t unset = 0;

	s->cut_retry_at = 0;
	if (r == 0)
		return;
	diag_err(DIAG_WARNING, r, "making changes durable");
	s->cut_retry_at = clock_mono_ns() + CUT_INTERVAL_NS;
	(void)atomic_compare_exchange_strong(&c->dirty_since, &unset,
					     clock_mono_ns());
}

/* In the background only while nobody changes anything, and a little at a
 * time. */
static int repack_if_due(struct commit *c)
{
	uint64_t now = clock_mono_ns(), bytes;

	if (!c->v->journal || atomic_load(&c->v->is_read_only) ||
	    now - atomic_load(&c->last_change) < REPACK_IDLE_NS ||
	    atomic_load(&c->unpublished_since) ||
	    (c->last_repack_ns && now - c->last_repack_ns < REPACK_INTERVAL_NS))
		return 0;
	c->last_repack_ns = now;
	return publish_repacked(c, REPACK_BYTES, &bytes);
}

static void receive_now(struct commit *c, struct schedule *s)
{
	int r;

	commit_enter_busy(c);
	r = check_header(c);
	if (r == 0)
		r = receive(c, ACK_BACKGROUND_BYTES);
	if (r == 0)
		r = acknowledge(c);
	if (r == 0)
		r = publish_dead(c);
	if (r == 0)
		r = repack_if_due(c);
	commit_leave_busy(c);
	if (r < 0 && r != c->last_receive_err)
		diag_err(DIAG_WARNING, r,
			 "receiving what other devices published");
	c->last_receive_err = r;
	s->receive_at = clock_mono_ns() + RECEIVE_INTERVAL_NS;
}

/* A call that comes just then waits for the pages to be written, some tens of
 * milliseconds: none should. */
static void idle_now(struct commit *c, struct schedule *s)
{
	uint64_t calls = atomic_load(&c->v->n_calls);
	bool is_quiet = calls == s->idle_calls;
	int r;

	s->idle_calls = calls;
	s->idle_at = clock_mono_ns() + IDLE_LOOK_NS;
	if (!is_quiet && ++s->n_looks < IDLE_LOOKS)
		return;
	s->n_looks = 0;
	s->idle_at = clock_mono_ns() + IDLE_NS;
	commit_enter_busy(c);
	r = marks_clean_idle(c);
	commit_leave_busy(c);
	if (r < 0)
		diag_err(DIAG_WARNING, r, "writing the index");
}

static uint64_t wakes(struct commit *c)
{
	lock_take(&c->lock);
	uint64_t n = c->n_wakes;
	lock_drop(&c->lock);
	return n;
}

/* Sleeps until something is due; false: the end. */
static bool wait_for_work(struct commit *c, const struct schedule *s)
{
	uint64_t seen = wakes(c);
	uint64_t at = min_of(min_of(cut_time(c, s), publish_time(c, s)),
			     min_of(s->receive_at, idle_time(c, s)));
	bool go_on;

	/* What came while it was computed may change it. */
	lock_take(&c->lock);
	if (!c->must_stop && c->n_wakes == seen && clock_mono_ns() < at)
		(void)cond_wait_until(&c->changed, &c->lock, at);
	go_on = !c->must_stop;
	lock_drop(&c->lock);
	return go_on;
}

static void *committer(void *arg)
{
	struct commit *c = arg;
	struct schedule s = {
		.receive_at = clock_mono_ns() + RECEIVE_INTERVAL_NS,
		.retry_ns = RETRY_FIRST_NS,
		.idle_at = clock_mono_ns() + IDLE_NS,
	};

	while (wait_for_work(c, &s)) {
		uint64_t now = clock_mono_ns();

		if (publish_time(c, &s) <= now)
			publish_now(c, &s);
		else if (cut_time(c, &s) <= now)
			cut_now(c, &s);
		if (s.receive_at <= now)
			receive_now(c, &s);
		else if (idle_time(c, &s) <= now)
			idle_now(c, &s);
	}
	return NULL;
}

int commit_start(struct commit *c)
{
	int r;

	lock_take(&c->lock);
	c->must_stop = false;
	c->is_running = true;
	lock_drop(&c->lock);
	r = pthread_create(&c->thread, NULL, committer, c);
	if (r == 0)
		return 0;
	lock_take(&c->lock);
	c->is_running = false;
	lock_drop(&c->lock);
	return -r;
}

void commit_stop(struct commit *c)
{
	bool was_running;

	lock_take(&c->lock);
	was_running = c->is_running;
	c->must_stop = true;
	cond_broadcast(&c->changed);
	lock_drop(&c->lock);
	if (!was_running)
		return;
	pthread_join(c->thread, NULL);
	lock_take(&c->lock);
	c->is_running = false;
	lock_drop(&c->lock);
}
