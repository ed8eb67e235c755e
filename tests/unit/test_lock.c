/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <check.h>

#include "base/clock.h"
#include "base/lock.h"

#define N_THREADS 4
#define N_ROUNDS 5000

/* The tests take locks in one function and drop them in another. */
#define UNCHECKED LOCK_ATTR_(no_thread_safety_analysis)

static struct lock lock;
static struct rwlock rwlock;
static struct cond cond;

/* Guarded by `lock` or by `rwlock`, as the case may be. */
static long counter;
static bool ready;

static atomic_int readers_in;
static atomic_bool writer_in;
static atomic_bool reader_two_in;

static void set_up(void)
{
	lock_init(&lock, LOCK_STORE, 0);
	rwlock_init(&rwlock, LOCK_SESSION);
	cond_init(&cond);
	counter = 0;
	ready = false;
	atomic_store(&readers_in, 0);
	atomic_store(&writer_in, false);
	atomic_store(&reader_two_in, false);
}

static void tear_down(void)
{
	cond_release(&cond);
	rwlock_release(&rwlock);
	lock_release(&lock);
}

static void run_threads(void *(*fn)(void *))
{
	pthread_t threads[N_THREADS];

	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, fn, NULL),
				 0);
	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

static void *add_locked(void *arg)
{
	for (int i = 0; i < N_ROUNDS; i++) {
		lock_take(&lock);
		counter++;
		lock_drop(&lock);
	}
	return arg;
}

START_TEST(test_lock_excludes)
{
	run_threads(add_locked);
	ck_assert_int_eq(counter, (long)N_THREADS * N_ROUNDS);
}
END_TEST

static void *add_exclusively(void *arg)
{
	long seen;

	for (int i = 0; i < N_ROUNDS; i++) {
		rwlock_take(&rwlock);
		counter++;
		rwlock_drop(&rwlock);
		rwlock_take_shared(&rwlock);
		seen = counter;
		rwlock_drop_shared(&rwlock);
		if (seen <= i)
			abort();
	}
	return arg;
}

START_TEST(test_rwlock_excludes)
{
	run_threads(add_exclusively);
	ck_assert_int_eq(counter, (long)N_THREADS * N_ROUNDS);
}
END_TEST

static void *try_lock(void *arg) UNCHECKED
{
	bool *got = arg;

	*got = lock_try(&lock);
	if (*got)
		lock_drop(&lock);
	return NULL;
}

static bool other_thread_gets_lock(void)
{
	pthread_t thread;
	bool got = false;

	ck_assert_int_eq(pthread_create(&thread, NULL, try_lock, &got), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	return got;
}

START_TEST(test_lock_try_fails_only_while_taken)
{
	lock_take(&lock);
	ck_assert(!other_thread_gets_lock());
	lock_drop(&lock);
	ck_assert(other_thread_gets_lock());
}
END_TEST

static void *read_and_stay(void *arg)
{
	rwlock_take_shared(&rwlock);
	atomic_fetch_add(&readers_in, 1);
	while (atomic_load(&readers_in) < 2)
		usleep(100);
	rwlock_drop_shared(&rwlock);
	return arg;
}

/* Ends only if both readers are in at once. */
START_TEST(test_rwlock_readers_share)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						read_and_stay, NULL),
				 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_int_eq(atomic_load(&readers_in), 2);
}
END_TEST

static void *write_once(void *arg)
{
	rwlock_take(&rwlock);
	atomic_store(&writer_in, true);
	/* A reader that came after this writer must still be outside. */
	counter = atomic_load(&reader_two_in) ? -1 : 1;
	rwlock_drop(&rwlock);
	return arg;
}

static void *read_late(void *arg)
{
	rwlock_take_shared(&rwlock);
	atomic_store(&reader_two_in, true);
	rwlock_drop_shared(&rwlock);
	return arg;
}

/* Is a thread waiting for the lock exclusively?  From then on no reader may
 * get it; tried here without a rank, since this thread reads already. */
static bool writer_waits(void)
{
	int r = pthread_rwlock_tryrdlock(&rwlock.rwlock);

	if (r == 0)
		ck_assert_int_eq(pthread_rwlock_unlock(&rwlock.rwlock), 0);
	return r != 0;
}

START_TEST(test_rwlock_waiting_writer_goes_before_new_readers)
{
	pthread_t writer, reader;

	rwlock_take_shared(&rwlock);
	ck_assert_int_eq(pthread_create(&writer, NULL, write_once, NULL), 0);
	while (!writer_waits())
		usleep(100);
	ck_assert_int_eq(pthread_create(&reader, NULL, read_late, NULL), 0);
	rwlock_drop_shared(&rwlock);
	ck_assert_int_eq(pthread_join(writer, NULL), 0);
	ck_assert_int_eq(pthread_join(reader, NULL), 0);
	ck_assert_int_eq(counter, 1);
	ck_assert(atomic_load(&writer_in));
	ck_assert(atomic_load(&reader_two_in));
}
END_TEST

static void *set_ready(void *arg)
{
	lock_take(&lock);
	ready = true;
	cond_signal(&cond);
	lock_drop(&lock);
	return arg;
}

START_TEST(test_cond_wait_ends_by_a_signal)
{
	pthread_t thread;

	lock_take(&lock);
	ck_assert_int_eq(pthread_create(&thread, NULL, set_ready, NULL), 0);
	while (!ready)
		cond_wait(&cond, &lock);
	ck_assert(ready);
	lock_drop(&lock);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void *wait_ready(void *arg)
{
	lock_take(&lock);
	counter++;
	while (!ready)
		cond_wait(&cond, &lock);
	lock_drop(&lock);
	return arg;
}

START_TEST(test_cond_broadcast_wakes_all)
{
	pthread_t threads[N_THREADS];
	bool all_wait = false;

	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, wait_ready, NULL), 0);
	while (!all_wait) {
		lock_take(&lock);
		all_wait = counter == N_THREADS;
		if (all_wait) {
			ready = true;
			cond_broadcast(&cond);
		}
		lock_drop(&lock);
	}
	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

START_TEST(test_cond_wait_until_tells_that_the_time_has_passed)
{
	uint64_t until = clock_mono_ns() + 20 * NS_PER_MS;

	lock_take(&lock);
	while (cond_wait_until(&cond, &lock, until))
		continue; /* woken without a signal, which POSIX allows */
	ck_assert_uint_ge(clock_mono_ns(), until);
	ck_assert(!cond_wait_until(&cond, &lock, 0));
	lock_drop(&lock);
}
END_TEST

START_TEST(test_cond_wait_until_a_far_time_ends_by_a_signal)
{
	pthread_t thread;

	lock_take(&lock);
	ck_assert_int_eq(pthread_create(&thread, NULL, set_ready, NULL), 0);
	while (!ready)
		ck_assert(cond_wait_until(&cond, &lock, UINT64_MAX));
	lock_drop(&lock);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lock");
	TCase *tc = tcase_create("lock");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, test_lock_excludes);
	tcase_add_test(tc, test_lock_try_fails_only_while_taken);
	tcase_add_test(tc, test_rwlock_excludes);
	tcase_add_test(tc, test_rwlock_readers_share);
	tcase_add_test(tc, test_rwlock_waiting_writer_goes_before_new_readers);
	tcase_add_test(tc, test_cond_wait_ends_by_a_signal);
	tcase_add_test(tc, test_cond_broadcast_wakes_all);
	tcase_add_test(tc, test_cond_wait_until_tells_that_the_time_has_passed);
	tcase_add_test(tc, test_cond_wait_until_a_far_time_ends_by_a_signal);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
