/* SPDX-License-Identifier: ISC */
#include "cli/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"
#include "cli/exit.h"
#include "cli/signals.h"

/* What the child's end means to the user. */
static int wait_for_child(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return fail_err(-errno, "cannot wait for the daemon");
	}
	if (WIFSIGNALED(status))
		return fail_code(EXIT_FAILED,
				 "the daemon was ended by signal %d before it "
				 "was ready",
				 WTERMSIG(status));
	return WEXITSTATUS(status);
}

static int watch_child(int fd, pid_t pid)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? EXIT_DONE : wait_for_child(pid);
}

int daemon_start(bool foreground, struct daemon *ret, int *ret_code)
{
	int fds[2];
	pid_t pid;

	*ret = (struct daemon)DAEMON_INIT;
	if (foreground)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
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
		ret->pipe_fd = fds[1];
		return 0;
	}
	close(fds[1]);
	signals_pass_to(pid);
	*ret_code = watch_child(fds[0], pid);
	close(fds[0]);
	return 1;
}

/* sd_notify(3), section Notes: a datagram to the socket of NOTIFY_SOCKET. */
static void tell_systemd(int fd)
{
	static const char ready[] = "READY=1";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	if (len < 2 || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	/* An abstract name begins with a NUL. */
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	len += offsetof(struct sockaddr_un, sun_path);
	(void)!sendto(fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL,
		      (struct sockaddr *)&address, (socklen_t)len);
}

static void leave_terminal(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	(void)!chdir("/");
	if (fd < 0)
		return;
	fflush(stdout);
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		(void)!dup2(fd, i);
	if (fd > STDERR_FILENO)
		close(fd);
}

void daemon_detach(struct daemon *d)
{
	if (d->pipe_fd >= 0) {
		diag_use_syslog(true);
		leave_terminal();
	} else if (getenv("NOTIFY_SOCKET")) {
		d->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
}

void daemon_ready(struct daemon *d)
{
	static const char byte = 1;

	if (d->notify_fd >= 0) {
		tell_systemd(d->notify_fd);
		close(d->notify_fd);
		d->notify_fd = -1;
	}
	if (d->pipe_fd < 0)
		return;
	(void)!write(d->pipe_fd, &byte, 1);
	close(d->pipe_fd);
	d->pipe_fd = -1;
}
