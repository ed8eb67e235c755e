/* SPDX-License-Identifier: ISC */
/*
 * Reading packs for a check: what a segment announces is copied into a short
 * queue, since segments are held in memory one at a time, and threads take it
 * from there.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "store/salvage.h"
#include "vault/check/check_state.h"
#include "vault/packs/packs.h"

#define THREADS_MAX 64u
/* Packs that wait, for each thread. */
#define WAITING_MAX 2u

struct pack_job {
	struct pack_job *next;
	uint64_t writer;
	struct segment_pack pack; /* its entries follow */
};

struct check_readers {
	struct checker *c;
	pthread_t threads[THREADS_MAX];
	unsigned n_threads;
	struct lock lock; /* LOCK_LEAF; guards the rest */
	struct cond changed;
	struct pack_job *first, *last;
	unsigned n_waiting;
	bool is_ending;
	int err; /* the first */
};

/* ---------------------------------------------------------------- one pack */

void check_pack_path(uint64_t writer, const uint8_t *name,
		     char to[static CHECK_PATH_BYTES])
{
	char hex[2 * PACK_NAME_BYTES + 1];

	hex_encode(name, PACK_NAME_BYTES, hex);
	snprintf(to, CHECK_PATH_BYTES, "w/%016" PRIx64 "/d/%.2s/%s", writer,
		 hex, hex);
}

struct pack_check {
	struct checker *c;
	uint64_t pack; /* its number in the index; 0: not there */
	bool is_whole_only;
	bool is_own;
	int err; /* of collecting what is lost */
};

static bool is_absent(int err)
{
	return err == -ENOENT || err == ERR_MISSING;
}

/* All of a record of an older epoch, which is only believed whole. */
static void bad_record(void *arg, const struct pack_entry *e, uint32_t first,
		       uint32_t count, int err)
{
	struct pack_check *p = arg;
	struct bad_range bad = {
		.pack = p->pack,
		.first = p->is_whole_only ? 0 : first,
		.count = p->is_whole_only ? SUB_BLOCKS_MAX : count,
		.is_waiting = !p->is_own && is_absent(err),
	};
	struct index_chunk chunk;

	if (err == -ENOMEM)
		p->err = err;
	if (!p->pack || p->err < 0)
		return;
	lock_take(&p->c->v->index_lock);
	int r = index_chunk_find(p->c->v->index, &e->id, &chunk);
	lock_drop(&p->c->v->index_lock);
	if (r > 0) {
		bad.chunk = chunk.chunk;
		r = check_add_bad(p->c, &bad);
	}
	if (r < 0)
		p->err = r;
}

static void count_pack(struct checker *c, const struct segment_pack *p,
		       bool is_known)
{
	lock_take(&c->lock);
	c->result->n_packs++;
	c->result->n_chunks += p->n_entries;
	if (c->opts->read_data && is_known)
		c->result->bytes_known += p->size;
	else if (c->opts->read_data)
		c->result->bytes_read += p->size;
	c->done += p->size;
	if (c->opts->progress)
		c->opts->progress(c->opts->arg, c->done, c->total);
	lock_drop(&c->lock);
}

/* Its entries are kept for a repair only. */
static int note_bad_pack(struct checker *c, const struct bad_pack *what)
{
	size_t bytes = c->opts->repair ?
			       (size_t)what->p.n_entries * PACK_ENTRY_BYTES :
			       0;
	struct bad_pack *b = mem_alloc(sizeof(*b) + bytes);

	if (!b)
		return -ENOMEM;
	*b = *what;
	if (bytes)
		memcpy(b + 1, what->p.entries, bytes);
	b->p.entries = (const uint8_t *)(b + 1);
	lock_take(&c->lock);
	b->next = c->bad_packs;
	c->bad_packs = b;
	c->n_doubtful += b->is_doubtful;
	lock_drop(&c->lock);
	return 0;
}

static void tell_pack(struct checker *c, const struct bad_pack *b)
{
	char path[CHECK_PATH_BYTES];

	check_pack_path(b->writer, b->p.name, path);
	if (b->is_waiting)
		check_tell(c, VAULT_FINDING_PENDING, path, ERR_MISSING,
			   "announced, and not here yet");
	else
		check_tell(c, VAULT_FINDING_DAMAGE, path,
			   b->err == -ENOENT ? ERR_MISSING : b->err, NULL);
}

