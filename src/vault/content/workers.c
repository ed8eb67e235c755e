/* SPDX-License-Identifier: ISC */
#include "vault/content/workers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"

#define WORKERS_MAX 64u

struct workers {
	pthread_t threads[WORKERS_MAX];
	atomic_uint n_threads;
	void (*timer_fn)(void *arg); /* set before the threads start */
	void *timer_arg;

	struct lock lock;  /* LOCK_LEAF; guards the rest */
	struct cond added; /* a job, the timer, the end */
	struct cond done;  /* a group ended */
	struct job *first, *last;
	unsigned n_running;
	uint64_t timer_at_ns; /* 0: off */
	bool has_timekeeper;  /* a thread waits for the timer */
	bool is_stopping;
};

int workers_new(struct workers **ret)
{
	struct workers *w = mem_zalloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	lock_init(&w->lock, LOCK_LEAF, 0);
	cond_init(&w->added);
	cond_init(&w->done);
	*ret = w;
	return 0;
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	workers_stop(w);
	assert(!w->first);
	cond_release(&w->done);
	cond_release(&w->added);
	lock_release(&w->lock);
	mem_free(w);
}

unsigned workers_count(const struct workers *w)
{
	return atomic_load(&w->n_threads);
}

bool workers_are_busy(struct workers *w)
{
	bool busy;

	lock_take(&w->lock);
	busy = w->first || w->n_running > 0;
	lock_drop(&w->lock);
	return busy;
}

void workers_depth(struct workers *w, unsigned *ret_queued,
		   unsigned *ret_running)
{
	unsigned n = 0;

	lock_take(&w->lock);
	for (const struct job *j = w->first; j; j = j->next)
		n++;
	*ret_queued = n;
	*ret_running = w->n_running;
	lock_drop(&w->lock);
}

/* ---------------------------------------------------------------- jobs */

/* The first job of the group, or of any; out of the queue.  NULL. */
static struct job *pop_locked(struct workers *w, const struct job_group *g)
	LOCK_ATTR_(requires_capability(w->lock))
{
	struct job *prev = NULL, *j = w->first;

	while (j && g && j->group != g) {
		prev = j;
		j = j->next;
	}
	if (!j)
		return NULL;
	if (prev)
		prev->next = j->next;
	else
		w->first = j->next;
	if (w->last == j)
		w->last = prev;
	return j;
}

/* Drops the lock meanwhile.  A job without a group may be gone after it. */
static void run_locked(struct workers *w, struct job *j)
	LOCK_ATTR_(requires_capability(w->lock))
{
	struct job_group *g = j->group;

	w->n_running++;
	lock_drop(&w->lock);
	j->run(j);
	lock_take(&w->lock);
	w->n_running--;
	if (g && --g->n_left == 0)
		cond_broadcast(&w->done);
}

void workers_add(struct workers *w, struct job_group *g, struct job *j)
{
	j->group = g;
	j->next = NULL;
	lock_take(&w->lock);
	if (g)
		g->n_left++;
	if (atomic_load(&w->n_threads) == 0 || w->is_stopping) {
		run_locked(w, j);
	} else {
		if (w->last)
			w->last->next = j;
		else
			w->first = j;
		w->last = j;
		cond_signal(&w->added);
	}
	lock_drop(&w->lock);
}

void workers_wait(struct workers *w, struct job_group *g)
{
	lock_take(&w->lock);
	while (g->n_left > 0) {
		struct job *j = pop_locked(w, g);

		if (j)
			run_locked(w, j);
		else
			cond_wait(&w->done, &w->lock);
	}
	lock_drop(&w->lock);
}

/* ---------------------------------------------------------------- timer */

void workers_set_timer_fn(struct workers *w, void (*fn)(void *arg), void *arg)
{
	assert(workers_count(w) == 0);
	w->timer_fn = fn;
	w->timer_arg = arg;
}

void workers_set_timer(struct workers *w, uint64_t at_ns)
{
	lock_take(&w->lock);
	if (w->timer_at_ns != at_ns) {
		w->timer_at_ns = at_ns;
		/* Whoever keeps the time may wait for a later one. */
		cond_broadcast(&w->added);
	}
	lock_drop(&w->lock);
}

static void run_timer_locked(struct workers *w)
	LOCK_ATTR_(requires_capability(w->lock))
{
	w->timer_at_ns = 0;
	lock_drop(&w->lock);
	w->timer_fn(w->timer_arg);
	lock_take(&w->lock);
}

/* One idle thread waits for the timer, the others only for jobs. */
static void wait_for_work_locked(struct workers *w)
	LOCK_ATTR_(requires_capability(w->lock))
{
	if (w->timer_at_ns == 0 || w->has_timekeeper) {
		cond_wait(&w->added, &w->lock);
		return;
	}
	w->has_timekeeper = true;
	(void)cond_wait_until(&w->added, &w->lock, w->timer_at_ns);
	w->has_timekeeper = false;
	/* Another must keep the time if this one goes to work. */
	cond_signal(&w->added);
	if (w->timer_at_ns != 0 && clock_mono_ns() >= w->timer_at_ns)
		run_timer_locked(w);
}

/* ---------------------------------------------------------------- threads */

static void *run_thread(void *arg)
{
	struct workers *w = arg;

	lock_take(&w->lock);
	for (;;) {
		struct job *j = pop_locked(w, NULL);

		if (j)
			run_locked(w, j);
		else if (w->is_stopping)
			break;
		else
			wait_for_work_locked(w);
	}
	lock_drop(&w->lock);
	return NULL;
}

/* Signals belong to the threads that ask for them. */
static int start_thread(struct workers *w, pthread_t *ret)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	r = pthread_sigmask(SIG_SETMASK, &all, &old);
	if (r != 0)
		return -r;
	r = pthread_create(ret, NULL, run_thread, w);
	if (pthread_sigmask(SIG_SETMASK, &old, NULL) != 0)
		assert(false);
	return -r;
}

static void join(struct workers *w, unsigned n)
{
	lock_take(&w->lock);
	w->is_stopping = true;
	cond_broadcast(&w->added);
	lock_drop(&w->lock);
	for (unsigned i = 0; i < n; i++) {
		int r = pthread_join(w->threads[i], NULL);

		assert(r == 0);
		(void)r;
	}
	lock_take(&w->lock);
	w->is_stopping = false;
	lock_drop(&w->lock);
}

int workers_start(struct workers *w, unsigned n)
{
	assert(workers_count(w) == 0);
	n = min_of(n, WORKERS_MAX);
	for (unsigned i = 0; i < n; i++) {
		int r = start_thread(w, &w->threads[i]);

		if (r < 0) {
			join(w, i);
			return r;
		}
	}
	atomic_store(&w->n_threads, n);
	return 0;
}

void workers_stop(struct workers *w)
{
	unsigned n = atomic_exchange(&w->n_threads, 0);

	if (n > 0)
		join(w, n);
}
