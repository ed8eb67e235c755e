/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <check.h>

#include "fuse/access.h"

#define R ACCESS_READ
#define W ACCESS_WRITE
#define X ACCESS_EXEC

#define ROOT 0
#define OWNER 1000
#define OTHER 1001
#define GROUP 100
#define STRANGE 101

/* Every caller's supplementary groups. */
static uint32_t extra_group;
static unsigned n_group_questions;

static bool in_groups(void *arg, uint32_t gid)
{
	(void)arg;
	n_group_questions++;
	return gid == extra_group;
}

static void start(void)
{
	extra_group = UINT32_MAX;
	n_group_questions = 0;
}

static struct access_caller caller(uint32_t uid, uint32_t gid)
{
	return (struct access_caller){ .uid = uid,
				       .gid = gid,
				       .in_groups = in_groups };
}

static struct vault_attr attr(uint32_t mode)
{
	return (struct vault_attr){ .mode = mode, .uid = OWNER, .gid = GROUP };
}

static const struct {
	uint32_t mode, uid, gid;
	unsigned want;
	int expected;
} checks[] = {
	/* The owner's class, even where others may do more. */
	{ S_IFREG | 0400, OWNER, STRANGE, R, 0 },
	{ S_IFREG | 0400, OWNER, STRANGE, W, -EACCES },
	{ S_IFREG | 0077, OWNER, GROUP, R, -EACCES },
	{ S_IFREG | 0077, OWNER, GROUP, X, -EACCES },
	{ S_IFREG | 0600, OWNER, STRANGE, R | W, 0 },
	{ S_IFREG | 0600, OWNER, STRANGE, R | X, -EACCES },
	/* The group's, even where others may do more. */
	{ S_IFREG | 0640, OTHER, GROUP, R, 0 },
	{ S_IFREG | 0640, OTHER, GROUP, R | W, -EACCES },
	{ S_IFREG | 0604, OTHER, GROUP, R, -EACCES },
	{ S_IFREG | 0060, OTHER, GROUP, R | W, 0 },
	/* Others'. */
	{ S_IFREG | 0770, OTHER, STRANGE, R, -EACCES },
	{ S_IFREG | 0004, OTHER, STRANGE, R, 0 },
	{ S_IFREG | 0004, OTHER, STRANGE, R | W, -EACCES },
	{ S_IFREG | 0007, OTHER, STRANGE, R | W | X, 0 },
	{ S_IFREG | 0000, OTHER, STRANGE, 0, 0 },
	/* Root: all, but executes only what somebody may execute. */
	{ S_IFREG | 0000, ROOT, ROOT, R | W, 0 },
	{ S_IFREG | 0666, ROOT, ROOT, X, -EACCES },
	{ S_IFREG | 0001, ROOT, ROOT, X, 0 },
	{ S_IFREG | 0010, ROOT, ROOT, R | W | X, 0 },
	{ S_IFDIR | 0000, ROOT, ROOT, R | W | X, 0 },
	/* Directories have no other rules. */
	{ S_IFDIR | 0711, OTHER, STRANGE, X, 0 },
	{ S_IFDIR | 0711, OTHER, STRANGE, R, -EACCES },
};

START_TEST(test_access_follows_owner_then_group_then_others)
{
	const struct access_caller c = caller(checks[_i].uid, checks[_i].gid);
	const struct vault_attr a = attr(checks[_i].mode);

	ck_assert_int_eq(access_check(&c, &a, checks[_i].want),
			 checks[_i].expected);
}
END_TEST

START_TEST(test_access_supplementary_groups_count)
{
	const struct access_caller c = caller(OTHER, STRANGE);
	const struct vault_attr gives = attr(S_IFREG | 0640);
	const struct vault_attr takes = attr(S_IFREG | 0604);

	ck_assert_int_eq(access_check(&c, &gives, R), -EACCES);
	ck_assert_int_eq(access_check(&c, &takes, R), 0);
	extra_group = GROUP;
	ck_assert_int_eq(access_check(&c, &gives, R), 0);
	ck_assert_int_eq(access_check(&c, &takes, R), -EACCES);
}
END_TEST

