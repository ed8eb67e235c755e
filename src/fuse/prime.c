/* SPDX-License-Identifier: ISC */
#include "fuse/prime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"

static void open_and_close(const char *path, int flags)
{
	int fd = open(path, flags | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		diag_err(DIAG_DEBUG, -errno, "priming the kernel");
	else
		close(fd);
}

void prime(struct session *s)
{
	auto_free char *path = mem_printf("%s/" PRIME_NAME, s->mountpoint);

	if (!path)
		return;
	atomic_store(&s->priming, gettid());
	open_and_close(path, 0);
	atomic_store(&s->priming, 0);
	open_and_close(s->mountpoint, O_DIRECTORY);
}

/* A file of the owner, of which nothing is kept. */
static void fill(const struct session *s, struct stat *ret)
{
	*ret = (struct stat){
		.st_ino = PRIME_INO,
		.st_mode = S_IFREG | 0400,
		.st_nlink = 1,
		.st_uid = s->owner,
	};
}

bool prime_answer_lookup(fuse_req_t req, const char *name)
{
	const struct session *s = fuse_req_userdata(req);
	pid_t who = atomic_load_explicit(&s->priming, memory_order_relaxed);
	struct fuse_entry_param e = { .ino = PRIME_INO };

	if (!who || fuse_req_ctx(req)->pid != who ||
	    strcmp(name, PRIME_NAME) != 0)
		return false;
	fill(s, &e.attr);
	fuse_reply_entry(req, &e);
	return true;
}

bool prime_answer_getattr(fuse_req_t req, fuse_ino_t ino)
{
	struct stat st;

	if (ino != PRIME_INO)
		return false;
	fill(fuse_req_userdata(req), &st);
	fuse_reply_attr(req, &st, 0);
	return true;
}
