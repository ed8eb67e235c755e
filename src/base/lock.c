/* SPDX-License-Identifier: ISC */
#include "base/lock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

/*
 * The checks of a debug build: each thread keeps the list of the locks it
 * holds, in no particular order of release (jemalloc's witness.c does the
 * same).  Only the list is consulted, so an inversion is found on the first
 * run of a code path, not on the first unlucky schedule.
 */
#ifdef COFFER_DEBUG_LOCKS

#define HELD_MAX 64

struct held {
	const void *lock;
	enum lock_rank rank;
	uint64_t order;
};

static _Thread_local struct held held[HELD_MAX];
static _Thread_local size_t n_held;

static const char *rank_name(enum lock_rank rank)
{
	switch (rank) {
	case LOCK_NONE:
		return "none";
	case LOCK_CUT:
		return "cut";
	case LOCK_SESSION:
		return "session";
	case LOCK_INODE:
		return "inode";
	case LOCK_INDEX:
		return "index";
	case LOCK_STORE:
		return "store";
	case LOCK_LEAF:
		return "leaf";
	}
	return "unknown";
}

static _Noreturn void die(const char *what, const struct held *wanted,
			  const struct held *standing)
{
	fprintf(stderr, "coffer: lock %s: %s/%llu", what,
		rank_name(wanted->rank), (unsigned long long)wanted->order);
	if (standing)
		fprintf(stderr, " while holding %s/%llu",
			rank_name(standing->rank),
			(unsigned long long)standing->order);
	fputc('\n', stderr);
	abort();
}

static bool may_follow(const struct held *standing, const struct held *wanted)
{
	if (wanted->rank != standing->rank)
		return wanted->rank > standing->rank;
	return wanted->rank == LOCK_INODE && wanted->order > standing->order;
}

static void check_order(const void *lock, enum lock_rank rank, uint64_t order)
{
	const struct held wanted = { lock, rank, order };

	for (size_t i = 0; i < n_held; i++) {
		if (held[i].lock == lock)
			die("taken twice", &wanted, NULL);
		if (!may_follow(&held[i], &wanted))
			die("order inverted", &wanted, &held[i]);
	}
}

static void note_taken(const void *lock, enum lock_rank rank, uint64_t order)
{
	const struct held taken = { lock, rank, order };

	if (n_held == HELD_MAX)
		die("list full", &taken, NULL);
	held[n_held++] = taken;
}

static void note_dropped(const void *lock, enum lock_rank rank, uint64_t order)
{
	const struct held dropped = { lock, rank, order };

	for (size_t i = n_held; i-- > 0;)
		if (held[i].lock == lock) {
			held[i] = held[--n_held];
			return;
		}
	die("not held", &dropped, NULL);
}

bool lock_any_held(void)
{
	return n_held > 0;
}

#define MUTEX_TYPE PTHREAD_MUTEX_ERRORCHECK

#else

static void check_order(const void *lock, enum lock_rank rank, uint64_t order)
{
	(void)lock;
	(void)rank;
	(void)order;
}

static void note_taken(const void *lock, enum lock_rank rank, uint64_t order)
{
	(void)lock;
	(void)rank;
	(void)order;
}

static void note_dropped(const void *lock, enum lock_rank rank, uint64_t order)
{
	(void)lock;
	(void)rank;
	(void)order;
}

bool lock_any_held(void)
{
	return false;
}

#define MUTEX_TYPE PTHREAD_MUTEX_DEFAULT

#endif

/* The functions of pthread fail here for nothing but a misuse of a lock or
 * want of memory at start; to go on would be to go on without mutual
 * exclusion. */
static void must(int r)
{
	assert(r == 0);
	(void)r;
}

static void check_rank(enum lock_rank rank)
{
	assert(rank > LOCK_NONE && rank <= LOCK_LEAF);
	(void)rank;
}

void lock_init(struct lock *l, enum lock_rank rank, uint64_t order)
{
	pthread_mutexattr_t attr;

	check_rank(rank);
	l->rank = rank;
	l->order = order;
	must(pthread_mutexattr_init(&attr));
	must(pthread_mutexattr_settype(&attr, MUTEX_TYPE));
	must(pthread_mutex_init(&l->mutex, &attr));
	must(pthread_mutexattr_destroy(&attr));
}

