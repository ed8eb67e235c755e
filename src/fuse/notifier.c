/* SPDX-License-Identifier: ISC */
#include "fuse/notifier.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/lock.h"
#include "base/mem.h"

/* Names waiting: room for some hundred thousand. */
#define QUEUE_BYTES_MAX ((size_t)32 << 20)
#define PUT_WAIT_NS ((uint64_t)NS_PER_S)
#define END_WAIT_S 5

struct notice {
	struct notice *next;
	uint64_t ino;
	uint16_t name_len;
	char name[]; /* terminated */
};

struct notifier {
	notifier_send_fn *send;
	void *arg;
	pthread_t thread;
	struct cond changed;
	struct lock lock;
	/* Under lock. */
	struct notice *head;
	struct notice **tail;
	size_t bytes;
	bool ending;
};

static size_t notice_bytes(const struct notice *e)
{
	return sizeof(*e) + e->name_len + 1;
}

/* The next one, or NULL at the end. */
static struct notice *take(struct notifier *n)
{
	struct notice *e = NULL;

	lock_take(&n->lock);
	while (!n->head && !n->ending)
		cond_wait(&n->changed, &n->lock);
	if (!n->ending) {
		e = n->head;
		n->head = e->next;
		if (!n->head)
			n->tail = &n->head;
		n->bytes -= notice_bytes(e);
		cond_broadcast(&n->changed);
	}
	lock_drop(&n->lock);
	return e;
}

static void *run(void *arg)
{
	struct notifier *n = arg;
	struct notice *e;

	while ((e = take(n))) {
		n->send(n->arg, e->ino, e->name, e->name_len);
		mem_free(e);
	}
	return NULL;
}

int notifier_new(notifier_send_fn *send, void *arg, struct notifier **ret)
{
	struct notifier *n = mem_zalloc(sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->send = send;
	n->arg = arg;
	n->tail = &n->head;
	lock_init(&n->lock, LOCK_LEAF, 0);
	cond_init(&n->changed);
	r = pthread_create(&n->thread, NULL, run, n);
	if (r != 0) {
		cond_release(&n->changed);
		lock_release(&n->lock);
		mem_free(n);
		return -r;
	}
	*ret = n;
	return 0;
}

/*
 * Waits while the queue is full, but not for ever: whoever puts may be what
 * the kernel's answer depends on in the end.
 */
static void wait_for_room_locked(struct notifier *n)
	LOCK_ATTR_(requires_capability(n->lock));
static void wait_for_room_locked(struct notifier *n)
{
	uint64_t until = clock_mono_ns() + PUT_WAIT_NS;

	lock_drop(&n->lock);
	block_soon();
	lock_take(&n->lock);
	while (n->bytes >= QUEUE_BYTES_MAX && !n->ending &&
	       cond_wait_until(&n->changed, &n->lock, until))
		;
}

int notifier_put(struct notifier *n, uint64_t ino, const void *name,
		 uint16_t name_len)
{
	struct notice *e = mem_alloc(sizeof(*e) + name_len + 1);

	if (!e)
		return -ENOMEM;
	e->next = NULL;
	e->ino = ino;
	e->name_len = name_len;
	if (name_len)
		memcpy(e->name, name, name_len);
	e->name[name_len] = '\0';

	lock_take(&n->lock);
	if (n->bytes >= QUEUE_BYTES_MAX)
		wait_for_room_locked(n);
	*n->tail = e;
	n->tail = &e->next;
	n->bytes += notice_bytes(e);
	cond_broadcast(&n->changed);
	lock_drop(&n->lock);
	return 0;
}

static bool join_in_time(pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_WAIT_S;
	return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

bool notifier_free(struct notifier *n)
{
	struct notice *e;

	if (!n)
		return true;
	lock_take(&n->lock);
	n->ending = true;
	cond_broadcast(&n->changed);
	lock_drop(&n->lock);
	if (!join_in_time(n->thread)) {
		diag(DIAG_WARNING, "the kernel does not answer a notification");
		pthread_detach(n->thread);
		return false;
	}
	while ((e = n->head)) {
		n->head = e->next;
		mem_free(e);
	}
	cond_release(&n->changed);
	lock_release(&n->lock);
	mem_free(n);
	return true;
}
