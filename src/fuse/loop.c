/* SPDX-License-Identifier: ISC */
#include "fuse/loop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "fuse/spin.h"

#define THREADS_MAX 10

struct loop_thread {
	struct loop *loop;
	pthread_t id;
	void *buf;  /* mmap'd, buffer_bytes */
	bool leads; /* this thread alone reads and writes it */
	struct cond woken;
	struct loop_thread *next_idle; /* under the loop's lock */
};

struct loop {
	struct loop_options opts;
	struct loop_thread *threads;
	unsigned n_started;
	int end_fd;

	struct lock lock;
	/* Under lock. */
	struct loop_thread *leader;
	struct loop_thread *idle; /* a stack: the last one's caches are warm */
	int error;

	_Atomic bool ended; /* set under lock, read everywhere */
	struct spin spin;   /* the leader's */
};

unsigned loop_default_threads(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (cores < 1)
		cores = 1;
	return (unsigned)min_of(2 * cores, (long)THREADS_MAX);
}

static int map_buffer(const struct loop *l, void **ret)
{
	size_t bytes = l->opts.buffer_bytes;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	/* It holds what is written, in the clear. */
	if (madvise(p, bytes, MADV_DONTDUMP) < 0) {
		int err = errno;

		munmap(p, bytes);
		return -err;
	}
	if (l->opts.lock_memory)
		(void)!mlock(p, bytes);
	*ret = p;
	return 0;
}

static void threads_release(struct loop *l)
{
	unsigned i;

	for (i = 0; i < l->opts.n_threads; i++) {
		struct loop_thread *t = &l->threads[i];

		if (!t->loop)
			continue;
		mem_wipe(t->buf, l->opts.buffer_bytes);
		munmap(t->buf, l->opts.buffer_bytes);
		cond_release(&t->woken);
	}
	mem_free(l->threads);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	threads_release(l);
	lock_release(&l->lock);
	close(l->end_fd);
	mem_free(l);
}

int loop_new(const struct loop_options *opts, struct loop **ret)
{
	struct loop *l = mem_zalloc(sizeof(*l));
	unsigned i;
	int r;

	if (!l)
		return -ENOMEM;
	l->opts = *opts;
	l->threads = mem_zalloc_array(opts->n_threads, sizeof(*l->threads));
	l->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!l->threads || l->end_fd < 0) {
		r = l->threads ? -errno : -ENOMEM;
		if (l->end_fd >= 0)
			close(l->end_fd);
		mem_free(l->threads);
		mem_free(l);
		return r;
	}
	lock_init(&l->lock, LOCK_LEAF, 0);
	for (i = 0; i < opts->n_threads; i++) {
		struct loop_thread *t = &l->threads[i];

		r = map_buffer(l, &t->buf);
		if (r < 0) {
			loop_free(l);
			return r;
		}
		cond_init(&t->woken);
		t->loop = l;
	}
	*ret = l;
	return 0;
}

static void end_locked(struct loop *l, int error)
{
	const uint64_t one = 1;
	unsigned i;

	if (atomic_load(&l->ended))
		return;
	atomic_store(&l->ended, true);
	l->error = error;
	for (i = 0; i < l->opts.n_threads; i++)
		cond_signal(&l->threads[i].woken);
	/* Wakes the leader, and whoever waits for the end; an eventfd takes
	 * this one write always. */
	(void)!write(l->end_fd, &one, sizeof(one));
}

static void end(struct loop *l, int error)
{
	lock_take(&l->lock);
	end_locked(l, error);
	lock_drop(&l->lock);
}

void loop_stop(struct loop *l)
{
	end(l, 0);
}

int loop_end_fd(const struct loop *l)
{
	return l->end_fd;
}

