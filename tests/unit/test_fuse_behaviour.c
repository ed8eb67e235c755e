/* SPDX-License-Identifier: ISC */
/* What a mount does by its options; and two small things: groups, counters. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <check.h>

#include "base/mem.h"
#include "fuse/behaviour.h"
#include "fuse/groups.h"
#include "fuse/request_stats.h"

#define USER 1000

static const enum session_profile profiles[] = { SESSION_BALANCED, SESSION_SAFE,
						 SESSION_FAST };
static const enum session_checks checks[] = { SESSION_CHECKS_AUTO,
					      SESSION_CHECKS_KERNEL,
					      SESSION_CHECKS_DAEMON };

/* Every combination of `bits` (36 of them). */
static struct session_options combination(int bits)
{
	return (struct session_options){
		.allow_other = bits & 1,
		.allow_root = bits & 2,
		.profile = profiles[bits / 4 % 3],
		.checks = checks[bits / 12 % 3],
	};
}

START_TEST(test_behaviour_somebody_checks_the_mode_at_open)
{
	const struct session_options o = combination(_i);
	const struct behaviour user = behaviour_choose(&o, USER, false);
	const struct behaviour root = behaviour_choose(&o, 0, false);

	/* Skipped only if the kernel checks, or if root alone may enter. */
	ck_assert(user.answer_open || !user.check_access);
	ck_assert(user.answer_opendir || !user.check_access);
	ck_assert(root.answer_open || !root.check_access ||
		  (!o.allow_other && !o.allow_root));
}
END_TEST

START_TEST(test_behaviour_the_kernel_checks_where_others_may_enter)
{
	const struct session_options o = combination(_i);

	if (!o.allow_other && !o.allow_root && o.profile != SESSION_FAST)
		return;
	ck_assert(!behaviour_choose(&o, 0, false).check_access);
	ck_assert(!behaviour_choose(&o, USER, false).check_access);
}
END_TEST

START_TEST(test_behaviour_the_kernel_keeps_nothing_it_might_show_to_others)
{
	struct session_options o = combination(_i);
	const struct behaviour b = behaviour_choose(&o, USER, false);

	if (!o.allow_root)
		return;
	ck_assert(b.timeout_s <= 0 && b.negative_timeout_s <= 0);
	ck_assert(b.answer_open && b.answer_opendir);
}
END_TEST

START_TEST(test_behaviour_owner_only_mounts_may_choose)
{
	struct session_options o = { .checks = SESSION_CHECKS_AUTO };

	ck_assert(behaviour_choose(&o, 0, false).check_access);
	ck_assert(!behaviour_choose(&o, USER, false).check_access);
	o.checks = SESSION_CHECKS_DAEMON;
	ck_assert(behaviour_choose(&o, USER, false).check_access);
	o.checks = SESSION_CHECKS_KERNEL;
	ck_assert(!behaviour_choose(&o, 0, false).check_access);
}
END_TEST

START_TEST(test_behaviour_profiles_are_what_they_promise)
{
	struct session_options o = { .profile = SESSION_BALANCED };
	struct behaviour b = behaviour_choose(&o, USER, false);

	ck_assert(!b.writeback);
	ck_assert(!b.answer_flush);
	ck_assert(b.timeout_s >= 3600);
	ck_assert(b.negative_timeout_s >= 3600);
	o.profile = SESSION_SAFE;
	b = behaviour_choose(&o, USER, false);
	ck_assert(!b.writeback);
	ck_assert(b.answer_flush);
	ck_assert(b.timeout_s <= 1);
	ck_assert(b.negative_timeout_s <= 0);
	o.profile = SESSION_FAST;
	ck_assert(behaviour_choose(&o, USER, false).writeback);
}
END_TEST

START_TEST(test_behaviour_reading_that_sets_times_is_told_of)
{
	struct session_options o = { .relatime = true };
	struct behaviour b = behaviour_choose(&o, 0, false);

	ck_assert(b.note_reads && b.answer_open && b.answer_opendir);
	ck_assert(b.note_lists);
	o.nodiratime = true;
	b = behaviour_choose(&o, 0, false);
	ck_assert(b.note_reads && !b.note_lists);
	ck_assert(!behaviour_choose(&o, 0, true).note_reads);
	o.read_only = true;
	b = behaviour_choose(&o, 0, false);
	ck_assert(!b.note_reads && !b.answer_open && !b.answer_opendir);
	o = (struct session_options){ .relatime = false };
	ck_assert(!behaviour_choose(&o, 0, false).note_reads);
}
END_TEST