/* If a repair kept it, only what is needed of it can say whether it still is
 * damage. */
static int judge_pack(struct checker *c, struct bad_pack *b)
{
	int r = 0;

	if (b->pack && !is_absent(b->err))
		r = salvage_is_kept(c->v->store, b->writer, b->p.name);
	if (r < 0)
		return r;
	b->is_doubtful = r > 0;
	if (r == 0)
		tell_pack(c, b);
	return r > 0 || c->opts->repair ? note_bad_pack(c, b) : 0;
}

static bool is_needed(const struct checker *c, const struct bad_range *bad)
{
	for (size_t i = 0; i < c->n_bad; i++)
		if (c->bad[i].chunk == bad->chunk && c->bad[i].is_needed &&
		    c->bad[i].first < bad->first + bad->count &&
		    bad->first < c->bad[i].first + c->bad[i].count)
			return true;
	return false;
}

bool check_is_given_up(const struct checker *c, const struct bad_pack *b)
{
	bool any = false;

	for (size_t i = 0; i < c->n_found; i++) {
		if (c->found[i].pack != b->pack)
			continue;
		any = true;
		if (is_needed(c, &c->found[i]))
			return false;
	}
	return any;
}

void check_tell_doubtful(struct checker *c)
{
	struct bad_pack **at = &c->bad_packs;
	char path[CHECK_PATH_BYTES];

	while (*at) {
		struct bad_pack *b = *at;

		if (!b->is_doubtful || !check_is_given_up(c, b)) {
			if (b->is_doubtful)
				tell_pack(c, b);
			at = &b->next;
			continue;
		}
		check_pack_path(b->writer, b->p.name, path);
		check_tell(c, VAULT_FINDING_NOTE, path, b->err,
			   "damaged for good, and a repair has given up what "
			   "was lost with it");
		*at = b->next;
		mem_free(b);
	}
}

static int read_pack(struct checker *c, uint64_t writer,
		     const struct segment_pack *p)
{
	struct vault *v = c->v;
	struct bad_pack bad = { .writer = writer, .p = *p };
	struct pack_check state = {
		.c = c,
		.is_whole_only = p->epoch < core_newest_keys(v)->epoch,
		.is_own = writer == c->own,
	};
	struct check_stamp stamp;
	struct index_pack row;
	int found = 0;

	if (c->opts->stop && c->opts->stop(c->opts->arg))
		return ERR_INTERRUPTED;
	lock_take(&v->index_lock);
	int r = packs_is_dropped(v, writer, p->name, NULL);
	if (r == 0)
		found = index_pack_find(v->index, writer, p->name, &row);
	lock_drop(&v->index_lock);
	if (r != 0 || found < 0)
		return min_of(min_of(r, found), 0);
	if (found > 0)
		state.pack = row.pack;
	int stamped = check_state_stamp(c->state, writer, p, &stamp);
	if (stamped < 0)
		return stamped;
	bool is_known = stamped > 0 && check_state_has(c->state, &stamp);
	r = store_verify_pack(v->store, writer, p->name, p,
			      c->opts->read_data && !is_known, bad_record,
			      &state);
	count_pack(c, p, is_known);
	if (r == 0 && stamped > 0 && !is_known)
		check_state_add(c->state, &stamp);
	if (state.err < 0)
		return state.err;
	if (r == -ENOMEM || r == 0)
		return r;
	bad.pack = state.pack;
	bad.err = r;
	bad.is_waiting = !state.is_own && is_absent(r);
	return judge_pack(c, &bad);
}

/* ---------------------------------------------------------------- threads */

static struct pack_job *take_job(struct check_readers *q)
{
	struct pack_job *j;

	lock_take(&q->lock);
	while (!q->first && !q->is_ending)
		cond_wait(&q->changed, &q->lock);
	j = q->first;
	if (j) {
		q->first = j->next;
		if (!q->first)
			q->last = NULL;
		q->n_waiting--;
		cond_broadcast(&q->changed);
	}
	lock_drop(&q->lock);
	return j;
}

