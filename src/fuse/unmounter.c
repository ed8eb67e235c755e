/* SPDX-License-Identifier: ISC */
#include "fuse/unmounter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "fuse/mountpoint.h"

static struct {
	int fd; /* to the process */
	pid_t pid; /* 0: there is none */
} helper = { .fd = -1 };

/* A request is a byte, whether to detach, and the path; an answer an int. */
struct request {
	char detach;
	char path[PATH_MAX];
};

static ssize_t retry(ssize_t n, bool *again)
{
	*again = n < 0 && errno == EINTR;
	return n;
}

/* ---------------------------------------------------------------- the process */

/* The daemon's terminal, its parent's pipe, the caller's descriptors. */
static void let_go(int keep)
{
	int null = open("/dev/null", O_RDWR);

	for (int i = STDIN_FILENO; null >= 0 && i <= STDERR_FILENO; i++)
		(void)!dup2(null, i);
	if (keep != STDERR_FILENO + 1)
		(void)!dup2(keep, STDERR_FILENO + 1);
	/* glibc has it since 2.34, the kernel since 5.9. */
	(void)!syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0U);
}

static _Noreturn void serve(int fd)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	static const struct sigaction ignore = { .sa_handler = SIG_IGN };
	static struct request ask;
	bool again;

	/* Meant for the daemon, which ends in order and needs us for it. */
	for (size_t i = 0; i < array_len(ignored); i++)
		sigaction(ignored[i], &ignore, NULL);
	setsid();
	(void)!chdir("/");
	let_go(fd);
	fd = STDERR_FILENO + 1;
	for (;;) {
		ssize_t n = retry(recv(fd, &ask, sizeof(ask), 0), &again);
		int r;

		if (again)
			continue;
		if (n < 2 || ask.path[n - 2] != '\0')
			_exit(0);
		r = mountpoint_unmount(ask.path, ask.detach);
		(void)!send(fd, &r, sizeof(r), MSG_NOSIGNAL);
	}
}

static void take_another_name(char *const *words, int n_words)
{
	for (int i = 0; i < n_words; i++)
		memset(words[i], 0, strlen(words[i]));
	(void)prctl(PR_SET_NAME, "coffer-umount", 0UL, 0UL, 0UL);
}

int unmounter_start(char *const *words, int n_words)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int err = errno;

		close(fds[0]);
		close(fds[1]);
		return -err;
	}
	if (pid == 0) {
		close(fds[0]);
		take_another_name(words, n_words);
		serve(fds[1]);
	}
	close(fds[1]);
	helper.fd = fds[0];
	helper.pid = pid;
	return 0;
}

/* ---------------------------------------------------------------- asking */

int unmounter_ask(const char *path, bool detach, int *ret)
{
	struct request ask = { .detach = detach };
	size_t len = strlen(path);
	bool again;
	ssize_t n;
	int r;

	if (helper.pid == 0)
		return 0;
	if (len >= sizeof(ask.path))
		return -ENAMETOOLONG;
	memcpy(ask.path, path, len + 1);
	do
		n = retry(send(helper.fd, &ask, len + 2, MSG_NOSIGNAL), &again);
	while (again);
	if (n < 0)
		return -errno;
	do
		n = retry(recv(helper.fd, &r, sizeof(r), 0), &again);
	while (again);
	if (n != sizeof(r))
		return n < 0 ? -errno : -ESRCH;
	*ret = r;
	return 1;
}

void unmounter_stop(void)
{
	int status;

	if (helper.pid == 0)
		return;
	close(helper.fd);
	helper.fd = -1;
	while (waitpid(helper.pid, &status, 0) < 0 && errno == EINTR)
		;
	helper.pid = 0;
}
