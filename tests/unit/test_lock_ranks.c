/* SPDX-License-Identifier: ISC */
/* Built with COFFER_DEBUG_LOCKS, whatever configure was told. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "base/clock.h"
#include "base/lock.h"

/* Wrong orders are what is tested here. */
#define UNCHECKED LOCK_ATTR_(no_thread_safety_analysis)

static struct lock inode_1, inode_2, index_lock, leaf, other_leaf;
static struct rwlock session;
static struct cond cond;

static void set_up(void)
{
	lock_init(&inode_1, LOCK_INODE, 1);
	lock_init(&inode_2, LOCK_INODE, 2);
	lock_init(&index_lock, LOCK_INDEX, 0);
	lock_init(&leaf, LOCK_LEAF, 0);
	lock_init(&other_leaf, LOCK_LEAF, 1);
	rwlock_init(&session, LOCK_SESSION);
	cond_init(&cond);
}

static void order_kept(void) UNCHECKED
{
	rwlock_take_shared(&session);
	lock_take(&inode_1);
	lock_take(&inode_2);
	lock_take(&index_lock);
	lock_take(&leaf);
	lock_drop(&inode_1); /* in any order */
	lock_drop(&leaf);
	lock_take(&leaf);
	lock_drop(&leaf);
	lock_drop(&index_lock);
	lock_drop(&inode_2);
	rwlock_drop_shared(&session);
	rwlock_take(&session);
	rwlock_drop(&session);
}

static void try_against_order(void) UNCHECKED
{
	lock_take(&leaf);
	if (!lock_try(&index_lock))
		_exit(EXIT_FAILURE);
	lock_drop(&index_lock);
	lock_drop(&leaf);
}

static void try_what_is_held(void) UNCHECKED
{
	lock_take(&leaf);
	if (lock_try(&leaf))
		_exit(EXIT_FAILURE);
	lock_drop(&leaf);
}

static void wait_with_lower_held(void) UNCHECKED
{
	lock_take(&inode_1);
	lock_take(&leaf);
	if (cond_wait_until(&cond, &leaf, clock_mono_ns()))
		_exit(EXIT_FAILURE);
	lock_drop(&leaf);
	lock_drop(&inode_1);
}

static void held_is_told(void) UNCHECKED
{
	if (lock_any_held())
		_exit(EXIT_FAILURE);
	rwlock_take_shared(&session);
	if (!lock_any_held())
		_exit(EXIT_FAILURE);
	rwlock_drop_shared(&session);
	if (lock_any_held())
		_exit(EXIT_FAILURE);
}

static void lower_rank(void) UNCHECKED
{
	lock_take(&index_lock);
	lock_take(&inode_1);
}

static void lower_rank_shared(void) UNCHECKED
{
	lock_take(&inode_1);
	rwlock_take_shared(&session);
}

static void lower_rank_exclusive(void) UNCHECKED
{
	lock_take(&inode_1);
	rwlock_take(&session);
}

static void descending_inodes(void) UNCHECKED
{
	lock_take(&inode_2);
	lock_take(&inode_1);
}

static void equal_leaves(void) UNCHECKED
{
	lock_take(&leaf);
	lock_take(&other_leaf);
}

static void twice(void) UNCHECKED
{
	lock_take(&leaf);
	lock_take(&leaf);
}

static void shared_twice(void) UNCHECKED
{
	rwlock_take_shared(&session);
	rwlock_take_shared(&session);
}

static void after_a_try(void) UNCHECKED
{
	lock_take(&leaf);
	(void)lock_try(&inode_1);
	lock_take(&index_lock);
}

static void drop_unheld(void) UNCHECKED
{
	lock_drop(&leaf);
}

static void wait_unheld(void) UNCHECKED
{
	cond_wait(&cond, &leaf);
}

static void wait_below_held(void) UNCHECKED
{
	lock_take(&index_lock);
	lock_take(&leaf);
	cond_wait(&cond, &index_lock);
}

struct scenario {
	void (*run)(void);
	const char *line; /* on stderr before an abort; NULL: it just ends */
};

#define DIES(what) "coffer: lock " what "\n"

static const struct scenario scenarios[] = {
	{ order_kept, NULL },
	{ try_against_order, NULL },
	{ try_what_is_held, NULL },
	{ wait_with_lower_held, NULL },
	{ held_is_told, NULL },
	{ lower_rank, DIES("order inverted: inode/1 while holding index/0") },
	{ lower_rank_shared,
	  DIES("order inverted: session/0 while holding inode/1") },
	{ lower_rank_exclusive,
	  DIES("order inverted: session/0 while holding inode/1") },
	{ descending_inodes,
	  DIES("order inverted: inode/1 while holding inode/2") },
	{ equal_leaves, DIES("order inverted: leaf/1 while holding leaf/0") },
	{ twice, DIES("taken twice: leaf/0") },
	{ shared_twice, DIES("taken twice: session/0") },
	{ after_a_try, DIES("order inverted: index/0 while holding leaf/0") },
	{ drop_unheld, DIES("not held: leaf/0") },
	{ wait_unheld, DIES("not held: leaf/0") },
	{ wait_below_held,
	  DIES("order inverted: index/0 while holding leaf/0") },
};

static void in_child(const struct scenario *s, int stderr_fd)
{
	if (dup2(stderr_fd, STDERR_FILENO) < 0)
		_exit(EXIT_FAILURE);
	alarm(20);
	s->run();
	_exit(EXIT_SUCCESS);
}

/* In a process of its own under every setting of CK_FORK. */
START_TEST(test_lock_ranks)
{
	const struct scenario *s = &scenarios[_i];
	char line[256] = "";
	size_t len = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		in_child(s, fds[1]);
	ck_assert_int_gt(pid, 0);
	close(fds[1]);
	while ((n = read(fds[0], line + len, sizeof(line) - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (s->line) {
		ck_assert(WIFSIGNALED(status));
		ck_assert_int_eq(WTERMSIG(status), SIGABRT);
		ck_assert_str_eq(line, s->line);
	} else {
		ck_assert_str_eq(line, "");
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), EXIT_SUCCESS);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lock_ranks");
	TCase *tc = tcase_create("lock_ranks");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_loop_test(tc, test_lock_ranks, 0,
			    (int)(sizeof(scenarios) / sizeof(scenarios[0])));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
