/* SPDX-License-Identifier: ISC */
/* session_run: the thread that watches over the others. */
#include <errno.h>
#include <inttypes.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "fuse/mountpoint.h"
#include "fuse/prime.h"
#include "fuse/session_priv.h"

#define READ_AHEAD_KIB 1024

struct watch {
	struct session *s;
	int signal_fd;
	enum session_end end;
	bool ending; /* unmounted or detached: waiting for the last user */
	uint64_t end_ns;
	/* For the idle time. */
	uint64_t n_used;
	uint64_t used_ns;
};

static void send_notice(void *arg, uint64_t ino, const char *name,
			uint16_t name_len)
{
	struct session *s = arg;

	/* The kernel answers ENOENT for what it does not know. */
	if (name_len)
		fuse_lowlevel_notify_inval_entry(s->se, ino, name, name_len);
	/* Of a directory: its times, and the listing the kernel keeps. */
	fuse_lowlevel_notify_inval_inode(s->se, ino, 0, 0);
}

/* vault_changed_fn.  Names of a directory the kernel does not know are not
 * known to it either. */
static void vault_changed(void *arg, uint64_t ino, const uint8_t *name,
			  uint16_t name_len)
{
	struct session *s = arg;

	/* Before the table is asked: see reply_recheck. */
	atomic_fetch_add(&s->n_changes, 1);
	if (ino != VAULT_ROOT_INO && !inode_table_knows(s->inodes, ino))
		return;
	if (!name_len)
		inode_table_mark(s->inodes, ino, INODE_STALE);
	if (notifier_put(s->notifier, ino, name, name_len) < 0)
		diag(DIAG_WARNING, "the kernel's copy of a file is stale");
}

/* A descriptor to read the signals from, with the old mask in *ret_old. */
static int block_signals(sigset_t *ret_old)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, ret_old);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0) {
		int err = errno;

		pthread_sigmask(SIG_SETMASK, ret_old, NULL);
		return -err;
	}
	return fd;
}

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

static void describe(struct session *s)
{
	uint32_t f = s->init_flags;

	char *text = mem_printf(
		"names and attributes kept %.0f s, permissions by the %s, OPEN "
		"%s, FLUSH %s, writeback cache %s, parallel directory "
		"operations %s, privileges dropped by %s, READDIRPLUS %s",
		s->how.timeout_s, s->how.check_access ? "daemon" : "kernel",
		s->how.answer_open ? "answered" : "skipped",
		s->how.answer_flush ? "answered" : "skipped",
		yes_no(f & FUSE_WRITEBACK_CACHE),
		yes_no(f & FUSE_PARALLEL_DIROPS),
		f & FUSE_HANDLE_KILLPRIV_V2 ? "the daemon" : "the kernel",
		yes_no(f & FUSE_DO_READDIRPLUS));

	atomic_store(&s->features, text);
}

/* INIT was answered: the mount works. */
static void become_ready(struct session *s)
{
	struct stat st;

	prime(s);
	if (stat(s->mountpoint, &st) == 0) {
		s->dev = st.st_dev;
		mountpoint_set_read_ahead(st.st_dev, READ_AHEAD_KIB);
	}
	describe(s);
	diag(DIAG_INFO, "mounted: %s", session_features(s));
	if (s->ready)
		s->ready(s->ready_arg);
}

/* Takes the mount away if it is ours; `detach`: even if used. */
static int unmount(const struct session *s, bool detach)
{
	dev_t top;
	int r = mountpoint_top(s->mountpoint, &top);

	if (r < 0)
		return r;
	if (r == 0 || (s->dev && top != s->dev))
		return -EINVAL;
	return mountpoint_unmount(s->mountpoint, detach);
}

static void begin_end(struct watch *w, enum session_end why)
{
	int r;

	if (w->ending) {
		/* Asked again: no more patience. */
		loop_stop(w->s->loop);
		return;
	}
	w->end = why;
	w->ending = true;
	w->end_ns = clock_mono_ns() + w->s->linger_s * (uint64_t)NS_PER_S;
	r = unmount(w->s, false);
	if (r == -EBUSY) {
		diag(DIAG_WARNING,
		     "the mount is in use; detached, served on for %u s",
		     w->s->linger_s);
		r = unmount(w->s, true);
	}
	if (r < 0 && r != -EINVAL)
		diag_err(DIAG_WARNING, r, "cannot unmount");
}

