/* SPDX-License-Identifier: ISC */
#include "cli/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/exit.h"

static const int watched[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static volatile sig_atomic_t mode;
static volatile sig_atomic_t noted;
static volatile sig_atomic_t receiver;

static void abort_now(void)
{
	static const char line[] = "coffer: interrupted; nothing lost\n";

	(void)!write(STDERR_FILENO, line, sizeof(line) - 1);
	_exit(EXIT_INTERRUPTED);
}

static void handle(int number)
{
	int saved = errno;

	switch (mode) {
	case SIGNALS_ABORT:
		abort_now();
		break;
	case SIGNALS_NOTE:
		if (noted)
			abort_now();
		noted = 1;
		break;
	default:
		if (receiver > 0 && number != SIGINT && number != SIGQUIT)
			kill((pid_t)receiver, number);
		break;
	}
	errno = saved;
}

void signals_start(void)
{
	struct sigaction action = { .sa_handler = handle }, before;

	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < array_len(watched); i++) {
		/* nohup(1), and jobs a shell starts with `&'. */
		if (sigaction(watched[i], NULL, &before) == 0 &&
		    before.sa_handler != SIG_IGN)
			sigaction(watched[i], &action, NULL);
	}
	/* Of sockets and pipes: told by EPIPE where it matters. */
	action.sa_handler = SIG_DFL;
	sigaction(SIGPIPE, &action, NULL);
}

enum signals_mode signals_set(enum signals_mode to)
{
	enum signals_mode before = (enum signals_mode)mode;

	noted = 0;
	mode = (sig_atomic_t)to;
	return before;
}

bool signals_noted(void)
{
	return noted;
}

int signals_wait_readable(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };
	sigset_t before;
	int n, err = 0;

	/* Held back, so that none comes between the question and the wait. */
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	signals_block();
	do {
		if (noted)
			err = -EINTR;
		n = err ? 0 : ppoll(&one, 1, NULL, &before);
		if (n < 0 && errno != EINTR)
			err = -errno;
	} while (n < 0 && !err);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

void signals_pass_to(pid_t pid)
{
	receiver = (sig_atomic_t)pid;
	signals_set(SIGNALS_PASS);
}

static void mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < array_len(watched); i++)
		sigaddset(&set, watched[i]);
	pthread_sigmask(how, &set, NULL);
}

void signals_block(void)
{
	mask(SIG_BLOCK);
}

void signals_unblock(void)
{
	mask(SIG_UNBLOCK);
}
