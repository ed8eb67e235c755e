/* SPDX-License-Identifier: ISC */
/* Access control lists as bytes: which are valid, what they grant. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "base/buf.h"
#include "fuse/access.h"
#include "fuse/acl.h"

#define OWNER 1000
#define NAMED 1001
#define OTHER 1002
#define GROUP 100
#define NAMED_GROUP 101
#define NAMED_GROUP_2 102

#define U 0x01
#define NU 0x02
#define G 0x04
#define NG 0x08
#define M 0x10
#define O 0x20

#define ENTRIES_MAX 10

struct item {
	unsigned tag, permissions;
	uint32_t id;
};

static uint8_t list[4 + 8 * ENTRIES_MAX];
static size_t list_bytes;

/* Up to an item with tag 0. */
static void build(const struct item *items)
{
	uint8_t *to = list + 4;

	le32_put(list, 2);
	for (; items->tag; items++, to += 8) {
		le16_put(to, (uint16_t)items->tag);
		le16_put(to + 2, (uint16_t)items->permissions);
		le32_put(to + 4, items->id);
	}
	list_bytes = (size_t)(to - list);
}

static const struct {
	struct item items[ENTRIES_MAX];
	int expected;
} lists[] = {
	{ { { U, 6, 0 }, { G, 4, 0 }, { O, 0, 0 } }, 0 },
	{ { { U, 6, 0 }, { G, 4, 0 }, { M, 4, 0 }, { O, 0, 0 } }, 0 },
	{ { { U, 6, 0 },
	    { NU, 4, 7 },
	    { NU, 5, 3 },
	    { G, 4, 0 },
	    { NG, 7, 7 },
	    { NG, 7, 8 },
	    { M, 4, 0 },
	    { O, 0, 0 } },
	  0 },
	/* What the mode says is missing. */
	{ { { 0, 0, 0 } }, -EINVAL },
	{ { { G, 4, 0 }, { O, 0, 0 } }, -EINVAL },
	{ { { U, 4, 0 }, { O, 0, 0 } }, -EINVAL },
	{ { { U, 4, 0 }, { G, 0, 0 } }, -EINVAL },
	/* The mask is missing. */
	{ { { U, 6, 0 }, { NU, 4, 7 }, { G, 4, 0 }, { O, 0, 0 } }, -EINVAL },
	{ { { U, 6, 0 }, { G, 4, 0 }, { NG, 4, 7 }, { O, 0, 0 } }, -EINVAL },
	/* Out of order, or twice. */
	{ { { G, 4, 0 }, { U, 6, 0 }, { O, 0, 0 } }, -EINVAL },
	{ { { U, 6, 0 }, { U, 6, 0 }, { G, 4, 0 }, { O, 0, 0 } }, -EINVAL },
	{ { { U, 6, 0 }, { G, 4, 0 }, { O, 0, 0 }, { O, 0, 0 } }, -EINVAL },
	{ { { U, 6, 0 }, { G, 4, 0 }, { M, 4, 0 }, { M, 4, 0 }, { O, 0, 0 } },
	  -EINVAL },
	/* No such permission, tag or user. */
	{ { { U, 8, 0 }, { G, 4, 0 }, { O, 0, 0 } }, -EINVAL },
	{ { { U, 6, 0 }, { G, 4, 0 }, { O, 0, 0 }, { 0x40, 0, 0 } }, -EINVAL },
	{ { { 0x03, 6, 0 }, { U, 6, 0 }, { G, 4, 0 }, { O, 0, 0 } }, -EINVAL },
	{ { { U, 6, 0 },
	    { NU, 4, UINT32_MAX },
	    { G, 4, 0 },
	    { M, 7, 0 },
	    { O, 0, 0 } },
	  -EINVAL },
};

START_TEST(test_acl_lists_are_checked)
{
	build(lists[_i].items);
	ck_assert_int_eq(acl_check(list, list_bytes), lists[_i].expected);
}
END_TEST

START_TEST(test_acl_bytes_that_are_no_list_are_refused)
{
	build(lists[0].items);
	for (size_t n = 0; n < list_bytes; n++)
		ck_assert_int_eq(acl_check(list, n), -EINVAL);
	ck_assert_int_eq(acl_check(list, list_bytes + 1), -EINVAL);
	list[0] = 1;
	ck_assert_int_eq(acl_check(list, list_bytes), -EOPNOTSUPP);
}
END_TEST

static const struct item minimal[] = {
	{ U, 6, 0 }, { G, 5, 0 }, { O, 1, 0 }, { 0, 0, 0 }
};

static const struct item full[] = {
	{ U, 7, 0 },
	{ NU, 6, NAMED },
	{ G, 4, 0 },
	{ NG, 2, NAMED_GROUP },
	{ NG, 5, NAMED_GROUP_2 },
	{ M, 7, 0 },
	{ O, 1, 0 },
	{ 0, 0, 0 },
};

START_TEST(test_acl_the_group_bits_are_the_mask)
{
	build(minimal);
	ck_assert(!acl_is_extended(list, list_bytes));
	ck_assert_uint_eq(acl_mode(list, list_bytes), 0651);
	acl_apply_mode(list, list_bytes, S_IFREG | 04137);
	ck_assert_uint_eq(acl_mode(list, list_bytes), 0137);
	build(full);
	ck_assert(acl_is_extended(list, list_bytes));
	ck_assert_uint_eq(acl_mode(list, list_bytes), 0771);
	acl_apply_mode(list, list_bytes, 0640);
	ck_assert_uint_eq(acl_mode(list, list_bytes), 0640);
	/* The owning group keeps its own. */
	ck_assert_uint_eq(le16_get(list + 4 + 2 * 8 + 2), 4);
	ck_assert_int_eq(acl_check(list, list_bytes), 0);
}
END_TEST

