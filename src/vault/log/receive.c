/* SPDX-License-Identifier: ISC */
/*
 * Receiving: segments of other devices are applied in their writer's order,
 * after their causes (vault-format/10-ordering.md).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "vault/history/history.h"
#include "vault/log/apply_segment.h"
#include "vault/log/devices.h"
#include "vault/log/epoch_cover.h"
#include "vault/merge/past_log.h"
#include "vault/merge/touched.h"
#include "vault/packs/packs.h"

/* How long calls may have to wait for a slice. */
#define SLICE_NS (NS_PER_MS)

/* A writer on whose next segment the work may go on. */
struct incoming {
	uint64_t writer;
	struct log_names names; /* from the next seq on */
	struct cause waits;	/* writer 0: for nothing known */
	bool is_over;		/* until something new comes */
	bool is_incomplete;	/* the next is there, but not authentic (yet) */
	int stopped_err;	/* why it ends before what comes next; 0 */
	bool is_fork_ahead;	/* two of them come next */
	bool is_new_stop;	/* not known before this */
	uint64_t applied;
};

struct receiving {
	struct commit *c;
	const struct receive_options *o;
	struct incoming *in;
	size_t n;
	uint64_t n_applied;
	struct epoch_cover *cover; /* NULL until it is needed */
};

/* ---------------------------------------------------------------- folders */

static struct seen_folder *find_seen(struct commit *c, uint64_t writer)
{
	for (size_t i = 0; i < c->n_seen; i++)
		if (c->seen[i].writer == writer)
			return &c->seen[i];
	return NULL;
}

static int seen_get(struct commit *c, uint64_t writer, struct seen_folder **ret)
{
	struct seen_folder *s = find_seen(c, writer), *grown;

	if (!s) {
		grown = mem_realloc_array(c->seen, c->n_seen + 1,
					  sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		c->seen = grown;
		s = &grown[c->n_seen++];
		*s = (struct seen_folder){ .writer = writer, .again = true };
	}
	*ret = s;
	return 0;
}

/* 1 if the folder must be listed. */
static int has_changed(struct commit *c, const struct seen_folder *s)
{
	struct timespec now;
	int r = logdir_changed(c->v, s->writer, &now);

	if (r <= 0)
		return r;
	return s->again || now.tv_sec != s->changed.tv_sec ||
	       now.tv_nsec != s->changed.tv_nsec;
}

int receive_is_needed(struct commit *c)
{
	struct vault *v = c->v;
	auto_free uint64_t *writers = NULL;
	size_t n;
	int r = logdir_writers(v, &writers, &n, &c->n_foreign_writers);

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct seen_folder *s = find_seen(c, writers[i]);

		if (writers[i] != v->writer)
			r = s ? has_changed(c, s) : 1;
	}
	return r;
}

static int load_state(struct vault *v, uint64_t writer, struct writer_state *w)
{
	lock_take(&v->index_lock);
	int r = writer_load(v, writer, w);
	lock_drop(&v->index_lock);
	return r;
}

static int list_writer(struct receiving *rc, uint64_t writer)
{
	struct incoming *in = &rc->in[rc->n];
	struct seen_folder *seen;
	struct writer_state w;
	int r = seen_get(rc->c, writer, &seen);

	/* What waits for another writer may go on when that one does. */
	if (r == 0 && !rc->o->is_rebuild && seen->n_held == 0) {
		r = has_changed(rc->c, seen);
		if (r <= 0)
			return r;
	}
	if (r >= 0)
		r = load_state(rc->c->v, writer, &w);
	*in = (struct incoming){ .writer = writer };
	if (r == 0)
		r = logdir_list(rc->c->v, writer, 1, &in->names);
	/* At opening all are asked (open.c). */
	if (r == 0 && rc->o->in_slices)
		r = history_check(rc->c, writer, &in->names, false);
	if (r < 0) {
		log_names_release(&in->names);
		return r;
	}
	in->applied = w.seq;
	seen->changed = in->names.changed;
	seen->again = !logdir_is_settled(&seen->changed);
	seen->n_foreign = in->names.n_foreign;
	seen->n_held = in->names.n;
	rc->n++;
	return 0;
}

static int list_all(struct receiving *rc)
{
	struct vault *v = rc->c->v;
	auto_free uint64_t *writers = NULL;
	size_t n;
	int r = logdir_writers(v, &writers, &n, &rc->c->n_foreign_writers);

	if (r < 0)
		return r;
	rc->in = mem_zalloc_array(n, sizeof(*rc->in));
	if (!rc->in)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		if (rc->o->is_rebuild || writers[i] != v->writer)
			r = list_writer(rc, writers[i]);
	return r;
}