void lock_release(struct lock *l)
{
	must(pthread_mutex_destroy(&l->mutex));
}

void lock_take(struct lock *l) LOCK_ATTR_(no_thread_safety_analysis)
{
	check_order(l, l->rank, l->order);
	must(pthread_mutex_lock(&l->mutex));
	note_taken(l, l->rank, l->order);
}

/* Trying cannot deadlock, so the order is not checked; what is taken after
 * it is. */
bool lock_try(struct lock *l) LOCK_ATTR_(no_thread_safety_analysis)
{
	int r = pthread_mutex_trylock(&l->mutex);

	if (r == EBUSY)
		return false;
	must(r);
	note_taken(l, l->rank, l->order);
	return true;
}

void lock_drop(struct lock *l) LOCK_ATTR_(no_thread_safety_analysis)
{
	note_dropped(l, l->rank, l->order);
	must(pthread_mutex_unlock(&l->mutex));
}

void rwlock_init(struct rwlock *l, enum lock_rank rank)
{
	pthread_rwlockattr_t attr;

	check_rank(rank);
	l->rank = rank;
	must(pthread_rwlockattr_init(&attr));
#ifdef __GLIBC__
	/* The kind that really prefers writers: PREFER_WRITER_NP does not
	 * (pthread_rwlockattr_setkind_np(3), Bugs).  Elsewhere the libc's
	 * own policy stands. */
	must(pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
#endif
	must(pthread_rwlock_init(&l->rwlock, &attr));
	must(pthread_rwlockattr_destroy(&attr));
}

void rwlock_release(struct rwlock *l)
{
	must(pthread_rwlock_destroy(&l->rwlock));
}

void rwlock_take_shared(struct rwlock *l) LOCK_ATTR_(no_thread_safety_analysis)
{
	int r;

	check_order(l, l->rank, 0);
	do
		r = pthread_rwlock_rdlock(&l->rwlock);
	while (r == EAGAIN); /* the count of readers is at its maximum */
	must(r);
	note_taken(l, l->rank, 0);
}

void rwlock_drop_shared(struct rwlock *l) LOCK_ATTR_(no_thread_safety_analysis)
{
	note_dropped(l, l->rank, 0);
	must(pthread_rwlock_unlock(&l->rwlock));
}

void rwlock_take(struct rwlock *l) LOCK_ATTR_(no_thread_safety_analysis)
{
	check_order(l, l->rank, 0);
	must(pthread_rwlock_wrlock(&l->rwlock));
	note_taken(l, l->rank, 0);
}

void rwlock_drop(struct rwlock *l) LOCK_ATTR_(no_thread_safety_analysis)
{
	note_dropped(l, l->rank, 0);
	must(pthread_rwlock_unlock(&l->rwlock));
}

void cond_init(struct cond *c)
{
	pthread_condattr_t attr;

	must(pthread_condattr_init(&attr));
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	must(pthread_cond_init(&c->cond, &attr));
	must(pthread_condattr_destroy(&attr));
}

void cond_release(struct cond *c)
{
	must(pthread_cond_destroy(&c->cond));
}

/* Waking up takes the lock again, beside whatever else is held: so the order
 * is checked as for taking it, before the wait rather than after. */
static void note_waiting(const struct lock *l)
{
	note_dropped(l, l->rank, l->order);
	check_order(l, l->rank, l->order);
}

void cond_wait(struct cond *c, struct lock *l)
{
	note_waiting(l);
	must(pthread_cond_wait(&c->cond, &l->mutex));
	note_taken(l, l->rank, l->order);
}

bool cond_wait_until(struct cond *c, struct lock *l, uint64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S),
	};
	int r;

	note_waiting(l);
	r = pthread_cond_timedwait(&c->cond, &l->mutex, &until);
	note_taken(l, l->rank, l->order);
	if (r == ETIMEDOUT)
		return false;
	must(r);
	return true;
}

void cond_signal(struct cond *c)
{
	must(pthread_cond_signal(&c->cond));
}

void cond_broadcast(struct cond *c)
{
	must(pthread_cond_broadcast(&c->cond));
}
