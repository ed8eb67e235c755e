/* SPDX-License-Identifier: ISC */
/* What a process may still do behind the daemon's filter, in children. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "cli/sandbox.h"

#define SKIPPED 77

/* In a child behind the filter: the status it ends with. */
static int behind(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(sandbox_enter() < 0 ? 99 : fn());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "ended by signal %d",
		      WTERMSIG(status));
	return WEXITSTATUS(status);
}

static bool refused(long r)
{
	return r == -1 && errno == EPERM;
}

/* ---------------------------------------------------------------- refused */

static int start_program(void)
{
	char *argv[] = { (char[]){ "true" }, NULL };
	char *envp[] = { NULL };

	if (!refused(execve("/bin/true", argv, envp)))
		return 1;
	return refused(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, envp,
			       0)) ?
		       0 : 2;
}

static int make_sockets(void)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6,
					AF_NETLINK };
	int fds[2];

	for (size_t i = 0; i < array_len(families); i++)
		if (!refused(socket(families[i], SOCK_DGRAM, 0)))
			return 1;
	return refused(socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) ? 0 : 2;
}

static int look_at_others(void)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { &byte, 1 };

	if (!refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)))
		return 1;
	if (!refused(process_vm_readv(getppid(), &here, 1, &there, 1, 0)))
		return 2;
	if (!refused(kill(getppid(), 0)))
		return 3;
	if (!refused(syscall(SYS_tgkill, getppid(), getppid(), 0)))
		return 4;
	return refused(syscall(SYS_pidfd_open, getppid(), 0)) ? 0 : 5;
}

static int change_the_machine(void)
{
	if (!refused(mount("none", "/", "tmpfs", 0, NULL)))
		return 1;
	if (!refused(chroot("/")))
		return 2;
	if (!refused(setuid(0)))
		return 3;
	if (!refused(syscall(SYS_bpf, 0, NULL, 0)))
		return 4;
	if (!refused(syscall(SYS_init_module, NULL, 0, "")))
		return 5;
	return refused(syscall(SYS_unshare, 0)) ? 0 : 6;
}

static int make_memory_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	if (!refused(mprotect(p, 4096, PROT_READ | PROT_EXEC)))
		return 2;
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	return p == MAP_FAILED && errno == EPERM ? 0 : 3;
}

START_TEST(no_program_is_started)
{
	ck_assert_int_eq(behind(start_program), 0);
}
END_TEST

START_TEST(no_socket_is_made)
{
	ck_assert_int_eq(behind(make_sockets), 0);
}
END_TEST

START_TEST(other_processes_are_out_of_reach)
{
	ck_assert_int_eq(behind(look_at_others), 0);
}
END_TEST

START_TEST(the_machine_is_not_changed)
{
	ck_assert_int_eq(behind(change_the_machine), 0);
}
END_TEST

START_TEST(no_memory_becomes_executable)
{
	ck_assert_int_eq(behind(make_memory_executable), 0);
}
END_TEST

/* ---------------------------------------------------------------- allowed */

static void *read_a_file(void *arg)
{
	char byte;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, &byte, 1) == 1 && close(fd) == 0)
		*(int *)arg = 0;
	return NULL;
}

static int work(void)
{
	struct rlimit limit;
	int result = 1, fds[2];
	pthread_t thread;
	char bytes[16];

	/* Also of a thread made afterwards. */
	if (pthread_create(&thread, NULL, read_a_file, &result) != 0 ||
	    pthread_join(thread, NULL) != 0 || result != 0)
		return 1;
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return 2;
	if (pipe2(fds, O_CLOEXEC) < 0 || write(fds[1], bytes, 1) != 1)
		return 3;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 4;
	if (mkdirat(AT_FDCWD, "/proc/none", 0700) == 0 || errno == EPERM)
		return 5;
	return raise(SIGWINCH) == 0 ? 0 : 6;
}

static pthread_barrier_t entered;

static void *try_socket(void *arg)
{
	pthread_barrier_wait(&entered);
	*(int *)arg = refused(socket(AF_INET, SOCK_STREAM, 0)) ? 0 : 1;
	return NULL;
}

/* A thread that was there before. */
static int enter_with_threads(void)
{
	int result = 2;
	pthread_t thread;

	pthread_barrier_init(&entered, NULL, 2);
	if (pthread_create(&thread, NULL, try_socket, &result) != 0 ||
	    sandbox_enter() < 0)
		return 3;
	pthread_barrier_wait(&entered);
	pthread_join(thread, NULL);
	return result;
}

START_TEST(what_the_daemon_does_goes_on)
{
	ck_assert_int_eq(behind(work), 0);
}
END_TEST

START_TEST(threads_there_already_are_held_too)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(enter_with_threads());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(void)
{
	SRunner *sr;
	Suite *s;
	TCase *tc;
	int n_failed;

	if (!sandbox_is_supported()) {
		puts("there is no filter in this build");
		return SKIPPED;
	}
	s = suite_create("sandbox");
	tc = tcase_create("behind the filter");
	tcase_add_test(tc, no_program_is_started);
	tcase_add_test(tc, no_socket_is_made);
	tcase_add_test(tc, other_processes_are_out_of_reach);
	tcase_add_test(tc, the_machine_is_not_changed);
	tcase_add_test(tc, no_memory_becomes_executable);
	tcase_add_test(tc, what_the_daemon_does_goes_on);
	tcase_add_test(tc, threads_there_already_are_held_too);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