START_TEST(test_access_groups_are_asked_for_only_if_they_decide)
{
	const struct access_caller c = caller(OTHER, STRANGE);
	const struct access_caller owner = caller(OWNER, STRANGE);
	const struct vault_attr same = attr(S_IFREG | 0644);
	const struct vault_attr differs = attr(S_IFREG | 0640);

	ck_assert_int_eq(access_check(&c, &same, R), 0);
	ck_assert_int_eq(access_check(&c, &same, W), -EACCES);
	/* The group may read, but nobody asked to. */
	ck_assert_int_eq(access_check(&c, &differs, W), -EACCES);
	ck_assert_int_eq(access_check(&owner, &differs, R), 0);
	ck_assert_uint_eq(n_group_questions, 0);
}
END_TEST

START_TEST(test_access_adding_needs_write_and_search)
{
	const struct access_caller c = caller(OTHER, STRANGE);
	const struct vault_attr both = attr(S_IFDIR | 0703);
	const struct vault_attr write = attr(S_IFDIR | 0702);
	const struct vault_attr search = attr(S_IFDIR | 0701);

	ck_assert_int_eq(access_check_add(&c, &both), 0);
	ck_assert_int_eq(access_check_add(&c, &write), -EACCES);
	ck_assert_int_eq(access_check_add(&c, &search), -EACCES);
}
END_TEST

/* A directory of OWNER, sticky or not, and a victim of `victim`. */
static const struct {
	uint32_t mode, victim, uid;
	int expected;
} removals[] = {
	{ 0777, OWNER, OTHER, 0 },	 { 0775, OWNER, OTHER, -EACCES },
	{ 0776, OWNER, OTHER, -EACCES }, { 01777, OWNER, OTHER, -EPERM },
	{ 01777, OTHER, OTHER, 0 },	 { 01777, OTHER, OWNER, 0 },
	{ 01777, OWNER, ROOT, 0 },	 { 01555, OTHER, OTHER, -EACCES },
	{ 01000, OTHER, ROOT, 0 },
};

START_TEST(test_access_sticky_directories_protect_names)
{
	const struct access_caller c = caller(removals[_i].uid, STRANGE);
	const struct vault_attr dir = attr(S_IFDIR | removals[_i].mode);
	struct vault_attr victim = attr(S_IFREG | 0666);

	victim.uid = removals[_i].victim;
	ck_assert_int_eq(access_check_remove(&c, &dir, &victim),
			 removals[_i].expected);
}
END_TEST

START_TEST(test_access_sticky_directories_keep_their_attributes)
{
	const struct access_caller c = caller(OTHER, STRANGE);
	const struct access_caller owner = caller(OWNER, STRANGE);
	const struct vault_attr dir = attr(S_IFDIR | 01777);
	const struct vault_attr file = attr(S_IFREG | 01777);
	const struct vault_attr closed = attr(S_IFDIR | 01700);

	ck_assert_int_eq(access_check_xattr(&c, &dir, W), -EPERM);
	ck_assert_int_eq(access_check_xattr(&c, &dir, R), 0);
	ck_assert_int_eq(access_check_xattr(&owner, &dir, W), 0);
	ck_assert_int_eq(access_check_xattr(&c, &file, W), 0);
	ck_assert_int_eq(access_check_xattr(&c, &closed, R), -EACCES);
}
END_TEST

#define MODE VAULT_SET_MODE
#define UID VAULT_SET_UID
#define GID VAULT_SET_GID
#define SIZE VAULT_SET_SIZE
#define ATIME VAULT_SET_ATIME
#define MTIME VAULT_SET_MTIME

/* Changes to a file of OWNER and GROUP with mode 0664; GROUP is not among the
 * callers' groups unless it is the gid. */