static void *reader(void *arg)
{
	struct check_readers *q = arg;
	struct pack_job *j;

	while ((j = take_job(q))) {
		int r = read_pack(q->c, j->writer, &j->pack);

		mem_free(j);
		if (r == 0)
			continue;
		lock_take(&q->lock);
		if (q->err == 0)
			q->err = r;
		cond_broadcast(&q->changed);
		lock_drop(&q->lock);
	}
	return NULL;
}

static unsigned count_threads(const struct vault_check_options *o)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	/* One may read as fast as the limit lets it. */
	if (o->bytes_per_second)
		return 1;
	if (o->n_threads)
		return min_of(o->n_threads, THREADS_MAX);
	return cores < 1 ? 1 : (unsigned)min_of(cores, (long)THREADS_MAX);
}

/* One thread is the caller's own; fewer than wanted are enough. */
int check_packs_start(struct checker *c)
{
	unsigned n = count_threads(c->opts);
	struct check_readers *q;

	if (n == 1)
		return 0;
	q = mem_zalloc(sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->c = c;
	lock_init(&q->lock, LOCK_LEAF, 0);
	cond_init(&q->changed);
	c->readers = q;
	while (q->n_threads < n &&
	       pthread_create(&q->threads[q->n_threads], NULL, reader, q) == 0)
		q->n_threads++;
	return q->n_threads > 0 ? 0 : -EAGAIN;
}

static int add_job(struct check_readers *q, struct pack_job *j)
{
	int r;

	lock_take(&q->lock);
	while (q->err == 0 && q->n_waiting >= WAITING_MAX * q->n_threads)
		cond_wait(&q->changed, &q->lock);
	r = q->err;
	if (r == 0) {
		*(q->last ? &q->last->next : &q->first) = j;
		q->last = j;
		q->n_waiting++;
		cond_broadcast(&q->changed);
	}
	lock_drop(&q->lock);
	return r;
}

/* A pack as large as this one takes so long at the speed allowed. */
static void wait_for_turn(struct checker *c, uint64_t bytes)
{
	uint64_t now = clock_mono_ns();
	uint64_t rate = c->opts->bytes_per_second;
	struct timespec t;

	if (rate == 0 || !c->opts->read_data)
		return;
	/* In slices: a signal may come just before it sleeps. */
	while (c->next_ns > now &&
	       !(c->opts->stop && c->opts->stop(c->opts->arg))) {
		uint64_t ns = min_of(c->next_ns - now, NS_PER_S / 5);

		t = (struct timespec){ .tv_nsec = (long)ns };
		(void)nanosleep(&t, NULL);
		now = clock_mono_ns();
	}
	c->next_ns = max_of(c->next_ns, now) +
		     (uint64_t)((double)bytes / (double)rate * NS_PER_S);
}

int check_pack(struct checker *c, uint64_t writer, const struct segment_pack *p)
{
	size_t bytes = (size_t)p->n_entries * PACK_ENTRY_BYTES;
	struct pack_job *j;
	int r;

	if (!c->readers) {
		wait_for_turn(c, p->size);
		return read_pack(c, writer, p);
	}
	j = mem_alloc(sizeof(*j) + bytes);
	if (!j)
		return -ENOMEM;
	*j = (struct pack_job){ .writer = writer, .pack = *p };
	memcpy(j + 1, p->entries, bytes);
	j->pack.entries = (const uint8_t *)(j + 1);
	r = add_job(c->readers, j);
	if (r < 0)
		mem_free(j);
	return r;
}

int check_packs_finish(struct checker *c)
{
	struct check_readers *q = c->readers;
	struct pack_job *j;
	int r;

	if (!q)
		return 0;
	lock_take(&q->lock);
	q->is_ending = true;
	cond_broadcast(&q->changed);
	lock_drop(&q->lock);
	for (unsigned i = 0; i < q->n_threads; i++)
		pthread_join(q->threads[i], NULL);
	while ((j = q->first)) {
		q->first = j->next;
		mem_free(j);
	}
	r = q->err;
	cond_release(&q->changed);
	lock_release(&q->lock);
	mem_free(q);
	c->readers = NULL;
	return r;
}
