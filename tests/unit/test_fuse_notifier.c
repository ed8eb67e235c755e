/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/mem.h"
#include "fuse/notifier.h"

#define N_THREADS 3
#define N_EACH 2000

static struct notifier *notifier;
static sem_t sent, go_on;
static _Atomic bool hold_back;
static unsigned n_sent;
static uint64_t last_ino[N_THREADS];
static unsigned n_disorder;
static char last_name[UINT16_MAX + 1];
static uint16_t last_len;

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0)
		;
}

/* Inode numbers: the thread that puts in the high half, counted up in the low
 * one. */
static void send_one(void *arg, uint64_t ino, const char *name,
		     uint16_t name_len)
{
	uint64_t *last = &last_ino[ino >> 32];

	ck_assert_ptr_eq(arg, &notifier);
	if (ino <= *last)
		n_disorder++;
	*last = ino;
	last_len = name_len;
	memcpy(last_name, name, (size_t)name_len + 1);
	n_sent++;
	sem_post(&sent);
	if (hold_back)
		wait_for(&go_on);
}

static void start(void)
{
	n_sent = 0;
	n_disorder = 0;
	memset(last_ino, 0, sizeof(last_ino));
	sem_init(&sent, 0, 0);
	sem_init(&go_on, 0, 0);
	ck_assert_int_eq(notifier_new(send_one, &notifier, &notifier), 0);
}

START_TEST(test_notifier_sends_names_and_inodes)
{
	ck_assert_int_eq(notifier_put(notifier, 1, "nameXX", 4), 0);
	wait_for(&sent);
	ck_assert_uint_eq(last_len, 4);
	ck_assert_str_eq(last_name, "name");
	ck_assert_int_eq(notifier_put(notifier, 2, NULL, 0), 0);
	wait_for(&sent);
	ck_assert_uint_eq(last_len, 0);
	ck_assert_str_eq(last_name, "");
	ck_assert(notifier_free(notifier));
}
END_TEST

static void *put_many(void *arg)
{
	uint64_t me = *(const uint64_t *)arg;
	uint64_t i;

	for (i = 1; i <= N_EACH; i++)
		ck_assert_int_eq(notifier_put(notifier, me << 32 | i, "x", 1),
				 0);
	return NULL;
}

START_TEST(test_notifier_loses_none_and_keeps_each_threads_order)
{
	uint64_t ids[N_THREADS];
	pthread_t threads[N_THREADS];
	unsigned i;

	for (i = 0; i < N_THREADS; i++) {
		ids[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, put_many,
						&ids[i]),
				 0);
	}
	for (i = 0; i < N_THREADS * N_EACH; i++)
		wait_for(&sent);
	for (i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert(notifier_free(notifier));
	ck_assert_uint_eq(n_sent, N_THREADS * N_EACH);
	ck_assert_uint_eq(n_disorder, 0);
}
END_TEST

static void *free_it(void *arg)
{
	(void)arg;
	ck_assert(notifier_free(notifier));
	return NULL;
}

START_TEST(test_notifier_ends_after_the_one_it_is_sending)
{
	pthread_t thread;
	unsigned i;

	hold_back = true;
	for (i = 1; i <= 100; i++)
		ck_assert_int_eq(notifier_put(notifier, i, NULL, 0), 0);
	wait_for(&sent);
	ck_assert_int_eq(pthread_create(&thread, NULL, free_it, NULL), 0);
	/* It has to be let go until it sees the end. */
	hold_back = false;
	sem_post(&go_on);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_le(n_sent, 100);
}
END_TEST

/* With 32 MiB waiting and nothing sent, a put takes a second and succeeds. */
START_TEST(test_notifier_takes_more_than_it_has_room_for)
{
	enum { N = (32 << 20) / UINT16_MAX + 2 };
	static char name[UINT16_MAX];
	unsigned i;

	memset(name, 'n', sizeof(name));
	hold_back = true;
	for (i = 1; i <= N; i++)
		ck_assert_int_eq(notifier_put(notifier, i, name, sizeof(name)),
				 0);
	wait_for(&sent);
	hold_back = false;
	sem_post(&go_on);
	for (i = 2; i <= N; i++)
		wait_for(&sent);
	ck_assert(notifier_free(notifier));
	ck_assert_uint_eq(n_sent, N);
	ck_assert_uint_eq(n_disorder, 0);
}
END_TEST

START_TEST(test_notifier_says_when_there_is_no_memory)
{
	mem_fail_nth(1, false);
	ck_assert_int_eq(notifier_put(notifier, 1, "x", 1), -ENOMEM);
	mem_fail_nth(0, false);
	ck_assert_int_eq(notifier_put(notifier, 2, "y", 1), 0);
	wait_for(&sent);
	ck_assert_str_eq(last_name, "y");
	ck_assert(notifier_free(notifier));
	ck_assert(notifier_free(NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuse_notifier");
	TCase *tc = tcase_create("fuse_notifier");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_notifier_sends_names_and_inodes);
	tcase_add_test(tc,
		       test_notifier_loses_none_and_keeps_each_threads_order);
	tcase_add_test(tc, test_notifier_ends_after_the_one_it_is_sending);
	tcase_add_test(tc, test_notifier_takes_more_than_it_has_room_for);
	tcase_add_test(tc, test_notifier_says_when_there_is_no_memory);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