static void sum_seen(struct commit *c)
{
	uint64_t held = 0, foreign = c->n_foreign_writers;

	for (size_t i = 0; i < c->n_seen; i++) {
		held += c->seen[i].n_held;
		foreign += c->seen[i].n_foreign;
	}
	atomic_store(&c->n_held, held);
	atomic_store(&c->n_foreign, foreign);
}

/* Of a device that was retired nothing is waited for. */
static uint64_t count_held(struct receiving *rc, const struct incoming *in)
{
	struct vault_device d = { .is_retired = false };
	struct vault *v = rc->c->v;
	uint64_t held = 0;

	for (size_t i = 0; i < in->names.n; i++)
		held += in->names.names[i].seq > in->applied;
	if (held == 0)
		return 0;
	lock_take(&v->index_lock);
	if (device_get(v, in->writer, &d) < 0)
		d.is_retired = false;
	lock_drop(&v->index_lock);
	return d.is_retired ? 0 : held;
}

/* For who lists the devices: what is held back, and why. */
static void note_held(struct commit *c, const struct incoming *in, uint64_t n)
{
	struct held_back *h = NULL;

	lock_take(&c->lock);
	for (size_t i = 0; !h && i < c->n_held_back; i++)
		if (c->held_back[i].writer == in->writer)
			h = &c->held_back[i];
	if (!h && n > 0) {
		struct held_back *grown =
			mem_realloc_array(c->held_back, c->n_held_back + 1,
					  sizeof(*grown));

		/* Without it less is told. */
		if (grown) {
			c->held_back = grown;
			h = &grown[c->n_held_back++];
		}
	}
	if (h)
		*h = (struct held_back){
			.writer = in->writer,
			.n = n,
			.waits_writer = in->waits.writer,
			.waits_seq = in->waits.seq,
			.err = in->stopped_err,
		};
	lock_drop(&c->lock);
}

static void release_all(struct receiving *rc)
{
	for (size_t i = 0; i < rc->n; i++) {
		struct incoming *in = &rc->in[i];
		struct seen_folder *seen = find_seen(rc->c, in->writer);
		uint64_t held = count_held(rc, in);

		/* A file may be completed without its folder changing. */
		note_held(rc->c, in, held);
		if (seen) {
			seen->n_held = held;
			seen->again |= in->is_incomplete;
		}
		log_names_release(&in->names);
	}
	mem_free(rc->in);
	epoch_cover_free(rc->cover);
	sum_seen(rc->c);
}

/* ---------------------------------------------------------------- stops */

static const struct stop *find_stop(const struct commit *c, uint64_t writer,
				    uint64_t seq)
{
	for (size_t i = 0; i < c->n_stops; i++)
		if (c->stops[i].writer == writer && c->stops[i].seq == seq)
			return &c->stops[i];
	return NULL;
}

static int note_stop(struct commit *c, const struct log_segment *s, int err)
{
	struct stop *grown =
		mem_realloc_array(c->stops, c->n_stops + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	c->stops = grown;
	grown[c->n_stops++] = (struct stop){
		.writer = s->header.writer,
		.seq = s->header.seq,
		.err = err,
		.hash = s->hash,
	};
	return 0;
}

/* 1, 0. */
static int is_retired(struct vault *v, uint64_t writer)
{
	struct vault_device d = { .is_retired = false };

	lock_take(&v->index_lock);
	int r = device_get(v, writer, &d);
	lock_drop(&v->index_lock);
	return r < 0 ? r : d.is_retired;
}

/*
 * Two histories of what comes next are told once all is received: the log of a
 * device that was retired is left where it ends, and that may come later.
 */
static int tell_ahead(struct receiving *rc)
{
	struct commit *c = rc->c;
	int r = 0;

	for (size_t i = 0; r == 0 && i < rc->n; i++) {
		const struct incoming *in = &rc->in[i];
		uint64_t seq = in->applied + 1;

		if (in->stopped_err != ERR_FORKED || !in->is_fork_ahead)
			continue;
		r = is_retired(c->v, in->writer);
		if (r == 0)
			r = history_note(c, VAULT_ALARM_AHEAD, in->writer, seq,
					 seq, !in->is_new_stop);
		r = min_of(r, 0);
	}
	return r;
}

static int tell_stop(struct commit *c, struct incoming *in, int err,
		     const struct cause *forked, bool is_new)
{
	in->is_fork_ahead = err == ERR_FORKED && !forked->writer;
	in->is_new_stop = is_new;
	if (err == ERR_FORKED && forked->writer)
		return history_note(c,
				    forked->writer == c->v->writer ?
					    VAULT_ALARM_OWN :
					    VAULT_ALARM_FORKED,
				    forked->writer, forked->seq, forked->seq,
				    false);
	if (is_new && err != ERR_FORKED)
		diag_err(DIAG_WARNING, err,
			 "device %016" PRIx64 ": segment %" PRIu64
			 " and all after it are not applied",
			 in->writer, in->applied + 1);
	return 0;
}

/* This writer's log ends here for now: authentic, and not to be applied. */
static int stop_writer(struct commit *c, struct incoming *in,
		       const struct log_segment *s, int err,
		       const struct cause *forked)
{
	struct vault *v = c->v;
	struct writer_state w;
	int r;

	in->is_over = true;
	in->stopped_err = err;
	lock_take(&v->index_lock);
	r = writer_load(v, in->writer, &w);
	bool is_new = r == 0 && (w.stopped != in->applied + 1 ||
				 w.stopped_err != err);
	if (is_new) {
		w.stopped = in->applied + 1;
		w.stopped_err = err;
		if (s)
			w.stopped_hash = s->hash;
		r = writer_put(v, &w);
	}
	lock_drop(&v->index_lock);
	return r < 0 ? r : tell_stop(c, in, err, forked, is_new);
}

/* ---------------------------------------------------------------- applying */

/* Before the slices, for one pack may have more chunks than one takes. */
static int announce_packs(struct receiving *rc, const struct log_segment *s)
{
	struct cursor at = s->body.packs;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < s->body.n_packs; i++) {
		struct segment_pack p;

		segment_pack_read(&at, &p);
		r = packs_announce_slowly(rc->c->v, s->header.writer, &p, 0);
	}
	return r;
}