static void check_idle(struct watch *w)
{
	struct session *s = w->s;
	uint64_t now = clock_mono_ns();
	uint64_t n = atomic_load_explicit(&s->n_used, memory_order_relaxed);

	if (n != w->n_used) {
		w->n_used = n;
		w->used_ns = now;
	}
	if (w->ending || !s->idle_s ||
	    now - w->used_ns < s->idle_s * (uint64_t)NS_PER_S)
		return;
	/* Used without requests (an open file, a working directory): busy. */
	if (unmount(s, false) == 0) {
		w->end = SESSION_IDLE;
		w->ending = true;
		w->end_ns = now + s->linger_s * (uint64_t)NS_PER_S;
	}
	w->used_ns = now;
}

/* Milliseconds to sleep; -1: until something happens. */
static int patience_ms(const struct watch *w)
{
	uint64_t now = clock_mono_ns();

	if (w->ending)
		return now < w->end_ns
			       ? (int)((w->end_ns - now) / NS_PER_MS) + 1
			       : 0;
	if (!w->s->idle_s)
		return -1;
	/* Looked at often enough to be a quarter late at most. */
	return (int)max_of(min_of(w->s->idle_s, 1U << 20) * 250U, 250U);
}

static void drain_fd(int fd)
{
	char bytes[sizeof(struct signalfd_siginfo)];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

/* Until the loop has ended. */
static void watch(struct watch *w)
{
	enum { STOP, SIGNAL, INIT, END, N_FDS };
	struct session *s = w->s;
	struct pollfd fds[N_FDS] = {
		[STOP] = { .fd = s->stop_fd, .events = POLLIN },
		[SIGNAL] = { .fd = w->signal_fd, .events = POLLIN },
		[INIT] = { .fd = s->init_fd, .events = POLLIN },
		[END] = { .fd = loop_end_fd(s->loop), .events = POLLIN },
	};

	while (!fds[END].revents) {
		int n = poll(fds, N_FDS, patience_ms(w));

		if (n < 0 && errno != EINTR)
			break;
		if (n <= 0) {
			if (w->ending && clock_mono_ns() >= w->end_ns)
				loop_stop(s->loop);
			check_idle(w);
			continue;
		}
		if (fds[INIT].revents) {
			drain_fd(s->init_fd);
			become_ready(s);
		}
		if (fds[STOP].revents) {
			drain_fd(s->stop_fd);
			begin_end(w, SESSION_STOPPED);
		}
		if (fds[SIGNAL].revents) {
			drain_fd(w->signal_fd);
			begin_end(w, SESSION_SIGNALLED);
		}
	}
}

/* The loop has ended, but the kernel may still have askers in line: they are
 * told, or the notifier might wait for one of them. */
static void sever(struct session *s)
{
	if (s->dev)
		mountpoint_abort(s->dev);
}

static int run_loop(struct session *s, int signal_fd, enum session_end *ret_end)
{
	struct watch w = { .s = s,
			   .signal_fd = signal_fd,
			   .end = SESSION_UNMOUNTED,
			   .used_ns = clock_mono_ns() };
	int r = loop_start(s->loop);

	if (r < 0)
		return r;
	watch(&w);
	loop_stop(s->loop);
	r = loop_join(s->loop);
	if (r == 0 && !atomic_load(&s->init_done))
		r = -EPROTO;
	if (r < 0)
		diag_err(DIAG_ERROR, r, "serving the mount");
	else
		*ret_end = w.end;
	sever(s);
	return r;
}

int session_run(struct session *s, enum session_end *ret_end)
{
	sigset_t old;
	int signal_fd = block_signals(&old);
	int r;

	if (signal_fd < 0)
		return signal_fd;
	r = notifier_new(send_notice, s, &s->notifier);
	if (r == 0) {
		vault_set_changed(s->vault, vault_changed, s);
		r = run_loop(s, signal_fd, ret_end);
		vault_set_changed(s->vault, NULL, NULL);
		s->left_behind = !notifier_free(s->notifier);
	}
	close(signal_fd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}