static const struct {
	uint32_t uid, gid;
	unsigned mask;
	uint32_t new_uid, new_gid;
	bool atime_now, mtime_now, through_file;
	int expected;
} changes[] = {
	/* chmod(2) */
	{ OWNER, STRANGE, MODE, .expected = 0 },
	{ OTHER, GROUP, MODE, .expected = -EPERM },
	{ ROOT, ROOT, MODE, .expected = 0 },
	/* chown(2) */
	{ OWNER, GROUP, UID, .new_uid = OTHER, .expected = -EPERM },
	{ OWNER, GROUP, UID, .new_uid = OWNER, .expected = 0 },
	{ OTHER, GROUP, UID, .new_uid = OTHER, .expected = -EPERM },
	{ OTHER, GROUP, UID, .new_uid = OWNER, .expected = -EPERM },
	{ ROOT, ROOT, UID | GID, .new_uid = 7, .new_gid = 7, .expected = 0 },
	{ OWNER, STRANGE, GID, .new_gid = STRANGE, .expected = 0 },
	{ OWNER, STRANGE, GID, .new_gid = GROUP, .expected = 0 },
	{ OWNER, STRANGE, GID, .new_gid = 102, .expected = -EPERM },
	{ OTHER, GROUP, GID, .new_gid = GROUP, .expected = -EPERM },
	/* utimensat(2) */
	{ OWNER, STRANGE, ATIME | MTIME, .expected = 0 },
	{ OWNER, STRANGE, MTIME, .expected = 0 },
	{ OTHER, GROUP, ATIME | MTIME, .expected = -EPERM },
	{ OTHER, GROUP, ATIME | MTIME, .atime_now = true, .mtime_now = true,
	  .expected = 0 },
	{ OTHER, GROUP, ATIME | MTIME, .atime_now = true, .expected = -EPERM },
	{ OTHER, GROUP, MTIME, .mtime_now = true, .expected = -EPERM },
	{ OTHER, STRANGE, ATIME | MTIME, .atime_now = true, .mtime_now = true,
	  .expected = -EACCES },
	/* truncate(2), ftruncate(2) */
	{ OWNER, STRANGE, SIZE, .expected = 0 },
	{ OTHER, GROUP, SIZE, .expected = 0 },
	{ OTHER, STRANGE, SIZE, .expected = -EACCES },
	{ OTHER, STRANGE, SIZE, .through_file = true, .expected = 0 },
	{ OTHER, STRANGE, SIZE | MTIME, .mtime_now = true, .through_file = true,
	  .expected = 0 },
	{ OTHER, GROUP, SIZE | MTIME, .expected = -EPERM },
};

START_TEST(test_access_changes_are_the_owners)
{
	const struct access_caller c = caller(changes[_i].uid, changes[_i].gid);
	const struct vault_attr a = attr(S_IFREG | 0664);
	struct access_change change = {
		.mask = changes[_i].mask,
		.atime_now = changes[_i].atime_now,
		.mtime_now = changes[_i].mtime_now,
		.through_file = changes[_i].through_file,
		.new = { .mode = 0600,
			 .uid = changes[_i].new_uid,
			 .gid = changes[_i].new_gid },
	};

	ck_assert_int_eq(access_check_change(&c, &a, &change),
			 changes[_i].expected);
}
END_TEST

START_TEST(test_access_set_group_id_needs_the_group)
{
	const struct access_caller outside = caller(OWNER, STRANGE);
	const struct access_caller inside = caller(OWNER, GROUP);
	const struct access_caller root = caller(ROOT, ROOT);
	const struct vault_attr a = attr(S_IFREG | 0755);
	struct access_change change = { .mask = MODE, .new.mode = 06755 };

	ck_assert_int_eq(access_check_change(&inside, &a, &change), 0);
	ck_assert_uint_eq(change.new.mode, 06755);
	ck_assert_int_eq(access_check_change(&root, &a, &change), 0);
	ck_assert_uint_eq(change.new.mode, 06755);
	ck_assert_int_eq(access_check_change(&outside, &a, &change), 0);
	ck_assert_uint_eq(change.new.mode, 04755);
}
END_TEST

/* Made by OTHER of STRANGE in a directory of GROUP. */
static const struct {
	uint32_t dir_mode, mode, extra;
	uint32_t expected_gid, expected_mode;
} makings[] = {
	{ 0755, S_IFREG | 0644, 0, STRANGE, S_IFREG | 0644 },
	{ 0755, S_IFDIR | 0755, 0, STRANGE, S_IFDIR | 0755 },
	{ 02755, S_IFREG | 0644, 0, GROUP, S_IFREG | 0644 },
	{ 02755, S_IFDIR | 0755, 0, GROUP, S_IFDIR | 02755 },
	{ 02755, S_IFLNK | 0777, 0, GROUP, S_IFLNK | 0777 },
	/* Nobody becomes a member of a group this way. */
	{ 02755, S_IFREG | 02755, 0, GROUP, S_IFREG | 0755 },
	{ 02755, S_IFREG | 02755, GROUP, GROUP, S_IFREG | 02755 },
	{ 02755, S_IFREG | 02745, 0, GROUP, S_IFREG | 02745 },
};

