/* SPDX-License-Identifier: ISC */
/*
 * Every call to the disk and every allocation fails in turn, once and for good,
 * under everything a vault is used for.  Whatever the calls answer: nothing
 * crashes, no descriptor stays open, the vault then opens on a good disk, its
 * check is clean, and its tree is one it had between two calls, not before the
 * last that was confirmed.
 *
 * COFFER_TEST_FAULTS=all tries every number, =many a tenth; else the first ones
 * and then in growing steps.  COFFER_TEST_SCENARIO names the only one to run.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <check.h>

#include "base/mem.h"
#include "commit_fixture.h"
#include "fault_case.h"
#include "fault_env.h"
#include "scale.h"
#include "tempdir.h"

enum mode {
	DISK_EIO,
	DISK_EIO_FOR_GOOD,
	DISK_FULL,
	DISK_FULL_FOR_GOOD,
	MEMORY,
	MEMORY_FOR_GOOD,
	N_MODES,
};

static struct fault_env faults;

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---------------------------------------------------------------- faults */

static void arm(enum mode mode, unsigned long nth)
{
	bool sticky = mode == DISK_EIO_FOR_GOOD ||
		      mode == DISK_FULL_FOR_GOOD || mode == MEMORY_FOR_GOOD;

	fault_env_init(&faults);
	if (mode == MEMORY || mode == MEMORY_FOR_GOOD) {
		mem_fail_nth(nth, sticky);
		return;
	}
	faults.is_full = mode == DISK_FULL || mode == DISK_FULL_FOR_GOOD;
	faults.error = faults.is_full ? -ENOSPC : -EIO;
	faults.close_too = true;
	faults.nth = nth;
	faults.sticky = sticky;
}

/* Did it fail anything? */
static bool disarm(void)
{
	bool hit = mem_fail_hit() || faults.has_failed;

	mem_fail_nth(0, false);
	fault_env_init(&faults);
	return hit;
}

/* ---------------------------------------------------------------- one fault */

/* Until one fails. */
static void run_steps(struct run *run)
{
	int r = 0;

	for (unsigned i = 0; run->s->steps[i].fn && r == 0; i++) {
		run->begun = i + 1;
		r = run->s->steps[i].fn(run->v);
		if (r == 0 && run->s->steps[i].is_durable)
			run->confirmed = i + 1;
	}
	run->err = r;
}

static bool fail_once(const struct scenario *s, enum mode mode,
		      unsigned long nth)
{
	struct run run = { .s = s };
	unsigned before;
	bool hit;

	scenario_copy(s);
	before = open_descriptors();
	scenario_arm(&run);
	arm(mode, nth);
	run.err = scenario_open(&run, &faults.env);
	if (run.v) {
		run_steps(&run);
		int closed = vault_close(run.v);

		run.is_closed_well = closed == 0;
		run.err = run.err < 0 ? run.err : closed;
	}
	hit = disarm();
	ck_assert_msg(hit || run.err == 0, "%s: fails by itself: %s", s->name,
		      err_text(run.err));
	ck_assert_msg(open_descriptors() == before,
		      "%s: mode %d, fault %lu: %u descriptors, %u before",
		      s->name, (int)mode, nth, open_descriptors(), before);
	scenario_judge(&run, (int)mode, mode == DISK_EIO_FOR_GOOD, nth);
	scenario_disarm(&run);
	return hit;
}

/* The first ones, and then in steps: most of what comes late is alike. */
static unsigned long after(unsigned long n, enum mode mode)
{
	const char *how = getenv("COFFER_TEST_FAULTS");
	unsigned long each = mode < MEMORY ? 5 : 3, step = n * 2 / 3;

	if (how && strcmp(how, "all") == 0)
		return n + 1;
	if (!how && test_scale() > 1) {
		each = 2;
		step = 10 * n;
	}
	if (how && strcmp(how, "many") == 0)
		step = n / 12;
	return n + 1 + (n < each ? 0 : step);
}

START_TEST(every_failure_leaves_an_old_or_a_new_state)
{
	const struct scenario *s = &scenarios[_i / N_MODES];
	enum mode mode = (enum mode)(_i % N_MODES);
	struct timespec from, to;
	unsigned long n = 1, tried = 1;
	const char *only = getenv("COFFER_TEST_SCENARIO");

	if (only && strcmp(only, s->name) != 0)
		return;
	catch_diag();
	clock_gettime(CLOCK_MONOTONIC, &from);
	scenario_prepare(s);
	for (; fail_once(s, mode, n); n = after(n, mode))
		tried++;
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%-10s mode %d: %4lu faults up to %5lu, %.1f s\n", s->name,
	       (int)mode, tried, n,
	       (double)(to.tv_sec - from.tv_sec) +
		       (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	fflush(stdout);
	ck_assert_uint_gt(tried, 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("the nth failure");
	TCase *tc = tcase_create("faults");
	SRunner *sr;
	int n_failed;

	tcase_add_checked_fixture(tc, tempdir_make, tempdir_remove);
	tcase_set_timeout(tc, 7200);
	tcase_add_loop_test(tc, every_failure_leaves_an_old_or_a_new_state, 0,
			    (int)(n_scenarios * N_MODES));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