START_TEST(test_behaviour_read_only_by_option_or_by_the_vault)
{
	struct session_options o = { .read_only = false };

	ck_assert(!behaviour_choose(&o, USER, false).read_only);
	ck_assert(behaviour_choose(&o, USER, true).read_only);
	o.read_only = true;
	ck_assert(behaviour_choose(&o, USER, false).read_only);
}
END_TEST

static const struct {
	const char *text;
	gid_t gid;
	bool expected;
} groups[] = {
	{ "Uid:\t1\nGroups:\t4 24 1000 \nNStgid:\t7\n", 4, true },
	{ "Uid:\t1\nGroups:\t4 24 1000 \nNStgid:\t7\n", 24, true },
	{ "Uid:\t1\nGroups:\t4 24 1000 \nNStgid:\t7\n", 1000, true },
	{ "Uid:\t1\nGroups:\t4 24 1000 \nNStgid:\t7\n", 2, false },
	{ "Uid:\t1\nGroups:\t4 24 1000 \nNStgid:\t7\n", 100, false },
	{ "Uid:\t1\nGroups:\t4 24 1000 \nNStgid:\t7\n", 7, false },
	{ "Uid:\t1\nGroups:\t4294967294 \n", 4294967294, true },
	{ "Uid:\t1\nGroups:\t \nX:\t3\n", 3, false },
	{ "Uid:\t1\nGroups:\t\n3\n", 3, false },
	{ "Uid:\t1\nGroups:\t5", 5, true },
	{ "Uid:\t1\nGroups:", 5, false },
	{ "Name:\tGroups: 5\nUid:\t1\n", 5, false },
	{ "", 0, false },
};

START_TEST(test_groups_are_read_from_their_line)
{
	ck_assert_int_eq(groups_text_has(groups[_i].text, groups[_i].gid),
			 groups[_i].expected);
}
END_TEST

START_TEST(test_groups_of_this_process_are_found)
{
	gid_t mine[256];
	int i, n = getgroups(256, mine);

	for (i = 0; i < n; i++)
		ck_assert(groups_has(getpid(), mine[i]));
	ck_assert(!groups_has(getpid(), 4294967000U));
	/* From outside of our name space the kernel tells no number. */
	ck_assert(!groups_has(0, getgid()));
}
END_TEST

static struct request_counters counters;

START_TEST(test_stats_count_by_kind)
{
	struct request_stats s;

	request_counters_init(&counters);
	request_counters_add(&counters, 1, 1000);
	request_counters_add(&counters, 1, 3000);
	request_counters_add(&counters, 16, 7);
	request_counters_add(&counters, REQUEST_KINDS, 5);
	request_counters_get(&counters, &s);
	ck_assert_uint_eq(s.count[1], 2);
	ck_assert_uint_eq(s.total_ns[1], 4000);
	ck_assert_uint_eq(s.count[16], 1);
	ck_assert_uint_eq(s.count[0], 1);
	ck_assert_uint_eq(s.count[2], 0);
	ck_assert_str_eq(request_kind_name(1), "LOOKUP");
	ck_assert_str_eq(request_kind_name(16), "WRITE");
	ck_assert_ptr_null(request_kind_name(0));
	ck_assert_ptr_null(request_kind_name(REQUEST_KINDS));
}
END_TEST

/* Each time lies in its bucket, buckets follow each other without a gap, and
 * none is wider than a quarter of its times. */
START_TEST(test_stats_buckets_are_a_quarter_wide_at_most)
{
	uint64_t end, before = UINT64_MAX;
	unsigned i;

	for (i = 0; i < REQUEST_BUCKETS; i++) {
		end = request_bucket_end_ns(i);
		ck_assert_uint_eq(request_bucket_of(before + 1), i);
		ck_assert_uint_eq(request_bucket_of(end), i);
		ck_assert_uint_ge(end, before + 1);
		if (i > 0)
			ck_assert_uint_le(4 * (end - before - 1), before + 1);
		before = end;
	}
	/* What is above stays in the last. */
	ck_assert_uint_eq(request_bucket_of(before + 1), REQUEST_BUCKETS - 1);
	ck_assert_uint_eq(request_bucket_of(UINT64_MAX), REQUEST_BUCKETS - 1);
}
END_TEST

