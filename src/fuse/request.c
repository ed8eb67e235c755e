/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "fuse/init.h"
#include "fuse/peek.h"
#include "fuse/raw.h"
#include "fuse/session_priv.h"

#define SCRATCH_ALIGN ((size_t)4096)

_Thread_local struct request request_now;

/* Does this request mean that somebody uses the mount?  The kernel forgets
 * when it likes, and desktops ask for free space for ever. */
static bool is_use(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_STATFS:
	case FUSE_INIT:
		return false;
	default:
		return true;
	}
}

static void prepare(char *buf, size_t len, size_t cap,
		    const struct fuse_in_header *head)
{
	size_t at = (len + SCRATCH_ALIGN - 1) & ~(SCRATCH_ALIGN - 1);

	request_now.opcode = head->opcode;
	request_now.ino = head->nodeid;
	request_now.kill_privileges = peek_kills_privileges(buf, len);
	request_now.scratch = at < cap ? buf + at : NULL;
	request_now.scratch_bytes = at < cap ? cap - at : 0;
}

static void dispatch(struct session *s, const struct fuse_in_header *head,
		     void *buf, size_t len)
{
	struct fuse_buf fb = { .mem = buf, .size = len };

	if (head->opcode == FUSE_INIT)
		s->init_add = init_missing(peek_init_flags(buf, len));
	if (!raw_answer(s, head, buf, len))
		fuse_session_process_buf(s->se, &fb);
	/* libfuse found nothing to agree on, and said why. */
	if (head->opcode == FUSE_INIT && fuse_session_exited(s->se))
		loop_stop(s->loop);
}

void request_process(void *arg, void *buf, size_t len, size_t cap)
{
	struct session *s = arg;
	struct fuse_in_header head;
	uint64_t start = clock_mono_ns();

	/* The kernel sends whole headers. */
	if (len < sizeof(head))
		return;
	memcpy(&head, buf, sizeof(head));
	request_counters_begin(&s->counters);
	prepare(buf, len, cap, &head);
	dispatch(s, &head, buf, len);
	request_counters_add(&s->counters, head.opcode,
			     clock_mono_ns() - start);
	if (is_use(head.opcode))
		atomic_fetch_add_explicit(&s->n_used, 1, memory_order_relaxed);
}

/* After the reply to INIT: the other threads have seen nothing before it, and
 * learn of its results through the queue of the device. */
static void note_init(struct session *s)
{
	const uint64_t one = 1;

	atomic_store(&s->init_done, true);
	(void)!write(s->init_fd, &one, sizeof(one));
}

/*
 * libfuse prints what it does not expect, but for ENOENT: the asker is gone.
 * An unmounted device is expected too, and of a notification anything (the
 * kernel does not know the name, or it is no directory ...).
 */
static void hide_error(const struct iovec *iov)
{
	struct fuse_out_header head;

	memcpy(&head, iov[0].iov_base, sizeof(head));
	if (head.unique && errno != ENOENT && errno != ENODEV &&
	    errno != ENOTCONN)
		diag_err(DIAG_ERROR, -errno, "%s was not answered",
			 request_kind_name(request_now.opcode));
	errno = ENOENT;
}

static ssize_t write_device(int fd, struct iovec *iov, int count,
			    void *userdata)
{
	struct session *s = userdata;
	bool init =
		!atomic_load_explicit(&s->init_done, memory_order_relaxed) &&
		init_patch_reply(iov, count, s->init_add, &s->init_flags);
	ssize_t n = writev(fd, iov, count);

	if (n >= 0 && init)
		note_init(s);
	if (n < 0)
		hide_error(iov);
	return n;
}

/* libfuse wants one; the loop reads the device itself. */
static ssize_t read_device(int fd, void *buf, size_t cap, void *userdata)
{
	(void)userdata;
	return read(fd, buf, cap);
}

const struct fuse_custom_io request_io = {
	.writev = write_device,
	.read = read_device,
};
