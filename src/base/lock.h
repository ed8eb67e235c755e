/* SPDX-License-Identifier: ISC */
/*
 * Mutexes, read-write locks and conditions that know their rank.
 *
 * The ranks are the lock order, written once: a thread may only take a lock of
 * a higher rank number than any it holds; equal ranks only for LOCK_INODE, by
 * ascending `order` (the inode number).  With --enable-debug-locks an
 * inversion aborts.  Locks are taken and released explicitly, never by the
 * cleanup attribute.
 */
#ifndef COFFER_BASE_LOCK_H
#define COFFER_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum lock_rank {
	LOCK_NONE,
	LOCK_CUT,	  /* one cut, publish or receive at a time */
	LOCK_SESSION,	  /* session gate: shared for calls, exclusive for cuts */
	LOCK_INODE,	  /* one inode's dirty map and content */
	LOCK_INDEX,	  /* index, nodes and operation buffer */
	LOCK_STORE,	  /* packs being filled, stage append */
	LOCK_LEAF,	  /* queues, budget, statistics: nothing inside */
};

#if defined(__clang__)
#define LOCK_ATTR_(x) __attribute__((x))
#else
#define LOCK_ATTR_(x)
#endif

struct LOCK_ATTR_(capability("mutex")) lock {
	pthread_mutex_t mutex;
	enum lock_rank rank;
	uint64_t order;
};

struct LOCK_ATTR_(capability("mutex")) rwlock {
	pthread_rwlock_t rwlock; /* prefers writers */
	enum lock_rank rank;
};

struct cond {
	pthread_cond_t cond; /* CLOCK_MONOTONIC */
};

void lock_init(struct lock *l, enum lock_rank rank, uint64_t order);
void lock_release(struct lock *l);
void lock_take(struct lock *l) LOCK_ATTR_(acquire_capability(*l));
bool lock_try(struct lock *l) LOCK_ATTR_(try_acquire_capability(true, *l));
void lock_drop(struct lock *l) LOCK_ATTR_(release_capability(*l));

void rwlock_init(struct rwlock *l, enum lock_rank rank);
void rwlock_release(struct rwlock *l);
void rwlock_take_shared(struct rwlock *l)
	LOCK_ATTR_(acquire_shared_capability(*l));
void rwlock_drop_shared(struct rwlock *l)
	LOCK_ATTR_(release_shared_capability(*l));
void rwlock_take(struct rwlock *l) LOCK_ATTR_(acquire_capability(*l));
void rwlock_drop(struct rwlock *l) LOCK_ATTR_(release_capability(*l));

void cond_init(struct cond *c);
void cond_release(struct cond *c);
void cond_wait(struct cond *c, struct lock *l)
	LOCK_ATTR_(requires_capability(*l));
/* Until a CLOCK_MONOTONIC time in nanoseconds; false when it has passed. */
bool cond_wait_until(struct cond *c, struct lock *l, uint64_t until_ns)
	LOCK_ATTR_(requires_capability(*l));
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

/* Does this thread hold any lock?  Always false without debug locks. */
bool lock_any_held(void);

#endif