START_TEST(test_stats_tell_what_has_begun_and_not_ended)
{
	struct request_stats s;

	request_counters_init(&counters);
	request_counters_begin(&counters);
	request_counters_begin(&counters);
	request_counters_add(&counters, 3, 10);
	request_counters_get(&counters, &s);
	ck_assert_uint_eq(s.n_begun, 2);
	ck_assert_uint_eq(s.count[3], 1);
}
END_TEST

static void *count_many(void *arg)
{
	for (unsigned i = 0; i < 1000; i++) {
		request_counters_begin(arg);
		request_counters_add(arg, 15, i);
	}
	return NULL;
}

/* More threads than copies: none loses a count of another. */
START_TEST(test_stats_of_many_threads_add_up)
{
	pthread_t threads[2 * TALLY_SHARDS + 1];
	struct request_stats s;
	size_t i;

	request_counters_init(&counters);
	for (i = 0; i < array_len(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_many,
						&counters),
				 0);
	for (i = 0; i < array_len(threads); i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	request_counters_get(&counters, &s);
	ck_assert_uint_eq(s.count[15], array_len(threads) * 1000);
	ck_assert_uint_eq(s.n_begun, array_len(threads) * 1000);
	ck_assert_uint_eq(s.total_ns[15], array_len(threads) * 499500);
}
END_TEST

START_TEST(test_stats_quantiles_bound_the_times)
{
	struct request_stats s;
	unsigned i;

	request_counters_init(&counters);
	for (i = 0; i < 98; i++)
		request_counters_add(&counters, 1, 1000);
	request_counters_add(&counters, 1, 100000);
	request_counters_add(&counters, 1, UINT64_MAX);
	request_counters_add(&counters, 2, 0);
	request_counters_get(&counters, &s);
	/* To within a quarter. */
	ck_assert_uint_eq(request_stats_quantile_ns(&s, 1, 0.5), 1023);
	ck_assert_uint_eq(request_stats_quantile_ns(&s, 1, 0.98), 1023);
	ck_assert_uint_eq(request_stats_quantile_ns(&s, 1, 0.99), 114687);
	ck_assert_uint_gt(request_stats_quantile_ns(&s, 1, 1), 114687);
	ck_assert_uint_eq(request_stats_quantile_ns(&s, 2, 0.5), 0);
	ck_assert_uint_eq(s.count[2], 1);
	ck_assert_uint_eq(request_stats_quantile_ns(&s, 3, 0.5), 0);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *suite = suite_create("fuse_behaviour");
	TCase *tc = tcase_create("fuse_behaviour");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, test_behaviour_somebody_checks_the_mode_at_open,
			    0, 36);
	tcase_add_loop_test(
		tc, test_behaviour_the_kernel_checks_where_others_may_enter, 0,
		36);
	tcase_add_loop_test(
		tc,
		test_behaviour_the_kernel_keeps_nothing_it_might_show_to_others,
		0, 36);
	tcase_add_test(tc, test_behaviour_owner_only_mounts_may_choose);
	tcase_add_test(tc, test_behaviour_profiles_are_what_they_promise);
	tcase_add_test(tc, test_behaviour_reading_that_sets_times_is_told_of);
	tcase_add_test(tc, test_behaviour_read_only_by_option_or_by_the_vault);
	tcase_add_loop_test(tc, test_groups_are_read_from_their_line, 0,
			    N(groups));
	tcase_add_test(tc, test_groups_of_this_process_are_found);
	tcase_add_test(tc, test_stats_count_by_kind);
	tcase_add_test(tc, test_stats_buckets_are_a_quarter_wide_at_most);
	tcase_add_test(tc, test_stats_tell_what_has_begun_and_not_ended);
	tcase_add_test(tc, test_stats_of_many_threads_add_up);
	tcase_add_test(tc, test_stats_quantiles_bound_the_times);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