/* The block hook.  Called again and again: only the first time counts. */
static void hand_over(void *arg)
{
	struct loop_thread *t = arg;
	struct loop *l = t->loop;

	if (!t->leads)
		return;
	t->leads = false;
	lock_take(&l->lock);
	l->leader = l->idle;
	if (l->leader) {
		l->idle = l->leader->next_idle;
		cond_signal(&l->leader->woken);
	}
	lock_drop(&l->lock);
}

/* Waits until t leads; false when the loop has ended. */
static bool follow(struct loop_thread *t)
{
	struct loop *l = t->loop;
	bool ended;

	lock_take(&l->lock);
	if (!l->leader) {
		l->leader = t;
	} else {
		t->next_idle = l->idle;
		l->idle = t;
	}
	while (l->leader != t && !atomic_load(&l->ended))
		cond_wait(&t->woken, &l->lock);
	ended = atomic_load(&l->ended);
	lock_drop(&l->lock);
	t->leads = !ended;
	return !ended;
}

/*
 * One request without waiting: its length; -EAGAIN: none is there; 0: the
 * device is gone; -errno.
 */
static ssize_t receive_now(const struct loop_thread *t)
{
	const struct loop *l = t->loop;

	for (;;) {
		ssize_t n = read(l->opts.fd, t->buf, l->opts.buffer_bytes);

		if (n >= 0)
			return n;
		switch (errno) {
		case EINTR:
		case ENOENT: /* the asker was killed: nothing to answer */
			continue;
		case ENODEV:
		case ECONNABORTED: /* umount -f, or abort in fusectl */
			return 0;
		default:
			return -errno;
		}
	}
}

static ssize_t receive_spinning(struct loop_thread *t)
{
	struct spin *spin = &t->loop->spin;
	uint64_t window = spin_window_ns(spin);
	uint64_t until;
	ssize_t n = -EAGAIN;

	if (!window)
		return n;
	until = clock_mono_ns() + window;
	do {
		sched_yield();
		n = receive_now(t);
	} while (n == -EAGAIN && clock_mono_ns() < until);
	if (n == -EAGAIN)
		spin_found_nothing(spin);
	else
		spin_found(spin);
	return n;
}

/* Sleeps until the device has something or the loop has ended. */
static void sleep_for_request(struct loop *l)
{
	struct pollfd fds[2] = { { .fd = l->opts.fd, .events = POLLIN },
				 { .fd = l->end_fd, .events = POLLIN } };
	uint64_t start = clock_mono_ns();

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	spin_slept(&l->spin, clock_mono_ns() - start);
}

/* As receive_now, but waits; 0 also when the loop has ended. */
static ssize_t receive(struct loop_thread *t)
{
	while (!atomic_load(&t->loop->ended)) {
		ssize_t n = receive_now(t);

		if (n == -EAGAIN)
			n = receive_spinning(t);
		if (n != -EAGAIN)
			return n;
		sleep_for_request(t->loop);
	}
	return 0;
}

static void lead(struct loop_thread *t)
{
	struct loop *l = t->loop;

	while (t->leads) {
		ssize_t n = receive(t);

		if (n <= 0) {
			end(l, (int)n);
			return;
		}
		l->opts.process(l->opts.arg, t->buf, (size_t)n,
				l->opts.buffer_bytes);
	}
}

static void *run_thread(void *arg)
{
	struct loop_thread *t = arg;

	block_set_hook(hand_over, t);
	while (follow(t))
		lead(t);
	block_set_hook(NULL, NULL);
	return NULL;
}

int loop_start(struct loop *l)
{
	int r;

	for (; l->n_started < l->opts.n_threads; l->n_started++) {
		struct loop_thread *t = &l->threads[l->n_started];

		r = pthread_create(&t->id, NULL, run_thread, t);
		if (r != 0) {
			loop_stop(l);
			(void)!loop_join(l);
			return -r;
		}
	}
	return 0;
}

int loop_join(struct loop *l)
{
	for (; l->n_started; l->n_started--)
		pthread_join(l->threads[l->n_started - 1].id, NULL);
	return l->error;
}
