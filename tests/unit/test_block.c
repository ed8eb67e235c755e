/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include <check.h>

#include "base/block.h"
#include "base/env.h"
#include "tempdir.h"

static void count_call(void *arg)
{
	++*(int *)arg;
}

START_TEST(test_block_without_a_hook_does_nothing)
{
	block_soon();
	block_set_hook(NULL, NULL);
	block_soon();
}
END_TEST

START_TEST(test_block_calls_the_hook_each_time)
{
	int calls = 0;

	block_set_hook(count_call, &calls);
	block_soon();
	block_soon();
	ck_assert_int_eq(calls, 2);
	block_set_hook(NULL, NULL);
	block_soon();
	ck_assert_int_eq(calls, 2);
}
END_TEST

static void *block_elsewhere(void *arg)
{
	block_soon();
	return arg;
}

START_TEST(test_block_hook_belongs_to_its_thread)
{
	pthread_t thread;
	int calls = 0;

	block_set_hook(count_call, &calls);
	ck_assert_int_eq(pthread_create(&thread, NULL, block_elsewhere, NULL),
			 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(calls, 0);
	block_set_hook(NULL, NULL);
}
END_TEST

START_TEST(test_block_is_told_by_the_disk_only_where_it_may_block)
{
	struct env *env = env_posix();
	char byte = 'x';
	int calls = 0;
	int fd;

	tempdir_make();
	fd = env->ops->open(env, tempdir_fd(), "file", O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	block_set_hook(count_call, &calls);
	ck_assert_int_eq(env->ops->pwrite(env, fd, "x", 1, 0), 0);
	(void)env->ops->pread_nowait(env, fd, &byte, 1, 0);
	ck_assert_int_eq(calls, 0);
	ck_assert_int_eq(env->ops->pread(env, fd, &byte, 1, 0), 1);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(env->ops->fdatasync(env, fd), 0);
	ck_assert_int_eq(calls, 2);
	ck_assert_int_eq(env->ops->fsync(env, fd), 0);
	ck_assert_int_eq(calls, 3);
	block_set_hook(NULL, NULL);
	ck_assert_int_eq(env_close(env, &fd), 0);
	tempdir_remove();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("block");
	TCase *tc = tcase_create("block");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_block_without_a_hook_does_nothing);
	tcase_add_test(tc, test_block_calls_the_hook_each_time);
	tcase_add_test(tc, test_block_hook_belongs_to_its_thread);
	tcase_add_test(tc,
		       test_block_is_told_by_the_disk_only_where_it_may_block);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