START_TEST(test_access_set_group_id_directories_hand_down_their_group)
{
	const struct access_caller c = caller(OTHER, STRANGE);
	const struct vault_attr dir = attr(S_IFDIR | makings[_i].dir_mode);
	uint32_t gid, mode;

	extra_group = makings[_i].extra;
	access_new_owner(&c, &dir, makings[_i].mode, &gid, &mode);
	ck_assert_uint_eq(gid, makings[_i].expected_gid);
	ck_assert_uint_eq(mode, makings[_i].expected_mode);
}
END_TEST

START_TEST(test_access_set_group_id_stays_with_who_is_of_the_group)
{
	const unsigned some = VAULT_DROP_PRIVILEGES;
	const unsigned all = VAULT_DROP_PRIVILEGES | VAULT_DROP_SGID;
	const struct vault_attr plain = attr(S_IFREG | 02644);
	const struct vault_attr executable = attr(S_IFREG | 06755);
	struct access_caller c = caller(OTHER, STRANGE);

	ck_assert_uint_eq(access_privileges_lost(&c, &plain), all);
	c = caller(OWNER, STRANGE);
	ck_assert_uint_eq(access_privileges_lost(&c, &plain), all);
	c = caller(ROOT, STRANGE);
	ck_assert_uint_eq(access_privileges_lost(&c, &plain), some);
	c = caller(OTHER, GROUP);
	ck_assert_uint_eq(access_privileges_lost(&c, &plain), some);
	n_group_questions = 0;
	c = caller(OTHER, STRANGE);
	ck_assert_uint_eq(access_privileges_lost(&c, &executable), some);
	ck_assert_uint_eq(n_group_questions, 0);
	extra_group = GROUP;
	ck_assert_uint_eq(access_privileges_lost(&c, &plain), some);
	ck_assert_uint_eq(n_group_questions, 1);
}
END_TEST

START_TEST(test_access_times_of_access_are_due_once_a_day)
{
	const int64_t day = INT64_C(86400000000000), now = 100 * day;
	const struct {
		int64_t atime, mtime, ctime;
		bool expected;
	} cases[] = {
		{ now - 5, now - 6, now - 6, false },
		{ now - 6, now - 6, now - 7, true },
		{ now - 6, now - 7, now - 6, true },
		{ now - 6, now - 5, now - 7, true },
		{ now - day + 1, 0, 0, false },
		{ now - day, 0, 0, true },
		{ now + day, 0, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct vault_attr a = { .atime_ns = cases[i].atime,
					      .mtime_ns = cases[i].mtime,
					      .ctime_ns = cases[i].ctime };

		ck_assert(access_time_is_due(&a, now) == cases[i].expected);
	}
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *suite = suite_create("fuse_access");
	TCase *tc = tcase_create("fuse_access");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_loop_test(tc,
			    test_access_follows_owner_then_group_then_others, 0,
			    N(checks));
	tcase_add_test(tc, test_access_supplementary_groups_count);
	tcase_add_test(tc,
		       test_access_groups_are_asked_for_only_if_they_decide);
	tcase_add_test(tc, test_access_adding_needs_write_and_search);
	tcase_add_loop_test(tc, test_access_sticky_directories_protect_names, 0,
			    N(removals));
	tcase_add_test(tc,
		       test_access_sticky_directories_keep_their_attributes);
	tcase_add_loop_test(tc, test_access_changes_are_the_owners, 0,
			    N(changes));
	tcase_add_test(tc, test_access_set_group_id_needs_the_group);
	tcase_add_loop_test(
		tc, test_access_set_group_id_directories_hand_down_their_group,
		0, N(makings));
	tcase_add_test(
		tc, test_access_set_group_id_stays_with_who_is_of_the_group);
	tcase_add_test(tc, test_access_times_of_access_are_due_once_a_day);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
