/* SPDX-License-Identifier: ISC */
#include <stdatomic.h>
#include <stdlib.h>

#include <check.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "vault/content/workers.h"

#define N_JOBS 500

static struct workers *w;
static struct lock lock;
static struct cond changed;
static int n_fired; /* lock */

static void start(void)
{
	ck_assert_int_eq(workers_new(&w), 0);
	lock_init(&lock, LOCK_LEAF, 0);
	cond_init(&changed);
	n_fired = 0;
}

static void stop(void)
{
	workers_free(w);
	cond_release(&changed);
	lock_release(&lock);
}

struct counted {
	struct job job;
	atomic_int *n;
};

static void count(struct job *j)
{
	struct counted *c = container_of(j, struct counted, job);

	atomic_fetch_add(c->n, 1);
}

/* Adds N_JOBS and waits; returns how many ran. */
static int run_group(void)
{
	struct counted *jobs = calloc(N_JOBS, sizeof(*jobs));
	struct job_group g = { 0 };
	atomic_int n = 0;

	ck_assert_ptr_nonnull(jobs);
	for (int i = 0; i < N_JOBS; i++) {
		jobs[i] = (struct counted){ { .run = count }, &n };
		workers_add(w, &g, &jobs[i].job);
	}
	workers_wait(w, &g);
	free(jobs);
	return atomic_load(&n);
}

START_TEST(without_threads_jobs_run_at_once)
{
	ck_assert_uint_eq(workers_count(w), 0);
	ck_assert_int_eq(run_group(), N_JOBS);
	ck_assert(!workers_are_busy(w));
}
END_TEST

START_TEST(a_group_is_waited_for)
{
	ck_assert_int_eq(workers_start(w, 4), 0);
	ck_assert_uint_eq(workers_count(w), 4);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(run_group(), N_JOBS);
	workers_stop(w);
	ck_assert_int_eq(run_group(), N_JOBS);
}
END_TEST

/* A job that has jobs of its own: every thread may be inside one. */
struct nested {
	struct job job;
	atomic_int *n;
};

static void run_nested(struct job *j)
{
	struct nested *outer = container_of(j, struct nested, job);
	struct counted inner[8];
	struct job_group g = { 0 };

	for (size_t i = 0; i < array_len(inner); i++) {
		inner[i] = (struct counted){ { .run = count }, outer->n };
		workers_add(w, &g, &inner[i].job);
	}
	workers_wait(w, &g);
}

START_TEST(a_job_may_wait_for_jobs)
{
	struct nested jobs[16];
	struct job_group g = { 0 };
	atomic_int n = 0;

	ck_assert_int_eq(workers_start(w, 2), 0);
	for (size_t i = 0; i < array_len(jobs); i++) {
		jobs[i] = (struct nested){ { .run = run_nested }, &n };
		workers_add(w, &g, &jobs[i].job);
	}
	workers_wait(w, &g);
	ck_assert_int_eq(atomic_load(&n), 16 * 8);
}
END_TEST

START_TEST(what_is_queued_is_done_before_the_end)
{
	static struct counted jobs[N_JOBS];
	atomic_int n = 0;

	ck_assert_int_eq(workers_start(w, 1), 0);
	for (int i = 0; i < N_JOBS; i++) {
		jobs[i] = (struct counted){ { .run = count }, &n };
		workers_add(w, NULL, &jobs[i].job);
	}
	workers_stop(w);
	ck_assert_int_eq(atomic_load(&n), N_JOBS);
}
END_TEST

/* Fires again until the third time. */
static void fire(void *arg)
{
	lock_take(&lock);
	n_fired++;
	if (n_fired < 3)
		lock_drop(&lock);
	else {
		cond_broadcast(&changed);
		lock_drop(&lock);
		return;
	}
	workers_set_timer(arg, clock_mono_ns() + 1000000);
}

START_TEST(the_timer_fires_and_may_be_set_anew)
{
	workers_set_timer_fn(w, fire, w);
	ck_assert_int_eq(workers_start(w, 3), 0);
	/* Far away, then soon: the later one is forgotten. */
	workers_set_timer(w, clock_mono_ns() + UINT64_C(3600000000000));
	workers_set_timer(w, clock_mono_ns() + 1000000);
	lock_take(&lock);
	while (n_fired < 3)
		cond_wait(&changed, &lock);
	lock_drop(&lock);
	workers_stop(w);
	ck_assert_int_eq(n_fired, 3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("workers");
	TCase *tc = tcase_create("workers");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, without_threads_jobs_run_at_once);
	tcase_add_test(tc, a_group_is_waited_for);
	tcase_add_test(tc, a_job_may_wait_for_jobs);
	tcase_add_test(tc, what_is_queued_is_done_before_the_end);
	tcase_add_test(tc, the_timer_fires_and_may_be_set_anew);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