/* The whole of it in slices, so that calls need not wait for all. */
static int apply_in_slices(struct receiving *rc, const struct log_segment *s)
{
	struct commit *c = rc->c;
	struct vault *v = c->v;
	struct cursor at = s->body.ops;
	struct past_log past;
	uint32_t index = 0;
	int r = rc->o->in_slices ? announce_packs(rc, s) : 0;

	past_open(&past, v, s);
	r = r < 0 ? r : 1;
	for (bool first = true; r > 0; first = false) {
		auto_touched struct touched touched = { .v = NULL };

		r = core_enter(v, false);
		if (r < 0)
			break;
		touched_begin(&touched, v);
		r = first ? segment_begin(c, s) : 0;
		if (r == 0)
			r = segment_apply(c, s, &past, &at, &index,
					  rc->o->in_slices ?
						  clock_mono_ns() + SLICE_NS :
						  0);
		if (r == 0)
			r = segment_end(c, s);
		touched_end(&touched);
		core_leave(v);
		touched_tell(&touched);
	}
	past_close(&past);
	return r;
}

/* A rule is broken that only applying finds: what was applied of it must not
 * stay, so the index is made anew without it. */
static bool breaks_rules(int err)
{
	return err == ERR_MALFORMED || err == ERR_NEWER || err == ERR_LIMIT;
}

/*
 * What was applied of a segment that could not be applied whole is no truth:
 * nobody may see it, build upon it or tell others of it.  Little is lost: all
 * that was done here before was published before.
 */
static void tear(struct receiving *rc, int err)
{
	struct commit *c = rc->c;
	struct vault *v = c->v;

	atomic_store(&c->is_marked_unclean, true);
	lock_take(&v->index_lock);
	v->is_torn = true;
	lock_drop(&v->index_lock);
	/* At opening whoever asked makes the index anew, or gives up. */
	if (rc->o->in_slices)
		core_fail(v, err,
			  breaks_rules(err) ?
				  "a segment of another device breaks the "
				  "rules; open the vault again" :
				  "a segment of another device could not be "
				  "applied whole; open the vault again");
}

static int apply_segment(struct receiving *rc, struct incoming *in,
			 const struct log_segment *s)
{
	struct commit *c = rc->c;
	int r = 0;

	if (!rc->o->is_rebuild && c->v->journal) {
		lock_take(&c->v->cut_lock);
		r = marks_unclean(c);
		lock_drop(&c->v->cut_lock);
	}
	if (r < 0)
		return r;
	r = apply_in_slices(rc, s);
	if (r == 0) {
		in->applied = s->header.seq;
		rc->n_applied++;
		c->has_news |= s->body.n_ops > 0 || s->body.n_packs > 0;
		return 1;
	}
	tear(rc, r);
	if (!breaks_rules(r))
		return r;
	int noted = note_stop(c, s, r);
	return noted < 0 ? noted : ERR_MALFORMED;
}

/* ---------------------------------------------------------------- choosing */

/* Of two authentic ones only that which was seen before: 1; ERR_FORKED. */
static int read_seen(struct receiving *rc, const struct incoming *in,
		     struct log_segment *ret)
{
	struct log_name name = { .seq = in->applied + 1 };
	struct file_hash hash;
	int r = history_find_seen(rc->c, in->writer, name.seq, &hash);