START_TEST(test_acl_a_default_leaves_of_a_mode_what_both_grant)
{
	build(full);
	ck_assert_uint_eq(acl_inherit_mode(list, list_bytes, S_IFREG | 0666),
			  S_IFREG | 0660);
	ck_assert_uint_eq(acl_inherit_mode(list, list_bytes, S_IFDIR | 02777),
			  S_IFDIR | 02771);
	build(minimal);
	ck_assert_uint_eq(acl_inherit_mode(list, list_bytes, S_IFREG | 0777),
			  S_IFREG | 0651);
}
END_TEST

static uint32_t member_of[2];

static bool in_groups(void *arg, uint32_t gid)
{
	(void)arg;
	return gid == member_of[0] || gid == member_of[1];
}

static int acl_of(void *arg, const struct vault_attr *attr, const void **ret,
		  size_t *ret_bytes)
{
	int *answer = arg;

	(void)attr;
	*ret = list;
	*ret_bytes = list_bytes;
	return *answer;
}

/* `full` with mask `mask`, in an inode of OWNER and GROUP. */
static const struct {
	unsigned mask;
	uint32_t uid, groups[2];
	unsigned want;
	int expected;
} checks[] = {
	/* The owner's class is the mode's. */
	{ 7, OWNER, { NAMED_GROUP, 0 }, 7, 0 },
	{ 1, OWNER, { 0, 0 }, 7, 0 },
	/* A named user, as far as the mask goes, whatever groups say. */
	{ 7, NAMED, { 0, 0 }, 6, 0 },
	{ 7, NAMED, { 0, 0 }, 1, -EACCES },
	{ 7, NAMED, { NAMED_GROUP_2, 0 }, 5, -EACCES },
	{ 4, NAMED, { 0, 0 }, 4, 0 },
	{ 4, NAMED, { 0, 0 }, 2, -EACCES },
	/* Groups: one of them has to grant it all. */
	{ 7, OTHER, { GROUP, 0 }, 4, 0 },
	{ 7, OTHER, { GROUP, 0 }, 2, -EACCES },
	{ 7, OTHER, { GROUP, NAMED_GROUP }, 2, 0 },
	{ 7, OTHER, { GROUP, NAMED_GROUP }, 6, -EACCES },
	{ 7, OTHER, { NAMED_GROUP_2, 0 }, 5, 0 },
	{ 4, OTHER, { NAMED_GROUP_2, 0 }, 5, -EACCES },
	/* Who is in the class is not of the others. */
	{ 7, OTHER, { GROUP, 0 }, 1, -EACCES },
	{ 7, OTHER, { 0, 0 }, 1, 0 },
	{ 7, OTHER, { 0, 0 }, 4, -EACCES },
	{ 2, OTHER, { 0, 0 }, 1, 0 },
	/* Root. */
	{ 7, 0, { 0, 0 }, 7, 0 },
};

START_TEST(test_acl_grants_as_acl_5_says)
{
	int answer = 1;
	const struct access_caller c = { .uid = checks[_i].uid,
					 .gid = 65534,
					 .in_groups = in_groups,
					 .acl_of = acl_of,
					 .arg = &answer };
	const uint32_t mode = 0701 | checks[_i].mask << 3;
	const struct vault_attr a = { .mode = S_IFREG | mode,
				      .uid = OWNER,
				      .gid = GROUP };

	memcpy(member_of, checks[_i].groups, sizeof(member_of));
	build(full);
	acl_apply_mode(list, list_bytes, mode);
	ck_assert_int_eq(access_check(&c, &a, checks[_i].want),
			 checks[_i].expected);
}
END_TEST

START_TEST(test_acl_without_one_the_mode_decides)
{
	int answer = 0;
	const struct access_caller c = { .uid = NAMED,
					 .gid = GROUP,
					 .in_groups = in_groups,
					 .acl_of = acl_of,
					 .arg = &answer };
	const struct vault_attr a = { .mode = S_IFREG | 0670,
				      .uid = OWNER,
				      .gid = GROUP };

	build(full);
	ck_assert_int_eq(access_check(&c, &a, 7), 0);
	/* A list that cannot be read lets nobody in. */
	answer = -EIO;
	ck_assert_int_eq(access_check(&c, &a, 4), -EIO);
}
END_TEST

START_TEST(test_acl_is_changed_by_its_owner)
{
	const struct vault_attr a = { .uid = OWNER };
	const struct access_caller owner = { .uid = OWNER }, root = { 0 },
				   other = { .uid = OTHER };

	ck_assert_int_eq(access_check_acl_change(&owner, &a), 0);
	ck_assert_int_eq(access_check_acl_change(&root, &a), 0);
	ck_assert_int_eq(access_check_acl_change(&other, &a), -EPERM);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *suite = suite_create("fuse_acl");
	TCase *tc = tcase_create("fuse_acl");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, test_acl_lists_are_checked, 0, N(lists));
	tcase_add_test(tc, test_acl_bytes_that_are_no_list_are_refused);
	tcase_add_test(tc, test_acl_the_group_bits_are_the_mask);
	tcase_add_test(tc, test_acl_a_default_leaves_of_a_mode_what_both_grant);
	tcase_add_loop_test(tc, test_acl_grants_as_acl_5_says, 0, N(checks));
	tcase_add_test(tc, test_acl_without_one_the_mode_decides);
	tcase_add_test(tc, test_acl_is_changed_by_its_owner);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