	if (r <= 0)
		return r < 0 ? r : ERR_FORKED;
	memcpy(name.prefix, hash.b, sizeof(name.prefix));
	log_segment_release(ret);
	r = logdir_read(rc->c->v, in->writer, &name, ret);
	if (r == 0 && memcmp(&ret->hash, &hash, sizeof(hash)) != 0)
		r = ERR_FORKED;
	return r < 0 ? (r == -ENOMEM ? r : ERR_FORKED) : 1;
}

/*
 * The one authentic segment of that number: 1; 0: none yet.  ERR_FORKED if
 * there are two.  What is not authentic may still be arriving.
 */
static int read_next(struct receiving *rc, struct incoming *in,
		     struct log_segment *ret)
{
	struct vault *v = rc->c->v;
	const struct log_name *name =
		log_names_find(&in->names, in->applied + 1);
	const struct log_name *end =
		name ? in->names.names + in->names.n : NULL;
	int found = 0;

	for (; name && name < end && name->seq == in->applied + 1; name++) {
		auto_log_segment struct log_segment s = { .plain = NULL };
		int r = logdir_read(v, in->writer, name, &s);

		if (r == -ENOENT || r == ERR_BAD_SEAL || r == ERR_TRUNCATED ||
		    r == ERR_BAD_NAME || r == ERR_DAMAGED)
			continue;
		if (r < 0)
			return r;
		if (found)
			return read_seen(rc, in, ret);
		found = 1;
		log_segment_release(ret);
		*ret = s;
		s = (struct log_segment){ .plain = NULL };
	}
	return found;
}

/* Errors that end one writer's log; others end receiving. */
static bool ends_writer(int err)
{
	return breaks_rules(err) || err == ERR_FORKED || err == ERR_NEW_EPOCH;
}

static bool waits_for(const struct receiving *rc, const struct cause *k)
{
	for (size_t i = 0; k->writer && i < rc->n; i++)
		if (rc->in[i].writer == k->writer)
			return rc->in[i].applied < k->seq;
	return false;
}

/* One of an older epoch counts if the newest leads to it; what this device
 * published itself it need not ask about.  1, 0. */
static int is_covered(struct receiving *rc, const struct log_segment *s)
{
	struct vault *v = rc->c->v;
	int r = 0;

	if (s->header.epoch >= core_newest_keys(v)->epoch ||
	    s->header.writer == v->writer)
		return 1;
	if (!rc->cover)
		r = epoch_cover_new(v, &rc->cover);
	return r < 0 ? r : epoch_cover_has(rc->cover, s);
}

/* Applies the writer's next segment if it can be: 1, 0. */
static int step(struct receiving *rc, struct incoming *in)
{
	auto_log_segment struct log_segment s = { .plain = NULL };
	struct commit *c = rc->c;
	struct cause other = { .writer = 0 };
	const struct stop *stop = find_stop(c, in->writer, in->applied + 1);
	int r;

	if (in->is_over || waits_for(rc, &in->waits))
		return 0;
	/* Of this device's own log only what it knows to have published. */
	if (in->writer == c->v->writer && in->applied >= c->own_seq) {
		in->is_over = true;
		return 0;
	}
	r = read_next(rc, in, &s);
	in->is_incomplete = r == 0 && log_names_find(&in->names,
						     in->applied + 1);
	if (r > 0 && stop && memcmp(&stop->hash, &s.hash, sizeof(s.hash)) == 0)
		r = stop->err;
	if (r > 0)
		r = is_covered(rc, &s);
	if (r > 0) {
		lock_take(&c->v->index_lock);
		r = segment_is_next(c->v, &s, &other);
		lock_drop(&c->v->index_lock);
		if (r == 0) {
			in->waits = other;
			return 0;
		}
	}
	if (r == 0)
		in->is_over = true;
	if (r <= 0)
		return r < 0 && ends_writer(r) ?
			       stop_writer(c, in, s.plain ? &s : NULL, r,
					   &other) :
			       r;
	return apply_segment(rc, in, &s);
}

static int run(struct receiving *rc)
{
	bool again = true;
	int r = 0;

	while (again) {
		again = false;
		for (size_t i = 0; i < rc->n; i++) {
			do {
				r = step(rc, &rc->in[i]);
				again |= r > 0;
			} while (r > 0);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int receive_all(struct commit *c, const struct receive_options *o,
		uint64_t *ret_n)
{
	struct receiving rc = { .c = c, .o = o };
	int r = list_all(&rc);

	if (r == 0)
		r = run(&rc);
	if (r == 0)
		r = tell_ahead(&rc);
	release_all(&rc);
	*ret_n = rc.n_applied;
	return r;
}

int receive_own(struct commit *c, const struct log_segment *s)
{
	int r = segment_begin(c, s);

	return r < 0 ? r : segment_end(c, s);
}
